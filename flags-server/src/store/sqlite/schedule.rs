//! Scheduled changes.

use flags_core::{Revision, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::store::{
    EnvironmentId, NextChange, ScheduleFilter, ScheduleState, ScheduledChange, StoreError,
    StoreResult,
};

/// What [`scheduled_change`] reads besides the body, of `scheduled_change AS s`.
const COLUMNS: &str = "s.id, s.environment_id, s.at, s.state, s.version, s.action, s.key,
    s.if_version, s.actor, s.actor_name, s.reason, s.created_at, s.ended_at, s.revision, s.problem";

pub(super) fn get(
    connection: &Connection,
    environment: EnvironmentId,
    id: &str,
) -> StoreResult<Option<ScheduledChange>> {
    let sql = format!(
        "SELECT {COLUMNS}, s.body FROM scheduled_change AS s WHERE id = ?1 AND environment_id = ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row((id, environment.0), scheduled_change).optional()?)
}

pub(super) fn list(
    connection: &Connection,
    environment: EnvironmentId,
    filter: &ScheduleFilter,
) -> StoreResult<Vec<ScheduledChange>> {
    let sql = format!(
        "SELECT {COLUMNS}, NULL FROM scheduled_change AS s
         WHERE environment_id = ?1 AND (?2 IS NULL OR state = ?2)
             AND (?3 IS NULL OR (at, id) > (?3, ?4))
         ORDER BY at, id LIMIT ?5"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let (at, id) = filter.after.as_ref().map(|(at, id)| (at.as_millis(), id)).unzip();
    let state = filter.state.map(ScheduleState::name);
    let rows =
        statement.query_map((environment.0, state, at, id, filter.limit), scheduled_change)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn with(
    connection: &Connection,
    environment: EnvironmentId,
    text: &str,
    state: Option<ScheduleState>,
    after: &str,
    limit: u32,
) -> StoreResult<Vec<ScheduledChange>> {
    let sql = format!(
        "SELECT {COLUMNS}, s.body FROM scheduled_change AS s
         WHERE environment_id = ?1 AND (?2 IS NULL OR state = ?2) AND id > ?3
             AND (instr(body, ?4) > 0 OR instr(problem, ?4) > 0 OR instr(reason, ?5) > 0)
         ORDER BY id LIMIT ?6"
    );
    // As it stands inside of texts in JSON, which a body and a problem are.
    let json = serde_json::to_string(text).map_err(StoreError::new)?;
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
    let state = state.map(ScheduleState::name);
    let mut statement = connection.prepare_cached(&sql)?;
    let wanted = (environment.0, state, after, json.unwrap_or(text), text, limit);
    let rows = statement.query_map(wanted, scheduled_change)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn next(connection: &Connection) -> StoreResult<Option<NextChange>> {
    let sql = format!(
        "SELECT {COLUMNS}, s.body, p.key, e.key FROM scheduled_change AS s
         JOIN environment AS e ON e.id = s.environment_id JOIN project AS p ON p.id = e.project_id
         WHERE s.state = 'open' ORDER BY s.at, s.id"
    );
    let read = |row: &Row<'_>| -> StoreResult<NextChange> {
        let change = scheduled_change(row)?;
        Ok(NextChange { project: row.get(16)?, environment: row.get(17)?, change })
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        match read(row) {
            // It stays open, and is in nobody's way.
            Err(error) if error.is_damage() => {
                tracing::error!(error = error.logged(), "a scheduled change cannot be read");
            }
            next => return next.map(Some),
        }
    }
    Ok(None)
}

pub(super) fn open(connection: &Connection, environment: EnvironmentId) -> StoreResult<(u64, u64)> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*), coalesce(sum(length(CAST(body AS BLOB))), 0) FROM scheduled_change
         WHERE environment_id = ?1 AND state = 'open'",
    )?;
    Ok(statement.query_row([environment.0], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

pub(super) fn all_open(connection: &Connection) -> StoreResult<(u64, Option<Timestamp>)> {
    let sql = "SELECT count(*), min(at) FROM scheduled_change WHERE state = 'open'";
    let read = |row: &Row<'_>| {
        let first: Option<i64> = row.get(1)?;
        Ok((row.get(0)?, first.map(Timestamp::from_millis)))
    };
    Ok(connection.prepare_cached(sql)?.query_row((), read)?)
}

/// What has ended before a time; what is open has not.
const ENDED: &str = "state <> 'open' AND ended_at < ?1";

pub(super) fn ended(connection: &Connection, before: Timestamp) -> StoreResult<u64> {
    let sql = format!("SELECT count(*) FROM scheduled_change WHERE {ENDED}");
    Ok(connection.query_row(&sql, [before.as_millis()], |row| row.get(0))?)
}

pub(super) fn cut(connection: &Connection, before: Timestamp) -> StoreResult<()> {
    let sql = format!("DELETE FROM scheduled_change WHERE {ENDED}");
    connection.execute(&sql, [before.as_millis()])?;
    Ok(())
}

pub(super) fn made(
    connection: &Connection,
    environment: EnvironmentId,
    revision: Revision,
) -> StoreResult<Option<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM scheduled_change WHERE environment_id = ?1 AND revision = ?2",
    )?;
    Ok(statement.query_row((environment.0, revision), |row| row.get(0)).optional()?)
}

pub(super) fn put(connection: &Connection, change: &ScheduledChange) -> StoreResult<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO scheduled_change (id, environment_id, at, state, version, action,
         key, if_version, body, actor, actor_name, reason, created_at, ended_at, revision, problem)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         ON CONFLICT (id) DO UPDATE SET at = ?3, state = ?4, version = ?5, action = ?6, key = ?7,
         if_version = ?8, body = ?9, actor = ?10, actor_name = ?11, reason = ?12, ended_at = ?14,
         revision = ?15, problem = ?16",
    )?;
    statement.execute((
        &change.id,
        change.environment.0,
        change.at.as_millis(),
        change.state.name(),
        change.version,
        &change.action,
        &change.key,
        change.if_version,
        &change.body,
        &change.actor,
        &change.actor_name,
        &change.reason,
        change.created_at.as_millis(),
        change.ended_at.map(Timestamp::as_millis),
        change.revision,
        &change.problem,
    ))?;
    Ok(())
}

fn scheduled_change(row: &Row<'_>) -> rusqlite::Result<ScheduledChange> {
    let state: String = row.get(3)?;
    let state = ScheduleState::of(&state).ok_or_else(|| {
        let error = format!("`{state}` is no state of a scheduled change");
        rusqlite::Error::FromSqlConversionFailure(3, Type::Text, error.into())
    })?;
    let ended_at: Option<i64> = row.get(12)?;
    Ok(ScheduledChange {
        id: row.get(0)?,
        environment: EnvironmentId(row.get(1)?),
        at: Timestamp::from_millis(row.get(2)?),
        state,
        version: row.get(4)?,
        action: row.get(5)?,
        key: row.get(6)?,
        if_version: row.get(7)?,
        actor: row.get(8)?,
        actor_name: row.get(9)?,
        reason: row.get(10)?,
        created_at: Timestamp::from_millis(row.get(11)?),
        ended_at: ended_at.map(Timestamp::from_millis),
        revision: row.get(13)?,
        problem: row.get(14)?,
        body: row.get(15)?,
    })
}

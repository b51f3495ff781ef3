//! Writing what tenants use of their limits. Sums move with the seats that they are of.

use flags_core::Timestamp;
use rusqlite::{Connection, Params};

use crate::store::{Counted, Crossing, EnvironmentId, StoreError, StoreResult};

pub(super) fn assign(
    connection: &Connection,
    environment: EnvironmentId,
    [tenant, feature, user]: [&str; 3],
    at: Timestamp,
) -> StoreResult<()> {
    let at = at.as_millis();
    one(
        connection,
        "INSERT INTO seat (environment_id, tenant, feature, user, assigned_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        (environment.0, tenant, feature, user, at),
    )?;
    one(
        connection,
        "INSERT INTO tenant_use (environment_id, tenant, feature, counter, used, at)
         VALUES (?1, ?2, ?3, 'seats', 1, ?4)
         ON CONFLICT DO UPDATE SET used = used + 1, at = excluded.at",
        (environment.0, tenant, feature, at),
    )?;
    let sql = "UPDATE environment SET seats = seats + 1 WHERE id = ?1";
    one(connection, sql, [environment.0])
}

pub(super) fn release(
    connection: &Connection,
    environment: EnvironmentId,
    [tenant, feature, user]: [&str; 3],
    at: Timestamp,
) -> StoreResult<()> {
    one(
        connection,
        "DELETE FROM seat
         WHERE environment_id = ?1 AND tenant = ?2 AND feature = ?3 AND user = ?4",
        (environment.0, tenant, feature, user),
    )?;
    one(
        connection,
        "UPDATE tenant_use SET used = used - 1, at = ?4 WHERE environment_id = ?1
         AND tenant = ?2 AND feature = ?3 AND counter = 'seats'",
        (environment.0, tenant, feature, at.as_millis()),
    )?;
    execute(
        connection,
        "DELETE FROM tenant_use WHERE environment_id = ?1
         AND tenant = ?2 AND feature = ?3 AND counter = 'seats' AND used = 0",
        (environment.0, tenant, feature),
    )?;
    let sql = "UPDATE environment SET seats = seats - 1 WHERE id = ?1";
    one(connection, sql, [environment.0])
}

/// Counts the seats of a tenant no more, which go with it.
pub(super) fn uncount(
    connection: &Connection,
    environment: EnvironmentId,
    tenant: &str,
) -> StoreResult<()> {
    one(
        connection,
        "UPDATE environment SET seats = seats - (
             SELECT coalesce(sum(used), 0) FROM tenant_use
             WHERE environment_id = ?1 AND tenant = ?2 AND counter = 'seats'
         ) WHERE id = ?1",
        (environment.0, tenant),
    )
}

pub(super) fn put_usage(
    connection: &Connection,
    environment: EnvironmentId,
    [tenant, feature]: [&str; 2],
    used: u64,
    at: Timestamp,
) -> StoreResult<()> {
    one(
        connection,
        "INSERT INTO tenant_use (environment_id, tenant, feature, counter, used, at)
         VALUES (?1, ?2, ?3, 'usage', ?4, ?5)
         ON CONFLICT DO UPDATE SET used = excluded.used, at = excluded.at",
        (environment.0, tenant, feature, used, at.as_millis()),
    )
}

pub(super) fn set_level(
    connection: &Connection,
    environment: EnvironmentId,
    of: &Counted,
    level: u32,
) -> StoreResult<()> {
    one(
        connection,
        "UPDATE tenant_use SET level = ?5
         WHERE environment_id = ?1 AND tenant = ?2 AND feature = ?3 AND counter = ?4",
        (environment.0, &of.tenant, &of.feature, of.counter.name(), level),
    )
}

pub(super) fn add_crossing(
    connection: &Connection,
    environment: EnvironmentId,
    crossing: &Crossing,
) -> StoreResult<()> {
    let Crossing { of, threshold, used, limit, at, .. } = crossing;
    one(
        connection,
        "INSERT INTO crossing (environment_id, tenant, feature, counter, threshold, used, limit_then, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            environment.0,
            &of.tenant,
            &of.feature,
            of.counter.name(),
            threshold,
            used,
            limit,
            at.as_millis(),
        ),
    )
}

pub(super) fn forget_crossings(
    connection: &Connection,
    until: Timestamp,
    limit: u32,
) -> StoreResult<()> {
    execute(
        connection,
        // In their order, which is that of time: it stops at the first that stays.
        "DELETE FROM crossing WHERE id IN (SELECT id FROM crossing ORDER BY id LIMIT ?2)
         AND at <= ?1",
        (until.as_millis(), limit),
    )?;
    Ok(())
}

fn execute(connection: &Connection, sql: &str, params: impl Params) -> StoreResult<usize> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}

/// For a statement that must hit exactly one row.
fn one(connection: &Connection, sql: &str, params: impl Params) -> StoreResult<()> {
    match execute(connection, sql, params)? {
        1 => Ok(()),
        rows => Err(StoreError::new(format!("{rows} rows were written instead of one"))),
    }
}

//! The audit log as rows: appended, chained, read, and erased.

use flags_core::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, TransactionBehavior, params};

use crate::store::chain::{AuditRow, ChainHead, Digest, Parts, Seals, link};
use crate::store::{AuditEntry, StoreError, StoreResult};

/// Rows that are chained in one transaction, when a database of an earlier version is opened.
const ROWS_PER_BATCH: u32 = 1_000;

const COLUMNS: &str = "id, at, actor, request_id, action, project, environment, object_kind, \
                       revisions, object_key, reason, before, after, salts, digests, hash, \
                       erased, actor_name";

/// The last row, chained or not.
pub(super) fn head(connection: &Connection) -> StoreResult<ChainHead> {
    let sql = "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    let head = statement.query_row((), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((id, hash)) = head else {
        return anchor(connection);
    };
    let hash: Option<Digest> = hash;
    let hash = hash.ok_or_else(|| StoreError::new("the audit log is not chained to its end"))?;
    Ok(ChainHead { id, hash })
}

/// The last row that was cut off.
pub(super) fn anchor(connection: &Connection) -> StoreResult<ChainHead> {
    one(connection, "SELECT id, hash FROM audit_anchor ORDER BY id DESC LIMIT 1", ())
}

/// The last row before the first that was written at an instant or later.
pub(super) fn before(connection: &Connection, at: Timestamp) -> StoreResult<ChainHead> {
    let sql = "SELECT id, hash FROM audit WHERE id < coalesce(
                   (SELECT min(id) FROM audit WHERE at >= ?1), 9223372036854775807)
               ORDER BY id DESC LIMIT 1";
    one(connection, sql, [at.as_millis()])
}

fn one(connection: &Connection, sql: &str, params: impl Params) -> StoreResult<ChainHead> {
    let read = |row: &Row<'_>| Ok(ChainHead { id: row.get(0)?, hash: row.get(1)? });
    let head = connection.prepare_cached(sql)?.query_row(params, read).optional()?;
    Ok(head.unwrap_or_default())
}

/// Deletes the rows up to one, which the chain goes on from.
pub(super) fn cut(connection: &Connection, through: &ChainHead) -> StoreResult<()> {
    connection
        .prepare_cached("INSERT INTO audit_anchor (id, hash) VALUES (?1, ?2)")?
        .execute((through.id, through.hash))?;
    for table in ["deed WHERE audit_id", "audit WHERE id"] {
        let sql = format!("DELETE FROM {table} <= ?1");
        connection.prepare_cached(&sql)?.execute([through.id])?;
    }
    Ok(())
}

pub(super) fn append(connection: &Connection, entry: &AuditEntry<'_>) -> StoreResult<i64> {
    let ChainHead { id: last, hash: previous } = head(connection)?;
    let id = last + 1;
    let seals = Seals::new(&entry.parts()).map_err(StoreError::new)?;
    let hash = link(&previous, id, entry, &seals);
    let sql = "INSERT INTO audit (id, at, actor, actor_name, request_id, action, project,
               environment, object_kind, object_key, reason, before, after, revisions, salts,
               digests, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
    connection.prepare_cached(sql)?.execute(params![
        id,
        entry.at.as_millis(),
        entry.actor,
        entry.actor_name,
        entry.request_id,
        entry.action,
        entry.project,
        entry.environment,
        entry.object_kind,
        entry.object_key,
        entry.reason,
        entry.before,
        entry.after,
        entry.revisions,
        seals.salts.as_flattened(),
        seals.digests.as_flattened(),
        hash,
    ])?;
    Ok(id)
}

/// Chains the rows of a database that was written before there was a chain, in batches: what is
/// interrupted goes on at the next start.
pub(super) fn chain_old_rows(connection: &mut Connection) -> StoreResult<()> {
    let unchained = "SELECT hash IS NULL FROM audit ORDER BY id DESC LIMIT 1";
    let is_open: Option<bool> = connection.query_row(unchained, (), |row| row.get(0)).optional()?;
    if is_open != Some(true) {
        return Ok(());
    }
    let chained = "SELECT id, hash FROM audit WHERE hash IS NOT NULL ORDER BY id DESC LIMIT 1";
    let last = connection
        .query_row(chained, (), |row| Ok(ChainHead { id: row.get(0)?, hash: row.get(1)? }))
        .optional()?;
    let mut last = last.unwrap_or_default();
    loop {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rows = rows(&tx, last.id, ROWS_PER_BATCH)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let entry = row.entry();
            if row.id != last.id + 1 {
                return Err(StoreError::new(format!(
                    "the audit log has a gap before its row {}: restore a backup",
                    row.id
                )));
            }
            let seals = Seals::new(&entry.parts()).map_err(StoreError::new)?;
            last = ChainHead { id: row.id, hash: link(&last.hash, row.id, &entry, &seals) };
            tx.prepare_cached(
                "UPDATE audit SET salts = ?2, digests = ?3, hash = ?4 WHERE id = ?1",
            )?
            .execute((
                row.id,
                seals.salts.as_flattened(),
                seals.digests.as_flattened(),
                last.hash,
            ))?;
        }
        tx.commit()?;
    }
    let count = "SELECT count(*) FROM audit WHERE salts IS NULL OR digests IS NULL OR hash IS NULL";
    match connection.query_row(count, (), |row| row.get(0))? {
        0_i64 => Ok(()),
        count => Err(StoreError::new(format!("{count} rows of the audit log are not chained"))),
    }
}

/// Rows after `after`, in their order.
pub(super) fn rows(connection: &Connection, after: i64, limit: u32) -> StoreResult<Vec<AuditRow>> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((after, limit), row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn row(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    let (salts, digests): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(13)?, row.get(14)?);
    Ok(AuditRow {
        id: row.get(0)?,
        at: Timestamp::from_millis(row.get(1)?),
        actor: row.get(2)?,
        actor_name: row.get(17)?,
        request_id: row.get(3)?,
        action: row.get(4)?,
        project: row.get(5)?,
        environment: row.get(6)?,
        object_kind: row.get(7)?,
        revisions: row.get(8)?,
        parts: [row.get(9)?, row.get(10)?, row.get(11)?, row.get(12)?],
        seals: salts.zip(digests).and_then(|(s, d)| Seals::from_bytes(&s, &d)),
        // What has another length is as good as none.
        hash: row.get::<_, Option<Vec<u8>>>(15)?.and_then(|hash| hash.try_into().ok()),
        erased: row.get(16)?,
    })
}

/// Writes what is left of a row's parts, also where its history is found. Those that differ from what
/// was there have lost their salts.
pub(super) fn erase(
    connection: &Connection,
    id: i64,
    parts: &Parts<String>,
    seals: &Seals,
    erased: &str,
) -> StoreResult<()> {
    let [key, reason, before, after] = parts;
    let sql = "UPDATE audit SET object_key = ?2, reason = ?3, before = ?4, after = ?5, salts = ?6,
               erased = ?7 WHERE id = ?1";
    let salts = seals.salts.as_flattened();
    let params = (id, key, reason, before, after, salts, erased);
    if connection.prepare_cached(sql)?.execute(params)? != 1 {
        return Err(StoreError::new(format!("there is no row {id} in the audit log")));
    }
    let sql = "UPDATE deed SET key = ?2 WHERE audit_id = ?1 AND key <> ?2";
    connection.prepare_cached(sql)?.execute((id, key))?;
    Ok(())
}

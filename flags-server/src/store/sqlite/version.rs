//! The version of the schema: the number of the last migration that was applied.

use std::cmp::Ordering;

use rusqlite::{Connection, OptionalExtension};

use super::migrations;
use crate::store::{StoreError, StoreResult};

/// What this program brings a database to.
pub(super) fn latest() -> i32 {
    let runner = migrations::migrations::runner();
    runner.get_migrations().iter().map(|migration| migration.version()).max().unwrap_or_default()
}

/// What a database is at; 0 where it is empty.
pub(super) fn of(connection: &Connection) -> StoreResult<i32> {
    let table = "SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history'";
    if connection.query_row(table, (), |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    let version = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
    Ok(connection.query_row(version, (), |row| row.get(0))?)
}

/// Leaves alone what a later program wrote: it may mean something else by it.
pub(super) fn refuse_later(connection: &Connection) -> StoreResult<()> {
    match of(connection)?.cmp(&latest()) {
        Ordering::Greater => Err(later(connection)?),
        Ordering::Less | Ordering::Equal => Ok(()),
    }
}

pub(super) fn later(connection: &Connection) -> StoreResult<StoreError> {
    Ok(StoreError::new(format!(
        "it was written by a later flags-server (its schema has version {}, this program knows \
         up to {}): install that one, or restore a backup made before it",
        of(connection)?,
        latest()
    )))
}

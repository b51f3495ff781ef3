//! What is read, by what it is about.

mod answer;
mod audit;
mod log;
mod member;
mod object;
mod place;
mod schedule;
mod seat;
mod tenant;
mod token;

use flags_core::{Epoch, Timestamp};
use rusqlite::{Connection, OptionalExtension, Params, Row};

pub(super) use self::audit::{AUDIT_COLUMNS, audit_record};
pub(super) use self::member::{is_excluded, member_list};
use super::damage;
use crate::store::{Damage, Page, StoreError, StoreResult, View};

/// Whatever has a connection that is inside a transaction.
pub(super) trait Rows {
    fn connection(&self) -> StoreResult<&Connection>;

    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> StoreResult<Vec<T>> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A page of documents, of so many bytes each; with the one that is too much, it ends.
    fn page<T>(
        &self,
        page: &Page,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
        size: fn(&T) -> usize,
    ) -> StoreResult<Vec<T>> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        for row in statement.query_map(params, read)? {
            let item = row?;
            bytes += size(&item);
            found.push(item);
            if bytes > page.bytes {
                break;
            }
        }
        Ok(found)
    }

    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> StoreResult<Option<T>> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        Ok(statement.query_row(params, read).optional()?)
    }

    fn number(&self, sql: &str, params: impl Params) -> StoreResult<u64> {
        Ok(self.one(sql, params, |row| row.get(0))?.unwrap_or_default())
    }
}

/// Sorts before every key.
fn after(page: &Page) -> &str {
    page.after.as_deref().unwrap_or_default()
}

impl<T: Rows> View for T {
    fn epoch(&self) -> StoreResult<Epoch> {
        let epoch: Option<String> =
            self.one("SELECT epoch FROM meta WHERE id = 1", (), |row| row.get(0))?;
        epoch
            .map(|epoch| Epoch::new(&epoch))
            .ok_or_else(|| StoreError::new("the database has no epoch"))
    }

    fn damage(&self) -> StoreResult<Vec<Damage>> {
        damage::find(self.connection()?)
    }
}

fn instant(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(Timestamp::from_millis))
}

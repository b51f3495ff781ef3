use rusqlite::{Connection, OptionalExtension, Row};

use super::{Rows, after};
use crate::store::{
    EnvironmentId, MemberCounts, MemberList, Members, Page, StoreError, StoreResult,
};

impl<T: Rows> Members for T {
    fn members(
        &self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        page: &Page,
    ) -> StoreResult<Vec<String>> {
        self.all(
            "SELECT m.key FROM member_list AS l CROSS JOIN member AS m ON m.list_id = l.id
             WHERE l.environment_id = ?1 AND l.segment = ?2 AND m.excluded = ?3 AND m.key > ?4
             ORDER BY m.key LIMIT ?5",
            (environment.0, segment, is_excluded(list), after(page), page.limit),
            |row| row.get(0),
        )
    }

    fn each_member(
        &self,
        environment: EnvironmentId,
        visit: &mut dyn FnMut(&str, MemberList, &str) -> StoreResult<()>,
    ) -> StoreResult<()> {
        let lists: Vec<(i64, String)> = self.all(
            "SELECT id, segment FROM member_list WHERE environment_id = ?1 ORDER BY segment",
            [environment.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let sql = "SELECT excluded, key FROM member WHERE list_id = ?1 ORDER BY excluded, key";
        let mut statement = self.connection()?.prepare_cached(sql)?;
        for (id, segment) in lists {
            let mut rows = statement.query([id])?;
            while let Some(row) = rows.next()? {
                let key = row.get_ref(1)?.as_str().map_err(StoreError::new)?;
                let list = if row.get(0)? { MemberList::Excluded } else { MemberList::Included };
                visit(&segment, list, key)?;
            }
        }
        Ok(())
    }

    fn has_members(
        &self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        keys: &[String],
    ) -> StoreResult<bool> {
        let Some(id) = member_list(self.connection()?, environment, segment)? else {
            return Ok(false);
        };
        let sql = "SELECT 1 FROM member WHERE list_id = ?1 AND excluded = ?2 AND key = ?3";
        let mut statement = self.connection()?.prepare_cached(sql)?;
        for key in keys {
            if statement.exists((id, is_excluded(list), key))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn member_counts(&self, environment: EnvironmentId) -> StoreResult<MemberCounts> {
        let counts = self.one(
            "SELECT included, excluded, member_bytes FROM environment WHERE id = ?1",
            [environment.0],
            |row| member_counts(row, 0),
        )?;
        Ok(counts.unwrap_or_default())
    }
}

/// From three columns, the first of which is `first`.
pub(super) fn member_counts(row: &Row<'_>, first: usize) -> rusqlite::Result<MemberCounts> {
    Ok(MemberCounts {
        included: row.get(first)?,
        excluded: row.get(first + 1)?,
        bytes: row.get(first + 2)?,
    })
}

/// The number of a segment's list; there is none until it has a key.
pub(in super::super) fn member_list(
    connection: &Connection,
    environment: EnvironmentId,
    segment: &str,
) -> StoreResult<Option<i64>> {
    let sql = "SELECT id FROM member_list WHERE environment_id = ?1 AND segment = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row((environment.0, segment), |row| row.get(0)).optional()?)
}

/// How a list stands in the table.
pub(in super::super) fn is_excluded(list: MemberList) -> bool {
    list == MemberList::Excluded
}

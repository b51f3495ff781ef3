use flags_core::{Revision, Timestamp};

use super::Rows;
use crate::store::{ChangeLog, Checkpoint, EnvironmentId, LoggedChange, StoreResult};

impl<T: Rows> ChangeLog for T {
    fn changes(
        &self,
        environment: EnvironmentId,
        after: Revision,
        limit: u32,
        bytes: usize,
    ) -> StoreResult<Vec<LoggedChange>> {
        let sql = "SELECT revision, change, resets FROM change_log
                   WHERE environment_id = ?1 AND revision > ?2 ORDER BY revision LIMIT ?3";
        let mut statement = self.connection()?.prepare_cached(sql)?;
        let mut rows = statement.query((environment.0, after, limit))?;
        let (mut changes, mut read) = (Vec::new(), 0);
        while read < bytes
            && let Some(row) = rows.next()?
        {
            let change =
                LoggedChange { revision: row.get(0)?, change: row.get(1)?, resets: row.get(2)? };
            read += change.change.len();
            changes.push(change);
        }
        Ok(changes)
    }

    fn committed_at(
        &self,
        environment: EnvironmentId,
        revision: Revision,
    ) -> StoreResult<Option<Timestamp>> {
        self.one(
            "SELECT committed_at FROM change_log WHERE environment_id = ?1 AND revision = ?2",
            (environment.0, revision),
            |row| Ok(Timestamp::from_millis(row.get(0)?)),
        )
    }

    fn revision_at(
        &self,
        environment: EnvironmentId,
        at: Timestamp,
    ) -> StoreResult<Option<Revision>> {
        self.one(
            "SELECT revision FROM change_log WHERE environment_id = ?1 AND committed_at <= ?2
             ORDER BY committed_at DESC, revision DESC LIMIT 1",
            (environment.0, at.as_millis()),
            |row| row.get(0),
        )
    }

    fn revision_before(&self, environment: EnvironmentId, at: Timestamp) -> StoreResult<Revision> {
        // Before the first that is not: a clock may have gone back.
        let sql = "SELECT coalesce(
                       (SELECT min(revision) - 1 FROM change_log
                        WHERE environment_id = ?1 AND committed_at >= ?2),
                       (SELECT revision FROM environment WHERE id = ?1))";
        self.number(sql, (environment.0, at.as_millis()))
    }

    fn checkpoint(&self, environment: EnvironmentId) -> StoreResult<Option<Checkpoint>> {
        self.one(
            "SELECT revision, document FROM checkpoint WHERE environment_id = ?1",
            [environment.0],
            |row| Ok(Checkpoint { revision: row.get(0)?, document: row.get(1)? }),
        )
    }
}

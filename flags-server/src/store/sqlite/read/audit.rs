use flags_core::{Revision, Timestamp};
use rusqlite::Row;

use super::Rows;
use crate::store::chain::{AuditRow, ChainHead};
use crate::store::sqlite::{audit, search};
use crate::store::{
    AuditFilter, AuditLog, AuditPage, AuditRecord, EnvironmentId, ObjectKind, StoreResult,
};

impl<T: Rows> AuditLog for T {
    fn audit_anchor(&self) -> StoreResult<ChainHead> {
        audit::anchor(self.connection()?)
    }

    fn audit_before(&self, at: Timestamp) -> StoreResult<ChainHead> {
        audit::before(self.connection()?, at)
    }

    fn audit_rows(&self, after: i64, limit: u32) -> StoreResult<Vec<AuditRow>> {
        audit::rows(self.connection()?, after, limit)
    }

    fn revisions(
        &self,
        environment: EnvironmentId,
        of: Option<(ObjectKind, &str)>,
        before: Option<Revision>,
        limit: u32,
    ) -> StoreResult<Vec<Revision>> {
        let before = before.unwrap_or(LAST_REVISION).min(LAST_REVISION);
        match of {
            None => self.all(
                "SELECT revision FROM change_log WHERE environment_id = ?1 AND revision < ?2
                 ORDER BY revision DESC LIMIT ?3",
                (environment.0, before, limit),
                |row| row.get(0),
            ),
            Some((kind, key)) => self.all(
                "SELECT DISTINCT revision FROM deed
                 WHERE environment_id = ?1 AND kind = ?2 AND key = ?3 AND revision < ?4
                 ORDER BY revision DESC LIMIT ?5",
                (environment.0, kind.name(), key, before, limit),
                |row| row.get(0),
            ),
        }
    }

    fn deeds(
        &self,
        environment: EnvironmentId,
        revision: Revision,
        of: Option<(ObjectKind, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRecord>> {
        let (kind, key) = of.map(|(kind, key)| (kind.name(), key)).unzip();
        let sql = format!(
            "SELECT {AUDIT_COLUMNS} FROM deed AS d CROSS JOIN audit AS a ON a.id = d.audit_id
             WHERE d.environment_id = ?1 AND d.revision = ?2
             AND (?3 IS NULL OR d.kind = ?3 AND d.key = ?4) ORDER BY d.audit_id LIMIT ?5"
        );
        self.all(&sql, (environment.0, revision, kind, key, limit), audit_record)
    }

    fn deed_count(&self, environment: EnvironmentId, revision: Revision) -> StoreResult<u64> {
        self.number(
            "SELECT count(*) FROM deed WHERE environment_id = ?1 AND revision = ?2",
            (environment.0, revision),
        )
    }

    fn audit(&self, filter: &AuditFilter, limits: (u32, u32, usize)) -> StoreResult<AuditPage> {
        search::search(self.connection()?, filter, limits)
    }
}

/// Above every revision.
const LAST_REVISION: Revision = i64::MAX as Revision;

/// What [`audit_record`] reads, of `audit AS a`.
pub(in super::super) const AUDIT_COLUMNS: &str =
    "a.id, a.at, a.actor, a.actor_name, a.request_id, a.action, a.project, a.environment, a.object_kind,
     a.object_key, a.reason, a.before, a.after, a.revisions";

pub(in super::super) fn audit_record(row: &Row<'_>) -> rusqlite::Result<AuditRecord> {
    Ok(AuditRecord {
        id: row.get(0)?,
        at: Timestamp::from_millis(row.get(1)?),
        actor: row.get(2)?,
        actor_name: Some(row.get(3)?).filter(|name: &String| !name.is_empty()),
        request_id: row.get(4)?,
        action: row.get(5)?,
        project: row.get(6)?,
        environment: row.get(7)?,
        object_kind: row.get(8)?,
        object_key: row.get(9)?,
        reason: row.get(10)?,
        before: row.get(11)?,
        after: row.get(12)?,
        revisions: row.get(13)?,
    })
}

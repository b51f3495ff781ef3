//! The audit log as it is written, searched and read.

use flags_core::{Revision, Timestamp};

use super::chain::{AuditRow, ChainHead};
use super::{EnvironmentId, ObjectKind, Reach, StoreResult};

/// Who did what, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditEntry<'a> {
    pub(crate) at: Timestamp,
    /// The id of the token.
    pub(crate) actor: &'a str,
    /// What it is called.
    pub(crate) actor_name: &'a str,
    pub(crate) request_id: &'a str,
    /// What was asked for, such as `flag.off`.
    pub(crate) action: &'a str,
    pub(crate) project: Option<&'a str>,
    pub(crate) environment: Option<&'a str>,
    pub(crate) object_kind: &'a str,
    pub(crate) object_key: &'a str,
    pub(crate) reason: Option<&'a str>,
    /// The object as JSON.
    pub(crate) before: Option<&'a str>,
    /// The object as JSON.
    pub(crate) after: Option<&'a str>,
    /// `{environment: revision}` as JSON.
    pub(crate) revisions: &'a str,
}

/// An entry of the audit log as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditRecord {
    /// Later ones have higher ones.
    pub(crate) id: u64,
    pub(crate) at: Timestamp,
    pub(crate) actor: String,
    /// What the token is called.
    pub(crate) actor_name: Option<String>,
    pub(crate) request_id: String,
    pub(crate) action: String,
    pub(crate) project: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) object_kind: String,
    pub(crate) object_key: String,
    pub(crate) reason: Option<String>,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) revisions: String,
}

impl AuditRecord {
    /// Roughly how much there is to tell.
    pub(crate) fn bytes(&self) -> usize {
        let length = |document: &Option<String>| document.as_ref().map_or(0, String::len);
        length(&self.before) + length(&self.after)
    }
}

/// Where an entry stands in the audit log, which is sorted by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AuditPosition {
    pub(crate) at: Timestamp,
    pub(crate) id: u64,
}

/// What is looked for in the audit log.
#[derive(Debug, Clone)]
pub(crate) struct AuditFilter {
    pub(crate) project: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) action: Option<String>,
    /// Its kind, of any kind where that is not said, and its key.
    pub(crate) object: Option<(Option<String>, String)>,
    /// Only what happened within this.
    pub(crate) reach: Reach,
    /// Not earlier than this.
    pub(crate) from: Timestamp,
    /// Only what stands before this.
    pub(crate) before: AuditPosition,
}

impl Default for AuditFilter {
    /// Everything.
    fn default() -> Self {
        Self {
            project: None,
            environment: None,
            actor: None,
            action: None,
            object: None,
            reach: Reach::Everything,
            from: Timestamp::from_millis(i64::MIN),
            before: AuditPosition { at: Timestamp::from_millis(i64::MAX), id: 0 },
        }
    }
}

/// Some entries of the audit log, and where to look for the next ones.
#[derive(Debug)]
pub(crate) struct AuditPage {
    pub(crate) records: Vec<AuditRecord>,
    pub(crate) next: Option<AuditPosition>,
}

/// The audit log, its chain, and the history that is read from it.
pub(crate) trait AuditLog {
    /// The last row that was cut off the beginning of the audit log.
    fn audit_anchor(&self) -> StoreResult<ChainHead>;

    /// The last row of the audit log before the first that was written at an instant or later.
    fn audit_before(&self, at: Timestamp) -> StoreResult<ChainHead>;

    /// Up to `limit` rows of the audit log after the row `after`, in their order.
    fn audit_rows(&self, after: i64, limit: u32) -> StoreResult<Vec<AuditRow>>;

    /// The revisions of an environment before `before`, the newest first: all, or those that changed
    /// one object, its shared definition included.
    fn revisions(
        &self,
        environment: EnvironmentId,
        of: Option<(ObjectKind, &str)>,
        before: Option<Revision>,
        limit: u32,
    ) -> StoreResult<Vec<Revision>>;

    /// The first entries of the audit log that made a revision; all, or those of one object.
    fn deeds(
        &self,
        environment: EnvironmentId,
        revision: Revision,
        of: Option<(ObjectKind, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRecord>>;

    /// How many entries of the audit log made a revision.
    fn deed_count(&self, environment: EnvironmentId, revision: Revision) -> StoreResult<u64>;

    /// Entries of the audit log that match, the latest first: up to so many, found among up to so
    /// many that are looked at, and no further one once they have so many bytes.
    fn audit(&self, filter: &AuditFilter, limits: (u32, u32, usize)) -> StoreResult<AuditPage>;
}

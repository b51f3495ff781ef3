//! The change log, and what its beginning adds up to.

use flags_core::{Revision, Timestamp};

use super::{EnvironmentId, StoreResult};

/// One entry of the change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedChange {
    pub(crate) revision: Revision,
    /// A [`flags_core::Change`] as JSON, on one line.
    pub(crate) change: String,
    /// Whether who has an older revision needs a snapshot to get over it.
    pub(crate) resets: bool,
}

/// What the changes up to a revision add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) revision: Revision,
    /// A [`flags_core::Document`] as JSON.
    pub(crate) document: String,
}

/// The change log: what was when.
pub(crate) trait ChangeLog {
    /// The changes after a revision, in order: up to `limit` of them, and no further one once they
    /// have `bytes`.
    fn changes(
        &self,
        environment: EnvironmentId,
        after: Revision,
        limit: u32,
        bytes: usize,
    ) -> StoreResult<Vec<LoggedChange>>;

    /// When a revision was committed.
    fn committed_at(
        &self,
        environment: EnvironmentId,
        revision: Revision,
    ) -> StoreResult<Option<Timestamp>>;

    /// The latest revision that was committed at an instant or before.
    fn revision_at(
        &self,
        environment: EnvironmentId,
        at: Timestamp,
    ) -> StoreResult<Option<Revision>>;

    /// The last revision that was made before an instant; 0 where there is none.
    fn revision_before(&self, environment: EnvironmentId, at: Timestamp) -> StoreResult<Revision>;

    /// What was cut off the beginning of a change log, added up: a [`flags_core::Document`] as JSON.
    fn checkpoint(&self, environment: EnvironmentId) -> StoreResult<Option<Checkpoint>>;
}

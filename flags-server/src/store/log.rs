//! The change log, and what its beginning adds up to.

use flags_core::Revision;

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

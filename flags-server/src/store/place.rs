//! Projects and environments, and what is unique within one.

use flags_core::{Revision, Timestamp};

use super::ObjectKind;

/// The number of a project in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ProjectId(pub(crate) i64);

/// The number of an environment in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct EnvironmentId(pub(crate) i64);

/// A namespace of flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    pub(crate) id: ProjectId,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) archived_at: Option<Timestamp>,
}

/// A rule set inside a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) id: EnvironmentId,
    /// The key of its project.
    pub(crate) project: String,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) revision: Revision,
    pub(crate) created_at: Timestamp,
    /// When it was archived itself; its project may be, too.
    pub(crate) archived_at: Option<Timestamp>,
}

/// Where keys are unique, and what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Projects,
    Environments(ProjectId),
    Flags(ProjectId),
    Objects(EnvironmentId, ObjectKind),
}

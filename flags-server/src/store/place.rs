//! Projects and environments, and what is unique within one.

use flags_core::{Revision, Timestamp};

use super::{ObjectKind, Page, StoreResult};

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

/// Projects and environments, and which keys there are in one.
pub(crate) trait Places {
    fn projects(&self, page: &Page) -> StoreResult<Vec<Project>>;

    fn project(&self, key: &str) -> StoreResult<Option<Project>>;

    /// Of one project, or of all.
    fn environments(
        &self,
        project: Option<ProjectId>,
        page: &Page,
    ) -> StoreResult<Vec<Environment>>;

    fn environment(&self, project: ProjectId, key: &str) -> StoreResult<Option<Environment>>;

    /// The key in `scope` whose [folded form](flags_core::folded_key) is `folded`.
    fn key_like(&self, scope: Scope, folded: &str) -> StoreResult<Option<String>>;

    fn count(&self, scope: Scope) -> StoreResult<u64>;
}

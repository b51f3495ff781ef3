//! What an environment consists of: states of flags, segments, the catalogue, and what these need of
//! each other.

use flags_core::{
    ADDON_KIND, FEATURE_KIND, FLAG_KIND, PLAN_KIND, Revision, SEGMENT_KIND, Timestamp,
};
use serde::{Serialize, Serializer};

use super::{EnvironmentId, MemberCounts, Page, ProjectId, StoreResult};

/// The shared definition of a flag, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFlag {
    pub(crate) key: String,
    /// Counts the edits of the shared definition from 1.
    pub(crate) version: u64,
    pub(crate) document: String,
    pub(crate) archived_at: Option<Timestamp>,
}

/// What an environment consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ObjectKind {
    /// The state of a flag.
    Flag,
    /// A segment.
    Segment,
    /// Something that is sold.
    Feature,
    /// What is sold together.
    Plan,
    /// More of something.
    Addon,
}

impl ObjectKind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Flag, Self::Segment, Self::Feature, Self::Plan, Self::Addon];

    /// The kind of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Flag => FLAG_KIND,
            Self::Segment => SEGMENT_KIND,
            Self::Feature => FEATURE_KIND,
            Self::Plan => PLAN_KIND,
            Self::Addon => ADDON_KIND,
        }
    }
}

impl ObjectKind {
    /// What people call it.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Addon => "add-on",
            other => other.name(),
        }
    }
}

impl Serialize for ObjectKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One definition of an environment, as JSON; that of a segment is without the keys it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredObject {
    pub(crate) kind: ObjectKind,
    pub(crate) key: String,
    /// The revision that last changed it.
    pub(crate) version: Revision,
    /// What a segment lists, which the store counts by itself; nothing for the others.
    pub(crate) members: MemberCounts,
    /// What it counts towards the limit of an environment: a definition's bytes without such keys.
    pub(crate) bytes: u64,
    pub(crate) document: String,
}

/// What an object needs of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) kind: ObjectKind,
    pub(crate) key: String,
    /// Of a flag the variants that satisfy, of a plan the versions.
    pub(crate) names: Vec<String>,
}

/// An object that needs another one, and what it names of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Referrer {
    pub(crate) kind: ObjectKind,
    pub(crate) key: String,
    pub(crate) names: Vec<String>,
}

/// Objects of an environment, and what they need of each other.
pub(crate) trait Objects {
    fn flags(&self, project: ProjectId, page: &Page) -> StoreResult<Vec<StoredFlag>>;

    fn flag(&self, project: ProjectId, key: &str) -> StoreResult<Option<StoredFlag>>;

    fn objects(
        &self,
        environment: EnvironmentId,
        kind: ObjectKind,
        page: &Page,
    ) -> StoreResult<Vec<StoredObject>>;

    fn object(
        &self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
    ) -> StoreResult<Option<StoredObject>>;

    /// The objects that need an object, sorted by kind and key.
    fn referrers(
        &self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
    ) -> StoreResult<Vec<Referrer>>;

    /// Every (flag, prerequisite) of an environment.
    fn prerequisites(&self, environment: EnvironmentId) -> StoreResult<Vec<(String, String)>>;

    /// The sum of [`StoredObject::bytes`] of an environment.
    fn definition_bytes(&self, environment: EnvironmentId) -> StoreResult<u64>;
}

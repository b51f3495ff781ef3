//! The keys that segments list.

use super::{EnvironmentId, Page, StoreResult};

/// A list of keys that a segment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum MemberList {
    Included,
    Excluded,
}

/// How many keys there are in the lists of a segment, or of all segments of an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MemberCounts {
    pub(crate) included: u64,
    pub(crate) excluded: u64,
    /// Bytes of the keys of both lists.
    pub(crate) bytes: u64,
}

impl MemberCounts {
    pub(crate) const fn keys(&self) -> u64 {
        self.included + self.excluded
    }
}

/// The keys that segments list.
pub(crate) trait Members {
    /// Keys that a segment lists.
    fn members(
        &self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        page: &Page,
    ) -> StoreResult<Vec<String>>;

    /// Goes through the members of all segments of an environment, sorted by segment, list and key.
    fn each_member(
        &self,
        environment: EnvironmentId,
        visit: &mut dyn FnMut(&str, MemberList, &str) -> StoreResult<()>,
    ) -> StoreResult<()>;

    /// Whether one of `keys` is in a list.
    fn has_members(
        &self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        keys: &[String],
    ) -> StoreResult<bool>;

    /// What all segments of an environment list together.
    fn member_counts(&self, environment: EnvironmentId) -> StoreResult<MemberCounts>;
}

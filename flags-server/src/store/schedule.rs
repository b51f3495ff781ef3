//! Changes that are to be made at a time.

use flags_core::{Revision, Timestamp};

use super::{EnvironmentId, StoreResult};

/// What became of a scheduled change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScheduleState {
    /// It is still to be made.
    Open,
    Done,
    /// Its time came, and it could not be made.
    Failed,
    Cancelled,
}

impl ScheduleState {
    /// The state of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let all = [Self::Open, Self::Done, Self::Failed, Self::Cancelled];
        all.into_iter().find(|state| state.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A change that is to be made at a time, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScheduledChange {
    pub(crate) id: String,
    pub(crate) environment: EnvironmentId,
    pub(crate) at: Timestamp,
    pub(crate) state: ScheduleState,
    /// Counts what became of it from 1.
    pub(crate) version: u64,
    /// The verb as the audit log calls it.
    pub(crate) action: String,
    /// That of the flag or segment.
    pub(crate) key: String,
    /// The version of the object that it is meant for, if that is said.
    pub(crate) if_version: Option<u64>,
    /// What the request of now would have as its body, as JSON. Lists go without.
    pub(crate) body: Option<String>,
    /// The id of the token of who is to have made it.
    pub(crate) actor: String,
    pub(crate) actor_name: String,
    pub(crate) reason: Option<String>,
    pub(crate) created_at: Timestamp,
    /// When it was done, failed or was cancelled.
    pub(crate) ended_at: Option<Timestamp>,
    /// The one that it made, if it made one.
    pub(crate) revision: Option<Revision>,
    /// Why it failed, as JSON.
    pub(crate) problem: Option<String>,
}

/// The scheduled change that comes next, with the keys of its project and environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NextChange {
    pub(crate) project: String,
    pub(crate) environment: String,
    pub(crate) change: ScheduledChange,
}

/// Which scheduled changes of an environment are listed, in order of time.
#[derive(Debug, Clone)]
pub(crate) struct ScheduleFilter {
    pub(crate) state: Option<ScheduleState>,
    /// Only what stands after this time and id.
    pub(crate) after: Option<(Timestamp, String)>,
    pub(crate) limit: u32,
}

/// Changes that are to be made at a time, and were.
pub(crate) trait Schedule {
    /// A scheduled change of an environment.
    fn scheduled(
        &self,
        environment: EnvironmentId,
        id: &str,
    ) -> StoreResult<Option<ScheduledChange>>;

    /// Scheduled changes of an environment in order of time, without their bodies.
    fn schedule(
        &self,
        environment: EnvironmentId,
        filter: &ScheduleFilter,
    ) -> StoreResult<Vec<ScheduledChange>>;

    /// Scheduled changes of an environment that have a text in their body, reason or problem, with
    /// their bodies: all, or those of one state, in order of their ids and after one.
    fn scheduled_with(
        &self,
        environment: EnvironmentId,
        text: &str,
        state: Option<ScheduleState>,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<ScheduledChange>>;

    /// The open change of all environments whose time comes first.
    fn next_scheduled(&self) -> StoreResult<Option<NextChange>>;

    /// How many open changes there are, and the time of the first of them.
    fn open_schedule(&self) -> StoreResult<(u64, Option<Timestamp>)>;

    /// How many scheduled changes ended before a time.
    fn ended_scheduled(&self, before: Timestamp) -> StoreResult<u64>;

    /// How many open changes an environment has, and how many bytes their bodies have.
    fn open_scheduled(&self, environment: EnvironmentId) -> StoreResult<(u64, u64)>;

    /// The id of the scheduled change that made a revision.
    fn made_by_schedule(
        &self,
        environment: EnvironmentId,
        revision: Revision,
    ) -> StoreResult<Option<String>>;
}

//! Changes that are to be made at a time.

use flags_core::{Revision, Timestamp};

use super::EnvironmentId;

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

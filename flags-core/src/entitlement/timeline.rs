use alloc::boxed::Box;
use alloc::sync::Arc;

use smol_str::SmolStr;

use super::check::{Entitlement, PlanSince};
use super::decision::{Access, Decision, EntitlementReason};
use super::feature::{Feature, Grant};
use super::over_time::{OverTime, Said};
use super::plan::PlanId;
use crate::time::{Now, Timestamp};

/// What a contract grants of a feature at every instant: intervals that are disjoint, in order and
/// cover all of time; neighbours differ.
///
/// A question is a search among the intervals. It allocates nothing, and asks for the present
/// instant only where there are two of them. [`Catalogue::timeline`](crate::Catalogue::timeline)
/// has an example.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// Absent where there is no such feature, or an invalid one.
    pub(super) feature: Option<Arc<Feature>>,
    plan_since: Option<i64>,
    /// In order; the first begins before all time.
    intervals: Box<[Interval]>,
}

/// Until the next one begins.
#[derive(Debug, Clone)]
pub(super) struct Interval {
    pub(super) start: i64,
    pub(super) state: State,
}

/// What holds in an interval.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) access: Access,
    pub(super) value: Option<Grant>,
    pub(super) reason: EntitlementReason,
    pub(super) source: Option<Source>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Plan(PlanId),
    Addon(SmolStr),
    Override(SmolStr),
}

impl State {
    pub(super) const fn without_access(reason: EntitlementReason) -> Self {
        Self { access: Access::None, value: None, reason, source: None }
    }

    #[inline]
    pub(super) fn lend(&self) -> Said<'_> {
        let Self { access, value, reason, source } = self;
        Said { access: *access, value: value.as_ref(), reason: *reason, source: source.as_ref() }
    }
}

impl Timeline {
    pub(super) fn new(
        feature: Arc<Feature>,
        plan_since: Option<i64>,
        intervals: Box<[Interval]>,
    ) -> Self {
        Self { feature: Some(feature), plan_since, intervals }
    }

    /// No access at any time.
    pub(super) fn none(reason: EntitlementReason) -> Self {
        let interval = Interval { start: i64::MIN, state: State::without_access(reason) };
        Self { feature: None, plan_since: None, intervals: [interval].into() }
    }

    /// What holds at `now`, which is asked for only where it matters.
    #[must_use]
    #[inline]
    pub fn check(&self, now: impl Now) -> Decision<'_> {
        self.entitlement().check(now)
    }

    /// Whether `requested` more of a limit may be had at `now` where `used` are there already:
    /// [`Entitlement::check_limit`].
    #[must_use]
    pub fn check_limit(&self, used: u64, requested: u64, now: impl Now) -> Decision<'_> {
        self.entitlement().check_limit(used, requested, now)
    }

    /// Every interval in order: its start, absent of the first, and what holds in it, whose
    /// `valid_until` is its end.
    pub fn intervals(&self) -> impl Iterator<Item = (Option<Timestamp>, Decision<'_>)> {
        self.entitlement().intervals()
    }

    #[inline]
    fn entitlement(&self) -> Entitlement<'_> {
        let over_time = OverTime::Intervals(&self.intervals);
        Entitlement::new(self.feature.as_deref(), over_time, PlanSince::Known(self.plan_since))
    }
}

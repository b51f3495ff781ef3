use alloc::boxed::Box;
use alloc::sync::Arc;

use smol_str::SmolStr;

use super::check::{Entitlement, PlanSince};
use super::decision::{Access, Decision, EntitlementReason};
use super::feature::{Feature, Grant};
use super::moments::{Intervals, Moment, Moments};
use super::over_time::{OverTime, Said};
use super::plan::PlanId;
use crate::ruleset::Slot;
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
    moments: Box<[Moment]>,
}

/// What holds in an interval.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) access: Access,
    pub(super) reason: EntitlementReason,
    pub(super) granted: GrantedBy,
}

/// What is granted, and by whom; both may be absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct GrantedBy {
    pub(super) value: Option<Grant>,
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
        Self { access: Access::None, reason, granted: GrantedBy { value: None, source: None } }
    }

    pub(super) fn with(
        access: Access,
        reason: EntitlementReason,
        value: Grant,
        source: Source,
    ) -> Self {
        Self { access, reason, granted: GrantedBy { value: Some(value), source: Some(source) } }
    }

    #[inline]
    pub(super) fn lend(&self) -> Said<'_> {
        Said { access: self.access, reason: self.reason, granted: Some(&self.granted) }
    }
}

impl Timeline {
    pub(super) fn new(
        feature: Option<Arc<Feature>>,
        plan_since: Option<i64>,
        intervals: Intervals,
    ) -> Self {
        Self { feature, plan_since, moments: intervals.and([]).into() }
    }

    /// No access at any time.
    pub(super) fn none(reason: EntitlementReason) -> Self {
        let mut intervals = Intervals::default();
        intervals.push(i64::MIN, Slot::NOWHERE, State::without_access(reason));
        Self::new(None, None, intervals)
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
        let Self { feature, plan_since, moments } = self;
        let moments = Moments { moments, packages: None };
        let over_time = OverTime::Moments(moments);
        Entitlement::new(feature.as_deref(), over_time, PlanSince::Known(*plan_since))
    }
}

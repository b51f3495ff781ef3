use super::decision::{
    Access, Decision, EntitlementReason, EntitlementSource, Granted, GrantedOptions,
};
use super::feature::{Feature, Grant};
use super::stages::Stages;
use super::timeline::{Interval, Source};
use crate::time::Timestamp;

/// What holds of a feature over time, wherever that is kept: interval by interval, the first of
/// which is 0.
#[derive(Debug, Clone, Copy)]
pub(super) enum OverTime<'r> {
    /// The same at all times.
    Always(Said<'r>),
    /// What a package says, stage by stage.
    Stages(Stages<'r>),
    /// What was merged for this tenant and this feature alone.
    Intervals(&'r [Interval]),
}

/// What holds in an interval, lent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Said<'r> {
    pub(super) access: Access,
    pub(super) reason: EntitlementReason,
    pub(super) value: Option<&'r Grant>,
    pub(super) source: Option<&'r Source>,
}

impl<'r> OverTime<'r> {
    /// Whether it says the same at all times.
    #[inline]
    pub(super) fn is_always(self) -> bool {
        match self {
            Self::Always(_) => true,
            Self::Stages(stages) => stages.is_always(),
            Self::Intervals(intervals) => intervals.len() < 2,
        }
    }

    /// What holds at an instant, which is asked for only where it matters, and until when.
    #[inline]
    pub(super) fn at(self, now: impl FnOnce() -> i64) -> (Said<'r>, Option<i64>) {
        match self {
            Self::Always(said) => (said, None),
            Self::Intervals([only]) => (only.state.lend(), None),
            Self::Intervals(intervals) => held(intervals, now()),
            Self::Stages(stages) if stages.is_always() => (stages.said(0), None),
            Self::Stages(stages) => {
                let place = stages.place(now());
                let end = stages.next(place).and_then(|next| stages.start(next));
                (stages.said(place), end)
            }
        }
    }

    /// Which interval an instant is in.
    pub(super) fn place(self, instant: i64) -> usize {
        match self {
            Self::Always(_) => 0,
            Self::Stages(stages) => stages.place(instant),
            Self::Intervals(intervals) => place(intervals, instant),
        }
    }

    pub(super) fn said(self, place: usize) -> Said<'r> {
        match self {
            Self::Always(said) => said,
            Self::Stages(stages) => stages.said(place),
            Self::Intervals(intervals) => match intervals.get(place) {
                Some(interval) => interval.state.lend(),
                None => Said::without_access(EntitlementReason::FeatureInvalid),
            },
        }
    }

    /// When an interval begins; never, the first.
    pub(super) fn start(self, place: usize) -> Option<i64> {
        match self {
            Self::Always(_) => None,
            Self::Stages(stages) => stages.start(place),
            Self::Intervals(intervals) => {
                intervals.get(place).filter(|_| place > 0).map(|interval| interval.start)
            }
        }
    }

    /// The next interval that says something else.
    pub(super) fn next(self, place: usize) -> Option<usize> {
        match self {
            Self::Always(_) => None,
            Self::Stages(stages) => stages.next(place),
            // Neighbours differ.
            Self::Intervals(intervals) => Some(place + 1).filter(|next| *next < intervals.len()),
        }
    }
}

/// What holds at an instant, and until when.
fn held(intervals: &[Interval], instant: i64) -> (Said<'_>, Option<i64>) {
    let next = intervals.partition_point(|interval| interval.start <= instant);
    let held = next.checked_sub(1).and_then(|place| intervals.get(place));
    let said = held
        .map_or(Said::without_access(EntitlementReason::FeatureInvalid), |held| held.state.lend());
    (said, intervals.get(next).map(|next| next.start))
}

/// Which interval an instant is in.
pub(super) fn place(intervals: &[Interval], instant: i64) -> usize {
    intervals.partition_point(|interval| interval.start <= instant).saturating_sub(1)
}

impl<'r> Said<'r> {
    pub(super) const fn without_access(reason: EntitlementReason) -> Self {
        Self { access: Access::None, reason, value: None, source: None }
    }

    #[inline]
    pub(super) fn decision(self, feature: Option<&'r Feature>, end: Option<i64>) -> Decision<'r> {
        Decision {
            access: self.access,
            value: self.value.map(|grant| granted(grant, feature)),
            limit: match self.value {
                Some(Grant::Limit(limit)) => Some(*limit),
                _ => None,
            },
            remaining: None,
            reason: self.reason,
            source: self.source.map(Source::lend),
            valid_until: end.map(Timestamp::from_millis),
        }
    }
}

#[inline]
fn granted<'r>(grant: &'r Grant, feature: Option<&'r Feature>) -> Granted<'r> {
    match grant {
        Grant::Boolean => Granted::Boolean,
        Grant::Limit(limit) => Granted::Limit(*limit),
        Grant::Options(set) => Granted::Options(GrantedOptions {
            declared: feature.map_or(&[], |feature| &feature.options),
            set,
        }),
        Grant::Json(value) => Granted::Json(value),
    }
}

impl Source {
    #[inline]
    fn lend(&self) -> EntitlementSource<'_> {
        match self {
            Self::Plan(id) => EntitlementSource::Plan { plan: &id.plan, version: id.version },
            Self::Addon(key) => EntitlementSource::Addon(key),
            Self::Override(id) => EntitlementSource::Override(id),
        }
    }
}

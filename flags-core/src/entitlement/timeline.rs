use alloc::boxed::Box;
use alloc::sync::Arc;

use smol_str::SmolStr;

use super::decision::{
    Access, Decision, EntitlementReason, EntitlementSource, Granted, GrantedOptions,
};
use super::feature::{Feature, Grant};
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
    pub(super) plan_since: Option<i64>,
    pub(super) first: State,
    /// What follows, each with its start, in order.
    pub(super) rest: Box<[(i64, State)]>,
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
}

impl Timeline {
    /// One that says the same at all times.
    pub(super) fn always(state: State) -> Self {
        Self { feature: None, plan_since: None, first: state, rest: Box::default() }
    }

    /// What holds at `now`, which is asked for only where it matters.
    #[must_use]
    #[inline]
    pub fn check(&self, now: impl Now) -> Decision<'_> {
        let place = if self.rest.is_empty() { 0 } else { self.place(now.now().as_millis()) };
        self.decision(place)
    }

    /// Every interval in order: its start, absent of the first, and what holds in it, whose
    /// `valid_until` is its end.
    pub fn intervals(&self) -> impl Iterator<Item = (Option<Timestamp>, Decision<'_>)> {
        (0..=self.rest.len())
            .map(|place| (self.start(place).map(Timestamp::from_millis), self.decision(place)))
    }

    /// Which interval an instant is in; 0 is the first.
    pub(super) fn place(&self, instant: i64) -> usize {
        self.rest.partition_point(|(start, _)| *start <= instant)
    }

    pub(super) fn state(&self, place: usize) -> &State {
        let later = place.checked_sub(1).and_then(|place| self.rest.get(place));
        later.map_or(&self.first, |(_, state)| state)
    }

    pub(super) fn start(&self, place: usize) -> Option<i64> {
        place.checked_sub(1).and_then(|place| self.rest.get(place)).map(|(start, _)| *start)
    }

    pub(super) fn decision(&self, place: usize) -> Decision<'_> {
        let state = self.state(place);
        let end = self.rest.get(place).map(|(start, _)| *start);
        Decision {
            access: state.access,
            value: state.value.as_ref().map(|grant| self.granted(grant)),
            limit: match state.value {
                Some(Grant::Limit(limit)) => Some(limit),
                _ => None,
            },
            remaining: None,
            reason: state.reason,
            source: state.source.as_ref().map(Source::lend),
            valid_until: end.map(Timestamp::from_millis),
        }
    }

    fn granted<'r>(&'r self, grant: &'r Grant) -> Granted<'r> {
        match grant {
            Grant::Boolean => Granted::Boolean,
            Grant::Limit(limit) => Granted::Limit(*limit),
            Grant::Options(set) => Granted::Options(GrantedOptions {
                declared: self.feature.as_ref().map_or(&[], |feature| &feature.options),
                set,
            }),
            Grant::Json(value) => Granted::Json(value),
        }
    }
}

impl Source {
    fn lend(&self) -> EntitlementSource<'_> {
        match self {
            Self::Plan(PlanId { plan, version }) => {
                EntitlementSource::Plan { plan, version: *version }
            }
            Self::Addon(key) => EntitlementSource::Addon(key),
            Self::Override(id) => EntitlementSource::Override(id),
        }
    }
}

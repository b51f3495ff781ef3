use super::decision::{
    Access, Decision, EntitlementReason, EntitlementSource, Granted, GrantedOptions,
};
use super::feature::{Feature, Grant};
use super::stages::Stages;
use super::timeline::{Source, Timeline};
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
    Timeline(&'r Timeline),
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
            Self::Timeline(timeline) => timeline.rest.is_empty(),
        }
    }

    /// Which interval an instant is in.
    pub(super) fn place(self, instant: i64) -> usize {
        match self {
            Self::Always(_) => 0,
            Self::Stages(stages) => stages.place(instant),
            Self::Timeline(timeline) => timeline.place(instant),
        }
    }

    pub(super) fn said(self, place: usize) -> Said<'r> {
        match self {
            Self::Always(said) => said,
            Self::Stages(stages) => stages.said(place),
            Self::Timeline(timeline) => timeline.state(place).lend(),
        }
    }

    /// When an interval begins; never, the first.
    pub(super) fn start(self, place: usize) -> Option<i64> {
        match self {
            Self::Always(_) => None,
            Self::Stages(stages) => stages.start(place),
            Self::Timeline(timeline) => timeline.start(place),
        }
    }

    /// The next interval that says something else.
    pub(super) fn next(self, place: usize) -> Option<usize> {
        match self {
            Self::Always(_) => None,
            Self::Stages(stages) => stages.next(place),
            // Neighbours differ.
            Self::Timeline(timeline) => (place < timeline.rest.len()).then_some(place + 1),
        }
    }
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

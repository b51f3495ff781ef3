use super::decision::{
    Access, Decision, EntitlementReason, EntitlementSource, Granted, GrantedOptions,
};
use super::feature::{Feature, Grant};
use super::moments::{Moments, place};
use super::timeline::{GrantedBy, Source};
use crate::time::Timestamp;

/// What holds of a feature over time, wherever that is kept: interval by interval, the first of
/// which is 0.
#[derive(Debug, Clone, Copy)]
pub(super) enum OverTime<'r> {
    /// The same at all times.
    Always(Said<'r>),
    Moments(Moments<'r>),
}

/// What holds in an interval, lent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'r> {
    pub(super) access: Access,
    pub(super) reason: EntitlementReason,
    /// Where the value and its source are; not read before somebody asks for one of them.
    pub(super) granted: Option<&'r GrantedBy>,
}

impl PartialEq for Said<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.access, self.reason) == (other.access, other.reason)
            && (self.value(), self.source()) == (other.value(), other.source())
    }
}

impl<'r> OverTime<'r> {
    /// Whether it says the same at all times.
    #[inline]
    pub(super) fn is_always(self) -> bool {
        self.next(0).is_none()
    }

    /// What holds at an instant, which is asked for only where it matters, and until when.
    #[inline]
    pub(super) fn at(self, now: impl FnOnce() -> i64) -> (Said<'r>, Option<i64>) {
        let place = if self.is_always() { 0 } else { self.place(now()) };
        let end = self.next(place).and_then(|next| self.start(next));
        (self.said(place), end)
    }

    /// Which interval an instant is in.
    #[inline]
    pub(super) fn place(self, instant: i64) -> usize {
        match self {
            Self::Always(_) => 0,
            Self::Moments(moments) => place(moments.moments, instant),
        }
    }

    #[inline]
    pub(super) fn said(self, place: usize) -> Said<'r> {
        match self {
            Self::Always(said) => said,
            Self::Moments(moments) => moments.said(place),
        }
    }

    /// When an interval begins; never, the first.
    #[inline]
    pub(super) fn start(self, place: usize) -> Option<i64> {
        match self {
            Self::Always(_) => None,
            Self::Moments(moments) => moments.start(place),
        }
    }

    /// The next interval that says something else.
    #[inline]
    pub(super) fn next(self, place: usize) -> Option<usize> {
        match self {
            Self::Always(_) => None,
            Self::Moments(moments) => moments.next(place),
        }
    }
}

impl<'r> Said<'r> {
    pub(super) const fn without_access(reason: EntitlementReason) -> Self {
        Self { access: Access::None, reason, granted: None }
    }

    #[inline]
    pub(super) fn value(self) -> Option<&'r Grant> {
        self.granted?.value.as_ref()
    }

    #[inline]
    fn source(self) -> Option<&'r Source> {
        self.granted?.source.as_ref()
    }

    // Always, so that what nobody looks at is not put together.
    #[inline(always)]
    pub(super) fn decision(self, feature: Option<&'r Feature>, end: Option<i64>) -> Decision<'r> {
        Decision {
            access: self.access,
            value: self.value().map(|grant| granted(grant, feature)),
            limit: match self.value() {
                Some(Grant::Limit(limit)) => Some(*limit),
                _ => None,
            },
            remaining: None,
            reason: self.reason,
            source: self.source().map(Source::lend),
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

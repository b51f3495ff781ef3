use super::Truth;
use crate::context::AttributeValue;
use crate::time::Timestamp;

/// Which side of an instant is asked for; never the instant itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instant {
    /// That of the answer.
    Now,
    At(Timestamp),
}

impl Side {
    pub(super) fn holds(self, instant: Timestamp, than: Timestamp) -> bool {
        match self {
            Self::Before => instant < than,
            Self::After => instant > than,
        }
    }
}

impl Instant {
    pub(super) fn get(self, now: impl FnOnce() -> Timestamp) -> Timestamp {
        match self {
            Self::Now => now(),
            Self::At(instant) => instant,
        }
    }
}

impl core::fmt::Display for Instant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::At(instant) => write!(f, "{instant}"),
        }
    }
}

/// An attribute that is an instant, or a list in which some are.
pub(super) fn of_instants(value: AttributeValue<'_>, holds: impl Fn(Timestamp) -> bool) -> Truth {
    let truth = |instant: Option<Timestamp>| instant.map_or(Truth::Unknown, |i| holds(i).into());
    match value {
        AttributeValue::Integer(millis) => truth(Some(Timestamp::from_millis(millis))),
        value => super::of_any_text(value, |text| truth(Timestamp::parse(text))),
    }
}

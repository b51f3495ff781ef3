use crate::compile::instant;
use crate::diagnostic::Diagnostics;
use crate::time::Timestamp;

/// A time from an instant on and before another one, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// Always there where it is absent.
    pub(super) start: Option<i64>,
    /// Never over where it is absent.
    pub(super) end: Option<i64>,
}

impl Window {
    /// Reads the fields `start` and `end`.
    pub(super) fn compile(start: Option<&str>, end: Option<&str>, d: &mut Diagnostics) -> Self {
        let start = start.and_then(|text| d.at("start", |d| millis(text, d)));
        let end = end.and_then(|text| d.at("end", |d| millis(text, d)));
        if let (Some(start), Some(end)) = (start, end)
            && start >= end
        {
            d.at("end", |d| d.report("out_of_range", "`end` has to be after `start`"));
        }
        Self { start, end }
    }

    pub(super) fn contains(self, instant: i64) -> bool {
        self.start.is_none_or(|start| start <= instant) && self.end.is_none_or(|end| instant < end)
    }

    pub(super) fn meets(self, other: Self) -> bool {
        let begins_before_end_of = |a: Self, b: Self| match (a.start, b.end) {
            (Some(start), Some(end)) => start < end,
            _ => true,
        };
        begins_before_end_of(self, other) && begins_before_end_of(other, self)
    }

    pub(super) fn boundaries(self) -> impl Iterator<Item = i64> {
        self.start.into_iter().chain(self.end)
    }
}

/// Reads an instant, in milliseconds since the Unix epoch.
pub(super) fn millis(text: &str, d: &mut Diagnostics) -> Option<i64> {
    instant(text, d).map(Timestamp::as_millis)
}

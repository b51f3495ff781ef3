//! Instants, as arguments: the core has no clock.

use core::fmt;

use crate::rfc3339::read_millis;

/// An instant, in milliseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// use flags_core::Timestamp;
///
/// let instant = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
/// assert_eq!(instant, Timestamp::from_millis(1_795_176_000_000));
/// assert_eq!(instant.to_string(), "2026-11-20T12:00:00Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// An instant by its milliseconds since the Unix epoch; negative before it.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads [RFC 3339], strictly, for the years 0000 to 9999; `None` for anything else. Allocates
    /// nothing.
    ///
    /// Digits below a millisecond are dropped, and a leap second is the second before it.
    ///
    /// ```
    /// use flags_core::Timestamp;
    ///
    /// let utc = Timestamp::parse("2026-11-20T12:00:00.0009Z");
    /// assert_eq!(utc, Timestamp::parse("2026-11-20T13:00:00+01:00"));
    /// for not_one in ["2026-11-20", "2026-11-20T12:00:00", "2026-11-20 12:00:00Z", "now"] {
    ///     assert_eq!(Timestamp::parse(not_one), None);
    /// }
    /// ```
    ///
    /// [RFC 3339]: https://www.rfc-editor.org/rfc/rfc3339
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        read_millis(text).map(Self)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC; the number of milliseconds for years that it cannot write.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A civil time reaches the end of the year 9999, a timestamp of jiff does not.
        const EPOCH: jiff::civil::DateTime = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
        match EPOCH.checked_add(jiff::SignedDuration::from_millis(self.0)) {
            Ok(instant) => write!(f, "{instant}Z"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

/// Where an evaluation gets the present instant from, should it need one.
///
/// An instant is one, and so is a closure, which is called at most once per answer and only when
/// a rule depends on time: reading a clock costs more than most evaluations.
///
/// ```
/// use flags_core::{Ruleset, Timestamp};
///
/// let ruleset = Ruleset::default();
/// ruleset.evaluate("a-flag", &(), Timestamp::from_millis(0));
/// ruleset.evaluate("a-flag", &(), || Timestamp::from_millis(0));
/// ```
pub trait Now {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

impl Now for Timestamp {
    fn now(&self) -> Timestamp {
        *self
    }
}

impl<F: Fn() -> Timestamp> Now for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

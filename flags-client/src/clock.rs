//! The one place where a clock is read for an answer, and what a client knows of time.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flags_core::Timestamp;

/// The present instant by the system's clock.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into_timestamp()
}

/// An instant of the system's as one of the core's.
pub(crate) trait IntoTimestamp {
    fn into_timestamp(self) -> Timestamp;
}

impl IntoTimestamp for SystemTime {
    fn into_timestamp(self) -> Timestamp {
        let millis = match self.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |m| -m),
        };
        Timestamp::from_millis(millis)
    }
}

/// The clock of a client, and when its server was last heard.
#[derive(Debug)]
pub(crate) struct Time {
    pub(crate) clock: Clock,
    /// Milliseconds since the Unix epoch, or one of the two below. Written by the task that keeps
    /// the client up to date, and read by answers for features with an age.
    heard: AtomicI64,
}

const NEVER: i64 = i64::MIN;
const NOT_NEEDED: i64 = i64::MAX;

impl Time {
    /// Of a client that follows a server, which it has not heard yet.
    pub(crate) fn following(clock: Clock) -> Self {
        Self { clock, heard: AtomicI64::new(NEVER) }
    }

    /// Of a client that has no server.
    pub(crate) fn fixed() -> Self {
        Self { clock: Clock::default(), heard: AtomicI64::new(NOT_NEEDED) }
    }

    /// Of a test: by its clock, and as if the server had last been heard then.
    #[cfg(feature = "testing")]
    pub(crate) fn of_test(clock: &crate::testing::TestClock, heard: Option<Timestamp>) -> Self {
        let heard = heard.map_or(NOT_NEEDED, Timestamp::as_millis);
        Self { clock: Clock::of_test(clock), heard: AtomicI64::new(heard) }
    }

    /// The server is heard, or was at that time.
    pub(crate) fn heard(&self, at: Timestamp) {
        if self.heard.load(Relaxed) != NOT_NEEDED {
            self.heard.store(at.as_millis(), Relaxed);
        }
    }

    /// When the server was last heard; `None` where it never was.
    pub(crate) fn heard_at(&self) -> Option<Timestamp> {
        let heard = Some(self.heard.load(Relaxed));
        heard.filter(|heard| ![NEVER, NOT_NEEDED].contains(heard)).map(Timestamp::from_millis)
    }

    /// Whether the server has been silent for longer than `age` at `now`.
    #[inline]
    pub(crate) fn is_older_than(&self, age: Duration, now: Timestamp) -> bool {
        match self.heard.load(Relaxed) {
            NOT_NEEDED => false,
            NEVER => true,
            heard => {
                let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                now.as_millis().saturating_sub(heard) > age
            }
        }
    }
}

/// The clock that answers go by: the system's, but in tests that set one.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    #[cfg(feature = "testing")]
    test: Option<crate::testing::TestClock>,
}

impl Clock {
    /// A test's.
    #[cfg(feature = "testing")]
    pub(crate) fn of_test(clock: &crate::testing::TestClock) -> Self {
        Self { test: Some(clock.clone()) }
    }

    /// What reads it, if the answer needs that. It has no size where there is one clock alone.
    #[cfg(not(feature = "testing"))]
    #[inline(always)]
    pub(crate) fn reader(&self) -> impl Fn() -> Timestamp + Copy + use<> {
        now
    }

    /// What reads it, if the answer needs that.
    #[cfg(feature = "testing")]
    #[inline(always)]
    pub(crate) fn reader(&self) -> impl Fn() -> Timestamp + Copy {
        || self.test.as_ref().map_or_else(now, crate::testing::TestClock::now)
    }

    /// The present instant.
    pub(crate) fn now(&self) -> Timestamp {
        self.reader()()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_known_is_older_from_the_millisecond_after_its_age_on() {
        let time = Time::following(Clock::default());
        let at = |millis: i64| Timestamp::from_millis(1_000 + millis);
        assert!(time.is_older_than(Duration::MAX, at(0)), "nothing was ever heard");
        time.heard(at(0));
        for (now, older) in [(-5, false), (0, false), (60_000, false), (60_001, true)] {
            assert_eq!(time.is_older_than(AGE, at(now)), older, "{now}");
        }
        assert!(!time.is_older_than(Duration::MAX, Timestamp::from_millis(i64::MAX)));
    }

    #[test]
    fn a_fixed_client_never_is() {
        let time = Time::fixed();
        time.heard(Timestamp::from_millis(0));
        assert!(!time.is_older_than(Duration::ZERO, now()));
    }
}

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use flags_core::Timestamp;

/// The clock of a test's client: it stands still until it is moved.
///
/// A handle: its clones are the same clock. Nothing else goes by it than the clients of the
/// [`TestFlags`](super::TestFlags) that it is from, so tests that run at the same time cannot meet.
///
/// ```
/// use std::time::Duration;
///
/// use flags_client::testing::TestFlags;
///
/// let test = TestFlags::new().at("2026-11-20T12:00:00Z");
/// test.clock().advance(Duration::from_millis(1));
/// assert_eq!(test.clock().now().to_string(), "2026-11-20T12:00:00.001Z");
/// test.clock().set("2026-12-01T00:00:00Z");
/// ```
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(super) fn new(at: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(at.as_millis())))
    }

    /// The instant that it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Relaxed))
    }

    /// Shows this instant from now on, which may be an earlier one.
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    #[track_caller]
    pub fn set(&self, at: impl Instant) {
        self.0.store(at.timestamp().as_millis(), Relaxed);
    }

    /// Goes on by this much, in whole milliseconds.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.store(self.now().as_millis().saturating_add(by), Relaxed);
    }
}

/// An instant in a test: a [`Timestamp`], or RFC 3339 as text. Nobody else implements it.
pub trait Instant: sealed::Sealed {
    #[doc(hidden)]
    #[track_caller]
    fn timestamp(self) -> Timestamp;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for flags_core::Timestamp {}
    impl Sealed for &str {}
}

impl Instant for Timestamp {
    fn timestamp(self) -> Timestamp {
        self
    }
}

impl Instant for &str {
    #[track_caller]
    fn timestamp(self) -> Timestamp {
        let read = Timestamp::parse(self);
        assert!(read.is_some(), "`{self}` is not an instant as RFC 3339 writes it");
        read.unwrap_or(Timestamp::from_millis(0))
    }
}

//! How long to wait before the next attempt.

use std::time::Duration;

use crate::limits::MAX_RECEIPT_WINDOW;
use crate::status::{Failure, ProblemKind};

/// Bounds of the pause that a server asks for with `retry:`.
const MIN_HINT: Duration = Duration::from_millis(250);
const MAX_HINT: Duration = Duration::from_secs(5 * 60);

/// Longest pause that a server can ask for with `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The constants of waiting; tests make them short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The window of the first pause; it doubles with each further one.
    pub(crate) base: Duration,
    /// The largest window.
    pub(crate) cap: Duration,
    /// The pause after a refused token, at most; half of it at least.
    pub(crate) slow: Duration,
    /// How long a connection must have been healthy for the window to start small again.
    pub(crate) healthy: Duration,
    /// The least time between two writes to the cache file.
    pub(crate) flush: Duration,
    /// The most time over which receipts are spread.
    pub(crate) receipts: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
            slow: Duration::from_secs(2 * 60),
            healthy: Duration::from_secs(60),
            flush: Duration::from_secs(1),
            receipts: MAX_RECEIPT_WINDOW,
        }
    }
}

/// Exponential back-off with full jitter, above what the server asks for.
#[derive(Debug)]
pub(crate) struct Backoff {
    pace: Pace,
    attempt: u32,
    hint: Duration,
}

impl Backoff {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, attempt: 0, hint: Duration::ZERO }
    }

    /// The server's `retry:`, which the server draws anew for each connection.
    pub(crate) fn hint(&mut self, retry: Duration) {
        self.hint = retry.clamp(MIN_HINT, MAX_HINT);
    }

    /// A connection was healthy for `time` before it failed.
    pub(crate) fn was_healthy(&mut self, time: Duration) {
        if time >= self.pace.healthy {
            self.attempt = 0;
        }
    }

    /// The pause after a failure; `random` is from 0 to 1.
    pub(crate) fn pause(&mut self, failure: &Failure, random: f64) -> Duration {
        let random = random.clamp(0.0, 1.0);
        if matches!(failure.kind, ProblemKind::Unauthenticated | ProblemKind::Forbidden) {
            return self.pace.slow.mul_f64(0.5 + random / 2.0);
        }
        let window = self.pace.base.saturating_mul(2u32.saturating_pow(self.attempt));
        self.attempt = self.attempt.saturating_add(1);
        let asked = failure.retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
        asked.max(self.hint) + window.min(self.pace.cap).mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: ProblemKind) -> Failure {
        Failure::new(kind, "")
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_window_doubles_up_to_its_cap_and_any_part_of_it_may_be_drawn() {
        let mut backoff = Backoff::new(Pace::default());
        let away = failure(ProblemKind::Unreachable);
        let full: Vec<_> = (0..9).map(|_| backoff.pause(&away, 1.0).as_secs()).collect();
        assert_eq!(full, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.pause(&away, 0.0), Duration::ZERO);
        for _ in 0..100 {
            assert_eq!(backoff.pause(&away, 0.5), secs(30));
        }
    }

    #[test]
    fn only_a_minute_of_health_starts_over() {
        let mut backoff = Backoff::new(Pace::default());
        let away = failure(ProblemKind::Unreachable);
        for _ in 0..5 {
            backoff.pause(&away, 1.0);
        }
        backoff.was_healthy(secs(59));
        assert_eq!(backoff.pause(&away, 1.0), secs(32));
        backoff.was_healthy(secs(60));
        assert_eq!(backoff.pause(&away, 1.0), secs(1));
    }

    #[test]
    fn what_the_server_asks_for_is_the_least_within_bounds() {
        let mut backoff = Backoff::new(Pace::default());
        let away = failure(ProblemKind::Unreachable);
        for (retry, least) in [
            (Duration::ZERO, Duration::from_millis(250)),
            (secs(3), secs(3)),
            (secs(86_400), secs(300)),
        ] {
            backoff.hint(retry);
            assert_eq!(backoff.pause(&away, 0.0), least);
        }
        backoff.hint(secs(3));
        let mut busy = failure(ProblemKind::Unavailable);
        for (retry_after, least) in [(1, 3), (40, 40), (86_400, 3600)] {
            busy.retry_after = Some(secs(retry_after));
            assert_eq!(backoff.pause(&busy, 0.0), secs(least));
        }
    }

    #[test]
    fn a_refused_token_is_tried_again_slowly() {
        let mut backoff = Backoff::new(Pace::default());
        for kind in [ProblemKind::Unauthenticated, ProblemKind::Forbidden] {
            assert_eq!(backoff.pause(&failure(kind), 0.0), secs(60));
            assert_eq!(backoff.pause(&failure(kind), 1.0), secs(120));
        }
    }
}

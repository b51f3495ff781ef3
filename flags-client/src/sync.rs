//! What to do next to be in step with the server: a state machine without I/O.
//!
//! ```text
//!             ┌──────────── a snapshot is needed ─────────────┐
//!             ▼                                               │
//!   begin ─▶ FetchSnapshot ─▶ OpenStream ─▶ Read ─▶ … ─▶ Wait ┤
//!             │   ▲               ▲  failure           ▲      │
//!             └───┼── failure ────┼────────────────────┘      │
//!                 └───────────────┴───────────────────────────┘
//! ```
//!
//! Every failure, that to apply a change included, is followed by a pause. Afterwards the stream
//! resumes from what there is, unless that cannot help: then a snapshot is fetched.

use std::time::{Duration, Instant};

use flags_core::Position;

use crate::backoff::{Backoff, Pace};
use crate::status::{Failure, ProblemKind};

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A snapshot is in place.
    Loaded(Position),
    /// There is no snapshot later than what is in place.
    Unchanged,
    /// The stream was accepted.
    Opened,
    /// The stream said something that needs no step: a heartbeat, a repeat, an unknown event.
    Heard,
    /// The stream said how long to wait before the next connection.
    Hint(Duration),
    /// A change is in place.
    Applied(Position),
    /// Anything else, the orderly end of a stream included.
    Failed(Failure),
    /// The pause is over.
    Woken,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Fetch a snapshot, if there is one later than this position.
    FetchSnapshot(Option<Position>),
    /// Open the stream of the changes after this position.
    OpenStream(Position),
    /// Wait for what the stream says next.
    Read,
    /// Let this much time pass.
    Wait(Duration),
}

/// Being in step with the server, as far as it has come.
#[derive(Debug)]
pub(crate) struct Syncing {
    position: Option<Position>,
    backoff: Backoff,
    /// Since when the present stream has been saying things that make sense.
    healthy_since: Option<Instant>,
    /// Where resuming the stream was tried after a change that could not be applied. The second
    /// time at the same place, only a snapshot can help.
    doubt: Option<Position>,
    /// Whether the next attempt is to fetch a snapshot although there is a position.
    snapshot_needed: bool,
    /// Whether a snapshot is being fetched or was last.
    fetching: bool,
    /// Whether the present stream has been accepted and has said nothing yet.
    silent: bool,
}

impl Syncing {
    /// Starts from what the disk had.
    pub(crate) fn new(position: Option<Position>, pace: Pace) -> Self {
        Self {
            position,
            backoff: Backoff::new(pace),
            healthy_since: None,
            doubt: None,
            snapshot_needed: false,
            fetching: false,
            silent: false,
        }
    }

    /// The first action.
    pub(crate) fn begin(&mut self) -> Action {
        self.attempt()
    }

    /// The next action; `random` is from 0 to 1.
    pub(crate) fn next(&mut self, event: Event, now: Instant, random: f64) -> Action {
        match event {
            Event::Loaded(position) => {
                self.snapshot_needed = false;
                self.position = Some(position);
                self.attempt()
            }
            Event::Unchanged => {
                self.snapshot_needed = false;
                self.attempt()
            }
            Event::Opened => {
                self.silent = true;
                Action::Read
            }
            Event::Heard => {
                self.silent = false;
                self.healthy_since.get_or_insert(now);
                Action::Read
            }
            Event::Hint(retry) => {
                self.backoff.hint(retry);
                Action::Read
            }
            Event::Applied(position) => {
                self.silent = false;
                self.healthy_since.get_or_insert(now);
                self.position = Some(position);
                self.doubt = None;
                Action::Read
            }
            Event::Failed(failure) => {
                if let Some(since) = self.healthy_since.take() {
                    self.backoff.was_healthy(now.saturating_duration_since(since));
                }
                self.snapshot_needed = self.needs_snapshot(&failure);
                if failure.kind == ProblemKind::Reset {
                    // Another history, or ours cut short: whatever the server has is later.
                    self.position = None;
                }
                self.silent = false;
                Action::Wait(self.backoff.pause(&failure, random))
            }
            Event::Woken => self.attempt(),
        }
    }

    fn attempt(&mut self) -> Action {
        match &self.position {
            Some(position) if !self.snapshot_needed => {
                self.fetching = false;
                Action::OpenStream(position.clone())
            }
            position => {
                self.fetching = true;
                Action::FetchSnapshot(position.clone())
            }
        }
    }

    /// Whether resuming the stream after `failure` would not help.
    fn needs_snapshot(&mut self, failure: &Failure) -> bool {
        if self.fetching {
            return true;
        }
        match failure.kind {
            ProblemKind::Reset | ProblemKind::TooLarge | ProblemKind::Status => true,
            ProblemKind::Gap | ProblemKind::Malformed | ProblemKind::Internal => {
                let again = self.doubt.is_some() && self.doubt == self.position;
                self.doubt.clone_from(&self.position);
                again
            }
            // Something on the way holds the stream back: its changes will not come by it.
            ProblemKind::Unreachable | ProblemKind::Ended => self.silent,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flags_core::Epoch;

    fn at(revision: u64) -> Position {
        Position { epoch: Epoch::new("e"), revision }
    }

    fn failed(kind: ProblemKind) -> Event {
        Event::Failed(Failure::new(kind, ""))
    }

    /// A machine and a clock that stands still unless it is moved.
    struct Bench {
        sync: Syncing,
        now: Instant,
    }

    impl Bench {
        fn new(position: Option<Position>) -> Self {
            let mut sync = Syncing::new(position, Pace::default());
            sync.begin();
            Self { sync, now: Instant::now() }
        }

        #[track_caller]
        fn expect(&mut self, event: Event, action: Action) -> &mut Self {
            assert_eq!(self.sync.next(event, self.now, 1.0), action);
            self
        }

        /// A failure and the pause after it.
        #[track_caller]
        fn fails(&mut self, kind: ProblemKind, then: Action) -> &mut Self {
            let pause = self.sync.next(failed(kind), self.now, 1.0);
            assert!(matches!(pause, Action::Wait(_)), "{pause:?}");
            self.expect(Event::Woken, then)
        }
    }

    #[test]
    fn a_fresh_client_fetches_a_snapshot_and_streams_from_its_position() {
        let mut sync = Syncing::new(None, Pace::default());
        assert_eq!(sync.begin(), Action::FetchSnapshot(None));
        Bench::new(None)
            .expect(Event::Loaded(at(7)), Action::OpenStream(at(7)))
            .expect(Event::Opened, Action::Read)
            .expect(Event::Heard, Action::Read)
            .expect(Event::Applied(at(8)), Action::Read)
            .fails(ProblemKind::Unreachable, Action::OpenStream(at(8)));
    }

    #[test]
    fn a_client_with_a_cache_resumes_the_stream() {
        let mut sync = Syncing::new(Some(at(3)), Pace::default());
        assert_eq!(sync.begin(), Action::OpenStream(at(3)));
        Bench::new(Some(at(3)))
            .fails(ProblemKind::Unreachable, Action::OpenStream(at(3)))
            .fails(ProblemKind::Reset, Action::FetchSnapshot(None))
            .fails(ProblemKind::Unreachable, Action::FetchSnapshot(None))
            .expect(Event::Loaded(at(1)), Action::OpenStream(at(1)));
    }

    #[test]
    fn a_failed_snapshot_is_fetched_again() {
        for kind in [ProblemKind::Unreachable, ProblemKind::Malformed, ProblemKind::Unauthenticated]
        {
            Bench::new(None).fails(kind, Action::FetchSnapshot(None));
        }
    }

    #[test]
    fn a_change_that_cannot_be_applied_resumes_once_and_then_takes_a_snapshot() {
        for kind in [ProblemKind::Gap, ProblemKind::Malformed, ProblemKind::Internal] {
            Bench::new(Some(at(5)))
                .fails(kind, Action::OpenStream(at(5)))
                .fails(kind, Action::FetchSnapshot(Some(at(5))))
                .expect(Event::Unchanged, Action::OpenStream(at(5)))
                .fails(kind, Action::FetchSnapshot(Some(at(5))))
                .expect(Event::Loaded(at(6)), Action::OpenStream(at(6)))
                .fails(kind, Action::OpenStream(at(6)))
                .expect(Event::Applied(at(7)), Action::Read)
                .fails(kind, Action::OpenStream(at(7)));
        }
    }

    #[test]
    fn other_failures_in_between_do_not_hide_that_it_is_the_same_place() {
        Bench::new(Some(at(5)))
            .fails(ProblemKind::Gap, Action::OpenStream(at(5)))
            .fails(ProblemKind::Unreachable, Action::OpenStream(at(5)))
            .fails(ProblemKind::Gap, Action::FetchSnapshot(Some(at(5))));
    }

    #[test]
    fn what_a_resumed_stream_cannot_heal_takes_a_snapshot_at_once() {
        for kind in [ProblemKind::TooLarge, ProblemKind::Status] {
            Bench::new(Some(at(5))).fails(kind, Action::FetchSnapshot(Some(at(5))));
        }
        // Of another history any snapshot is later.
        Bench::new(Some(at(5))).fails(ProblemKind::Reset, Action::FetchSnapshot(None));
    }

    #[test]
    fn a_stream_that_is_held_back_on_the_way_is_replaced_by_snapshots() {
        let mut bench = Bench::new(Some(at(5)));
        for revision in 5..8 {
            bench
                .expect(Event::Opened, Action::Read)
                .fails(ProblemKind::Unreachable, Action::FetchSnapshot(Some(at(revision))))
                .expect(Event::Loaded(at(revision + 1)), Action::OpenStream(at(revision + 1)));
        }
        bench
            .expect(Event::Opened, Action::Read)
            .expect(Event::Heard, Action::Read)
            .fails(ProblemKind::Unreachable, Action::OpenStream(at(8)));
    }

    #[test]
    fn failures_to_apply_are_followed_by_growing_pauses() {
        let mut bench = Bench::new(Some(at(5)));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let Action::Wait(pause) = bench.sync.next(failed(ProblemKind::Gap), bench.now, 1.0)
            else {
                panic!("no pause");
            };
            pauses.push(pause.as_secs());
            bench.sync.next(Event::Woken, bench.now, 1.0);
            bench.sync.next(Event::Opened, bench.now, 1.0);
            bench.sync.next(Event::Heard, bench.now, 1.0);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32]);
    }

    #[test]
    fn a_minute_of_a_healthy_stream_forgets_the_failures_before_it() {
        let mut bench = Bench::new(Some(at(5)));
        for _ in 0..5 {
            bench.fails(ProblemKind::Unreachable, Action::OpenStream(at(5)));
        }
        bench.expect(Event::Opened, Action::Read).expect(Event::Heard, Action::Read);
        bench.now += Duration::from_secs(61);
        bench
            .expect(Event::Heard, Action::Read)
            .expect(failed(ProblemKind::Ended), Action::Wait(Duration::from_secs(1)));
    }

    #[test]
    fn the_hint_of_the_server_is_heeded() {
        let mut bench = Bench::new(Some(at(5)));
        bench
            .expect(Event::Hint(Duration::from_secs(4)), Action::Read)
            .expect(failed(ProblemKind::Ended), Action::Wait(Duration::from_secs(5)));
    }
}

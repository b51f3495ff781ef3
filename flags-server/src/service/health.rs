//! Whether writes work. While they do not, a trial now and then finds out when they do again.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use flags_core::Timestamp;
use tokio::sync::oneshot;

use super::fault::Fault;
use super::publish::{Author, Unit};
use super::writer::Operation;
use crate::limits::WRITE_TRIAL_INTERVAL;
use crate::store::StoreError;

/// What became of the last write that could tell.
#[derive(Default)]
pub(crate) struct WriteHealth {
    failing: Mutex<Option<Failing>>,
}

struct Failing {
    since: Timestamp,
    what: String,
    tried: Option<Instant>,
}

impl WriteHealth {
    pub(super) fn failed(&self, error: &StoreError, now: Timestamp) {
        let what = match error.obstacle() {
            Some(obstacle) => obstacle.sentence().to_owned(),
            None => error.cause().to_string(),
        };
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *failing {
            Some(failing) => failing.what = what,
            None => *failing = Some(Failing { since: now, what, tried: None }),
        }
    }

    pub(super) fn succeeded(&self) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failing) = failing.take() {
            tracing::info!(since = %failing.since, "writes work again");
        }
    }

    /// Why writes fail, and since when; `None` while they work.
    pub(super) fn fault(&self) -> Option<String> {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let Failing { since, what, .. } = failing.as_ref()?;
        Some(format!("writes fail: {what}, since {since}"))
    }

    /// Whether it is time to find out; the next time is later.
    pub(super) fn take_turn(&self) -> bool {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failing) = &mut *failing else { return false };
        let is_due = failing.tried.is_none_or(|tried| tried.elapsed() >= WRITE_TRIAL_INTERVAL);
        if is_due {
            failing.tried = Some(Instant::now());
        }
        is_due
    }
}

/// A write that changes nothing.
pub(super) struct Trial {
    author: Author,
    queued_at: Instant,
    failure: Option<StoreError>,
    done: oneshot::Sender<()>,
}

impl Trial {
    /// The receiver hears of its end, whatever that is.
    pub(super) fn new() -> (Self, oneshot::Receiver<()>) {
        let (done, end) = oneshot::channel();
        let author = Author::server();
        (Self { author, queued_at: Instant::now(), failure: None, done }, end)
    }
}

impl Operation for Trial {
    fn run(&mut self, unit: &mut Unit<'_>) -> bool {
        self.failure = unit.tx.try_out().err();
        self.failure.is_none()
    }

    fn author(&self) -> &Author {
        &self.author
    }

    fn queued_at(&self) -> Instant {
        self.queued_at
    }

    fn refuse(&mut self, _: Fault) {}

    fn failure(&self) -> Option<&StoreError> {
        self.failure.as_ref()
    }

    fn is_trial(&self) -> bool {
        true
    }

    fn answer(self: Box<Self>, committed: Result<(), Fault>) -> bool {
        let _ = self.done.send(());
        self.failure.is_none() && committed.is_ok()
    }
}

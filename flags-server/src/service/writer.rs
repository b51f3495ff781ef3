//! The writer thread: owns the write connection and commits operations in groups.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use flags_core::Epoch;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, mpsc, oneshot};

use super::health::WriteHealth;
use super::publish::{Author, Effect, Unit};
use super::{Fault, now};
use crate::access::Tokens;
use crate::limits::{MAX_WRITES_PER_COMMIT, SWEPT_ROWS};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::{StoreError, StoreResult, Writer};

/// Something to be written: a verb, and where its result goes after the commit.
pub(super) trait Operation: Send {
    /// Does it, inside the transaction; whether it is to be kept.
    fn run(&mut self, unit: &mut Unit<'_>) -> bool;

    fn author(&self) -> &Author;

    /// Since when it has waited.
    fn queued_at(&self) -> Instant;

    /// Refuses it instead of running it.
    fn refuse(&mut self, fault: Fault);

    /// What of the store's failed it, if that did.
    fn failure(&self) -> Option<&StoreError>;

    /// Whether it finds out if writing works, for the server itself.
    fn is_trial(&self) -> bool {
        false
    }

    /// Answers with what [`run`](Self::run) gave, unless the commit did not come about; whether
    /// it was kept.
    fn answer(self: Box<Self>, committed: Result<(), Fault>) -> bool;
}

/// An operation that gives a `T`.
pub(super) struct Request<F, T> {
    author: Author,
    queued_at: Instant,
    verb: Option<F>,
    result: Option<Result<T, Fault>>,
    reply: oneshot::Sender<Result<T, Fault>>,
}

impl<F, T> Request<F, T> {
    pub(super) fn new(author: Author, verb: F) -> (Self, oneshot::Receiver<Result<T, Fault>>) {
        let (reply, answer) = oneshot::channel();
        let queued_at = Instant::now();
        (Self { author, queued_at, verb: Some(verb), result: None, reply }, answer)
    }
}

impl<F, T> Operation for Request<F, T>
where
    F: FnOnce(&mut Unit<'_>) -> Result<T, Fault> + Send,
    T: Send,
{
    fn run(&mut self, unit: &mut Unit<'_>) -> bool {
        let Some(verb) = self.verb.take() else {
            return false;
        };
        // A mistake in one verb must not take the writer with it; what it wrote is rolled back.
        let result = catch_unwind(AssertUnwindSafe(|| verb(unit)))
            .unwrap_or_else(|panic| Err(Fault::Internal(panic_message(&*panic))));
        self.result.insert(result).is_ok()
    }

    fn author(&self) -> &Author {
        &self.author
    }

    fn queued_at(&self) -> Instant {
        self.queued_at
    }

    fn refuse(&mut self, fault: Fault) {
        self.result = Some(Err(fault));
    }

    fn failure(&self) -> Option<&StoreError> {
        match &self.result {
            Some(Err(Fault::Store(error))) => Some(error),
            _ => None,
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), Fault>) -> bool {
        // Without a commit a refusal does not count either: it may rest on what was not written.
        let Self { result, reply, .. } = *self;
        let not_run = || Err(Fault::Internal("it was not run".into()));
        let result = committed.and_then(|()| result.unwrap_or_else(not_run));
        let kept = result.is_ok();
        // Nobody listens any more when the client has gone away.
        let _ = reply.send(result);
        kept
    }
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a message"))
}

/// What the writer thread needs.
pub(super) struct WriterThread {
    pub(super) writer: Box<dyn Writer>,
    pub(super) queue: mpsc::Receiver<Box<dyn Operation>>,
    pub(super) epoch: Epoch,
    pub(super) live: Arc<Live>,
    pub(super) tokens: Arc<Tokens>,
    /// Told when something is scheduled.
    pub(super) scheduled: Arc<Notify>,
    pub(super) health: Arc<WriteHealth>,
    pub(super) metrics: Arc<Metrics>,
}

impl WriterThread {
    /// Runs until every sender is gone and the queue is empty.
    pub(super) fn run(mut self) {
        // What the process before this one left.
        let mut sweeping = true;
        loop {
            let first = match sweeping {
                true => match self.queue.try_recv() {
                    Ok(first) => first,
                    Err(TryRecvError::Empty) => {
                        sweeping = self.sweep();
                        continue;
                    }
                    Err(TryRecvError::Disconnected) => break,
                },
                false => match self.queue.blocking_recv() {
                    Some(first) => first,
                    None => break,
                },
            };
            sweeping = true;
            let mut group = vec![first];
            while group.len() < MAX_WRITES_PER_COMMIT
                && let Ok(next) = self.queue.try_recv()
            {
                group.push(next);
            }
            self.write(group);
        }
    }

    /// Deletes some of what nothing refers to any more; whether there may be more.
    fn sweep(&mut self) -> bool {
        let swept = self.writer.begin().and_then(|mut tx| {
            let swept = tx.sweep(SWEPT_ROWS)?;
            if swept {
                tx.commit()?;
            }
            Ok(swept)
        });
        swept.unwrap_or_else(|error| {
            // Again after the next write.
            tracing::warn!(%error, "what was deleted still takes room");
            false
        })
    }

    fn write(&mut self, mut group: Vec<Box<dyn Operation>>) {
        let begin = Instant::now();
        for operation in &group {
            self.metrics.waited(begin.saturating_duration_since(operation.queued_at()));
        }
        let committed = self.commit(&mut group);
        self.metrics.committed(group.len(), begin.elapsed());
        match committed {
            Ok(effects) => {
                let failed = group.iter().find_map(|operation| operation.failure());
                let wrote = !effects.is_empty() || group.iter().any(|one| one.is_trial());
                // A fault that is not the disk's may be one of the object that was to be read.
                match failed.filter(|error| error.obstacle().is_some()) {
                    Some(error) => self.health.failed(error, now()),
                    None if wrote => self.health.succeeded(),
                    None => {}
                }
                for effect in effects {
                    self.show(effect);
                }
                for operation in group {
                    let kept = operation.answer(Ok(()));
                    self.metrics.wrote(if kept { "done" } else { "refused" });
                }
            }
            Err(error) => {
                tracing::error!(%error, operations = group.len(), "nothing was written");
                self.health.failed(&error, now());
                for operation in group {
                    operation.answer(Err(Fault::Store(error.again())));
                    self.metrics.wrote("failed");
                }
            }
        }
    }

    /// All operations in one transaction, each on its own savepoint.
    ///
    /// # Errors
    /// When the transaction as a whole did not come about; nothing is applied then.
    fn commit(&mut self, group: &mut [Box<dyn Operation>]) -> StoreResult<Vec<Effect>> {
        let mut tx = self.writer.begin()?;
        let mut committed = Vec::new();
        for operation in group {
            let (author, now) = (operation.author().clone(), now());
            // The body may have taken its time, and the queue too.
            let revoked = |effect: &Effect| match effect {
                Effect::TokenRevoked { id } => *id == author.actor,
                _ => false,
            };
            let valid = author.has_no_token() || self.tokens.has(&author.actor, now);
            if !valid || committed.iter().any(revoked) {
                operation.refuse(Fault::Revoked);
                continue;
            }
            tx.begin_operation()?;
            let mut unit = Unit {
                tx: &mut *tx,
                epoch: &self.epoch,
                author: &author,
                now,
                effects: Vec::new(),
            };
            let keep = operation.run(&mut unit);
            let effects = unit.effects;
            if keep {
                tx.keep_operation()?;
                committed.extend(effects);
            } else {
                tx.roll_back_operation()?;
            }
        }
        tx.commit()?;
        Ok(committed)
    }

    fn show(&self, effect: Effect) {
        match effect {
            Effect::Environment(environment) => self.live.add(&environment),
            Effect::Change { environment, change, line } => {
                self.live.apply(environment, &change, &line);
                self.metrics.changed();
            }
            Effect::Rewritten(environment) => self.live.forget_past(environment),
            Effect::Archived { environment, archived } => self.live.archive(environment, archived),
            Effect::Scheduled => self.scheduled.notify_one(),
            Effect::Token(token) => self.tokens.put(&token),
            Effect::TokenRevoked { id } => self.tokens.remove(&id),
        }
    }
}

//! The writer thread: owns the write connection and commits operations in groups.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use flags_core::Epoch;
use tokio::sync::{mpsc, oneshot};

use super::publish::{Author, Effect, Unit};
use super::{Fault, now};
use crate::access::Tokens;
use crate::limits::MAX_WRITES_PER_COMMIT;
use crate::live::Live;
use crate::store::{StoreResult, Writer};

/// Something to be written: a verb, and where its result goes after the commit.
pub(super) trait Operation: Send {
    /// Does it, inside the transaction; whether it is to be kept.
    fn run(&mut self, unit: &mut Unit<'_>) -> bool;

    fn author(&self) -> &Author;

    /// Refuses it instead of running it.
    fn refuse(&mut self, fault: Fault);

    /// Answers with what [`run`](Self::run) gave, unless the commit did not come about.
    fn answer(self: Box<Self>, committed: Result<(), Fault>);
}

/// An operation that gives a `T`.
pub(super) struct Request<F, T> {
    author: Author,
    verb: Option<F>,
    result: Option<Result<T, Fault>>,
    reply: oneshot::Sender<Result<T, Fault>>,
    /// Whether what it wrote is undone, whatever came of it.
    undone: bool,
}

impl<F, T> Request<F, T> {
    pub(super) fn new(author: Author, verb: F) -> (Self, oneshot::Receiver<Result<T, Fault>>) {
        let (reply, answer) = oneshot::channel();
        (Self { author, verb: Some(verb), result: None, reply, undone: false }, answer)
    }

    /// The same, and what it writes does not stay.
    pub(super) fn undone(self) -> Self {
        Self { undone: true, ..self }
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
        self.result.insert(result).is_ok() && !self.undone
    }

    fn author(&self) -> &Author {
        &self.author
    }

    fn refuse(&mut self, fault: Fault) {
        self.result = Some(Err(fault));
    }

    fn answer(self: Box<Self>, committed: Result<(), Fault>) {
        // Without a commit a refusal does not count either: it may rest on what was not written.
        let Self { result, reply, .. } = *self;
        let not_run = || Err(Fault::Internal("it was not run".into()));
        let result = committed.and_then(|()| result.unwrap_or_else(not_run));
        // Nobody listens any more when the client has gone away.
        let _ = reply.send(result);
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
}

impl WriterThread {
    /// Runs until every sender is gone and the queue is empty.
    pub(super) fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let mut group = vec![first];
            while group.len() < MAX_WRITES_PER_COMMIT
                && let Ok(next) = self.queue.try_recv()
            {
                group.push(next);
            }
            self.write(group);
        }
    }

    fn write(&mut self, mut group: Vec<Box<dyn Operation>>) {
        match self.commit(&mut group) {
            Ok(effects) => {
                for effect in effects {
                    self.show(effect);
                }
                for operation in group {
                    operation.answer(Ok(()));
                }
            }
            Err(error) => {
                tracing::error!(%error, operations = group.len(), "nothing was written");
                let text = error.to_string();
                for operation in group {
                    operation.answer(Err(Fault::Store(crate::store::StoreError::new(&*text))));
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
            let valid = author.is_server() || self.tokens.has(&author.actor, now);
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
            }
            Effect::Archived { environment, archived } => self.live.archive(environment, archived),
            Effect::Token(token) => self.tokens.put(&token),
            Effect::TokenRevoked { id } => self.tokens.remove(&id),
        }
    }
}

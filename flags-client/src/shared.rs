//! What all handles of a client share with the task that keeps it up to date.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use flags_core::{
    Change, Decoders, Document, Epoch, FLAG_KIND, Gap, InvalidObject, ObjectChange, Position,
    Report, Ruleset, Timestamp, Undecodable,
};
use tokio::sync::watch;

use crate::clock::{Clock, Time};
use crate::layer::Layers;
use crate::misuse::{Misuses, Reported};
use crate::status::{Failure, Problem, ProblemKind, Source, State, Status};

/// Most invalid objects, and flags that cannot be decoded, that are logged for one change or
/// snapshot.
const INVALID_LOGGED: usize = 10;

/// One writer at a time puts rulesets in place; the ruleset comes first and the status after it,
/// so that whoever has seen a revision in the status also gets its answers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) layers: Layers,
    /// All of the status but the misuses, which answers report: none takes this lock.
    pub(crate) status: watch::Sender<Status>,
    pub(crate) misuses: Arc<Misuses>,
    time: Arc<Time>,
    decoders: Decoders,
}

impl Shared {
    /// For a client that follows a server.
    pub(crate) fn following(decoders: Decoders, clock: Clock) -> Self {
        let (misuses, time) = (Misuses::new(true), Time::following(clock));
        Self::new(State::Starting, Source::Nothing, decoders, misuses, time)
    }

    /// For a client of a ruleset that never changes.
    pub(crate) fn fixed(decoders: Decoders, misuses: Misuses, time: Time) -> Self {
        Self::new(State::Fixed, Source::Fixed, decoders, misuses, time)
    }

    fn new(state: State, source: Source, decoders: Decoders, misuses: Misuses, time: Time) -> Self {
        let decoders = decoders.guarded(catch_panic);
        let (misuses, time) = (Arc::new(misuses), Arc::new(time));
        let ruleset = Ruleset::with_decoders(decoders.clone());
        Self {
            status: watch::Sender::new(Status::new(state, source, time.clock.now())),
            layers: Layers::new(ruleset, Arc::clone(&misuses), Arc::clone(&time)),
            misuses,
            time,
            decoders,
        }
    }

    /// How the client is doing.
    pub(crate) fn status(&self) -> Status {
        let mut status = self.status.borrow().clone();
        let Reported { listed, unlisted } = self.misuses.reported();
        status.heard = self.time.heard_at();
        status.misused = listed;
        status.counters.unlisted_misuses = unlisted;
        status
    }

    /// Puts a whole environment in place. Takes time: not for an async thread.
    pub(crate) fn install(&self, document: &Document, state: State, source: Source) {
        let (ruleset, report) = Ruleset::compile_with(document, &self.decoders);
        self.tell(&report);
        self.layers.replace(ruleset);
        self.update(state, source, |status| {
            status.position = Some(document.position());
            status.counters.ignored_objects += report.ignored as u64;
            status.invalid = sorted(report.invalid);
            status.undecodable = sorted_by_flag(report.undecodable);
        });
    }

    /// Puts one change in place. Takes time: not for an async thread.
    pub(crate) fn apply(&self, change: &Change) -> Result<(), Gap> {
        let (ruleset, report) = self.layers.base().loaded.load().ruleset.apply(change)?;
        self.tell(&report);
        self.layers.replace(ruleset);
        self.update(State::Live, Source::Server, |status| {
            status.position = Some(change.position());
            status.counters.changes += 1;
            status.counters.ignored_objects += report.ignored as u64;
            if !(status.invalid.is_empty() && report.invalid.is_empty()) {
                let untouched = status.invalid.iter().filter(|invalid| {
                    !change.objects.iter().filter_map(replaced).any(|id| id == identity_of(invalid))
                });
                status.invalid = sorted(untouched.cloned().chain(report.invalid).collect());
            }
            if !(status.undecodable.is_empty() && report.undecodable.is_empty()) {
                let untouched = status.undecodable.iter().filter(|undecodable| {
                    let id = (FLAG_KIND, &*undecodable.key);
                    !change.objects.iter().filter_map(replaced).any(|touched| touched == id)
                });
                let all = untouched.cloned().chain(report.undecodable).collect();
                status.undecodable = sorted_by_flag(all);
            }
        });
        Ok(())
    }

    /// Whether the present ruleset is of this history.
    pub(crate) fn is_in(&self, epoch: &Epoch) -> bool {
        self.layers.base().loaded.load().ruleset.position().is_some_and(|at| at.epoch == *epoch)
    }

    /// The server is heard, so what is in place is up to date.
    pub(crate) fn heard(&self) {
        let now = self.time.clock.now();
        self.time.heard(now);
        self.status.send_if_modified(|status| {
            let news = status.enter(State::Live, Source::Server, now);
            if news {
                log_live(status);
            }
            news
        });
    }

    /// The server was heard then, in an earlier run; not in the future, whatever the disk says.
    pub(crate) fn was_heard(&self, at: Timestamp) {
        self.time.heard(at.min(self.time.clock.now()));
    }

    /// When the server was last heard, if it ever was.
    pub(crate) fn heard_at(&self) -> Option<Timestamp> {
        self.time.heard_at()
    }

    /// An event with an unknown name came by.
    pub(crate) fn ignored_event(&self) {
        self.status.send_modify(|status| status.counters.ignored_events += 1);
    }

    /// Another attempt begins after a failure.
    pub(crate) fn reconnecting(&self) {
        self.status.send_modify(|status| status.counters.reconnects += 1);
    }

    /// An attempt failed, or the stream did.
    pub(crate) fn failed(&self, failure: &Failure) {
        self.status.send_modify(|status| {
            let at = self.time.clock.now();
            let was_well = status.state == State::Live;
            let state = match status.source {
                Source::Nothing => State::Starting,
                _ => State::Stale,
            };
            status.enter(state, status.source, at);
            let kind = failure.kind;
            let known = status.last_error.as_ref().is_some_and(|error| error.kind == kind);
            if was_well || !known {
                log_failure(failure, state);
            }
            let message = failure.message.as_str().into();
            status.last_error = Some(Problem { kind, message, at });
            status.counters.failures += 1;
        });
    }

    /// The cache file stands here now.
    pub(crate) fn cached(&self, position: Option<Position>) {
        self.status.send_if_modified(|status| {
            let news = status.cached != position;
            status.cached = position;
            news
        });
    }

    /// Something is wrong with the cache file.
    pub(crate) fn cache_failed(&self, error: &dyn fmt::Display) {
        let message: Arc<str> = error.to_string().into();
        self.status.send_modify(|status| {
            if status.cache_error.as_ref().is_none_or(|known| known.message != message) {
                tracing::warn!(problem = %message, "the cache of flags has a problem");
            }
            let (kind, at) = (ProblemKind::Cache, self.time.clock.now());
            status.cache_error = Some(Problem { kind, message, at });
            status.counters.cache_errors += 1;
        });
    }

    /// Logs what is broken. Of what cannot be decoded, the news alone: before an answer can meet
    /// it, which would say so again. What is too much for the log is left to those answers.
    fn tell(&self, report: &Report) {
        log_invalid(report);
        let news = report.undecodable.iter().filter(|found| self.misuses.undecodable(found));
        for Undecodable { key, type_name, diagnostics, .. } in news.take(INVALID_LOGGED) {
            let problem = diagnostics.first().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(key, r#type = type_name, problem, "cannot be decoded");
        }
    }

    fn update(&self, state: State, source: Source, update: impl FnOnce(&mut Status)) {
        let now = self.time.clock.now();
        if source == Source::Server {
            self.time.heard(now);
        }
        self.status.send_modify(|status| {
            update(status);
            if status.enter(state, source, now) && state == State::Live {
                log_live(status);
            }
        });
    }
}

/// Which object a change leaves nothing of. Other members do not mend a segment.
fn replaced(change: &ObjectChange) -> Option<(&str, &str)> {
    match change {
        ObjectChange::Upsert(object) => Some((&object.kind, &object.key)),
        ObjectChange::Delete { kind, key } => Some((kind, key)),
        ObjectChange::Members(_) => None,
    }
}

fn identity_of(invalid: &InvalidObject) -> (&str, &str) {
    (&invalid.kind, &invalid.key)
}

fn sorted(mut invalid: Vec<InvalidObject>) -> Arc<[InvalidObject]> {
    invalid.sort_by(|a, b| identity_of(a).cmp(&identity_of(b)));
    invalid.into()
}

fn sorted_by_flag(mut undecodable: Vec<Undecodable>) -> Arc<[Undecodable]> {
    undecodable.sort_by(|a, b| (&a.key, a.type_name).cmp(&(&b.key, b.type_name)));
    undecodable.into()
}

fn log_live(status: &Status) {
    let revision = status.position.as_ref().map(|position| position.revision);
    tracing::info!(revision, "flags are live");
}

fn log_failure(failure: &Failure, state: State) {
    let problem = &failure.message;
    match failure.kind {
        ProblemKind::Unauthenticated | ProblemKind::Forbidden => {
            tracing::error!(problem, "the server of flags refuses the token");
        }
        ProblemKind::Ended | ProblemKind::Stopped => {
            tracing::debug!(problem, "flags are not up to date");
        }
        _ if state == State::Starting => {
            tracing::warn!(problem, "there are no flags yet: the defaults of the code hold");
        }
        _ => tracing::warn!(problem, "flags are not up to date"),
    }
}

/// A service's own `Deserialize` must not keep it from its other flags.
fn catch_panic(decode: &mut dyn FnMut()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(decode)).map_err(|panic| {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("decoding it panicked: {}", said.unwrap_or("without a message"))
    })
}

fn log_invalid(report: &Report) {
    for object in report.invalid.iter().take(INVALID_LOGGED) {
        let problem = object.diagnostics.first().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(kind = object.kind, key = object.key, problem, "cannot be evaluated");
    }
}

//! What all handles of a client share with the task that keeps it up to date.

use std::fmt;
use std::sync::Arc;

use flags_core::{
    Change, Document, Epoch, Gap, InvalidObject, ObjectChange, Position, Report, Ruleset,
};
use tokio::sync::watch;

use crate::clock;
use crate::layer::Layers;
use crate::status::{Failure, Problem, ProblemKind, Source, State, Status};

/// Most invalid objects that are logged for one change or snapshot.
const INVALID_LOGGED: usize = 10;

/// One writer at a time puts rulesets in place; the ruleset comes first and the status after it,
/// so that whoever has seen a revision in the status also gets its answers.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) layers: Layers,
    pub(crate) status: watch::Sender<Status>,
}

impl Shared {
    pub(crate) fn new(state: State, source: Source) -> Self {
        Self {
            layers: Layers::new(Ruleset::default()),
            status: watch::Sender::new(Status::new(state, source, clock::now())),
        }
    }

    /// Puts a whole environment in place. Takes time: not for an async thread.
    pub(crate) fn install(&self, document: &Document, state: State, source: Source) {
        let (ruleset, report) = Ruleset::compile(document);
        self.layers.replace(ruleset);
        log_invalid(&report);
        self.update(state, source, |status| {
            status.position = Some(document.position());
            status.counters.ignored_objects += report.ignored as u64;
            status.invalid = sorted(report.invalid);
        });
    }

    /// Puts one change in place. Takes time: not for an async thread.
    pub(crate) fn apply(&self, change: &Change) -> Result<(), Gap> {
        let (ruleset, report) = self.layers.base().ruleset.load().apply(change)?;
        self.layers.replace(ruleset);
        log_invalid(&report);
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
        });
        Ok(())
    }

    /// Whether the present ruleset is of this history.
    pub(crate) fn is_in(&self, epoch: &Epoch) -> bool {
        self.layers.base().ruleset.load().position().is_some_and(|at| at.epoch == *epoch)
    }

    /// The server is heard, so what is in place is up to date.
    pub(crate) fn heard(&self) {
        self.status.send_if_modified(|status| {
            let news = status.enter(State::Live, Source::Server, clock::now());
            if news {
                log_live(status);
            }
            news
        });
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
            let at = clock::now();
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
            let (kind, at) = (ProblemKind::Cache, clock::now());
            status.cache_error = Some(Problem { kind, message, at });
            status.counters.cache_errors += 1;
        });
    }

    fn update(&self, state: State, source: Source, update: impl FnOnce(&mut Status)) {
        self.status.send_modify(|status| {
            update(status);
            if status.enter(state, source, clock::now()) && state == State::Live {
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

fn log_invalid(report: &Report) {
    for object in report.invalid.iter().take(INVALID_LOGGED) {
        let problem = object.diagnostics.first().map(ToString::to_string).unwrap_or_default();
        tracing::warn!(kind = object.kind, key = object.key, problem, "cannot be evaluated");
    }
}

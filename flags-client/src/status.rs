//! How a client is doing, for people, health checks and tests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flags_core::{InvalidObject, Misfit, Position, Timestamp, Undecodable};

use crate::misuse::{Misuse, is_of_feature};

/// How a client is doing.
///
/// A client never fails towards its caller; what goes wrong is said here. Cheap to clone.
///
/// ```
/// use flags_client::{Client, State};
///
/// let status = Client::empty().status();
/// assert_eq!(status.state, State::Fixed);
/// assert_eq!(status.to_string(), "fixed, at fixed.0");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Status {
    /// Whether answers are up to date.
    pub state: State,
    /// Where the ruleset in memory came from.
    pub source: Source,
    /// Since when `state` and `source` are what they are.
    pub since: Timestamp,
    /// Where the ruleset stands; `None` while there is none.
    pub position: Option<Position>,
    /// When the server was last heard: with a snapshot, a change or a sign of life, in this run or,
    /// if the ruleset is from the disk, in an earlier one. `None` where it never was, and of a fixed
    /// client.
    pub heard: Option<Timestamp>,
    /// What the cache file holds, that is, what a start without the server would begin with;
    /// `None` without a file or while there is nothing of use in it. It follows `position` within
    /// about a second.
    pub cached: Option<Position>,
    /// The last thing that went wrong between client and server; it stays when all is well again.
    pub last_error: Option<Problem>,
    /// The last thing that went wrong with the cache file.
    pub cache_error: Option<Problem>,
    /// Objects of the ruleset that cannot be evaluated, by kind and key. Each is broken alone.
    pub invalid: Arc<[InvalidObject]>,
    /// Flags of the ruleset with values that are not of the types that were registered for them,
    /// by key. Each is valid for whoever asks for its JSON.
    pub undecodable: Arc<[Undecodable]>,
    /// Flags and features that were not as the code says when they were first asked for, by key:
    /// each key and type asked for once in the life of the client, also when it has become right. A
    /// value that cannot be decoded is among them from its arrival, once for each version of the
    /// flag. Of features, one that is asked for by its key at run time is not looked at, and one
    /// that is asked for of tenants alone that are not stored neither.
    ///
    /// At most 256; further ones are [counted](Counters::unlisted_misuses). What is missing from a
    /// [`Client::empty`](crate::Client::empty) or from
    /// `TestFlags` is not among them.
    pub misused: Arc<[Misuse]>,
    /// What has been counted since the client was made.
    pub counters: Counters,
}

/// Whether answers are up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// There is no ruleset yet: every answer is the code's default.
    Starting,
    /// The server supplied the ruleset, and its changes arrive as they are made.
    Live,
    /// The server is away or makes no sense: the last good ruleset holds, from memory or, if
    /// [`Status::source`] says so, from the disk.
    Stale,
    /// There is no server: a [fixed](crate::Client::fixed) client.
    Fixed,
}

/// Where a ruleset came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// There is no ruleset yet.
    Nothing,
    /// The server, in this run.
    Server,
    /// The cache file, that is: the server, in an earlier run.
    Disk,
    /// The code.
    Fixed,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Which kind of thing, for programs.
    pub kind: ProblemKind,
    /// What it was, for people; never holds the token.
    pub message: Arc<str>,
    /// When.
    pub at: Timestamp,
}

/// Which kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The server could not be reached, did not answer in time, or the connection broke.
    Unreachable,
    /// The server ended the stream in order: it restarts or moves connections.
    Ended,
    /// The server does not know the token (401).
    Unauthenticated,
    /// The token may not read definitions (403).
    Forbidden,
    /// The server, or something in front of it, cannot answer at present (429 or any 5xx).
    Unavailable,
    /// Any other status than the one hoped for, redirects elsewhere included.
    Status,
    /// An answer that is not what the protocol promises: another content type, broken JSON, an id
    /// that does not fit.
    Malformed,
    /// An event or a snapshot beyond its [limit](crate#limits).
    TooLarge,
    /// A change that does not follow the last one.
    Gap,
    /// The server asks to begin anew from a snapshot: its history is not the one that the ruleset
    /// came from, or a change is too large for a stream.
    Reset,
    /// The cache file could not be read or written, or is damaged.
    Cache,
    /// The task that kept the client up to date has ended, because its runtime has.
    Stopped,
    /// A fault of this crate's own.
    Internal,
}

/// What a client has counted since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections tried anew after something went wrong.
    pub reconnects: u64,
    /// Things that went wrong between client and server, each of which is followed by a pause.
    pub failures: u64,
    /// Changes applied.
    pub changes: u64,
    /// Events with a name that this version does not know.
    pub ignored_events: u64,
    /// Objects of a kind that this version does not know.
    pub ignored_objects: u64,
    /// Things that went wrong with the cache file.
    pub cache_errors: u64,
    /// Flags and features that are not as the code says, beyond those in [`Status::misused`]; counted up to
    /// some hundreds.
    pub unlisted_misuses: u64,
}

impl Status {
    pub(crate) fn new(state: State, source: Source, since: Timestamp) -> Self {
        Self {
            state,
            source,
            since,
            position: None,
            heard: None,
            cached: None,
            last_error: None,
            cache_error: None,
            invalid: Arc::default(),
            undecodable: Arc::default(),
            misused: Arc::default(),
            counters: Counters::default(),
        }
    }

    /// Whether the ruleset is the server's of this run, or of the code: neither from the disk nor
    /// absent.
    ///
    /// Not for a readiness probe: a client that started from its cache while the server is away is
    /// not ready in this sense, though it answers. What such a probe may ask is whether `state` is
    /// other than [`State::Starting`].
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.source, Source::Server | Source::Fixed)
    }

    /// Whether a misuse is of a flag that still cannot be decoded.
    fn is_undecodable(&self, misuse: &Misuse) -> bool {
        matches!(misuse.misfit, Misfit::Undecodable(_))
            && self.undecodable.iter().any(|undecodable| {
                *undecodable.key == *misuse.key && Some(undecodable.type_name) == misuse.asked
            })
    }

    /// Moves to a state, at the instant `now` if it is another one.
    pub(crate) fn enter(&mut self, state: State, source: Source, now: Timestamp) -> bool {
        let moves = (self.state, self.source) != (state, source);
        if moves {
            (self.state, self.source, self.since) = (state, source, now);
        }
        moves
    }
}

impl fmt::Display for Status {
    /// One line: the state, the position, and what is wrong if something is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.state, self.source) {
            (State::Starting, _) => "starting, without a ruleset",
            (State::Live, _) => "live",
            (State::Stale, Source::Disk) => "stale, from the disk",
            (State::Stale, _) => "stale, from memory",
            (State::Fixed, _) => "fixed",
        })?;
        if let Some(position) = &self.position {
            write!(f, ", at {position}")?;
        }
        match &self.last_error {
            Some(problem) if matches!(self.state, State::Starting | State::Stale) => {
                write!(f, ": {}", problem.message)?;
            }
            _ => {}
        }
        match &*self.invalid {
            [] => {}
            [one] => write!(f, "; the {} `{}` cannot be evaluated", one.kind, one.key)?,
            many => write!(f, "; {} objects cannot be evaluated", many.len())?,
        }
        match &*self.undecodable {
            [] => {}
            [one] => write!(f, "; the flag `{}` cannot be decoded", one.key)?,
            many => write!(f, "; {} flags cannot be decoded", many.len())?,
        }
        let others = self.misused.iter().filter(|misuse| !self.is_undecodable(misuse));
        let unlisted = self.counters.unlisted_misuses;
        match (others.clone().count() as u64 + unlisted, others.clone().next()) {
            (0, _) => {}
            (1, Some(one)) => write!(f, "; not as the code says: {one}")?,
            (count, _) => {
                let features = others.clone().filter(|other| is_of_feature(other.misfit)).count();
                let what = match unlisted == 0 && features as u64 == count {
                    true => "features",
                    false if features == 0 => "flags",
                    false => "flags and features",
                };
                write!(f, "; {count} {what} are not as the code says")?;
            }
        }
        if let Some(problem) = &self.cache_error {
            write!(f, "; last problem of the cache: {}", problem.message)?;
        }
        Ok(())
    }
}

/// What one attempt came to that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: ProblemKind,
    pub(crate) message: String,
    /// How long the server asked to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }
}

/// A status that was waited for and did not come about in time.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not reached in time; the client is {0}")]
pub struct TimedOut(pub(crate) Box<Status>);

impl TimedOut {
    /// The status at the end of the wait.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.0
    }
}

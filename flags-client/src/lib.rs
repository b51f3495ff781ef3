//! Feature flags inside a service.

#![forbid(unsafe_code)]

mod backoff;
mod builder;
mod cache;
mod client;
mod clock;
mod driver;
mod layer;
mod limits;
mod shared;
mod snapshot;
mod source;
mod status;
mod sync;

pub use builder::{BuildError, Builder};
pub use client::Client;
pub use flags_core::{
    Answer, AttributeValue, Change, Context, Diagnostic, Document, Entity, Epoch, Evaluation,
    Explanation, Flag, FlagKey, FlagType, FlagValue, InvalidObject, JsonContext, Object,
    ObjectChange, Outcome, Override, Position, Question, Reason, Revision, Ruleset, SplitOutcome,
    Step, Strings, Timestamp, Value,
};
pub use limits::{MAX_CACHE_BYTES, MAX_EVENT_BYTES, MAX_SNAPSHOT_BYTES};
pub use secrecy::SecretString;
pub use snapshot::{Pinned, Snapshot};
pub use status::{Counters, Problem, ProblemKind, Source, State, Status, TimedOut};

use flags_core::{Diagnostic, Revision};

use super::uses::Standing;
use crate::store::StoreError;

/// Why something was refused or failed, in terms of the domain.
#[derive(Debug)]
pub(crate) enum Fault {
    /// What is not there, in words.
    NotFound(String),
    /// A key that is equal to another one but for case and `.`, `-`, `_`.
    KeyConflict { key: String, existing: String },
    /// What is needed by what.
    InUse(String),
    /// A rollout that would move units which it did not mean to move.
    RolloutConflict(String),
    /// The last token that can manage the others.
    LastAdminToken,
    /// A list that was to go on with a revision which is no more the present one.
    RevisionChanged { began: Revision, revision: Revision },
    /// A token that was revoked or has expired, and gets no new secret.
    TokenEnded,
    /// A scheduled change that was made, failed or was cancelled: its state.
    ScheduleEnded(&'static str),
    /// A seat that the contract does not grant: how its limit stands.
    NoSeat(Box<Standing>),
    /// A write that has to say which version it changes.
    PreconditionRequired,
    /// The version that was named is not the current one; `None` where there is no object.
    VersionMismatch { current: Option<u64> },
    /// Everything that is wrong with the request; pointers lead into its body.
    Invalid(Vec<Diagnostic>),
    /// What has to be restored first.
    Archived(String),
    /// A key for a request that is to happen once, sent with another one before.
    IdempotencyKeyReused,
    /// The token was revoked between the request's arrival and its turn.
    Revoked,
    /// The token of who scheduled a change was revoked before its time came.
    AuthorRevoked,
    /// A bound of the server; `at` is where in the body it is exceeded, where that can be said.
    LimitExceeded { limit: &'static str, maximum: u64, at: Option<String> },
    /// Too much is waiting already: to be written, to be worked on, or to be read of what is sent.
    Busy,
    /// The server is stopping.
    Stopping,
    /// The store failed, and nothing was applied.
    Store(StoreError),
    /// A mistake of the server's own.
    Internal(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// A fault at one place of the body.
    pub(crate) fn at(pointer: &str, code: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![diagnostic(pointer, code, message)])
    }

    /// A bound of the server that no one place of the body exceeds.
    pub(crate) fn limit(limit: &'static str, maximum: u64) -> Self {
        Self::LimitExceeded { limit, maximum, at: None }
    }

    /// A bound of the server that is exceeded at a place of the body.
    pub(crate) fn limit_at(pointer: &str, limit: &'static str, maximum: u64) -> Self {
        Self::LimitExceeded { limit, maximum, at: Some(pointer.to_owned()) }
    }

    /// What the log says where the store failed. Of a document that cannot be read that is where, and not
    /// what stands there: it may be somebody's key.
    pub(crate) fn logged(&self) -> Option<String> {
        match self {
            Self::Store(error) => Some(error.logged()),
            _ => None,
        }
    }

    /// The same of a body that is a part of another one, there at `place`.
    pub(crate) fn below(mut self, place: &str) -> Self {
        match &mut self {
            Self::Invalid(faults) => {
                faults.iter_mut().for_each(|fault| fault.pointer.insert_str(0, place));
            }
            Self::LimitExceeded { at: Some(at), .. } => at.insert_str(0, place),
            _ => {}
        }
        self
    }
}

pub(crate) fn diagnostic(pointer: &str, code: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic { pointer: pointer.into(), code: code.into(), message: message.into() }
}

//! What the change log of an environment adds up to.

use flags_core::{Change, Document, Revision};

use super::fault::Fault;
use crate::limits::{CHANGES_PER_FOLD, FOLDED_BYTES};
use crate::store::{Environment, LoggedChange, View};

/// Why a change log adds up to nothing: what is wrong with it, and where.
pub(crate) fn damaged(revision: Revision, what: impl std::fmt::Display) -> Fault {
    Fault::Internal(format!("the change log is damaged at revision {revision}: {what}"))
}

/// One entry of the log, which has to say of itself what its row says.
pub(crate) fn read(logged: &LoggedChange) -> Result<Change, Fault> {
    let revision = logged.revision;
    let change: Change =
        serde_json::from_str(&logged.change).map_err(|error| damaged(revision, error))?;
    if (change.revision, change.previous) != (revision, revision.saturating_sub(1)) {
        let (from, to) = (change.previous, change.revision);
        return Err(damaged(revision, format!("its change leads from {from} to {to}")));
    }
    Ok(change)
}

/// What the change log of an environment begins with: nothing, or what was cut off of it.
pub(crate) fn beginning(view: &dyn View, environment: &Environment) -> Result<Document, Fault> {
    let epoch = view.epoch()?;
    let Some(checkpoint) = view.checkpoint(environment.id)? else {
        return Ok(Document::empty(epoch));
    };
    let document: Document = serde_json::from_str(&checkpoint.document)
        .map_err(|error| damaged(checkpoint.revision, format!("its checkpoint: {error}")))?;
    if document.revision != checkpoint.revision {
        return Err(damaged(checkpoint.revision, "its checkpoint is of another revision"));
    }
    Ok(Document { epoch, ..document })
}

/// The definitions of an environment at a revision, by its change log alone.
///
/// # Errors
/// When an entry is missing or damaged, or there is none of that revision yet.
pub(crate) fn fold(
    view: &dyn View,
    environment: &Environment,
    until: Revision,
) -> Result<Document, Fault> {
    let mut document = beginning(view, environment)?;
    if document.revision > until {
        let first = document.revision;
        return Err(Fault::NotFound(format!("the history before revision {first} was cut off")));
    }
    while document.revision < until {
        let after = document.revision;
        let logged = view.changes(environment.id, after, CHANGES_PER_FOLD, FOLDED_BYTES)?;
        if logged.is_empty() {
            return Err(damaged(after + 1, "it is not there"));
        }
        let mut changes = Vec::with_capacity(logged.len());
        for logged in logged.iter().take_while(|logged| logged.revision <= until) {
            let mut change = read(logged)?;
            // A restored database has changes of the epochs before its own.
            change.epoch = document.epoch.clone();
            changes.push(change);
        }
        let folded = document.fold(&changes);
        folded.map_err(|gap| damaged(document.revision + 1, gap))?;
        if changes.is_empty() {
            return Err(damaged(after + 1, "it is not there"));
        }
    }
    Ok(document)
}

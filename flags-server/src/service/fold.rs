//! What the change log of an environment adds up to.

use flags_core::{Change, Document, Object, ObjectChange, Revision};

use super::fault::Fault;
use crate::limits::{CHANGES_PER_FOLD, FOLDED_BYTES};
use crate::store::{Environment, LoggedChange, ObjectKind, View, unreadable};

/// Why a change log adds up to nothing: what is wrong with it, and where.
pub(crate) fn damaged(revision: Revision, what: impl std::fmt::Display) -> Fault {
    Fault::Internal(format!("the change log is damaged at revision {revision}: {what}"))
}

/// What one entry of the log says, which has to say of itself what its row says.
pub(crate) fn read(logged: &LoggedChange) -> Result<Change, Fault> {
    let revision = logged.revision;
    let change: Change = serde_json::from_str(&logged.change)
        .map_err(|error| damaged(revision, unreadable(&error)))?;
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
        .map_err(|error| format!("its checkpoint: {}", unreadable(&error)))
        .map_err(|what| damaged(checkpoint.revision, what))?;
    if document.revision != checkpoint.revision {
        return Err(damaged(checkpoint.revision, "its checkpoint is of another revision"));
    }
    Ok(Document { epoch, ..document })
}

/// The definitions of an environment at a revision, by its change log alone. Takes memory for them and
/// for a part of the log at a time.
///
/// # Errors
/// When an entry is missing or damaged, there is none of that revision yet, or it was cut off.
pub(crate) fn fold(
    view: &dyn View,
    environment: &Environment,
    until: Revision,
) -> Result<Document, Fault> {
    let document = beginning(view, environment)?;
    on_from(document, view, environment, until, |logged| Ok(read(logged)?.objects))
}

/// One object as it was at a revision.
///
/// # Errors
/// As those of [`fold`].
pub(crate) fn fold_object(
    view: &dyn View,
    environment: &Environment,
    until: Revision,
    (kind, key): (ObjectKind, &str),
) -> Result<Option<Object>, Fault> {
    let mut document = beginning(view, environment)?;
    document.objects.retain(|object| (&*object.kind, &*object.key) == (kind.name(), key));
    let document = on_from(document, view, environment, until, |logged| {
        // Keys stand in JSON as they are: most changes need not be read.
        if !logged.change.contains(key) {
            return Ok(Vec::new());
        }
        let mut objects = read(logged)?.objects;
        objects.retain(|object| object.object() == (kind.name(), key));
        Ok(objects)
    })?;
    Ok(document.objects.into_iter().next())
}

/// Says that a revision is not to be had any more.
pub(crate) fn cut_off(through: Revision) -> Fault {
    Fault::NotFound(format!("the history up to revision {through} was cut off"))
}

fn on_from(
    mut document: Document,
    view: &dyn View,
    environment: &Environment,
    until: Revision,
    read: impl Fn(&LoggedChange) -> Result<Vec<ObjectChange>, Fault>,
) -> Result<Document, Fault> {
    if document.revision > until {
        return Err(cut_off(document.revision));
    }
    while document.revision < until {
        let after = document.revision;
        let logged = view.changes(environment.id, after, CHANGES_PER_FOLD, FOLDED_BYTES)?;
        let mut changes = Vec::with_capacity(logged.len());
        for logged in logged.iter().take_while(|logged| logged.revision <= until) {
            changes.push(Change {
                // A restored database has changes of the epochs before its own.
                epoch: document.epoch.clone(),
                revision: logged.revision,
                previous: logged.revision.saturating_sub(1),
                objects: read(logged)?,
            });
        }
        if changes.is_empty() {
            return Err(damaged(after + 1, "it is not there"));
        }
        let folded = document.fold(&changes);
        folded.map_err(|gap| damaged(document.revision + 1, gap))?;
    }
    Ok(document)
}

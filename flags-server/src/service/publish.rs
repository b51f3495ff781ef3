//! The one place where definitions are written.

use flags_core::{Change, Epoch, Object, ObjectChange, Revision, Timestamp};
use serde_json::Value;

use super::fault::Fault;
use super::model::{Revisions, SharedFlag, json, wire_object};
use crate::limits::{MAX_DEFINITION_BYTES, MAX_ENVIRONMENT_BYTES};
use crate::store::{
    AuditEntry, Environment, EnvironmentId, LoggedChange, ObjectKind, Project, Reference,
    StoredObject, StoredToken, Transaction,
};

/// Who asks for a write, and why.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    /// The id of the token.
    pub(crate) actor: String,
    pub(crate) request_id: String,
    pub(crate) reason: Option<String>,
}

/// What becomes visible when an operation is committed.
#[derive(Debug)]
pub(crate) enum Effect {
    Environment(Environment),
    Change { environment: EnvironmentId, change: Change, line: String },
    TokenAdded(StoredToken),
    TokenRevoked { id: String },
}

/// An operation under way on the writer thread: the transaction it reads and writes through, and
/// what will become visible with it.
pub(crate) struct Unit<'t> {
    pub(crate) tx: &'t mut dyn Transaction,
    pub(crate) epoch: &'t Epoch,
    pub(crate) author: &'t Author,
    pub(crate) now: Timestamp,
    pub(crate) effects: Vec<Effect>,
}

/// The keys that a segment lists; a flag lists none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Listed {
    pub(crate) keys: u64,
    /// What they take up of the document.
    pub(crate) bytes: usize,
}

/// A change of one object.
pub(crate) enum Edit<'a> {
    Put {
        kind: ObjectKind,
        key: &'a str,
        listed: Listed,
        document: String,
        /// Of a flag.
        shared: Option<&'a SharedFlag>,
        references: Vec<Reference>,
        /// Whether limits of size apply: not to a switch, so that nothing is in its way.
        limited: bool,
    },
    Delete {
        kind: ObjectKind,
        key: &'a str,
    },
}

/// What an operation did, for the audit log.
pub(crate) struct Deed<'a> {
    /// Such as `flag.off`.
    pub(crate) action: &'a str,
    pub(crate) project: Option<&'a Project>,
    pub(crate) environment: Option<&'a Environment>,
    pub(crate) kind: &'a str,
    pub(crate) key: &'a str,
    pub(crate) before: Option<&'a Value>,
    pub(crate) after: Option<&'a Value>,
    pub(crate) revisions: &'a Revisions,
}

impl Unit<'_> {
    /// Gives an environment its next revision: the state rows, the change log and what the streams
    /// will carry. The environment's `revision` is moved on.
    pub(crate) fn publish(
        &mut self,
        environment: &mut Environment,
        edits: Vec<Edit<'_>>,
    ) -> Result<Revision, Fault> {
        let previous = environment.revision;
        let revision = previous + 1;
        let bytes_before = self.tx.definition_bytes(environment.id)?;
        let limited = edits.iter().any(|edit| matches!(edit, Edit::Put { limited: true, .. }));
        let mut objects = Vec::with_capacity(edits.len());
        for edit in edits {
            objects.push(self.write(environment.id, revision, edit)?);
        }
        let bytes = self.tx.definition_bytes(environment.id)?;
        if limited && bytes > MAX_ENVIRONMENT_BYTES && bytes > bytes_before {
            let maximum = MAX_ENVIRONMENT_BYTES;
            return Err(Fault::LimitExceeded { limit: "environment_bytes", maximum });
        }
        let change = Change { epoch: self.epoch.clone(), revision, previous, objects };
        let logged = LoggedChange { revision, change: json(&change)? };
        self.tx.append_change(environment.id, &logged, self.now)?;
        let line = logged.change;
        self.effects.push(Effect::Change { environment: environment.id, change, line });
        environment.revision = revision;
        Ok(revision)
    }

    fn write(
        &mut self,
        environment: EnvironmentId,
        revision: Revision,
        edit: Edit<'_>,
    ) -> Result<ObjectChange, Fault> {
        match edit {
            Edit::Put { kind, key, listed, document, shared, references, limited } => {
                if limited && document.len() > MAX_DEFINITION_BYTES {
                    let maximum = MAX_DEFINITION_BYTES as u64;
                    return Err(Fault::LimitExceeded { limit: "definition_bytes", maximum });
                }
                let mut object = StoredObject {
                    kind,
                    key: key.into(),
                    version: revision,
                    members: listed.keys,
                    bytes: 0,
                    document,
                };
                let wire: Object = wire_object(&object, shared)?;
                // As SDKs get it: with the variants of a flag.
                let bytes = wire.definition.get().len().saturating_sub(listed.bytes);
                object.bytes = bytes as u64;
                self.tx.put_object(environment, &object, &references)?;
                Ok(ObjectChange::Upsert(wire))
            }
            Edit::Delete { kind, key } => {
                self.tx.delete_object(environment, kind, key)?;
                Ok(ObjectChange::Delete { kind: kind.name().into(), key: key.into() })
            }
        }
    }

    /// Writes who did what into the audit log.
    pub(crate) fn record(&mut self, deed: &Deed<'_>) -> Result<(), Fault> {
        let text = |value: Option<&Value>| value.map(Value::to_string);
        let (before, after) = (text(deed.before), text(deed.after));
        self.tx.append_audit(&AuditEntry {
            at: self.now,
            actor: &self.author.actor,
            request_id: &self.author.request_id,
            action: deed.action,
            project: deed.project.map(|project| &*project.key),
            environment: deed.environment.map(|environment| &*environment.key),
            object_kind: deed.kind,
            object_key: deed.key,
            reason: self.author.reason.as_deref(),
            before: before.as_deref(),
            after: after.as_deref(),
            revisions: &json(deed.revisions)?,
        })?;
        Ok(())
    }
}

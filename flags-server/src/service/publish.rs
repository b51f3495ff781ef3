//! The one place where definitions are written.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flags_core::{
    Change, Epoch, KeysChange, MembersChange, ObjectChange, Revision, SEGMENT_KIND, TENANT_KIND,
    Timestamp,
};
use serde_json::Value;

use super::fault::Fault;
use super::member_lists::MemberLists;
use super::members::MembersEdit;
use super::model::{Revisions, SegmentDocument, SharedFlag, json, wire_flag, wire_segment};
use super::sizes::{Sizes, check_document, wire_bytes};
use super::tenant;
use super::writer::panic_message;
use crate::store::{
    AuditEntry, Environment, EnvironmentId, LoggedChange, MemberCounts, MemberList, ObjectKind,
    Project, Reference, StoredObject, StoredTenant, StoredToken, Transaction,
};

/// Who asks for a write, and why.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    /// The id of the token.
    pub(crate) actor: String,
    /// What it is called.
    pub(crate) actor_name: String,
    pub(crate) request_id: String,
    pub(crate) reason: Option<String>,
}

/// The actor of what no request asked for. Ids of tokens have another form.
const SERVER: &str = "server";

/// The actor of what a command does to a file that no server has.
const OPERATOR: &str = "operator";

impl Author {
    /// The server itself.
    pub(crate) fn server() -> Self {
        let (request_id, reason) = (String::new(), None);
        Self { actor: SERVER.into(), actor_name: SERVER.into(), request_id, reason }
    }

    /// Who runs a command.
    pub(crate) fn operator(request_id: String, reason: Option<String>) -> Self {
        Self { actor: OPERATOR.into(), actor_name: OPERATOR.into(), request_id, reason }
    }

    pub(crate) fn has_no_token(&self) -> bool {
        self.actor == SERVER || self.actor == OPERATOR
    }
}

/// What becomes visible when an operation is committed.
#[derive(Debug)]
pub(crate) enum Effect {
    Environment(Environment),
    Change {
        environment: EnvironmentId,
        change: Change,
        line: String,
    },
    /// Past changes of it are no longer as they were.
    Rewritten(EnvironmentId),
    /// Whether an environment is archived, by itself or with its project.
    Archived {
        environment: EnvironmentId,
        archived: bool,
    },
    /// Something is scheduled, or for another time than before.
    Scheduled,
    /// A token that is new, or has other secrets than before.
    Token(StoredToken),
    TokenRevoked {
        id: String,
    },
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

/// A change of one object.
pub(crate) enum Edit<'a> {
    Flag {
        key: &'a str,
        document: String,
        shared: &'a SharedFlag,
        references: Vec<Reference>,
        /// Whether limits of size apply: not to a switch, so that nothing is in its way.
        limited: bool,
    },
    /// A segment as a whole. What its lists have already need not be said.
    Segment {
        key: &'a str,
        document: &'a SegmentDocument,
        members: &'a MembersEdit,
    },
    /// What a segment lists, and nothing else of it: something that is not so already.
    Members {
        key: &'a str,
        members: &'a MembersEdit,
    },
    Delete {
        kind: ObjectKind,
        key: &'a str,
    },
    /// What is stored of a tenant, as JSON; `None` where that is to be nothing any more.
    Tenant {
        key: &'a str,
        document: Option<&'a str>,
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
    /// Runs a verb for an author, and undoes what it wrote if it is refused, or not to be kept.
    pub(crate) fn run_for<T>(
        &mut self,
        author: &Author,
        keep: bool,
        verb: impl FnOnce(&mut Unit<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.tx.begin_operation()?;
        let (epoch, now, effects) = (self.epoch, self.now, Vec::new());
        let mut unit = Unit { tx: &mut *self.tx, epoch, author, now, effects };
        // What was begun here is ended here.
        let result = catch_unwind(AssertUnwindSafe(|| verb(&mut unit)))
            .unwrap_or_else(|panic| Err(Fault::Internal(panic_message(&*panic))));
        let effects = unit.effects;
        if keep && result.is_ok() {
            self.tx.keep_operation()?;
            self.effects.extend(effects);
        } else {
            self.tx.roll_back_operation()?;
        }
        result
    }

    /// Gives an environment its next revision: the state rows, the change log and what the streams
    /// will carry. The environment's `revision` is moved on.
    pub(crate) fn publish(
        &mut self,
        environment: &mut Environment,
        edits: Vec<Edit<'_>>,
    ) -> Result<Revision, Fault> {
        let revision = environment.revision + 1;
        let before = Sizes::of(self.tx, environment.id)?;
        let limited = edits
            .iter()
            .any(|edit| matches!(edit, Edit::Flag { limited: true, .. } | Edit::Segment { .. }));
        let mut objects = Vec::with_capacity(edits.len());
        for edit in edits {
            objects.push(self.write(environment.id, revision, edit)?);
        }
        let mut after = Sizes::of(self.tx, environment.id)?;
        if !limited {
            after.definition_bytes = before.definition_bytes;
        }
        Sizes::check_growth(&before, &after)?;
        self.append(environment, objects)
    }

    /// Changes the members of a segment and nothing else of it; at a cost that follows the change,
    /// not the segment. `None`, and no revision, where everything is so already.
    pub(crate) fn publish_members(
        &mut self,
        environment: &mut Environment,
        key: &str,
        edit: &MembersEdit,
    ) -> Result<Option<MembersChange>, Fault> {
        let before = Sizes::of(self.tx, environment.id)?;
        let [included, excluded] = self.write_members(environment.id, key, edit)?;
        Sizes::check_growth(&before, &Sizes::of(self.tx, environment.id)?)?;
        if included.is_empty() && excluded.is_empty() {
            return Ok(None);
        }
        let version = environment.revision + 1;
        self.tx.set_version(environment.id, ObjectKind::Segment, key, version)?;
        let (kind, key) = (SEGMENT_KIND.to_owned(), key.to_owned());
        let change = MembersChange { kind, key, version, included, excluded };
        self.append(environment, vec![ObjectChange::Members(change.clone())])?;
        Ok(Some(change))
    }

    /// The change log, and what the streams will carry.
    fn append(
        &mut self,
        environment: &mut Environment,
        objects: Vec<ObjectChange>,
    ) -> Result<Revision, Fault> {
        let previous = environment.revision;
        let revision = previous + 1;
        let change = Change { epoch: self.epoch.clone(), revision, previous, objects };
        let logged = LoggedChange { revision, change: json(&change)?, resets: false };
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
        let object = |kind, key: &str, document, wire: &flags_core::Object| StoredObject {
            kind,
            key: key.to_owned(),
            version: revision,
            members: MemberCounts::default(),
            bytes: wire_bytes(wire),
            document,
        };
        match edit {
            Edit::Flag { key, document, shared, references, limited } => {
                if limited {
                    check_document(&document, "")?;
                }
                let wire = wire_flag(key, revision, &document, shared)?;
                let object = object(ObjectKind::Flag, key, document, &wire);
                self.tx.put_object(environment, &object, &references)?;
                Ok(ObjectChange::Upsert(wire))
            }
            Edit::Segment { key, document, members } => {
                let text = json(document)?;
                check_document(&text, "")?;
                let bare = wire_segment(key, revision, document, MemberLists::default())?;
                let object = object(ObjectKind::Segment, key, text, &bare);
                self.tx.put_object(environment, &object, &[])?;
                self.write_members(environment, key, members)?;
                let lists = MemberLists::of(self.tx, environment, key)?;
                Ok(ObjectChange::Upsert(wire_segment(key, revision, document, lists)?))
            }
            Edit::Members { key, members } => {
                let [included, excluded] = self.write_members(environment, key, members)?;
                self.tx.set_version(environment, ObjectKind::Segment, key, revision)?;
                let (kind, key) = (SEGMENT_KIND.to_owned(), key.to_owned());
                let version = revision;
                let change = MembersChange { kind, key, version, included, excluded };
                Ok(ObjectChange::Members(change))
            }
            Edit::Delete { kind, key } => {
                self.tx.delete_object(environment, kind, key)?;
                Ok(ObjectChange::Delete { kind: kind.name().into(), key: key.into() })
            }
            Edit::Tenant { key, document: Some(document) } => {
                let (key, document) = (key.to_owned(), document.to_owned());
                let tenant = StoredTenant { key, version: revision, document };
                self.tx.put_tenant(environment, &tenant)?;
                Ok(ObjectChange::Upsert(tenant::wire(tenant)?))
            }
            Edit::Tenant { key, document: None } => {
                self.tx.delete_tenant(environment, key)?;
                Ok(ObjectChange::Delete { kind: TENANT_KIND.into(), key: key.into() })
            }
        }
    }

    /// Writes what is not so already, and says what that was: of the included and of the excluded
    /// keys.
    fn write_members(
        &mut self,
        environment: EnvironmentId,
        key: &str,
        edit: &MembersEdit,
    ) -> Result<[KeysChange; 2], Fault> {
        let mut write = |list, keys: &KeysChange| -> Result<KeysChange, Fault> {
            let remove = self.tx.remove_members(environment, key, list, &keys.remove)?;
            let add = self.tx.add_members(environment, key, list, &keys.add)?;
            let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
            Ok(KeysChange { add: owned(add), remove: owned(remove) })
        };
        let included = write(MemberList::Included, &edit.included)?;
        let excluded = write(MemberList::Excluded, &edit.excluded)?;
        Ok([included, excluded])
    }

    /// Writes who did what into the audit log.
    pub(crate) fn record(&mut self, deed: &Deed<'_>) -> Result<(), Fault> {
        self.record_row(deed).map(drop)
    }

    /// The same; gives the number of the row.
    pub(crate) fn record_row(&mut self, deed: &Deed<'_>) -> Result<i64, Fault> {
        let text = |value: Option<&Value>| value.map(Value::to_string);
        let (before, after) = (text(deed.before), text(deed.after));
        Ok(self.tx.append_audit(&AuditEntry {
            at: self.now,
            actor: &self.author.actor,
            actor_name: &self.author.actor_name,
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
        })?)
    }
}

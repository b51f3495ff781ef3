//! A key in the change log, and in what its beginning was replaced by.

use std::collections::HashMap;

use flags_core::{Change, Document, Object, ObjectChange, Revision, SEGMENT_KIND, TENANT_KIND};
use serde::Deserialize;
use serde_json::Value;

use crate::limits::{CHANGES_PER_FOLD, ERASED_BYTES_PER_WRITE};
use crate::service::fault::Fault;
use crate::service::fold;
use crate::service::model::{json as to_json, parse};
use crate::service::redact::Subject;
use crate::store::{Checkpoint, Environment, LoggedChange, View};

/// Goes through a change log from its beginning, in parts.
pub(super) struct LogScan {
    pub(super) environment: Environment,
    after: Revision,
    /// The revision that the erasure itself made, if it made one.
    own: Option<Revision>,
    /// Of each segment, whose keys it lists; a change of its members alone does not say.
    kinds: HashMap<String, String>,
}

impl LogScan {
    pub(super) fn new(
        view: &dyn View,
        environment: Environment,
        own: Option<Revision>,
    ) -> Result<Self, Fault> {
        let beginning = fold::beginning(view, &environment)?;
        let mut kinds = HashMap::new();
        for object in &beginning.objects {
            kinds.extend(kind_of(object));
        }
        Ok(Self { environment, after: beginning.revision, own, kinds })
    }

    /// Where it is.
    pub(super) fn told(&self) -> String {
        let Environment { project, key, revision, .. } = &self.environment;
        format!("{project}/{key}: revision {} of {revision}", self.after)
    }

    pub(super) fn is_own(&self, change: &LoggedChange) -> bool {
        self.own == Some(change.revision)
    }

    pub(super) fn is_done(&self) -> bool {
        self.after >= self.environment.revision
    }

    /// The entries of the next part that name the key, with it taken out.
    pub(super) fn next(
        &mut self,
        view: &dyn View,
        subject: &Subject,
    ) -> Result<Vec<LoggedChange>, Fault> {
        let literal = subject.literal();
        let bytes = ERASED_BYTES_PER_WRITE;
        let logged = view.changes(self.environment.id, self.after, CHANGES_PER_FOLD, bytes)?;
        if logged.is_empty() {
            return Err(fold::damaged(self.after + 1, "it is not there"));
        }
        let mut rewritten = Vec::new();
        for logged in logged {
            self.after = logged.revision;
            let names_it = logged.change.contains(&literal);
            if !names_it && !logged.change.contains("\"included\"") {
                continue;
            }
            let mut change = fold::read(&logged)?;
            // Who has what was stored of a tenant can then no longer be told that it is gone.
            let resets = logged.resets || change.objects.iter().any(|o| deletes(o, subject));
            if self.redact(&mut change, subject, names_it)? {
                let change = to_json(&change)?;
                rewritten.push(LoggedChange { change, resets, ..logged });
            }
        }
        Ok(rewritten)
    }

    fn redact(
        &mut self,
        change: &mut Change,
        subject: &Subject,
        names_it: bool,
    ) -> Result<bool, Fault> {
        let before = change.objects.len();
        change.objects.retain(|object| match object {
            ObjectChange::Upsert(object) => !is_stored(object, subject),
            ObjectChange::Delete { .. } => !deletes(object, subject),
            ObjectChange::Members(_) => true,
        });
        let mut touched = change.objects.len() < before;
        for object in &mut change.objects {
            match object {
                ObjectChange::Upsert(object) => {
                    self.kinds.extend(kind_of(object));
                    if names_it {
                        touched |= redact_object(object, subject)?;
                    }
                }
                ObjectChange::Members(change) => {
                    if self.kinds.get(&change.key) == Some(&subject.kind) {
                        touched |= subject.remove_from(&mut change.included);
                        touched |= subject.remove_from(&mut change.excluded);
                    }
                }
                ObjectChange::Delete { .. } => {}
            }
        }
        Ok(touched)
    }
}

/// Whether an object is what is stored of the tenant whose key goes.
fn is_stored(object: &Object, subject: &Subject) -> bool {
    object.kind == TENANT_KIND && subject.is_tenant(&object.key)
}

/// Whether it deletes what was stored of the tenant whose key goes.
fn deletes(change: &ObjectChange, subject: &Subject) -> bool {
    match change {
        ObjectChange::Delete { kind, key } => kind == TENANT_KIND && subject.is_tenant(key),
        ObjectChange::Upsert(_) | ObjectChange::Members(_) => false,
    }
}

/// The key of a segment, and whose keys it lists.
fn kind_of(object: &Object) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }

    let kind: Option<Kind> = match object.kind == SEGMENT_KIND {
        true => serde_json::from_str(object.definition.get()).ok(),
        false => None,
    };
    kind.map(|Kind { kind }| (object.key.clone(), kind))
}

/// The checkpoint of a change log without the key, where that is in it.
pub(super) fn redact_checkpoint(
    view: &dyn View,
    environment: &Environment,
    subject: &Subject,
) -> Result<Option<Checkpoint>, Fault> {
    let literal = subject.literal();
    let Some(checkpoint) = view.checkpoint(environment.id)? else { return Ok(None) };
    if !checkpoint.document.contains(&literal) {
        return Ok(None);
    }
    let mut document: Document = parse(&checkpoint.document)?;
    let before = document.objects.len();
    document.objects.retain(|object| !is_stored(object, subject));
    let mut touched = document.objects.len() < before;
    for object in &mut document.objects {
        touched |= redact_object(object, subject)?;
    }
    let redacted = Checkpoint { document: to_json(&document)?, ..checkpoint };
    Ok(touched.then_some(redacted))
}

/// Takes the key out of a definition; whether it was there.
fn redact_object(object: &mut Object, subject: &Subject) -> Result<bool, Fault> {
    let text = object.definition.get();
    if !text.contains(&subject.literal()) {
        return Ok(false);
    }
    let mut definition: Value = parse(text)?;
    let touched = subject.redact_definition(&object.kind, &mut definition);
    if touched {
        object.definition = parse(&definition.to_string())?;
    }
    Ok(touched)
}

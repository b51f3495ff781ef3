use std::collections::BTreeMap;

use flags_core::{ContractOverride, Diagnostic, Revision, Text, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::service::fault::diagnostic;
use crate::service::text;

/// What people say of an override: why, who, and when to look again. Not for SDKs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Note {
    pub(crate) reason: String,
    pub(crate) actor: Actor,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) created_at: String,
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    pub(crate) review_at: Option<String>,
    /// The revision that last changed it.
    pub(crate) version: Revision,
}

impl Note {
    /// Takes what people say of overrides out of a tenant as it is exported.
    pub(crate) fn take_all(tenant: &mut Map<String, Value>) -> serde_json::Result<Notes> {
        let mut notes = Notes::new();
        let overrides = tenant.get_mut("overrides").and_then(Value::as_array_mut);
        for exception in overrides.into_iter().flatten().filter_map(Value::as_object_mut) {
            let mut said = Map::new();
            for name in ["reason", "actor", "created_at", "review_at"] {
                said.extend(exception.remove(name).map(|value| (name.to_owned(), value)));
            }
            said.insert("version".into(), 0.into());
            if let Some(id) = exception.get("id").and_then(Value::as_str) {
                notes.insert(id.to_owned(), serde_json::from_value(said.into())?);
            }
        }
        Ok(notes)
    }

    /// Whether it is the same note, whoever wrote it.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        (&self.reason, &self.review_at) == (&other.reason, &other.review_at)
    }

    /// Everything that is wrong with it; pointers lead into the override.
    pub(crate) fn faults(&self, definition: &ContractOverride) -> Vec<Diagnostic> {
        let mut faults = Vec::new();
        if text::is_blank(&self.reason) {
            faults.push(diagnostic("/reason", "empty", "an override has a reason"));
        }
        faults.extend(text::faults("/reason", "a reason", &text::REASON, &self.reason));
        if self.review_at.as_ref().is_some_and(|at| Timestamp::parse(at).is_none()) {
            let message = "a review is at a time such as `2027-01-31T12:00:00Z`";
            faults.push(diagnostic("/review_at", "invalid_time", message));
        }
        if Timestamp::parse(&self.created_at).is_none() {
            let message = "it was made at a time such as `2027-01-31T12:00:00Z`";
            faults.push(diagnostic("/created_at", "invalid_time", message));
        }
        if !Text::KEY.fits(&self.actor.id) {
            let message = "the id of a token follows the grammar of keys";
            faults.push(diagnostic("/actor/id", "invalid_key", message));
        }
        faults.extend(text::faults("/actor/name", "a name", &text::NAME, &self.actor.name));
        if definition.end.is_none() && self.review_at.is_none() {
            let message =
                "`end` or `review_at` is missing: an exception for good is looked at again";
            faults.push(diagnostic("", "missing_field", message));
        }
        faults
    }
}

/// Who wrote an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "OverrideActor")]
pub(crate) struct Actor {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// By the ids of the overrides.
pub(crate) type Notes = BTreeMap<String, Note>;

/// An override with what people say of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NotedOverride {
    #[serde(flatten)]
    pub(crate) definition: ContractOverride,
    #[serde(flatten)]
    pub(crate) note: Note,
}

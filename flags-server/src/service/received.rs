use flags_core::{Diagnostic, Shape, is_key};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Fault;
use super::fault::diagnostic;

/// The grammar of keys in words.
pub(super) const INVALID_KEY: &str =
    "a key is 1 to 128 letters, digits, `.`, `_` and `-`, and begins with a letter or a digit";

/// A body on its way to becoming a definition; collects everything that is wrong with it.
pub(crate) struct Received {
    pub(super) members: Map<String, Value>,
    pub(super) faults: Vec<Diagnostic>,
}

impl Received {
    pub(super) fn new(body: Value) -> Result<Self, Fault> {
        match body {
            Value::Object(members) => Ok(Self { members, faults: Vec::new() }),
            _ => Err(Fault::at("", "wrong_type", "expected an object")),
        }
    }

    pub(super) fn report(&mut self, pointer: &str, code: &str, message: impl Into<String>) {
        self.faults.push(diagnostic(pointer, code, message));
    }

    /// Takes out what an answer carries besides the definition, so that an answer can be sent back
    /// as it was received.
    pub(super) fn take_sent_back(&mut self, current: Option<u64>) {
        if let Some(version) = self.members.remove("version")
            && (version.as_u64().is_none() || version.as_u64() != current)
        {
            let message = match current {
                Some(current) => format!("the current version is {current}, not {version}"),
                None => format!("there is no version {version}: this creates the first one"),
            };
            self.report("/version", "version_mismatch", message);
        }
        if let Some(revision) = self.members.remove("revision")
            && !revision.is_u64()
        {
            self.report("/revision", "wrong_type", "expected an integer from 0 up");
        }
        self.take_list("warnings");
        if let Some(revisions) = self.members.remove("revisions")
            && !revisions.is_object()
        {
            self.report("/revisions", "wrong_type", "expected an object");
        }
    }

    /// Takes out a list that an answer carries besides.
    pub(super) fn take_list(&mut self, name: &str) {
        if let Some(list) = self.members.remove(name)
            && !list.is_array()
        {
            self.report(&format!("/{name}"), "wrong_type", "expected a list");
        }
    }

    /// Takes out the key of what is created: from the path, or else from the body.
    pub(super) fn take_new_key(&mut self, from_path: Option<&str>) -> String {
        let said = self.members.remove("key");
        let key = match (from_path, said) {
            (None, None) => {
                self.report("", "missing_field", "`key` is missing");
                return String::new();
            }
            (Some(path), None) => path.to_owned(),
            (_, Some(Value::String(said))) => {
                if from_path.is_some_and(|path| path != said) {
                    self.report("/key", "immutable", "the path names another key");
                }
                said
            }
            (_, Some(_)) => {
                self.report("/key", "wrong_type", "expected a string");
                return String::new();
            }
        };
        if !is_key(&key) {
            self.report(if from_path.is_some() { "" } else { "/key" }, "invalid_key", INVALID_KEY);
        }
        key
    }

    /// Takes out a member that cannot be changed.
    pub(super) fn take_immutable(&mut self, name: &str, current: &str) {
        if let Some(said) = self.members.remove(name)
            && said.as_str() != Some(current)
        {
            self.report(
                &format!("/{name}"),
                "immutable",
                format!("`{name}` is `{current}` and does not change"),
            );
        }
    }

    /// Makes of a patch the whole that it leads to: the members it names are replaced, each as a
    /// whole, and `null` removes one. `members` are those that a patch may have: one
    /// that removes what cannot be there would otherwise leave no trace.
    pub(super) fn merge_into(&mut self, present: Value, members: &Shape) {
        self.check(members);
        let mut patch = std::mem::take(&mut self.members);
        // What is reported already is not reported again by the check of the whole.
        patch.retain(|name, _| !self.faults.iter().any(|f| f.pointer == format!("/{name}")));
        if let Value::Object(mut whole) = present {
            for (name, member) in patch {
                match member {
                    Value::Null => drop(whole.remove(&name)),
                    member => drop(whole.insert(name, member)),
                }
            }
            self.members = whole;
        }
    }

    /// Reports every place where the body differs from `shape`.
    pub(super) fn check(&mut self, shape: &Shape) {
        let body = Value::Object(std::mem::take(&mut self.members));
        self.faults.extend(shape.check(&body));
        if let Value::Object(members) = body {
            self.members = members;
        }
    }

    /// The body as a `T`, if nothing is wrong with it.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Fault> {
        if !self.faults.is_empty() {
            return Err(Fault::Invalid(self.faults));
        }
        serde_json::from_value(Value::Object(self.members))
            .map_err(|error| Fault::at("", "invalid", error.to_string()))
    }
}

/// Nothing, or all that is wrong.
pub(super) fn all_right(faults: Vec<Diagnostic>) -> Result<(), Fault> {
    if faults.is_empty() { Ok(()) } else { Err(Fault::Invalid(faults)) }
}

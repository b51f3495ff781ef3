//! Taking one person's or one customer's key out of texts.

use flags_core::{KeysChange, TENANT_KIND};
use serde_json::{Map, Value};

/// What stands where a key stood that cannot just be left out.
pub(crate) const MARKER: &str = "[erased]";

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The kind of context, such as `user` or `tenant`.
    pub(crate) kind: String,
    pub(crate) key: String,
}

impl Subject {
    /// The key as it stands in JSON that this server wrote: what does not have it need not be read.
    pub(crate) fn literal(&self) -> String {
        Value::String(self.key.clone()).to_string()
    }

    /// The key as it stands inside of texts in JSON.
    pub(crate) fn text(&self) -> String {
        let literal = self.literal();
        let inside = literal.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        inside.unwrap_or_default().to_owned()
    }

    /// Takes the key out of whatever names keys of the subject's kind: targets, conditions on the key
    /// itself, lists of segments. Lists of which the kind is not said are taken for such. Whether
    /// there was anything.
    pub(crate) fn redact(&self, value: &mut Value) -> bool {
        match value {
            Value::Array(items) => {
                let touched = items.iter_mut().map(|item| self.redact(item));
                touched.fold(false, |any, one| any | one)
            }
            Value::Object(members) => self.redact_object(members),
            _ => false,
        }
    }

    fn redact_object(&self, members: &mut Map<String, Value>) -> bool {
        let kind = members.get("kind").and_then(Value::as_str);
        let is_of_kind = kind == Some(&*self.kind);
        let may_be_of_kind = kind.is_none_or(|kind| kind == self.kind);
        let attribute = members.get("attribute").and_then(Value::as_str);
        let asks_for_key =
            attribute.and_then(|a| a.strip_suffix(".key")).is_some_and(|kind| kind == self.kind);
        let mut touched = false;
        for (name, value) in members.iter_mut() {
            touched |= match &**name {
                "values" if asks_for_key => self.replace(value),
                "keys" if is_of_kind => self.remove(value),
                "included" | "excluded" if may_be_of_kind => self.remove(value),
                // As the audit log tells of many that were stored at once.
                "tenants" if self.kind == TENANT_KIND => self.remove(value),
                _ => self.redact(value),
            };
        }
        if touched && let Some(Value::Array(targets)) = members.get_mut("targets") {
            let is_empty = |target: &Value| {
                let keys = target.get("keys");
                keys.and_then(Value::as_array).is_some_and(Vec::is_empty)
            };
            targets.retain(|target| !is_empty(target));
        }
        touched
    }

    /// Out of a list, or out of the lists of a change of one.
    fn remove(&self, value: &mut Value) -> bool {
        match value {
            Value::Array(keys) => {
                let before = keys.len();
                keys.retain(|key| key.as_str() != Some(&self.key));
                keys.len() < before
            }
            Value::Object(members) => {
                let touched = members.values_mut().map(|value| self.remove(value));
                touched.fold(false, |any, one| any | one)
            }
            _ => false,
        }
    }

    /// Out of the values of a condition, which may not do without one.
    fn replace(&self, value: &mut Value) -> bool {
        let Value::Array(values) = value else { return false };
        if !values.iter().any(|value| value.as_str() == Some(&self.key)) {
            return false;
        }
        let is_marked = values.iter().any(|value| value.as_str() == Some(MARKER));
        if is_marked {
            return self.remove(value);
        }
        for value in values.iter_mut().filter(|value| value.as_str() == Some(&self.key)) {
            *value = MARKER.into();
        }
        true
    }

    /// Out of a change of a list.
    pub(crate) fn remove_from(&self, change: &mut KeysChange) -> bool {
        let before = change.add.len() + change.remove.len();
        change.add.retain(|key| *key != self.key);
        change.remove.retain(|key| *key != self.key);
        change.add.len() + change.remove.len() < before
    }

    /// Takes the key out of what a problem says in sentences; whether there was anything.
    pub(crate) fn redact_problem(&self, problem: &mut Value) -> bool {
        let mut touched = false;
        if let Value::Object(members) = problem {
            for (name, value) in members.iter_mut() {
                touched |= match (&**name, &mut *value) {
                    ("detail" | "message", Value::String(text)) => match self.redact_text(text) {
                        Some(redacted) => {
                            *text = redacted;
                            true
                        }
                        None => false,
                    },
                    ("errors", Value::Array(errors)) => {
                        let each = errors.iter_mut().map(|error| self.redact_problem(error));
                        each.fold(false, |any, one| any | one)
                    }
                    _ => false,
                };
            }
        }
        touched
    }

    /// Out of a sentence; where the key is there as a word of its own.
    pub(crate) fn redact_text(&self, text: &str) -> Option<String> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let mut redacted = String::new();
        let mut rest = 0;
        for (index, found) in text.match_indices(&*self.key) {
            let (before, after) = (text.get(..index)?, text.get(index + found.len()..)?);
            if before.ends_with(is_part) || after.starts_with(is_part) {
                continue;
            }
            redacted.push_str(text.get(rest..index)?);
            redacted.push_str(MARKER);
            rest = index + found.len();
        }
        redacted.push_str(text.get(rest..)?);
        (rest > 0).then_some(redacted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redacted(mut value: Value) -> Option<Value> {
        let subject = Subject { kind: "user".into(), key: "on".into() };
        subject.redact(&mut value).then_some(value)
    }

    #[test]
    fn a_key_goes_from_where_keys_of_its_kind_are_and_from_nowhere_else() {
        let state = json!({
            "off_variant": "on",
            "targets": [{"kind": "user", "keys": ["a", "on"], "variant": "on"},
                        {"kind": "user", "keys": ["on"], "variant": "on"},
                        {"kind": "tenant", "keys": ["on"], "variant": "on"}],
            "rules": [{"when": {"not": {"attribute": "user.key", "op": "in", "values": ["on", "b"]}}},
                      {"when": {"attribute": "user.country", "op": "in", "values": ["on"]}}]});
        let expected = json!({
            "off_variant": "on",
            "targets": [{"kind": "user", "keys": ["a"], "variant": "on"},
                        {"kind": "tenant", "keys": ["on"], "variant": "on"}],
            "rules": [{"when": {"not": {"attribute": "user.key", "op": "in", "values": [MARKER, "b"]}}},
                      {"when": {"attribute": "user.country", "op": "in", "values": ["on"]}}]});
        assert_eq!(redacted(state), Some(expected.clone()));
        assert_eq!(redacted(expected), None);

        let twice = json!({"attribute": "user.key", "op": "in", "values": [MARKER, "on"]});
        assert_eq!(redacted(twice).unwrap()["values"], json!([MARKER]));
        let segment =
            |kind: &str| json!({"kind": kind, "included": ["on"], "excluded": ["on", "b"]});
        let expected = json!({"kind": "user", "included": [], "excluded": ["b"]});
        assert_eq!(redacted(segment("user")), Some(expected));
        assert_eq!(redacted(segment("tenant")), None);
        // As the audit log tells of a change of lists.
        let told = json!({"included": {"add": {"count": 1, "first": ["on"]}, "remove": {"count": 0, "first": []}}});
        assert_eq!(redacted(told).unwrap()["included"]["add"], json!({"count": 1, "first": []}));
    }

    #[test]
    fn a_key_goes_from_the_sentences_of_a_problem() {
        let subject = Subject { kind: "user".into(), key: "invalid".into() };
        let error = |message| json!({"pointer": "/invalid", "code": "invalid", "message": message});
        let problem = |text| json!({"code": "invalid", "detail": text, "errors": [error(text)]});
        let mut said = problem("`invalid` is twice");
        assert!(subject.redact_problem(&mut said));
        assert_eq!(said, problem("`[erased]` is twice"));
        assert!(!subject.redact_problem(&mut said));
    }

    #[test]
    fn a_key_goes_from_a_sentence_as_a_word() {
        let subject = Subject { kind: "user".into(), key: "u-1".into() };
        let text = "asked by u-1, not u-17 or su-1 (u-1)";
        let expected = "asked by [erased], not u-17 or su-1 ([erased])";
        assert_eq!(subject.redact_text(text).unwrap(), expected);
        assert_eq!(subject.redact_text("u-17"), None);
        assert_eq!(subject.redact_text(""), None);
    }
}

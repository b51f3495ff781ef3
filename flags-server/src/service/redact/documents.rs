//! Where keys stand in documents. What is no such place is not looked into, whatever it is called:
//! the value of a variant and the attributes of a tenant are anybody's JSON.

use flags_core::TENANT_KIND;
use serde_json::Value;

use super::{MARKER, Subject};
use crate::service::schedule;
use crate::service::uses::seat;
use crate::store::ObjectKind;

const LISTS: [&str; 2] = ["included", "excluded"];

impl Subject {
    /// Out of an object as SDKs get it; whether there was anything. What is stored of a tenant has no
    /// keys but its own.
    pub(crate) fn redact_definition(&self, kind: &str, definition: &mut Value) -> bool {
        match ObjectKind::of(kind) {
            Some(ObjectKind::Flag) => at(definition, "state", |state| self.redact_state(state)),
            Some(ObjectKind::Segment) => self.redact_segment(definition, None),
            Some(ObjectKind::Feature | ObjectKind::Plan | ObjectKind::Addon) | None => false,
        }
    }

    /// Out of a flag's state, or a part of one.
    pub(crate) fn redact_state(&self, state: &mut Value) -> bool {
        let targets = at(state, "targets", |targets| self.redact_targets(targets));
        let rules = at(state, "rules", |rules| {
            each(rules, |rule| at(rule, "when", |condition| self.redact_condition(condition)))
        });
        targets | rules
    }

    /// A target without keys goes.
    fn redact_targets(&self, targets: &mut Value) -> bool {
        let Value::Array(targets) = targets else { return false };
        let mut touched = false;
        targets.retain_mut(|target| {
            let is_of_kind = text(target, "kind") == Some(&*self.kind);
            let has_it = is_of_kind && at(target, "keys", |keys| self.remove(keys));
            touched |= has_it;
            let is_empty =
                || target.get("keys").and_then(Value::as_array).is_some_and(Vec::is_empty);
            !(has_it && is_empty())
        });
        touched
    }

    /// Out of a segment, a part of one, or what became of its lists. `kind` is whose keys they have
    /// where it does not say so itself; anybody's where nothing says so.
    pub(crate) fn redact_segment(&self, segment: &mut Value, kind: Option<&str>) -> bool {
        let mut touched = at(segment, "when", |condition| self.redact_condition(condition));
        if text(segment, "kind").or(kind).is_none_or(|kind| kind == self.kind) {
            touched |= self.redact_lists(segment);
            // As the audit log tells of what came and went.
            touched |= at(segment, "changed", |changed| self.redact_lists(changed));
        }
        touched
    }

    /// Lists, changes of lists, or what is told of these: `{count, first}`.
    fn redact_lists(&self, of: &mut Value) -> bool {
        let mut touched = false;
        for name in LISTS {
            touched |= at(of, name, |list| {
                let added = at(list, "add", |keys| self.remove(keys) | self.remove_first(keys));
                let removed =
                    at(list, "remove", |keys| self.remove(keys) | self.remove_first(keys));
                self.remove(list) | added | removed
            });
        }
        touched
    }

    fn redact_condition(&self, condition: &mut Value) -> bool {
        let mut touched = false;
        for name in ["all", "any"] {
            touched |= at(condition, name, |all| each(all, |one| self.redact_condition(one)));
        }
        touched |= at(condition, "not", |one| self.redact_condition(one));
        let kind = text(condition, "attribute").and_then(|name| name.strip_suffix(".key"));
        if kind == Some(&*self.kind) {
            touched |= at(condition, "values", |values| self.replace(values));
        }
        touched
    }

    /// Out of the body of a change that is made later. `kind` is as for a segment.
    pub(crate) fn redact_scheduled(
        &self,
        action: &str,
        body: &mut Value,
        kind: Option<&str>,
    ) -> bool {
        match action.split_once('.') {
            Some(("flag_state", _)) => self.redact_state(body),
            Some(("segment", _)) => self.redact_segment(body, kind),
            _ => false,
        }
    }

    /// Out of what the audit log says of an object before or after, by what it calls the object.
    pub(crate) fn redact_audited(&self, kind: &str, document: &mut Value) -> bool {
        match kind {
            "flag_state" => self.redact_state(document),
            "segment" => self.redact_segment(document, None),
            // Many that were stored at once.
            TENANT_KIND if self.kind == TENANT_KIND => {
                at(document, "tenants", |told| self.remove_first(told))
            }
            // Whose it was.
            seat::AUDIT_KIND if self.kind == TENANT_KIND => {
                at(document, "tenant", |tenant| self.replace_one(tenant))
            }
            schedule::AUDIT_KIND => {
                let change = at(document, "change", |change| {
                    let action = text(change, "action").unwrap_or_default().to_owned();
                    at(change, "body", |body| self.redact_scheduled(&action, body, None))
                });
                change | at(document, "problem", |problem| self.redact_problem(problem))
            }
            _ => false,
        }
    }

    /// Out of the first keys of many.
    fn remove_first(&self, told: &mut Value) -> bool {
        at(told, "first", |keys| self.remove(keys))
    }

    /// Out of a list.
    fn remove(&self, keys: &mut Value) -> bool {
        let Value::Array(keys) = keys else { return false };
        let before = keys.len();
        keys.retain(|key| key.as_str() != Some(&self.key));
        keys.len() < before
    }

    /// A key that stands alone.
    fn replace_one(&self, key: &mut Value) -> bool {
        let is_it = key.as_str() == Some(&self.key);
        if is_it {
            *key = MARKER.into();
        }
        is_it
    }

    /// Out of the values of a condition, which may not do without one.
    fn replace(&self, values: &mut Value) -> bool {
        let Value::Array(list) = values else { return false };
        if !list.iter().any(|value| value.as_str() == Some(&self.key)) {
            return false;
        }
        let is_marked = list.iter().any(|value| value.as_str() == Some(MARKER));
        if is_marked {
            return self.remove(values);
        }
        for value in list.iter_mut().filter(|value| value.as_str() == Some(&self.key)) {
            *value = MARKER.into();
        }
        true
    }
}

/// What is called `name` in an object, if it is one and has it.
fn at(value: &mut Value, name: &str, redact: impl FnOnce(&mut Value) -> bool) -> bool {
    value.get_mut(name).is_some_and(redact)
}

fn each(list: &mut Value, mut redact: impl FnMut(&mut Value) -> bool) -> bool {
    let Value::Array(items) = list else { return false };
    items.iter_mut().fold(false, |touched, item| touched | redact(item))
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subject(kind: &str, key: &str) -> Subject {
        Subject { kind: kind.into(), key: key.into() }
    }

    /// What is left for the user `on`.
    fn redacted(
        mut value: Value,
        redact: impl FnOnce(&Subject, &mut Value) -> bool,
    ) -> Option<Value> {
        redact(&subject("user", "on"), &mut value).then_some(value)
    }

    #[test]
    fn a_key_goes_from_where_keys_of_its_kind_are_and_from_nowhere_else() {
        let state = json!({
            "off_variant": "on",
            "targets": [{"kind": "user", "keys": ["a", "on"], "variant": "on"},
                        {"kind": "user", "keys": ["on"], "variant": "on"},
                        {"kind": "tenant", "keys": ["on"], "variant": "on"}],
            "rules": [{"when": {"not": {"attribute": "user.key", "op": "in", "values": ["on", "b"]}}},
                      {"when": {"any": [{"all": [{"attribute": "user.key", "op": "in", "values": ["on"]}]}]}},
                      {"when": {"attribute": "user.country", "op": "in", "values": ["on"]}}]});
        let expected = json!({
            "off_variant": "on",
            "targets": [{"kind": "user", "keys": ["a"], "variant": "on"},
                        {"kind": "tenant", "keys": ["on"], "variant": "on"}],
            "rules": [{"when": {"not": {"attribute": "user.key", "op": "in", "values": [MARKER, "b"]}}},
                      {"when": {"any": [{"all": [{"attribute": "user.key", "op": "in", "values": [MARKER]}]}]}},
                      {"when": {"attribute": "user.country", "op": "in", "values": ["on"]}}]});
        assert_eq!(redacted(state.clone(), Subject::redact_state), Some(expected.clone()));
        assert_eq!(redacted(expected.clone(), Subject::redact_state), None);
        let in_flag = |state| json!({"variants": [{"name": "a", "value": state}], "state": state});
        let mut flag = in_flag(&state);
        flag["state"] = expected.clone();
        let definition = |kind: &'static str| {
            move |subject: &Subject, value: &mut Value| subject.redact_definition(kind, value)
        };
        assert_eq!(redacted(in_flag(&state), definition("flag")), Some(flag));
        assert_eq!(redacted(json!({"attributes": state}), definition("tenant")), None);

        let twice =
            json!({"when": {"attribute": "user.key", "op": "in", "values": [MARKER, "on"]}});
        let once = redacted(twice, definition("segment")).unwrap();
        assert_eq!(once["when"]["values"], json!([MARKER]));
        let segment =
            |kind: &str| json!({"kind": kind, "included": ["on"], "excluded": ["on", "b"]});
        let expected = json!({"kind": "user", "included": [], "excluded": ["b"]});
        assert_eq!(redacted(segment("user"), definition("segment")), Some(expected));
        assert_eq!(redacted(segment("tenant"), definition("segment")), None);
    }

    #[test]
    fn a_key_goes_from_what_the_audit_log_says_by_what_it_says_it_of() {
        let audited = |kind: &'static str| {
            move |subject: &Subject, value: &mut Value| subject.redact_audited(kind, value)
        };
        let told = |first: &[&str]| json!({"add": {"count": 1, "first": first}, "remove": {"count": 0, "first": []}});
        let lists = |first: &[&str]| json!({"included": told(first), "excluded": told(first)});
        assert_eq!(redacted(lists(&["on"]), audited("segment")), Some(lists(&[])));
        let whole = |kind, first: &[&str]| json!({"kind": kind, "member_counts": {"included": 1}, "changed": lists(first)});
        assert_eq!(redacted(whole("user", &["on"]), audited("segment")), Some(whole("user", &[])));
        assert_eq!(redacted(whole("tenant", &["on"]), audited("segment")), None);
        for kind in ["flag", "flag_state", "environment", "project", "token", "database", "tenant"]
        {
            assert_eq!(redacted(lists(&["on"]), audited(kind)), None, "{kind}");
        }

        let state =
            |keys: &[&str]| json!({"targets": [{"kind": "user", "keys": keys, "variant": "on"}]});
        let scheduled = |action, body| json!({"change": {"action": action, "key": "on", "body": body}, "problem": null});
        let schedule = |value| redacted(value, audited("schedule"));
        assert_eq!(
            schedule(scheduled("flag_state.patch", state(&["on", "b"]))),
            Some(scheduled("flag_state.patch", state(&["b"])))
        );
        assert_eq!(schedule(scheduled("segment.patch", state(&["on", "b"]))), None);
        assert_eq!(
            schedule(scheduled("segment.members", json!({"included": {"add": ["on"]}}))),
            Some(scheduled("segment.members", json!({"included": {"add": []}})))
        );
        assert_eq!(schedule(scheduled("flag_state.on", Value::Null)), None);

        let mut many = json!({"tenants": {"created": 1, "updated": 0, "first": ["on"]}});
        assert!(!subject("user", "on").redact_audited("tenant", &mut many));
        assert!(subject("tenant", "on").redact_audited("tenant", &mut many));
        assert_eq!(many["tenants"]["first"], json!([]));
        let mut attributes =
            json!({"attributes": {"tenants": {"first": ["on"]}, "included": ["on"]}});
        assert!(!subject("tenant", "on").redact_audited("tenant", &mut attributes));
    }
}

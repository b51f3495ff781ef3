//! What happened, read from the audit log: revisions with what each of them changed.

use std::collections::HashSet;

use flags_core::{Revision, TENANT_KIND, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::diff::{Differences, differences};
use super::fault::Fault;
use super::model::parse;
use super::project;
use super::sentence::sentence;
use crate::limits::{MAX_HISTORY_BYTES, MAX_SHOWN_KEYS, MAX_SHOWN_OBJECTS};
use crate::store::{AuditRecord, ObjectKind, View};

/// Of what the history is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) project: String,
    pub(crate) environment: String,
    /// A flag or a segment; `None` is all of the environment.
    pub(crate) object: Option<(ObjectKind, String)>,
}

/// One revision.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) revision: Revision,
    pub(crate) at: Timestamp,
    /// The id and the name of a token.
    pub(crate) actor: (String, Option<String>),
    pub(crate) reason: Option<String>,
    pub(crate) action: String,
    /// The id of the scheduled change that made it, if one did.
    pub(crate) schedule: Option<String>,
    /// The first of the objects that it touched.
    pub(crate) objects: Vec<Touched>,
    /// How many there are.
    pub(crate) objects_count: u64,
}

/// An object that was touched, and how.
#[derive(Debug, Serialize)]
pub(crate) struct Touched {
    pub(crate) kind: String,
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) change: Told,
}

/// A change as it is told.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) summary: String,
    #[serde(flatten)]
    pub(crate) differences: Differences,
}

/// Some items of a list, and whether there are more.
#[derive(Debug)]
pub(crate) struct Part<T> {
    pub(crate) items: Vec<T>,
    pub(crate) more: bool,
}

/// Revisions before `before`, the newest first: up to `limit` of them, and no further one once they
/// are long.
pub(crate) fn history(
    view: &dyn View,
    subject: &Subject,
    before: Option<Revision>,
    limit: u32,
) -> Result<Part<Entry>, Fault> {
    let (_, environment) = project::find_environment(view, &subject.project, &subject.environment)?;
    let of = subject.object.as_ref().map(|(kind, key)| (*kind, &**key));
    let revisions = view.revisions(environment.id, of, before, limit + 1)?;
    if revisions.is_empty()
        && before.is_none()
        && let Some((kind, key)) = of
        && view.object(environment.id, kind, key)?.is_none()
    {
        let (environment, kind) = (&environment.key, kind.name());
        let message = format!("the environment `{environment}` has had no {kind} `{key}`");
        return Err(Fault::NotFound(message));
    }
    let (mut items, mut bytes) = (Vec::new(), 0);
    for revision in &revisions {
        if items.len() >= limit as usize || bytes >= MAX_HISTORY_BYTES {
            break;
        }
        let records = view.deeds(environment.id, *revision, of, MAX_SHOWN_OBJECTS)?;
        let objects_count = match of {
            Some(_) => records.len() as u64,
            None => view.deed_count(environment.id, *revision)?,
        };
        bytes += records.iter().map(AuditRecord::bytes).sum::<usize>();
        let schedule = view.made_by_schedule(environment.id, *revision)?;
        items.extend(
            entry(*revision, records, objects_count)?.map(|entry| Entry { schedule, ..entry }),
        );
    }
    Ok(Part { more: items.len() < revisions.len(), items })
}

fn entry(
    revision: Revision,
    records: Vec<AuditRecord>,
    objects_count: u64,
) -> Result<Option<Entry>, Fault> {
    let mut entry: Option<Entry> = None;
    for record in records {
        let touched =
            Touched { change: told(&record)?, kind: record.object_kind, key: record.object_key };
        let entry = entry.get_or_insert_with(|| Entry {
            revision,
            at: record.at,
            actor: (record.actor, record.actor_name),
            reason: record.reason,
            action: record.action,
            schedule: None,
            objects: Vec::new(),
            objects_count,
        });
        entry.objects.push(touched);
    }
    Ok(entry)
}

/// What an entry of the audit log did.
pub(super) fn told(record: &AuditRecord) -> Result<Told, Fault> {
    let read = |document: &Option<String>| document.as_deref().map(parse::<Value>).transpose();
    Ok(tell(&record.object_kind, read(&record.before)?, read(&record.after)?))
}

/// The difference between two documents of an object, as the audit log has them.
pub(super) fn tell(kind: &str, before: Option<Value>, after: Option<Value>) -> Told {
    let (before, after) = match kind {
        "segment" => with_counted_members(before, after),
        TENANT_KIND => (before, after.map(with_few_tenants)),
        _ => (before, after),
    };
    let summary = sentence(before.as_ref(), after.as_ref());
    Told { summary, differences: differences(before.as_ref(), after.as_ref()) }
}

/// What became of many tenants, with the first of them.
fn with_few_tenants(mut after: Value) -> Value {
    if let Some(Value::Array(first)) = after.pointer_mut("/tenants/first") {
        first.truncate(MAX_SHOWN_KEYS);
    }
    after
}

/// The documents of a segment with how many keys there are in place of the keys, and beside it how
/// many came and went, and the first of them.
fn with_counted_members(
    mut before: Option<Value>,
    mut after: Option<Value>,
) -> (Option<Value>, Option<Value>) {
    for list in ["included", "excluded"] {
        let changed = changed_keys(list, before.as_ref(), after.as_ref());
        let count =
            |document: &Option<Value>| document.as_ref()?.get("member_counts")?.get(list).cloned();
        let (old, new) = (count(&before), count(&after));
        let told = |count: Option<Value>| count.map(|count| json!({"count": count}));
        let (mut old, mut new) = (told(old), told(new));
        if let (Some((added, removed)), Some(Value::Object(new))) = (changed, &mut new)
            && added.count + removed.count > 0
        {
            new.insert("added".into(), added.json());
            new.insert("removed".into(), removed.json());
        }
        if old == new {
            (old, new) = (None, None);
        }
        for (document, told) in [(&mut before, old), (&mut after, new)] {
            if let Some(Value::Object(members)) = document {
                members.remove(list);
                members.extend(told.map(|told| (list.to_owned(), told)));
            }
        }
    }
    for document in [&mut before, &mut after] {
        if let Some(Value::Object(members)) = document {
            members.remove("member_counts");
            members.remove("changed");
        }
    }
    (before, after)
}

/// How many keys, and the first of them.
#[derive(Default)]
struct Keys {
    count: u64,
    first: Vec<Value>,
}

impl Keys {
    /// As the audit log has them.
    fn read(told: Option<&Value>) -> Self {
        let member = |name: &str| told.and_then(|told| told.get(name));
        let first = member("first").and_then(Value::as_array);
        Self {
            count: member("count").and_then(Value::as_u64).unwrap_or(0),
            first: first.into_iter().flatten().take(MAX_SHOWN_KEYS).cloned().collect(),
        }
    }

    fn json(self) -> Value {
        json!({"count": self.count, "first": self.first})
    }
}

/// The keys that a list got and lost, where that is known.
fn changed_keys(list: &str, before: Option<&Value>, after: Option<&Value>) -> Option<(Keys, Keys)> {
    let after = after?;
    let changed = after.get("changed").unwrap_or(after).get(list);
    if let Some(changed) = changed.filter(|changed| changed.is_object()) {
        return Some((Keys::read(changed.get("add")), Keys::read(changed.get("remove"))));
    }
    let none = Vec::new();
    let old = match before {
        None => &none,
        Some(before) => before.get(list)?.as_array()?,
    };
    let new = after.get(list)?.as_array()?;
    let but = |list: &[Value], other: &[Value]| {
        let other: HashSet<&str> = other.iter().filter_map(Value::as_str).collect();
        let mut keys = Keys::default();
        for key in list.iter().filter(|key| key.as_str().is_some_and(|key| !other.contains(key))) {
            keys.count += 1;
            if keys.first.len() < MAX_SHOWN_KEYS {
                keys.first.push(key.clone());
            }
        }
        keys
    };
    Some((but(new, old), but(old, new)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: Value, after: Value, summary: &str, differences: Value) {
        let some = |value: Value| (!value.is_null()).then_some(value);
        let told = tell("segment", some(before), some(after));
        assert_eq!((&*told.summary, json!(told.differences.found)), (summary, differences));
    }

    #[test]
    fn the_keys_of_a_segment_are_counted_and_the_first_are_named() {
        let segment = |included: &[&str]| {
            json!({"kind": "tenant", "when": null, "included": included, "excluded": [],
                   "member_counts": {"included": included.len(), "excluded": 0}})
        };
        check(
            segment(&["acme", "globex"]),
            segment(&["acme", "initech", "hooli"]),
            "2 keys included (initech, hooli); 1 key no longer included (globex)",
            json!([
                {"pointer": "/included/added", "after": {"count": 2, "first": ["initech", "hooli"]}},
                {"pointer": "/included/count", "before": 2, "after": 3},
                {"pointer": "/included/removed", "after": {"count": 1, "first": ["globex"]}}]),
        );
        check(
            json!({"member_counts": {"included": 5, "excluded": 1}}),
            json!({"member_counts": {"included": 5, "excluded": 4001},
                   "included": {"add": {"count": 0, "first": []}, "remove": {"count": 0, "first": []}},
                   "excluded": {"add": {"count": 4000, "first": ["a", "b", "c", "d"]},
                                "remove": {"count": 0, "first": []}}}),
            "4000 keys excluded (a, b, c, …)",
            json!([
                {"pointer": "/excluded/added", "after": {"count": 4000, "first": ["a", "b", "c", "d"]}},
                {"pointer": "/excluded/count", "before": 1, "after": 4001},
                {"pointer": "/excluded/removed", "after": {"count": 0, "first": []}}]),
        );
        let long =
            |count| json!({"kind": "user", "member_counts": {"included": count, "excluded": 0}});
        check(
            long(2_000),
            long(1_500),
            "included: 2000 → 1500 keys",
            json!([{"pointer": "/included/count", "before": 2000, "after": 1500}]),
        );
        let created = tell("segment", None, Some(segment(&["acme"])));
        assert_eq!(created.summary, "created; 1 key included (acme)");
        assert_eq!(tell("segment", Some(segment(&["acme"])), None).summary, "deleted");
    }
}

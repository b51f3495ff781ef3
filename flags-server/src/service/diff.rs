//! What differs between two documents, place by place.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::limits::MAX_DIFFERENCES;

/// One place where two documents differ. Absent is what is not there.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Difference {
    /// Leads into the later document, or into the earlier one where something is gone.
    pub(crate) pointer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
}

/// The differences, up to [`MAX_DIFFERENCES`], and whether that is all of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Differences {
    #[serde(rename = "diff")]
    pub(crate) found: Vec<Difference>,
    pub(crate) complete: bool,
}

pub(crate) fn differences(before: Option<&Value>, after: Option<&Value>) -> Differences {
    let mut differences = Differences { found: Vec::new(), complete: true };
    differences.compare("", before, after);
    differences
}

impl Differences {
    fn compare(&mut self, at: &str, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (before, after) if before == after => {}
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                self.compare_members(at, before, after);
            }
            (Some(Value::Array(before)), Some(Value::Array(after))) => {
                self.compare_lists(at, before, after);
            }
            (before, after) => self.push(at, before.cloned(), after.cloned()),
        }
    }

    fn push(&mut self, at: &str, before: Option<Value>, after: Option<Value>) {
        if self.found.len() < MAX_DIFFERENCES {
            self.found.push(Difference { pointer: at.to_owned(), before, after });
        } else {
            self.complete = false;
        }
    }

    fn compare_members(
        &mut self,
        at: &str,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
    ) {
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        for name in after.keys().chain(gone) {
            let escaped = name.replace('~', "~0").replace('/', "~1");
            self.compare(&format!("{at}/{escaped}"), before.get(name), after.get(name));
        }
    }

    fn compare_lists(&mut self, at: &str, before: &[Value], after: &[Value]) {
        let names = |list: &[Value]| list.iter().map(identity).collect::<Option<Vec<String>>>();
        let (Some(old), Some(new)) = (names(before), names(after)) else {
            let in_step = before.len() == after.len() && before.iter().all(Value::is_object);
            if !in_step {
                return self.push(at, Some(before.into()), Some(after.into()));
            }
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                self.compare(&format!("{at}/{index}"), Some(before), Some(after));
            }
            return;
        };
        for (index, (name, after)) in new.iter().zip(after).enumerate() {
            let same = old.iter().position(|old| old == name);
            let before = same.and_then(|index| before.get(index));
            self.compare(&format!("{at}/{index}"), before, Some(after));
        }
        for (index, (name, before)) in old.iter().zip(before).enumerate() {
            if !new.contains(name) {
                self.compare(&format!("{at}/{index}"), Some(before), None);
            }
        }
        let stay = |list: &[String], other: &[String]| -> Vec<String> {
            list.iter().filter(|name| other.contains(name)).cloned().collect()
        };
        let (old, new) = (stay(&old, &new), stay(&new, &old));
        if old != new {
            self.push(at, Some(old.into()), Some(new.into()));
        }
    }
}

/// By what an element of a list is the same one: a rule's id, a variant's name, a prerequisite's
/// flag, a plan's version, an add-on of a tenant or the lane of a block, the variant and the kind of a
/// target.
fn identity(element: &Value) -> Option<String> {
    let text = |name: &str| element.get(name).and_then(Value::as_str);
    let single = ["id", "name", "flag", "addon", "lane"].into_iter().find_map(text);
    if let Some(version) = element.get("version").and_then(Value::as_u64) {
        return Some(version.to_string());
    }
    match (single, text("kind"), text("variant")) {
        (Some(name), ..) => Some(name.to_owned()),
        (None, Some(kind), Some(variant)) => Some(format!("{kind} {variant}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(before: Value, after: Value, expected: Value) {
        let differences = differences(Some(&before), Some(&after));
        assert!(differences.complete);
        assert_eq!(json!(differences.found), expected);
    }

    #[test]
    fn members_and_elements_are_told_by_their_place() {
        check(
            json!({"on": false, "salt": "s", "a/b": 1, "same": [1]}),
            json!({"on": true, "a/b": 2, "same": [1], "new": null}),
            json!([{"pointer": "/a~1b", "before": 1, "after": 2},
                   {"pointer": "/new", "after": null},
                   {"pointer": "/on", "before": false, "after": true},
                   {"pointer": "/salt", "before": "s"}]),
        );
        check(
            json!({"weights": [{"variant": "on", "weight": 1}, {"weight": 2}], "values": [1, 2]}),
            json!({"weights": [{"variant": "on", "weight": 3}, {"weight": 0}], "values": [1]}),
            json!([{"pointer": "/values", "before": [1, 2], "after": [1]},
                   {"pointer": "/weights/0/weight", "before": 1, "after": 3},
                   {"pointer": "/weights/1/weight", "before": 2, "after": 0}]),
        );
    }

    #[test]
    fn a_rule_is_the_same_one_wherever_it_stands() {
        let rule = |id: &str, serve: &str| json!({"id": id, "serve": serve});
        check(
            json!([rule("a", "x"), rule("b", "x"), rule("c", "x")]),
            json!([rule("new", "x"), rule("b", "y"), rule("a", "x")]),
            json!([{"pointer": "/0", "after": rule("new", "x")},
                   {"pointer": "/1/serve", "before": "x", "after": "y"},
                   {"pointer": "/2", "before": rule("c", "x")},
                   {"pointer": "", "before": ["a", "b"], "after": ["b", "a"]}]),
        );
    }

    #[test]
    fn there_is_a_bound() {
        let many = |value: u32| -> Value {
            (0..=MAX_DIFFERENCES)
                .map(|name| (name.to_string(), json!(value)))
                .collect::<Map<_, _>>()
                .into()
        };
        let found = differences(Some(&many(1)), Some(&many(2)));
        assert_eq!((found.found.len(), found.complete), (MAX_DIFFERENCES, false));
        assert_eq!(differences(None, None).found, []);
    }
}

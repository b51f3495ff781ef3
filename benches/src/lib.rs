//! What the benches ask: the same definitions and contexts for all of them.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a bench that cannot set itself up has nothing to measure")]

use flags_core::{Change, Document, Entity, Epoch, Flag, Object, ObjectChange, Ruleset};
use serde_json::{Value, json};

/// On, and nothing else: serves its fallthrough.
pub const ON_OFF: Flag<bool> = Flag::new("on-off", false);

/// Half of all users.
pub const ROLLOUT: Flag<bool> = Flag::new("rollout", false);

/// Ten rules with 100 values each, of which the last matches [`LISTED_COUNTRY`].
pub const LISTS: Flag<bool> = Flag::new("lists", false);

/// The value that only the last rule of [`LISTS`] holds.
pub const LISTED_COUNTRY: &str = "country-9-99";

/// An environment of `count` flags: [`ON_OFF`], [`ROLLOUT`], [`LISTS`], and fillers of the same
/// three kinds in equal parts, but with rules of ten values.
///
/// # Panics
/// Never: the definitions are right, which a test checks.
#[must_use]
pub fn document(count: usize) -> Document {
    let mut objects = vec![
        object("on-off", &json!({})),
        object("rollout", &half()),
        object("lists", &lists(10, 100)),
    ];
    for index in objects.len()..count {
        let state = match index % 3 {
            0 => json!({}),
            1 => half(),
            _ => lists(2, 10),
        };
        objects.push(object(&format!("flag-{index}"), &state));
    }
    Document { epoch: Epoch::new("bench"), revision: 1, objects }
}

/// [`document`], compiled.
///
/// # Panics
/// When a definition is broken: a bench would measure an error path.
#[must_use]
pub fn ruleset(count: usize) -> Ruleset {
    let (ruleset, report) = Ruleset::compile(&document(count));
    assert!(report.is_clean(), "{report:?}");
    ruleset
}

/// The change from revision 1 to 2: the last flag of [`document`] becomes a rollout.
#[must_use]
pub fn one_change(count: usize) -> Change {
    upsert(&format!("flag-{}", count - 1))
}

/// The change from revision 1 to 2: a flag that [`document`] does not have.
#[must_use]
pub fn new_flag(count: usize) -> Change {
    upsert(&format!("flag-{count}"))
}

fn upsert(key: &str) -> Change {
    let mut object = object(key, &half());
    object.version = 2;
    let objects = vec![ObjectChange::Upsert(object)];
    Change { epoch: Epoch::new("bench"), revision: 2, previous: 1, objects }
}

/// A user of a tenant, as a request has them.
#[must_use]
pub fn context<'a>(
    user: &'a str,
    attributes: &'a [(&'a str, flags_core::AttributeValue<'a>)],
) -> [Entity<'a>; 2] {
    [Entity::user(user), Entity::tenant("acme").with(attributes)]
}

fn object(key: &str, state: &Value) -> Object {
    let mut whole = json!({"on": true, "off_variant": "off", "fallthrough": {"variant": "on"}});
    if let (Some(whole), Some(state)) = (whole.as_object_mut(), state.as_object()) {
        whole.extend(state.clone());
    }
    let definition = json!({
        "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": whole,
    });
    Object::new("flag", key, 1, &definition).expect("JSON is written as JSON")
}

fn half() -> Value {
    json!({"fallthrough": {"split": {"by": "user", "weights": [
        {"variant": "on", "weight": 50_000}, {"variant": "off", "weight": 50_000}
    ]}}})
}

fn lists(rules: usize, values: usize) -> Value {
    let rule = |rule: usize| {
        let values: Vec<String> = (0..values).map(|v| format!("country-{rule}-{v}")).collect();
        json!({"id": format!("rule-{rule}"), "serve": {"variant": "on"},
               "when": {"attribute": "tenant.country", "op": "in", "values": values}})
    };
    json!({"rules": (0..rules).map(rule).collect::<Vec<_>>(), "fallthrough": {"variant": "off"}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_right_and_the_change_follows_it() {
        let ruleset = ruleset(10);
        assert_eq!(ruleset.flags().count(), 10);
        let (next, report) = ruleset.apply(&one_change(10)).expect("the change follows");
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(next.revision(), 2);
    }
}

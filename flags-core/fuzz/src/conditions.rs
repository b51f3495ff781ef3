//! The truth of single conditions.

use flags_core::{
    AttributeValue, Document, Entity, FlagDefinition, Ruleset, Timestamp, check_flag,
};
use serde_json::{Value, json};

/// Conditions on `user.x`, each the first rule of a flag whose second is its negation.
pub(crate) struct Conditions {
    ruleset: Ruleset,
    keys: Vec<String>,
}

impl Conditions {
    pub(crate) fn new(conditions: &[Value]) -> Self {
        let keys: Vec<String> = (0..conditions.len()).map(|index| format!("c{index}")).collect();
        let objects = conditions.iter().zip(&keys).map(|(condition, key)| {
            json!({"kind": "flag", "key": key, "version": 1, "definition": truth_of(condition)})
        });
        let objects = Value::Array(objects.collect());
        let document = json!({"epoch": "e1", "revision": 1, "objects": objects});
        let document: Document = serde_json::from_value(document).expect("a document");
        let (ruleset, _) = Ruleset::compile(&document);
        Self { ruleset, keys }
    }

    /// Whether the condition was accepted.
    pub(crate) fn is_valid(&self, index: usize) -> bool {
        self.answer(index, None, 0) != Some("invalid")
    }

    /// `None` is *unknown*.
    pub(crate) fn truth(
        &self,
        index: usize,
        found: AttributeValue<'_>,
        now_ms: i64,
    ) -> Option<bool> {
        match self.answer(index, Some(found), now_ms) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some("unknown") => None,
            other => panic!("the condition is {other:?}"),
        }
    }

    fn answer(&self, index: usize, found: Option<AttributeValue<'_>>, now_ms: i64) -> Option<&str> {
        let attributes = found.map(|found| [("x", found)]);
        let user = Entity::user("u").with(attributes.as_ref().map_or(&[], |a| a.as_slice()));
        let now = Timestamp::from_millis(now_ms);
        let evaluation = self.ruleset.evaluate(&self.keys[index], &user, now);
        evaluation.variant.or(Some("invalid"))
    }
}

/// A condition on `user.x`.
pub(crate) fn asks(op: &str, values: Value) -> Value {
    json!({"attribute": "user.x", "op": op, "values": values})
}

/// What is wrong with a condition, by the codes of its diagnostics.
pub(crate) fn problems(condition: &Value) -> Vec<String> {
    let definition: FlagDefinition =
        serde_json::from_value(truth_of(condition)).expect("a definition");
    check_flag(&definition).into_iter().map(|diagnostic| diagnostic.code).collect()
}

/// A flag that says by its variant what a condition is.
pub(crate) fn truth_of(condition: &Value) -> Value {
    let rule = |id: &str, when: Value| json!({"id": id, "when": when, "serve": {"variant": id}});
    let variants = ["true", "false", "unknown"].map(|name| json!({"name": name, "value": name}));
    json!({
        "type": "string",
        "variants": variants,
        "state": {
            "on": true, "off_variant": "unknown", "fallthrough": {"variant": "unknown"},
            "rules": [rule("true", condition.clone()), rule("false", json!({"not": condition}))],
        },
    })
}

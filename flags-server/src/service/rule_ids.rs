use std::collections::HashSet;

use flags_core::{MAX_RULES, Rule};
use serde_json::{Map, Value};

/// Gives each rule of a state that has no id one: that of the present rule which it repeats, else
/// the first `rule-<n>` that neither the present nor the new state has.
pub(super) fn assign(state: &mut Map<String, Value>, present: &[Rule]) {
    let Some(Value::Array(rules)) = state.get_mut("rules") else {
        return;
    };
    // Too many are refused later on: then the work of finding repeated ones is not for doing.
    let present = if rules.len() > MAX_RULES { &[] } else { present };
    let said = |rule: &Value| rule.get("id").and_then(Value::as_str).map(str::to_owned);
    let mut used: HashSet<String> = rules.iter().filter_map(said).collect();
    let mut fresh = 1;
    for rule in rules.iter_mut() {
        if rule.get("id").is_some() {
            continue;
        }
        let repeated = present.iter().find(|present| {
            !used.contains(&present.id)
                && read_as(rule, &present.id).is_some_and(|rule| rule == **present)
        });
        let id = match repeated {
            Some(present) => present.id.clone(),
            None => loop {
                let id = format!("rule-{fresh}");
                fresh += 1;
                if !used.contains(&id) && !present.iter().any(|rule| rule.id == id) {
                    break id;
                }
            },
        };
        if let Value::Object(members) = rule {
            used.insert(id.clone());
            members.insert("id".into(), Value::String(id));
        }
    }
}

/// The rule that this would be with an id; `None` where it is not right otherwise.
fn read_as(rule: &Value, id: &str) -> Option<Rule> {
    let mut rule = rule.clone();
    rule.as_object_mut()?.insert("id".into(), Value::String(id.to_owned()));
    serde_json::from_value(rule).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ids(new: Value, present: Value) -> Value {
        let present: Vec<Rule> = serde_json::from_value(present).unwrap();
        let Value::Object(mut state) = json!({"rules": new}) else { panic!() };
        assign(&mut state, &present);
        state["rules"].as_array().unwrap().iter().map(|rule| rule["id"].clone()).collect()
    }

    fn rule(variant: &str) -> Value {
        json!({"when": {"all": []}, "serve": {"variant": variant}})
    }

    fn with_id(mut rule: Value, id: &str) -> Value {
        rule["id"] = json!(id);
        rule
    }

    #[test]
    fn a_rule_without_an_id_gets_one_and_keeps_it() {
        assert_eq!(ids(json!([rule("a"), rule("b")]), json!([])), json!(["rule-1", "rule-2"]));
        let present = json!([with_id(rule("a"), "rule-1"), with_id(rule("b"), "rule-2")]);
        assert_eq!(
            ids(json!([rule("c"), rule("b"), rule("a")]), present.clone()),
            json!(["rule-3", "rule-2", "rule-1"])
        );
        // A rule that is written twice is two rules.
        assert_eq!(ids(json!([rule("a"), rule("a")]), present), json!(["rule-1", "rule-3"]));
    }

    #[test]
    fn ids_that_are_said_stay_and_are_not_given_again() {
        assert_eq!(
            ids(json!([rule("a"), with_id(rule("b"), "rule-1"), 7]), json!([])),
            json!(["rule-2", "rule-1", null])
        );
    }
}

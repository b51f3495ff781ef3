//! Typed flags, local overrides and the moment before the first snapshot.

#![cfg(test)]

use flags_core::{
    Document, Entity, Flag, FlagDefinition, Object, Override, Reason, Ruleset, Timestamp, Value,
};
use serde_json::json;

const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
const GUARDED: Flag<bool> = Flag::new("guarded", false);
const PAGE_SIZE: Flag<i64> = Flag::new("page-size", 50);
const NOW: Timestamp = Timestamp::from_millis(0);
const ACME: Entity<'_> = Entity::tenant("acme");

fn boolean(key: &str, prerequisites: serde_json::Value) -> Object {
    let definition: FlagDefinition = serde_json::from_value(json!({
        "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": {"on": false, "off_variant": "off", "fallthrough": {"variant": "on"},
                  "prerequisites": prerequisites},
    }))
    .unwrap();
    Object::new("flag", key, 1, &definition).unwrap()
}

fn ruleset() -> Ruleset {
    let mut guarded = boolean("guarded", json!([{"flag": "new-checkout", "variants": ["on"]}]));
    guarded.definition = serde_json::value::to_raw_value(&{
        let mut definition: serde_json::Value =
            serde_json::from_str(guarded.definition.get()).unwrap();
        definition["state"]["on"] = json!(true);
        definition
    })
    .unwrap();
    let document = Document {
        epoch: flags_core::Epoch::new("e1"),
        revision: 1,
        objects: vec![boolean("new-checkout", json!([])), guarded],
    };
    let (ruleset, report) = Ruleset::compile(&document);
    assert!(report.is_clean(), "{report:?}");
    ruleset
}

#[test]
fn before_the_first_snapshot_every_answer_is_the_default() {
    let ruleset = Ruleset::default();
    let answer = ruleset.get(&PAGE_SIZE, &ACME, NOW);
    assert_eq!((answer.value, answer.reason), (50, Reason::NotReady));
    assert_eq!((answer.version, answer.revision), (0, 0));
    assert_eq!(ruleset.position(), None);
}

#[test]
fn a_type_that_differs_from_the_code_gives_the_default() {
    const MISTYPED: Flag<&str> = Flag::new("new-checkout", "fallback");
    let ruleset = ruleset();
    let answer = ruleset.get(&MISTYPED, &ACME, NOW);
    assert_eq!((answer.value, answer.reason), ("fallback", Reason::TypeMismatch));
    assert_eq!(answer.version, 1);
}

#[test]
fn an_override_holds_whatever_the_definition_says() {
    let ruleset = ruleset().overriding([&NEW_CHECKOUT.to(true)]);
    let answer = ruleset.get(&NEW_CHECKOUT, &ACME, NOW);
    assert_eq!((answer.value, answer.reason), (true, Reason::Override));
    assert_eq!(answer.variant, Some("on"), "the variant that has this value");
}

#[test]
fn prerequisites_see_overrides() {
    let plain = ruleset();
    assert_eq!(
        plain.get(&GUARDED, &ACME, NOW).reason,
        Reason::PrerequisiteFailed { flag: "new-checkout" }
    );
    let overridden = plain.overriding([&NEW_CHECKOUT.to(true)]);
    assert!(overridden.get(&GUARDED, &ACME, NOW).value);
    let back = overridden.overriding([&NEW_CHECKOUT.to(false)]);
    assert!(!back.get(&GUARDED, &ACME, NOW).value);
    assert!(!plain.get(&GUARDED, &ACME, NOW).value, "the ruleset below stays as it is");
}

#[test]
fn an_override_needs_neither_a_flag_nor_a_ruleset() {
    for ruleset in [Ruleset::default(), ruleset()] {
        let ruleset = ruleset.overriding([&PAGE_SIZE.to(7), &PAGE_SIZE.to(8)]);
        let answer = ruleset.get(&PAGE_SIZE, &ACME, NOW);
        assert_eq!((answer.value, answer.variant), (8, None), "the later override holds");
        assert_eq!(answer.reason, Reason::Override);
    }
}

#[test]
fn an_override_has_the_type_it_was_made_with() {
    let ruleset = ruleset().overriding([&Override::new("new-checkout", Value::Integer(1))]);
    let answer = ruleset.get(&NEW_CHECKOUT, &ACME, NOW);
    assert_eq!((answer.value, answer.reason), (false, Reason::TypeMismatch));
}

//! Features, plans and add-ons come and go as objects of documents and changes.

#![cfg(test)]

use flags_core::{Change, Contract, Document, Ruleset, Timestamp};
use serde_json::{Value, json};

fn document(objects: Value) -> Document {
    serde_json::from_value(json!({"epoch": "e1", "revision": 1, "objects": objects})).unwrap()
}

fn object(kind: &str, key: &str, definition: Value) -> Value {
    json!({"kind": kind, "key": key, "version": 1, "definition": definition})
}

fn catalogue() -> Value {
    json!([
        object("feature", "sso", json!({"type": "boolean", "combine": "any"})),
        object("feature", "seats", json!({"type": "limit", "combine": "sum"})),
        object(
            "plan",
            "pro",
            json!({"versions": [{"version": 1, "grants": {"sso": true, "seats": 5}}]})
        ),
        object("addon", "more", json!({"grants": {"seats": 10}})),
    ])
}

/// The reason, and what is granted, of whoever has the plan, or the plan and the add-on.
#[track_caller]
fn assert_granted(ruleset: &Ruleset, feature: &str, with_addon: bool, expected: (&str, Value)) {
    let addons = if with_addon { json!([{"addon": "more", "quantity": 1}]) } else { json!([]) };
    let contract = json!({"plan": "pro", "plan_version": 1, "addons": addons});
    let contract = Contract::compile(&serde_json::from_value(contract).unwrap()).unwrap();
    let timeline = ruleset.catalogue().timeline(&contract, feature);
    let decision = timeline.check(Timestamp::from_millis(0));
    let found = (decision.reason.name(), serde_json::to_value(decision.value).unwrap());
    assert_eq!(found, expected);
}

fn apply(ruleset: &Ruleset, change: &Value) -> (Ruleset, Vec<(String, String)>) {
    let revision = ruleset.revision();
    let change: Change = serde_json::from_value(json!({
        "epoch": "e1", "previous": revision, "revision": revision + 1, "objects": [change]
    }))
    .unwrap();
    let (next, report) = ruleset.apply(&change).unwrap();
    assert_eq!(report.ignored, 0);
    let invalid = report.invalid.into_iter();
    let invalid = invalid.map(|object| (object.key, object.diagnostics[0].pointer.clone()));
    (next, invalid.collect())
}

#[test]
fn objects_of_a_document_are_the_catalogue() {
    let (ruleset, report) = Ruleset::compile(&document(catalogue()));
    assert!(report.is_clean());
    assert_granted(&ruleset, "sso", false, ("granted", json!(true)));
    assert_granted(&ruleset, "seats", true, ("granted", json!(15)));
    assert_granted(&ruleset, "scim", false, ("feature_unknown", json!(null)));
    assert_granted(&Ruleset::default(), "sso", false, ("feature_unknown", json!(null)));
}

#[test]
fn a_change_is_for_the_next_ruleset_alone() {
    let (before, _) = Ruleset::compile(&document(catalogue()));
    let plan = json!({"versions": [{"version": 1, "grants": {"seats": 7}}]});
    let (after, invalid) = apply(&before, &json!({"upsert": object("plan", "pro", plan)}));
    assert_eq!(invalid, []);
    assert_granted(&after, "seats", true, ("granted", json!(17)));
    assert_granted(&after, "sso", false, ("not_in_plan", json!(null)));
    assert_granted(&before, "seats", true, ("granted", json!(15)));

    for (kind, key, feature, reason) in [
        ("feature", "sso", "sso", "feature_unknown"),
        ("plan", "pro", "sso", "feature_invalid"),
        ("addon", "more", "seats", "feature_invalid"),
    ] {
        let (after, invalid) = apply(&before, &json!({"delete": {"kind": kind, "key": key}}));
        assert_eq!(invalid, []);
        assert_granted(&after, feature, true, (reason, json!(null)));
    }
}

#[test]
fn what_cannot_be_read_is_broken_alone() {
    let (before, _) = Ruleset::compile(&document(catalogue()));
    let later_type = json!({"type": "quota", "combine": "sum"});
    let unfit = json!({"type": "boolean", "combine": "sum"});
    let mut needing = object("feature", "sso", json!({"type": "boolean", "combine": "any"}));
    needing["needs"] = json!(["a-later-one"]);
    for (object, at) in [
        (object("feature", "sso", later_type), ""),
        (object("feature", "sso", unfit), "/combine"),
        (needing, ""),
    ] {
        let (after, invalid) = apply(&before, &json!({"upsert": object}));
        assert_eq!(invalid, [("sso".to_owned(), at.to_owned())]);
        assert_granted(&after, "sso", false, ("feature_invalid", json!(null)));
        assert_granted(&after, "seats", true, ("granted", json!(15)));
    }
    let two = json!({"versions": [{"version": 1}, {"version": 1}]});
    let (after, invalid) = apply(&before, &json!({"upsert": object("plan", "pro", two)}));
    assert_eq!(invalid, [("pro".to_owned(), "/versions/1/version".to_owned())]);
    assert_granted(&after, "sso", false, ("feature_invalid", json!(null)));
    let nothing = json!({"grants": {"seats": null}});
    let (after, invalid) = apply(&before, &json!({"upsert": object("addon", "more", nothing)}));
    assert_eq!(invalid, [("more".to_owned(), "/grants/seats".to_owned())]);
    assert_granted(&after, "seats", true, ("feature_invalid", json!(null)));
    assert_granted(&after, "seats", false, ("granted", json!(5)));
}

//! Everything that is wrong with the catalogue or a contract is reported at once, with its place.

#![cfg(test)]

use flags_core::{
    ADDON, CONTRACT, ContractOverride, Diagnostic, Document, Entity, FEATURE, FeatureDefinition,
    PLAN, Ruleset, Shape, TENANT, Timestamp, check_addon, check_contract, check_feature,
    check_grant, check_override, check_plan, check_tenant,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The code and the place of everything that is wrong: with the shape, or else by itself.
fn found<T: DeserializeOwned>(
    shape: &Shape,
    check: fn(&T) -> Vec<Diagnostic>,
    json: &Value,
) -> Vec<String> {
    let mut found = shape.check(json);
    let read = T::deserialize(json);
    assert_eq!(found.is_empty(), read.is_ok(), "{json}: {found:?}");
    if let (true, Ok(read)) = (found.is_empty(), read) {
        found = check(&read);
    }
    found.into_iter().map(|d| format!("{} {}", d.code, d.pointer)).collect()
}

#[track_caller]
fn contract(json: Value, expected: &[&str]) {
    assert_eq!(found(&CONTRACT, check_contract, &json), expected, "{json}");
}

#[track_caller]
fn feature(json: Value, expected: &[&str]) {
    assert_eq!(found(&FEATURE, check_feature, &json), expected, "{json}");
}

#[track_caller]
fn plan(version: Value, expected: &[&str]) {
    let mut json = json!({"versions": [{"version": 1}]});
    json["versions"][0].as_object_mut().unwrap().extend(version.as_object().unwrap().clone());
    assert_eq!(found(&PLAN, check_plan, &json), expected, "{json}");
}

#[test]
fn features() {
    feature(json!({"type": "boolean", "combine": "any"}), &[]);
    feature(json!({"type": "limit", "combine": "max", "over_limit": {"policy": "none"}}), &[]);
    feature(json!({"type": "options", "combine": "union", "options": ["a", "b"]}), &[]);
    feature(json!({"type": "json", "combine": "priority"}), &[]);

    feature(json!({"type": "quota", "combine": "sum"}), &["wrong_type /type"]);
    feature(json!({"type": "limit"}), &["missing_field "]);
    for (kind, combine) in
        [("boolean", "max"), ("limit", "union"), ("options", "any"), ("json", "sum")]
    {
        let options = if kind == "options" { json!(["a"]) } else { json!([]) };
        let json = json!({"type": kind, "combine": combine, "options": options});
        feature(json, &["wrong_combine /combine"]);
    }
    feature(json!({"type": "options", "combine": "union"}), &["missing_field /options"]);
    feature(
        json!({"type": "json", "combine": "priority", "options": ["a"]}),
        &["not_options /options"],
    );
    feature(
        json!({"type": "options", "combine": "union", "options": ["a", "-", "a"]}),
        &["invalid_key /options/1", "duplicate /options/2"],
    );
    let many: Vec<String> = (0..257).map(|n| n.to_string()).collect();
    feature(
        json!({"type": "options", "combine": "union", "options": many}),
        &["too_many /options"],
    );
    feature(
        json!({"type": "boolean", "combine": "any",
               "over_limit": {"policy": "none", "grace_ms": u64::MAX}}),
        &["not_a_limit /over_limit", "out_of_range /over_limit/grace_ms"],
    );
    for amount in [json!(-1), json!(1.5), json!("1")] {
        feature(
            json!({"type": "limit", "combine": "max",
                   "over_limit": {"policy": "none", "grace_ms": amount}}),
            &["wrong_type /over_limit/grace_ms"],
        );
    }
}

#[test]
fn plans_and_add_ons() {
    plan(json!({"grants": {"a": 1, "b": true}, "fallback": {"plan": "free", "version": 1}}), &[]);
    plan(json!({"version": 0}), &["out_of_range /versions/0/version"]);
    plan(json!({"version": -1}), &["wrong_type /versions/0/version"]);
    plan(json!({"grace_ms": 316_224_000_001_u64}), &["out_of_range /versions/0/grace_ms"]);
    plan(json!({"priority": 0.5}), &["wrong_type /versions/0/priority"]);
    plan(json!({"grants": {"a": null}}), &["wrong_type /versions/0/grants/a"]);
    plan(json!({"grants": {"": 1}}), &["invalid_key /versions/0/grants/"]);
    plan(
        json!({"fallback": {"plan": "", "version": 0}}),
        &["invalid_key /versions/0/fallback/plan", "out_of_range /versions/0/fallback/version"],
    );
    let check = |json| found(&PLAN, check_plan, &json);
    assert_eq!(check(json!({"versions": []})), ["missing_field /versions"]);
    assert_eq!(
        check(json!({"versions": [{"version": 2}, {"version": 1}, {"version": 2}]})),
        ["duplicate /versions/2/version"],
    );

    let check = |json| found(&ADDON, check_addon, &json);
    assert!(check(json!({"grants": {"a": 1}, "priority": 3})).is_empty());
    assert_eq!(check(json!({"grants": {"a": null}})), ["wrong_type /grants/a"]);
    let many: serde_json::Map<_, _> = (0..1_001).map(|n| (n.to_string(), json!(1))).collect();
    assert_eq!(check(json!({"grants": many})), ["too_many /grants"]);
}

#[test]
fn contracts() {
    contract(json!({}), &[]);
    contract(json!({"plan": "pro"}), &["missing_field "]);
    contract(json!({"plan_version": 1}), &["missing_field "]);
    contract(
        json!({"plan": "-", "plan_version": 0, "plan_since": "today"}),
        &["invalid_key /plan", "out_of_range /plan_version", "invalid_time /plan_since"],
    );
    contract(json!({"addons": [{"addon": "a", "quantity": 1_000_000}]}), &[]);
    for quantity in [json!(-1), json!(1.0), json!(4_294_967_296_u64), json!("1")] {
        contract(
            json!({"addons": [{"addon": "a", "quantity": quantity}]}),
            &["wrong_type /addons/0/quantity"],
        );
    }
    contract(
        json!({"addons": [{"addon": "a", "quantity": 0}, {"addon": "a", "quantity": 1_000_001}]}),
        &[
            "out_of_range /addons/0/quantity",
            "out_of_range /addons/1/quantity",
            "duplicate /addons/1/addon",
        ],
    );
    contract(
        json!({"trial": {"plan": "max", "plan_version": 1, "start": "2026-01-02T00:00:00Z",
                         "end": "2026-01-02T00:00:00Z"}}),
        &["out_of_range /trial/end"],
    );
    let since = "2026-01-01T00:00:00Z";
    for (subscription, expected) in [
        (json!({}), &[][..]),
        (json!({"state": "past_due", "unpaid_since": since}), &[]),
        (json!({"state": "cancelled", "ends_at": since}), &[]),
        (json!({"state": "active", "ends_at": since}), &[]),
        (json!({"state": "paused"}), &["wrong_type /subscription/state"]),
        (json!({"state": "past_due"}), &["wrong_state /subscription"]),
        (json!({"unpaid_since": since}), &["wrong_state /subscription"]),
        (json!({"state": "cancelled"}), &["missing_field /subscription"]),
        (json!({"ends_at": "soon"}), &["invalid_time /subscription/ends_at"]),
    ] {
        contract(json!({"subscription": subscription}), expected);
    }
    contract(
        json!({"blocks": [{"lane": "fraud", "effect": "none"}, {"lane": "mood", "effect": "full"},
               {"lane": "legal", "effect": "none"}]}),
        &["wrong_type /blocks/1/effect", "wrong_type /blocks/1/lane"],
    );
    let blocks = vec![json!({"lane": "legal", "effect": "none"}); 65];
    contract(json!({"blocks": blocks}), &["too_many /blocks"]);
}

#[test]
fn overrides() {
    let with =
        |mode: &str, value: Value| json!({"id": "o", "feature": "f", "mode": mode, "value": value});
    for good in [
        with("deny", Value::Null),
        with("set", json!(0)),
        with("set", json!({"any": "thing"})),
        with("add", json!(i64::MIN)),
        with("add", json!(["a"])),
        with("remove", json!([])),
        with("at_least", json!(0)),
        with("at_most", json!("unlimited")),
    ] {
        contract(json!({"overrides": [good]}), &[]);
    }
    for bad in [
        with("deny", json!(true)),
        with("set", Value::Null),
        with("add", json!(0.5)),
        with("add", json!(9_223_372_036_854_775_808_u64)),
        with("add", json!("unlimited")),
        with("remove", json!(1)),
        with("at_least", json!(-1)),
        with("at_least", json!(1.0)),
        with("at_most", json!(9_223_372_036_854_775_808_u64)),
        with("at_most", json!("most")),
    ] {
        contract(json!({"overrides": [bad]}), &["wrong_type /overrides/0/value"]);
    }
    contract(
        json!({"overrides": [{"id": "o", "feature": "f", "mode": "deny"},
                             {"id": "o", "feature": "", "mode": "deny", "start": "2026-01-02T00:00:00Z",
                              "end": "2026-01-01T00:00:00Z"},
                             {"feature": "f", "mode": "raise"}]}),
        &["wrong_type /overrides/2/mode", "missing_field /overrides/2"],
    );
    contract(
        json!({"overrides": [{"id": "o", "feature": "f", "mode": "deny"},
                             {"id": "o", "feature": "", "mode": "deny", "start": "2026-01-02T00:00:00Z",
                              "end": "2026-01-01T00:00:00Z"}]}),
        &[
            "invalid_key /overrides/1/feature",
            "out_of_range /overrides/1/end",
            "duplicate /overrides/1/id",
        ],
    );
    let many: Vec<Value> =
        (0..257).map(|n| json!({"id": format!("o{n}"), "feature": "f", "mode": "deny"})).collect();
    contract(json!({"overrides": many}), &["too_many /overrides"]);
}

#[test]
fn an_override_says_where_it_is_agreed_in_one_line() {
    let with = |contract: Value| json!({"overrides": [{"id": "o", "feature": "f", "mode": "deny", "contract": contract}]});
    for good in [json!("MSA-7 § 4"), json!("x".repeat(200)), Value::Null] {
        contract(with(good), &[]);
    }
    for bad in [json!(""), json!("x".repeat(201)), json!("a\nb")] {
        contract(with(bad), &["invalid_reference /overrides/0/contract"]);
    }
    contract(with(json!(7)), &["wrong_type /overrides/0/contract"]);
}

/// A contract stands beside the attributes of its tenant, and nothing else does.
#[test]
fn tenants() {
    let check = |json| found(&TENANT, check_tenant, &json);
    assert!(
        check(json!({"attributes": {"country": "DE"}, "plan": "pro", "plan_version": 1}))
            .is_empty()
    );
    assert_eq!(
        check(json!({"attributes": {"key": 1}, "plan": "pro", "blocks": [
            {"lane": "fraud", "effect": "none", "start": "today"}]})),
        ["invalid_name /attributes/key", "missing_field ", "invalid_time /blocks/0/start"],
    );
    assert_eq!(
        check(json!({"attributes": 1, "addons": [{"addon": "a"}]})),
        ["missing_field /addons/0", "wrong_type /attributes"],
    );
    let reason = json!({"id": "o", "feature": "f", "mode": "deny", "reason": "a promise"});
    let found = TENANT.check(&json!({"overrides": [reason]}));
    assert_eq!((&*found[0].pointer, &*found[0].code), ("/overrides/0/reason", "unknown_field"));
}

/// A tenant with a contract that is wrong, or that cannot even be read, is what its attributes say.
#[test]
fn a_broken_contract_leaves_the_attributes() {
    let flag = json!({"kind": "flag", "key": "german", "version": 1, "definition": {
        "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": {"on": true, "off_variant": "off", "fallthrough": {"variant": "off"}, "rules": [
            {"id": "de", "serve": {"variant": "on"},
             "when": {"attribute": "tenant.country", "op": "equals", "values": ["DE"]}}]}}});
    for (contract, expected) in [
        (json!({"plan": "pro", "plan_version": 1}), None),
        (json!({"plan": "pro"}), Some("missing_field ")),
        (json!({"plan": "pro", "plan_version": "one"}), Some("unreadable ")),
        (json!({"overrides": [{"id": "o", "feature": "f", "mode": "halve"}]}), Some("unreadable ")),
    ] {
        let mut definition = json!({"attributes": {"country": "DE"}});
        definition.as_object_mut().unwrap().extend(contract.as_object().unwrap().clone());
        let tenant =
            json!({"kind": "tenant", "key": "acme", "version": 1, "definition": definition});
        let document = json!({"epoch": "e1", "revision": 1, "objects": [flag, tenant]});
        let document: Document = serde_json::from_value(document).unwrap();
        let (ruleset, report) = Ruleset::compile(&document);
        let found = report.invalid.first().map(|invalid| &invalid.diagnostics[0]);
        let found = found.map(|found| format!("{} {}", found.code, found.pointer));
        assert_eq!(found.as_deref(), expected, "{contract}");
        let answer = ruleset.evaluate("german", &Entity::tenant("acme"), Timestamp::from_millis(0));
        assert!(answer.is_true(), "{contract}");
    }
}

#[test]
fn two_sets_of_one_feature_do_not_overlap() {
    let set = |id: &str, feature: &str, start: Option<&str>, end: Option<&str>| {
        json!({
            "id": id, "feature": feature, "mode": "set", "value": 1, "start": start, "end": end
        })
    };
    let (first, second) = ("2026-01-01T00:00:00.001Z", "2026-01-01T01:00:00.002+01:00");
    contract(
        json!({"overrides": [set("a", "f", None, Some(first)), set("b", "f", Some(first), Some(second)),
               set("c", "f", Some(second), None), set("d", "g", None, None)]}),
        &[],
    );
    contract(
        json!({"overrides": [set("a", "f", None, Some(second)), set("b", "f", Some(first), None)]}),
        &["overlap /overrides/1"],
    );
    contract(
        json!({"overrides": [set("a", "f", Some(first), Some(second)), set("b", "f", None, None)]}),
        &["overlap /overrides/1"],
    );
    let at_most = json!({"id": "m", "feature": "f", "mode": "at_most", "value": 1});
    contract(json!({"overrides": [set("a", "f", None, None), at_most]}), &[]);
}

#[test]
fn what_fits_a_feature() {
    let feature = |json: Value| -> FeatureDefinition { serde_json::from_value(json).unwrap() };
    let sso = feature(json!({"type": "boolean", "combine": "any"}));
    let seats = feature(json!({"type": "limit", "combine": "sum"}));
    let regions = feature(json!({"type": "options", "combine": "union", "options": ["eu", "us"]}));
    let theme = feature(json!({"type": "json", "combine": "priority"}));
    let at = |found: Vec<Diagnostic>| -> Vec<String> {
        found.into_iter().map(|d| format!("{} {}", d.code, d.pointer)).collect()
    };

    for (feature, good) in [
        (&sso, json!(true)),
        (&seats, json!(0)),
        (&seats, json!(i64::MAX)),
        (&seats, json!("unlimited")),
        (&regions, json!([])),
        (&regions, json!(["us", "eu"])),
        (&theme, json!(false)),
    ] {
        assert_eq!(check_grant(feature, &good), [], "{good}");
    }
    for (feature, bad) in [
        (&sso, json!(false)),
        (&sso, json!(1)),
        (&seats, json!(-1)),
        (&seats, json!(1.0)),
        (&seats, json!(9_223_372_036_854_775_808_u64)),
        (&seats, json!(true)),
        (&regions, json!("eu")),
        (&theme, json!(null)),
    ] {
        assert_eq!(at(check_grant(feature, &bad)), ["wrong_type "], "{bad}");
    }
    assert_eq!(
        at(check_grant(&regions, &json!(["eu", "eu", "uk", 1]))),
        ["duplicate /1", "unknown_option /2", "wrong_type /3"],
    );

    let with = |mode: &str, value: Value| -> ContractOverride {
        let json = json!({"id": "o", "feature": "f", "mode": mode, "value": value});
        serde_json::from_value(json).unwrap()
    };
    for (feature, mode, value, expected) in [
        (&sso, "deny", json!(null), &[][..]),
        (&sso, "set", json!(true), &[]),
        (&sso, "set", json!(1), &["wrong_type /value"]),
        (&sso, "add", json!(1), &["wrong_mode /mode"]),
        (&seats, "add", json!(-5), &[]),
        (&seats, "add", json!(["eu"]), &["wrong_type /value"]),
        (&seats, "add", json!(0.5), &["wrong_type /value"]),
        (&seats, "remove", json!([]), &["wrong_mode /mode"]),
        (&seats, "at_least", json!("unlimited"), &[]),
        (&regions, "add", json!(["uk"]), &["unknown_option /value/0"]),
        (&regions, "add", json!(1), &["wrong_type /value"]),
        (&regions, "remove", json!(["eu"]), &[]),
        (&regions, "at_most", json!(1), &["wrong_mode /mode"]),
        (&theme, "set", json!({"dark": true}), &[]),
        (&theme, "add", json!(1), &["wrong_mode /mode"]),
    ] {
        assert_eq!(
            at(check_override(feature, &with(mode, value.clone()))),
            expected,
            "{mode} {value}"
        );
    }
}

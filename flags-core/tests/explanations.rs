//! Explanations, to the letter: what people read when they ask why.

#![cfg(test)]

use flags_core::{Document, JsonContext, Ruleset, Timestamp};
use serde_json::{Value, json};

fn ruleset() -> Ruleset {
    let boolean = |key: &str, state: Value| {
        let mut whole = json!({"on": true, "off_variant": "off", "fallthrough": {"variant": "on"}});
        whole.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
        json!({"kind": "flag", "key": key, "version": 3, "definition": {
            "type": "boolean",
            "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "state": whole}})
    };
    let many: Vec<String> = (0..12).map(|n| format!("t{n:02}")).collect();
    let document = json!({"epoch": "e1", "revision": 5, "objects": [
        boolean("payments", json!({})),
        boolean("dark", json!({"on": false})),
        boolean("checkout", json!({
            "prerequisites": [{"flag": "payments", "variants": ["on"]}],
            "targets": [{"kind": "tenant", "keys": ["acme"], "variant": "on"}],
            "rules": [
                {"id": "staff", "serve": {"variant": "on"}, "when": {"any": [
                    {"attribute": "user.email", "op": "ends_with", "values": ["@example.com"]},
                    {"not": {"attribute": "user.age", "op": "exists"}}]}},
                {"id": "eu-beta", "serve": {"split": {"by": "user", "weights": [
                    {"variant": "on", "weight": 1}, {"weight": 99_999}]}},
                 "when": {"all": [{"segment": "beta"},
                    {"attribute": "tenant.size", "op": "between", "values": [1, 99.5]}]}}],
            "fallthrough": {"ramp": {"by": "tenant", "variant": "on", "rest": "off", "from": 0,
                "to": 100_000, "start": "1970-01-01T00:00:00Z", "end": "1970-01-01T00:00:10Z"}}})),
        boolean("guarded", json!({"prerequisites": [{"flag": "dark", "variants": ["on"]}]})),
        boolean("operators", json!({"rules": [{"id": "all", "serve": {"variant": "on"}, "when": {"any": [
            {"attribute": "user.email", "op": "ends_with", "values": ["@EXAMPLE.com", "@b"], "ignore_case": true},
            {"attribute": "user.email", "op": "in", "values": ["Größe", 2, "B"], "ignore_case": true},
            {"attribute": "user.email", "op": "contains", "values": ["Ö", "a"], "ignore_case": true},
            {"attribute": "user.email", "op": "starts_with", "values": ["b", "abc", "ab"]},
            {"attribute": "user.since", "op": "before", "values": ["now"]},
            {"attribute": "user.since", "op": "after", "values": [1_767_225_600_000_i64]},
            {"attribute": "user.app", "op": "semver_gte", "values": ["v2.1"]},
            {"attribute": "user.app", "op": "matches", "values": ["^v?3\\.", "\"beta\""]},
            {"attribute": "user.ip", "op": "in_cidr", "values": ["::ffff:10.0.0.0/104", "2001:DB8::1"]},
            {"attribute": "user.n", "op": "in", "values": [3, 1, 2.5, 1.0]}]}}]})),
        {"kind": "segment", "key": "beta", "version": 2, "definition": {
            "kind": "tenant", "when": {"attribute": "tenant.key", "op": "in", "values": many}}},
    ]});
    let document: Document = serde_json::from_value(document).unwrap();
    let (ruleset, report) = Ruleset::compile(&document);
    assert!(report.is_clean(), "{report:?}");
    ruleset
}

#[track_caller]
fn explains(flag: &str, context: Value, expected: &str) {
    let context = JsonContext::read(&context).unwrap();
    let now = Timestamp::from_millis(5_000);
    let explanation = ruleset().explain(flag, &context, now).to_string();
    assert_eq!(explanation, expected, "\n{explanation}");
}

#[test]
fn every_kind_of_step() {
    explains(
        "checkout",
        json!({"user": {"key": "u-1", "email": "ada@example.org", "age": 41},
               "tenant": {"key": "t03", "size": 20}}),
        r#"checkout serves `on`: fallthrough
  the flag is on: true
  prerequisite `payments` serves one of ["on"]: true
    the flag is on: true
    fallthrough: `on`
  targeted by key: no match
  rule `staff`: no match
    any of: false
      user.email ends_with ["@example.com"], is "ada@example.org": false
      not: false
        user.age exists, is 41: true
  rule `eu-beta`: no match
    all of: true
      in segment `beta`: true
        tenant.key in ["t00", "t01", "t02", "t03", "t04", "t05", "t06", "t07", "t08", "t09" and 2 more], is "t03": true
      tenant.size between [1, 99.5], is 20: true
    bucket of user.key: 26014, and those from 1 to below 100000 go on to the next rule
  fallthrough: `on`
    bucket of tenant.key: 44959, and those from 0 to below 50000 get `on`
"#,
    );
}

#[test]
fn every_operator_shows_what_it_compares_with() {
    explains(
        "operators",
        json!({"user": {"email": ["x", "y"], "since": "2026-01-01T00:00:00Z", "app": "1.9-beta",
               "ip": "10.0.0.256", "n": 4}}),
        r#"operators serves `on`: fallthrough
  the flag is on: true
  rule `all`: no match
    any of: unknown
      user.email ends_with (ignoring case) ["@b", "@example.com"], is ["x", "y"]: false
      user.email in (ignoring case) [2, "b", "größe"], is ["x", "y"]: false
      user.email contains (ignoring case) ["ö", "a"], is ["x", "y"]: false
      user.email starts_with ["ab", "b"], is ["x", "y"]: false
      user.since before ["now"], is "2026-01-01T00:00:00Z": false
      user.since after ["2026-01-01T00:00:00Z"], is "2026-01-01T00:00:00Z": false
      user.app semver_gte ["v2.1"], is "1.9-beta": false
      user.app matches ["^v?3\\.", "\"beta\""], is "1.9-beta": false
      user.ip in_cidr ["10.0.0.0/8", "2001:db8::1/128"], is "10.0.0.256": unknown
      user.n in [1, 2.5, 3], is 4: false
  fallthrough: `on`
"#,
    );
}

#[test]
fn ignoring_case_is_a_field_of_its_step() {
    let context = JsonContext::read(&json!({"user": {"email": "ada@Example.com"}})).unwrap();
    let ruleset = ruleset();
    let explanation = ruleset.explain("operators", &context, Timestamp::from_millis(0));
    let step = &serde_json::to_value(&explanation).unwrap()["steps"][1]["steps"][0]["steps"][0];
    let expected = json!({
        "step": "attribute", "attribute": "user.email", "op": "ends_with", "ignore_case": true,
        "values": ["\"@b\"", "\"@example.com\""], "found": "\"ada@Example.com\"", "outcome": "true",
    });
    assert_eq!(step, &expected);
}

#[test]
fn what_decides_is_the_last_step() {
    explains(
        "checkout",
        json!({"tenant": {"key": "acme"}}),
        r#"checkout serves `on`: target_match
  the flag is on: true
  prerequisite `payments` serves one of ["on"]: true
    the flag is on: true
    fallthrough: `on`
  targeted by key: `on`
"#,
    );
    explains("dark", json!({}), "dark serves `off`: disabled\n  the flag is on: false\n");
    explains(
        "guarded",
        json!({}),
        r#"guarded serves `off`: prerequisite_failed
  the flag is on: true
  prerequisite `dark` serves one of ["on"]: false
    the flag is on: false
"#,
    );
}

#[test]
fn what_is_absent_is_unknown() {
    explains(
        "checkout",
        json!({"user": {"age": 1}}),
        r#"checkout serves `off`: fallthrough
  the flag is on: true
  prerequisite `payments` serves one of ["on"]: true
    the flag is on: true
    fallthrough: `on`
  targeted by key: no match
  rule `staff`: no match
    any of: unknown
      user.email ends_with ["@example.com"], is not there: unknown
      not: false
        user.age exists, is 1: true
  rule `eu-beta`: no match
    all of: unknown
      in segment `beta`: unknown
      tenant.size between [1, 99.5], is not there: unknown
  fallthrough: `off`, the off variant
    bucket of tenant.key: the context has none, so this decides nothing
"#,
    );
}

#[test]
fn as_json_it_is_the_answer_with_a_tree_of_steps() {
    let context = JsonContext::read(&json!({"tenant": {"key": "globex"}})).unwrap();
    let ruleset = ruleset();
    let explanation = ruleset.explain("guarded", &context, Timestamp::from_millis(0));
    let expected = json!({
        "flag": "guarded", "value": false, "variant": "off", "reason": "prerequisite_failed",
        "prerequisite": "dark", "version": 3, "revision": 5,
        "steps": [
            {"step": "state", "outcome": "true"},
            {"step": "prerequisite", "flag": "dark", "variants": ["on"], "outcome": "false",
             "steps": [{"step": "state", "outcome": "false"}]},
        ],
    });
    assert_eq!(serde_json::to_value(&explanation).unwrap(), expected);
}

#[test]
fn what_is_shown_of_a_value_is_json() {
    let text = "\u{7f}\u{0}'\"\\\n\u{85}\u{2028}e\u{301}\u{202e}";
    let values = json!([true, -3, 1e300, text]);
    let variant = "'\"\\";
    let flag = |key: &str, prerequisites: Value| {
        json!({"kind": "flag", "key": key, "version": 1, "definition": {
            "type": "boolean", "variants": [{"name": variant, "value": true}],
            "state": {"on": true, "off_variant": variant, "prerequisites": prerequisites,
                "rules": [{"id": "r", "serve": {"variant": variant},
                    "when": {"attribute": "user.it", "op": "in", "values": values}}],
                "fallthrough": {"variant": variant}}}})
    };
    let needs = json!([{"flag": "other", "variants": [variant]}]);
    let document = json!({"epoch": "e1", "revision": 5, "objects": [
        flag("other", json!([])), flag("shown", needs)]});
    let (ruleset, report) = Ruleset::compile(&serde_json::from_value(document).unwrap());
    assert!(report.is_clean(), "{report:?}");

    for it in [json!(text), json!([text, "a"]), json!(2.0), json!(-1e300), json!(7), json!(false)] {
        let context = JsonContext::read(&json!({"user": {"it": it}})).unwrap();
        let explanation = ruleset.explain("shown", &context, Timestamp::from_millis(0));
        let tree = serde_json::to_value(&explanation).unwrap();
        let test = &tree["steps"][2]["steps"][0];
        let read = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
        let shown = |value: &Value| read(value.as_str().unwrap());
        assert_eq!(shown(&test["found"]), it);
        assert_eq!(test["values"].as_array().unwrap().iter().map(shown).collect::<Value>(), values);

        let text = explanation.to_string();
        let line = text.lines().find_map(|line| line.trim().strip_prefix("user.it in ")).unwrap();
        let (compared, found) = line.split_once(", is ").unwrap();
        assert_eq!(read(compared), values);
        assert_eq!(read(found.rsplit_once(": ").unwrap().0), it);
        let line = text.lines().find_map(|line| line.split_once(" serves one of ")).unwrap().1;
        assert_eq!(read(line.strip_suffix(": true").unwrap()), json!([variant]));
    }
}

//! Explanations, to the letter: what people read when they ask why, and programs.
//!
//! Each is a file in `snapshots`. One that differs fails, and is written beside it; with
//! `INSTA_UPDATE=always` in the environment it takes its place, for the difference to be reviewed.

#![cfg(test)]

use flags_core::{Document, Flag, JsonContext, Ruleset, Timestamp};
use serde_json::{Value, json};

fn boolean(key: &str, state: Value) -> Value {
    let mut whole = json!({"on": true, "off_variant": "off", "fallthrough": {"variant": "off"}});
    whole.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
    json!({"kind": "flag", "key": key, "version": 3, "definition": {
        "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": whole}})
}

fn rule(id: &str, when: Value) -> Value {
    json!({"id": id, "serve": {"variant": "on"}, "when": when})
}

fn test(attribute: &str, op: &str, values: Value) -> Value {
    json!({"attribute": attribute, "op": op, "values": values})
}

fn ignoring_case(attribute: &str, op: &str, values: Value) -> Value {
    let mut test = test(attribute, op, values);
    test["ignore_case"] = true.into();
    test
}

fn ruleset() -> Ruleset {
    let staff = json!({"any": [
        test("user.email", "ends_with", json!(["@example.com"])),
        {"not": test("user.age", "exists", json!([]))}]});
    let beta = json!({"all": [
        {"segment": "beta"}, test("tenant.size", "between", json!([1, 99.5]))]});
    let many: Vec<String> = (0..12).map(|n| format!("t{n:02}")).collect();
    let shares = json!([{"variant": "on", "weight": 30_000}, {"variant": "off", "weight": 70_000}]);
    let document = json!({"epoch": "e1", "revision": 5, "objects": [
        boolean("dark", json!({"on": false})),
        boolean("light", json!({"fallthrough": {"variant": "on"}})),
        boolean("guarded", json!({"prerequisites": [
            {"flag": "light", "variants": ["on", "off"]}, {"flag": "dark", "variants": ["on"]}]})),
        boolean("rules", json!({
            "prerequisites": [{"flag": "light", "variants": ["on"]}],
            "targets": [{"kind": "tenant", "keys": ["acme"], "variant": "on"}],
            "rules": [rule("staff", staff), rule("beta", beta)]})),
        boolean("sold", json!({"requires": {"feature": "export"},
            "rules": [rule("plus", json!({"all": [
                test("tenant.$plan", "equals", json!(["plus"])),
                test("tenant.$features", "in", json!(["export", "audit"]))]}))]})),
        boolean("sold-to-write", json!({"requires": {"feature": "export", "write": true}})),
        boolean("split", json!({"fallthrough": {"split": {"by": "tenant", "weights": shares.clone()}}})),
        boolean("ramp", json!({"fallthrough": {"ramp": {
            "by": "tenant", "variant": "on", "rest": "off", "from": 0, "to": 100_000,
            "start": "1970-01-01T00:00:00Z", "end": "1970-01-01T00:00:10Z"}}})),
        boolean("goes-on", json!({"rules": [
            {"id": "few", "when": test("user.key", "exists", json!([])),
             "serve": {"split": {"by": "user", "weights": [
                {"variant": "off", "weight": 1}, {"weight": 99_999}]}}},
            rule("rest", test("user.key", "exists", json!([])))]})),
        boolean("texts", json!({"rules": [rule("all", json!({"any": [
            test("user.roles", "in", json!(["admin", true, 7])),
            ignoring_case("user.roles", "in", json!(["Größe", 2, "B"])),
            test("user.roles", "starts_with", json!(["b", "abc", "ab"])),
            ignoring_case("user.roles", "ends_with", json!(["@EXAMPLE.com", "@b"])),
            test("user.roles", "contains", json!(["z"])),
            ignoring_case("user.roles", "contains", json!(["Ö", "X"]))]}))]})),
        boolean("formats", json!({"rules": [rule("all", json!({"any": [
            test("user.n", "equals", json!([3])),
            test("user.n", "in", json!([3, 1, 2.5, 1.0])),
            test("user.n", "lt", json!([0.5])),
            test("user.since", "before", json!(["now"])),
            test("user.since", "after", json!([1_767_225_600_000_i64])),
            test("user.app", "semver_gte", json!(["v2.1"])),
            test("user.app", "matches", json!(["^v?3\\.", "\"beta\""])),
            test("user.ip", "in_cidr", json!(["::ffff:10.0.0.0/104", "2001:DB8::1"]))]}))]})),
        boolean("invalid", json!({"off_variant": "none"})),
        boolean("stored", json!({
            "rules": [
                rule("all", json!({"all": [
                    test("tenant.country", "in", json!(["DE", "FR"])),
                    test("tenant.regions", "in", json!(["eu"])),
                    test("tenant.size", "gt", json!([100]))]}))],
            "fallthrough": {"split": {"by": "tenant.country", "weights": shares}}})),
        {"kind": "tenant", "key": "acme", "version": 4, "definition": {"attributes": {
            "country": "DE", "regions": ["eu", "us"], "size": 120}}},
        {"kind": "feature", "key": "export", "version": 5, "definition": {
            "type": "boolean", "combine": "any"}},
        {"kind": "plan", "key": "plus", "version": 5, "definition": {"versions": [
            {"version": 1, "grants": {"export": true}}]}},
        {"kind": "tenant", "key": "globex", "version": 5, "definition": {
            "plan": "plus", "plan_version": 1,
            "blocks": [{"lane": "manual", "effect": "read_only"}]}},
        {"kind": "segment", "key": "beta", "version": 2, "definition": {
            "kind": "tenant", "when": test("tenant.key", "in", json!(many))}},
    ]});
    let document: Document = serde_json::from_value(document).unwrap();
    let (ruleset, report) = Ruleset::compile(&document);
    let invalid: Vec<_> = report.invalid.iter().map(|object| &*object.key).collect();
    assert_eq!(invalid, ["invalid"], "{report:?}");
    ruleset
}

/// Compares the question, the text and the tree with the snapshot `name`.
fn explains(name: &str, ruleset: &Ruleset, flag: &str, context: Value) {
    let read = JsonContext::read(&context).unwrap();
    let explanation = ruleset.explain(flag, &read, Timestamp::from_millis(5_000));
    let tree = serde_json::to_string_pretty(&explanation).unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!(name, format!("{flag} for {context}\n\n{explanation}\n{tree}"));
    });
}

macro_rules! explanations {
    ($($name:ident: $flag:literal for $context:tt;)*) => {$(
        #[test]
        fn $name() {
            explains(stringify!($name), &ruleset(), $flag, json!($context));
        }
    )*};
}

explanations! {
    off: "dark" for {};
    prerequisite_failed: "guarded" for {};
    target: "rules" for {"tenant": {"key": "acme"}};
    rule_any: "rules" for {"user": {"email": "ada@example.com", "age": 41}};
    rule_not: "rules" for {"user": {"email": "ada@example.org"}};
    rule_all_and_segment: "rules" for
        {"user": {"email": "", "age": 41}, "tenant": {"key": "t03", "size": 20}};
    no_rule: "rules" for {"user": {"email": [], "age": 41}, "tenant": {"key": "t12", "size": 20}};
    attribute_missing: "rules" for {"user": {"age": 1}, "tenant": {"key": "t03"}};
    split: "split" for {"tenant": {"key": "globex"}};
    split_without_unit: "split" for {"user": {"key": "u-1"}};
    ramp: "ramp" for {"tenant": {"key": "globex"}};
    goes_on: "goes-on" for {"user": {"key": "u-1"}};
    list: "texts" for {"user": {"roles": ["x", "y"]}};
    list_matches: "texts" for {"user": {"roles": ["x", "GRÖSSE", "größe"]}};
    formats: "formats" for {"user": {"n": 4, "since": "2026-01-01T00:00:00Z",
        "app": "1.9.0-beta", "ip": "10.0.0.256"}};
    formats_match: "formats" for {"user": {"n": 2.0, "since": 1_767_225_600_000_i64,
        "app": "2.0.9", "ip": "10.255.0.1"}};
    stored: "stored" for {"tenant": {"key": "acme", "size": 20}};
    entitled: "sold" for {"tenant": {"key": "globex"}};
    not_entitled: "sold" for {"tenant": {"key": "acme"}};
    not_entitled_to_write: "sold-to-write" for {"tenant": {"key": "globex"}};
    invalid: "invalid" for {};
    not_found: "nothing" for {};
}

#[test]
fn local_override() {
    const RULES: Flag<bool> = Flag::new("rules", false);
    let ruleset = ruleset().overriding([&RULES.to(true)]);
    explains("local_override", &ruleset, "rules", json!({"tenant": {"key": "acme"}}));
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

//! Everything that is wrong with a definition is reported at once, each with its place.

#![cfg(test)]

use flags_core::{
    Document, Entity, Epoch, FLAG, FlagDefinition, Object, Ruleset, SEGMENT, SegmentDefinition,
    Shape, Timestamp, check_flag, check_segment,
};
use serde_json::{Value, json};

fn flag() -> Value {
    json!({
        "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": {
            "on": true, "off_variant": "off", "salt": null,
            "prerequisites": [{"flag": "payments", "variants": ["on"]}],
            "targets": [{"kind": "tenant", "keys": ["acme"], "variant": "on"}],
            "rules": [{"id": "r1", "when": {"all": [
                {"attribute": "tenant.country", "op": "in", "values": ["DE"], "ignore_case": true},
                {"any": [{"segment": "beta"}, {"not": {"attribute": "user.key", "op": "exists"}}]}
            ]}, "serve": {"split": {"by": "tenant", "weights": [
                {"variant": "on", "weight": 1000}, {"weight": 99000}]}}}],
            "fallthrough": {"ramp": {"by": "user", "variant": "on", "rest": "off", "from": 0,
                "to": 1000, "start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}}
        }
    })
}

fn segment() -> Value {
    json!({"kind": "tenant", "included": ["acme"], "excluded": ["globex"],
           "when": {"attribute": "tenant.seats", "op": "gte", "values": [5]}})
}

/// What is reported when `value` is put at `pointer` (which may be new in its object).
#[track_caller]
fn faults(mut json: Value, pointer: &str, value: Value) -> Vec<(String, String)> {
    let (parent, token) = pointer.rsplit_once('/').unwrap();
    let parent = json.pointer_mut(parent).unwrap();
    match parent {
        Value::Object(object) => drop(object.insert(token.to_owned(), value)),
        Value::Array(array) => array[token.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer} leads nowhere"),
    }
    let is_segment = json.get("kind").is_some();
    let mut found = if is_segment { SEGMENT.check(&json) } else { FLAG.check(&json) };
    if found.is_empty() {
        found = if is_segment {
            check_segment(&serde_json::from_value(json).unwrap())
        } else {
            check_flag(&serde_json::from_value(json).unwrap())
        };
    }
    found.into_iter().map(|d| (d.pointer, d.code)).collect()
}

#[track_caller]
fn flag_fault(pointer: &str, value: Value, at: &str, code: &str) {
    assert_eq!(faults(flag(), pointer, value), [(at.to_owned(), code.to_owned())]);
}

/// Adds an element to a list of a flag.
#[track_caller]
fn flag_fault_in(mut flag: Value, pointer: &str, added: Value, at: &str, code: &str) {
    let (list, _) = pointer.rsplit_once('/').unwrap();
    flag.pointer_mut(list).unwrap().as_array_mut().unwrap().push(json!(null));
    assert_eq!(faults(flag, pointer, added), [(at.to_owned(), code.to_owned())]);
}

#[track_caller]
fn segment_fault(pointer: &str, value: Value, at: &str, code: &str) {
    assert_eq!(faults(segment(), pointer, value), [(at.to_owned(), code.to_owned())]);
}

#[test]
fn the_examples_are_right() {
    assert_eq!(FLAG.check(&flag()), []);
    assert_eq!(check_flag(&serde_json::from_value(flag()).unwrap()), []);
    assert_eq!(SEGMENT.check(&segment()), []);
    assert_eq!(check_segment(&serde_json::from_value(segment()).unwrap()), []);
}

#[test]
fn every_problem_is_found_not_the_first() {
    let json = json!({
        "type": "integer", "colour": 1,
        "variants": [{"name": "on", "value": true}],
        "state": {"on": "yes", "fallthrough": {"splat": 1}, "rules": [{"id": 3, "when": {}}]},
    });
    let found: Vec<_> = FLAG.check(&json).into_iter().map(|d| (d.pointer, d.code)).collect();
    let expected = [
        ("/colour", "unknown_field"),
        ("/state/fallthrough", "missing_field"),
        ("/state/on", "wrong_type"),
        ("/state/rules/0/id", "wrong_type"),
        ("/state/rules/0/when", "missing_field"),
        ("/state/rules/0", "missing_field"),
        ("/state", "missing_field"),
    ];
    assert_eq!(found, expected.map(|(p, c)| (p.to_owned(), c.to_owned())));

    let mut json = flag();
    json["state"]["off_variant"] = json!("gone");
    json["state"]["targets"][0]["variant"] = json!("gone");
    json["state"]["rules"][0]["serve"]["split"]["weights"][0]["weight"] = json!(2);
    json["variants"][1]["value"] = json!("false");
    let found: Vec<_> = check_flag(&serde_json::from_value(json).unwrap())
        .into_iter()
        .map(|d| (d.pointer, d.code))
        .collect();
    let expected = [
        ("/variants/1/value", "wrong_type"),
        ("/state/off_variant", "unknown_variant"),
        ("/state/targets/0/variant", "unknown_variant"),
        ("/state/rules/0/serve/split/weights", "weights_total"),
    ];
    assert_eq!(found, expected.map(|(p, c)| (p.to_owned(), c.to_owned())));
}

#[test]
fn variants() {
    let mut many = flag();
    many["variants"] = (0..257).map(|i| json!({"name": format!("v{i}"), "value": true})).collect();
    let found = check_flag(&serde_json::from_value(many).unwrap());
    assert_eq!((&*found[0].pointer, &*found[0].code), ("/variants", "variant_count"));
    let two = json!([{"name": "on", "value": true}, {"name": "off", "value": false},
                     {"name": "on", "value": false}]);
    flag_fault("/variants", two, "/variants/2/name", "duplicate");
    let control = json!([{"name": "on", "value": true}, {"name": "off", "value": false},
                         {"name": "a\nb", "value": false}]);
    flag_fault("/variants", control, "/variants/2/name", "invalid_name");
    flag_fault("/variants/0/value", json!(1), "/variants/0/value", "wrong_type");
    flag_fault("/variants/0/value", Value::Null, "/variants/0/value", "wrong_type");
    flag_fault("/type", json!("text"), "/type", "wrong_type");
}

#[test]
fn floats_take_the_integers_that_they_hold_exactly() {
    let float = |value: Value| {
        let json = json!({"type": "float", "variants": [{"name": "v", "value": value}],
            "state": {"on": true, "off_variant": "v", "fallthrough": {"variant": "v"}}});
        check_flag(&serde_json::from_value(json).unwrap()).len()
    };
    assert_eq!(float(json!(9_007_199_254_740_992_i64)), 0);
    assert_eq!(float(json!(9_007_199_254_740_993_i64)), 1);
    assert_eq!(float(json!(u64::MAX)), 1);
    assert_eq!(float(json!(-1.5)), 0);
    assert_eq!(float(json!("1.5")), 1);
}

/// serde_json reads some floats as a neighbour of the nearest, unless it is told not to: a condition
/// then missed the very number that it names.
#[test]
fn floats_are_the_nearest_to_what_is_written() {
    const SHARE: f64 = 27768.979400634766;
    let flag = r#"{
        "type": "float", "variants": [{"name": "share", "value": 27768.979400634766}, {"name": "0", "value": 0}],
        "state": {"on": true, "off_variant": "0", "fallthrough": {"variant": "0"}, "rules": [
            {"id": "r", "serve": {"variant": "share"},
             "when": {"attribute": "user.x", "op": "equals", "values": [27768.979400634766]}}]}
    }"#;
    let flag: FlagDefinition = serde_json::from_str(flag).unwrap();
    let mut document = Document::empty(Epoch::new("e1"));
    document.objects.push(Object::new("flag", "f", 1, &flag).unwrap());
    let (ruleset, _) = Ruleset::compile(&document);
    let attributes = [("x", SHARE.into())];
    let user = Entity::user("u").with(&attributes);
    let answer = ruleset.evaluate("f", &user, Timestamp::from_millis(0));
    assert_eq!(answer.value, Some(flags_core::Value::Float(SHARE)));
}

#[test]
fn states() {
    flag_fault("/state/off_variant", json!("of"), "/state/off_variant", "unknown_variant");
    flag_fault("/state/on", json!(1), "/state/on", "wrong_type");
    flag_fault("/state/onn", json!(true), "/state/onn", "unknown_field");
    flag_fault("/state/a~b~1c", json!(1), "/state/a~0b~01c", "unknown_field");
    flag_fault(
        "/state/fallthrough",
        json!({"variant": "x"}),
        "/state/fallthrough/variant",
        "unknown_variant",
    );
    flag_fault(
        "/state/fallthrough",
        json!({"variant": "on", "split": {}}),
        "/state/fallthrough/split",
        "unknown_field",
    );
}

#[test]
fn prerequisites() {
    let at = "/state/prerequisites";
    flag_fault(
        at,
        json!([{"flag": "a", "variants": []}]),
        "/state/prerequisites/0/variants",
        "empty",
    );
    let twice = json!([{"flag": "a", "variants": ["on"]}, {"flag": "a", "variants": ["off"]}]);
    flag_fault(at, twice, "/state/prerequisites/1/flag", "duplicate");
    let many: Value =
        (0..33).map(|i| json!({"flag": format!("f{i}"), "variants": ["on"]})).collect();
    flag_fault(at, many, "/state/prerequisites", "too_many");
}

#[test]
fn targets() {
    let target = |kind, keys: Value| json!([{"kind": kind, "keys": keys, "variant": "on"}]);
    let at = "/state/targets";
    flag_fault(at, target("ten.ant", json!([])), "/state/targets/0/kind", "invalid_kind");
    flag_fault(at, target("tenant", json!(["a", ""])), "/state/targets/0/keys/1", "invalid_key");
    flag_fault(
        at,
        target("tenant", json!(["a", "b", "a"])),
        "/state/targets/0/keys/2",
        "duplicate",
    );
    let two = json!([{"kind": "tenant", "keys": ["a"], "variant": "on"},
                     {"kind": "user", "keys": ["a"], "variant": "on"},
                     {"kind": "tenant", "keys": ["b", "a"], "variant": "off"}]);
    flag_fault(at, two, "/state/targets/2/keys/1", "duplicate");
}

#[test]
fn rules() {
    let rule = |id: &str| json!({"id": id, "when": {"all": []}, "serve": {"variant": "on"}});
    flag_fault("/state/rules/0/id", json!("no spaces"), "/state/rules/0/id", "invalid_key");
    flag_fault("/state/rules", json!([rule("a"), rule("a")]), "/state/rules/1/id", "duplicate");
    let many: Value = (0..101).map(|i| rule(&format!("r{i}"))).collect();
    flag_fault("/state/rules", many, "/state/rules", "too_many");
}

#[test]
fn conditions() {
    let when = "/state/rules/0/when";
    let ask = |op: &str, values: Value| json!({"attribute": "user.x", "op": op, "values": values});
    let at = |rest: &str| format!("{when}{rest}");
    let ignoring_case = |mut condition: Value| {
        condition["ignore_case"] = json!(true);
        condition
    };
    for (condition, place, code) in [
        (ask("exists", json!([1])), "/values", "value_count"),
        (ask("equals", json!([])), "/values", "value_count"),
        (ask("equals", json!(["a", "b"])), "/values", "value_count"),
        (ask("in", json!([])), "/values", "value_count"),
        (ask("in", json!([null])), "/values/0", "wrong_type"),
        (ask("in", json!([1, {"a": 1}])), "/values/1", "wrong_type"),
        (ask("equals", json!([u64::MAX])), "/values/0", "wrong_type"),
        (ask("lt", json!(["5"])), "/values/0", "wrong_type"),
        (ask("between", json!([5])), "/values", "value_count"),
        (ask("between", json!([5, 1])), "/values", "out_of_range"),
        (ask("starts_with", json!(["a", 1])), "/values/1", "wrong_type"),
        (ask("starts_with", vec!["a"; 1_001].into()), "/values", "too_many"),
        (ask("contains", json!([])), "/values", "value_count"),
        (ask("before", json!([])), "/values", "value_count"),
        (ask("after", json!([1, 2])), "/values", "value_count"),
        (ask("before", json!(["soon"])), "/values/0", "invalid_time"),
        (ask("before", json!(["2026-01-01T00:00:00+0100"])), "/values/0", "invalid_time"),
        (ask("after", json!([1.5])), "/values/0", "wrong_type"),
        (ask("after", json!([u64::MAX])), "/values/0", "wrong_type"),
        (ask("semver_eq", json!([])), "/values", "value_count"),
        (ask("semver_lt", json!(["1.2.3.4"])), "/values/0", "invalid_version"),
        (ask("semver_lte", json!([1])), "/values/0", "wrong_type"),
        (ask("semver_gt", json!(["1", "2"])), "/values", "value_count"),
        (ask("matches", json!([])), "/values", "value_count"),
        (ask("matches", vec!["a"; 11].into()), "/values", "too_many"),
        (ask("matches", json!(["a", 1])), "/values/1", "wrong_type"),
        (ask("matches", json!(["a", "(b"])), "/values/1", "invalid_pattern"),
        (ask("matches", json!(["[ä]"])), "/values/0", "invalid_pattern"),
        (ask("matches", json!(["a".repeat(513)])), "/values/0", "pattern_too_large"),
        (ask("matches", json!(["a".repeat(10_000_000)])), "/values/0", "pattern_too_large"),
        (ask("matches", json!(["(".repeat(500)])), "/values/0", "invalid_pattern"),
        (ask("matches", json!(["(a{1000}){1000}"])), "/values/0", "pattern_too_large"),
        (ask("matches", json!(["[a-z]{500}.*{500}"])), "/values/0", "pattern_too_large"),
        // After the first that is too costly no other is built: its time is spent.
        (
            ask("matches", json!(["(a|b)*a(a|b){14}", "(a|b)*a(a|b){15}"])),
            "/values/0",
            "pattern_too_large",
        ),
        (ask("in_cidr", json!([])), "/values", "value_count"),
        (ask("in_cidr", json!(["10.0.0.0/8", 10])), "/values/1", "wrong_type"),
        (ask("in_cidr", json!(["10.0.0.0/33"])), "/values/0", "invalid_network"),
        (ask("in_cidr", json!(["10.1.2.3/8"])), "/values/0", "invalid_network"),
        (ignoring_case(ask("lt", json!([1]))), "/ignore_case", "not_applicable"),
        (ignoring_case(ask("exists", json!([]))), "/ignore_case", "not_applicable"),
        (ignoring_case(ask("matches", json!(["a"]))), "/ignore_case", "not_applicable"),
        (ask("sounds_like", json!(["a"])), "/op", "wrong_type"),
        (json!({"attribute": "user.x", "op": "equals", "value": 1}), "/value", "unknown_field"),
        (json!({"attribute": "user.x"}), "", "missing_field"),
        (json!({"attribute": "user", "op": "exists"}), "/attribute", "invalid_attribute"),
        (json!({"attribute": ".x", "op": "exists"}), "/attribute", "invalid_attribute"),
        (json!({"attribute": "user.", "op": "exists"}), "/attribute", "invalid_attribute"),
        (json!({"all": {}}), "/all", "wrong_type"),
        (json!({"not": []}), "/not", "wrong_type"),
        (json!({"segment": 1}), "/segment", "wrong_type"),
        (json!([]), "", "wrong_type"),
        (json!({}), "", "missing_field"),
    ] {
        flag_fault(when, condition, &at(place), code);
    }
    let mut deep = json!({"all": []});
    for level in 1..=8 {
        assert_eq!(faults(flag(), when, deep.clone()), [], "{level} groups");
        deep = if level % 2 == 0 { json!({"any": [deep]}) } else { json!({"not": deep}) };
    }
    let found = faults(flag(), when, deep);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1, "too_deep");
}

/// Every sentence is whole by itself.
#[test]
fn what_is_said_of_a_value() {
    let said = |op: &str, value: Value| {
        let mut json = flag();
        json["state"]["rules"][0]["when"] =
            json!({"attribute": "user.x", "op": op, "values": [value]});
        let found = check_flag(&serde_json::from_value(json).unwrap());
        found.into_iter().map(|d| d.message).collect::<Vec<_>>().join(" / ")
    };
    for (op, value, sentence) in [
        (
            "before",
            "tomorrow",
            "expected RFC 3339, such as `2026-11-20T12:00:00Z`, `now`, or an integer, the \
             milliseconds since 1970",
        ),
        ("semver_eq", "latest", "expected a version, such as `1.4.0` or `2.0-rc.1`"),
        (
            "in_cidr",
            "10.1.2.3/8",
            "the address has bits beyond the length: the network is `10.0.0.0/8`",
        ),
        (
            "in_cidr",
            "localhost",
            "expected a network or an address, such as `10.0.0.0/8`, `2001:db8::/32`, `10.1.2.3`",
        ),
        ("matches", "a(b", "unclosed group (at byte 1)"),
        ("matches", r"\B", r"there is no `\B`, nor halves of `\b` (at byte 0)"),
        (
            "matches",
            "(a{1000}){1000}",
            "the pattern is too costly: fewer or smaller repetitions make it cheaper",
        ),
    ] {
        assert_eq!(said(op, json!(value)), sentence);
    }
}

/// What each condition may cost is bounded, and so is what all of an object may.
#[test]
fn budgets() {
    let when = "/state/rules/0/when";
    let ask = |op: &str, values: Value| json!({"attribute": "user.x", "op": op, "values": values});
    let many = |count: usize, condition: &Value| json!({"any": vec![condition; count]});
    let folded = json!({"attribute": "user.x", "op": "in", "values": ["a"], "ignore_case": true});
    let exists = ask("exists", json!([]));
    // The most there may be, and where what is one more is told.
    for (most, more, place) in [
        (many(999, &exists), many(1_000, &exists), "/any/999"),
        (
            many(100, &json!({"segment": "s"})),
            many(101, &json!({"segment": "s"})),
            "/any/100/segment",
        ),
        (ask("contains", vec!["a"; 250].into()), ask("contains", vec!["a"; 251].into()), "/values"),
        (
            many(25, &ask("matches", vec!["a"; 10].into())),
            many(26, &ask("matches", vec!["a"; 10].into())),
            "/any/25/values",
        ),
        (many(250, &folded), many(251, &folded), "/any/250/values"),
        (
            many(250, &ask("semver_eq", json!(["1"]))),
            many(300, &ask("semver_eq", json!(["1"]))),
            "/any/250/values",
        ),
        (
            many(250, &ask("in_cidr", json!(["::1"]))),
            many(251, &ask("in_cidr", json!(["::1"]))),
            "/any/250/values",
        ),
    ] {
        assert_eq!(faults(flag(), when, most), []);
        flag_fault(when, more, &format!("{when}{place}"), "too_many");
    }
    // The sum is that of all rules, and patterns that are large by themselves add up.
    let mut two = flag();
    let mut rule = two["state"]["rules"][0].clone();
    rule["id"] = json!("r2");
    rule["when"] = ask("contains", vec!["a"; 130].into());
    two["state"]["rules"][0]["when"] = rule["when"].clone();
    flag_fault_in(two, "/state/rules/1", rule, "/state/rules/1/when/values", "too_many");
    let large: Vec<String> = (0..60).map(|n| format!("^[a-z]{{{}}}.{{70}}$", n + 1)).collect();
    let large: Vec<Value> = large.chunks(10).map(|ten| ask("matches", json!(ten))).collect();
    let found = faults(flag(), when, json!({"any": large}));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].1, "too_many");

    let ask =
        |op: &str, values: Value| json!({"attribute": "tenant.x", "op": op, "values": values});
    let exists = ask("exists", json!([]));
    assert_eq!(faults(segment(), "/when", many(99, &exists)), []);
    segment_fault("/when", many(100, &exists), "/when/any/99", "too_many");
    assert_eq!(faults(segment(), "/when", ask("contains", vec!["a"; 25].into())), []);
    segment_fault("/when", ask("contains", vec!["a"; 26].into()), "/when/values", "too_many");
}

#[test]
fn splits_and_ramps() {
    let fallthrough = "/state/fallthrough";
    let split = |weights: Value| json!({"split": {"by": "tenant", "weights": weights}});
    let entry = |weight: Value| json!({"variant": "on", "weight": weight});
    let ramp = |field: &str, value: Value| {
        let mut ramp = flag()["state"]["fallthrough"].clone();
        ramp["ramp"][field] = value;
        ramp
    };
    for (serve, place, code) in [
        (split(json!([])), "/split/weights", "weights_total"),
        (split(json!([entry(json!(99_999))])), "/split/weights", "weights_total"),
        (
            split(json!([entry(json!(u32::MAX)), entry(json!(u32::MAX))])),
            "/split/weights",
            "weights_total",
        ),
        (split(json!([entry(json!(-1))])), "/split/weights/0/weight", "wrong_type"),
        (split(json!([entry(json!(0.5))])), "/split/weights/0/weight", "wrong_type"),
        (split(json!([{"weight": 100_000}])), "/split/weights/0", "missing_field"),
        (json!({"split": {"weights": [entry(json!(100_000))]}}), "/split", "missing_field"),
        (
            json!({"split": {"by": "a b", "weights": [entry(json!(100_000))]}}),
            "/split/by",
            "invalid_attribute",
        ),
        (
            json!({"split": {"by": "user", "bucketing": "md5", "weights": [entry(json!(100_000))]}}),
            "/split/bucketing",
            "wrong_type",
        ),
        (ramp("to", json!(100_001)), "/ramp/to", "out_of_range"),
        (ramp("from", json!(1001)), "/ramp/from", "out_of_range"),
        (ramp("start", json!("soon")), "/ramp/start", "invalid_time"),
        (ramp("end", json!("2026-01-01T00:00:00Z")), "/ramp/end", "out_of_range"),
        (ramp("rest", json!("rest")), "/ramp/rest", "unknown_variant"),
    ] {
        flag_fault(fallthrough, serve, &format!("{fallthrough}{place}"), code);
    }
}

#[test]
fn segments() {
    let ask = |attribute: &str| json!({"attribute": attribute, "op": "exists"});
    for (pointer, value, place, code) in [
        ("/included", json!(["a", "a"]), "/included/1", "duplicate"),
        ("/excluded", json!([".."]), "/excluded/0", "invalid_key"),
        ("/excluded", json!("a"), "/excluded", "wrong_type"),
        ("/members", json!([]), "/members", "unknown_field"),
        ("/when", ask("user.x"), "/when/attribute", "wrong_kind"),
        ("/when", json!({"segment": "other"}), "/when/segment", "nested_segment"),
        (
            "/when",
            json!({"any": [{"not": ask("user.x")}]}),
            "/when/any/0/not/attribute",
            "wrong_kind",
        ),
    ] {
        segment_fault(pointer, value, place, code);
    }
    // The condition of the example is of another kind then, and says so too.
    let found = faults(segment(), "/kind", json!("a.b"));
    assert!(found.contains(&("/kind".to_owned(), "invalid_kind".to_owned())), "{found:?}");
}

/// Every way to damage one place of a valid document: serde accepts exactly what has its shape.
#[test]
fn what_has_its_shape_is_what_serde_accepts() {
    let mut damaged = 0;
    for (shape, json, accepts) in [
        (
            &FLAG,
            flag(),
            (|json| serde_json::from_value::<FlagDefinition>(json).is_ok()) as fn(Value) -> bool,
        ),
        (&SEGMENT, segment(), |json| serde_json::from_value::<SegmentDefinition>(json).is_ok()),
    ] {
        let mut places = Vec::new();
        collect_places(&json, String::new(), &mut places);
        for place in &places {
            for replacement in [
                Value::Null,
                json!(true),
                json!(1),
                json!(-1),
                json!(1.5),
                json!(u64::MAX),
                json!("x"),
                json!([]),
                json!([1]),
                json!({}),
                json!({"variant": "on"}),
                json!({"all": []}),
            ] {
                let mut json = json.clone();
                *json.pointer_mut(place).unwrap() = replacement;
                compare(shape, json, accepts, place);
                damaged += 1;
            }
            let mut without = json.clone();
            remove(&mut without, place);
            compare(shape, without, accepts, place);
        }
    }
    assert!(damaged > 500, "{damaged}");
}

#[track_caller]
fn compare(shape: &Shape, json: Value, accepts: fn(Value) -> bool, place: &str) {
    let found = shape.check(&json);
    assert_eq!(found.is_empty(), accepts(json.clone()), "{place}: {found:?}\n{json}");
}

fn collect_places(json: &Value, at: String, places: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match json {
        Value::Object(object) => object.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(array) => array.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (token, child) in children {
        collect_places(child, format!("{at}/{token}"), places);
    }
    places.push(at);
}

fn remove(json: &mut Value, place: &str) {
    let Some((parent, token)) = place.rsplit_once('/') else { return };
    match json.pointer_mut(parent) {
        Some(Value::Object(object)) => drop(object.remove(token)),
        Some(Value::Array(array)) => drop(array.remove(token.parse().unwrap())),
        _ => unreachable!("{place} has a parent"),
    }
}

//! The core against a naive interpreter of docs/semantics.md, over generated environments and
//! contexts, reasons included.

#![cfg(test)]

#[path = "oracle/contracts.rs"]
mod contracts;
#[path = "oracle/mod.rs"]
mod oracle;

use flags_core::{Document, JsonContext, Ruleset, Timestamp};
use oracle::Oracle;
use proptest::prelude::*;
use serde_json::{Value, json};

const TENANTS: [&str; 4] = ["acme", "globex", "initech", "größe"];
const NUMBERS: [f64; 4] = [-1.5, 0.0, 2.0, 9_007_199_254_740_992.0];
const INTEGERS: [i64; 4] = [0, 2, 9_007_199_254_740_992, 9_007_199_254_740_993];
const TEXTS: [&str; 7] = ["", "a", "ab", "abc", "b", "DE", "ö"];
/// Each with what ignoring case makes of it, and what it does not.
const CASED: [&str; 10] =
    ["de", "De", "größe", "GRÖẞE", "GRÖSSE", "k", "\u{212A}", "ΟΔΟΣ", "οδος", "xDEx größe"];
const DATES: [&str; 6] = [
    "2025-12-31T23:59:59.9999Z",
    "2026-01-01T00:00:00Z",
    "2026-01-01T01:00:01+01:00",
    "2026-01-01T00:00:01.0009Z",
    "1969-12-31T23:59:59.9999Z",
    "2016-12-31T23:59:60Z",
];
const NO_DATES: [&str; 4] =
    ["now", "2026-01-01", "2026-01-01T00:00:00+0100", "2026-02-29T00:00:00Z"];
const VERSIONS: [&str; 9] = [
    "1",
    "v1.0.0+b",
    "1.0.0-rc.1",
    "1-rc.02",
    "1.0.0-rc.x",
    "1.0.0--",
    "1.10",
    "0.9.1",
    "2026.01.05",
];
const NO_VERSIONS: [&str; 4] = ["", "1.0.0.0", "1.0-", "latest"];
const ADDRESSES: [&str; 6] =
    ["10.0.0.0", "10.1.2.3", "::ffff:10.1.2.3", "::1", "2001:db8::ffff", "11.0.0.0"];
const NO_ADDRESSES: [&str; 3] = ["10.1", "fe80::1%eth0", "10.1.2.3/32"];
const NETWORKS: [&str; 9] = [
    "10.0.0.0/8",
    "10.1.2.3",
    "10.1.2.2/31",
    "0.0.0.0/0",
    "::ffff:10.0.0.0/104",
    "::/0",
    "::/127",
    "2001:db8::/112",
    "::1",
];
const PATTERNS: [&str; 10] = [
    "^a",
    "b$",
    "^.{2}$",
    "^[^a]$",
    r"\w\W",
    r"^\d+\.",
    r"\bdb8\b",
    "(ö|a+b)",
    "a{2}|[0-9]{4}-",
    "",
];
const VARIANTS: [&str; 3] = ["red", "green", "blue"];
const NOW_MS: i64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z

fn pick<T: Clone + std::fmt::Debug + 'static>(from: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(from)
}

fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        3 => pick(&TEXTS).prop_map(|text| json!(text)),
        2 => pick(&INTEGERS).prop_map(|number| json!(number)),
        2 => pick(&NUMBERS).prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(|truth| json!(truth)),
    ]
    .boxed()
}

/// What an attribute may be: all that an operator is near to.
fn found() -> BoxedStrategy<Value> {
    let texts = prop_oneof![
        pick(&TEXTS),
        pick(&CASED),
        prop_oneof![pick(&DATES), pick(&NO_DATES)],
        prop_oneof![pick(&VERSIONS), pick(&NO_VERSIONS)],
        prop_oneof![pick(&ADDRESSES), pick(&NO_ADDRESSES)],
    ];
    let texts = texts.boxed();
    prop_oneof![
        4 => scalar(),
        4 => texts.clone().prop_map(|text| json!(text)),
        1 => (-3..3_i64).prop_map(|ms| json!(NOW_MS + ms)),
        2 => prop::collection::vec(texts, 0..3).prop_map(|texts| json!(texts)),
    ]
    .boxed()
}

fn some_of(from: &'static [&'static str]) -> BoxedStrategy<Value> {
    prop::collection::vec(pick(from), 1..4).prop_map(|texts| json!(texts)).boxed()
}

fn one_of(from: &'static [&'static str]) -> BoxedStrategy<Value> {
    pick(from).prop_map(|text| json!([text])).boxed()
}

fn number() -> BoxedStrategy<Value> {
    prop_oneof![
        pick(&INTEGERS).prop_map(|number| json!(number)),
        pick(&NUMBERS).prop_map(|number| json!(number)),
    ]
    .boxed()
}

fn texts(sizes: std::ops::Range<usize>) -> BoxedStrategy<Vec<Value>> {
    prop::collection::vec(pick(&TEXTS).prop_map(|text| json!(text)), sizes).boxed()
}

fn attribute_of(kinds: &'static [&'static str]) -> BoxedStrategy<String> {
    (pick(kinds), pick(&["key", "x", "x", "y", "y"]))
        .prop_map(|(k, name)| format!("{k}.{name}"))
        .boxed()
}

/// An operator with its values, and whether it ignores case.
type Asked = (&'static str, Value, bool);

fn boxed<S: Strategy<Value = (&'static str, Value)> + 'static>(asked: S) -> BoxedStrategy<Asked> {
    asked.prop_map(|(op, values)| (op, values, false)).boxed()
}

fn dates() -> BoxedStrategy<Asked> {
    let instants = prop_oneof![
        2 => one_of(&DATES),
        1 => Just(json!(["now"])),
        1 => (-3..3_i64).prop_map(|ms| json!([NOW_MS + ms])),
    ];
    boxed((pick(&["before", "after"]), instants))
}

fn versions() -> BoxedStrategy<Asked> {
    let semver = &["semver_eq", "semver_lt", "semver_lte", "semver_gt", "semver_gte"];
    boxed((pick(semver), one_of(&VERSIONS)))
}

fn patterns() -> BoxedStrategy<Asked> {
    boxed((Just("matches"), some_of(&PATTERNS)))
}

fn networks() -> BoxedStrategy<Asked> {
    boxed((Just("in_cidr"), some_of(&NETWORKS)))
}

fn cased() -> BoxedStrategy<Asked> {
    let cased = prop_oneof![
        one_of(&CASED).prop_map(|values| ("equals", values)),
        (pick(&["in", "starts_with", "ends_with", "contains"]), some_of(&CASED)),
    ];
    (cased, any::<bool>()).prop_map(|((op, values), ignore)| (op, values, ignore)).boxed()
}

fn asked() -> BoxedStrategy<Asked> {
    prop_oneof![
        1 => boxed(Just(("exists", json!([])))),
        3 => boxed(scalar().prop_map(|value| ("equals", json!([value])))),
        3 => boxed(prop::collection::vec(scalar(), 1..5).prop_map(|values| ("in", json!(values)))),
        2 => boxed((pick(&["starts_with", "ends_with", "contains"]), texts(1..3))
            .prop_map(|(op, values)| (op, json!(values)))),
        2 => boxed((pick(&["lt", "lte", "gt", "gte"]), number())
            .prop_map(|(op, value)| (op, json!([value])))),
        1 => boxed(Just(("between", json!([-1.5, 2])))),
        2 => dates(),
        2 => versions(),
        1 => patterns(),
        1 => networks(),
        2 => cased(),
    ]
    .boxed()
}

fn condition_on(attribute: &str, (op, values, ignore_case): Asked) -> Value {
    let mut test = json!({"attribute": attribute, "op": op, "values": values});
    if ignore_case {
        test["ignore_case"] = json!(true);
    }
    test
}

fn test_of(kinds: &'static [&'static str]) -> BoxedStrategy<Value> {
    (attribute_of(kinds), asked())
        .prop_map(|(attribute, asked)| condition_on(&attribute, asked))
        .boxed()
}

/// A condition on `user.x` and what `user.x` is: mostly something that the operator is about.
fn pair() -> BoxedStrategy<(Value, Value)> {
    let near = |asked: BoxedStrategy<Asked>,
                texts: &'static [&'static str],
                others: &'static [&'static str]| {
        let text = move || prop_oneof![3 => pick(texts), 1 => pick(others)];
        let found = prop_oneof![
            6 => text().prop_map(|text| json!(text)),
            2 => prop::collection::vec(text(), 0..3).prop_map(|texts| json!(texts)),
            1 => found(),
            1 => Just(Value::Null),
        ];
        (asked.prop_map(|asked| condition_on("user.x", asked)), found).boxed()
    };
    prop_oneof![
        2 => near(dates(), &DATES, &NO_DATES),
        3 => near(versions(), &VERSIONS, &NO_VERSIONS),
        1 => near(patterns(), &TEXTS, &VERSIONS),
        1 => near(patterns(), &ADDRESSES, &CASED),
        1 => near(networks(), &ADDRESSES, &NO_ADDRESSES),
        3 => near(cased(), &CASED, &TEXTS),
        4 => near(asked(), &TEXTS, &DATES),
        6 => (asked().prop_map(|asked| condition_on("user.x", asked)), found()),
    ]
    .boxed()
}

fn groups(leaf: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => inner.clone(),
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(|all| json!({"all": all})),
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(|any| json!({"any": any})),
            1 => inner.prop_map(|not| json!({"not": not})),
        ]
    })
    .boxed()
}

fn condition() -> BoxedStrategy<Value> {
    let segment = pick(&["s0", "s1", "s2", "missing"]).prop_map(|key| json!({"segment": key}));
    let leaf = prop_oneof![8 => test_of(&["user", "tenant"]), 2 => segment, 1 => contracts::test()];
    groups(leaf.boxed())
}

fn salt() -> BoxedStrategy<Value> {
    prop_oneof![Just(Value::Null), pick(&["", "shared"]).prop_map(|salt| json!(salt))].boxed()
}

fn by() -> BoxedStrategy<String> {
    prop_oneof![
        8 => pick(&["user", "tenant"]).prop_map(String::from),
        8 => attribute_of(&["user", "tenant"]),
        1 => Just("tenant.$plan".to_owned()),
    ]
    .boxed()
}

fn serve(in_rule: bool) -> BoxedStrategy<Value> {
    let split = (by(), salt(), 0..=100_000_u32, pick(&VARIANTS), prop::option::of(pick(&VARIANTS)))
        .prop_map(move |(by, salt, first, one, other)| {
            let mut rest = json!({"weight": 100_000 - first});
            if let Some(variant) = other.or((!in_rule).then_some("blue")) {
                rest["variant"] = json!(variant);
            }
            let weights = json!([{"variant": one, "weight": first}, rest]);
            json!({"split": {"bucketing": "sip13-1", "by": by, "salt": salt, "weights": weights}})
        });
    let ramp = (
        by(),
        salt(),
        0..=50_000_u32,
        50_000..=100_000_u32,
        -2_000..2_000_i64,
        1..4_000_i64,
    )
        .prop_map(|(by, salt, from, to, start, length)| {
            let instant = |ms: i64| Timestamp::from_millis(NOW_MS + ms).to_string();
            json!({"ramp": {"by": by, "salt": salt, "variant": "red", "rest": "green", "from": from,
                            "to": to, "start": instant(start), "end": instant(start + length)}})
        });
    let variant = pick(&VARIANTS).prop_map(|variant| json!({"variant": variant}));
    prop_oneof![2 => variant, 3 => split, 1 => ramp].boxed()
}

fn flag(index: usize) -> BoxedStrategy<Value> {
    let prerequisite = (0..6_usize, prop::collection::vec(pick(&VARIANTS), 1..3));
    let prerequisites = prop::collection::vec(prerequisite, 0..2);
    let requires = prop::option::weighted(0.25, contracts::requires());
    let targets = prop::sample::subsequence(TENANTS.to_vec(), 0..3);
    (
        prop::bool::weighted(0.9),
        pick(&["red", "red", "red", "red", "red", "red", "red", "nowhere"]),
        salt(),
        (prerequisites, requires),
        targets,
        prop::collection::vec((condition(), serve(true)), 0..4),
        serve(false),
        prop::bool::weighted(0.05),
    )
        .prop_map(move |(on, off_variant, salt, gates, targets, rules, fallthrough, needs)| {
            let (prerequisites, requires) = gates;
            let prerequisites: Vec<Value> = prerequisites
                .into_iter()
                // Mostly without cycles, and now and then with one.
                .filter(|(other, _)| *other != index)
                .map(|(other, variants)| json!({"flag": format!("f{other}"), "variants": variants}))
                .collect();
            let (first, second) = targets.split_at(targets.len() / 2);
            let rules: Vec<Value> = rules
                .into_iter()
                .enumerate()
                .map(|(i, (when, serve))| json!({"id": format!("r{i}"), "when": when, "serve": serve}))
                .collect();
            json!({"kind": "flag", "key": format!("f{index}"), "version": 1,
                   "needs": if needs { json!(["time-travel"]) } else { json!([]) },
                   "definition": {"type": "string",
                "variants": VARIANTS.map(|name| json!({"name": name, "value": format!("#{name}")})),
                "state": {"on": on, "off_variant": off_variant, "salt": salt,
                    "prerequisites": prerequisites, "requires": requires,
                    "targets": [
                        {"kind": "tenant", "keys": first, "variant": "green"},
                        {"kind": "user", "keys": ["u-1"], "variant": "blue"},
                        {"kind": "tenant", "keys": second, "variant": "red"}],
                    "rules": rules, "fallthrough": fallthrough}}})
        })
        .boxed()
}

fn segment(index: usize) -> BoxedStrategy<Value> {
    let keys = || prop::sample::subsequence(TENANTS.to_vec(), 0..3);
    let leaf = prop_oneof![8 => test_of(&["tenant"]), 1 => contracts::test()];
    (keys(), keys(), prop::option::of(groups(leaf.boxed())))
        .prop_map(move |(included, excluded, when)| {
            json!({"kind": "segment", "key": format!("s{index}"), "version": 1,
                   "definition": {"kind": "tenant", "included": included, "excluded": excluded, "when": when}})
        })
        .boxed()
}

/// Tenants, of some of which something is stored.
fn tenants() -> BoxedStrategy<Vec<Value>> {
    let attribute =
        |name| prop::option::weighted(0.7, found()).prop_map(move |x| x.map(|x| (name, x)));
    let tenant = |key: &'static str| {
        let needs = pick(&["", "", "tenants", "time-travel"]);
        let tenant = ([attribute("x"), attribute("y")], needs, contracts::contract());
        let tenant = tenant.prop_map(move |(attributes, needs, contract)| {
            let attributes: serde_json::Map<_, _> = attributes
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            let mut definition = contract;
            definition["attributes"] = json!(attributes);
            json!({"kind": "tenant", "key": key, "version": 1,
                   "needs": needs.split_terminator(',').collect::<Vec<_>>(),
                   "definition": definition})
        });
        prop::option::weighted(0.7, tenant)
    };
    let tenants: Vec<_> = TENANTS.iter().map(|key| tenant(key)).collect();
    tenants.prop_map(|tenants| tenants.into_iter().flatten().collect()).boxed()
}

fn environment() -> BoxedStrategy<Value> {
    let flags: Vec<_> = (0..5).map(flag).collect();
    let segments: Vec<_> = (0..2).map(segment).collect();
    (flags, segments, tenants(), contracts::catalogue())
        .prop_map(|(flags, segments, tenants, catalogue)| {
            let objects = flags.into_iter().chain(segments).chain(tenants).chain(catalogue);
            let objects: Vec<Value> = objects.collect();
            json!({"epoch": "e1", "revision": 1, "objects": objects})
        })
        .boxed()
}

fn attributes() -> BoxedStrategy<Value> {
    let value = || {
        prop_oneof![
            4 => found(),
            2 => Just(Value::Null),
        ]
    };
    (prop::option::weighted(0.9, pick(&TENANTS)), value(), value())
        // No context says what comes from a contract.
        .prop_map(
            |(key, x, y)| json!({"key": key, "x": x, "y": y, "$plan": "p1", "$features": ["sso"]}),
        )
        .boxed()
}

fn context() -> BoxedStrategy<Value> {
    (
        prop::option::weighted(0.8, attributes()),
        prop::option::weighted(0.8, attributes()),
        any::<bool>(),
    )
        .prop_map(|(user, tenant, known)| {
            let mut context = json!({});
            if let Some(mut user) = user {
                if known {
                    user["key"] = json!("u-1");
                }
                context["user"] = user;
            }
            if let Some(tenant) = tenant {
                context["tenant"] = tenant;
            }
            context
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn the_core_agrees_with_the_written_rules(
        environment in environment(),
        contexts in prop::collection::vec(context(), 1..6),
        offset_ms in -3_000..6_000_i64,
    ) {
        let document: Document = serde_json::from_value(environment.clone()).unwrap();
        let (ruleset, _) = Ruleset::compile(&document);
        let oracle = Oracle::new(&environment);
        let now_ms = NOW_MS + offset_ms;
        for context in &contexts {
            let read = JsonContext::read(context).unwrap();
            for flag in ["f0", "f1", "f2", "f3", "f4", "f5"] {
                let evaluation = ruleset.evaluate(flag, &read, Timestamp::from_millis(now_ms));
                let mut answer = serde_json::to_value(evaluation).unwrap();
                let fields = answer.as_object_mut().unwrap();
                fields.remove("version");
                fields.remove("revision");
                prop_assert_eq!(answer, oracle.answer(flag, context, now_ms), "{} for {}", flag, context);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn every_operator_agrees_with_the_written_rules((condition, found) in pair()) {
        let rule = |id: &str, when: Value| json!({"id": id, "when": when, "serve": {"variant": id}});
        let variants =
            ["true", "false", "unknown"].map(|name| json!({"name": name, "value": name}));
        let document = json!({"epoch": "e1", "revision": 1, "objects": [
            {"kind": "flag", "key": "f", "version": 1, "definition": {
                "type": "string",
                "variants": variants,
                "state": {"on": true, "off_variant": "unknown", "fallthrough": {"variant": "unknown"},
                          "rules": [rule("true", condition.clone()),
                                    rule("false", json!({"not": condition}))]}}}]});
        let (ruleset, report) = Ruleset::compile(&serde_json::from_value(document).unwrap());
        prop_assert!(report.is_clean(), "{:?}", report);
        let context = json!({"user": {"x": found}});
        let read = JsonContext::read(&context).unwrap();
        let variant = ruleset.evaluate("f", &read, Timestamp::from_millis(NOW_MS)).variant;
        let nothing = json!({"objects": []});
        let expected = match Oracle::new(&nothing).truth(&condition, &context, NOW_MS) {
            Some(true) => "true",
            Some(false) => "false",
            None => "unknown",
        };
        prop_assert_eq!(variant, Some(expected));
    }
}

/// A generator that never reaches a reason proves nothing about it.
#[test]
fn the_generated_cases_reach_every_reason() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut reached = std::collections::BTreeMap::new();
    for _ in 0..300 {
        let environment = environment().new_tree(&mut runner).unwrap().current();
        let context = context().new_tree(&mut runner).unwrap().current();
        let oracle = Oracle::new(&environment);
        for flag in ["f0", "f1", "f2", "f3", "f4", "f5"] {
            let answer = oracle.answer(flag, &context, NOW_MS);
            let split = answer
                .get("split")
                .map(|split| if split.is_object() { " + bucket" } else { " + missing" });
            let reason = format!("{}{}", answer["reason"].as_str().unwrap(), split.unwrap_or(""));
            *reached.entry(reason).or_insert(0) += 1;
        }
    }
    for reason in [
        "disabled",
        "fallthrough",
        "fallthrough + bucket",
        "fallthrough + missing",
        "flag_invalid",
        "flag_not_found",
        "not_entitled",
        "prerequisite_failed",
        "rule_match",
        "rule_match + bucket",
        "target_match",
    ] {
        assert!(reached.get(reason).is_some_and(|count| *count >= 10), "{reason}: {reached:?}");
    }
}

/// Nor does one that never makes an operator true, false or unknown.
#[test]
fn the_generated_conditions_reach_every_truth_of_every_operator() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut reached = std::collections::BTreeMap::new();
    let nothing = json!({"objects": []});
    let oracle = Oracle::new(&nothing);
    for _ in 0..10_000 {
        let (test, found) = pair().new_tree(&mut runner).unwrap().current();
        let truth = oracle.truth(&test, &json!({"user": {"x": found}}), NOW_MS);
        let case = if test["ignore_case"] == true { " ignoring case" } else { "" };
        let op = format!("{}{case}", test["op"].as_str().unwrap());
        *reached.entry((op, truth)).or_insert(0) += 1;
    }
    let operators: std::collections::BTreeSet<_> =
        reached.keys().map(|(op, _)| op.clone()).collect();
    assert_eq!(operators.len(), 20 + 5, "{operators:?}");
    for op in operators {
        for truth in [Some(true), Some(false), None] {
            let count = reached.get(&(op.clone(), truth)).copied().unwrap_or(0);
            assert!(count >= 5 || (&*op, truth) == ("exists", None), "{op} {truth:?}: {count}");
        }
    }
}

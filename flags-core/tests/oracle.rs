//! The core against a naive interpreter of docs/semantics.md, over generated environments and
//! contexts, reasons included.

#![cfg(test)]

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

fn test_of(kinds: &'static [&'static str]) -> BoxedStrategy<Value> {
    let test = prop_oneof![
        1 => Just(("exists", json!([]))),
        3 => scalar().prop_map(|value| ("equals", json!([value]))),
        3 => prop::collection::vec(scalar(), 1..5).prop_map(|values| ("in", json!(values))),
        2 => (pick(&["starts_with", "ends_with", "contains"]), texts(1..3))
            .prop_map(|(op, values)| (op, json!(values))),
        2 => (pick(&["lt", "lte", "gt", "gte"]), number()).prop_map(|(op, value)| (op, json!([value]))),
        1 => Just(("between", json!([-1.5, 2]))),
    ];
    (attribute_of(kinds), test)
        .prop_map(
            |(attribute, (op, values))| json!({"attribute": attribute, "op": op, "values": values}),
        )
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
    groups(prop_oneof![4 => test_of(&["user", "tenant"]), 1 => segment].boxed())
}

fn salt() -> BoxedStrategy<Value> {
    prop_oneof![Just(Value::Null), pick(&["", "shared"]).prop_map(|salt| json!(salt))].boxed()
}

fn by() -> BoxedStrategy<String> {
    prop_oneof![pick(&["user", "tenant"]).prop_map(String::from), attribute_of(&["user", "tenant"])]
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
    let targets = prop::sample::subsequence(TENANTS.to_vec(), 0..3);
    (
        prop::bool::weighted(0.9),
        pick(&["red", "red", "red", "red", "red", "red", "red", "nowhere"]),
        salt(),
        prop::collection::vec(prerequisite, 0..2),
        targets,
        prop::collection::vec((condition(), serve(true)), 0..4),
        serve(false),
        prop::bool::weighted(0.05),
    )
        .prop_map(move |(on, off_variant, salt, prerequisites, targets, rules, fallthrough, needs)| {
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
                    "prerequisites": prerequisites,
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
    (keys(), keys(), prop::option::of(groups(test_of(&["tenant"]))))
        .prop_map(move |(included, excluded, when)| {
            json!({"kind": "segment", "key": format!("s{index}"), "version": 1,
                   "definition": {"kind": "tenant", "included": included, "excluded": excluded, "when": when}})
        })
        .boxed()
}

fn environment() -> BoxedStrategy<Value> {
    let flags: Vec<_> = (0..5).map(flag).collect();
    let segments: Vec<_> = (0..2).map(segment).collect();
    (flags, segments)
        .prop_map(|(flags, segments)| {
            let objects: Vec<Value> = flags.into_iter().chain(segments).collect();
            json!({"epoch": "e1", "revision": 1, "objects": objects})
        })
        .boxed()
}

fn attributes() -> BoxedStrategy<Value> {
    let value = || {
        prop_oneof![
            3 => scalar(),
            1 => texts(0..3).prop_map(|texts| json!(texts)),
            2 => Just(Value::Null),
        ]
    };
    (prop::option::weighted(0.9, pick(&TENANTS)), value(), value())
        .prop_map(|(key, x, y)| json!({"key": key, "x": x, "y": y}))
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
        "prerequisite_failed",
        "rule_match",
        "rule_match + bucket",
        "target_match",
    ] {
        assert!(reached.get(reason).is_some_and(|count| *count >= 10), "{reason}: {reached:?}");
    }
}

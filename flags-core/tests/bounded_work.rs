//! One answer does a bounded amount of work, whatever the definitions and the context: docs/semantics.md.

#![cfg(test)]

#[path = "oracle/mod.rs"]
mod oracle;

use std::fmt::Write;

use flags_core::{Document, JsonContext, MAX_ATTRIBUTE_BYTES, MAX_WORK_PER_ANSWER, Ruleset};
use flags_core::{Reason, Timestamp};
use oracle::Oracle;
use serde_json::{Value, json};

/// Searches for sixteen texts that are not there.
fn segment() -> Value {
    let values: Vec<String> = (0..16).map(|index| format!("text-{index}")).collect();
    json!({"kind": "segment", "key": "searching", "version": 1, "definition": {
        "kind": "tenant", "included": [], "excluded": [],
        "when": {"attribute": "tenant.long", "op": "contains", "values": values}}})
}

/// Asks for the segment so many times, and then for more.
fn flag(references: usize, more: &[Value]) -> Value {
    let mut rules: Vec<Value> = vec![json!({"segment": "searching"}); references];
    rules.extend(more.iter().cloned());
    json!({"kind": "flag", "key": "f", "version": 1, "definition": {
        "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": {"on": true, "off_variant": "off", "fallthrough": {"variant": "off"},
                  "rules": [{"id": "r", "when": {"any": rules}, "serve": {"variant": "on"}}]}}})
}

#[track_caller]
fn reason(flag: Value, context: &Value) -> String {
    let environment = json!({"epoch": "e", "revision": 1, "objects": [segment(), flag]});
    let document: Document = serde_json::from_value(environment.clone()).unwrap();
    let (ruleset, report) = Ruleset::compile(&document);
    assert!(report.is_clean(), "{report:?}");
    let read = JsonContext::read(context).unwrap();
    let evaluation = ruleset.evaluate("f", &read, Timestamp::from_millis(0));
    let expected = Oracle::new(&environment).answer("f", context, 0);
    assert_eq!(evaluation.reason.name(), expected["reason"], "the oracle agrees");
    let explained = ruleset.explain("f", &read, Timestamp::from_millis(0));
    assert_eq!(explained.evaluation.reason, evaluation.reason, "the explanation agrees");
    evaluation.reason.name().to_owned()
}

#[test]
fn an_answer_may_take_so_much_work_and_no_more() {
    // 31 references × (16 searches × 65,536 bytes + 65,536 / 64), and what is left.
    let references = 31 * (16 * MAX_ATTRIBUTE_BYTES + MAX_ATTRIBUTE_BYTES / 64);
    let left = MAX_WORK_PER_ANSWER as usize - references;
    let search_all = 16 * MAX_ATTRIBUTE_BYTES + 16 * (MAX_ATTRIBUTE_BYTES / 64);
    assert!((1_000..search_all).contains(&left), "{left}");
    // One search of a text of so many bytes that this is what it takes: b + ⌊b / 64⌋.
    let searched = |work: usize| (0..work).rev().find(|b| b + b / 64 == work);
    let rest = (0..1_000).find_map(|w| Some((w, searched((left - w * 16) / 16)?))).unwrap();
    let context = json!({"tenant": {
        "key": "acme", "long": "x".repeat(MAX_ATTRIBUTE_BYTES), "rest": "y".repeat(rest.1),
        "short": "y", "medium": "y".repeat(64), "number": 1, "list": ["y"],
    }});
    let search = json!({"attribute": "tenant.rest", "op": "contains", "values": ["z"]});
    let one = json!({"attribute": "tenant.short", "op": "contains", "values": ["z"]});
    let mut full = vec![search; 16];
    let used = references + 16 * (rest.1 + rest.1 / 64);
    full.extend(vec![one.clone(); MAX_WORK_PER_ANSWER as usize - used]);
    assert_eq!(reason(flag(31, &full), &context), "fallthrough");

    let with = |more: Value| {
        let mut conditions = full.clone();
        conditions.push(more);
        flag(31, &conditions)
    };
    let asks = |attribute: &str| json!({"attribute": format!("tenant.{attribute}"), "op": "equals", "values": ["z"]});
    for free in ["short", "number", "absent"] {
        assert_eq!(reason(with(asks(free)), &context), "fallthrough", "{free}");
    }
    assert_eq!(reason(with(one), &context), "flag_invalid", "one byte searched");
    assert_eq!(reason(with(asks("list")), &context), "flag_invalid", "one element");
    assert_eq!(reason(with(asks("medium")), &context), "flag_invalid", "64 bytes");
}

#[test]
fn a_flag_by_itself_stays_below() {
    let mut list: Vec<String> = vec![];
    // As many elements as there may be, of as many bytes together as there may be.
    for index in 0..1_000 {
        let mut element = String::new();
        write!(element, "{index:0>65}").unwrap();
        list.push(element);
    }
    let equals = json!({"attribute": "tenant.list", "op": "equals", "values": ["z"]});
    let contains = json!({"attribute": "tenant.list", "op": "contains", "values":
        (0..250).map(|index| format!("text-{index}")).collect::<Vec<_>>()});
    let mut conditions = vec![equals; 997];
    conditions.push(contains);
    let context = json!({"tenant": {"key": "acme", "list": list}});
    assert_eq!(reason(flag(0, &conditions), &context), "fallthrough");
}

#[test]
fn other_flags_are_untouched() {
    let environment = json!({"epoch": "e", "revision": 1, "objects": [segment(), flag(100, &[])]});
    let document: Document = serde_json::from_value(environment).unwrap();
    let (ruleset, _) = Ruleset::compile(&document);
    let context = json!({"tenant": {"key": "acme", "long": "x".repeat(MAX_ATTRIBUTE_BYTES)}});
    let context = JsonContext::read(&context).unwrap();
    let now = Timestamp::from_millis(0);
    assert_eq!(ruleset.evaluate("f", &context, now).reason, Reason::FlagInvalid);
    let short = JsonContext::read(&json!({"tenant": {"key": "acme", "long": "x"}})).unwrap();
    assert_eq!(ruleset.evaluate("f", &short, now).reason, Reason::Fallthrough { split: None });
}

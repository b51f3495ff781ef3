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
    // 32 references × 16 searches × 65,536 bytes.
    assert_eq!(32 * 16 * MAX_ATTRIBUTE_BYTES, MAX_WORK_PER_ANSWER as usize);
    let context = json!({"tenant": {"key": "acme", "long": "x".repeat(MAX_ATTRIBUTE_BYTES),
                                    "short": "y", "list": ["y"]}});
    assert_eq!(reason(flag(32, &[]), &context), "fallthrough");
    assert_eq!(reason(flag(33, &[]), &context), "flag_invalid");

    let plain = json!({"attribute": "tenant.long", "op": "equals", "values": ["z"]});
    let search = json!({"attribute": "tenant.short", "op": "contains", "values": ["z"]});
    let list = json!({"attribute": "tenant.list", "op": "equals", "values": ["z"]});
    assert_eq!(reason(flag(32, &[plain]), &context), "fallthrough", "that takes none");
    assert_eq!(reason(flag(32, &[search]), &context), "flag_invalid", "one byte searched");
    assert_eq!(reason(flag(32, &[list]), &context), "flag_invalid", "one element");
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

//! All flags at once: the same answers as one by one.

#![cfg(test)]

use std::collections::BTreeMap;

use flags_core::{Document, JsonContext, Override, Ruleset, Timestamp, Value};

#[derive(serde::Deserialize)]
struct Vectors {
    document: Document,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    context: serde_json::Value,
}

#[test]
fn each_flag_is_there_once_with_the_answer_that_it_has_alone() {
    let files = [
        include_str!("../testdata/evaluation/order.json"),
        include_str!("../testdata/evaluation/segments.json"),
        include_str!("../testdata/evaluation/splits.json"),
        include_str!("../testdata/evaluation/prerequisites.json"),
        include_str!("../testdata/evaluation/invalid.json"),
    ];
    let now = Timestamp::from_millis(1_767_225_650_000);
    for file in files {
        let vectors: Vectors = serde_json::from_str(file).unwrap();
        let (ruleset, _) = Ruleset::compile(&vectors.document);
        let ruleset = ruleset.overriding([&Override::new("by-hand", Value::Boolean(true))]);
        let flags = vectors.document.objects.iter().filter(|object| object.kind == "flag").count();
        for case in vectors.cases {
            let context = JsonContext::read(&case.context).unwrap();
            let all: Vec<_> = ruleset.evaluate_all(&context, now).collect();
            let by_key: BTreeMap<_, _> = all.iter().copied().collect();
            assert_eq!((all.len(), by_key.len()), (flags + 1, flags + 1), "{}", case.name);
            for (key, evaluation) in by_key {
                assert_eq!(evaluation, ruleset.evaluate(key, &context, now), "{}", case.name);
            }
        }
    }
}

#[test]
fn an_environment_without_flags_has_no_answers() {
    assert_eq!(Ruleset::default().evaluate_all(&(), Timestamp::from_millis(0)).count(), 0);
}

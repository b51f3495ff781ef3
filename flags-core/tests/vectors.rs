//! Runs the language-neutral cases of `testdata/`.

#![cfg(test)]

use flags_core::{Bucketing, Document, JsonContext, Ruleset, Salt, Timestamp};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Vectors {
    document: Document,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    flag: String,
    context: Value,
    now: Option<String>,
    expect: serde_json::Map<String, Value>,
}

fn run(file: &str, json: &str) {
    let vectors: Vectors = serde_json::from_str(json).expect(file);
    assert!(!vectors.cases.is_empty(), "{file}");
    let (ruleset, _) = Ruleset::compile(&vectors.document);
    for case in vectors.cases {
        let context = JsonContext::read(&case.context).expect(&case.name);
        let now = case.now.as_deref().map_or("2026-01-01T00:00:00Z", |now| now);
        let now = Timestamp::parse(now).expect(&case.name);
        let evaluation = ruleset.evaluate(&case.flag, &context, now);
        let mut answer = match serde_json::to_value(evaluation) {
            Ok(Value::Object(answer)) => answer,
            other => panic!("an answer is an object: {other:?}"),
        };
        // Versions and revisions are compared where a case names them.
        for field in ["version", "revision"] {
            if !case.expect.contains_key(field) {
                answer.remove(field);
            }
        }
        assert_eq!(answer, case.expect, "{file}: {}", case.name);
        let explained = ruleset.explain(&case.flag, &context, now).evaluation;
        assert_eq!(explained, evaluation, "{file}: {}: an explanation agrees", case.name);
    }
}

macro_rules! evaluation_vectors {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            let file = concat!(stringify!($name), ".json");
            run(file, include_str!(concat!("../testdata/evaluation/", stringify!($name), ".json")));
        }
    )*};
}

evaluation_vectors!(
    order,
    conditions,
    ignore_case,
    dates,
    semver,
    matches,
    cidr,
    limits,
    refused,
    segments,
    tenants,
    entitlements,
    splits,
    prerequisites,
    invalid
);

#[test]
fn bucketing() {
    #[derive(Deserialize)]
    struct Vectors {
        bucketing: Bucketing,
        cases: Vec<BucketCase>,
    }
    #[derive(Deserialize)]
    struct BucketCase {
        salt: String,
        unit: String,
        bucket: u32,
    }
    let vectors: Vectors =
        serde_json::from_str(include_str!("../testdata/bucketing.json")).unwrap();
    assert!(vectors.cases.len() > 50);
    for case in vectors.cases {
        let bucket = Salt::new(vectors.bucketing, &case.salt).bucket(case.unit.as_bytes());
        assert_eq!(bucket, case.bucket, "salt {:?}, unit {:?}", case.salt, case.unit);
    }
}

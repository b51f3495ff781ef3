//! The core against the naive interpreter of docs/semantics.md.

use flags_core::{
    AddonDefinition, Document, FeatureDefinition, FlagDefinition, JsonContext, PlanDefinition,
    Ruleset, SegmentDefinition, TenantDefinition, Timestamp, check_addon, check_feature,
    check_flag, check_plan, check_segment, check_tenant,
};
use serde_json::{Value, json};

use crate::generator::{FLAGS, Generator, Manner};
use crate::naive::Oracle;

/// Environments and contexts made of the bytes get the same answers from the core and from a naive
/// interpreter of docs/semantics.md, reasons included.
///
/// What a definition must be is not the interpreter's business: it is told which are invalid.
pub fn oracle(bytes: &[u8]) {
    let mut generator = Generator::new(bytes, Manner::Tame);
    // Both read one text, so that neither knows a float better than it is written.
    let text = generator.environment().to_string();
    let environment: Value = serde_json::from_str(&text).expect("JSON, as written");
    let document: Document = serde_json::from_str(&text).expect("a document, as made");
    let (ruleset, _) = Ruleset::compile(&document);
    let environment = with_the_invalid_marked(environment);
    let oracle = Oracle::new(&environment);
    for _ in 0..3 {
        let now_ms = generator.now_ms();
        let context = generator.context();
        let Ok(read) = JsonContext::read(&context) else {
            panic!("the generator makes contexts: {context}");
        };
        for flag in FLAGS {
            let evaluation = ruleset.evaluate(flag, &read, Timestamp::from_millis(now_ms));
            let mut answer = serde_json::to_value(evaluation).expect("JSON");
            let fields = answer.as_object_mut().expect("an object");
            fields.remove("version");
            fields.remove("revision");
            let expected = oracle.answer(flag, &context, now_ms);
            assert_eq!(answer, expected, "`{flag}` for {context} at {now_ms} of {text}");
        }
        if generator.is_exhausted() {
            break;
        }
    }
}

/// What is refused gets needs that nobody meets; segments that are refused go.
fn with_the_invalid_marked(mut environment: Value) -> Value {
    let objects = environment["objects"].as_array_mut().expect("a list");
    objects.retain_mut(|object| {
        let definition = object["definition"].clone();
        if object["kind"] == "segment" {
            let needs_nothing = object["needs"] == json!([]);
            let valid = serde_json::from_value::<SegmentDefinition>(definition)
                .is_ok_and(|segment| check_segment(&segment).is_empty());
            return needs_nothing && valid;
        }
        let valid = match object["kind"].as_str() {
            Some("tenant") => serde_json::from_value::<TenantDefinition>(definition)
                .is_ok_and(|tenant| check_tenant(&tenant).is_empty()),
            Some("feature") => serde_json::from_value::<FeatureDefinition>(definition)
                .is_ok_and(|feature| check_feature(&feature).is_empty()),
            Some("plan") => serde_json::from_value::<PlanDefinition>(definition)
                .is_ok_and(|plan| check_plan(&plan).is_empty()),
            Some("addon") => serde_json::from_value::<AddonDefinition>(definition)
                .is_ok_and(|addon| check_addon(&addon).is_empty()),
            _ => serde_json::from_value::<FlagDefinition>(definition)
                .is_ok_and(|flag| check_flag(&flag).is_empty()),
        };
        if !valid {
            object["needs"] = json!(["to be valid"]);
        }
        true
    });
    environment
}

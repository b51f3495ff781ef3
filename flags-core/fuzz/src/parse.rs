//! Bytes from the network and from files.

use flags_core::{
    ADDON, AddonDefinition, CONTRACT, Change, ContractDefinition, Diagnostic, Document, FEATURE,
    FLAG, FLAG_STATE, FeatureDefinition, FlagDefinition, FlagState, PLAN, PlainJson,
    PlanDefinition, SEGMENT, SegmentDefinition, Shape, TENANT, TenantDefinition, check_addon,
    check_contract, check_feature, check_flag, check_plan, check_segment, check_tenant,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Any bytes are refused or read; what is read is written and read again as the same; and what has
/// the shape of a definition is what serde reads as one.
pub fn parse(bytes: &[u8]) {
    writes_back::<Document>(bytes);
    writes_back::<Change>(bytes);
    let Ok(PlainJson(json)) = serde_json::from_slice::<PlainJson>(bytes) else {
        return;
    };
    definition::<FlagDefinition>(bytes, &json, &FLAG, check_flag);
    definition::<FlagState>(bytes, &json, &FLAG_STATE, |_| Vec::new());
    definition::<SegmentDefinition>(bytes, &json, &SEGMENT, check_segment);
    definition::<TenantDefinition>(bytes, &json, &TENANT, check_tenant);
    definition::<FeatureDefinition>(bytes, &json, &FEATURE, check_feature);
    definition::<PlanDefinition>(bytes, &json, &PLAN, check_plan);
    definition::<AddonDefinition>(bytes, &json, &ADDON, check_addon);
    definition::<ContractDefinition>(bytes, &json, &CONTRACT, check_contract);
}

fn writes_back<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    if let Ok(read) = serde_json::from_slice::<T>(bytes) {
        let text = serde_json::to_string(&read).expect("JSON");
        let again: T = serde_json::from_str(&text).expect("as it was written");
        assert_eq!(serde_json::to_string(&again).expect("JSON"), text);
    }
}

fn definition<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    json: &Value,
    shape: &Shape,
    check: fn(&T) -> Vec<Diagnostic>,
) {
    let found = shape.check(json);
    let read = serde_json::from_value::<T>(json.clone());
    match &read {
        Err(error) => assert!(!found.is_empty(), "serde refuses what has its shape: {error}"),
        Ok(_) => {
            let misshapen = found.iter().find(|diagnostic| !is_lenient(diagnostic, json));
            assert_eq!(misshapen, None, "serde reads what has not its shape");
        }
    }
    let direct = serde_json::from_slice::<T>(bytes);
    assert_eq!(direct.as_ref().ok(), read.as_ref().ok(), "by way of a value or not");
    let Ok(definition) = read else {
        return;
    };
    let problems = check(&definition);
    let text = serde_json::to_string(&definition).expect("JSON");
    let again: T = serde_json::from_str(&text).expect("as it was written");
    assert_eq!(again, definition);
    assert_eq!(check(&again), problems);
}

/// Serde passes over fields that it does not know, of which newer servers may have more, and over
/// an object's fields in a list; what is `null` it takes for what is not there.
fn is_lenient(diagnostic: &Diagnostic, json: &Value) -> bool {
    diagnostic.code == "unknown_field"
        || diagnostic.message == "expected an object, found a list"
        || json.pointer(&diagnostic.pointer) == Some(&Value::Null)
}

//! Contexts in JSON.

use flags_core::{AttributeValue, Context, JsonContext, PlainJson, is_context_key, is_key};
use serde_json::Value;

use crate::hostile;

/// Any JSON is refused as a context or read, as docs/semantics.md says; each refusal points at a
/// place of it; and what is read is what stands there.
pub fn context(bytes: &[u8]) {
    let json = match serde_json::from_slice::<PlainJson>(bytes) {
        Ok(PlainJson(json)) => json,
        // Deeper than a parser goes, or of a form that none reads.
        Err(_) => {
            let mut bytes = arbitrary::Unstructured::new(bytes);
            match bytes.int_in_range(0..=3).unwrap_or(0) {
                0 => serde_json::json!({"user": hostile::nested(300)}),
                1 => serde_json::json!({hostile::text(&mut bytes): hostile::json(&mut bytes, 3)}),
                2 => {
                    serde_json::json!({"user": {hostile::text(&mut bytes): hostile::json(&mut bytes, 3)}})
                }
                _ => hostile::json(&mut bytes, 6),
            }
        }
    };
    match JsonContext::read(&json) {
        Ok(context) => {
            assert!(is_context(&json), "{json}");
            for (kind, members) in json.as_object().into_iter().flatten() {
                for (name, value) in members.as_object().into_iter().flatten() {
                    if name == "key" {
                        assert_eq!(context.key(kind), value.as_str());
                    } else {
                        same(context.attribute(kind, name), value);
                    }
                }
            }
        }
        Err(diagnostics) => {
            assert!(!is_context(&json) && !diagnostics.is_empty(), "{json}");
            for diagnostic in &diagnostics {
                let at = &*diagnostic.pointer;
                // Of a long name the pointer shows the beginning.
                assert!(at.contains('…') || json.pointer(at).is_some(), "{at} of {json}");
            }
        }
    }
}

fn is_context(json: &Value) -> bool {
    let is_attribute = |value: &Value| match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.is_i64() || number.is_f64(),
        Value::Array(elements) => elements.iter().all(Value::is_string),
        Value::Object(_) => false,
    };
    json.as_object().is_some_and(|kinds| {
        kinds.iter().all(|(kind, members)| {
            let names_a_kind = is_key(kind) && !kind.contains('.');
            names_a_kind
                && members.as_object().is_some_and(|members| {
                    members.iter().all(|(name, value)| match (&**name, value) {
                        ("key", Value::Null) => true,
                        ("key", key) => key.as_str().is_some_and(is_context_key),
                        (_, value) => is_attribute(value),
                    })
                })
        })
    })
}

fn same(found: Option<AttributeValue<'_>>, json: &Value) {
    let agrees = match (found, json) {
        (None, Value::Null) => true,
        (Some(AttributeValue::Boolean(found)), Value::Bool(value)) => found == *value,
        (Some(AttributeValue::Integer(found)), Value::Number(value)) => {
            value.as_i64() == Some(found)
        }
        (Some(AttributeValue::Float(found)), Value::Number(value)) => {
            !value.is_i64() && value.as_f64() == Some(found)
        }
        (Some(AttributeValue::String(found)), Value::String(value)) => found == value,
        (Some(AttributeValue::List(found)), Value::Array(values)) => {
            found.iter().map(Some).eq(values.iter().map(Value::as_str))
        }
        _ => false,
    };
    assert!(agrees, "{found:?} is not {json}");
}

//! What nobody would write by accident.

use arbitrary::Unstructured;
use serde_json::{Map, Number, Value, json};

/// Empty, of control characters, with a name that means something to a library, or very long.
pub(crate) fn text(bytes: &mut Unstructured<'_>) -> String {
    const TEXTS: [&str; 12] = [
        "",
        ".",
        "..",
        "\0",
        "a\nb",
        "\u{7f}",
        "~1~0/",
        "$serde_json::private::RawValue",
        "$serde_json::private::Number",
        "\u{FEFF}",
        "\u{1F98A}",
        "e\u{301}",
    ];
    match bytes.int_in_range(0..=4_u8).unwrap_or(0) {
        0 | 1 => (*bytes.choose(&TEXTS).unwrap_or(&"")).to_owned(),
        2 => {
            let lengths =
                [127, 128, 129, 255, 256, 257, 511, 512, 513, 1_024, 65_535, 65_536, 65_537];
            "x".repeat(*bytes.choose(&lengths).unwrap_or(&1))
        }
        _ => {
            let length = bytes.int_in_range(0..=16).unwrap_or(0).min(bytes.len());
            String::from_utf8_lossy(bytes.bytes(length).unwrap_or_default()).into_owned()
        }
    }
}

/// Any JSON.
pub(crate) fn json(bytes: &mut Unstructured<'_>, depth: usize) -> Value {
    let length = |bytes: &mut Unstructured<'_>| bytes.int_in_range(0..=3_u8).unwrap_or(0);
    match bytes.int_in_range(0..=11_u8).unwrap_or(0) {
        0 => Value::Null,
        1 => json!(bytes.arbitrary().unwrap_or(false)),
        2 => json!(bytes.arbitrary().unwrap_or(0_i64)),
        3 => json!(bytes.arbitrary().unwrap_or(0_u64)),
        4 => Number::from_f64(bytes.arbitrary().unwrap_or(0.0)).map_or(Value::Null, Value::Number),
        5 => json!(bytes.int_in_range(0..=100_000_u32).unwrap_or(0)),
        6 | 7 => json!(text(bytes)),
        8 => nested(bytes.int_in_range(0..=160_u8).unwrap_or(0).into()),
        9 if depth > 0 => {
            Value::Array((0..length(bytes)).map(|_| json(bytes, depth - 1)).collect())
        }
        10 | 11 if depth > 0 => {
            let members = (0..length(bytes)).map(|_| (text(bytes), json(bytes, depth - 1)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        _ => json!([]),
    }
}

/// Lists in lists.
pub(crate) fn nested(depth: usize) -> Value {
    (0..depth).fold(json!([]), |inner, _| json!([inner]))
}

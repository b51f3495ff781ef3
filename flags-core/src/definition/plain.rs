//! JSON as it stands.
//!
//! `serde_json::Value` reads an object with a certain private key as JSON embedded in a string,
//! once anything in the program turns on serde_json's feature `raw_value`: such text would be
//! stored otherwise than it was sent, and nest deeper than the parser allows. It also takes the
//! last of two members with one name. Neither is for definitions.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What serde_json's own private keys begin with.
const RESERVED: &str = "$serde_json::private::";

/// Any JSON value, as it stands: for bodies that are looked at before they become a type.
///
/// An object in which a name occurs twice is an error, and so is a name that begins with
/// `$serde_json::private::`, to which serde_json gives a meaning of its own.
///
/// ```
/// use flags_core::PlainJson;
///
/// let PlainJson(value) = serde_json::from_str(r#"{"on": true}"#)?;
/// assert_eq!(value["on"], true);
/// assert!(serde_json::from_str::<PlainJson>(r#"{"on": true, "on": false}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PlainJson(pub Value);

impl<'de> Deserialize<'de> for PlainJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Plain).map(Self)
    }
}

/// For fields: `#[serde(deserialize_with = …)]`.
pub(crate) fn value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    deserializer.deserialize_any(Plain)
}

/// For fields with a list of values.
pub(super) fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    let values: Vec<PlainJson> = Vec::deserialize(deserializer)?;
    Ok(values.into_iter().map(|PlainJson(value)| value).collect())
}

/// For fields with members of any names.
pub(crate) fn object<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    match value(deserializer)? {
        Value::Object(members) => Ok(members),
        _ => Err(de::Error::custom("expected an object")),
    }
}

struct Plain;

impl<'de> Visitor<'de> for Plain {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        value(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(PlainJson(element)) = elements.next_element()? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let shown: String = name.chars().take(80).collect();
            if name.starts_with(RESERVED) {
                return Err(de::Error::custom(format!("the name `{shown}` is reserved")));
            }
            let PlainJson(member) = members.next_value()?;
            if object.insert(name, member).is_some() {
                return Err(de::Error::custom(format!("the name `{shown}` occurs twice")));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn everything_but_what_is_reserved_or_doubled_reads_as_serde_json_does() {
        for text in [
            "null",
            "true",
            "-1",
            "18446744073709551615",
            "1.5",
            "1e300",
            r#""a\u0000b""#,
            r#"[1, [], {}, {"a": {"b": [null]}}]"#,
        ] {
            let PlainJson(plain) = serde_json::from_str(text).unwrap();
            assert_eq!(plain, serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
        for (text, error) in [
            (r#"{"a": 1, "a": 1}"#, "the name `a` occurs twice"),
            (
                r#"[{"\u0024serde_json::private::RawValue": "5"}]"#,
                "the name `$serde_json::private::RawValue` is reserved",
            ),
        ] {
            let found = serde_json::from_str::<PlainJson>(text).unwrap_err().to_string();
            assert!(found.starts_with(error), "{found}");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(serde_json::from_str::<PlainJson>(&deep).is_err());
    }
}

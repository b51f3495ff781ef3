use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::{AttributeValue, Context, Strings};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::key::{is_context_key, is_kind};

/// A context read from JSON: `{"tenant": {"key": "acme", "country": "DE"}}`.
///
/// For remote evaluation and for cases kept as data; a service that has the facts at hand borrows
/// them with [`Entity`](crate::Entity) instead.
///
/// ```
/// use flags_core::{Context, JsonContext};
///
/// let json = serde_json::json!({"user": {"key": "u-17", "age": 41}});
/// let context = JsonContext::read(&json).unwrap();
/// assert_eq!(context.attribute("user", "age"), Some(41.into()));
///
/// let problems = JsonContext::read(&serde_json::json!({"user": {"age": {}}})).unwrap_err();
/// assert_eq!(problems[0].pointer, "/user/age");
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JsonContext {
    kinds: BTreeMap<String, Kind>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Kind {
    key: Option<String>,
    attributes: BTreeMap<String, JsonAttribute<String>>,
}

/// An attribute as JSON has it, its texts owned or borrowed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum JsonAttribute<S> {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    String(S),
    List(Vec<S>),
}

impl JsonContext {
    /// Reads an object of kinds, each an object of `key` and attributes. `null` means absent.
    ///
    /// An attribute is a boolean, a number, a string or a list of strings. An integer has 64 bits with
    /// sign. Sizes are not checked here: what is too large counts as absent to the rules.
    ///
    /// # Errors
    /// Every place that is not as described, each with a JSON pointer.
    pub fn read(json: &Value) -> Result<Self, Vec<Diagnostic>> {
        let mut diagnostics = Diagnostics::default();
        let mut context = Self::default();
        match json.as_object() {
            None => diagnostics.report("wrong_type", "a context is an object of kinds"),
            Some(kinds) => {
                for (name, members) in kinds {
                    let kind = diagnostics.at(name, |d| read_kind(name, members, d));
                    context.kinds.insert(name.clone(), kind);
                }
            }
        }
        if diagnostics.is_clean() { Ok(context) } else { Err(diagnostics.into_vec()) }
    }
}

fn read_kind(name: &str, members: &Value, diagnostics: &mut Diagnostics) -> Kind {
    let mut kind = Kind::default();
    if !is_kind(name) {
        let name: String = name.chars().take(80).collect();
        diagnostics.report("invalid_kind", format!("`{name}` cannot name a kind"));
    }
    let Some(members) = members.as_object() else {
        diagnostics.report("wrong_type", "a kind is an object of `key` and attributes");
        return kind;
    };
    if !is_kind(name) {
        return kind;
    }
    for (name, value) in members {
        diagnostics.at(name, |d| match value {
            Value::Null => {}
            value if name == "key" => match value.as_str() {
                Some(key) if is_context_key(key) => kind.key = Some(key.into()),
                Some(_) => d.report(
                    "invalid_key",
                    "a key is 1 to 512 bytes without control characters, not `.` or `..`",
                ),
                None => d.report("wrong_type", "a key is a string"),
            },
            value => match read_attribute(value) {
                Some(value) => {
                    kind.attributes.insert(name.clone(), value);
                }
                None => d.report(
                    "wrong_type",
                    "an attribute is a boolean, a number within 64 bits, a string or a list of \
                     strings",
                ),
            },
        });
    }
    kind
}

/// Reads what may be an attribute.
pub(crate) fn read_attribute<'v, S: From<&'v str>>(value: &'v Value) -> Option<JsonAttribute<S>> {
    Some(match value {
        Value::Bool(value) => JsonAttribute::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => JsonAttribute::Integer(value),
            None => JsonAttribute::Float(number.as_f64().filter(|_| !number.is_u64())?),
        },
        Value::String(text) => JsonAttribute::String(S::from(text)),
        Value::Array(elements) => JsonAttribute::List(
            elements.iter().map(|e| e.as_str().map(S::from)).collect::<Option<_>>()?,
        ),
        Value::Null | Value::Object(_) => return None,
    })
}

impl Context for JsonContext {
    fn key(&self, kind: &str) -> Option<&str> {
        self.kinds.get(kind)?.key.as_deref()
    }

    fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>> {
        Some(match self.kinds.get(kind)?.attributes.get(name)? {
            JsonAttribute::Boolean(value) => AttributeValue::Boolean(*value),
            JsonAttribute::Integer(value) => AttributeValue::Integer(*value),
            JsonAttribute::Float(value) => AttributeValue::Float(*value),
            JsonAttribute::String(value) => AttributeValue::String(value),
            JsonAttribute::List(values) => AttributeValue::List(Strings::Owned(values)),
        })
    }
}

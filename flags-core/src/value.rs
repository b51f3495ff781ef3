//! The values that flags serve.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::{Any, TypeId};

use serde::Serialize;

use crate::definition::FlagType;

/// A value as a ruleset owns it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OwnedValue {
    Boolean(bool),
    String(Box<str>),
    Integer(i64),
    Float(f64),
    /// Boxed, so that the variants of other flags lie close together.
    Json(Box<OwnedJson>),
}

/// A value of any type that a service has registered.
pub(crate) type AnyValue = Arc<dyn Any + Send + Sync>;

/// A JSON value, and what it is as the types that were registered for its flag.
#[derive(Debug, Clone)]
pub(crate) struct OwnedJson {
    value: serde_json::Value,
    decoded: Vec<AnyValue>,
}

impl OwnedJson {
    fn new(value: serde_json::Value) -> Box<Self> {
        Box::new(Self { value, decoded: Vec::new() })
    }

    pub(crate) fn with_decoded<T: Any + Send + Sync>(value: serde_json::Value, decoded: T) -> Self {
        Self { value, decoded: alloc::vec![Arc::new(decoded)] }
    }

    pub(crate) fn value(&self) -> &serde_json::Value {
        &self.value
    }

    /// The value as a `T`, where that was registered and can be.
    #[inline]
    pub(crate) fn decoded<T: Any>(&self) -> Option<&T> {
        self.decoded.iter().find_map(|decoded| decoded.downcast_ref())
    }

    pub(crate) fn is_decoded(&self, as_type: TypeId) -> bool {
        self.decoded.iter().any(|decoded| (**decoded).type_id() == as_type)
    }

    pub(crate) fn add_decoded(&mut self, decoded: AnyValue) {
        self.decoded.push(decoded);
    }
}

/// What was said decides; what it is decoded into follows from that.
impl PartialEq for OwnedJson {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A value as a ruleset owns it, for the types that read it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Stored<'r>(pub(crate) &'r OwnedValue);

impl OwnedValue {
    /// Reads a JSON value as one of `flag_type`, or `None` when it is not.
    pub(crate) fn read(flag_type: FlagType, value: &serde_json::Value) -> Option<Self> {
        Some(match flag_type {
            FlagType::Boolean => Self::Boolean(value.as_bool()?),
            FlagType::String => Self::String(value.as_str()?.into()),
            FlagType::Integer => Self::Integer(value.as_i64()?),
            FlagType::Float => Self::Float(exact_float(value)?),
            FlagType::Json => Self::Json(OwnedJson::new(value.clone())),
        })
    }

    #[inline]
    pub(crate) fn as_ref(&self) -> Value<'_> {
        match self {
            Self::Boolean(value) => Value::Boolean(*value),
            Self::String(value) => Value::String(value),
            Self::Integer(value) => Value::Integer(*value),
            Self::Float(value) => Value::Float(*value),
            Self::Json(json) => Value::Json(&json.value),
        }
    }
}

/// A JSON number as a float, where that loses nothing of an integer.
fn exact_float(value: &serde_json::Value) -> Option<f64> {
    const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
    match value.as_i64() {
        Some(integer) => (integer.unsigned_abs() <= EXACT).then_some(integer as f64),
        None => value.as_f64().filter(|_| !value.is_u64()),
    }
}

/// A value that a flag serves, borrowed from the ruleset.
///
/// ```
/// use flags_core::{FlagType, Value};
///
/// let value = Value::Integer(7);
/// assert_eq!(value.flag_type(), FlagType::Integer);
/// assert_eq!(serde_json::to_string(&value)?, "7");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value<'r> {
    /// Of a boolean flag.
    Boolean(bool),
    /// Of a string flag.
    String(&'r str),
    /// Of an integer flag.
    Integer(i64),
    /// Of a float flag; finite.
    Float(f64),
    /// Of a JSON flag.
    Json(&'r serde_json::Value),
}

impl Value<'_> {
    /// The type of the flags that serve such values.
    #[must_use]
    #[inline]
    pub const fn flag_type(&self) -> FlagType {
        match self {
            Self::Boolean(_) => FlagType::Boolean,
            Self::String(_) => FlagType::String,
            Self::Integer(_) => FlagType::Integer,
            Self::Float(_) => FlagType::Float,
            Self::Json(_) => FlagType::Json,
        }
    }

    pub(crate) fn to_owned(self) -> OwnedValue {
        match self {
            Self::Boolean(value) => OwnedValue::Boolean(value),
            Self::String(value) => OwnedValue::String(value.into()),
            Self::Integer(value) => OwnedValue::Integer(value),
            Self::Float(value) => OwnedValue::Float(value),
            Self::Json(value) => OwnedValue::Json(OwnedJson::new(value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(size_of::<OwnedValue>(), 3 * size_of::<usize>());
    }
}

//! Typed flags: a key and a default that the compiler checks.

use crate::definition::FlagType;
use crate::key_map::{hash, hash_at_compile_time};
use crate::ruleset::Override;
use crate::value::Value;

/// A flag as a service's code knows it: its key, its type and the value without rules.
///
/// A constant costs nothing: its key is hashed at compile time.
///
/// ```
/// use flags_core::Flag;
///
/// const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
/// const SEARCH_ENGINE: Flag<&str> = Flag::new("search-engine", "classic");
/// const PAGE_SIZE: Flag<i64> = Flag::new("page-size", 50);
/// const SAMPLE_RATE: Flag<f64> = Flag::new("sample-rate", 0.01);
/// const LIMITS: Flag<&serde_json::Value> = Flag::new("limits", &serde_json::Value::Null);
/// # let _ = (SEARCH_ENGINE, PAGE_SIZE, SAMPLE_RATE, LIMITS);
/// assert_eq!(NEW_CHECKOUT.key(), "new-checkout");
/// ```
///
/// A JSON flag whose default is more than `null` is made at its first use:
///
/// ```
/// use std::sync::LazyLock;
///
/// use flags_core::Flag;
/// use serde_json::{Value, json};
///
/// static DEFAULT_LIMITS: LazyLock<Value> = LazyLock::new(|| json!({"requests": 10}));
/// static LIMITS: LazyLock<Flag<&Value>> =
///     LazyLock::new(|| Flag::new("limits", &*DEFAULT_LIMITS));
/// assert_eq!(LIMITS.default_value()["requests"], 10);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Flag<T> {
    key: FlagKey<'static>,
    default: T,
}

impl<T> Flag<T> {
    /// Its key.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        self.key.key
    }
}

impl<T: FlagValue> Flag<T> {
    /// A flag with the value that holds while there is no ruleset, no such flag, or one of another
    /// type.
    #[must_use]
    pub const fn new(key: &'static str, default: T) -> Self {
        Self { key: FlagKey { key, hash: hash_at_compile_time(key) }, default }
    }

    /// The value without rules.
    #[must_use]
    #[inline]
    pub fn default_value<'r>(&self) -> T::Ref<'r> {
        self.default.borrowed()
    }

    /// An override that gives this flag `value`.
    #[must_use]
    pub fn to(&self, value: T::Ref<'_>) -> Override {
        Override::new(self.key.key, T::write(value))
    }
}

/// A type that a flag's value can have in code: `bool`, `&str`, `i64`, `f64` and, for JSON flags,
/// `&serde_json::Value`.
#[diagnostic::on_unimplemented(
    message = "a flag cannot have values of the type `{Self}`",
    note = "a flag is of `bool`, `i64`, `f64`, `&str` or `&serde_json::Value`"
)]
pub trait FlagValue: Copy + sealed::Sealed {
    /// The value as an answer carries it, borrowed from the ruleset.
    type Ref<'r>: Copy;

    /// The type of the flags that have such values.
    const TYPE: FlagType;

    /// The default as an answer.
    #[doc(hidden)]
    fn borrowed<'r>(self) -> Self::Ref<'r>;

    /// `value` as this type, `None` where it is of another.
    #[doc(hidden)]
    fn read(value: Value<'_>) -> Option<Self::Ref<'_>>;

    #[doc(hidden)]
    fn write(value: Self::Ref<'_>) -> Value<'_>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! flag_value {
    ($type:ty, $ref:ty, $variant:ident) => {
        impl sealed::Sealed for $type {}

        impl FlagValue for $type {
            type Ref<'r> = $ref;
            const TYPE: FlagType = FlagType::$variant;

            #[inline]
            fn borrowed<'r>(self) -> Self::Ref<'r> {
                self
            }

            #[inline]
            fn read(value: Value<'_>) -> Option<Self::Ref<'_>> {
                match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }

            fn write(value: Self::Ref<'_>) -> Value<'_> {
                Value::$variant(value)
            }
        }
    };
}

flag_value!(bool, bool, Boolean);
flag_value!(&'static str, &'r str, String);
flag_value!(i64, i64, Integer);
flag_value!(f64, f64, Float);
flag_value!(&'static serde_json::Value, &'r serde_json::Value, Json);

/// The key of a flag with its hash.
///
/// A `&str` is hashed when it is converted, a [`Flag`] was at compile time. Keep one to ask for
/// the same flag by name many times.
#[derive(Debug, Clone, Copy)]
pub struct FlagKey<'k> {
    pub(crate) key: &'k str,
    pub(crate) hash: u64,
}

impl<'k> From<&'k str> for FlagKey<'k> {
    #[inline]
    fn from(key: &'k str) -> Self {
        Self { key, hash: hash(key) }
    }
}

impl<'k> From<&'k alloc::string::String> for FlagKey<'k> {
    #[inline]
    fn from(key: &'k alloc::string::String) -> Self {
        key.as_str().into()
    }
}

impl<T> From<&Flag<T>> for FlagKey<'static> {
    #[inline]
    fn from(flag: &Flag<T>) -> Self {
        flag.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn keys_hash_the_same_at_compile_time_and_at_run_time() {
        for length in 0..=128 {
            let key: String = ('a'..='z').cycle().take(length).collect();
            assert_eq!(hash_at_compile_time(&key), hash(&key), "{length} bytes");
        }
    }
}

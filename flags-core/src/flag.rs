//! Typed flags: a key and a default that the compiler checks.

use crate::decoders::Decoders;
use crate::definition::FlagType;
use crate::key_map::{hash, hash_at_compile_time};
use crate::ruleset::Override;
use crate::value::{Stored, Value};

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
///
/// One whose values are a type of the service's own is a flag of [`Decoded`](crate::Decoded).
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
    /// A flag with the value that holds while there is no ruleset, no such flag, one of another
    /// type, or one that cannot be evaluated.
    ///
    /// The key is not checked: one that no flag can have is never found.
    #[must_use]
    pub const fn new(key: &'static str, default: T) -> Self {
        Self { key: FlagKey { key, hash: hash_at_compile_time(key) }, default }
    }

    /// The value without rules, as an answer has it.
    ///
    /// ```
    /// const PAGE_SIZE: flags_core::Flag<i64> = flags_core::Flag::new("page-size", 50);
    /// assert_eq!(PAGE_SIZE.default_value(), 50);
    /// ```
    #[must_use]
    #[inline]
    pub fn default_value<'r>(&self) -> T::Ref<'r> {
        self.default.borrowed()
    }

    /// An override that gives this flag `value`, for [`Ruleset::overriding`](crate::Ruleset::overriding).
    ///
    /// ```
    /// use flags_core::{Flag, Ruleset, Timestamp};
    ///
    /// const SEARCH_ENGINE: Flag<&str> = Flag::new("search-engine", "classic");
    ///
    /// let ruleset = Ruleset::default().overriding([&SEARCH_ENGINE.to("vector")]);
    /// let answer = ruleset.get(&SEARCH_ENGINE, &(), Timestamp::from_millis(0));
    /// assert_eq!(answer.value, "vector");
    /// ```
    #[must_use]
    pub fn to(&self, value: T::Given<'_>) -> Override
    where
        T: OverrideValue,
    {
        T::over(self.key.key, value)
    }
}

/// A type that a flag's value can have in code: `bool`, `&str`, `i64`, `f64` and, for JSON flags,
/// `&serde_json::Value` or a type of the service's own as [`Decoded`](crate::Decoded).
///
/// Nobody else implements it. It is here for functions that take any flag:
///
/// ```
/// use flags_core::{Flag, FlagValue, Ruleset};
///
/// fn demand<T: FlagValue>(ruleset: &Ruleset, flag: &Flag<T>) -> Result<(), String> {
///     let misfit = ruleset.misfit(flag);
///     misfit.map_or(Ok(()), |misfit| Err(format!("{}: {misfit}", flag.key())))
/// }
///
/// const PAGE_SIZE: Flag<i64> = Flag::new("page-size", 50);
/// assert_eq!(demand(&Ruleset::default(), &PAGE_SIZE), Ok(()));
/// ```
#[diagnostic::on_unimplemented(
    message = "a flag cannot have values of the type `{Self}`",
    note = "a flag is of `bool`, `i64`, `f64`, `&str`, `&serde_json::Value`, or `Decoded<T>` where \
            serde can read `T`"
)]
pub trait FlagValue: Copy + sealed::Sealed {
    /// The value as an answer carries it, borrowed from the ruleset.
    type Ref<'r>: Copy;

    /// The type of the flags that have such values.
    const TYPE: FlagType;

    /// The default as an answer.
    #[doc(hidden)]
    fn borrowed<'r>(self) -> Self::Ref<'r>;

    /// The stored value as this type, `None` where it is of another.
    #[doc(hidden)]
    fn read(stored: Stored<'_>) -> Option<Self::Ref<'_>>;

    /// The type in words, for reports.
    #[doc(hidden)]
    fn name() -> &'static str;

    /// Whether values of the flag `key` become this type, where they can.
    #[doc(hidden)]
    fn is_registered(_key: &str, _decoders: &Decoders) -> bool {
        true
    }
}

/// A type whose flags can be overridden: every [`FlagValue`], but of
/// [`Decoded`](crate::Decoded) those types alone that serde can also write. [`Flag::to`] asks for it.
#[diagnostic::on_unimplemented(
    message = "a flag of `{Self}` cannot be overridden",
    note = "an override has its value as JSON too: derive `serde::Serialize` for the type"
)]
pub trait OverrideValue: FlagValue {
    /// What an override is given: a value, or what it is copied from.
    type Given<'a>;

    #[doc(hidden)]
    fn over(key: &'static str, value: Self::Given<'_>) -> Override;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

macro_rules! flag_value {
    ($type:ty, $ref:ty, $variant:ident, $name:literal) => {
        impl sealed::Sealed for $type {}

        impl FlagValue for $type {
            type Ref<'r> = $ref;
            const TYPE: FlagType = FlagType::$variant;

            #[inline]
            fn borrowed<'r>(self) -> Self::Ref<'r> {
                self
            }

            #[inline]
            fn read(stored: Stored<'_>) -> Option<Self::Ref<'_>> {
                match stored.0.as_ref() {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }

            fn name() -> &'static str {
                $name
            }
        }

        impl OverrideValue for $type {
            type Given<'r> = $ref;

            fn over(key: &'static str, value: Self::Given<'_>) -> Override {
                Override::new(key, Value::$variant(value))
            }
        }
    };
}

flag_value!(bool, bool, Boolean, "boolean");
flag_value!(&'static str, &'r str, String, "string");
flag_value!(i64, i64, Integer, "integer");
flag_value!(f64, f64, Float, "float");
flag_value!(&'static serde_json::Value, &'r serde_json::Value, Json, "json");

/// The key of a flag with its hash.
///
/// A `&str` is hashed when it is converted, a [`Flag`] was at compile time. Keep one to ask for
/// the same flag by name many times.
///
/// ```
/// use flags_core::{Flag, FlagKey, Ruleset, Timestamp};
///
/// const EXPORTS: Flag<bool> = Flag::new("exports", false);
///
/// let configured = FlagKey::from("exports");
/// assert_eq!(configured.key(), FlagKey::from(&EXPORTS).key());
/// assert!(!Ruleset::default().evaluate(configured, &(), Timestamp::from_millis(0)).is_true());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct FlagKey<'k> {
    pub(crate) key: &'k str,
    pub(crate) hash: u64,
}

impl<'k> FlagKey<'k> {
    /// The key itself.
    ///
    /// ```
    /// assert_eq!(flags_core::FlagKey::from("exports").key(), "exports");
    /// ```
    #[must_use]
    pub const fn key(self) -> &'k str {
        self.key
    }

    /// Not a promise: another version may hash otherwise.
    #[doc(hidden)]
    #[must_use]
    pub const fn hash(self) -> u64 {
        self.hash
    }
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

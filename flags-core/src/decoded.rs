//! JSON flags whose values are a type of the service's own.

use alloc::boxed::Box;
use alloc::format;
use core::any::type_name;
use core::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::decoders::Decoders;
use crate::definition::FlagType;
use crate::flag::{FlagValue, OverrideValue, sealed::Sealed};
use crate::ruleset::Override;
use crate::value::{OwnedJson, OwnedValue, Stored};

/// The values of a JSON flag as a type of the service's own, decoded when a ruleset is compiled.
///
/// It stands for the type in a [`Flag`](crate::Flag), and holds the default; answers lend `&T`.
/// The type says with serde how it is read, and is registered under the flag with [`Decoders`]: so
/// each variant is decoded once, when its definition arrives, and an answer neither parses nor
/// allocates.
///
/// A flag with a variant that cannot be decoded stays valid for whoever asks for its JSON. Where
/// such a variant would be served, the answer is the code's default with the reason
/// [`TypeMismatch`](crate::Reason::TypeMismatch), and so it is where the type was not registered.
/// What cannot be decoded is in the [`Report`](crate::Report) of the ruleset.
///
/// ```
/// use flags_core::{Decoded, Decoders, Document, Entity, Flag, Ruleset, Timestamp};
///
/// #[derive(Debug, PartialEq, serde::Deserialize)]
/// struct Limits {
///     requests: u32,
///     regions: Vec<String>,
/// }
///
/// const LIMITS: Flag<Decoded<Limits>> = Flag::new("limits", Decoded(&DEFAULT_LIMITS));
/// static DEFAULT_LIMITS: Limits = Limits { requests: 10, regions: Vec::new() };
///
/// let document: Document = serde_json::from_str(r#"{
///     "epoch": "e1", "revision": 1,
///     "objects": [{"kind": "flag", "key": "limits", "version": 1, "definition": {
///         "type": "json",
///         "variants": [{"name": "large", "value": {"requests": 500, "regions": ["eu"]}}],
///         "state": {"on": true, "off_variant": "large", "fallthrough": {"variant": "large"}}
///     }}]
/// }"#)?;
/// let (ruleset, report) = Ruleset::compile_with(&document, &Decoders::new().with(&LIMITS));
/// assert!(report.is_clean());
/// let limits = ruleset.get(&LIMITS, &Entity::tenant("acme"), Timestamp::from_millis(0)).value;
/// assert_eq!((limits.requests, &*limits.regions[0]), (500, "eu"));
/// # Ok::<(), serde_json::Error>(())
/// ```
pub struct Decoded<T: 'static>(
    /// The value without rules.
    pub &'static T,
);

impl<T> Clone for Decoded<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Decoded<T> {}

impl<T: fmt::Debug> fmt::Debug for Decoded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decoded").field(self.0).finish()
    }
}

impl<T> Sealed for Decoded<T> {}

impl<T: DeserializeOwned + Send + Sync + 'static> FlagValue for Decoded<T> {
    type Ref<'r> = &'r T;
    const TYPE: FlagType = FlagType::Json;

    #[inline]
    fn borrowed<'r>(self) -> &'r T {
        self.0
    }

    #[inline]
    fn read(stored: Stored<'_>) -> Option<&T> {
        match stored.0 {
            OwnedValue::Json(json) => json.decoded(),
            _ => None,
        }
    }

    fn name() -> &'static str {
        type_name::<T>()
    }

    fn is_registered(key: &str, decoders: &Decoders) -> bool {
        decoders.has::<T>(key)
    }
}

impl<T: DeserializeOwned + Serialize + Send + Sync + 'static> OverrideValue for Decoded<T> {
    type Given<'a> = T;

    fn over(key: &'static str, value: T) -> Override {
        // An override is total, and who asks for this flag by its type never sees its JSON.
        let json = serde_json::to_value(&value).unwrap_or_else(|error| {
            format!("a `{}` that cannot be written as JSON: {error}", Self::name()).into()
        });
        Override::owning(key, OwnedValue::Json(Box::new(OwnedJson::with_decoded(json, value))))
    }
}

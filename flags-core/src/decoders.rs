//! The types that a service has registered for its JSON flags.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::{TypeId, type_name};
use core::fmt;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::decoded::Decoded;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::flag::Flag;
use crate::limits::MAX_DECODE_ERROR_CHARS;
use crate::revision::Revision;
use crate::value::{AnyValue, OwnedValue};

/// The types into which the values of JSON flags are decoded when a ruleset is compiled.
///
/// They are given to a ruleset before it is compiled, and stay with every ruleset that is made
/// from it by a change or by overrides. A flag may be registered with several types. Cheap to
/// clone.
///
/// A `Deserialize` that panics unwinds through [`Ruleset::compile_with`](crate::Ruleset::compile_with),
/// [`apply`](crate::Ruleset::apply) and [`overriding`](crate::Ruleset::overriding); the client turns
/// it into a value that cannot be decoded.
///
/// ```
/// use flags_core::{Decoded, Decoders, Flag};
///
/// #[derive(serde::Deserialize)]
/// struct Limits {
///     requests: u32,
/// }
///
/// const LIMITS: Flag<Decoded<Limits>> = Flag::new("limits", Decoded(&Limits { requests: 10 }));
/// const BURST: Flag<Decoded<Limits>> = Flag::new("burst", Decoded(&Limits { requests: 50 }));
///
/// let decoders = Decoders::new().with(&LIMITS).with(&BURST);
/// # let _ = decoders;
/// # assert_eq!(LIMITS.default_value().requests, 10);
/// ```
#[derive(Clone)]
pub struct Decoders {
    by_flag: Arc<BTreeMap<&'static str, Vec<Decoder>>>,
    guard: Guard,
}

/// Runs a service's own code, and says what it died of.
type Guard = fn(&mut dyn FnMut()) -> Result<(), String>;

#[derive(Debug, Clone, Copy)]
struct Decoder {
    type_id: TypeId,
    type_name: &'static str,
    decode: fn(&serde_json::Value) -> Result<AnyValue, Problem>,
}

/// Why a value cannot be decoded.
struct Problem {
    /// Names and indices that lead to the place inside of the value.
    path: Vec<String>,
    message: String,
}

/// A JSON flag with values that cannot be decoded into a type that was registered for it.
///
/// The flag is valid, and its values are there for whoever asks for JSON.
///
/// ```
/// use flags_core::{Decoded, Decoders, Document, Flag, Ruleset};
///
/// const PORTS: Flag<Decoded<Vec<u16>>> = Flag::new("ports", Decoded(&DEFAULT));
/// static DEFAULT: Vec<u16> = Vec::new();
///
/// let document: Document = serde_json::from_str(r#"{
///     "epoch": "e1", "revision": 1,
///     "objects": [{"kind": "flag", "key": "ports", "version": 1, "definition": {
///         "type": "json", "variants": [{"name": "all", "value": [80, "all"]}],
///         "state": {"on": true, "off_variant": "all", "fallthrough": {"variant": "all"}}
///     }}]
/// }"#)?;
/// let (_, report) = Ruleset::compile_with(&document, &Decoders::new().with(&PORTS));
/// let found = &report.undecodable[0];
/// assert_eq!((&*found.key, found.version), ("ports", 1));
/// assert_eq!(found.type_name, "alloc::vec::Vec<u16>");
/// assert_eq!(found.diagnostics[0].pointer, "/variants/0/value/1");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// The flag's key.
    pub key: String,
    /// The revision that last changed the flag.
    pub version: Revision,
    /// The type, as [`type_name`] has it: for people, and not the same in every version of Rust.
    pub type_name: &'static str,
    /// What serde says of each value; pointers lead into the flag's definition, and there to the
    /// place inside of the value, as far as serde tells it: not into what an untagged or internally
    /// tagged enum or a flattened field holds.
    pub diagnostics: Vec<Diagnostic>,
}

impl Decoders {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            by_flag: Arc::default(),
            guard: |decode| {
                decode();
                Ok(())
            },
        }
    }

    /// Registers the type of `flag` for its key. To register the same again has no effect; another
    /// type for the same key is decoded as well.
    #[must_use]
    pub fn with<T>(mut self, flag: &Flag<Decoded<T>>) -> Self
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        if !self.has::<T>(flag.key()) {
            Arc::make_mut(&mut self.by_flag).entry(flag.key()).or_default().push(Decoder {
                type_id: TypeId::of::<T>(),
                type_name: type_name::<T>(),
                decode: decode::<T>,
            });
        }
        self
    }

    /// Runs every `Deserialize` inside of `guard`, which can catch what this crate, without the
    /// standard library, cannot.
    #[doc(hidden)]
    #[must_use]
    pub fn guarded(self, guard: fn(&mut dyn FnMut()) -> Result<(), String>) -> Self {
        Self { guard, ..self }
    }

    pub(crate) fn has<T: 'static>(&self, key: &str) -> bool {
        self.of(key).iter().any(|decoder| decoder.type_id == TypeId::of::<T>())
    }

    fn of(&self, key: &str) -> &[Decoder] {
        self.by_flag.get(key).map_or(&[], |decoders| decoders)
    }

    /// Decodes the variants of a version of the flag `key`, and adds what cannot be.
    pub(crate) fn decode_variants(
        &self,
        key: &str,
        version: Revision,
        values: &mut [OwnedValue],
        undecodable: &mut Vec<Undecodable>,
    ) {
        for decoder in self.of(key) {
            let mut diagnostics = Diagnostics::default();
            diagnostics.at("variants", |d| {
                for (index, value) in values.iter_mut().enumerate() {
                    if let Err(problem) = self.decode(*decoder, value) {
                        let message = cut(problem.message);
                        d.at(index, |d| d.at("value", |d| report(d, &problem.path, message)));
                    }
                }
            });
            if !diagnostics.is_clean() {
                undecodable.push(Undecodable {
                    key: key.into(),
                    version,
                    type_name: decoder.type_name,
                    diagnostics: diagnostics.into_vec(),
                });
            }
        }
    }

    /// Decodes the value of an override; what cannot be is missed when it is asked for.
    pub(crate) fn decode_override(&self, key: &str, value: &mut OwnedValue) {
        for decoder in self.of(key) {
            let _ = self.decode(*decoder, value);
        }
    }

    /// Adds a decoded form to a JSON value that lacks it.
    fn decode(&self, decoder: Decoder, value: &mut OwnedValue) -> Result<(), Problem> {
        let OwnedValue::Json(json) = value else {
            return Ok(());
        };
        if json.is_decoded(decoder.type_id) {
            return Ok(());
        }
        let mut decoded = None;
        (self.guard)(&mut || decoded = Some((decoder.decode)(json.value())))
            .map_err(Problem::of_whole)?;
        let decoded =
            decoded.unwrap_or_else(|| Err(Problem::of_whole("the guard has not run it".into())))?;
        json.add_decoded(decoded);
        Ok(())
    }
}

impl Default for Decoders {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Decoders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |decoders: &Vec<Decoder>| -> Vec<_> {
            decoders.iter().map(|decoder| decoder.type_name).collect()
        };
        f.debug_map().entries(self.by_flag.iter().map(|(key, d)| (key, names(d)))).finish()
    }
}

impl Problem {
    fn of_whole(message: String) -> Self {
        Self { path: Vec::new(), message }
    }
}

fn decode<T>(value: &serde_json::Value) -> Result<AnyValue, Problem>
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    match serde_path_to_error::deserialize::<_, T>(value) {
        Ok(value) => Ok(Arc::new(value)),
        Err(error) => {
            let known = error.path().iter().map_while(|segment| match segment {
                Segment::Seq { index } => Some(index.to_string()),
                Segment::Map { key } => Some(key.clone()),
                Segment::Enum { variant } => Some(variant.clone()),
                Segment::Unknown => None,
            });
            Err(Problem { path: known.collect(), message: error.inner().to_string() })
        }
    }
}

/// Reports what is wrong at `path`, from where the walk stands.
fn report(diagnostics: &mut Diagnostics, path: &[String], message: String) {
    match path.split_first() {
        Some((token, path)) => diagnostics.at(token, |d| report(d, path, message)),
        None => diagnostics.report("undecodable", message),
    }
}

/// What serde says may hold the whole value.
fn cut(mut error: String) -> String {
    if let Some((end, _)) = error.char_indices().nth(MAX_DECODE_ERROR_CHARS) {
        error.truncate(end);
        error.push('…');
    }
    error
}

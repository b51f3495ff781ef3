//! Which keys a segment lists, changed without saying the whole lists again.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::key::is_context_key;
use crate::revision::Revision;

/// What a change did to the lists of a segment, the rest of which stays as it is.
///
/// The two lists are sets that know nothing of each other: a key may be in both, and is excluded
/// then. Adding what is there and removing what is not have no effect.
///
/// ```
/// use flags_core::{Change, ObjectChange};
///
/// let change: Change = serde_json::from_str(r#"{"epoch": "e1", "previous": 57, "revision": 58,
///     "objects": [{"members": {"kind": "segment", "key": "beta-tenants", "version": 58,
///                              "included": {"add": ["acme"], "remove": ["globex"]}}}]}"#)?;
/// let [ObjectChange::Members(change)] = &*change.objects else { panic!() };
/// assert_eq!(change.included.add, ["acme"]);
/// assert!(change.excluded.is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersChange {
    /// [`SEGMENT_KIND`](crate::SEGMENT_KIND); those of another kind are ignored.
    pub kind: String,
    /// As in [`Object::key`](crate::Object::key).
    pub key: String,
    /// As in [`Object::version`](crate::Object::version).
    pub version: Revision,
    /// Of the keys that belong to the segment.
    #[serde(default, skip_serializing_if = "KeysChange::is_empty")]
    pub included: KeysChange,
    /// Of the keys that do not, whatever else is said.
    #[serde(default, skip_serializing_if = "KeysChange::is_empty")]
    pub excluded: KeysChange,
}

/// What a change did to a set of keys: first those of `remove` go, then those of `add` come.
///
/// ```
/// let change = flags_core::KeysChange { add: vec!["acme".into()], remove: Vec::new() };
/// assert!(!change.is_empty());
/// assert_eq!(serde_json::to_string(&change)?, r#"{"add":["acme"]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysChange {
    /// Keys that came. A key that is removed as well is there afterwards. One that is not a
    /// [key of a context](crate::is_context_key) makes the segment invalid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Keys that went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

impl KeysChange {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// What several changes did to the lists of one segment, taken together: the definition, which
/// may be large, is then written anew once.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    included: BTreeMap<String, Presence>,
    excluded: BTreeMap<String, Presence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    There,
    Gone,
}

impl Pending {
    pub(crate) fn push(&mut self, change: &MembersChange) {
        let lists =
            [(&mut self.included, &change.included), (&mut self.excluded, &change.excluded)];
        for (list, change) in lists {
            // An invalid key breaks the segment, and what is broken stays so.
            let removed = change.remove.iter().filter(|key| is_context_key(key));
            list.extend(removed.map(|key| (key.clone(), Presence::Gone)));
            list.extend(change.add.iter().map(|key| (key.clone(), Presence::There)));
        }
    }

    /// The definition with its lists changed, everything else in it as it was: it may be that of
    /// a newer server, and be read by a later version of this crate. One whose lists cannot be
    /// changed is broken, for whoever reads it.
    pub(crate) fn write_into(&self, definition: &RawValue) -> Box<RawValue> {
        self.rewrite(definition).unwrap_or_else(|| RawValue::NULL.to_owned())
    }

    fn rewrite(&self, definition: &RawValue) -> Option<Box<RawValue>> {
        let Fields(fields) = serde_json::from_str(definition.get()).ok()?;
        let mut fields: Vec<(String, Cow<'_, RawValue>)> =
            fields.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect();
        for (name, changes) in [("included", &self.included), ("excluded", &self.excluded)] {
            if changes.is_empty() {
                continue;
            }
            let mut places = fields.iter_mut().filter(|(field, _)| field == name);
            match (places.next(), places.next()) {
                (Some((_, list)), None) => {
                    let changed = changed_list(list.get(), changes)?;
                    *list = Cow::Owned(changed);
                }
                (None, _) => {
                    fields.push((name.to_owned(), Cow::Owned(changed_list("[]", changes)?)))
                }
                // A field that is there twice makes the definition unreadable.
                (Some(_), Some(_)) => return None,
            }
        }
        serde_json::value::to_raw_value(&AsObject(&fields)).ok()
    }
}

/// The list in `json` after `changes`, sorted; `None` if it is not a list of different keys.
fn changed_list(json: &str, changes: &BTreeMap<String, Presence>) -> Option<Box<RawValue>> {
    let mut keys: Vec<Key<'_>> = serde_json::from_str(json).ok()?;
    keys.sort_unstable();
    if keys.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return None;
    }
    let added = changes.iter().filter(|(_, presence)| **presence == Presence::There);
    let added = added.map(|(key, _)| Key(Cow::Borrowed(&**key)));
    let added: Vec<Key<'_>> = added.filter(|key| keys.binary_search(key).is_err()).collect();
    keys.retain(|Key(key)| changes.get(&**key) != Some(&Presence::Gone));
    keys.extend(added);
    keys.sort_unstable();
    serde_json::value::to_raw_value(&keys).ok()
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key<'j>(#[serde(borrow)] Cow<'j, str>);

/// The fields of an object, their values unparsed.
struct Fields<'j>(Vec<(String, &'j RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

struct AsObject<'a, 'j>(&'a [(String, Cow<'j, RawValue>)]);

impl Serialize for AsObject<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, &**value)))
    }
}

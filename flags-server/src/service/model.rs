//! The domain's documents as they are stored.

use flags_core::{
    Condition, FlagDefinition, FlagState, FlagType, Object, Revision, Serve, Timestamp, Variant,
    condition_needs, flag_needs,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Fault;
use super::member_lists::MemberLists;
use crate::schema;
use crate::store::{Environment, MemberCounts, ObjectKind, StoreError, StoredFlag};

/// What all environments share of a flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SharedFlag {
    #[serde(rename = "type")]
    #[schemars(schema_with = "schema::flag_type")]
    pub(crate) flag_type: FlagType,
    #[schemars(schema_with = "schema::variants")]
    pub(crate) variants: Vec<Variant>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) owner: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) permanent: bool,
    /// When a temporary flag should be gone, as RFC 3339 writes it.
    #[serde(default)]
    pub(crate) expiry: Option<String>,
}

/// The state that a flag begins with in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beginning {
    pub(crate) off_variant: String,
    pub(crate) fallthrough: String,
}

/// The stored form of a shared definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlagDocument {
    #[serde(flatten)]
    pub(crate) shared: SharedFlag,
    pub(crate) beginning: Beginning,
}

impl FlagDocument {
    pub(crate) fn read(stored: &StoredFlag) -> Result<Self, Fault> {
        parse(&stored.document)
    }

    /// The state in a new environment: off. Variants that went away since give way to others.
    pub(crate) fn first_state(&self) -> FlagState {
        let variants = &self.shared.variants;
        let known = |name: &String| variants.iter().any(|variant| variant.name == *name);
        let or = |name: &String, other: Option<&Variant>| match other {
            Some(other) if !known(name) => other.name.clone(),
            _ => name.clone(),
        };
        FlagState {
            on: false,
            off_variant: or(&self.beginning.off_variant, variants.last()),
            requires: None,
            salt: None,
            prerequisites: Vec::new(),
            targets: Vec::new(),
            rules: Vec::new(),
            fallthrough: Serve::Variant(or(&self.beginning.fallthrough, variants.first())),
        }
    }
}

impl SharedFlag {
    /// The flag as an SDK sees it.
    pub(crate) fn with_state(&self, state: FlagState) -> FlagDefinition {
        FlagDefinition { flag_type: self.flag_type, variants: self.variants.clone(), state }
    }
}

/// A shared definition with its version and, after a write, where it led.
#[derive(Debug, Clone)]
pub(crate) struct Flag {
    pub(crate) key: String,
    pub(crate) shared: SharedFlag,
    pub(crate) version: u64,
    pub(crate) archived_at: Option<Timestamp>,
    pub(crate) revisions: Option<Revisions>,
}

/// A flag's state with its version and, after a write, the revision of the environment.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) state: FlagState,
    pub(crate) version: Revision,
    pub(crate) revision: Option<Revision>,
}

/// The stored form of a segment, without the keys that it lists: those are rows of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
// One that still has lists is damaged: it must not be taken for one that lists nothing.
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentDocument {
    pub(crate) kind: String,
    #[serde(default)]
    #[schemars(schema_with = "schema::condition")]
    pub(crate) when: Option<Condition>,
}

/// A segment with its version and, after a write, the revision of the environment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) key: String,
    pub(crate) document: SegmentDocument,
    /// The included and the excluded keys, where they are few.
    pub(crate) lists: Option<[Vec<String>; 2]>,
    pub(crate) members: MemberCounts,
    pub(crate) version: Revision,
    pub(crate) revision: Option<Revision>,
}

/// The revision of each environment, by key.
pub(crate) type Revisions = std::collections::BTreeMap<String, Revision>;

pub(crate) fn revisions_of(environments: &[Environment]) -> Revisions {
    environments.iter().map(|environment| (environment.key.clone(), environment.revision)).collect()
}

/// Reads a stored document, which this server wrote.
pub(crate) fn parse<T: DeserializeOwned>(document: &str) -> Result<T, Fault> {
    serde_json::from_str(document).map_err(|error| StoreError::new(error).into())
}

/// Reads something of which the form was checked.
pub(crate) fn parse_value<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value).map_err(|error| Fault::Internal(error.to_string()))
}

/// Writes a document.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(not_json)
}

/// A flag in the form that SDKs get.
pub(crate) fn wire_flag(
    key: &str,
    version: Revision,
    document: &str,
    shared: &SharedFlag,
) -> Result<Object, Fault> {
    let definition = shared.with_state(parse(document)?);
    let needs = flag_needs(&definition.state).iter().map(|need| (*need).to_owned()).collect();
    let object = Object::new(ObjectKind::Flag.name(), key, version, &definition);
    Ok(Object { needs, ..object.map_err(not_json)? })
}

/// A segment in the form that SDKs get.
pub(crate) fn wire_segment(
    key: &str,
    version: Revision,
    document: &SegmentDocument,
    lists: MemberLists,
) -> Result<Object, Fault> {
    /// As [`SegmentDefinition`](flags_core::SegmentDefinition) is written.
    #[derive(Serialize)]
    struct Definition<'a> {
        kind: &'a str,
        included: Box<RawValue>,
        excluded: Box<RawValue>,
        when: &'a Option<Condition>,
    }

    let (included, excluded) = lists.into_json().map_err(not_json)?;
    let SegmentDocument { kind, when } = document;
    let definition = Definition { kind, included, excluded, when };
    let needs = when.as_ref().map_or(&[][..], condition_needs);
    let needs = needs.iter().map(|need| (*need).to_owned()).collect();
    let object = Object::new(ObjectKind::Segment.name(), key, version, &definition);
    Ok(Object { needs, ..object.map_err(not_json)? })
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn not_json(error: serde_json::Error) -> Fault {
    Fault::Internal(error.to_string())
}

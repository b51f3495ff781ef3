//! The domain's documents as they are stored.

use flags_core::{
    FlagDefinition, FlagState, FlagType, Object, Revision, SegmentDefinition, Serve, Variant,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Fault;
use crate::store::{Environment, ObjectKind, StoreError, StoredFlag, StoredObject};

/// What all environments share of a flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SharedFlag {
    #[serde(rename = "type")]
    pub(crate) flag_type: FlagType,
    pub(crate) variants: Vec<Variant>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) owner: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) permanent: bool,
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
    pub(crate) revisions: Option<Revisions>,
}

/// A flag's state with its version and, after a write, the revision of the environment.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) state: FlagState,
    pub(crate) version: Revision,
    pub(crate) revision: Option<Revision>,
}

/// A segment with its version and, after a write, the revision of the environment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) key: String,
    pub(crate) definition: SegmentDefinition,
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

/// Writes a document.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Internal(error.to_string()))
}

/// A stored object in the form that SDKs get.
pub(crate) fn wire_object(
    object: &StoredObject,
    shared: Option<&SharedFlag>,
) -> Result<Object, Fault> {
    let key = &object.key;
    let wire = match (object.kind, shared) {
        (ObjectKind::Flag, Some(shared)) => {
            let definition = shared.with_state(parse(&object.document)?);
            Object::new(ObjectKind::Flag.name(), key, object.version, &definition)
        }
        (ObjectKind::Flag, None) => {
            return Err(Fault::Internal(format!("the flag `{key}` has no shared definition")));
        }
        (ObjectKind::Segment, _) => {
            let definition: SegmentDefinition = parse(&object.document)?;
            Object::new(ObjectKind::Segment.name(), key, object.version, &definition)
        }
    };
    wire.map_err(|error| Fault::Internal(error.to_string()))
}

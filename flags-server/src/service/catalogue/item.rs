use flags_core::{
    AddonDefinition, Diagnostic, FeatureDefinition, Field, Object, PlanDefinition, Revision, Shape,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::sold::Sold;
use crate::service::fault::Fault;
use crate::service::flag::{DESCRIPTION, NAME};
use crate::service::model::{json as to_json, parse};
use crate::service::publish::Edit;
use crate::service::received::Received;
use crate::service::text;
use crate::store::{ObjectKind, StoredObject};

/// Where something of the catalogue is found.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) project: String,
    pub(crate) environment: String,
    pub(crate) key: String,
}

/// What people call it: stored, and not told to SDKs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Presentation {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
}

impl Presentation {
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::optional("name", &NAME),
        Field::optional("description", &DESCRIPTION),
    ]);

    /// Takes it out of a body, where the definition is left. What is not of its shape is reported,
    /// and `null`.
    pub(super) fn take(received: &mut Received) -> Self {
        let mut said = Map::new();
        for name in ["name", "description"] {
            said.extend(received.members.remove(name).map(|value| (name.to_owned(), value)));
        }
        let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
        let (name, description) = (text("name"), text("description"));
        received.faults.extend(Self::SHAPE.check(&Value::Object(said)));
        Self { name, description }
    }

    pub(crate) fn faults(&self) -> Vec<Diagnostic> {
        let texts = [
            ("/name", "a name", &text::NAME, &self.name),
            ("/description", "a description", &text::DESCRIPTION, &self.description),
        ];
        let faults = texts.into_iter().map(|(pointer, what, kind, said)| {
            said.iter().flat_map(move |said| text::faults(pointer, what, kind, said))
        });
        faults.flatten().collect()
    }
}

/// The stored form of something in the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "D: DeserializeOwned"))]
pub(crate) struct Document<D> {
    #[serde(flatten)]
    pub(crate) presentation: Presentation,
    #[serde(flatten)]
    pub(crate) definition: D,
}

impl<D: Sold> Document<D> {
    /// What makes it the present one.
    pub(crate) fn edit<'k>(&self, key: &'k str) -> Result<Edit<'k>, Fault> {
        Ok(Edit::Sold {
            kind: D::KIND,
            key,
            document: to_json(self)?,
            definition: raw(&self.definition)?,
            references: self.definition.references(),
        })
    }
}

/// Something of the catalogue, with its version and, after a write, the revision of the environment.
#[derive(Debug, Clone)]
pub(crate) struct Item<D> {
    pub(crate) key: String,
    pub(crate) document: Document<D>,
    pub(crate) version: Revision,
    pub(crate) revision: Option<Revision>,
}

impl<D: Sold> Item<D> {
    pub(crate) fn read(object: StoredObject) -> Result<Self, Fault> {
        let StoredObject { key, version, document, .. } = object;
        Ok(Self { key, document: parse(&document)?, version, revision: None })
    }
}

/// What SDKs get of a definition.
pub(crate) fn raw(definition: &impl Serialize) -> Result<Box<RawValue>, Fault> {
    to_raw_value(definition).map_err(|error| Fault::Internal(error.to_string()))
}

/// What is stored of something in the catalogue, in the form that SDKs get.
pub(crate) fn wire(
    kind: ObjectKind,
    key: &str,
    version: Revision,
    document: &str,
) -> Result<Object, Fault> {
    let definition = match kind {
        ObjectKind::Feature => definition::<FeatureDefinition>(document)?,
        ObjectKind::Plan => definition::<PlanDefinition>(document)?,
        ObjectKind::Addon => definition::<AddonDefinition>(document)?,
        ObjectKind::Flag | ObjectKind::Segment => {
            return Err(Fault::Internal(format!("a {} is not sold", kind.name())));
        }
    };
    let (kind, key) = (kind.name().to_owned(), key.to_owned());
    Ok(Object { kind, key, version, needs: Vec::new(), definition })
}

fn definition<D: Sold>(document: &str) -> Result<Box<RawValue>, Fault> {
    raw(&parse::<Document<D>>(document)?.definition)
}

use flags_core::{Shape, Text};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{member, nullable, text};
use crate::service::text::{DESCRIPTION, NAME};

/// The body of a request that says a definition: the definition's members, and what may stand
/// beside them.
pub(crate) struct Body {
    properties: Map<String, Value>,
    required: Vec<Value>,
    /// Whether others may stand beside these.
    is_open: bool,
}

impl Body {
    /// With the members of an object's shape.
    pub(crate) fn of(shape: &'static Shape, generator: &mut SchemaGenerator) -> Self {
        let (properties, required) = (Map::new(), Vec::new());
        let mut body = Self { properties, required, is_open: false };
        let Shape::Object(fields) = shape else { return body };
        for field in *fields {
            let schema = member(field, generator);
            body.properties.insert(field.name().to_owned(), schema.to_value());
            if field.is_required() {
                body.required.push(field.name().into());
            }
        }
        body
    }

    /// Some of its members, none of which has to be there; `null` takes one away that need not.
    pub(crate) fn patch(mut self) -> Self {
        for (name, schema) in &mut self.properties {
            if !self.required.iter().any(|required| required == name)
                && let Ok(whole) = Schema::try_from(schema.take())
            {
                *schema = nullable(whole).to_value();
            }
        }
        Self { required: Vec::new(), ..self }
    }

    /// With a member that may be there, or with more said of one.
    pub(crate) fn with(mut self, name: &str, schema: impl Into<Value>) -> Self {
        let mut schema = schema.into();
        let before = self.properties.remove(name);
        let meaning = before.as_ref().and_then(|before| before.get("description"));
        if let (Some(meaning), Value::Object(members)) = (meaning, &mut schema) {
            members.entry("description").or_insert_with(|| meaning.clone());
        }
        self.properties.insert(name.to_owned(), schema);
        self
    }

    /// Without members but these.
    pub(crate) fn only(mut self, names: &[&str]) -> Self {
        self.properties.retain(|name, _| names.contains(&&**name));
        self
    }

    /// Of an answer, in which there may be more.
    pub(crate) fn open(self) -> Self {
        Self { is_open: true, ..self }
    }

    /// One member has to be there.
    pub(crate) fn requires(mut self, name: &str) -> Self {
        self.required.push(name.into());
        self
    }

    /// With what an answer carries besides, so that it can be sent back as it was received.
    pub(crate) fn sent_back(self) -> Self {
        self.with("version", json!({"type": "integer", "minimum": 0, "format": "uint64"}))
            .sent_back_as_new()
    }

    /// The same of what is created, which has no version yet.
    pub(crate) fn sent_back_as_new(self) -> Self {
        self.with("revision", json!({"type": "integer", "minimum": 0, "format": "uint64"}))
            .with("revisions", json!({"type": "object"}))
            .with("warnings", json!({"type": "array"}))
    }

    /// Rules need no id: they get one.
    pub(crate) fn rules_without_ids(mut self) -> Self {
        let rules = self.properties.get_mut("rules");
        // A patch may have null in their place.
        let required = rules.and_then(|rules| rules.pointer_mut("/items/required"));
        if let Some(Value::Array(required)) = required {
            required.retain(|name| name != "id");
        }
        self
    }

    /// With what people call something, and its key.
    pub(crate) fn presented(self) -> Self {
        let body = self.with("name", nullable(text(&NAME)));
        body.with("description", nullable(text(&DESCRIPTION))).with("key", text(&Text::KEY))
    }

    /// One member need not be there.
    pub(crate) fn may_lack(mut self, name: &str) -> Self {
        self.required.retain(|required| required != name);
        self
    }

    /// Versions of a plan need no number: they get one.
    pub(crate) fn versions_without_numbers(mut self) -> Self {
        let versions = self.properties.get_mut("versions");
        let required = versions.and_then(|versions| versions.pointer_mut("/items/required"));
        if let Some(Value::Array(required)) = required {
            required.retain(|name| name != "version");
        }
        self
    }

    pub(crate) fn schema(self) -> Schema {
        let Self { properties, required, is_open } = self;
        let mut schema = Schema::default();
        schema.insert("type".to_owned(), "object".into());
        schema.insert("properties".to_owned(), properties.into());
        schema.insert("required".to_owned(), required.into());
        if !is_open {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        schema
    }
}

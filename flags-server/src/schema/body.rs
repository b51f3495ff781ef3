use flags_core::Shape;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{nullable, of_shape};

/// The body of a request that says a definition: the definition's members, and what may stand
/// beside them.
pub(crate) struct Body {
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl Body {
    /// With the members of an object's shape.
    pub(crate) fn of(shape: &'static Shape, generator: &mut SchemaGenerator) -> Self {
        let mut body = Self { properties: Map::new(), required: Vec::new() };
        let Shape::Object(fields) = shape else { return body };
        for field in *fields {
            let mut schema = of_shape(field.shape(), generator);
            if !field.meaning().is_empty() {
                schema.insert("description".to_owned(), field.meaning().into());
            }
            body.properties.insert(field.name().to_owned(), schema.to_value());
            if field.is_required() {
                body.required.push(field.name().into());
            }
        }
        body
    }

    /// Some of its members, none of which has to be there; `null` takes one away.
    pub(crate) fn patch(mut self) -> Self {
        for schema in self.properties.values_mut() {
            if let Ok(whole) = Schema::try_from(schema.take()) {
                *schema = nullable(whole).to_value();
            }
        }
        Self { required: Vec::new(), ..self }
    }

    /// With a member that may be there.
    pub(crate) fn with(mut self, name: &str, schema: impl Into<Value>) -> Self {
        self.properties.insert(name.to_owned(), schema.into());
        self
    }

    /// One member has to be there.
    pub(crate) fn requires(mut self, name: &str) -> Self {
        self.required.push(name.into());
        self
    }

    /// With what an answer carries besides, so that it can be sent back as it was received.
    pub(crate) fn sent_back(self) -> Self {
        self.with("version", json!({"type": "integer", "minimum": 0, "format": "uint64"}))
            .with("revision", json!({"type": "integer", "minimum": 0, "format": "uint64"}))
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

    pub(crate) fn schema(self) -> Schema {
        let Self { properties, required } = self;
        let mut schema = Schema::default();
        schema.insert("type".to_owned(), "object".into());
        schema.insert("properties".to_owned(), properties.into());
        schema.insert("required".to_owned(), required.into());
        schema.insert("additionalProperties".to_owned(), false.into());
        schema
    }
}

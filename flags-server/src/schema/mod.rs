//! JSON Schemas (2020-12) of what the API takes and answers.

mod body;
mod core;
mod glossary;

use flags_core::{CONDITION, FLAG_STATE, Field, SERVE, Shape};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

pub(crate) use self::body::Body;
pub(crate) use self::core::{
    blocks, condition, decision, diagnostics, document, evaluation, explanation, exported_tenant,
    flag_state, flag_type, noted_override, segment, sold, tenant, variants,
};
pub(crate) use self::glossary::explain;

/// Text without control characters.
pub(crate) const PRINTABLE: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

/// What people write in one line: nothing that moves a cursor or turns a direction.
pub(crate) const LINE: &str = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$";

/// The `next_cursor` of a page.
pub(crate) const CURSOR: &str = "^[A-Za-z0-9_-]+$";

/// Where references lead.
const COMPONENTS: &str = "/components/schemas";

/// Shapes with a name of their own: those that others refer to, themselves included.
const NAMED: [(&str, &Shape); 3] =
    [("Condition", &CONDITION), ("Serve", &SERVE), ("FlagState", &FLAG_STATE)];

/// What makes schemas of types as they are written in answers; of what is named, they hold
/// references.
pub(crate) fn generator() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| {
        settings.definitions_path = COMPONENTS.into();
        settings.meta_schema = None;
    });
    settings.into_generator()
}

/// What has such a shape, and nothing else.
pub(crate) fn of_shape(shape: &'static Shape, generator: &mut SchemaGenerator) -> Schema {
    match NAMED.iter().find(|(_, named)| std::ptr::eq(*named, shape)) {
        None => unnamed(shape, generator),
        Some((name, _)) => named(name, generator, |generator| unnamed(shape, generator)),
    }
}

/// A reference to a schema that is made once.
pub(crate) fn named(
    name: &str,
    generator: &mut SchemaGenerator,
    schema: impl FnOnce(&mut SchemaGenerator) -> Schema,
) -> Schema {
    if !generator.definitions().contains_key(name) {
        // Before it is made: it may refer to itself.
        generator.definitions_mut().insert(name.to_owned(), Value::Null);
        let schema = schema(generator);
        generator.definitions_mut().insert(name.to_owned(), schema.to_value());
    }
    Schema::new_ref(format!("#{COMPONENTS}/{name}"))
}

fn unnamed(shape: &'static Shape, generator: &mut SchemaGenerator) -> Schema {
    match shape {
        Shape::Any => Schema::default(),
        Shape::Boolean => json_schema!({"type": "boolean"}),
        Shape::String => json_schema!({"type": "string"}),
        Shape::Word(words) => json_schema!({"type": "string", "enum": words}),
        Shape::U32 => json_schema!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        Shape::U64 => json_schema!({"type": "integer", "minimum": 0, "format": "uint64"}),
        Shape::Number => json_schema!({"type": "number"}),
        Shape::Nullable(inner) => nullable(of_shape(inner, generator)),
        Shape::List(inner) => {
            let items = of_shape(inner, generator);
            json_schema!({"type": "array", "items": items})
        }
        Shape::Members => json_schema!({"type": "object"}),
        Shape::Object(fields) => {
            let members = fields.iter().map(|field| {
                let mut schema = of_shape(field.shape(), generator);
                if !field.meaning().is_empty() {
                    schema.insert("description".to_owned(), field.meaning().into());
                }
                (field.name().to_owned(), schema.to_value())
            });
            let properties: Map<String, Value> = members.collect();
            let required = fields.iter().filter(|field| field.is_required()).map(Field::name);
            json_schema!({
                "type": "object",
                "properties": properties,
                "required": required.collect::<Vec<_>>(),
                "additionalProperties": false,
            })
        }
        Shape::Choice(choices) => {
            let choices = choices.iter().map(|(_, shape)| of_shape(shape, generator));
            json_schema!({"oneOf": choices.collect::<Vec<_>>()})
        }
    }
}

/// `null`, or what the schema says.
pub(crate) fn nullable(schema: Schema) -> Schema {
    match schema.get("type") {
        Some(Value::Array(types)) if types.contains(&json!("null")) => schema,
        // Any value is null, too.
        None if schema.as_object().is_none_or(Map::is_empty) => schema,
        Some(Value::String(name)) if schema.get("enum").is_none() => {
            let types = json!([name, "null"]);
            let mut schema = schema;
            schema.insert("type".to_owned(), types);
            schema
        }
        _ => json_schema!({"anyOf": [schema, {"type": "null"}]}),
    }
}

/// What is there is not null.
pub(crate) fn without_null(schema: &mut Map<String, Value>) {
    let null = json!({"type": "null"});
    for (name, null) in [("type", &json!("null")), ("enum", &Value::Null), ("anyOf", &null)] {
        if let Some(Value::Array(choices)) = schema.get_mut(name) {
            choices.retain(|choice| choice != null);
        }
    }
    if let Some(Value::Array(types)) = schema.get_mut("type")
        && let [only] = &mut **types
    {
        let only = only.take();
        schema.insert("type".to_owned(), only);
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf")
        && let [Value::Object(only)] = &mut **choices
    {
        let only = std::mem::take(only);
        schema.remove("anyOf");
        schema.extend(only);
    }
}

/// What is said of types as they are written, and not more: a member that is left out where there is
/// nothing is never null, and has no default. What takes no further members was made of a [`Shape`],
/// and is as it should be.
pub(crate) fn as_written(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(as_written),
        Value::Object(members) => {
            let required = members.get("required").cloned().unwrap_or_default();
            let is_open = !members.contains_key("additionalProperties");
            if let (Some(Value::Object(properties)), true) =
                (members.get_mut("properties"), is_open)
            {
                for (name, property) in properties {
                    let may_be_absent =
                        !required.as_array().is_some_and(|names| names.contains(&json!(name)));
                    let Value::Object(property) = property else { continue };
                    property.remove("default");
                    if may_be_absent {
                        without_null(property);
                    }
                }
            }
            if members.get("format") == Some(&json!("uint")) {
                // How wide a number is on this machine says nothing.
                members.remove("format");
            }
            members.values_mut().for_each(as_written);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_refers_to_itself_is_named() {
        let mut generator = generator();
        let schema = of_shape(&CONDITION, &mut generator).to_value();
        assert_eq!(schema, json!({"$ref": "#/components/schemas/Condition"}));
        let condition = &generator.definitions()["Condition"];
        let not = &condition["oneOf"][2];
        assert_eq!(not["properties"]["not"]["$ref"], schema["$ref"]);
        assert_eq!(
            (&not["required"], &not["additionalProperties"]),
            (&json!(["not"]), &json!(false))
        );
    }

    #[test]
    fn null_is_a_further_type() {
        let of = |shape| of_shape(shape, &mut generator()).to_value();
        assert_eq!(of(&Shape::Nullable(&Shape::String)), json!({"type": ["string", "null"]}));
        assert_eq!(of(&Shape::Nullable(&Shape::Any)), json!({}));
        assert_eq!(
            of(&Shape::Nullable(&Shape::Word(&["a"]))),
            json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]})
        );
    }
}

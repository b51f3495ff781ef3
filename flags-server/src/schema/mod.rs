//! JSON Schemas (2020-12) of what the API takes and answers.

mod body;
mod core;
mod definition;
mod glossary;

use std::ops::RangeInclusive;

use flags_core::{CONDITION, FLAG_STATE, Field, SERVE, Shape, Text};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

pub(crate) use self::body::Body;
pub(crate) use self::core::{
    blocks, condition, decision, diagnostics, document, evaluation, explanation, exported_tenant,
    flag_state, flag_type, lane, limit, noted_override, nullable_limit, over_limit_policy, segment,
    sold, tenant, variants,
};
pub(crate) use self::definition::{
    context, patched_attributes, with_modes, with_types, with_values,
};
pub(crate) use self::glossary::explain;

use crate::service::tenant::shape::EXPORTED_OVERRIDE;

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
        Shape::Text(kind) => text(kind),
        Shape::Word(words) => json_schema!({"type": "string", "enum": words}),
        Shape::U32 => json_schema!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        Shape::U64 => json_schema!({"type": "integer", "minimum": 0, "format": "uint64"}),
        Shape::Number => json_schema!({"type": "number"}),
        Shape::Nullable(inner) => nullable(of_shape(inner, generator)),
        Shape::List(inner) => {
            let items = of_shape(inner, generator);
            json_schema!({"type": "array", "items": items})
        }
        Shape::Within(range, inner) => within(range, of_shape(inner, generator)),
        Shape::Attributes => definition::attributes(),
        Shape::Grants => definition::grants(),
        Shape::Object(_) if std::ptr::eq(shape, &EXPORTED_OVERRIDE) => {
            with_modes(Body::of(shape, generator).schema())
        }
        Shape::Object(fields) => {
            let members = fields
                .iter()
                .map(|field| (field.name().to_owned(), member(field, generator).to_value()));
            let properties: Map<String, Value> = members.collect();
            let required = fields.iter().filter(|field| field.is_required()).map(Field::name);
            json_schema!({
                "type": "object",
                "properties": properties,
                "required": required.collect::<Vec<_>>(),
                "additionalProperties": false,
            })
        }
        Shape::Choice(_) if std::ptr::eq(shape, &CONDITION) => definition::conditions(generator),
        Shape::Choice(choices) => {
            let choices = choices.iter().map(|(_, shape)| of_shape(shape, generator));
            json_schema!({"oneOf": choices.collect::<Vec<_>>()})
        }
    }
}

/// What a field of an object is, and what it means.
fn member(field: &Field, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = of_shape(field.shape(), generator);
    if !field.meaning().is_empty() {
        schema.insert("description".to_owned(), field.meaning().into());
    }
    schema
}

/// A text of this kind. Its length is said in characters, of which it has no more than bytes.
pub(crate) fn text(kind: &Text) -> Schema {
    let mut schema = json_schema!({"type": "string"});
    let mut say = |name: &str, value: Value| drop(schema.insert(name.to_owned(), value));
    if !kind.pattern().is_empty() {
        say("pattern", kind.pattern().into());
    }
    if !kind.format().is_empty() {
        say("format", kind.format().into());
    }
    if kind.least_bytes() > 0 {
        // One character has up to four bytes.
        say("minLength", kind.least_bytes().div_ceil(4).into());
    }
    if kind.most_bytes() < usize::MAX {
        say("maxLength", kind.most_bytes().into());
    }
    if !kind.exceptions().is_empty() {
        say("not", json!({"enum": kind.exceptions()}));
    }
    schema
}

/// A number in this range, or a list of so many elements.
fn within(range: &RangeInclusive<u64>, mut schema: Schema) -> Schema {
    let is_list = schema.get("type") == Some(&json!("array"));
    let (least, most) = if is_list { ("minItems", "maxItems") } else { ("minimum", "maximum") };
    if !is_list || *range.start() > 0 {
        schema.insert(least.to_owned(), json!(range.start()));
    }
    if *range.end() < u64::MAX {
        schema.insert(most.to_owned(), json!(range.end()));
    }
    schema
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

//! Schemas in words: what something is, and a nested list of its members.

use maud::{Markup, html};
use serde_json::Value;

use super::{entries, members, page, text};

/// What something is, in a few words; what has a name is a link to where that is shown.
pub(super) fn kind(schema: &Value) -> Markup {
    if let Some(name) = page::name(schema) {
        return html! { a href={ "#schema-" (name) } { (name) } };
    }
    if let Some(value) = schema.get("const") {
        return html! { "always " code { (value) } };
    }
    if schema.get("enum").is_some() {
        return html! {
            @if entries(schema, "enum").nth(1).is_some() { "one of " }
            @for (index, value) in entries(schema, "enum").enumerate() {
                @if index > 0 { ", " }
                code { (value) }
            }
        };
    }
    let alternatives: Vec<&Value> = alternatives(schema).collect();
    let mut types: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        _ => entries(schema, "type").filter_map(Value::as_str).collect(),
    };
    let may_be_null = types.contains(&"null") || any_of(schema).any(is_null);
    types.retain(|name| *name != "null");
    html! {
        @match (&*types, &*alternatives) {
            ([], []) => "any JSON value",
            ([], [one]) => (kind(one)),
            ([], _) => "one of these",
            (types, _) => @for (index, name) in types.iter().enumerate() {
                @if index > 0 { " or " }
                (named(name, schema))
            },
        }
        @if may_be_null { " or " code { "null" } }
    }
}

fn named(name: &str, schema: &Value) -> Markup {
    html! {
        @match (name, schema.get("items")) {
            ("array", Some(items)) => { "list of " (kind(items)) }
            ("array", None) => "list",
            ("string", _) if text(schema, "format") == "date-time" => "time, as in RFC 3339",
            _ => (name),
        }
        @let limits = limits(schema);
        @if !limits.is_empty() { span.limits { ", " (limits) } }
        @if !text(schema, "pattern").is_empty() {
            span.limits { ", matching " code { (text(schema, "pattern")) } }
        }
        @let exceptions = schema.pointer("/not/enum").and_then(Value::as_array);
        @for exception in exceptions.into_iter().flatten() {
            span.limits { ", not " code { (exception.as_str().unwrap_or_default()) } }
        }
    }
}

fn limits(schema: &Value) -> String {
    let range = |least: &str, most: &str, unit: &str| match (schema.get(least), schema.get(most)) {
        (Some(least), Some(most)) => format!("{least} to {most}{unit}"),
        (Some(least), None) if *least == 1 && !unit.is_empty() => "not empty".to_owned(),
        (Some(least), None) => format!("at least {least}{unit}"),
        (None, Some(most)) => format!("at most {most}{unit}"),
        (None, None) => String::new(),
    };
    let ranges = [
        range("minimum", "maximum", ""),
        range("minLength", "maxLength", " characters"),
        range("minItems", "maxItems", " entries"),
    ];
    ranges.into_iter().filter(|range| !range.is_empty()).collect::<Vec<_>>().join(", ")
}

/// What is inside: the members of an object, and of the objects in a list; and the ways in which it
/// can be written. Of what has a name, nothing: that is shown in its own place.
pub(super) fn inside(schema: &Value) -> Markup {
    let required: Vec<&str> = entries(schema, "required").filter_map(Value::as_str).collect();
    let alternatives: Vec<&Value> = alternatives(schema).collect();
    let has_members = members(schema, "properties").next().is_some();
    html! {
        @if has_members {
            ul.members {
                @for (name, member) in members(schema, "properties") {
                    li { (line(name, member, required.contains(&name))) }
                }
            }
        }
        @match &*alternatives {
            [] => {},
            [one] if !has_members => (inside(one)),
            several => {
                @if has_members { p.and { "and one of these:" } }
                ul.ways {
                    @for way in several { li { (kind(way)) (inside(way)) } }
                }
            }
        }
        @if let Some(items) = schema.get("items") { (inside(items)) }
        @if let Some(member @ Value::Object(_)) = schema.get("additionalProperties") {
            ul.members { li { "under each name: " (kind(member)) (inside(member)) } }
        }
    }
}

/// A member, or a parameter.
pub(super) fn line(name: &str, schema: &Value, is_required: bool) -> Markup {
    let about = text(schema, "description");
    html! {
        code.name { (name) } " " span.kind { (kind(schema)) }
        @if is_required { " " span.required { "required" } }
        @if !about.is_empty() { " " span.about { (page::prose(about)) } }
        (inside(schema))
    }
}

fn any_of(schema: &Value) -> impl Iterator<Item = &Value> {
    entries(schema, "oneOf").chain(entries(schema, "anyOf"))
}

/// The ways in which it can be written, `null` left out.
fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    any_of(schema).filter(|way| !is_null(way))
}

fn is_null(schema: &Value) -> bool {
    text(schema, "type") == "null"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What a reader sees, without the marks.
    fn seen(markup: Markup) -> String {
        let html = markup.into_string();
        let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
        parts.collect()
    }

    #[test]
    fn schemas_are_said_in_words() {
        for (schema, words) in [
            (json!({"type": "string"}), "string"),
            (json!({"type": ["string", "null"]}), "string or null"),
            (
                json!({"type": "string", "minLength": 1, "maxLength": 9}),
                "string, 1 to 9 characters",
            ),
            (json!({"type": "string", "maxLength": 9}), "string, at most 9 characters"),
            (json!({"type": "string", "minLength": 1}), "string, not empty"),
            (json!({"type": "integer", "format": "uint64", "minimum": 0}), "integer, at least 0"),
            (json!({"type": "string", "format": "date-time"}), "time, as in RFC 3339"),
            (json!({"type": "string", "pattern": "^a$"}), "string, matching ^a$"),
            (json!({"enum": ["a", "b"], "type": "string"}), "one of &quot;a&quot;, &quot;b&quot;"),
            (json!({"const": true}), "always true"),
            (json!({"$ref": "#/components/schemas/Serve"}), "Serve"),
            (json!({"type": "array", "items": {"$ref": "#/x/Serve"}}), "list of Serve"),
            (json!({"anyOf": [{"$ref": "#/x/Serve"}, {"type": "null"}]}), "Serve or null"),
            (json!({"oneOf": [{"$ref": "#/x/A"}, {"$ref": "#/x/B"}]}), "one of these"),
            (json!({}), "any JSON value"),
            (json!(true), "any JSON value"),
        ] {
            assert_eq!(seen(kind(&schema)), words, "{schema}");
        }
    }

    #[test]
    fn members_are_nested_as_they_are() {
        let schema = json!({
            "type": "object",
            "properties": {"rules": {"type": "array", "description": "In <order>.", "items": {
                "type": "object",
                "properties": {"id": {"type": "string"}},
                "required": ["id"],
            }}},
            "anyOf": [{"type": "object", "properties": {"x": {"type": "null"}}}, {"const": 1}],
        });
        let html = inside(&schema).into_string();
        assert_eq!(html.matches("<ul").count(), 4, "{html}");
        let seen = seen(inside(&schema));
        let rules = "rules list of object In &lt;order&gt;.id string required";
        assert!(seen.starts_with(rules), "{seen}");
        assert!(seen.ends_with("always 1"), "{seen}");
    }
}

//! Schemas of types of flags-core, which knows nothing of schemas. That answers have them is checked
//! with every answer that a test gets.

use flags_core::{
    ADDON, CONDITION, CONTRACT_FIELDS, FEATURE, FLAG, FLAG_STATE, FLAG_TYPE, Operator, PLAN,
    SEGMENT, Shape, TENANT, VARIANTS,
};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::{Body, named, nullable, of_shape};
use crate::service::contract::Actor;
use crate::service::tenant::shape::{EXPORTED_ONE, NEW_OVERRIDE, SHOWN};

pub(crate) fn flag_type(generator: &mut SchemaGenerator) -> Schema {
    of_shape(&FLAG_TYPE, generator)
}

pub(crate) fn variants(generator: &mut SchemaGenerator) -> Schema {
    of_shape(&VARIANTS, generator)
}

/// A condition, or `null`.
pub(crate) fn condition(generator: &mut SchemaGenerator) -> Schema {
    nullable(of_shape(&CONDITION, generator))
}

/// A whole state, as it is written.
pub(crate) fn flag_state(generator: &mut SchemaGenerator) -> Schema {
    written(&FLAG_STATE, generator)
}

/// What is shown of a tenant.
pub(crate) fn tenant(generator: &mut SchemaGenerator) -> Schema {
    Body::of(&SHOWN, generator).requires("attributes").open().schema()
}

/// A tenant in an export; its key stands beside.
pub(crate) fn exported_tenant(generator: &mut SchemaGenerator) -> Schema {
    let body = Body::of(&EXPORTED_ONE, generator).may_lack("key");
    body.requires("attributes").open().schema()
}

/// A segment's definition with its lists, as it is written.
pub(crate) fn segment(generator: &mut SchemaGenerator) -> Schema {
    written(&SEGMENT, generator)
}

/// Something of the catalogue as it is written, with what people call it.
pub(crate) fn sold(shape: &'static Shape, generator: &mut SchemaGenerator) -> Body {
    let body = Body::of(shape, generator).presented().open();
    ["key", "name", "description"].into_iter().fold(body, Body::requires)
}

/// What a flag requires is left out where it requires nothing.
const LEFT_OUT: &str = "requires";

/// An object of which all members but one are there, whether they have to be or not; with others
/// beside them.
fn written(shape: &'static Shape, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = super::unnamed(shape, generator);
    schema.remove("additionalProperties");
    let names = schema.get("properties").and_then(Value::as_object);
    let names = names.map(|members| members.keys().filter(|name| *name != LEFT_OUT));
    let names: Option<Vec<String>> = names.map(|names| names.cloned().collect());
    schema.insert("required".to_owned(), json!(names.unwrap_or_default()));
    schema
}

fn integer() -> Value {
    json!({"type": "integer", "minimum": 0, "format": "uint64"})
}

/// What is wrong with a body, and where.
pub(crate) fn diagnostics(generator: &mut SchemaGenerator) -> Schema {
    let diagnostic = named("Diagnostic", generator, |_| {
        json_schema!({
            "type": "object",
            "properties": {
                "pointer": {"type": "string", "description": "Where in the request's body: a JSON pointer, empty for all of it."},
                "code": {"type": "string", "description": "Which kind of problem."},
                "message": {"type": "string", "description": "The problem in words."},
            },
            "required": ["pointer", "code", "message"],
        })
    });
    json_schema!({"type": "array", "items": diagnostic})
}

/// An answer of a flag, without its key.
pub(crate) fn evaluation(_: &mut SchemaGenerator) -> Schema {
    let reasons = [
        "not_ready",
        "flag_not_found",
        "type_mismatch",
        "flag_invalid",
        "override",
        "disabled",
        "prerequisite_failed",
        "not_entitled",
        "target_match",
        "rule_match",
        "fallthrough",
    ];
    json_schema!({
        "type": "object",
        "properties": {
            "value": {"description": "What the flag serves; null where the caller's default holds."},
            "variant": {"type": ["string", "null"]},
            "reason": {"type": "string", "enum": reasons},
            "prerequisite": {"type": "string", "description": "The flag that failed."},
            "feature": {"type": "string", "description": "The key of the feature that is required."},
            "entitlement": {"type": "string", "description": "Why the tenant is not entitled to it."},
            "lane": {"type": "string", "description": "Which lane blocks the tenant."},
            "rule": {"type": "string", "description": "The id of the rule that matched."},
            "split": {"oneOf": [
                {
                    "type": "object",
                    "properties": {"bucket": {"type": "integer", "minimum": 0, "maximum": 99_999}},
                    "required": ["bucket"],
                },
                {"const": "unit_missing"},
            ]},
            "version": integer(),
            "revision": integer(),
        },
        "required": ["value", "variant", "reason", "version", "revision"],
    })
}

/// An override with what people say of it, as it is written.
pub(crate) fn noted_override(generator: &mut SchemaGenerator) -> Schema {
    let actor = generator.subschema_for::<Actor>();
    let number = integer();
    let body = Body::of(&NEW_OVERRIDE, generator).with("actor", actor.to_value());
    let body = body.with("created_at", json!({"type": "string", "format": "date-time"}));
    let body = body.with("version", number).open();
    let required = ["review_at", "actor", "created_at", "version"];
    required.into_iter().fold(body, Body::requires).schema()
}

pub(crate) fn blocks(generator: &mut SchemaGenerator) -> Schema {
    let [.., blocks] = CONTRACT_FIELDS;
    of_shape(blocks.shape(), generator)
}

/// What holds of a feature, and why.
pub(crate) fn limit(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"oneOf": [integer(), {"const": "unlimited"}]})
}

/// The same, where there may be none.
pub(crate) fn nullable_limit(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"oneOf": [integer(), {"const": "unlimited"}, {"type": "null"}]})
}

/// What a feature leaves of those who use more than the limit.
pub(crate) fn over_limit_policy(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"enum": ["block_growth", "read_only", "none"]})
}

/// Who blocks.
pub(crate) fn lane(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"enum": ["billing", "fraud", "manual", "legal"]})
}

pub(crate) fn decision(_: &mut SchemaGenerator) -> Schema {
    let text = || json!({"type": "string"});
    let limit = json!({
        "oneOf": [integer(), {"const": "unlimited"}],
        "description": "The value of a feature that is a limit.",
    });
    let source = |properties: Value| {
        let required: Vec<&String> =
            properties.as_object().into_iter().flat_map(Map::keys).collect();
        json!({"type": "object", "properties": properties, "required": required})
    };
    let sources = [
        source(json!({"plan": text(), "version": integer()})),
        source(json!({"addon": text()})),
        source(json!({"override": text()})),
        json!({"type": "null"}),
    ];
    let reasons = [
        "granted",
        "trial",
        "grace",
        "override_set",
        "override_add",
        "override_at_least",
        "override_at_most",
        "not_in_plan",
        "denied",
        "blocked",
        "expired",
        "tenant_unknown",
        "feature_unknown",
        "feature_invalid",
    ];
    json_schema!({
            "type": "object",
            "properties": {
                "access": {"enum": ["full", "read_only", "none"], "description": "What the tenant may do."},
                "value": {"description": "What is granted; null where nothing is."},
                "limit": limit,
                "reason": {"type": "string", "enum": reasons},
                "lane": {"type": "string", "description": "Who blocks."},
                "source": {"oneOf": sources, "description": "Where the value comes from, or who denies."},
                "valid_until": {
                    "type": ["string", "null"],
                    "format": "date-time",
                    "description": "When it may be another one; null where no end of it is known.",
                },
            },
            "required": ["access", "value", "reason", "source", "valid_until"],})
}

/// An answer of a flag with the steps that led to it.
pub(crate) fn explanation(generator: &mut SchemaGenerator) -> Schema {
    let step = named("Step", generator, step);
    let mut schema = evaluation(generator);
    if let Some(Value::Object(members)) = schema.get_mut("properties") {
        members.insert("flag".to_owned(), json!({"type": "string"}));
        members.insert("steps".to_owned(), json!({"type": "array", "items": step}));
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.extend(["flag".into(), "steps".into()]);
    }
    schema
}

fn step(generator: &mut SchemaGenerator) -> Schema {
    let text = || json!({"type": "string"});
    let texts = || json!({"type": "array", "items": {"type": "string"}});
    let of = |name: &str, members: Value| {
        let mut properties = json!({"step": {"const": name}});
        if let (Value::Object(properties), Value::Object(members)) = (&mut properties, members) {
            properties.extend(members);
        }
        properties
    };
    let questions = [
        (
            of("prerequisite", json!({"flag": text(), "variants": texts()})),
            vec!["flag", "variants"],
        ),
        (
            of(
                "requires",
                json!({
                    "feature": text(),
                    "write": {"const": true},
                    "access": {"enum": ["none", "read_only", "full"]},
                    "entitlement": text(),
                }),
            ),
            vec!["feature", "access", "entitlement"],
        ),
        (of("rule", json!({"id": text()})), vec!["id"]),
        (of("segment", json!({"key": text()})), vec!["key"]),
        (
            of(
                "attribute",
                json!({
                    "attribute": text(),
                    "op": {"type": "string", "enum": Operator::ALL.map(Operator::name)},
                    "ignore_case": {"const": true},
                    "values": texts(),
                    "further": integer(),
                    "found": {"type": ["string", "null"]},
                    "stored": {"const": true},
                }),
            ),
            vec!["attribute", "op", "values", "found"],
        ),
        (of("split", json!({"by": text(), "stored": {"const": true}})), vec!["by"]),
    ];
    let questions = questions.map(|(properties, mut required)| {
        required.push("step");
        json!({"properties": properties, "required": required})
    });
    let plain = json!(["state", "targets", "fallthrough", "all", "any", "not"]);
    let plain = json!({"properties": {"step": {"enum": plain}}, "required": ["step"]});
    let questions: Vec<Value> = [plain].into_iter().chain(questions).collect();
    let outcome = json!({"oneOf": [
        {"enum": ["true", "false", "unknown", "nothing", "unit_missing"]},
        {"type": "object", "properties": {"serves": text()}, "required": ["serves"]},
        {
            "type": "object",
            "properties": {"bucket": {
                "type": "object",
                "properties": {
                    "bucket": integer(), "from": integer(), "below": integer(),
                    "variant": {"type": ["string", "null"]},
                },
                "required": ["bucket", "from", "below", "variant"],
            }},
            "required": ["bucket"],
        },
    ]});
    let steps = named("Step", generator, |_| Schema::default());
    json_schema!({
        "type": "object",
        "properties": {
            "outcome": outcome,
            "steps": {"type": "array", "items": steps},
        },
        "required": ["outcome"],
        "oneOf": questions,
    })
}

/// All definitions of an environment, as SDKs get them.
pub(crate) fn document(generator: &mut SchemaGenerator) -> Schema {
    let mut objects = Vec::new();
    for (kind, shape) in [
        ("flag", &FLAG),
        ("segment", &SEGMENT),
        ("feature", &FEATURE),
        ("plan", &PLAN),
        ("addon", &ADDON),
        ("tenant", &TENANT),
    ] {
        // One that cannot be read is broken alone.
        let definition = nullable(of_shape(shape, generator));
        objects.push(json!({
            "type": "object",
            "properties": {
                "kind": {"const": kind},
                "key": {"type": "string"},
                "version": integer(),
                "needs": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Capabilities without which it must not be evaluated.",
                },
                "definition": definition,
            },
            "required": ["kind", "key", "version", "definition"],
        }));
    }
    json_schema!({
        "type": "object",
        "properties": {
            "epoch": {"type": "string"},
            "revision": integer(),
            "objects": {"type": "array", "items": {"oneOf": objects}},
        },
        "required": ["epoch", "revision", "objects"],
    })
}

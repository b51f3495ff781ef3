//! Of definitions and contexts, what depends on more than one member: conditions on their operator, values on
//! the flag's type. That it is as the core checks it is tested.

use flags_core::{
    CONDITION, Comparand, FlagType, MAX_PATTERN_BYTES, MAX_TENANT_ATTRIBUTES, Operator, Shape,
    Text, Values,
};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::{nullable, of_shape, text};

/// Conditions: those on an attribute in as many ways as operators differ in what they take.
pub(super) fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let Shape::Choice(choices) = &CONDITION else { return Schema::default() };
    let mut ways = Vec::new();
    for (name, shape) in *choices {
        let way = of_shape(shape, generator).to_value();
        if *name == "attribute" {
            ways.extend(operators().into_iter().map(|alike| of_operators(&way, &alike)));
        } else {
            ways.push(way);
        }
    }
    json_schema!({"oneOf": ways})
}

/// Operators, those together that take the same.
fn operators() -> Vec<Vec<Operator>> {
    let takes = |op: Operator| (op.values(), op.may_ignore_case());
    let mut ways: Vec<Vec<Operator>> = Vec::new();
    for op in Operator::ALL {
        match ways
            .iter_mut()
            .find(|way| way.first().is_some_and(|first| takes(*first) == takes(op)))
        {
            Some(way) => way.push(op),
            None => ways.push(vec![op]),
        }
    }
    ways
}

/// A condition on an attribute with one of these operators, which take the same.
fn of_operators(condition: &Value, alike: &[Operator]) -> Value {
    let mut condition = condition.clone();
    let Some(op) = alike.first() else { return condition };
    let Values { least, most, of } = op.values();
    let mut values = json!({"maxItems": most, "minItems": least, "items": comparand(of)});
    if let Some(values) = values.as_object_mut() {
        if most == usize::MAX {
            values.remove("maxItems");
        }
        if most == 0 {
            values.remove("items");
        }
    }
    let mut say = |pointer: &str, more: Value| {
        let member = condition.pointer_mut(pointer).and_then(Value::as_object_mut);
        if let (Some(member), Value::Object(more)) = (member, more) {
            member.extend(more);
        }
    };
    say("/properties/op", json!({"enum": alike.iter().map(|op| op.name()).collect::<Vec<_>>()}));
    say("/properties/values", values);
    if !op.may_ignore_case() {
        say("/properties/ignore_case", json!({"const": false}));
    }
    if least > 0
        && let Some(Value::Array(required)) = condition.get_mut("required")
    {
        required.push("values".into());
    }
    condition
}

fn comparand(of: Comparand) -> Value {
    match of {
        Comparand::Scalar => json!({"type": ["boolean", "number", "string"]}),
        Comparand::Text => json!({"type": "string"}),
        Comparand::Number => json!({"type": "number"}),
        Comparand::Instant => json!({"anyOf": [
            text(&Text::TIME),
            {"const": "now"},
            {"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX, "format": "int64"},
        ]}),
        Comparand::Version => text(&Text::VERSION).to_value(),
        Comparand::Pattern => {
            json!({"type": "string", "maxLength": MAX_PATTERN_BYTES})
        }
        Comparand::Network => json!({"type": "string"}),
    }
}

/// What is stored of a tenant.
pub(super) fn attributes() -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": text(&Text::ATTRIBUTE_NAME),
        "maxProperties": MAX_TENANT_ATTRIBUTES,
        "additionalProperties": attribute(),
    })
}

/// What is changed of it; `null` takes an attribute away.
pub(crate) fn patched_attributes() -> Value {
    json!({
        "type": ["object", "null"],
        "propertyNames": text(&Text::ATTRIBUTE_NAME),
        "additionalProperties": nullable_attribute(),
    })
}

fn attribute() -> Value {
    json!({"type": ["boolean", "number", "string", "array"], "items": {"type": "string"}})
}

fn nullable_attribute() -> Value {
    json!({"type": ["boolean", "number", "string", "array", "null"], "items": {"type": "string"}})
}

/// Who asks: kinds, each with its key and attributes.
pub(crate) fn context() -> Value {
    json!({
        "type": "object",
        "propertyNames": text(&Text::KIND),
        "additionalProperties": {
            "type": "object",
            "properties": {"key": nullable(text(&Text::CONTEXT_KEY))},
            "additionalProperties": nullable_attribute(),
        },
    })
}

/// Says of an object with `type` and `variants` that the values are of the type: the schema of each way
/// to say it, which has besides what `required` names.
pub(crate) fn with_values(mut flag: Schema, required: &[&str], may_be_plain: bool) -> Schema {
    let types = [
        (FlagType::Boolean, json!({"type": "boolean"})),
        (FlagType::String, json!({"type": "string"})),
        (
            FlagType::Integer,
            json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX, "format": "int64"}),
        ),
        (FlagType::Float, json!({"type": "number"})),
        (FlagType::Json, json!({})),
    ];
    let way = |of: FlagType, variants: Value| -> Map<String, Value> {
        let properties = json!({"type": {"const": of}, "variants": variants});
        Map::from_iter([("properties".to_owned(), properties)])
    };
    let mut ways = Vec::new();
    if may_be_plain {
        // One that is on or off needs to say nothing else.
        ways.push(way(FlagType::Boolean, false.into()));
    }
    for (of, mut value) in types {
        if let Some(value) = value.as_object_mut() {
            value.insert("description".to_owned(), "What it gives, of the flag's type.".into());
        }
        let mut way = way(of, json!({"items": {"properties": {"value": value}}}));
        way.insert("required".to_owned(), json!(required));
        ways.push(way);
    }
    flag.insert("anyOf".to_owned(), json!(ways));
    flag
}

#[cfg(test)]
mod tests {
    use flags_core::{
        FLAG, FlagDefinition, JsonContext, SegmentDefinition, TENANT, TenantDefinition, check_flag,
        check_segment, check_tenant,
    };
    use jsonschema::Validator;

    use super::super::generator;
    use super::*;

    fn validator(schema: impl FnOnce(&mut SchemaGenerator) -> Schema) -> Validator {
        let mut generator = generator();
        let schema = schema(&mut generator);
        let schemas = generator.take_definitions(false);
        let root = json!({"allOf": [schema], "components": {"schemas": schemas}});
        let options = jsonschema::draft202012::options().should_validate_formats(true);
        options.build(&root).unwrap()
    }

    /// Values of all sorts.
    fn values() -> Vec<Value> {
        vec![
            json!(true),
            json!(0),
            json!(-7),
            json!(1.5),
            json!(1e300),
            json!(i64::MAX),
            json!(""),
            json!("x"),
            json!("now"),
            json!("1.2.3-rc.1"),
            json!("2026-11-20T12:00:00+01:00"),
            json!("10.0.0.0/8"),
            Value::Null,
            json!([]),
            json!(["a", "b"]),
            json!(["a", 1]),
            json!({}),
        ]
    }

    /// What only reading a value tells, or several of them.
    const UNSAID: [&str; 3] = ["out_of_range", "invalid_network", "invalid_pattern"];

    #[test]
    fn conditions_are_described_as_they_are_checked() {
        let described = validator(|generator| of_shape(&CONDITION, generator));
        let mut lists = vec![vec![]];
        lists.extend(values().into_iter().map(|value| vec![value]));
        lists.extend(values().into_iter().map(|value| vec![value, json!(8)]));
        lists.push(vec![json!(1), json!(2), json!(3)]);
        lists.extend([10, 11, 1_000, 1_001].map(|count| vec![json!("a"); count]));
        let (mut right, mut wrong) = (0, 0);
        for op in Operator::ALL {
            for list in &lists {
                for more in [json!({}), json!({"ignore_case": true}), json!({"ignore_case": false})]
                {
                    let mut condition = json!({"attribute": "user.a", "op": op, "values": list});
                    condition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                    let segment = json!({"kind": "user", "when": condition});
                    let segment: SegmentDefinition = serde_json::from_value(segment).unwrap();
                    let mut found = check_segment(&segment);
                    // How many searches a segment has is a matter of all its conditions.
                    let searches = op == Operator::Contains && list.len() > 25;
                    found.retain(|d| {
                        !(UNSAID.contains(&&*d.code) || searches && d.code == "too_many")
                    });
                    assert_eq!(
                        described.is_valid(&condition),
                        found.is_empty(),
                        "{condition}: {found:?}"
                    );
                    *(if found.is_empty() { &mut right } else { &mut wrong }) += 1;
                }
            }
        }
        assert!(right > 200 && wrong > 1_000, "{right} {wrong}");
        for attribute in ["user.a.b", "user", ".a", "user.", "us er.a"] {
            let condition = json!({"attribute": attribute, "op": "exists"});
            let segment = json!({"kind": "user", "when": condition});
            let segment: SegmentDefinition = serde_json::from_value(segment).unwrap();
            assert_eq!(
                described.is_valid(&condition),
                check_segment(&segment).is_empty(),
                "{attribute}"
            );
        }
    }

    #[test]
    fn values_of_variants_are_described_as_they_are_checked() {
        let state = json!({"on": true, "off_variant": "a", "fallthrough": {"variant": "a"}});
        let described = validator(|generator| {
            let flag = super::super::Body::of(&FLAG, generator).schema();
            with_values(flag, &["variants"], false)
        });
        for flag_type in ["boolean", "string", "integer", "float", "json"] {
            for value in values() {
                let variants = json!([{"name": "a", "value": value}]);
                let flag = json!({"type": flag_type, "variants": variants, "state": state});
                let read: FlagDefinition = serde_json::from_value(flag.clone()).unwrap();
                // Beyond 2⁵³, integers are no floats: JSON Schema cannot tell them from floats that are whole.
                let unsaid = flag_type == "float" && value == json!(i64::MAX);
                let fits = unsaid || check_flag(&read).is_empty();
                assert_eq!(described.is_valid(&flag), fits, "{flag_type}: {value}");
            }
        }
    }

    #[test]
    fn attributes_are_described_as_they_are_checked() {
        let stored = validator(|generator| of_shape(&TENANT, generator));
        let asking = validator(|_| Schema::try_from(context()).unwrap());
        for value in values() {
            for name in ["country", "key", "$x", "", "a.b", &"n".repeat(128), &"n".repeat(129)] {
                let tenant = json!({"attributes": {name: value}});
                // `null` is what a context has not, and what is not stored.
                let read: TenantDefinition = serde_json::from_value(tenant.clone()).unwrap();
                let found = check_tenant(&read);
                assert_eq!(stored.is_valid(&tenant), found.is_empty(), "{tenant}: {found:?}");
                for kind in ["user", "us.er", ""] {
                    let context = json!({kind: {name: value}});
                    let found = JsonContext::read(&context).err();
                    assert_eq!(asking.is_valid(&context), found.is_none(), "{context}: {found:?}");
                }
            }
            let found = JsonContext::read(&json!({"user": value})).err();
            assert_eq!(asking.is_valid(&json!({"user": value})), found.is_none(), "{value}");
        }
        let many = |count: usize| -> Map<String, Value> {
            (0..count).map(|index| (format!("a{index}"), true.into())).collect()
        };
        for count in [MAX_TENANT_ATTRIBUTES, MAX_TENANT_ATTRIBUTES + 1] {
            let tenant = json!({"attributes": many(count)});
            let read: TenantDefinition = serde_json::from_value(tenant.clone()).unwrap();
            assert_eq!(stored.is_valid(&tenant), check_tenant(&read).is_empty(), "{count}");
        }
    }
}

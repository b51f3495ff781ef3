//! Of definitions and contexts, what depends on more than one member: conditions on their operator, values on
//! the flag's type. That it is as the core checks it is tested.

use flags_core::{
    CONDITION, Comparand, FeatureType, FlagType, MAX_GRANTS, MAX_PATTERN_BYTES,
    MAX_TENANT_ATTRIBUTES, Operator, OverrideMode, Shape, Text, Values,
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

/// What is granted.
pub(super) fn grants() -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": text(&Text::KEY),
        "maxProperties": MAX_GRANTS,
        "additionalProperties": anything(),
    })
}

/// Any value but `null`.
fn anything() -> Value {
    json!({"type": ["boolean", "number", "string", "array", "object"]})
}

/// Says of a feature what its type lets it have.
pub(crate) fn with_types(mut feature: Schema) -> Schema {
    let of = |of: FeatureType| {
        let (options, required) = match of {
            FeatureType::Options => (json!({"minItems": 1}), json!(["options"])),
            _ => (json!({"maxItems": 0}), json!([])),
        };
        let mut properties = Map::new();
        let mut say = |name: &str, schema: Value| drop(properties.insert(name.to_owned(), schema));
        say("type", json!({"const": of}));
        say("combine", json!({"enum": of.combines()}));
        say("options", options);
        if of != FeatureType::Limit {
            say("over_limit", json!({"type": "null"}));
        }
        json!({"properties": properties, "required": required})
    };
    feature.insert("anyOf".to_owned(), json!(FeatureType::ALL.map(of)));
    feature
}

/// Says of an override what its mode does something with.
pub(crate) fn with_modes(mut exception: Schema) -> Schema {
    let integer = |least: i64| json!({"type": "integer", "minimum": least, "maximum": i64::MAX, "format": "int64"});
    let limit = json!([integer(0), {"const": "unlimited"}]);
    let change = json!([integer(i64::MIN), {"type": "array"}]);
    let of = |modes: &[OverrideMode], ways: Value| {
        let about = "What it does it with, of the feature's type.";
        let value = json!({"anyOf": ways, "description": about});
        json!({"properties": {"mode": {"enum": modes}, "value": value}, "required": ["value"]})
    };
    let nothing = json!({"type": "null", "description": "To deny has no value."});
    let ways = [
        json!({"properties": {"mode": {"const": OverrideMode::Deny}, "value": nothing}}),
        of(&[OverrideMode::Set], json!([anything()])),
        of(&[OverrideMode::Add], change),
        of(&[OverrideMode::Remove], json!([{"type": "array"}])),
        of(&[OverrideMode::AtLeast, OverrideMode::AtMost], limit),
    ];
    exception.insert("anyOf".to_owned(), json!(ways));
    exception
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
        CONTRACT, CONTRACT_FIELDS, ContractDefinition, ContractOverride, FEATURE, FLAG,
        FeatureDefinition, FlagDefinition, JsonContext, MAX_GRACE_MS, PLAN, PlanDefinition,
        SegmentDefinition, TENANT, TenantDefinition, check_contract, check_feature, check_flag,
        check_plan, check_segment, check_tenant,
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
    fn features_are_described_as_they_are_checked() {
        let described =
            validator(|generator| with_types(super::super::Body::of(&FEATURE, generator).schema()));
        let combines = ["any", "max", "sum", "union", "priority"];
        let options = [json!([]), json!(["eu"]), json!(["e u"]), json!(vec!["eu"; 257])];
        let over = |grace: u64| json!({"policy": "none", "grace_ms": grace});
        let mut right = 0;
        for of in FeatureType::ALL {
            for combine in combines {
                for options in &options {
                    for over in [Value::Null, over(0), over(MAX_GRACE_MS), over(MAX_GRACE_MS + 1)] {
                        let feature = json!({"type": of, "combine": combine, "options": options,
                            "over_limit": over});
                        let read: FeatureDefinition =
                            serde_json::from_value(feature.clone()).unwrap();
                        let found = check_feature(&read);
                        let is_valid = described.is_valid(&feature);
                        assert_eq!(is_valid, found.is_empty(), "{feature}: {found:?}");
                        right += usize::from(is_valid);
                    }
                }
            }
        }
        assert_eq!(right, 1 + 2 * 3 + 1 + 1);
        let none = json!({"type": "options", "combine": "union"});
        assert!(!described.is_valid(&none));
    }

    #[test]
    fn plans_are_described_as_they_are_checked() {
        let described = validator(|generator| of_shape(&PLAN, generator));
        let features = |count: usize| -> Map<String, Value> {
            (0..count).map(|index| (format!("f{index}"), true.into())).collect()
        };
        let version = |member: &str, value: Value| {
            let mut version = json!({"version": 1});
            version[member] = value;
            version
        };
        let mut versions = vec![
            version("version", json!(0)),
            version("version", json!(u32::MAX)),
            version("grace_ms", json!(MAX_GRACE_MS)),
            version("grace_ms", json!(MAX_GRACE_MS + 1)),
            version("grants", json!({"a feature": true})),
            version("grants", features(MAX_GRANTS).into()),
            version("grants", features(MAX_GRANTS + 1).into()),
            version("fallback", json!({"plan": "a b", "version": 1})),
            version("fallback", json!({"plan": "free", "version": 0})),
            version("fallback", json!({"plan": "free", "version": 1})),
        ];
        versions.extend(values().into_iter().map(|value| version("grants", json!({"sso": value}))));
        let mut right = 0;
        for version in versions {
            let plan = json!({"versions": [version]});
            let read: PlanDefinition = serde_json::from_value(plan.clone()).unwrap();
            let found = check_plan(&read);
            assert_eq!(described.is_valid(&plan), found.is_empty(), "{version}: {found:?}");
            right += usize::from(found.is_empty());
        }
        assert_eq!(right, 4 + values().len() - 1);
        for count in [0, 1, 1_000, 1_001] {
            let versions: Vec<Value> =
                (1..=count).map(|number| json!({"version": number})).collect();
            let plan = json!({"versions": versions});
            let read: PlanDefinition = serde_json::from_value(plan.clone()).unwrap();
            assert_eq!(described.is_valid(&plan), check_plan(&read).is_empty(), "{count}");
        }
    }

    #[test]
    fn overrides_are_described_as_they_are_checked() {
        let described = validator(|generator| {
            let [.., overrides, _] = &CONTRACT_FIELDS;
            let Shape::Within(_, Shape::List(one)) = overrides.shape() else { panic!() };
            with_modes(of_shape(one, generator))
        });
        let mut values = values();
        values.extend([json!(u64::MAX), json!("unlimited"), json!(i64::MIN)]);
        let mut right = 0;
        for mode in ["deny", "set", "add", "remove", "at_least", "at_most"] {
            for value in &values {
                let exception =
                    json!({"id": "c-7", "feature": "seats", "mode": mode, "value": value});
                let read: ContractOverride = serde_json::from_value(exception.clone()).unwrap();
                let contract = ContractDefinition { overrides: vec![read], ..Default::default() };
                let found = check_contract(&contract);
                let is_valid = described.is_valid(&exception);
                assert_eq!(is_valid, found.is_empty(), "{exception}: {found:?}");
                right += usize::from(is_valid);
            }
        }
        assert!(right > 30, "{right}");
        for mode in ["deny", "set"] {
            let exception = json!({"id": "c-7", "feature": "seats", "mode": mode});
            assert_eq!(described.is_valid(&exception), mode == "deny");
        }
    }

    #[test]
    fn contracts_are_described_as_they_are_checked() {
        let described = validator(|generator| of_shape(&CONTRACT, generator));
        let (start, end) = ("2026-11-20T00:00:00Z", "2026-12-20T00:00:00Z");
        let trial = |plan: &str, version: u32, start: &str| json!({"trial": {"plan": plan, "plan_version": version, "start": start, "end": end}});
        let had = |addon: &str, quantity: u32| json!({"addons": [{"addon": addon, "quantity": quantity}]});
        let exception = |member: &str, value: Value| {
            let mut exception = json!({"id": "c-7", "feature": "seats", "mode": "deny"});
            exception[member] = value;
            json!({"overrides": [exception]})
        };
        let block = |count: usize, end: &str| json!({"blocks": vec![json!({"lane": "legal", "effect": "none", "end": end}); count]});
        for (contract, is_right) in [
            (json!({"plan": "pro", "plan_version": 1}), true),
            (json!({"plan": "p r o", "plan_version": 1}), false),
            (json!({"plan": "pro", "plan_version": 0}), false),
            (json!({"plan_since": start}), true),
            (json!({"plan_since": "yesterday"}), false),
            (trial("max", 1, start), true),
            (trial("m x", 1, start), false),
            (trial("max", 0, start), false),
            (trial("max", 1, "2026"), false),
            (had("more", 1_000_000), true),
            (had("more", 1_000_001), false),
            (had("more", 0), false),
            (had("m re", 1), false),
            (json!({"subscription": {"ends_at": end}}), true),
            (json!({"subscription": {"ends_at": "soon"}}), false),
            (json!({"subscription": {"state": "past_due", "unpaid_since": "soon"}}), false),
            (exception("contract", json!("order 4711")), true),
            (exception("contract", json!("")), false),
            (exception("contract", json!("order\n4711")), false),
            (exception("contract", json!("x".repeat(201))), false),
            (exception("id", json!("c 7")), false),
            (exception("feature", json!("s ats")), false),
            (exception("start", json!("2026")), false),
            (block(64, end), true),
            (block(65, end), false),
            (block(1, "never"), false),
        ] {
            let read: ContractDefinition = serde_json::from_value(contract.clone()).unwrap();
            let found = check_contract(&read);
            assert_eq!(
                (described.is_valid(&contract), found.is_empty()),
                (is_right, is_right),
                "{contract}: {found:?}"
            );
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

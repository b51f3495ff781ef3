//! JSON flags whose values are a type of the service's own.

#![cfg(test)]

use std::sync::atomic::{AtomicU64, Ordering};

use flags_core::{
    Answer, Change, Decoded, Decoders, Document, Entity, Flag, Misfit, Override, Reason, Report,
    Ruleset, Timestamp, Value,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Limits {
    requests: u32,
    #[serde(default)]
    regions: Vec<String>,
}

/// Another view of the same JSON.
#[derive(Debug, PartialEq, Deserialize)]
struct Regions {
    regions: Vec<String>,
}

const LIMITS: Flag<Decoded<Limits>> = Flag::new("limits", Decoded(&DEFAULT));
const REGIONS: Flag<Decoded<Regions>> = Flag::new("limits", Decoded(&NOWHERE));
const JSON: Flag<&serde_json::Value> = Flag::new("limits", &serde_json::Value::Null);
const BOOLEAN: Flag<bool> = Flag::new("limits", true);
static DEFAULT: Limits = limits(10);
static NOWHERE: Regions = Regions { regions: Vec::new() };

const fn limits(requests: u32) -> Limits {
    Limits { requests, regions: Vec::new() }
}

/// The variant `second` for everybody.
fn flag(kind: &str, first: serde_json::Value, second: serde_json::Value) -> serde_json::Value {
    json!({"kind": "flag", "key": "limits", "version": 1, "definition": {
        "type": kind,
        "variants": [{"name": "first", "value": first}, {"name": "second", "value": second}],
        "state": {"on": true, "off_variant": "first", "fallthrough": {"variant": "second"}},
    }})
}

fn compile(flag: serde_json::Value, decoders: &Decoders) -> (Ruleset, Report) {
    let document = json!({"epoch": "e", "revision": 1, "objects": [flag]});
    let document: Document = serde_json::from_value(document).unwrap();
    Ruleset::compile_with(&document, decoders)
}

fn registered() -> Decoders {
    Decoders::new().with(&LIMITS)
}

fn get(ruleset: &Ruleset) -> Answer<'_, &Limits> {
    ruleset.get(&LIMITS, &Entity::user("u-17"), Timestamp::from_millis(0))
}

#[track_caller]
fn serves_the_default(ruleset: &Ruleset, reason: Reason<'_>) {
    let answer = get(ruleset);
    assert_eq!((answer.value, answer.variant, answer.reason), (&DEFAULT, None, reason));
}

#[test]
fn a_registered_type_is_served_and_so_is_the_json() {
    let second = json!({"requests": 2, "regions": ["eu"]});
    let (ruleset, report) =
        compile(flag("json", json!({"requests": 1}), second.clone()), &registered());
    assert!(report.is_clean(), "{report:?}");
    let answer = get(&ruleset);
    assert_eq!(answer.value, &Limits { requests: 2, regions: vec!["eu".into()] });
    assert_eq!((answer.variant, answer.version), (Some("second"), 1));
    assert_eq!(answer.reason, Reason::Fallthrough { split: None });
    let nobody = Entity::user("");
    assert_eq!(ruleset.get(&JSON, &nobody, Timestamp::from_millis(0)).value, &second);
    assert_eq!(ruleset.misfit(&LIMITS), None);
}

#[test]
fn before_the_first_snapshot_and_without_the_flag_the_default_holds() {
    serves_the_default(&Ruleset::with_decoders(registered()), Reason::NotReady);
    let (ruleset, _) = compile(
        json!({"kind": "other", "key": "limits", "version": 1,
        "definition": null}),
        &registered(),
    );
    serves_the_default(&ruleset, Reason::FlagNotFound);
    assert_eq!(ruleset.misfit(&LIMITS), Some(Misfit::Missing));
}

#[test]
fn a_type_that_was_not_registered_is_a_mismatch() {
    let (ruleset, report) =
        compile(flag("json", json!({"requests": 1}), json!({"requests": 2})), &Decoders::new());
    assert!(report.is_clean());
    serves_the_default(&ruleset, Reason::TypeMismatch);
    assert_eq!(get(&ruleset).version, 1);
    assert_eq!(ruleset.misfit(&LIMITS), Some(Misfit::Unregistered));
    assert_eq!(ruleset.misfit(&JSON), None);
}

#[test]
fn a_flag_of_another_type_is_a_mismatch() {
    let (ruleset, report) = compile(flag("integer", json!(1), json!(2)), &registered());
    assert!(report.is_clean());
    serves_the_default(&ruleset, Reason::TypeMismatch);
    let integer = flags_core::FlagType::Integer;
    assert_eq!(ruleset.misfit(&LIMITS), Some(Misfit::OtherType(integer)));
    assert_eq!(Misfit::OtherType(integer).to_string(), "the flag is of the type integer");
}

#[test]
fn a_variant_that_cannot_be_decoded_is_a_mismatch_where_it_is_served() {
    let (ruleset, report) =
        compile(flag("json", json!({"requests": 1}), json!({"requests": "many"})), &registered());
    assert!(report.invalid.is_empty() && !report.is_clean());
    let [undecodable] = &*report.undecodable else { panic!("{report:?}") };
    assert_eq!((&*undecodable.key, undecodable.version), ("limits", 1));
    assert_eq!(undecodable.diagnostics.len(), 1);
    assert!(undecodable.type_name.ends_with("::Limits"));
    assert_eq!(undecodable.diagnostics[0].code, "undecodable");
    assert_eq!(
        undecodable.diagnostics[0].to_string(),
        "/variants/1/value/requests: invalid type: string \"many\", expected u32"
    );
    serves_the_default(&ruleset, Reason::TypeMismatch);
    assert_eq!(ruleset.misfit(&LIMITS), Some(Misfit::Undecodable(1)));
    let by_name = ruleset.evaluate("limits", &(), Timestamp::from_millis(0));
    assert_eq!(by_name.value, Some(Value::Json(&json!({"requests": "many"}))));

    let (ruleset, _) =
        compile(flag("json", json!({"requests": "many"}), json!({"requests": 2})), &registered());
    assert_eq!(get(&ruleset).value.requests, 2, "the other variant is whole");
}

#[test]
fn what_is_wrong_is_named_by_its_place_inside_of_the_value() {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is read, and never looked at")]
    struct Plan {
        tiers: std::collections::BTreeMap<String, Vec<Tier>>,
        #[serde(default)]
        raw: Option<Box<serde_json::value::RawValue>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    #[expect(dead_code, reason = "it is read, and never looked at")]
    enum Tier {
        Free,
        Paid { cents: u32 },
    }
    const PLAN: Flag<Decoded<Plan>> = Flag::new("limits", Decoded(&NO_PLAN));
    static NO_PLAN: Plan = Plan { tiers: std::collections::BTreeMap::new(), raw: None };

    let whole = json!({"tiers": {"a": ["free", {"paid": {"cents": 5}}]}, "raw": {"x": [1.50]}});
    for (value, place) in [
        (json!(7), ""),
        (json!({}), ""),
        (json!({"tiers": 7}), "/tiers"),
        (json!({"tiers": {"a/b~c": 7}}), "/tiers/a~1b~0c"),
        (json!({"tiers": {"a": ["free", "dear"]}}), "/tiers/a/1"),
        (json!({"tiers": {"a": ["free", {"paid": {"cents": -1}}]}}), "/tiers/a/1/paid/cents"),
        (json!({"tiers": {"a": [{"paid": {"cents": 1, "euros": 1}}]}}), "/tiers/a/0/paid/euros"),
    ] {
        let (_, report) = compile(flag("json", whole.clone(), value), &Decoders::new().with(&PLAN));
        let [undecodable] = &*report.undecodable else { panic!("{report:?}") };
        let places: Vec<_> = undecodable.diagnostics.iter().map(|d| &*d.pointer).collect();
        assert_eq!(places, [format!("/variants/1/value{place}")]);
    }
}

#[test]
fn what_is_said_of_a_long_value_is_cut() {
    let long = json!({"requests": "ü".repeat(100_000)});
    let (_, report) = compile(flag("json", json!({"requests": 1}), long), &registered());
    let message = &report.undecodable[0].diagnostics[0].message;
    assert_eq!(message.chars().count(), 501);
    assert!(message.ends_with("ü…"));
}

#[test]
fn a_change_is_decoded_too() {
    let change = |previous: u64, second| -> Change {
        let object = json!({"upsert": flag("json", json!({"requests": 1}), second)});
        serde_json::from_value(json!({"epoch": "e", "previous": previous,
            "revision": previous + 1, "objects": [object]}))
        .unwrap()
    };
    let (ruleset, _) =
        compile(flag("json", json!({"requests": 1}), json!({"requests": 2})), &registered());
    let (next, report) = ruleset.apply(&change(1, json!({"requests": 3}))).unwrap();
    assert!(report.is_clean());
    assert_eq!((get(&next).value.requests, get(&ruleset).value.requests), (3, 2));
    let (next, report) = next.apply(&change(2, json!(null))).unwrap();
    assert_eq!(report.undecodable.len(), 1);
    serves_the_default(&next, Reason::TypeMismatch);
}

#[test]
fn a_variant_is_decoded_once_and_never_by_an_answer() {
    static DECODED: AtomicU64 = AtomicU64::new(0);
    #[derive(Deserialize)]
    #[serde(from = "u64")]
    struct Counted(u64);
    impl From<u64> for Counted {
        fn from(value: u64) -> Self {
            DECODED.fetch_add(1, Ordering::Relaxed);
            Self(value)
        }
    }
    const COUNTED: Flag<Decoded<Counted>> = Flag::new("limits", Decoded(&Counted(0)));

    let decoders = Decoders::new().with(&COUNTED).with(&COUNTED);
    let (ruleset, _) = compile(flag("json", json!(1), json!(2)), &decoders);
    let other = ruleset.overriding([&Override::new("other", Value::Boolean(true))]);
    for ruleset in [&ruleset, &other] {
        assert_eq!(ruleset.get(&COUNTED, &(), Timestamp::from_millis(0)).value.0, 2);
    }
    assert_eq!(DECODED.load(Ordering::Relaxed), 2, "once for each of two variants");
}

#[test]
fn a_flag_may_be_registered_with_several_types() {
    let decoders = registered().with(&REGIONS);
    let (ruleset, report) =
        compile(flag("json", json!({}), json!({"requests": 2, "regions": ["eu"]})), &decoders);
    assert_eq!(get(&ruleset).value.regions, ["eu"]);
    let regions = ruleset.get(&REGIONS, &(), Timestamp::from_millis(0));
    assert_eq!(regions.value.regions, ["eu"]);
    let types: Vec<_> = report.undecodable.iter().map(|flag| flag.type_name).collect();
    assert_eq!(types.len(), 2, "neither likes the first variant: {types:?}");
}

#[test]
fn an_override_needs_no_registration_and_is_what_was_given() {
    for ruleset in [Ruleset::default(), compile(flag("json", json!(1), json!(2)), &registered()).0]
    {
        let ruleset = ruleset.overriding([&LIMITS.to(limits(7))]);
        let answer = get(&ruleset);
        assert_eq!((answer.value, answer.reason), (&limits(7), Reason::Override));
        let by_name = ruleset.evaluate("limits", &(), Timestamp::from_millis(0));
        assert_eq!(by_name.value, Some(Value::Json(&json!({"requests": 7, "regions": []}))));
    }
}

#[test]
fn an_override_names_the_variant_that_has_its_json() {
    let second = json!({"requests": 7, "regions": []});
    let (ruleset, _) = compile(flag("json", json!({"requests": 1}), second), &registered());
    assert_eq!(get(&ruleset.overriding([&LIMITS.to(limits(7))])).variant, Some("second"));
    assert_eq!(get(&ruleset.overriding([&LIMITS.to(limits(8))])).variant, None);
}

#[test]
fn an_override_of_json_is_decoded_where_the_type_is_registered() {
    let json = json!({"requests": 7});
    let by_hand = Override::new("limits", Value::Json(&json));
    let ruleset = Ruleset::with_decoders(registered().with(&REGIONS)).overriding([&by_hand]);
    assert_eq!(get(&ruleset).value, &limits(7));
    assert_eq!(ruleset.misfit(&REGIONS), Some(Misfit::Undecodable(0)));
    let typed = ruleset.overriding([&LIMITS.to(limits(8))]);
    assert_eq!(get(&typed).value, &limits(8));
    assert_eq!(
        typed.get(&REGIONS, &(), Timestamp::from_millis(0)).reason,
        Reason::Override,
        "its JSON is decoded into the other type"
    );

    serves_the_default(&Ruleset::default().overriding([&by_hand]), Reason::TypeMismatch);
    let boolean = ruleset.overriding([&BOOLEAN.to(true)]);
    serves_the_default(&boolean, Reason::TypeMismatch);
}

#[test]
fn an_override_that_cannot_be_json_is_still_what_was_given() {
    type Pairs = std::collections::BTreeMap<(u8, u8), u8>;
    const PAIRS: Flag<Decoded<Pairs>> = Flag::new("pairs", Decoded(&NO_PAIRS));
    static NO_PAIRS: Pairs = Pairs::new();
    let ruleset = Ruleset::default().overriding([&PAIRS.to([((1, 2), 3)].into())]);
    let answer = ruleset.get(&PAIRS, &(), Timestamp::from_millis(0));
    assert_eq!(answer.value[&(1, 2)], 3);
    let by_name = ruleset.evaluate("pairs", &(), Timestamp::from_millis(0));
    assert!(matches!(by_name.value, Some(Value::Json(serde_json::Value::String(_)))));
}

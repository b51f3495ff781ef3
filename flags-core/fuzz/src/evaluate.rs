//! Questions of any form to definitions of any form.

use std::collections::BTreeMap;

use flags_core::{
    AddonDefinition, AttributeValue, Context, Document, Evaluation, FeatureDefinition, Flag,
    FlagDefinition, FlagType, FlagValue, MAX_ATTRIBUTE_BYTES, MAX_CONTEXT_KEY_BYTES,
    MAX_LIST_ELEMENTS, Override, PlanDefinition, Reason, Ruleset, SegmentDefinition, Strings,
    TenantDefinition, Timestamp, Value, check_addon, check_feature, check_flag, check_plan,
    check_segment, check_tenant, flag_references,
};
use serde_json::Value as Json;

use crate::cases::CONTEXT_KEYS;
use crate::contracts::FEATURES;
use crate::generator::{FLAGS, Generator, Manner};
use crate::hostile;

/// Definitions that are near to valid ones, and contexts with values that JSON cannot have: whatever
/// compiles, compiles without a panic and answers without one, and all ways to ask agree.
pub fn evaluate(bytes: &[u8]) {
    let mut generator = Generator::new(bytes, Manner::Wild);
    let environment = generator.environment();
    for object in environment["objects"].as_array().expect("a list") {
        check(&object["definition"]);
    }
    // Not through a text, which serde_json refuses where it nests too deep.
    let Ok(document) = serde_json::from_value::<Document>(environment) else {
        return;
    };
    let (ruleset, report) = Ruleset::compile(&document);
    let broken = report.invalid.iter().filter(|invalid| invalid.kind == "flag").count();
    assert_eq!(broken, ruleset.flags().filter(|(_, flag_type, _)| flag_type.is_none()).count());
    for _ in 0..3 {
        let facts = Facts::made(&mut generator);
        let now = Timestamp::from_millis(generator.now_ms());
        all_ways_agree(&ruleset, &facts, now);
        entitlements_agree(&ruleset, now);
        if generator.is_exhausted() {
            break;
        }
    }
    overrides_hold(&mut generator, &ruleset);
}

/// What is checked alone is what is checked in a ruleset.
fn check(definition: &Json) {
    if let Ok(flag) = serde_json::from_value::<FlagDefinition>(definition.clone()) {
        let _ = (check_flag(&flag), flag_references(&flag));
    }
    if let Ok(segment) = serde_json::from_value::<SegmentDefinition>(definition.clone()) {
        let _ = check_segment(&segment);
    }
    if let Ok(feature) = serde_json::from_value::<FeatureDefinition>(definition.clone()) {
        let _ = check_feature(&feature);
    }
    if let Ok(plan) = serde_json::from_value::<PlanDefinition>(definition.clone()) {
        let _ = check_plan(&plan);
    }
    if let Ok(addon) = serde_json::from_value::<AddonDefinition>(definition.clone()) {
        let _ = check_addon(&addon);
    }
    if let Ok(tenant) = serde_json::from_value::<TenantDefinition>(definition.clone()) {
        let _ = check_tenant(&tenant);
    }
}

fn all_ways_agree(ruleset: &Ruleset, facts: &Facts, now: Timestamp) {
    let types: BTreeMap<&str, Option<FlagType>> =
        ruleset.flags().map(|(key, flag_type, _)| (key, flag_type)).collect();
    let all: BTreeMap<&str, Evaluation<'_>> = ruleset.evaluate_all(facts, now).collect();
    assert!(all.keys().eq(types.keys()), "all flags and no others");
    let sensible = facts.without_what_counts_as_absent();
    for key in FLAGS {
        let evaluation = ruleset.evaluate(key, facts, now);
        let explanation = ruleset.explain(key, facts, now);
        assert_eq!(explanation.evaluation, evaluation, "{explanation}");
        serde_json::to_string(&explanation).expect("JSON");
        assert_eq!(all.get(key).copied(), types.get(key).map(|_| evaluation));
        assert_eq!(ruleset.evaluate(key, &sensible, now), evaluation, "{facts:?}");
        let flag_type = types.get(key).copied().flatten();
        let ask = Ask { ruleset, facts, now, evaluation, flag_type };
        typed(&ask, &Flag::new(key, false), Value::Boolean);
        typed(&ask, &Flag::new(key, "the code's"), Value::String);
        typed(&ask, &Flag::new(key, 77), Value::Integer);
        typed(&ask, &Flag::new(key, 7.5), Value::Float);
        typed(&ask, &Flag::new(key, &Json::Null), Value::Json);
    }
}

/// A decision is that of the interval which the instant is in, and a limit gives no more than that.
fn entitlements_agree(ruleset: &Ruleset, now: Timestamp) {
    for (tenant, feature) in CONTEXT_KEYS.iter().flat_map(|key| FEATURES.map(|f| (*key, f))) {
        let entitlement = ruleset.entitlement(tenant, feature);
        let decision = entitlement.check(now);
        let begun = entitlement.intervals().filter(|(start, _)| start.is_none_or(|s| s <= now));
        assert_eq!(begun.last().map(|(_, held)| held), Some(decision), "{tenant}, {feature}");
        for (used, requested) in [(0, 1), (5, 0), (u64::MAX, u64::MAX)] {
            let limited = entitlement.check_limit(used, requested, now);
            assert!(limited.access <= decision.access, "{tenant}, {feature}: {limited:?}");
        }
    }
}

struct Ask<'r> {
    ruleset: &'r Ruleset,
    facts: &'r Facts,
    now: Timestamp,
    evaluation: Evaluation<'r>,
    flag_type: Option<FlagType>,
}

/// A typed answer is the untyped one, or the code's default.
fn typed<'r, T: FlagValue>(ask: &Ask<'r>, flag: &Flag<T>, of: fn(T::Ref<'r>) -> Value<'r>) {
    let answer = ask.ruleset.get(flag, ask.facts, ask.now);
    let Evaluation { value, variant, reason, version, revision } = ask.evaluation;
    assert_eq!((answer.version, answer.revision), (version, revision));
    if ask.flag_type.is_some_and(|flag_type| flag_type != T::TYPE) {
        assert_eq!((answer.variant, answer.reason), (None, Reason::TypeMismatch));
        assert_eq!(of(answer.value), of(flag.default_value()));
    } else {
        assert_eq!((answer.variant, answer.reason), (variant, reason));
        assert_eq!(of(answer.value), value.unwrap_or(of(flag.default_value())));
    }
}

fn overrides_hold(generator: &mut Generator<'_>, ruleset: &Ruleset) {
    let json = hostile::json(generator.bytes(), 2);
    let text = generator.text();
    let value = match generator.below(5) {
        0 => Value::Boolean(true),
        1 => Value::Integer(generator.integer()),
        2 => Value::Float(0.5),
        3 => Value::String(&text),
        _ => Value::Json(&json),
    };
    let over = Override::new(generator.pick(&FLAGS), value);
    let overridden = ruleset.overriding([&over]);
    let now = Timestamp::from_millis(generator.now_ms());
    let answer = overridden.evaluate(over.key(), &(), now);
    assert_eq!((answer.value, answer.reason), (Some(value), Reason::Override));
    let before = ruleset.evaluate(over.key(), &(), now);
    assert_eq!((answer.version, answer.revision), (before.version, before.revision));
    for key in FLAGS {
        let (_, _) = (overridden.evaluate(key, &(), now), overridden.explain(key, &(), now));
    }
}

/// A context with whatever a service may lend.
#[derive(Debug, Clone)]
struct Facts {
    kinds: BTreeMap<&'static str, (Option<String>, BTreeMap<&'static str, Fact>)>,
}

#[derive(Debug, Clone)]
enum Fact {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    String(String),
    List(Vec<String>),
}

impl Facts {
    fn made(generator: &mut Generator<'_>) -> Self {
        let mut kinds = BTreeMap::new();
        for kind in ["tenant", "user", "device"] {
            if generator.one_in(6) {
                continue;
            }
            let key = (!generator.one_in(6)).then(|| generator.text());
            let mut attributes = BTreeMap::new();
            for name in ["x", "y", "y.z"] {
                if !generator.one_in(8) {
                    attributes.insert(name, Fact::made(generator));
                }
            }
            kinds.insert(kind, (key, attributes));
        }
        Self { kinds }
    }

    /// The same with nothing in the place of what counts as nothing.
    fn without_what_counts_as_absent(&self) -> Self {
        let mut sensible = self.clone();
        for (key, attributes) in sensible.kinds.values_mut() {
            key.take_if(|key| key.is_empty() || key.len() > MAX_CONTEXT_KEY_BYTES);
            attributes.retain(|_, fact| !fact.counts_as_absent());
        }
        sensible
    }
}

impl Fact {
    fn made(generator: &mut Generator<'_>) -> Self {
        match generator.below(10) {
            0..=3 => Self::String(generator.text()),
            4 => Self::Integer(generator.integer()),
            5 => Self::Boolean(generator.one_in(2)),
            6 => Self::Float(generator.pick(&[f64::NAN, f64::INFINITY, -f64::INFINITY, -0.0, 2.0])),
            7 => Self::Float(generator.bytes().arbitrary().unwrap_or(0.0)),
            8 => Self::List((0..generator.below(4)).map(|_| generator.text()).collect()),
            _ => {
                let lengths = [MAX_LIST_ELEMENTS - 1, MAX_LIST_ELEMENTS, MAX_LIST_ELEMENTS + 1];
                let text: String = generator.text().chars().take(70).collect();
                Self::List(vec![text; generator.pick(&lengths)])
            }
        }
    }

    fn counts_as_absent(&self) -> bool {
        match self {
            Self::Boolean(_) | Self::Integer(_) => false,
            Self::Float(float) => !float.is_finite(),
            Self::String(text) => text.len() > MAX_ATTRIBUTE_BYTES,
            Self::List(texts) => {
                texts.len() > MAX_LIST_ELEMENTS
                    || texts.iter().map(String::len).sum::<usize>() > MAX_ATTRIBUTE_BYTES
            }
        }
    }
}

impl Context for Facts {
    fn key(&self, kind: &str) -> Option<&str> {
        self.kinds.get(kind)?.0.as_deref()
    }

    fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>> {
        assert_ne!(name, "key", "that is asked for by another method");
        Some(match self.kinds.get(kind)?.1.get(name)? {
            Fact::Boolean(value) => AttributeValue::Boolean(*value),
            Fact::Integer(value) => AttributeValue::Integer(*value),
            Fact::Float(value) => AttributeValue::Float(*value),
            Fact::String(value) => AttributeValue::String(value),
            Fact::List(values) => AttributeValue::List(Strings::Owned(values)),
        })
    }
}

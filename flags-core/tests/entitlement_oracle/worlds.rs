//! Generated catalogues and contracts.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::interpreter::{World, is_now, list};

/// All instants of a world are from 0 up to here, in milliseconds since 1970.
pub(crate) const LAST_MS: i64 = 60;

pub(crate) const FEATURES: [&str; 5] = ["sso", "size", "seats", "regions", "theme"];

fn instant(millis: i64) -> Value {
    json!(format!("1970-01-01T00:00:00.{millis:03}Z"))
}

pub(crate) fn window() -> impl Strategy<Value = (Value, Value)> {
    let start = prop::option::weighted(0.7, 0..30_i64);
    (start, prop::option::weighted(0.7, 1..15_i64)).prop_map(|(start, length)| {
        let end = length.map(|length| start.unwrap_or(15) + length);
        (start.map_or(Value::Null, instant), end.map_or(Value::Null, instant))
    })
}

pub(crate) fn amount() -> impl Strategy<Value = Value> {
    select(vec![json!(0), json!(1), json!(2), json!(5), json!(i64::MAX), json!("unlimited")])
}

fn options() -> impl Strategy<Value = Value> {
    subsequence(vec!["eu", "uk", "us"], 0..=3).prop_shuffle().prop_map(|options| json!(options))
}

/// A grant of a feature, which seldom is of another type.
fn grant(feature: &str) -> BoxedStrategy<Value> {
    let good = match feature {
        "sso" => Just(json!(true)).boxed(),
        "size" | "seats" => amount().boxed(),
        "regions" => options().boxed(),
        _ => select(vec![json!({"dark": true}), json!(1), json!("plain")]).boxed(),
    };
    prop_oneof![60 => good, 1 => select(vec![json!(-1), json!(1.5), json!(["mars"])])].boxed()
}

pub(crate) fn grants() -> impl Strategy<Value = Value> {
    let each = FEATURES.map(|feature| prop::option::weighted(0.6, grant(feature)));
    each.prop_map(|grants| {
        let named = FEATURES.iter().zip(grants);
        named.filter_map(|(name, grant)| Some(((*name).to_owned(), grant?))).collect()
    })
}

fn plan_version(version: u32) -> impl Strategy<Value = Value> {
    let fallback = prop::option::of((select(vec!["p0", "p1", "p2", "gone"]), 1..3_u32));
    let effect = select(vec!["none", "read_only"]);
    (grants(), 0..3_u32, 0..15_u64, effect, fallback).prop_map(
        move |(grants, priority, grace_ms, after_grace, fallback)| {
            let fallback =
                fallback.map(|(plan, version)| json!({"plan": plan, "version": version}));
            json!({"version": version, "grants": grants, "priority": priority,
                   "grace_ms": grace_ms, "after_grace": after_grace, "fallback": fallback})
        },
    )
}

pub(crate) fn plan() -> impl Strategy<Value = Value> {
    [plan_version(1), plan_version(2)].prop_map(|versions| json!({"versions": versions}))
}

fn exception() -> impl Strategy<Value = Value> {
    let by_feature = select(FEATURES.to_vec()).prop_flat_map(|feature| {
        let modes: &[&str] = match feature {
            "size" | "seats" => &["deny", "set", "add", "at_least", "at_most"],
            "regions" => &["deny", "set", "add", "remove"],
            _ => &["deny", "set"],
        };
        let mode = select(modes.to_vec());
        (Just(feature), mode, grant(feature), -3..4_i64, options(), amount())
    });
    (by_feature, window()).prop_map(
        |((feature, mode, grant, add, options, bound), (start, end))| {
            let value = match (mode, feature) {
                ("deny", _) => Value::Null,
                ("set", _) => grant,
                ("add", "size" | "seats") => json!(add),
                ("add" | "remove", _) => options,
                _ => bound,
            };
            json!({"feature": feature, "mode": mode, "value": value, "start": start, "end": end})
        },
    )
}

fn block() -> impl Strategy<Value = Value> {
    let lane = select(vec!["billing", "fraud", "manual", "legal"]);
    (lane, select(vec!["none", "read_only"]), window()).prop_map(|(lane, effect, (start, end))| {
        json!({"lane": lane, "effect": effect, "start": start, "end": end})
    })
}

fn subscription() -> impl Strategy<Value = Value> {
    let state = select(vec!["active", "past_due", "cancelled"]);
    let ends_at = prop_oneof![2 => Just(None), 1 => (0..40_i64).prop_map(Some)];
    (state, 0..30_i64, ends_at).prop_map(|(state, since, ends_at)| {
        let since = (state == "past_due").then(|| instant(since));
        let ends_at = ends_at.or((state == "cancelled").then_some(25)).map(instant);
        json!({"state": state, "unpaid_since": since, "ends_at": ends_at})
    })
}

fn contract() -> impl Strategy<Value = Value> {
    let name = || prop_oneof![20 => select(vec!["p0", "p1", "p2"]), 1 => Just("gone")];
    let plan = prop::option::weighted(0.9, (name(), 1..3_u32));
    let trial = prop::option::of((name(), 1..3_u32, 0..30_i64, 1..20_i64));
    let quantity = select(vec![1_u32, 2, 1_000_000]);
    let addons = (
        subsequence(vec!["a0", "a1", "a10"], 0..=3),
        [quantity.clone(), quantity.clone(), quantity],
    );
    let overrides = prop::collection::vec(exception(), 0..12);
    let blocks = prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(block(), 1..3)];
    let since = prop::option::of(0..30_i64);
    (plan, since, addons, trial, prop::option::of(subscription()), overrides, blocks).prop_map(
        |(plan, since, (addons, quantities), trial, subscription, mut overrides, blocks)| {
            let mut contract = json!({"subscription": subscription, "blocks": blocks});
            if let Some((plan, version)) = plan {
                contract["plan"] = json!(plan);
                contract["plan_version"] = json!(version);
            }
            contract["plan_since"] = since.map_or(Value::Null, instant);
            contract["trial"] = trial.map_or(Value::Null, |(plan, version, start, length)| {
                json!({"plan": plan, "plan_version": version,
                       "start": instant(start), "end": instant(start + length)})
            });
            let addons = addons.iter().zip(quantities);
            contract["addons"] =
                addons.map(|(addon, n)| json!({"addon": addon, "quantity": n})).collect();
            for (index, exception) in overrides.iter_mut().enumerate() {
                exception["id"] = json!(format!("o{index}"));
            }
            contract["overrides"] = json!(overrides);
            contract
        },
    )
}

pub(crate) fn world_with_any_sets() -> impl Strategy<Value = World> {
    let over_limit = (select(vec!["block_growth", "read_only", "none"]), 0..20_u64);
    let addon = || (grants(), 0..3_u32).prop_map(|(g, p)| json!({"grants": g, "priority": p}));
    let addons = [addon().boxed(), addon().boxed(), addon().boxed()];
    (over_limit, [plan(), plan(), plan()], addons, contract()).prop_map(
        |((policy, grace_ms), plans, addons, contract)| {
            let seats = json!({"type": "limit", "combine": "sum",
                               "over_limit": {"policy": policy, "grace_ms": grace_ms}});
            let features = json!({
                "sso": {"type": "boolean", "combine": "any"},
                "size": {"type": "limit", "combine": "max"},
                "seats": seats,
                "regions": {"type": "options", "combine": "union", "options": ["us", "eu", "uk"]},
                "theme": {"type": "json", "combine": "priority"},
            });
            let named = |names: [&str; 3], all: [Value; 3]| {
                names.iter().map(|name| (*name).to_owned()).zip(all).collect()
            };
            World {
                features: features.as_object().unwrap().clone(),
                plans: named(["p0", "p1", "p2"], plans),
                addons: named(["a0", "a1", "a10"], addons),
                contract,
            }
        },
    )
}

/// Whether two overrides set one feature at one instant.
pub(crate) fn overlap(a: &Value, b: &Value) -> bool {
    a["mode"] == "set"
        && b["mode"] == "set"
        && a["feature"] == b["feature"]
        && (-1..=LAST_MS).any(|now| is_now(a, now) && is_now(b, now))
}

/// The first of overrides that set one feature at one instant.
fn without_overlaps(contract: &mut Value) {
    let mut kept: Vec<Value> = Vec::new();
    for exception in list(&contract["overrides"]) {
        if !kept.iter().any(|other| overlap(other, exception)) {
            kept.push(exception.clone());
        }
    }
    contract["overrides"] = json!(kept);
}

pub(crate) fn sound_contract() -> impl Strategy<Value = Value> {
    contract().prop_map(|mut contract| {
        without_overlaps(&mut contract);
        contract
    })
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    world_with_any_sets().prop_map(|mut world| {
        without_overlaps(&mut world.contract);
        world
    })
}

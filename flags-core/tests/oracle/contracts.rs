//! A catalogue and contracts around the present of the other cases, and what flags ask of them.

use flags_core::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::NOW_MS;

/// A condition on what comes from a contract.
pub(crate) fn test() -> BoxedStrategy<Value> {
    let asked = vec![
        json!({"attribute": "tenant.$plan", "op": "in", "values": ["p0", "free"]}),
        json!({"attribute": "tenant.$plan", "op": "exists", "values": []}),
        json!({"attribute": "tenant.$addons", "op": "equals", "values": ["a0"]}),
        json!({"attribute": "tenant.$addons", "op": "exists", "values": []}),
        json!({"attribute": "tenant.$features", "op": "equals", "values": ["sso"]}),
        json!({"attribute": "tenant.$features", "op": "in", "values": ["seats", "audit"]}),
        json!({"attribute": "tenant.$features", "op": "starts_with", "values": ["au"]}),
    ];
    select(asked).boxed()
}

pub(crate) fn requires() -> BoxedStrategy<Value> {
    let feature = select(vec!["sso", "sso", "seats", "seats", "audit", "unheard-of"]);
    (feature, any::<bool>())
        .prop_map(|(feature, write)| json!({"feature": feature, "write": write}))
        .boxed()
}

fn object(kind: &str, key: &str, needs: bool, definition: Value) -> Value {
    let needs = if needs { json!(["time-travel"]) } else { json!(["entitlements"]) };
    json!({"kind": kind, "key": key, "version": 1, "needs": needs, "definition": definition})
}

/// Three features, three plans and an add-on; now and then one that is not there or not understood.
pub(crate) fn catalogue() -> BoxedStrategy<Vec<Value>> {
    let odd = || (prop::bool::weighted(0.03), prop::bool::weighted(0.05));
    let seats = select(vec![json!(0), json!(1), json!(5), json!("unlimited")]);
    let grants = || (any::<bool>(), prop::option::of(seats.clone()), any::<bool>());
    let plan = || (grants(), 0..2_500_u32, any::<bool>(), any::<bool>());
    let odd = prop::collection::vec(odd(), 7);
    (odd, [plan(), plan(), plan()], grants())
        .prop_map(|(odd, plans, addon)| {
            let granted = |(sso, seats, audit): (bool, Option<Value>, bool)| {
                let grants = [
                    ("sso", sso.then_some(json!(true))),
                    ("seats", seats),
                    ("audit", audit.then_some(json!(["read"]))),
                ];
                let grants = grants.into_iter();
                grants.filter_map(|(key, grant)| Some((key.to_owned(), grant?))).collect::<Value>()
            };
            let version = |(grants, grace_ms, read_only, falls_back)| {
                let fallback = json!({"plan": "free", "version": 1});
                json!({"versions": [{
                    "version": 1, "grants": granted(grants), "grace_ms": grace_ms,
                    "after_grace": if read_only { "read_only" } else { "none" },
                    "fallback": if falls_back { fallback } else { Value::Null },
                }]})
            };
            let [p0, p1, free] = plans.map(version);
            let audit =
                json!({"type": "options", "combine": "union", "options": ["read", "export"]});
            let objects = [
                ("feature", "sso", json!({"type": "boolean", "combine": "any"})),
                ("feature", "seats", json!({"type": "limit", "combine": "sum"})),
                ("feature", "audit", audit),
                ("plan", "p0", p0),
                ("plan", "p1", p1),
                ("plan", "free", free),
                ("addon", "a0", json!({"grants": granted(addon)})),
            ];
            let objects = objects.into_iter().zip(odd).filter(|(_, (is_gone, _))| !is_gone);
            let objects =
                objects.map(|((kind, key, said), (_, needs))| object(kind, key, needs, said));
            objects.collect()
        })
        .boxed()
}

fn instant(offset_ms: i64) -> Value {
    json!(Timestamp::from_millis(NOW_MS + offset_ms).to_string())
}

/// Of which about half contain the present.
fn window() -> impl Strategy<Value = (Value, Value)> {
    (-4_000..4_000_i64, 1..6_000_i64, 0..4).prop_map(|(start, length, open)| {
        let (from, to) = (instant(start), instant(start + length));
        (if open & 1 > 0 { from } else { Value::Null }, if open & 2 > 0 { to } else { Value::Null })
    })
}

/// One in thirty is broken.
pub(crate) fn contract() -> BoxedStrategy<Value> {
    let plan = select(vec!["p0", "p0", "p1", "p1", "free", "gone"]);
    let overrides = vec![
        ("sso", "deny", Value::Null),
        ("sso", "set", json!(true)),
        ("seats", "set", json!(3)),
        ("seats", "add", json!(-1)),
        ("seats", "at_most", json!(0)),
        ("audit", "add", json!(["export"])),
        ("audit", "remove", json!(["read"])),
    ];
    let overrides = subsequence(overrides, 0..=2).prop_flat_map(|chosen| {
        let windows = vec![window().boxed(); chosen.len()];
        (Just(chosen), windows)
    });
    let subscription = (0..4, -4_000..4_000_i64, prop::option::of(-4_000..8_000_i64));
    let block = (select(vec!["fraud", "manual"]), select(vec!["none", "read_only"]), window());
    (
        prop::option::weighted(0.85, plan.clone()),
        prop::option::weighted(0.2, (plan, -4_000..4_000_i64, 1..6_000_i64)),
        prop::option::weighted(0.3, 1..3_u32),
        subscription,
        prop_oneof![2 => Just((vec![], vec![])), 1 => overrides],
        prop::option::weighted(0.1, block),
        0..30,
    )
        .prop_map(|(plan, trial, addon, subscription, (overrides, windows), block, broken)| {
            let mut contract = json!({});
            if let Some(plan) = plan {
                contract["plan"] = json!(plan);
                contract["plan_version"] = json!(1);
            }
            if let Some((plan, start, length)) = trial {
                contract["trial"] = json!({"plan": plan, "plan_version": 1,
                    "start": instant(start), "end": instant(start + length)});
            }
            if let Some(quantity) = addon {
                contract["addons"] = json!([{"addon": "a0", "quantity": quantity}]);
            }
            let (state, since, ends_at) = subscription;
            let ends_at = ends_at.map(instant);
            match state {
                0 => {
                    contract["subscription"] = json!({"state": "past_due",
                        "unpaid_since": instant(since), "ends_at": ends_at});
                }
                1 => contract["subscription"] = json!({"ends_at": ends_at}),
                _ => {}
            }
            let overrides = (0..).zip(overrides).zip(windows);
            let overrides = overrides.map(|((n, (feature, mode, value)), (start, end))| {
                json!({"id": format!("o{n}"), "feature": feature, "mode": mode, "value": value,
                       "start": start, "end": end})
            });
            contract["overrides"] = overrides.collect();
            if let Some((lane, effect, (start, end))) = block {
                contract["blocks"] =
                    json!([{"lane": lane, "effect": effect, "start": start, "end": end}]);
            }
            if broken == 0 && contract["plan"].is_string() {
                contract["plan_version"] = Value::Null;
            }
            contract
        })
        .boxed()
}

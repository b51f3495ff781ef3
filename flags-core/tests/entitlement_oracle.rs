//! The timeline against a naive interpreter of docs/semantics.md, "What holds at an instant", which
//! reads the JSON, decides for one instant and knows nothing of timelines.

#![cfg(test)]

use flags_core::{Catalogue, Contract, Timeline, Timestamp};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

// ---- The interpreter ----------------------------------------------------------------------------

/// What is said, by kind and key, and what one tenant has.
#[derive(Debug, Clone)]
struct World {
    features: Map<String, Value>,
    plans: Map<String, Value>,
    addons: Map<String, Value>,
    contract: Value,
}

/// A plan or an add-on that counts: its source, and what it says.
type Input<'a> = (Value, u64, Option<&'a Value>);

fn millis(instant: &Value) -> Option<i64> {
    let instant: jiff::Timestamp = instant.as_str()?.parse().unwrap();
    Some(instant.as_millisecond())
}

fn is_now(window: &Value, now: i64) -> bool {
    millis(&window["start"]).is_none_or(|start| now >= start)
        && millis(&window["end"]).is_none_or(|end| now < end)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |list| list)
}

fn none(reason: &str) -> Value {
    json!({"access": "none", "value": null, "reason": reason, "source": null})
}

/// An integer; unlimited is above all others.
fn number(value: &Value) -> i128 {
    if value == "unlimited" { i128::MAX } else { value.as_i64().unwrap().into() }
}

fn limit(number: i128) -> Value {
    match number {
        i128::MAX => json!("unlimited"),
        number => json!(number.clamp(0, i64::MAX.into()) as i64),
    }
}

fn is_grant(feature: &Value, value: &Value) -> bool {
    match feature["type"].as_str().unwrap() {
        "boolean" => *value == true,
        "limit" => value == "unlimited" || value.as_i64().is_some_and(|limit| limit >= 0),
        "options" => value
            .as_array()
            .is_some_and(|list| list.iter().all(|option| list_has(&feature["options"], option))),
        _ => !value.is_null(),
    }
}

fn list_has(options: &Value, option: &Value) -> bool {
    list(options).contains(option)
}

fn fits(feature: &Value, exception: &Value) -> bool {
    let (kind, value) = (feature["type"].as_str().unwrap(), &exception["value"]);
    match (exception["mode"].as_str().unwrap(), kind) {
        ("deny", _) => true,
        ("set", _) | ("add" | "remove", "options") | ("at_least" | "at_most", "limit") => {
            is_grant(feature, value)
        }
        ("add", "limit") => value.is_i64(),
        _ => false,
    }
}

impl World {
    fn plan(&self, plan: &Value, version: &Value) -> Option<&Value> {
        let versions = list(self.plans.get(plan.as_str()?)?.get("versions")?);
        versions.iter().find(|known| known["version"] == *version)
    }

    fn input(&self, plan: &Value, version: &Value) -> Input<'_> {
        (json!({"plan": plan, "version": version}), 1, self.plan(plan, version))
    }

    /// What holds at `now`, as a decision says it; without its end.
    fn decide(&self, key: &str, now: i64) -> Value {
        let contract = &self.contract;
        // 1. and 2.: what counts.
        let Some(feature) = self.features.get(key) else { return none("feature_unknown") };
        let plan = self.plan(&contract["plan"], &contract["plan_version"]);
        if !contract["plan"].is_null() && plan.is_none() {
            return none("feature_invalid");
        }
        let subscription = &contract["subscription"];
        let has_ended = millis(&subscription["ends_at"]).is_some_and(|end| now >= end);
        let fallback = plan.map_or(&Value::Null, |plan| &plan["fallback"]);
        let mut inputs: Vec<Input<'_>> = Vec::new();
        if has_ended && !fallback.is_null() {
            inputs.push(self.input(&fallback["plan"], &fallback["version"]));
        }
        let mut trial_place = None;
        if !has_ended {
            if plan.is_some() {
                inputs.push(self.input(&contract["plan"], &contract["plan_version"]));
            }
            let trial = &contract["trial"];
            if !trial.is_null() && is_now(trial, now) {
                trial_place = Some(inputs.len());
                inputs.push(self.input(&trial["plan"], &trial["plan_version"]));
            }
            let mut addons = list(&contract["addons"]).to_vec();
            addons.sort_by_key(|addon| addon["addon"].to_string());
            for addon in &addons {
                let said = self.addons.get(addon["addon"].as_str().unwrap());
                let quantity = addon["quantity"].as_u64().unwrap();
                inputs.push((json!({"addon": addon["addon"]}), quantity, said));
            }
        }
        let is_readable = |(_, _, said): &Input<'_>| {
            let grant = said.map(|said| &said["grants"][key]);
            grant.is_some_and(|grant| grant.is_null() || is_grant(feature, grant))
        };
        let mut exceptions = list(&contract["overrides"]).to_vec();
        exceptions.retain(|exception| exception["feature"] == key && is_now(exception, now));
        exceptions.sort_by_key(|exception| exception["id"].as_str().unwrap().to_owned());
        if !inputs.iter().all(is_readable) || !exceptions.iter().all(|e| fits(feature, e)) {
            return none("feature_invalid");
        }
        let of_mode = |mode: &str| -> Vec<&Value> {
            exceptions.iter().filter(|exception| exception["mode"] == mode).collect()
        };
        let set = of_mode("set").first().copied();
        if has_ended && fallback.is_null() && set.is_none() {
            return none("expired");
        }

        // 3. Blocks.
        let mut blocks: Vec<(&str, &str)> = list(&contract["blocks"])
            .iter()
            .filter(|block| is_now(block, now))
            .map(|block| (block["effect"].as_str().unwrap(), block["lane"].as_str().unwrap()))
            .collect();
        let mut is_grace = false;
        if let (false, Some(since)) = (has_ended, millis(&subscription["unpaid_since"])) {
            let grace = plan.and_then(|plan| plan["grace_ms"].as_i64()).unwrap_or(0);
            is_grace = since <= now && now < since + grace;
            if now >= since + grace {
                let effect = plan.and_then(|plan| plan["after_grace"].as_str()).unwrap_or("none");
                blocks.push((effect, "billing"));
            }
        }
        let blocked = ["none", "read_only"].into_iter().find_map(|effect| {
            ["billing", "fraud", "manual", "legal"]
                .into_iter()
                .find(|lane| blocks.contains(&(effect, lane)))
                .map(|lane| (effect, lane))
        });
        if let Some(("none", lane)) = blocked {
            let mut decision = none("blocked");
            decision["lane"] = json!(lane);
            return decision;
        }
        // 4.
        if let Some(deny) = of_mode("deny").first() {
            let mut decision = none("denied");
            decision["source"] = json!({"override": deny["id"]});
            return decision;
        }

        // 5. The value.
        let (mut value, mut reason, mut source) = (Value::Null, "granted", Value::Null);
        if let Some(set) = set {
            (value, reason) = (ordered(feature, set["value"].clone()), "override_set");
            source = json!({"override": set["id"]});
        } else if let Some((all, first)) = combined(feature, key, &inputs) {
            (value, source) = (all, first);
            let others = inputs.iter().enumerate().filter(|(place, _)| Some(*place) != trial_place);
            let others: Vec<Input<'_>> = others.map(|(_, input)| input.clone()).collect();
            let without = combined(feature, key, &others).map(|(value, _)| value);
            if is_grace {
                reason = "grace";
            }
            if let (Some(place), true) = (trial_place, without.as_ref() != Some(&value)) {
                (reason, source) = ("trial", inputs[place].0.clone());
            }
        }
        // 6.
        let before = value.clone();
        let adds = of_mode("add");
        if feature["type"] == "limit" && value != "unlimited" {
            let sum: i128 = adds.iter().map(|add| number(&add["value"])).sum();
            if !value.is_null() || sum > 0 {
                value = limit(value.as_i64().map_or(0, i128::from) + sum);
            }
            if value != before {
                let did = adds.iter().find(|add| number(&add["value"]).signum() == sum.signum());
                (reason, source) = ("override_add", json!({"override": did.unwrap()["id"]}));
            }
        }
        if feature["type"] == "options" {
            let mut options = list(&value).to_vec();
            options.extend(adds.iter().flat_map(|add| list(&add["value"])).cloned());
            let removes = of_mode("remove");
            options.retain(|option| !removes.iter().any(|gone| list_has(&gone["value"], option)));
            if !value.is_null() || !options.is_empty() {
                value = ordered(feature, json!(options));
            }
            let did = exceptions.iter().find(|exception| {
                list(&exception["value"]).iter().any(|option| match &exception["mode"] {
                    mode if mode == "add" => list_has(&value, option) && !list_has(&before, option),
                    mode if mode == "remove" => {
                        list_has(&before, option) && !list_has(&value, option)
                    }
                    _ => false,
                })
            });
            if let Some(did) = did {
                (reason, source) = ("override_add", json!({"override": did["id"]}));
            }
        }
        // 7.
        let highest = of_mode("at_least").into_iter().rev().max_by_key(|e| number(&e["value"]));
        if let Some(bound) = highest
            && (value.is_null() || number(&value) < number(&bound["value"]))
        {
            value = bound["value"].clone();
            (reason, source) = ("override_at_least", json!({"override": bound["id"]}));
        }
        let lowest = of_mode("at_most").into_iter().min_by_key(|e| number(&e["value"]));
        if let Some(bound) = lowest
            && !value.is_null()
            && number(&value) > number(&bound["value"])
        {
            value = bound["value"].clone();
            (reason, source) = ("override_at_most", json!({"override": bound["id"]}));
        }
        // 8.
        if value.is_null() {
            return none("not_in_plan");
        }
        let mut decision =
            json!({"access": "full", "value": value, "reason": reason, "source": source});
        if feature["type"] == "limit" {
            decision["limit"] = decision["value"].clone();
        }
        if let Some((effect, lane)) = blocked {
            decision["access"] = json!(effect);
            decision["reason"] = json!("blocked");
            decision["lane"] = json!(lane);
        }
        decision
    }
}

/// What inputs grant together, and the source of that.
fn combined(feature: &Value, key: &str, inputs: &[Input<'_>]) -> Option<(Value, Value)> {
    let granting: Vec<(&Value, u64, u64, &Value)> = inputs
        .iter()
        .map(|(source, quantity, said)| {
            let priority = said.unwrap()["priority"].as_u64().unwrap_or(0);
            (source, *quantity, priority, &said.unwrap()["grants"][key])
        })
        .filter(|(.., grant)| !grant.is_null())
        .collect();
    let first = granting.first()?;
    let source = |did: &dyn Fn(&Value) -> bool| {
        granting.iter().find(|(.., grant)| did(grant)).unwrap_or(first).0.clone()
    };
    Some(match feature["combine"].as_str().unwrap() {
        "any" => (json!(true), first.0.clone()),
        "max" => {
            let highest = granting.iter().map(|(.., grant)| number(grant)).max().unwrap();
            (limit(highest), source(&|grant| number(grant) == highest))
        }
        "sum" if granting.iter().any(|(.., grant)| *grant == "unlimited") => {
            (json!("unlimited"), source(&|grant| grant == "unlimited"))
        }
        "sum" => {
            let sum = granting.iter().map(|(_, n, _, grant)| number(grant) * i128::from(*n)).sum();
            (limit(sum), source(&|grant| number(grant) > 0))
        }
        "union" => {
            let all: Vec<Value> =
                granting.iter().flat_map(|(.., grant)| list(grant)).cloned().collect();
            (ordered(feature, json!(all)), source(&|grant| !list(grant).is_empty()))
        }
        _ => {
            let highest = granting.iter().map(|(_, _, priority, _)| priority).max().unwrap();
            let (source, .., grant) =
                granting.iter().find(|(_, _, priority, _)| priority == highest).unwrap();
            ((*grant).clone(), (*source).clone())
        }
    })
}

/// Options in the order of their declaration, each once; any other value as it is.
fn ordered(feature: &Value, value: Value) -> Value {
    if feature["type"] != "options" {
        return value;
    }
    let declared = list(&feature["options"]).iter();
    declared.filter(|option| list_has(&value, option)).cloned().collect()
}

/// What `check_limit` says, by the decisions of every instant from `from` on.
fn limited(world: &World, key: &str, used: u64, requested: u64, now: i64, from: i64) -> Value {
    let feature = world.features.get(key).unwrap_or(&Value::Null);
    let mut decision = world.decide(key, now);
    if feature["type"] != "limit" && !feature.is_null() {
        decision = none("feature_invalid");
    }
    let wanted = i128::from(used) + i128::from(requested);
    if decision["access"] == "none" {
        decision["remaining"] = json!(0);
        return decision;
    }
    let most = number(&decision["limit"]);
    decision["remaining"] =
        if most == i128::MAX { json!("unlimited") } else { limit(most - i128::from(used)) };
    if most == i128::MAX || wanted <= most {
        return decision;
    }
    let refused = |mut decision: Value, access: &str| {
        decision.as_object_mut().unwrap().remove("lane");
        decision["access"] = json!(access);
        decision["reason"] = json!("limit_reached");
        decision
    };
    if requested > 0 {
        return refused(decision, "none");
    }
    let policy = &feature["over_limit"];
    let grace = policy["grace_ms"].as_i64().unwrap_or(0);
    let is_below = |instant: i64| {
        let decision = world.decide(key, instant);
        decision["limit"].is_null() || number(&decision["limit"]) < i128::from(used)
    };
    let not_below = (from..=now).rev().find(|instant| !is_below(*instant));
    let plan_since = millis(&world.contract["plan_since"]).filter(|since| *since <= now);
    let downgrade = not_below.map(|instant| instant + 1).max(plan_since);
    let left = match policy["policy"].as_str() {
        _ if downgrade.is_some_and(|downgrade| now < downgrade + grace) => "full",
        None | Some("block_growth") => "full",
        Some(left) => left,
    };
    if left == "none" || decision["access"] == "full" { refused(decision, left) } else { decision }
}

// ---- Worlds ---------------------------------------------------------------------------------------

/// All instants of a world are from 0 up to here, in milliseconds since 1970.
const LAST_MS: i64 = 60;

const FEATURES: [&str; 5] = ["sso", "size", "seats", "regions", "theme"];

fn instant(millis: i64) -> Value {
    json!(format!("1970-01-01T00:00:00.{millis:03}Z"))
}

fn window() -> impl Strategy<Value = (Value, Value)> {
    let start = prop::option::weighted(0.7, 0..30_i64);
    (start, prop::option::weighted(0.7, 1..15_i64)).prop_map(|(start, length)| {
        let end = length.map(|length| start.unwrap_or(15) + length);
        (start.map_or(Value::Null, instant), end.map_or(Value::Null, instant))
    })
}

fn amount() -> impl Strategy<Value = Value> {
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

fn grants() -> impl Strategy<Value = Value> {
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

fn plan() -> impl Strategy<Value = Value> {
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

fn world_with_any_sets() -> impl Strategy<Value = World> {
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
fn overlap(a: &Value, b: &Value) -> bool {
    a["mode"] == "set"
        && b["mode"] == "set"
        && a["feature"] == b["feature"]
        && (-1..=LAST_MS).any(|now| is_now(a, now) && is_now(b, now))
}

fn world() -> impl Strategy<Value = World> {
    world_with_any_sets().prop_map(|mut world| {
        let mut kept: Vec<Value> = Vec::new();
        for exception in list(&world.contract["overrides"]) {
            if !kept.iter().any(|other| overlap(other, exception)) {
                kept.push(exception.clone());
            }
        }
        world.contract["overrides"] = json!(kept);
        world
    })
}

// ---- Both of them -----------------------------------------------------------------------------------

fn read<T: DeserializeOwned>(json: &Value) -> T {
    serde_json::from_value(json.clone()).unwrap()
}

fn catalogue(world: &World) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for (key, feature) in &world.features {
        catalogue.set_feature(key, &read(feature)).unwrap();
    }
    for (key, plan) in &world.plans {
        catalogue.set_plan(key, &read(plan)).unwrap();
    }
    for (key, addon) in &world.addons {
        catalogue.set_addon(key, &read(addon)).unwrap();
    }
    catalogue
}

fn timeline(world: &World, feature: &str) -> Timeline {
    catalogue(world).timeline(&Contract::compile(&read(&world.contract)).unwrap(), feature)
}

/// A decision without its end.
fn said(decision: impl serde::Serialize) -> Value {
    let mut decision = serde_json::to_value(decision).unwrap();
    decision.as_object_mut().unwrap().remove("valid_until");
    decision
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Everything that a timeline says, to compare.
fn whole(timeline: &Timeline) -> Vec<(Option<Timestamp>, Value)> {
    timeline
        .intervals()
        .map(|(start, decision)| (start, serde_json::to_value(decision).unwrap()))
        .collect()
}

/// What there is of a limit, below 0 where there is none.
fn amount_at(timeline: &Timeline, now: i64) -> i128 {
    let decision = said(timeline.check(at(now)));
    if decision["limit"].is_null() { -1 } else { number(&decision["limit"]) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_timeline_says_at_every_instant_what_the_rules_say(world in world()) {
        for feature in FEATURES.into_iter().chain(["unheard-of"]) {
            let timeline = timeline(&world, feature);
            let mut expected: Vec<(Option<i64>, Value)> = Vec::new();
            for now in -2..=LAST_MS {
                let decided = world.decide(feature, now);
                prop_assert_eq!(said(timeline.check(at(now))), decided.clone(), "{} at {}", feature, now);
                if expected.last().is_none_or(|(_, before)| *before != decided) {
                    expected.push(((now > -2).then_some(now), decided));
                }
            }
            // As many intervals as there are changes, each up to the next.
            let found: Vec<_> = timeline.intervals().collect();
            let starts: Vec<Option<i64>> =
                found.iter().map(|(start, _)| start.map(Timestamp::as_millis)).collect();
            let expected: Vec<Option<i64>> = expected.iter().map(|(start, _)| *start).collect();
            prop_assert_eq!(&starts, &expected, "{}", feature);
            for (index, (_, decision)) in found.iter().enumerate() {
                let end = decision.valid_until.map(Timestamp::as_millis);
                prop_assert_eq!(end, starts.get(index + 1).copied().flatten());
            }
            for far in [i64::MIN, i64::MAX] {
                let near = if far < 0 { -2 } else { LAST_MS };
                prop_assert_eq!(said(timeline.check(at(far))), world.decide(feature, near));
            }
        }
    }

    #[test]
    fn limits_are_checked_as_the_rules_say(
        world in world(),
        nows in prop::collection::vec(-1..=LAST_MS, 8),
        used in select(vec![0, 1, 2, 3, 7, u64::MAX]),
        requested in select(vec![0, 0, 0, 1, 4, u64::MAX]),
    ) {
        for feature in ["size", "seats", "sso", "unheard-of"] {
            let timeline = timeline(&world, feature);
            for now in &nows {
                let decision = timeline.check_limit(used, requested, at(*now));
                let expected = limited(&world, feature, used, requested, *now, -2);
                prop_assert_eq!(said(decision), expected, "{} at {}", feature, now);
                // Until its end it says the same.
                let end = decision.valid_until.map_or(LAST_MS + 1, Timestamp::as_millis);
                prop_assert!(end > *now);
                let last = timeline.check_limit(used, requested, at(end - 1));
                prop_assert_eq!(said(last), said(decision));
            }
        }
    }

    #[test]
    fn the_order_of_what_is_said_does_not_matter(
        world in world(),
        turn in 0..12_usize,
    ) {
        let mut turned = world.clone();
        for field in ["addons", "overrides", "blocks"] {
            if let Some(list) = turned.contract[field].as_array_mut() {
                list.reverse();
                let by = turn % list.len().max(1);
                list.rotate_left(by);
            }
        }
        for (_, plan) in &mut turned.plans {
            plan["versions"].as_array_mut().unwrap().reverse();
        }
        for feature in FEATURES {
            prop_assert_eq!(whole(&timeline(&world, feature)), whole(&timeline(&turned, feature)));
        }
    }

    #[test]
    fn what_is_said_twice_is_said_once(world in world()) {
        let mut twice = world.clone();
        let overrides = list(&world.contract["overrides"]).iter().filter(|exception| {
            exception["mode"] != "set" && !(exception["mode"] == "add" && exception["value"].is_i64())
        });
        for exception in overrides {
            let mut again = exception.clone();
            again["id"] = json!(format!("z{}", exception["id"].as_str().unwrap()));
            twice.contract["overrides"].as_array_mut().unwrap().push(again);
        }
        let blocks = twice.contract["blocks"].as_array_mut().unwrap();
        blocks.extend(blocks.clone());
        for feature in FEATURES {
            prop_assert_eq!(whole(&timeline(&world, feature)), whole(&timeline(&twice, feature)));
        }
    }

    #[test]
    fn a_bound_never_works_the_other_way(
        world in world(),
        mode in select(vec!["at_least", "at_most"]),
        bounds in [amount(), amount()],
        (start, end) in window(),
    ) {
        let with = |bound: &Value| {
            let mut world = world.clone();
            world.contract["overrides"].as_array_mut().unwrap().push(json!({
                "id": "bound", "feature": "seats", "mode": mode, "value": bound,
                "start": start, "end": end,
            }));
            timeline(&world, "seats")
        };
        let [low, high] = if number(&bounds[0]) <= number(&bounds[1]) {
            [&bounds[0], &bounds[1]]
        } else {
            [&bounds[1], &bounds[0]]
        };
        let (without, low, high) = (timeline(&world, "seats"), with(low), with(high));
        for now in -1..=LAST_MS {
            let [without, low, high] = [&without, &low, &high].map(|line| amount_at(line, now));
            prop_assert!(low <= high);
            if mode == "at_least" {
                prop_assert!(without <= low);
            } else {
                prop_assert!(high <= without);
            }
        }
    }

    #[test]
    fn grace_is_from_the_unpaid_invoice_on_and_never_longer(world in world()) {
        let subscription = &world.contract["subscription"];
        let plan = world.plan(&world.contract["plan"], &world.contract["plan_version"]);
        let grace = plan.and_then(|plan| plan["grace_ms"].as_i64()).unwrap_or(0);
        let unpaid = millis(&subscription["unpaid_since"]);
        for feature in FEATURES {
            let timeline = timeline(&world, feature);
            for now in -1..=LAST_MS {
                if timeline.check(at(now)).reason.name() == "grace" {
                    let since = unpaid.expect("grace without an unpaid invoice");
                    prop_assert!((since..since + grace).contains(&now));
                }
            }
        }
    }

    #[test]
    fn two_sets_of_one_feature_at_one_time_are_refused(world in world_with_any_sets()) {
        let overrides = list(&world.contract["overrides"]);
        let is_wrong = |(index, exception): (usize, &Value)| {
            overrides[..index].iter().any(|earlier| overlap(earlier, exception))
        };
        let wrong: Vec<String> = (0..overrides.len())
            .filter(|index| is_wrong((*index, &overrides[*index])))
            .map(|index| format!("/overrides/{index}"))
            .collect();
        let found = flags_core::check_contract(&read(&world.contract));
        let found: Vec<String> = found.into_iter().map(|found| found.pointer).collect();
        prop_assert_eq!(found, wrong);
    }
}

/// The worlds are worth something only while every reason occurs in them.
#[test]
fn every_reason_occurs_in_the_worlds() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let world = world().new_tree(&mut runner).unwrap().current();
        for feature in FEATURES {
            let timeline = timeline(&world, feature);
            for now in 0..LAST_MS {
                let reached = timeline.check_limit(2, 0, at(now));
                seen.extend([timeline.check(at(now)).reason.name(), reached.reason.name()]);
                let access = reached.access.name();
                if reached.reason.name() == "limit_reached" {
                    seen.insert(access);
                }
            }
        }
    }
    let all = [
        "granted",
        "trial",
        "grace",
        "override_set",
        "override_add",
        "override_at_least",
        "override_at_most",
        "not_in_plan",
        "denied",
        "limit_reached",
        "blocked",
        "expired",
        "feature_invalid",
        "full",
        "read_only",
        "none",
    ];
    for name in all {
        assert!(seen.contains(name), "{name} does not occur");
    }
}

//! A naive interpreter of docs/semantics.md, "What holds at an instant": it reads the JSON, decides for
//! one instant and knows nothing of timelines.

use serde_json::{Map, Value, json};

/// What is said, by kind and key, and what one tenant has.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) features: Map<String, Value>,
    pub(crate) plans: Map<String, Value>,
    pub(crate) addons: Map<String, Value>,
    pub(crate) contract: Value,
}

/// A plan or an add-on that counts: its source, and what it says.
type Input<'a> = (Value, u64, Option<&'a Value>);

pub(crate) fn millis(instant: &Value) -> Option<i64> {
    let instant: jiff::Timestamp = instant.as_str()?.parse().unwrap();
    Some(instant.as_millisecond())
}

pub(crate) fn is_now(window: &Value, now: i64) -> bool {
    millis(&window["start"]).is_none_or(|start| now >= start)
        && millis(&window["end"]).is_none_or(|end| now < end)
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |list| list)
}

pub(crate) fn none(reason: &str) -> Value {
    json!({"access": "none", "value": null, "reason": reason, "source": null})
}

/// An integer; unlimited is above all others.
pub(crate) fn number(value: &Value) -> i128 {
    if value == "unlimited" { i128::MAX } else { value.as_i64().unwrap().into() }
}

pub(crate) fn limit(number: i128) -> Value {
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
    pub(crate) fn plan(&self, plan: &Value, version: &Value) -> Option<&Value> {
        let versions = list(self.plans.get(plan.as_str()?)?.get("versions")?);
        versions.iter().find(|known| known["version"] == *version)
    }

    fn input(&self, plan: &Value, version: &Value) -> Input<'_> {
        (json!({"plan": plan, "version": version}), 1, self.plan(plan, version))
    }

    /// What holds at `now`, as a decision says it; without its end.
    pub(crate) fn decide(&self, key: &str, now: i64) -> Value {
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

//! A naive interpreter of docs/semantics.md. It reads the JSON, follows the page sentence by
//! sentence, and shares no condition, split or time code with the core.

#[path = "../entitlement_oracle/interpreter.rs"]
mod interpreter;
mod operators;

use std::cell::Cell;
use std::collections::BTreeMap;

use interpreter::{World, millis};
use serde_json::{Map, Value, json};
use siphasher::sip::SipHasher13;
use siphasher::sip128::SipHasher13 as SipHasher13_128;

/// An environment as JSON: definitions by kind and key.
pub(crate) struct Oracle<'a> {
    objects: BTreeMap<(&'a str, &'a str), &'a Value>,
    /// What conditions have taken of the work that an answer may do.
    work: Cell<usize>,
}

enum Unanswerable {
    /// `flag_invalid` for the flag that was asked for.
    TooManyPrerequisites,
}

impl<'a> Oracle<'a> {
    /// `document` is a snapshot.
    pub(crate) fn new(document: &'a Value) -> Self {
        let objects = list(&document["objects"]).iter();
        let objects = objects.map(|o| ((text(&o["kind"]), text(&o["key"])), o)).collect();
        Self { objects, work: Cell::new(0) }
    }

    /// The answer as JSON, without version and revision.
    pub(crate) fn answer(&self, flag: &str, context: &Value, now_ms: i64) -> Value {
        let Some(object) = self.objects.get(&("flag", flag)) else {
            return json!({"value": null, "variant": null, "reason": "flag_not_found"});
        };
        let mut asked = 0;
        self.work.set(0);
        match self.flag(object, context, now_ms, 0, &mut asked) {
            Ok(Some(answer)) if self.work.get() <= 1 << 25 => answer,
            Ok(_) | Err(Unanswerable::TooManyPrerequisites) => {
                json!({"value": null, "variant": null, "reason": "flag_invalid"})
            }
        }
    }

    /// `None` for an invalid flag.
    fn flag(
        &self,
        object: &Value,
        context: &Value,
        now_ms: i64,
        depth: usize,
        asked: &mut usize,
    ) -> Result<Option<Value>, Unanswerable> {
        *asked += 1;
        if depth > 16 || *asked > 256 {
            return Err(Unanswerable::TooManyPrerequisites);
        }
        let (flag, state) = (&object["definition"], &object["definition"]["state"]);
        if !is_understood(object) || value_of(flag, text(&state["off_variant"])).is_none() {
            return Ok(None);
        }
        let served = |variant: &Value, reason: &str, more: Value| {
            let mut answer = json!({
                "value": value_of(flag, text(variant)), "variant": variant, "reason": reason,
            });
            if let (Some(answer), Value::Object(more)) = (answer.as_object_mut(), more) {
                answer.extend(more);
            }
            Ok(Some(answer))
        };
        let off_variant = &state["off_variant"];
        if state["on"] == false {
            return served(off_variant, "disabled", json!({}));
        }
        for prerequisite in list(&state["prerequisites"]) {
            let other = self.objects.get(&("flag", text(&prerequisite["flag"])));
            let answer = match other {
                Some(other) => self.flag(other, context, now_ms, depth + 1, asked)?,
                None => None,
            };
            let satisfied = answer.is_some_and(|answer| {
                answer["reason"] != "disabled"
                    && list(&prerequisite["variants"]).contains(&answer["variant"])
            });
            if !satisfied {
                let more = json!({"prerequisite": prerequisite["flag"]});
                return served(off_variant, "prerequisite_failed", more);
            }
        }
        if let Some(feature) = state["requires"]["feature"].as_str() {
            let decision = self.decision(feature, context, now_ms);
            let access = match state["requires"]["write"] == true {
                true => &["full"][..],
                false => &["full", "read_only"],
            };
            if !access.contains(&text(&decision["access"])) || decision["limit"] == 0 {
                let mut more = json!({"feature": feature, "entitlement": decision["reason"]});
                if let Some(lane) = decision.get("lane") {
                    more["lane"] = lane.clone();
                }
                return served(off_variant, "not_entitled", more);
            }
        }
        for target in list(&state["targets"]) {
            if key(context, text(&target["kind"]))
                .is_some_and(|k| list(&target["keys"]).contains(&json!(k)))
            {
                return served(&target["variant"], "target_match", json!({}));
            }
        }
        let salt = match &state["salt"] {
            Value::String(salt) => salt.as_str(),
            _ => text(&object["key"]),
        };
        for rule in list(&state["rules"]) {
            if self.truth(&rule["when"], context, now_ms) == Some(true) {
                let mut more = Map::from_iter([("rule".to_owned(), rule["id"].clone())]);
                let (variant, bucket) = serve(self, &rule["serve"], salt, context, now_ms);
                if let Some(bucket) = bucket {
                    more.insert("split".into(), json!({"bucket": bucket}));
                }
                if let Some(variant) = variant {
                    return served(&json!(variant), "rule_match", Value::Object(more));
                }
            }
        }
        match serve(self, &state["fallthrough"], salt, context, now_ms) {
            (Some(variant), None) => served(&json!(variant), "fallthrough", json!({})),
            (Some(variant), Some(bucket)) => {
                served(&json!(variant), "fallthrough", json!({"split": {"bucket": bucket}}))
            }
            (None, _) => served(off_variant, "fallthrough", json!({"split": "unit_missing"})),
        }
    }

    /// `None` is *unknown*.
    pub(crate) fn truth(&self, condition: &Value, context: &Value, now_ms: i64) -> Option<bool> {
        // In order, up to the first that decides: what is not evaluated takes no work.
        for (group, decides) in [("all", false), ("any", true)] {
            let Some(conditions) = condition.get(group) else {
                continue;
            };
            let mut truth = Some(!decides);
            for condition in list(conditions) {
                match self.truth(condition, context, now_ms) {
                    Some(found) if found == decides => return Some(decides),
                    Some(_) => {}
                    None => truth = None,
                }
            }
            return truth;
        }
        if let Some(inner) = condition.get("not") {
            return self.truth(inner, context, now_ms).map(|truth| !truth);
        }
        if let Some(segment) = condition.get("segment") {
            let segment = &self.objects.get(&("segment", text(segment)))?["definition"];
            let key = json!(key(context, text(&segment["kind"]))?);
            if list(&segment["excluded"]).contains(&key) {
                return Some(false);
            }
            if list(&segment["included"]).contains(&key) {
                return Some(true);
            }
            return match &segment["when"] {
                Value::Null => Some(false),
                when => self.truth(when, context, now_ms),
            };
        }
        let found = self.attribute(context, text(&condition["attribute"]), now_ms);
        let values = list(&condition["values"]);
        let ignore_case = condition["ignore_case"] == true;
        let searches = operators::searches(text(&condition["op"]), values, ignore_case);
        self.work.set(self.work.get() + found.as_ref().map_or(0, |found| work(found, searches)));
        let single = |found: &Value| {
            operators::single(text(&condition["op"]), found, values, ignore_case, now_ms)
        };
        match (text(&condition["op"]), found) {
            ("exists", found) => Some(found.is_some()),
            (_, None) => None,
            (op, Some(Value::Array(elements))) => {
                // A list fits where a string does, and is the `any` of its elements.
                if !operators::takes_strings(op, values) {
                    return None;
                }
                let truths: Vec<_> = elements.iter().map(single).collect();
                match truths {
                    truths if truths.contains(&Some(true)) => Some(true),
                    truths if truths.contains(&None) => None,
                    _ => Some(false),
                }
            }
            (_, Some(found)) => single(&found),
        }
    }
}

impl Oracle<'_> {
    /// The catalogue, and the contract of the tenant whose key the context has, if that can be read.
    fn world(&self, context: &Value) -> Option<World> {
        let tenant = self.objects.get(&("tenant", key(context, "tenant")?))?;
        let contract = tenant["definition"].clone();
        let of = |wanted: &str| {
            let objects = self
                .objects
                .iter()
                .filter(|((kind, _), object)| *kind == wanted && is_understood(object));
            objects
                .map(|((_, key), object)| ((*key).to_owned(), object["definition"].clone()))
                .collect()
        };
        let (features, plans, addons) = (of("feature"), of("plan"), of("addon"));
        // The one way in which the generator breaks a contract.
        let is_sound = contract["plan"].is_null() == contract["plan_version"].is_null();
        (is_understood(tenant) && is_sound).then_some(World { features, plans, addons, contract })
    }

    /// What the tenant of the context is granted of a feature.
    fn decision(&self, feature: &str, context: &Value, now_ms: i64) -> Value {
        let none = |reason: &str| json!({"access": "none", "reason": reason});
        let tenant = key(context, "tenant").and_then(|key| self.objects.get(&("tenant", key)));
        if tenant.is_none() {
            return none("tenant_unknown");
        }
        match (self.objects.get(&("feature", feature)), self.world(context)) {
            (None, _) => none("feature_unknown"),
            (Some(feature), _) if !is_understood(feature) => none("feature_invalid"),
            (_, None) => none("feature_invalid"),
            (_, Some(world)) => world.decide(feature, now_ms),
        }
    }

    /// `$plan`, `$addons` and `$features`.
    fn derived(&self, context: &Value, name: &str, now_ms: i64) -> Option<Value> {
        let world = self.world(context)?;
        let contract = &world.contract;
        let ends_at = &contract["subscription"]["ends_at"];
        let has_ended = millis(ends_at).is_some_and(|end| end <= now_ms);
        match name {
            "$plan" if has_ended => {
                let plan = world.plan(&contract["plan"], &contract["plan_version"])?;
                Some(plan["fallback"]["plan"].clone()).filter(|plan| !plan.is_null())
            }
            "$plan" => Some(contract["plan"].clone()).filter(|plan| !plan.is_null()),
            "$addons" => {
                let addons = list(&contract["addons"]).iter().filter(|_| !has_ended);
                let mut keys: Vec<&Value> = addons.map(|addon| &addon["addon"]).collect();
                keys.sort_by_key(|key| text(key));
                Some(json!(keys))
            }
            _ => {
                let has = |key: &&String| world.decide(key, now_ms)["access"] != "none";
                Some(json!(world.features.keys().filter(has).collect::<Vec<_>>()))
            }
        }
    }

    /// What the context says, or else what is stored of the tenant whose key it has.
    fn attribute(&self, context: &Value, path: &str, now_ms: i64) -> Option<Value> {
        if let Some(name @ ("$plan" | "$addons" | "$features")) = path.strip_prefix("tenant.") {
            return self.derived(context, name, now_ms);
        }
        own_attribute(context, path).or_else(|| {
            let name = path.strip_prefix("tenant.").filter(|name| *name != "key")?;
            let tenant = self.objects.get(&("tenant", key(context, "tenant")?))?;
            // What makes one invalid the generator leaves out, but for what it needs.
            let known = is_understood(tenant);
            known.then(|| tenant["definition"]["attributes"].get(name).cloned()).flatten()
        })
    }
}

fn is_understood(object: &Value) -> bool {
    list(&object["needs"]).iter().all(|need| need == "tenants" || need == "entitlements")
}

/// 16 for each element of a list, one for each 64 bytes, and one for each byte that is searched.
fn work(found: &Value, searches: usize) -> usize {
    match found {
        Value::String(text) => text.len() / 64 + searches * text.len(),
        Value::Array(elements) => {
            let bytes: usize = elements.iter().map(|element| text(element).len()).sum();
            16 * elements.len() + bytes / 64 + searches * bytes
        }
        _ => 0,
    }
}

/// Exact: an integer is scaled, a float is taken apart, nothing is rounded.
fn order(a: &Value, b: &Value) -> std::cmp::Ordering {
    // The float's value times 2^1074 is an integer; of the sizes that the generator makes, times
    // 2^20 is, and fits.
    let scaled = |value: &Value| match value.as_i64() {
        Some(integer) => i128::from(integer) << 20,
        None => {
            let scaled = value.as_f64().expect("a number") * f64::from(1 << 20);
            assert!(scaled.fract() == 0.0 && scaled.abs() < 2_f64.powi(100), "{value}");
            scaled as i128
        }
    };
    scaled(a).cmp(&scaled(b))
}

/// The variant and the bucket: no variant for a missing unit, and for an entry that goes on.
fn serve(
    oracle: &Oracle<'_>,
    serve: &Value,
    flag_salt: &str,
    context: &Value,
    now_ms: i64,
) -> (Option<String>, Option<u64>) {
    if let Some(variant) = serve.get("variant") {
        return (Some(text(variant).to_owned()), None);
    }
    let choice = serve.get("split").or(serve.get("ramp")).expect("a variant, a split or a ramp");
    let by = text(&choice["by"]);
    let unit = match by.contains('.') {
        true => oracle.attribute(context, by, now_ms),
        false => key(context, by).map(|key| json!(key)),
    };
    let unit = match unit {
        Some(Value::String(unit)) if unit.len() <= 512 => unit,
        Some(Value::Number(unit)) if unit.is_i64() => unit.to_string(),
        _ => return (None, None),
    };
    let bucket = bucket(choice["salt"].as_str().unwrap_or(flag_salt), &unit);
    if serve.get("ramp").is_some() {
        let instant = |field: &str| {
            let instant: jiff::Timestamp = text(&choice[field]).parse().expect("RFC 3339");
            i128::from(instant.as_millisecond())
        };
        let share = |field: &str| i128::from(choice[field].as_u64().expect("a share"));
        let (start, end, now) = (instant("start"), instant("end"), i128::from(now_ms));
        let share = if now <= start {
            share("from")
        } else if now >= end {
            share("to")
        } else {
            share("from") + (share("to") - share("from")) * (now - start) / (end - start)
        };
        let variant = if i128::from(bucket) < share { &choice["variant"] } else { &choice["rest"] };
        return (Some(text(variant).to_owned()), Some(bucket));
    }
    let mut sum = 0;
    for entry in list(&choice["weights"]) {
        sum += entry["weight"].as_u64().expect("a weight");
        if sum > bucket {
            return match &entry["variant"] {
                Value::String(variant) => (Some(variant.clone()), Some(bucket)),
                _ => (None, None),
            };
        }
    }
    panic!("the weights add up to 100,000");
}

fn bucket(salt: &str, unit: &str) -> u64 {
    let key = SipHasher13_128::new().hash(&[b"flags-bucket-1\0", salt.as_bytes()].concat());
    let hash = SipHasher13::new_with_keys(key.h1, key.h2).hash(unit.as_bytes());
    ((u128::from(hash) * 100_000) >> 64) as u64
}

/// What the context says, where that is something that counts as there.
fn own_attribute(context: &Value, path: &str) -> Option<Value> {
    let (kind, name) = path.split_once('.').expect("<kind>.<name>");
    if name == "key" {
        return key(context, kind).map(|key| json!(key));
    }
    let value = context.get(kind)?.get(name)?;
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    let absent = match value {
        Value::Null => true,
        Value::Array(elements) => {
            elements.len() > 1_000 || elements.iter().map(length).sum::<usize>() > 65_536
        }
        value => length(value) > 65_536,
    };
    (!absent).then(|| value.clone())
}

fn key<'c>(context: &'c Value, kind: &str) -> Option<&'c str> {
    context.get(kind)?.get("key")?.as_str()
}

fn value_of<'f>(flag: &'f Value, variant: &str) -> Option<&'f Value> {
    list(&flag["variants"]).iter().find(|v| v["name"] == variant).map(|v| &v["value"])
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

//! A naive interpreter of docs/semantics.md. It reads the JSON, follows the page sentence by
//! sentence, and shares no condition, split or time code with the core.

mod operators;

use std::cell::Cell;
use std::collections::BTreeMap;

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
        if !list(&object["needs"]).iter().all(|need| need == "tenants")
            || value_of(flag, text(&state["off_variant"])).is_none()
        {
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
        let found = self.attribute(context, text(&condition["attribute"]));
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
    /// What the context says, or else what is stored of the tenant whose key it has.
    fn attribute(&self, context: &Value, path: &str) -> Option<Value> {
        own_attribute(context, path).or_else(|| {
            let name = path.strip_prefix("tenant.").filter(|name| *name != "key")?;
            let tenant = self.objects.get(&("tenant", key(context, "tenant")?))?;
            // What makes one invalid the generator leaves out, but for what it needs.
            let known = list(&tenant["needs"]).iter().all(|need| need == "tenants");
            known.then(|| tenant["definition"]["attributes"].get(name).cloned()).flatten()
        })
    }
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
        true => oracle.attribute(context, by),
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

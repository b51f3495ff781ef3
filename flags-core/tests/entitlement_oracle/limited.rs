//! The same of limits.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::interpreter::{World, limit, millis, none, number};

/// What `check_limit` says at `now`, by what is decided at every instant up to there. Left out may be instants
/// at which it is what it was at the one before and will be at the one after.
pub(crate) fn limited(
    world: &World,
    key: &str,
    used: u64,
    requested: u64,
    now: i64,
    decided: &BTreeMap<i64, Value>,
) -> Value {
    let feature = world.features.get(key).unwrap_or(&Value::Null);
    let mut decision = decided[&now].clone();
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
    let is_below = |decision: &Value| {
        decision["limit"].is_null() || number(&decision["limit"]) < i128::from(used)
    };
    let not_below = decided.range(..=now).rev().find(|(_, decision)| !is_below(decision));
    let plan_since = millis(&world.contract["plan_since"]).filter(|since| *since <= now);
    let downgrade = not_below.map(|(instant, _)| instant + 1).max(plan_since);
    let left = match policy["policy"].as_str() {
        _ if downgrade.is_some_and(|downgrade| now < downgrade + grace) => "full",
        None | Some("block_growth") => "full",
        Some(left) => left,
    };
    if left == "none" || decision["access"] == "full" { refused(decision, left) } else { decision }
}

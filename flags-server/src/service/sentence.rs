//! A change in one sentence, for people.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::limits::MAX_SENTENCE_PARTS;

/// Longest value that a sentence shows, in characters.
const MAX_SHOWN_CHARS: usize = 40;

/// What happened to an object, by its documents before and after.
pub(crate) fn sentence(before: Option<&Value>, after: Option<&Value>) -> String {
    let none = Map::new();
    let members = |document: Option<&Value>| document.and_then(Value::as_object).cloned();
    let (old, new) = (members(before), members(after));
    let mut parts = Vec::new();
    match (&old, &new) {
        (None, Some(new)) => {
            if let Some(told) = new.get("tenants") {
                let told = tenants(told);
                return match new.get("override") {
                    Some(exception) => format!("{told}: override added ({})", excepted(exception)),
                    None => told,
                };
            }
            parts.push("created".to_owned());
            parts.extend(
                new.get("fallthrough").map(|serve| format!("fallthrough: {}", served(serve))),
            );
        }
        (Some(_), None) => return "deleted".to_owned(),
        (None, None) => {}
        (Some(old), Some(new)) => {
            let gone = old.keys().filter(|name| !new.contains_key(*name));
            for name in new.keys().chain(gone) {
                member(name, old.get(name), new.get(name), &mut parts);
            }
        }
    }
    for list in ["included", "excluded"] {
        if let Some(after) = new.as_ref().and_then(|new| new.get(list)) {
            let before = old.as_ref().unwrap_or(&none).get(list);
            keys(list, before, after, &mut parts);
        }
    }
    if parts.is_empty() {
        return "changed".to_owned();
    }
    let more = parts.len().saturating_sub(MAX_SENTENCE_PARTS);
    parts.truncate(MAX_SENTENCE_PARTS);
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    parts.join("; ")
}

fn member(name: &str, before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    if before == after {
        return;
    }
    match name {
        // Told by what came and went.
        "included" | "excluded" | "member_counts" => {}
        "targets" => targets(before, after, parts),
        "rules" => rules(before, after, parts),
        "variants" => variants(before, after, parts),
        "prerequisites" => prerequisites(before, after, parts),
        "fallthrough" => {
            let (before, after) = (before.unwrap_or(&Value::Null), after.unwrap_or(&Value::Null));
            parts.push(format!("fallthrough: {}", change_of_served(before, after)));
        }
        "when" => parts.push("condition changed".to_owned()),
        "requires" => {
            let feature = |requires: Option<&Value>| short(requires.and_then(|r| r.get("feature")));
            match (feature(before), feature(after)) {
                (Some(before), Some(after)) if before != after => {
                    parts.push(format!("required feature: {before} → {after}"));
                }
                _ => parts.push("required feature changed".to_owned()),
            }
        }
        "on" => {
            let on = after.and_then(Value::as_bool).unwrap_or_default();
            parts.push(format!("switched {}", if on { "on" } else { "off" }));
        }
        "attributes" => by_member("attribute", before, after, parts),
        "grants" => by_member("grant", before, after, parts),
        "versions" => versions(before, after, parts),
        "addons" => addons(before, after, parts),
        "overrides" => overrides(before, after, parts),
        "blocks" => blocks(before, after, parts),
        "subscription" => subscription(before, after, parts),
        // It follows from the plan.
        "plan_since" => {}
        name => {
            let named = name.replace('_', " ");
            match (short(before), short(after)) {
                (Some(before), Some(after)) => parts.push(format!("{named}: {before} → {after}")),
                _ => parts.push(format!("{named} changed")),
            }
        }
    }
}

/// A value that fits into a sentence.
fn short(value: Option<&Value>) -> Option<String> {
    let text = match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => {
            let list: Option<Vec<String>> = list.iter().map(|value| short(Some(value))).collect();
            list.filter(|list| !list.is_empty())
                .map_or_else(|| "none".to_owned(), |list| list.join(", "))
        }
        Some(Value::Object(_)) => return None,
        Some(value) => value.to_string(),
    };
    (text.chars().count() <= MAX_SHOWN_CHARS).then_some(text)
}

fn elements<'a>(list: Option<&'a Value>, name: &str) -> Vec<(&'a str, &'a Value)> {
    let elements = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    elements.iter().map(|element| (text(element, name), element)).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Each element that came, stayed or went, by its name.
fn by_name<'a>(
    name: &str,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    mut tell: impl FnMut(&'a str, Option<&'a Value>, Option<&'a Value>),
) {
    let (old, new) = (elements(before, name), elements(after, name));
    let find = |list: &[(&'a str, &'a Value)], name: &str| {
        list.iter().find(|(other, _)| *other == name).map(|(_, element)| *element)
    };
    for (name, after) in &new {
        tell(name, find(&old, name), Some(after));
    }
    for (name, before) in &old {
        if find(&new, name).is_none() {
            tell(name, Some(before), None);
        }
    }
}

fn targets(before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    /// Who gets which variant.
    fn all(targets: Option<&Value>) -> BTreeMap<(&str, &str), &str> {
        let mut all = BTreeMap::new();
        for (kind, target) in elements(targets, "kind") {
            let keys = target.get("keys").and_then(Value::as_array);
            for key in keys.into_iter().flatten().filter_map(Value::as_str) {
                all.insert((kind, key), text(target, "variant"));
            }
        }
        all
    }
    let (old, new) = (all(before), all(after));
    for ((kind, key), variant) in &new {
        match old.get(&(*kind, *key)) {
            None => parts.push(format!("{kind} {key} set to {variant}")),
            Some(before) if before != variant => {
                parts.push(format!("{kind} {key}: {before} → {variant}"));
            }
            Some(_) => {}
        }
    }
    for ((kind, key), variant) in old.iter().filter(|(who, _)| !new.contains_key(*who)) {
        parts.push(format!("{kind} {key} no longer set to {variant}"));
    }
}

fn rules(before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    by_name("id", before, after, |id, old, new| match (old, new) {
        (None, Some(rule)) => {
            let serves = rule.get("serve").map(served).unwrap_or_default();
            parts.push(format!("rule {id} added, serves {serves}"));
        }
        (Some(_), None) => parts.push(format!("rule {id} removed")),
        (Some(old), Some(new)) => {
            if old.get("when") != new.get("when") {
                parts.push(format!("rule {id}: condition changed"));
            }
            if let (Some(before), Some(after)) = (old.get("serve"), new.get("serve"))
                && before != after
            {
                parts.push(format!("rule {id}: serves {}", change_of_served(before, after)));
            }
        }
        (None, None) => {}
    });
    let ids = |list, other: Option<&Value>| -> Vec<&str> {
        let others = elements(other, "id");
        let stays = |id: &&str| others.iter().any(|(other, _)| other == id);
        elements(list, "id").into_iter().map(|(id, _)| id).filter(stays).collect()
    };
    if ids(before, after) != ids(after, before) {
        parts.push("rules reordered".to_owned());
    }
}

/// Attributes of a tenant, or what is granted of features.
fn by_member(what: &str, before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    let names = [before, after].into_iter().flatten().filter_map(Value::as_object);
    let names: BTreeSet<&String> = names.flat_map(Map::keys).collect();
    for name in names {
        let value = |attributes: Option<&'_ Value>| attributes?.get(name).cloned();
        let (before, after) = (value(before), value(after));
        if before == after {
            continue;
        }
        parts.push(match (short(before.as_ref()), short(after.as_ref())) {
            (Some(before), Some(after)) => format!("{what} {name}: {before} → {after}"),
            _ => format!("{what} {name} changed"),
        });
    }
}

/// The versions of a plan, which do not change.
fn versions(before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    let numbers = |list: Option<&Value>| -> BTreeSet<u64> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|version| version.get("version")?.as_u64()).collect()
    };
    let (old, new) = (numbers(before), numbers(after));
    parts.extend(new.difference(&old).map(|number| format!("version {number} added")));
    parts.extend(old.difference(&new).map(|number| format!("version {number} deleted")));
}

/// How many a tenant has of each add-on.
fn addons(before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    let quantity = |had: Option<&Value>| short(had.and_then(|had| had.get("quantity")));
    by_name("addon", before, after, |addon, old, new| {
        let (old, new) = (quantity(old), quantity(new));
        if let (Some(old), Some(new)) = (&old, &new)
            && old != new
        {
            parts.push(format!("add-on {addon}: {old} → {new}"));
        }
    });
}

/// What an override does, such as `seats at_least 50`.
fn excepted(exception: &Value) -> String {
    let does = format!("{} {}", text(exception, "feature"), text(exception, "mode"));
    match exception.get("value").map(|value| short(Some(value))) {
        Some(Some(value)) => format!("{does} {value}"),
        _ => does,
    }
}

fn overrides(before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    let told = excepted;
    by_name("id", before, after, |id, old, new| match (old, new) {
        (None, Some(new)) => parts.push(format!("override {id} added ({})", told(new))),
        (Some(_), None) => parts.push(format!("override {id} removed")),
        (Some(old), Some(new)) if told(old) != told(new) => {
            parts.push(format!("override {id}: {} → {}", told(old), told(new)));
        }
        (Some(old), Some(new)) if old != new => parts.push(format!("override {id} changed")),
        _ => {}
    });
}

fn blocks(before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    by_name("lane", before, after, |lane, old, new| match (old, new) {
        (Some(_), None) => parts.push(format!("no longer blocked by {lane}")),
        (old, Some(new)) if old != Some(new) => {
            parts.push(format!("blocked by {lane} (leaves {})", text(new, "effect")));
        }
        _ => {}
    });
}

fn subscription(before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    let state = |said: Option<&Value>| {
        let state = said.map(|said| text(said, "state")).filter(|state| !state.is_empty());
        state.unwrap_or("active").to_owned()
    };
    let (old, new) = (state(before), state(after));
    parts.push(match old == new {
        true => "subscription changed".to_owned(),
        false => format!("subscription: {old} → {new}"),
    });
}

/// Such as `2 tenants created, 1 updated (acme, globex, …)`, or `2 tenants moved: pro version 1 → pro version 2
/// (acme, globex)`; from what [`tenant`](super::tenant) and [`moves`](super::moves) told.
fn tenants(told: &Value) -> String {
    let count = |name: &str| told.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (created, updated) = (count("created"), count("updated"));
    let noun = |count: u64| if count == 1 { "tenant" } else { "tenants" };
    let moved = count("moved");
    if moved > 0 {
        let plan = |end: &str| {
            let Some(end) = told.get(end) else { return String::new() };
            let version = end.get("version").map(|version| format!(" version {version}"));
            format!("{}{}", text(end, "plan"), version.unwrap_or_default())
        };
        let (from, to, first) = (plan("from"), plan("to"), first_of(told.get("first"), moved));
        return format!("{moved} {} moved: {from} → {to} ({first})", noun(moved));
    }
    let done = match (created, updated) {
        (created, 0) => format!("{created} {} created", noun(created)),
        (0, updated) => format!("{updated} {} updated", noun(updated)),
        _ => format!("{created} {} created, {updated} updated", noun(created)),
    };
    format!("{done} ({})", first_of(told.get("first"), created + updated))
}

/// The first of so many keys.
fn first_of(keys: Option<&Value>, count: u64) -> String {
    let keys = keys.and_then(Value::as_array);
    let named: Vec<&str> = keys.into_iter().flatten().filter_map(Value::as_str).take(3).collect();
    let more = if named.len() as u64 == count { "" } else { ", …" };
    format!("{}{more}", named.join(", "))
}

fn variants(before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    by_name("name", before, after, |name, old, new| match (old, new) {
        (None, _) => parts.push(format!("variant {name} added")),
        (_, None) => parts.push(format!("variant {name} removed")),
        (Some(old), Some(new)) if old != new => {
            let value = |variant: &Value| short(variant.get("value"));
            match (value(old), value(new)) {
                (Some(old), Some(new)) => parts.push(format!("variant {name}: {old} → {new}")),
                _ => parts.push(format!("value of variant {name} changed")),
            }
        }
        _ => {}
    });
}

fn prerequisites(before: Option<&Value>, after: Option<&Value>, parts: &mut Vec<String>) {
    let variants = |prerequisite: &Value| short(prerequisite.get("variants")).unwrap_or_default();
    by_name("flag", before, after, |flag, old, new| match (old, new) {
        (None, Some(new)) => parts.push(format!("prerequisite {flag} ({}) added", variants(new))),
        (Some(old), Some(new)) if old != new => {
            parts.push(format!("prerequisite {flag}: {} → {}", variants(old), variants(new)));
        }
        (Some(_), None) => parts.push(format!("prerequisite {flag} removed")),
        _ => {}
    });
}

/// Such as `10 % on → 25 % on`.
fn change_of_served(before: &Value, after: &Value) -> String {
    let (old, new) = (served(before), served(after));
    match (unit(before), unit(after)) {
        (Some(was), Some(by)) if was != by => format!("{old} by {was} → {new} by {by}"),
        (was, Some(by)) if was.is_none() || old == new => format!("{old} → {new} by {by}"),
        _ => format!("{old} → {new}"),
    }
}

fn unit(serve: &Value) -> Option<&str> {
    let shared = serve.get("split").or_else(|| serve.get("ramp"))?;
    shared.get("by").and_then(Value::as_str)
}

/// What is served: a variant, shares, or a ramp.
fn served(serve: &Value) -> String {
    let percent = |weight: Option<&Value>| match weight.and_then(Value::as_u64) {
        Some(weight) if weight % 1_000 == 0 => format!("{} %", weight / 1_000),
        Some(weight) => {
            let text = format!("{}.{:03}", weight / 1_000, weight % 1_000);
            format!("{} %", text.trim_end_matches('0'))
        }
        None => "? %".to_owned(),
    };
    if let Some(variant) = serve.get("variant").and_then(Value::as_str) {
        return variant.to_owned();
    }
    if let Some(ramp) = serve.get("ramp") {
        let (from, to) = (percent(ramp.get("from")), percent(ramp.get("to")));
        let (variant, end) = (text(ramp, "variant"), text(ramp, "end"));
        return format!("{from} to {to} {variant} until {end}");
    }
    let weights = serve.get("split").and_then(|split| split.get("weights"));
    let weights = weights.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let share = |entry: &Value| {
        let variant = entry.get("variant").and_then(Value::as_str).unwrap_or("the next rule");
        format!("{} {variant}", percent(entry.get("weight")))
    };
    match weights {
        // The rest goes without saying.
        [first, _] => share(first),
        weights => weights.iter().map(share).collect::<Vec<_>>().join(", "),
    }
}

/// Such as `2 keys included (acme, globex)`; from what [`member_lists`](super::history) made.
fn keys(list: &str, before: Option<&Value>, after: &Value, parts: &mut Vec<String>) {
    for (which, word) in [("added", list.to_owned()), ("removed", format!("no longer {list}"))] {
        let told = after.get(which);
        let count = told.and_then(|keys| keys.get("count")).and_then(Value::as_u64).unwrap_or(0);
        if count == 0 {
            continue;
        }
        let named = first_of(told.and_then(|keys| keys.get("first")), count);
        let noun = if count == 1 { "key" } else { "keys" };
        parts.push(format!("{count} {noun} {word} ({named})"));
    }
    let count = |value: &Value| value.get("count").and_then(Value::as_u64).unwrap_or(0);
    let (before, now) = (before.map_or(0, count), count(after));
    if after.get("added").is_none() && before != now {
        parts.push(format!("{list}: {before} → {now} keys"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state() -> Value {
        json!({"on": false, "off_variant": "off", "salt": null, "prerequisites": [],
               "targets": [{"kind": "tenant", "keys": ["acme", "old"], "variant": "off"}],
               "rules": [{"id": "a", "when": {"all": []}, "serve": {"variant": "on"}},
                         {"id": "b", "when": {"all": []}, "serve": {"variant": "on"}}],
               "fallthrough": {"variant": "off"}})
    }

    #[track_caller]
    fn check(edit: impl FnOnce(&mut Value), expected: &str) {
        let mut after = state();
        edit(&mut after);
        assert_eq!(sentence(Some(&state()), Some(&after)), expected);
    }

    fn split(on: u32) -> Value {
        json!({"split": {"by": "tenant", "weights": [
            {"variant": "on", "weight": on}, {"variant": "off", "weight": 100_000 - on}]}})
    }

    #[test]
    fn a_state_is_told_as_a_product_manager_reads_it() {
        check(|state| state["on"] = json!(true), "switched on");
        check(|state| state["salt"] = json!("s"), "salt: none → s");
        let targets = json!([{"kind": "tenant", "keys": ["globex"], "variant": "on"},
                             {"kind": "tenant", "keys": ["acme"], "variant": "on"}]);
        check(
            |state| state["targets"] = targets,
            "tenant acme: off → on; tenant globex set to on; tenant old no longer set to off",
        );
        check(|state| state["fallthrough"] = split(10_000), "fallthrough: off → 10 % on by tenant");
        let mut by_user = split(10_000);
        by_user["split"]["by"] = json!("user");
        let change = change_of_served(&split(10_000), &by_user);
        assert_eq!(change, "10 % on by tenant → 10 % on by user");
        assert_eq!(change_of_served(&split(10_000), &split(25_000)), "10 % on → 25 % on");
        let rules = json!([{"id": "b", "when": {"all": [1]}, "serve": {"variant": "off"}},
                           {"id": "a", "when": {"all": []}, "serve": {"variant": "on"}},
                           {"id": "c", "when": {"all": []}, "serve": split(1)}]);
        check(
            |state| state["rules"] = rules,
            "rule b: condition changed; rule b: serves on → off; rule c added, serves 0.001 % on; \
             rules reordered",
        );
        check(|state| state["rules"] = json!([]), "rule a removed; rule b removed");
        let needs = json!([{"flag": "payments", "variants": ["on", "dark"]}]);
        check(|state| state["prerequisites"] = needs, "prerequisite payments (on, dark) added");
        let (mut before, mut after) = (state(), state());
        before["fallthrough"] = split(10_000);
        after["fallthrough"] = split(25_500);
        assert_eq!(sentence(Some(&before), Some(&after)), "fallthrough: 10 % on → 25.5 % on");
        assert_eq!(sentence(Some(&before), None), "deleted");
    }

    #[test]
    fn one_tenant_is_told_by_its_attributes_and_many_are_counted() {
        let before =
            json!({"attributes": {"country": "DE", "trial": true, "notes": "n", "same": 1}});
        let after = json!({"attributes": {"country": "FR", "regions": ["eu", "us"], "same": 1,
                                          "notes": "n".repeat(50)}});
        assert_eq!(
            sentence(Some(&before), Some(&after)),
            "attribute country: DE → FR; attribute notes changed; attribute regions: none → eu, us; \
             attribute trial: true → none"
        );
        assert_eq!(sentence(None, Some(&after)), "created");
        assert_eq!(sentence(Some(&before), None), "deleted");
        for (created, updated, first, expected) in [
            (1, 0, &["a"][..], "1 tenant created (a)"),
            (0, 2, &["a", "b"], "2 tenants updated (a, b)"),
            (3, 1, &["a", "b", "c", "d"], "3 tenants created, 1 updated (a, b, c, …)"),
        ] {
            let told = json!({"tenants": {"created": created, "updated": updated, "first": first}});
            assert_eq!(sentence(None, Some(&told)), expected);
        }
        for (from, moved, first, expected) in [
            (
                json!({"plan": "pro", "version": 1}),
                1,
                &["a"][..],
                "1 tenant moved: pro version 1 → max version 2 (a)",
            ),
            (
                json!({"plan": "pro"}),
                5,
                &["a", "b", "c", "d"],
                "5 tenants moved: pro → max version 2 (a, b, c, …)",
            ),
        ] {
            let to = json!({"plan": "max", "version": 2});
            let told = json!({"tenants": {"moved": moved, "from": from, "to": to, "first": first}});
            assert_eq!(sentence(None, Some(&told)), expected);
        }
    }

    #[test]
    fn what_is_shared_and_what_is_long() {
        let before =
            json!({"variants": [{"name": "on", "value": 1}], "tags": [], "description": null});
        let after = json!({"variants": [{"name": "on", "value": 2}, {"name": "x", "value": 3}],
                           "tags": ["a", "b"], "description": "d".repeat(50)});
        assert_eq!(
            sentence(Some(&before), Some(&after)),
            "description changed; tags: none → a, b; variant on: 1 → 2; variant x added"
        );
        let after = json!({"targets": [{"kind": "user", "variant": "on",
            "keys": (0..MAX_SENTENCE_PARTS + 5).map(|n| n.to_string()).collect::<Vec<_>>()}]});
        assert!(sentence(Some(&json!({})), Some(&after)).ends_with("; and 5 more"));
    }

    #[test]
    fn an_exception_that_many_were_given_is_told() {
        let told = json!({"tenants": {"created": 0, "updated": 1, "first": ["a"]}, "flag": "f",
                          "override": {"feature": "seats", "mode": "at_least", "value": 50}});
        let expected = "1 tenant updated (a): override added (seats at_least 50)";
        assert_eq!(sentence(None, Some(&told)), expected);
    }
}

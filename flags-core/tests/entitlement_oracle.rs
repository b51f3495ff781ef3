//! Timelines and rulesets against a naive interpreter of docs/semantics.md, "What holds at an instant".

#![cfg(test)]

#[path = "entitlement_oracle/changes.rs"]
mod changes;
#[path = "entitlement_oracle/interpreter.rs"]
mod interpreter;
#[path = "entitlement_oracle/limited.rs"]
mod limited;
#[path = "entitlement_oracle/worlds.rs"]
mod worlds;

use flags_core::{Catalogue, Contract, Timeline, Timestamp};
use interpreter::{World, list, millis, number};
use limited::limited;
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use worlds::{FEATURES, LAST_MS, amount, overlap, window, world, world_with_any_sets};

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
            let decided = (-2..=LAST_MS).map(|now| (now, world.decide(feature, now))).collect();
            for now in &nows {
                let decision = timeline.check_limit(used, requested, at(*now));
                let expected = limited(&world, feature, used, requested, *now, &decided);
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

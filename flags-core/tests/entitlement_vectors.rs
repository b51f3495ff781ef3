//! Runs the language-neutral cases of `testdata/entitlements/`.

#![cfg(test)]

use std::cell::Cell;
use std::collections::BTreeMap;

use flags_core::{
    AddonDefinition, Catalogue, Contract, ContractDefinition, FeatureDefinition, PlanDefinition,
    Timestamp,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Vectors {
    features: BTreeMap<String, FeatureDefinition>,
    plans: BTreeMap<String, PlanDefinition>,
    addons: BTreeMap<String, AddonDefinition>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    feature: String,
    contract: ContractDefinition,
    now: String,
    /// Where both are there, it is asked whether more of a limit may be had.
    used: Option<u64>,
    requested: Option<u64>,
    expect: Value,
}

fn run(file: &str, json: &str) {
    let vectors: Vectors = serde_json::from_str(json).expect(file);
    assert!(!vectors.cases.is_empty(), "{file}");
    let mut catalogue = Catalogue::default();
    for (key, feature) in &vectors.features {
        catalogue.set_feature(key, feature).expect(key);
    }
    for (key, plan) in &vectors.plans {
        catalogue.set_plan(key, plan).expect(key);
    }
    for (key, addon) in &vectors.addons {
        catalogue.set_addon(key, addon).expect(key);
    }
    for case in vectors.cases {
        let contract = Contract::compile(&case.contract).expect(&case.name);
        let now = Timestamp::parse(&case.now).expect(&case.name);
        let timeline = catalogue.timeline(&contract, &case.feature);
        let asked = Cell::new(0);
        let clock = || {
            asked.set(asked.get() + 1);
            now
        };
        let decision = match (case.used, case.requested) {
            (Some(used), Some(requested)) => timeline.check_limit(used, requested, clock),
            _ => timeline.check(clock),
        };
        // The time is asked for once, and only where there is a boundary.
        let has_boundary = timeline.intervals().count() > 1 || case.contract.plan_since.is_some();
        assert!(asked.get() <= u32::from(has_boundary), "{file}: {}", case.name);
        assert!(asked.get() == 1 || decision.valid_until.is_none(), "{file}: {}", case.name);
        let decision = serde_json::to_value(decision).expect(&case.name);
        assert_eq!(decision, case.expect, "{file}: {}", case.name);
    }
}

macro_rules! vectors {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            let file = concat!(stringify!($name), ".json");
            run(file, include_str!(concat!("../testdata/entitlements/", stringify!($name), ".json")));
        }
    )*};
}

vectors!(combine, overrides, subscription, over_limit);

//! Whatever becomes of a catalogue and of contracts, a ruleset that heard of it change by change says
//! what one says that is compiled anew, what timelines say, and what the rules say.

use std::collections::BTreeMap;

use flags_core::{
    Change, Contract, Document, Entitlement, Epoch, Object, ObjectChange, Ruleset, Timestamp,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::interpreter::World;
use crate::limited::limited;
use crate::worlds::{FEATURES, LAST_MS, grants, plan, sound_contract, world};
use crate::{at, read, said, whole};

const TENANTS: [&str; 4] = ["t0", "t1", "t2", "größe"];

/// What happens to an object; `None`: it goes.
type Step = (&'static str, String, Option<Value>);

/// The features as every world has them, or seldom as something else.
fn feature() -> impl Strategy<Value = Step> {
    let over_limit = (select(vec!["block_growth", "read_only", "none"]), 0..20_u64);
    let key = select(FEATURES.to_vec());
    (key, over_limit, 0..10).prop_map(|(key, (policy, grace_ms), what)| {
        let over_limit = json!({"policy": policy, "grace_ms": grace_ms});
        let definition = match key {
            "sso" => json!({"type": "boolean", "combine": "any"}),
            "size" => json!({"type": "limit", "combine": "max", "over_limit": over_limit}),
            "seats" => json!({"type": "limit", "combine": "sum", "over_limit": over_limit}),
            "regions" => {
                json!({"type": "options", "combine": "union", "options": ["us", "eu", "uk"]})
            }
            _ => json!({"type": "json", "combine": "priority"}),
        };
        let definition = match what {
            0 => None,
            // Of another type than some grants.
            1 => Some(json!({"type": "limit", "combine": "max"})),
            _ => Some(definition),
        };
        ("feature", key.to_owned(), definition)
    })
}

fn step() -> impl Strategy<Value = Step> {
    let gone = |weight: u32| prop::bool::weighted(1.0 / f64::from(weight));
    let of_plan = (select(vec!["p0", "p1", "p2"]), plan(), gone(6));
    let of_addon = (select(vec!["a0", "a1", "a10"]), grants(), 0..3_u32, gone(6));
    let of_tenant = (select(TENANTS.to_vec()), any_contract(), gone(5));
    prop_oneof![
        1 => feature().boxed(),
        2 => of_plan
            .prop_map(|(key, plan, gone)| ("plan", key.to_owned(), (!gone).then_some(plan)))
            .boxed(),
        1 => of_addon.prop_map(|(key, grants, priority, gone)| {
            let addon = json!({"grants": grants, "priority": priority});
            ("addon", key.to_owned(), (!gone).then_some(addon))
        }).boxed(),
        3 => of_tenant.prop_map(|(key, contract, gone)| {
            ("tenant", key.to_owned(), (!gone).then_some(contract))
        }).boxed(),
    ]
}

/// A contract; one in three with nothing special.
fn any_contract() -> impl Strategy<Value = Value> {
    (sound_contract(), 0..3).prop_map(|(mut contract, plain)| {
        if plain == 0 {
            for field in ["trial", "subscription", "overrides", "blocks"] {
                contract.as_object_mut().unwrap().remove(field);
            }
        }
        contract
    })
}

fn changes() -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec(step(), 1..5), 1..7)
}

/// The catalogue of a world, and its contract for each of the tenants.
fn beginning(world: &World) -> Vec<Step> {
    let of = |kind: &'static str, all: &serde_json::Map<String, Value>| -> Vec<Step> {
        all.iter().map(|(key, said)| (kind, key.clone(), Some(said.clone()))).collect()
    };
    let tenants = TENANTS.map(|key| ("tenant", key.to_owned(), Some(world.contract.clone())));
    // Tenants before what they name.
    let mut steps = tenants.to_vec();
    steps.extend(of("addon", &world.addons));
    steps.extend(of("plan", &world.plans));
    steps.extend(of("feature", &world.features));
    steps
}

/// What is there, by kind and key.
#[derive(Default)]
struct Model {
    objects: BTreeMap<(&'static str, String), Value>,
}

impl Model {
    fn world(&self, tenant: &str) -> Option<World> {
        let of = |wanted: &str| {
            let objects = self.objects.iter().filter(|((kind, _), _)| *kind == wanted);
            objects.map(|((_, key), said)| (key.clone(), said.clone())).collect()
        };
        let contract = self.objects.get(&("tenant", tenant.to_owned()))?.clone();
        let (features, plans, addons) = (of("feature"), of("plan"), of("addon"));
        Some(World { features, plans, addons, contract })
    }

    fn compiled(&self) -> Ruleset {
        let objects = self.objects.iter();
        let objects = objects.map(|((kind, key), said)| Object::new(kind, key, 1, said).unwrap());
        let document =
            Document { epoch: Epoch::new("e1"), revision: 1, objects: objects.collect() };
        let (ruleset, report) = Ruleset::compile(&document);
        assert!(report.is_clean(), "{report:?}");
        ruleset
    }
}

fn after(ruleset: &Ruleset, steps: &[Step], model: &mut Model) -> Ruleset {
    let objects = steps.iter().map(|(kind, key, said)| match said {
        Some(said) => {
            model.objects.insert((kind, key.clone()), said.clone());
            ObjectChange::Upsert(Object::new(kind, key, 1, said).unwrap())
        }
        None => {
            model.objects.remove(&(*kind, key.clone()));
            ObjectChange::Delete { kind: (*kind).to_owned(), key: key.clone() }
        }
    });
    let previous = ruleset.revision();
    let objects = objects.collect();
    let change = Change { epoch: Epoch::new("e1"), revision: previous + 1, previous, objects };
    ruleset.apply(&change).unwrap().0
}

fn intervals(entitlement: Entitlement<'_>) -> Vec<Value> {
    entitlement
        .intervals()
        .map(|(start, said)| json!([start.map(|s| s.as_millis()), said]))
        .collect()
}

/// Everything that a ruleset says, of every tenant and feature.
fn everything(ruleset: &Ruleset) -> Value {
    let keys = TENANTS.into_iter().chain(["unheard-of"]);
    let all = keys.flat_map(|tenant| {
        let features = FEATURES.into_iter().chain(["unheard-of"]);
        features.map(move |feature| {
            let entitlement = ruleset.entitlement(tenant, feature);
            let limited: Vec<Value> = [0, 1, 3, u64::MAX]
                .into_iter()
                .flat_map(|used| [-1, 17, LAST_MS].map(|now| (used, now)))
                .map(|(used, now)| json!(entitlement.check_limit(used, 0, at(now))))
                .collect();
            json!([tenant, feature, intervals(entitlement), limited])
        })
    });
    all.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_ruleset_says_what_the_rules_say_whatever_changes(
        world in world(),
        changes in changes(),
        used in select(vec![0, 1, 2, 3, 7]),
        requested in select(vec![0, 0, 1]),
    ) {
        let mut model = Model::default();
        let (mut ruleset, _) = Ruleset::compile(&Document::empty(Epoch::new("e1")));
        for steps in [beginning(&world)].iter().chain(&changes) {
            let before = everything(&ruleset);
            let next = after(&ruleset, steps, &mut model);
            prop_assert_eq!(everything(&ruleset), before, "the older one stays as it is");
            ruleset = next;
            let fresh = model.compiled();
            prop_assert_eq!(everything(&ruleset), everything(&fresh));

            for tenant in TENANTS {
                let Some(world) = model.world(tenant) else {
                    let said = ruleset.entitlement(tenant, "sso").check(at(0));
                    prop_assert_eq!(said.reason.name(), "tenant_unknown");
                    continue;
                };
                let contract = Contract::compile(&read(&world.contract)).unwrap();
                for feature in FEATURES.into_iter().chain(["unheard-of"]) {
                    let entitlement = ruleset.entitlement(tenant, feature);
                    let timeline = ruleset.catalogue().timeline(&contract, feature);
                    let found: Vec<(Option<Timestamp>, Value)> = entitlement
                        .intervals()
                        .map(|(start, said)| (start, serde_json::to_value(said).unwrap()))
                        .collect();
                    prop_assert_eq!(&found, &whole(&timeline));
                    let starts = found.iter().filter_map(|(start, _)| *start);
                    let around = starts.flat_map(|start| [-1, 0, 1].map(|ms| start.as_millis() + ms));
                    for now in around.chain([-2, LAST_MS]) {
                        let decided = world.decide(feature, now);
                        let found = said(entitlement.check(at(now)));
                        prop_assert_eq!(found, decided, "{} of {} at {}", feature, tenant, now);
                    }
                    let decided =
                        (-2..=LAST_MS).map(|now| (now, world.decide(feature, now))).collect();
                    for now in [-1, 5, 11, 20, 33, LAST_MS] {
                        let found = entitlement.check_limit(used, requested, at(now));
                        prop_assert_eq!(found, timeline.check_limit(used, requested, at(now)));
                        let expected = limited(&world, feature, used, requested, now, &decided);
                        prop_assert_eq!(said(found), expected, "{} of {}", feature, tenant);
                    }
                }
            }
        }
    }
}

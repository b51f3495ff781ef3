//! An evaluation allocates nothing: counted by the allocator itself, over every kind of answer of
//! the published cases.

#![cfg(test)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use flags_core::{
    Catalogue, Context, Contract, Decoded, Decoders, Document, Entity, Flag, JsonContext, Override,
    Ruleset, Timestamp, Value,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and nothing to count.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
}

#[expect(unsafe_code, reason = "a global allocator is unsafe to write; this one only counts")]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocated or freed.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 2);
    assert_eq!(allocations(|| ()), 0);
}

#[derive(serde::Deserialize)]
struct Vectors {
    document: Document,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    flag: String,
    context: serde_json::Value,
}

#[test]
fn no_published_case_allocates() {
    let files = [
        include_str!("../testdata/evaluation/order.json"),
        include_str!("../testdata/evaluation/conditions.json"),
        include_str!("../testdata/evaluation/ignore_case.json"),
        include_str!("../testdata/evaluation/dates.json"),
        include_str!("../testdata/evaluation/semver.json"),
        include_str!("../testdata/evaluation/matches.json"),
        include_str!("../testdata/evaluation/cidr.json"),
        include_str!("../testdata/evaluation/limits.json"),
        include_str!("../testdata/evaluation/refused.json"),
        include_str!("../testdata/evaluation/segments.json"),
        include_str!("../testdata/evaluation/splits.json"),
        include_str!("../testdata/evaluation/tenants.json"),
        include_str!("../testdata/evaluation/entitlements.json"),
        include_str!("../testdata/evaluation/prerequisites.json"),
        include_str!("../testdata/evaluation/invalid.json"),
    ];
    let mut asked = 0;
    for file in files {
        let vectors: Vectors = serde_json::from_str(file).unwrap();
        let (ruleset, _) = Ruleset::compile(&vectors.document);
        for case in vectors.cases {
            let context = JsonContext::read(&case.context).unwrap();
            let count = allocations(|| {
                let now = || Timestamp::from_millis(1_767_225_650_000);
                black_box(ruleset.evaluate(&case.flag, &context, now));
            });
            assert_eq!(count, 0, "{}", case.name);
            let mut buffer = Vec::with_capacity(ruleset.flags().count());
            let count = allocations(|| {
                let now = || Timestamp::from_millis(1_767_225_650_000);
                buffer.extend(ruleset.evaluate_all(&context, now));
            });
            assert_eq!(count, 0, "all flags: {}", case.name);
            asked += 1;
        }
    }
    assert!(asked > 600, "{asked}");
}

#[test]
fn no_entitlement_allocates() {
    let files = [
        include_str!("../testdata/entitlements/combine.json"),
        include_str!("../testdata/entitlements/overrides.json"),
        include_str!("../testdata/entitlements/subscription.json"),
        include_str!("../testdata/entitlements/over_limit.json"),
    ];
    let mut asked = 0;
    for file in files {
        let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
        let mut catalogue = Catalogue::default();
        for (key, feature) in vectors["features"].as_object().unwrap() {
            catalogue.set_feature(key, &serde_json::from_value(feature.clone()).unwrap()).unwrap();
        }
        for (key, plan) in vectors["plans"].as_object().unwrap() {
            catalogue.set_plan(key, &serde_json::from_value(plan.clone()).unwrap()).unwrap();
        }
        for (key, addon) in vectors["addons"].as_object().unwrap() {
            catalogue.set_addon(key, &serde_json::from_value(addon.clone()).unwrap()).unwrap();
        }
        for case in vectors["cases"].as_array().unwrap() {
            let contract = serde_json::from_value(case["contract"].clone()).unwrap();
            let contract = Contract::compile(&contract).unwrap();
            let timeline = catalogue.timeline(&contract, case["feature"].as_str().unwrap());
            let now = Timestamp::parse(case["now"].as_str().unwrap()).unwrap();
            let count = allocations(|| {
                black_box(timeline.check(|| now));
                for requested in [0, 1] {
                    black_box(timeline.check_limit(9, requested, || now));
                }
            });
            assert_eq!(count, 0, "{}", case["name"]);
            asked += 1;
        }
    }
    assert!(asked > 100, "{asked}");
}

#[test]
fn no_typed_flag_and_no_context_allocates() {
    const BOOLEAN: Flag<bool> = Flag::new("plain", false);
    const STRING: Flag<&str> = Flag::new("rules", "");
    const INTEGER: Flag<i64> = Flag::new("integer", 0);
    const FLOAT: Flag<f64> = Flag::new("float", 0.0);
    const JSON: Flag<&serde_json::Value> = Flag::new("json", &serde_json::Value::Null);
    const MISSING: Flag<bool> = Flag::new("missing", true);
    const MISTYPED: Flag<i64> = Flag::new("plain", 7);
    const OVERRIDDEN: Flag<&str> = Flag::new("overridden", "");

    #[derive(serde::Deserialize)]
    struct Table(std::collections::BTreeMap<String, serde_json::Value>);
    const DECODED: Flag<Decoded<Table>> = Flag::new("json", Decoded(&NO_TABLE));
    const UNDECODABLE: Flag<Decoded<u64>> = Flag::new("json", Decoded(&9));
    static NO_TABLE: Table = Table(std::collections::BTreeMap::new());

    let vectors: Vectors =
        serde_json::from_str(include_str!("../testdata/evaluation/order.json")).unwrap();
    let decoders = Decoders::new().with(&DECODED).with(&UNDECODABLE);
    let (ruleset, _) = Ruleset::compile_with(&vectors.document, &decoders);
    let ruleset = ruleset.overriding([&Override::new("overridden", Value::String("by hand"))]);
    let now = Timestamp::from_millis(0);
    let count = allocations(|| {
        let account = [("plan", "team".into()), ("employees", 120.into())];
        let context = [Entity::user("u-17"), Entity::tenant("hooli").with(&account)];
        assert!(ruleset.get(&BOOLEAN, &context, now).value);
        assert_eq!(ruleset.get(&STRING, &context, now).value, "#00f");
        assert_eq!(ruleset.get(&INTEGER, &context, now).value, 10);
        assert_eq!(ruleset.get(&FLOAT, &context, now).value, 1.0);
        assert!(ruleset.get(&JSON, &context, now).value.is_object());
        assert!(!ruleset.get(&DECODED, &context, now).value.0.is_empty());
        assert_eq!(ruleset.get(&UNDECODABLE, &context, now).value, &9);
        assert!(ruleset.get(&MISSING, &context, now).value);
        assert_eq!(ruleset.get(&MISTYPED, &context, now).value, 7);
        assert_eq!(ruleset.get(&OVERRIDDEN, &context, now).value, "by hand");
    });
    assert_eq!(count, 0);
}

#[test]
fn no_struct_with_a_derived_context_allocates() {
    #[derive(Context)]
    #[context(kind = "tenant")]
    struct Tenant {
        #[context(key)]
        id: String,
        #[context(rename = "plan")]
        plan_name: Option<String>,
        employees: u64,
        regions: Vec<String>,
        #[context(with = str::length)]
        name: &'static str,
    }

    trait Length {
        fn length(&self) -> u32;
    }
    impl Length for str {
        fn length(&self) -> u32 {
            self.len() as u32
        }
    }

    #[derive(Context)]
    struct Request<'a> {
        #[context(nested)]
        tenant: Option<&'a Tenant>,
        #[context(nested)]
        job: Entity<'a>,
        #[context(key, kind = "user")]
        user: &'a str,
        #[context(kind = "user")]
        roles: &'a [&'a str],
    }

    const ALL: Flag<bool> = Flag::new("all", false);
    let test = |path: &str, op: &str, values: serde_json::Value| {
        let mut test = serde_json::json!({"attribute": path, "op": op});
        test["values"] = values;
        test
    };
    let document = serde_json::json!({"epoch": "e", "revision": 1, "objects": [
        {"kind": "segment", "key": "ours", "version": 1, "definition": {
            "kind": "tenant", "when": test("tenant.key", "starts_with", ["ac"].into()),
        }},
        {"kind": "flag", "key": "all", "version": 1, "definition": {
            "type": "boolean",
            "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "state": {
                "on": true, "off_variant": "off", "fallthrough": {"variant": "off"},
                "targets": [{"kind": "user", "keys": ["u-1"], "variant": "off"}],
                "rules": [{
                    "id": "all",
                    "when": {"all": [
                        {"segment": "ours"},
                        test("tenant.plan", "in", ["team", "free"].into()),
                        test("tenant.employees", "gt", [100].into()),
                        test("tenant.regions", "equals", ["eu"].into()),
                        test("tenant.name", "equals", [4].into()),
                        test("user.roles", "contains", ["own"].into()),
                        test("job.attempt", "lt", [5].into()),
                    ]},
                    "serve": {"split": {"by": "tenant.plan", "weights": [
                        {"variant": "on", "weight": 100_000},
                    ]}},
                }],
            },
        }},
    ]});
    let document: Document = serde_json::from_value(document).unwrap();
    let (ruleset, report) = Ruleset::compile(&document);
    assert!(report.is_clean(), "{report:?}");
    let tenant = Tenant {
        id: "acme".into(),
        plan_name: Some("team".into()),
        employees: 120,
        regions: vec!["us".into(), "eu".into()],
        name: "Acme",
    };
    let job = [("attempt", 1.into())];
    let count = allocations(|| {
        let request = Request {
            tenant: Some(&tenant),
            job: Entity::new("job", "j-1").with(&job),
            user: "u-17",
            roles: &["owner"],
        };
        assert!(ruleset.get(&ALL, &request, Timestamp::from_millis(0)).value);
        let nobody = Request { tenant: None, ..request };
        assert!(!ruleset.get(&ALL, &nobody, Timestamp::from_millis(0)).value);
    });
    assert_eq!(count, 0);
}

//! What reading costs: no allocation, through any handle; and overrides that never meet.

#![cfg(test)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use flags_client::testing::TestFlags;
use flags_client::{
    Client, Decoded, Decoders, Document, Entity, Feature, Flag, Limit, Reason, WhenStale,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is being taken down has no counter any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

#[expect(unsafe_code, reason = "a global allocator is unsafe to write; this one only counts")]
// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocates in `work`.
fn allocations(mut work: impl FnMut()) -> u64 {
    // The first read of a thread registers it.
    work();
    let before = ALLOCATIONS.get();
    for _ in 0..1000 {
        work();
    }
    ALLOCATIONS.get() - before
}

const PLAIN: Flag<bool> = Flag::new("plain", false);
const SPLIT: Flag<bool> = Flag::new("split", false);
const RULE: Flag<i64> = Flag::new("rule", 0);
const RAMP: Flag<bool> = Flag::new("ramp", false);
const TEXT: Flag<&str> = Flag::new("text", "");
const MISSING: Flag<f64> = Flag::new("missing", 0.5);
const MISTYPED: Flag<i64> = Flag::new("text", 3);
const LIMITS: Flag<Decoded<Limits>> = Flag::new("limits", Decoded(&Limits { requests: 1 }));
const UNREGISTERED: Flag<Decoded<String>> = Flag::new("limits", Decoded(&NOTHING));
static NOTHING: String = String::new();

#[derive(serde::Deserialize, serde::Serialize)]
struct Limits {
    requests: u32,
}

fn document() -> Document {
    let boolean = r#"[{"name": "on", "value": true}, {"name": "off", "value": false}]"#;
    let flag = |key: &str, kind: &str, variants: &str, state: &str| {
        format!(
            r#"{{"kind": "flag", "key": "{key}", "version": 1, "definition":
                {{"type": "{kind}", "variants": {variants}, "state": {{"on": true, {state}}}}}}}"#
        )
    };
    let objects = [
        flag(
            "plain",
            "boolean",
            boolean,
            r#""off_variant": "off", "fallthrough": {"variant": "on"}"#,
        ),
        flag(
            "split",
            "boolean",
            boolean,
            r#""off_variant": "off", "fallthrough": {"split": {"by": "tenant", "weights":
                [{"variant": "on", "weight": 50000}, {"variant": "off", "weight": 50000}]}}"#,
        ),
        flag(
            "ramp",
            "boolean",
            boolean,
            r#""off_variant": "off", "fallthrough": {"ramp": {"by": "tenant", "variant": "on",
                "rest": "off", "from": 0, "to": 100000, "start": "2020-01-01T00:00:00Z",
                "end": "2020-01-02T00:00:00Z"}}"#,
        ),
        flag(
            "rule",
            "integer",
            r#"[{"name": "small", "value": 1}, {"name": "large", "value": 2}]"#,
            r#""off_variant": "small", "fallthrough": {"variant": "small"},
                "prerequisites": [{"flag": "plain", "variants": ["on"]}],
                "rules": [{"id": "eu", "serve": {"variant": "large"}, "when": {"all": [
                    {"attribute": "tenant.country", "op": "in", "values": ["DE", "FR"]},
                    {"attribute": "tenant.seats", "op": "gte", "values": [10]}]}}]"#,
        ),
        flag(
            "text",
            "string",
            r#"[{"name": "a", "value": "alpha"}]"#,
            r#""off_variant": "a", "fallthrough": {"variant": "a"}"#,
        ),
        flag(
            "limits",
            "json",
            r#"[{"name": "a", "value": {"requests": 500}}]"#,
            r#""off_variant": "a", "fallthrough": {"variant": "a"}"#,
        ),
    ];
    let text = format!(r#"{{"epoch": "t", "revision": 1, "objects": [{}]}}"#, objects.join(","));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn reading_does_not_allocate() {
    let client = Client::fixed_with(&document(), Decoders::new().with(&LIMITS));
    assert_eq!(client.status().invalid.len(), 0, "{:?}", client.status().invalid);
    let limits = LIMITS.to(Limits { requests: 500 });
    let trial = client.overriding([PLAIN.to(true), TEXT.to("beta"), limits]);
    let account = [("country", "DE".into()), ("seats", 12.into())];
    let context = [Entity::user("u-17"), Entity::tenant("acme").with(&account)];
    assert_eq!(client.get(&RULE, &context), 2);
    assert!(client.is_on(&RAMP, &context), "the ramp ended long ago by the system's clock");

    for client in [&client, &trial, &client.overriding([])] {
        let count = allocations(|| {
            black_box(client.is_on(&PLAIN, &context));
            black_box(client.is_on(&SPLIT, &context));
            black_box(client.is_on(&RAMP, &context));
            black_box(client.get(&RULE, &context));
            black_box(client.get(&MISSING, &context));
            black_box(client.get(&MISTYPED, &context));
            let flags = client.pinned();
            assert_eq!(flags.get(&LIMITS, &context).value.requests, 500);
            black_box(flags.get(&UNREGISTERED, &context).value.len());
            black_box(flags.evaluate("missing too", &context).reason);
            black_box(flags.get(&TEXT, &context).value.len());
            black_box(flags.evaluate("rule", &context).variant);
            let flags = client.snapshot();
            black_box(flags.get(&TEXT, &context).reason);
        });
        assert_eq!(count, 0);
    }
}

#[test]
fn asking_for_entitlements_does_not_allocate() {
    const SSO: Feature = Feature::new("sso");
    const UNKNOWN: Feature = Feature::new("unknown");
    const MISTYPED: Feature = Feature::new("seats");
    const SEATS: Feature<Limit> = Feature::new("seats");
    const HOUR: Duration = Duration::from_secs(3600);
    const AGING: Feature<Limit> = Feature::new("seats").when_stale(HOUR, WhenStale::ReadOnly);
    let test = TestFlags::new()
        .last_heard("2000-01-01T00:00:00Z")
        .tenant("acme")
        .feature(&SSO)
        .limit(&SEATS, 5)
        .tenant("globex")
        .limit(&SEATS, 5)
        .at_least_until(&SEATS, 50, "2100-01-01T00:00:00Z")
        .ends_at("2101-01-01T00:00:00Z");
    // By the system's clock, and by one of a test.
    for client in [Client::from(test.client().snapshot().ruleset().clone()), test.client()] {
        assert!(client.entitlement(&SSO, "acme").is_allowed());
        assert!(client.limit(&SEATS, "globex").check(49).is_allowed());
        let count = allocations(|| {
            for tenant in ["acme", "globex", "initech"] {
                for feature in [&SSO, &UNKNOWN, &MISTYPED] {
                    black_box(client.entitlement(feature, tenant).verdict());
                }
                for feature in [&SEATS, &AGING] {
                    let limit = client.limit(feature, tenant);
                    black_box(limit.check(5).require_full().is_ok());
                    let _ = black_box(limit.check_more(4, 2));
                    let _ = black_box(limit.standing(60));
                    let flags = client.pinned();
                    black_box(flags.entitlement(feature, tenant).source);
                    let _ = black_box(flags.limit(feature, tenant).check(1));
                    black_box(client.snapshot().entitlement(feature, tenant).value);
                }
            }
        });
        assert_eq!(count, 0);
    }
}

#[test]
fn many_pinned_snapshots_do_not_allocate_either() {
    let client = Client::fixed(&document());
    let count = allocations(|| {
        let many: [_; 20] = std::array::from_fn(|_| client.pinned());
        for flags in &many {
            black_box(flags.is_on(&PLAIN, &Entity::user("u-17")));
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn overrides_of_threads_do_not_meet() {
    let client = Client::fixed(&document());
    let user = Entity::user("u-17");
    thread::scope(|scope| {
        for own in 0..8 {
            let (client, user) = (&client, &user);
            scope.spawn(move || {
                for round in 0..200 {
                    let mine = client.overriding([RULE.to(own), PLAIN.to(round % 2 == 0)]);
                    let nested = mine.overriding([RULE.to(own + 100)]);
                    assert_eq!(mine.get(&RULE, user), own);
                    assert_eq!(nested.get(&RULE, user), own + 100);
                    assert_eq!(nested.is_on(&PLAIN, user), round % 2 == 0);
                    assert_eq!(client.get(&RULE, user), 1);
                }
            });
        }
    });
}

#[test]
fn an_override_is_seen_by_the_flags_that_depend_on_it() {
    let client = Client::fixed(&document()).overriding([PLAIN.to(false)]);
    let flags = client.snapshot();
    let answer = flags.get(&RULE, &Entity::user("u-17"));
    assert_eq!(answer.reason, Reason::PrerequisiteFailed { flag: "plain" });
    let own = flags.get(&PLAIN, &Entity::user("u-17"));
    assert_eq!((own.reason, own.variant), (Reason::Override, Some("off")));
}

#[test]
fn handles_may_be_sent_and_shared() {
    fn sendable<T: Send + Sync + 'static>() {}
    sendable::<Client>();
    sendable::<flags_client::Snapshot>();
    sendable::<flags_client::Status>();
    sendable::<flags_client::Builder>();
}

#[test]
fn waiting_outside_a_runtime_is_not_a_fault() {
    let client = Client::empty();
    let mut waiting = Box::pin(client.wait_for(1, std::time::Duration::MAX));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(late)) = waiting.as_mut().poll(&mut context) else {
        panic!("a fixed client never gets there");
    };
    assert_eq!(late.to_string(), "not reached in time; the client is fixed, at fixed.0");
}

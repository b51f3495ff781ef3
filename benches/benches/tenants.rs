//! A million stored tenants: what they hold in memory, what one changed costs, and what one asked
//! for costs.

mod memory;

use std::hint::black_box;
use std::time::{Duration, Instant};

use flags_core::{
    Change, Document, Entity, Epoch, Object, ObjectChange, Ruleset, TENANT_KIND, Timestamp,
};
use memory::held;
use serde_json::json;

/// As many as an environment may have.
const TENANTS: usize = 1_000_000;
/// Tenants that one request stores.
const PER_CHANGE: usize = 1_000;
const ROUNDS: usize = 101;

fn main() {
    println!("{TENANTS} tenants of six attributes; medians of {ROUNDS} rounds\n");
    println!("| made | held, MB | bytes a tenant | took, ms |\n|---|---|---|---|");
    let fresh = {
        let objects = [flag()].into_iter().chain((0..TENANTS).map(|number| tenant(number, 1)));
        let objects = objects.collect();
        let document = Document { epoch: Epoch::new("bench"), revision: 1, objects };
        made("of a snapshot", || Ruleset::compile(&document).0)
    };
    drop(made("of changes of 1,000", || {
        let (mut ruleset, _) = Ruleset::compile(&Document::empty(Epoch::new("bench")));
        for first in (0..TENANTS).step_by(PER_CHANGE) {
            let tenants = (first..first + PER_CHANGE).map(|number| tenant(number, 1));
            ruleset = after(&ruleset, tenants.map(ObjectChange::Upsert).collect());
        }
        ruleset
    }));

    println!("\n| one change | µs |\n|---|---|");
    let many = |round: usize| -> Vec<ObjectChange> {
        let tenants = (0..PER_CHANGE).map(|more| (round * PER_CHANGE + more) * 7_919 % TENANTS);
        tenants.map(|number| ObjectChange::Upsert(tenant(number, round))).collect()
    };
    let one = |round: usize| tenant(round * 7_919, round);
    median("a tenant changed", |round| vec![ObjectChange::Upsert(one(round))], &fresh);
    median("a tenant more", |round| vec![ObjectChange::Upsert(tenant(TENANTS + round, 1))], &fresh);
    let gone = |round| ObjectChange::Delete { kind: TENANT_KIND.into(), key: key(round * 7_919) };
    median("a tenant less", |round| vec![gone(round)], &fresh);
    median("1,000 tenants changed", many, &fresh);
    median("a flag changed", |_| vec![ObjectChange::Upsert(flag())], &fresh);

    println!("\n| one answer | ns |\n|---|---|");
    let keys: Vec<String> = (0..TENANTS).step_by(97).map(key).collect();
    let about = [("country", "DE".into())];
    answers(
        "the attribute stored, another tenant each time",
        || keys.iter().map(|key| asked(&fresh, &Entity::tenant(key))).sum(),
        keys.len(),
    );
    answers(
        "the attribute stored, the same tenant",
        || keys.iter().map(|_| asked(&fresh, &Entity::tenant("tenant-000000000"))).sum(),
        keys.len(),
    );
    answers(
        "the attribute in the context",
        || keys.iter().map(|key| asked(&fresh, &Entity::tenant(key).with(&about))).sum(),
        keys.len(),
    );
}

fn asked(ruleset: &Ruleset, context: &Entity<'_>) -> usize {
    ruleset.evaluate("german", context, Timestamp::from_millis(0)).is_true().into()
}

fn key(number: usize) -> String {
    format!("tenant-{number:09}")
}

fn tenant(number: usize, edition: usize) -> Object {
    let plan = ["free", "team", "business", "enterprise"].get(number % 4);
    let country = ["DE", "FR", "US", "GB", "JP"].get(number / 4 % 5);
    let attributes = json!({"country": country, "plan": plan, "employees": number % 10_000 + edition,
        "trial": number.is_multiple_of(9), "regions": ["eu", "us"],
        "name": format!("Company number {number} Ltd.")});
    let definition = json!({"attributes": attributes});
    object(TENANT_KIND, &key(number), &definition)
}

fn flag() -> Object {
    let when = json!({"attribute": "tenant.country", "op": "equals", "values": ["DE"]});
    object(
        "flag",
        "german",
        &json!({
            "type": "boolean",
            "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "state": {"on": true, "off_variant": "off", "fallthrough": {"variant": "off"},
                      "rules": [{"id": "de", "when": when, "serve": {"variant": "on"}}]},
        }),
    )
}

#[expect(clippy::expect_used, reason = "a bench that cannot set itself up measures nothing")]
fn object(kind: &str, key: &str, definition: &serde_json::Value) -> Object {
    Object::new(kind, key, 1, definition).expect("JSON")
}

fn made(how: &str, make: impl FnOnce() -> Ruleset) -> Ruleset {
    let before = held();
    let start = Instant::now();
    let ruleset = make();
    let took = start.elapsed().as_secs_f64() * 1_000.0;
    let held = (held() - before) as f64;
    assert_eq!(ruleset.tenants().len(), TENANTS);
    println!("| {how} | {:.1} | {:.1} | {took:.0} |", held / 1e6, held / TENANTS as f64);
    ruleset
}

#[expect(clippy::expect_used, reason = "as above")]
fn after(ruleset: &Ruleset, objects: Vec<ObjectChange>) -> Ruleset {
    let previous = ruleset.revision();
    let change = Change { epoch: Epoch::new("bench"), revision: previous + 1, previous, objects };
    ruleset.apply(black_box(&change)).expect("it follows").0
}

fn median(what: &str, change: impl Fn(usize) -> Vec<ObjectChange>, ruleset: &Ruleset) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|round| {
            let objects = change(round);
            let start = Instant::now();
            let next = after(black_box(ruleset), objects);
            let took = start.elapsed();
            drop(next);
            took
        })
        .collect();
    times.sort_unstable();
    let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
    println!("| {what} | {:.1} |", median.as_secs_f64() * 1e6);
}

fn answers(what: &str, ask: impl Fn() -> usize, count: usize) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            assert!(black_box(ask()) > 0);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
    println!("| {what} | {:.1} |", median.as_secs_f64() * 1e9 / count as f64);
}

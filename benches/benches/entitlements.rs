//! A million tenants with contracts: what they hold in memory, how long they take to load, what one
//! changed tenant and one changed plan cost; and what a check costs beside a bare probe of a hash
//! table for the same keys.

mod checks;
mod contracts;
mod memory;

use std::hint::black_box;
use std::time::{Duration, Instant};

use contracts::{FEATURES, catalogue, object, plan, tenant};
use flags_core::{Change, Document, Epoch, ObjectChange, PLAN_KIND, Ruleset};
use memory::{held, most_during};
use serde_json::json;

/// As many as an environment may have.
const TENANTS: usize = 1_000_000;
/// One in so many tenants has two overrides.
const OVERRIDDEN: usize = 20;
const ROUNDS: usize = 51;

fn main() {
    let ruleset = load();
    changes(&ruleset);
    drop(ruleset);
    checks::run(OVERRIDDEN);
}

// ---- Loading and changing -----------------------------------------------------------------------

fn load() -> Ruleset {
    println!(
        "{TENANTS} tenants of two attributes, {FEATURES} features, four plans; one in {OVERRIDDEN}"
    );
    println!("has two overrides, one in five an add-on; medians of {ROUNDS} rounds\n");
    let objects = (0..TENANTS).map(|number| tenant(number, OVERRIDDEN, 0)).chain(catalogue());
    let document = Document { epoch: Epoch::new("bench"), revision: 1, objects: objects.collect() };
    let before = held();
    let start = Instant::now();
    let ((ruleset, report), most) = most_during(|| Ruleset::compile(&document));
    let took = start.elapsed().as_secs_f64();
    assert!(report.is_clean());
    let (held, most) = ((held() - before) as f64, (most - before) as f64);
    println!("| {TENANTS} tenants | measured | at most |\n|---|---|---|");
    println!("| held, MB | {:.1} | 200 |", held / 1e6);
    println!("| bytes a tenant | {:.1} | |", held / TENANTS as f64);
    println!("| the most while loading | {:.2} × | 1.5 × |", most / held);
    println!("| loaded, s | {took:.2} | 5 |");
    ruleset
}

fn changes(ruleset: &Ruleset) {
    println!("\n| one change | ms | at most |\n|---|---|---|");
    let upsert = |object| vec![ObjectChange::Upsert(object)];
    // Numbers of tenants without overrides, and with some.
    let number = |round: usize| round * 7_919 * 2 * OVERRIDDEN % TENANTS;
    let plain = |round: usize| tenant(number(round), OVERRIDDEN, round);
    let overridden =
        |round: usize| tenant(number(round + 1) + 2 * OVERRIDDEN - 2, OVERRIDDEN, round);
    let (some, few) = (ROUNDS, ROUNDS / 5);
    median("a tenant", "1", some, |round| upsert(plain(round)), ruleset);
    median("a tenant with overrides", "1", some, |round| upsert(overridden(round)), ruleset);
    let half = "a plan of 500,000, 25,000 of them with overrides";
    median(half, "250", few, |round| upsert(plan(1, round)), ruleset);
    let sixth = "a plan of 166,667, 8,334 of them with overrides";
    median(sixth, "", few, |round| upsert(plan(3, round)), ruleset);
    let new = |round| object(PLAN_KIND, "new", &json!({"versions": [{"version": 1 + round}]}));
    median("a plan of nobody", "", few, |round| upsert(new(round)), ruleset);
}

#[expect(clippy::expect_used, reason = "as above")]
fn after(ruleset: &Ruleset, objects: Vec<ObjectChange>) -> Ruleset {
    let previous = ruleset.revision();
    let change = Change { epoch: Epoch::new("bench"), revision: previous + 1, previous, objects };
    ruleset.apply(black_box(&change)).expect("it follows").0
}

fn median(
    what: &str,
    bound: &str,
    rounds: usize,
    change: impl Fn(usize) -> Vec<ObjectChange>,
    ruleset: &Ruleset,
) {
    let mut times: Vec<Duration> = (0..rounds)
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
    let median = times.get(rounds / 2).copied().unwrap_or_default();
    println!("| {what} | {:.3} | {bound} |", median.as_secs_f64() * 1e3);
}

//! The slowest reads while rulesets are swapped, against the slowest reads beside a thread that does
//! the same work without swapping: what the difference shows is the swap and nothing of the machine.
//!
//! Two rulesets: one has a segment of a million keys, and a thousand times a second one of them is added or
//! removed; the other a million tenants with contracts, and ten times a second a plan is changed which half of
//! them have.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a bench that cannot set itself up has nothing to measure")]

mod contracts;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use contracts::{object, plan};
use flags_core::{Access, Change, Document, Entity, Epoch, FeatureKey, Flag, Ruleset, Timestamp};
use serde_json::{Value, json};

const MANY: usize = 1_000_000;
const PHASES: usize = 10;
/// 2026-11-20T12:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);
const BETA: Flag<bool> = Flag::new("beta", false);
const SEATS: FeatureKey<'static> = FeatureKey::new("feature-11");
/// One tenant in so many has overrides.
const OVERRIDDEN: usize = 20;

/// What is changed, how often, and what is read meanwhile.
struct Scene {
    name: &'static str,
    ruleset: fn() -> Ruleset,
    /// The objects of the change of a round.
    change: fn(u64, usize) -> Value,
    read: fn(&Ruleset) -> bool,
    changes_per_phase: usize,
    period: Duration,
}

const SCENES: [Scene; 2] = [
    Scene {
        name: "a member of a segment of 1,000,000",
        ruleset: with_a_segment,
        change: member,
        read: |ruleset| ruleset.get(&BETA, black_box(&Entity::tenant("tenant-777777")), NOW).value,
        changes_per_phase: 1_000,
        period: Duration::from_millis(1),
    },
    Scene {
        name: "a plan of 500,000 tenants",
        ruleset: with_contracts,
        change: plan_of_half,
        read: |ruleset| {
            let held = ruleset.entitlement(black_box("tenant-000000042"), SEATS);
            held.check(|| NOW).access == Access::Full
        },
        changes_per_phase: 10,
        period: Duration::from_millis(100),
    },
];

/// What the writing thread does with a ruleset that it has made.
#[derive(Clone, Copy, PartialEq)]
enum Writer {
    Swaps,
    /// Makes it and lets go of it, at the same pace.
    Discards,
}

#[derive(Default)]
struct Reads {
    nanoseconds: Vec<u32>,
}

fn main() {
    println!("{PHASES} phases each, in turns\n");
    println!(
        "| what changes | beside a thread that | reads | median ns | P99.99 ns | over 50 µs | per million |"
    );
    println!("|---|---|---|---|---|---|---|");
    SCENES.iter().for_each(measure);
}

fn measure(scene: &Scene) {
    let current = ArcSwap::from_pointee((scene.ruleset)());
    let mut reads = [Reads::default(), Reads::default()];
    // In turns, so that whatever else the machine does falls on both.
    for _ in 0..PHASES {
        for (writer, reads) in [Writer::Swaps, Writer::Discards].into_iter().zip(&mut reads) {
            phase(scene, &current, writer, reads);
        }
    }
    for (name, reads) in ["swaps", "does not swap"].iter().zip(&mut reads) {
        let times = &mut reads.nanoseconds;
        times.sort_unstable();
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied();
        let slow = times.len() - times.partition_point(|time| *time <= 50_000);
        println!(
            "| {} | {name} | {} | {} | {} | {slow} | {:.2} |",
            scene.name,
            times.len(),
            at(0.5).unwrap_or_default(),
            at(0.9999).unwrap_or_default(),
            slow as f64 * 1e6 / times.len() as f64,
        );
    }
}

fn phase(scene: &Scene, current: &ArcSwap<Ruleset>, writer: Writer, reads: &mut Reads) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            write(scene, current, writer);
            stop.store(true, Ordering::Relaxed);
        });
        while !stop.load(Ordering::Relaxed) {
            let start = Instant::now();
            assert!(black_box((scene.read)(&current.load())));
            let time = start.elapsed().as_nanos();
            reads.nanoseconds.push(u32::try_from(time).unwrap_or(u32::MAX));
        }
    });
}

fn write(scene: &Scene, current: &ArcSwap<Ruleset>, writer: Writer) {
    // Kept until nobody reads it, so that no reader frees it: the client does the same.
    let mut retired: Vec<Arc<Ruleset>> = Vec::new();
    let mut next_at = Instant::now();
    for round in 0..scene.changes_per_phase {
        let before = current.load_full();
        let (next, report) = before.apply(&change(scene, &before, round)).expect("it follows");
        assert!(report.is_clean(), "{report:?}");
        match writer {
            Writer::Swaps => retired.push(current.swap(Arc::new(next))),
            Writer::Discards => retired.push(Arc::new(next)),
        }
        drop(before);
        retired.retain(|ruleset| Arc::strong_count(ruleset) > 1);
        next_at += scene.period;
        thread::sleep(next_at.saturating_duration_since(Instant::now()));
    }
}

fn change(scene: &Scene, before: &Ruleset, round: usize) -> Change {
    let revision = before.revision() + 1;
    serde_json::from_value(json!({
        "epoch": "bench", "previous": revision - 1, "revision": revision,
        "objects": [(scene.change)(revision, round)],
    }))
    .expect("a change is written as one")
}

/// Adds a member in even rounds, and takes it away again in odd ones.
fn member(revision: u64, round: usize) -> Value {
    let what = if round.is_multiple_of(2) { "add" } else { "remove" };
    json!({"members": {"kind": "segment", "key": "beta-tenants", "version": revision,
                       "included": {what: ["one-more"]}}})
}

fn plan_of_half(_: u64, round: usize) -> Value {
    json!({"upsert": plan(1, 1 + round)})
}

fn with_a_segment() -> Ruleset {
    let keys: Vec<String> = (0..MANY).map(|index| format!("tenant-{index}")).collect();
    let segment = json!({"kind": "tenant", "included": keys, "excluded": []});
    let flag = json!({
        "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": {"on": true, "off_variant": "off", "fallthrough": {"variant": "off"}, "rules": [
            {"id": "beta", "when": {"segment": "beta-tenants"}, "serve": {"variant": "on"}}]},
    });
    let objects = [object("segment", "beta-tenants", &segment), object("flag", "beta", &flag)];
    let document = Document { epoch: Epoch::new("bench"), revision: 1, objects: objects.into() };
    let (ruleset, report) = Ruleset::compile(&document);
    assert!(report.is_clean(), "{report:?}");
    ruleset
}

fn with_contracts() -> Ruleset {
    contracts::compiled(MANY, OVERRIDDEN)
}

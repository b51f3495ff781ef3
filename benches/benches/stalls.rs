//! The slowest reads while rulesets are swapped a thousand times a second, against the slowest
//! reads beside a thread that does the same work without swapping: what the difference shows is
//! the swap and nothing of the machine.
//!
//! The swapped ruleset has a segment of a million keys; each swap adds or removes one of them.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a bench that cannot set itself up has nothing to measure")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use flags_core::{Change, Document, Entity, Epoch, Flag, Object, Ruleset, Timestamp};
use serde_json::json;

const MEMBERS: usize = 1_000_000;
const SWAPS_PER_PHASE: u32 = 1_000;
const PERIOD: Duration = Duration::from_millis(1);
const PHASES: usize = 10;
const NOW: Timestamp = Timestamp::from_millis(0);
const BETA: Flag<bool> = Flag::new("beta", false);

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
    let first = ruleset();
    let current = ArcSwap::from_pointee(first);
    let mut reads = [Reads::default(), Reads::default()];
    // In turns, so that whatever else the machine does falls on both.
    for _ in 0..PHASES {
        for (writer, reads) in [Writer::Swaps, Writer::Discards].into_iter().zip(&mut reads) {
            phase(&current, writer, reads);
        }
    }
    println!("{PHASES} phases each of {SWAPS_PER_PHASE} changes, one a millisecond\n");
    println!("| beside a thread that | reads | median ns | P99.99 ns | over 50 µs | per million |");
    println!("|---|---|---|---|---|---|");
    for (name, reads) in ["swaps", "does not swap"].iter().zip(&mut reads) {
        let times = &mut reads.nanoseconds;
        times.sort_unstable();
        let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied();
        let slow = times.len() - times.partition_point(|time| *time <= 50_000);
        println!(
            "| {name} | {} | {} | {} | {slow} | {:.2} |",
            times.len(),
            at(0.5).unwrap_or_default(),
            at(0.9999).unwrap_or_default(),
            slow as f64 * 1e6 / times.len() as f64,
        );
    }
}

fn phase(current: &ArcSwap<Ruleset>, writer: Writer, reads: &mut Reads) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            write(current, writer);
            stop.store(true, Ordering::Relaxed);
        });
        let tenant = Entity::tenant("tenant-777777");
        while !stop.load(Ordering::Relaxed) {
            let start = Instant::now();
            assert!(black_box(current.load().get(&BETA, black_box(&tenant), NOW).value));
            let time = start.elapsed().as_nanos();
            reads.nanoseconds.push(u32::try_from(time).unwrap_or(u32::MAX));
        }
    });
}

fn write(current: &ArcSwap<Ruleset>, writer: Writer) {
    // Kept until nobody reads it, so that no reader frees it: the client does the same.
    let mut retired: Vec<Arc<Ruleset>> = Vec::new();
    let mut next_at = Instant::now();
    for round in 0..SWAPS_PER_PHASE {
        let before = current.load_full();
        let (next, report) = before.apply(&change(&before, round)).expect("the change follows");
        assert!(report.is_clean(), "{report:?}");
        match writer {
            Writer::Swaps => retired.push(current.swap(Arc::new(next))),
            Writer::Discards => retired.push(Arc::new(next)),
        }
        drop(before);
        retired.retain(|ruleset| Arc::strong_count(ruleset) > 1);
        next_at += PERIOD;
        thread::sleep(next_at.saturating_duration_since(Instant::now()));
    }
}

/// Adds a member in even rounds, and takes it away again in odd ones.
fn change(before: &Ruleset, round: u32) -> Change {
    let revision = before.revision() + 1;
    let what = if round.is_multiple_of(2) { "add" } else { "remove" };
    serde_json::from_value(json!({
        "epoch": "bench", "previous": revision - 1, "revision": revision,
        "objects": [{"members": {"kind": "segment", "key": "beta-tenants", "version": revision,
                                 "included": {what: ["one-more"]}}}],
    }))
    .expect("a change is written as one")
}

fn ruleset() -> Ruleset {
    let keys: Vec<String> = (0..MEMBERS).map(|index| format!("tenant-{index}")).collect();
    let segment = json!({"kind": "tenant", "included": keys, "excluded": []});
    let flag = json!({
        "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": {"on": true, "off_variant": "off", "fallthrough": {"variant": "off"}, "rules": [
            {"id": "beta", "when": {"segment": "beta-tenants"}, "serve": {"variant": "on"}}]},
    });
    let objects = [("segment", "beta-tenants", segment), ("flag", "beta", flag)]
        .map(|(kind, key, definition)| Object::new(kind, key, 1, &definition).expect("JSON"));
    let document = Document { epoch: Epoch::new("bench"), revision: 1, objects: objects.into() };
    let (ruleset, report) = Ruleset::compile(&document);
    assert!(report.is_clean(), "{report:?}");
    ruleset
}

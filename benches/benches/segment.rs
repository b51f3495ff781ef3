//! A segment of a million keys: what it holds in memory beyond the keys' bytes, and what one member
//! more or less costs.

mod memory;

use std::hint::black_box;
use std::time::{Duration, Instant};

use flags_core::{
    Change, Document, Epoch, KeysChange, MembersChange, Object, ObjectChange, Ruleset,
    SEGMENT_KIND, SegmentDefinition,
};
use memory::held;

/// As many as an environment may have.
const KEYS: usize = 1_000_000;
const ROUNDS: usize = 101;

fn main() {
    println!("one segment of {KEYS} keys; medians of {ROUNDS} rounds\n");
    println!("| keys | bytes a key | held beyond, bytes a key | parse and compile, ms |");
    println!("|---|---|---|---|");
    for (name, key) in KINDS {
        let document = document(key);
        let text: usize = (0..KEYS).map(|number| key(number).len()).sum();
        let before = held();
        let start = Instant::now();
        let (ruleset, report) = Ruleset::compile(&document);
        let took = start.elapsed();
        let held = held() - before;
        assert!(report.is_clean(), "{report:?}");
        let beyond = (held as f64 - text as f64) / KEYS as f64;
        let (mean, took) = (text as f64 / KEYS as f64, took.as_secs_f64() * 1_000.0);
        println!("| {name} | {mean:.1} | {beyond:.1} | {took:.0} |");
        drop(ruleset);
    }

    let key = uuid;
    let (ruleset, _) = Ruleset::compile(&document(key));
    println!("\n| one change | µs |\n|---|---|");
    for (name, change) in [
        ("a member added", (|number| keys(&[uuid(KEYS + number)], &[])) as fn(usize) -> KeysChange),
        ("a member removed", |number| keys(&[], &[uuid(number * 7_919)])),
        ("one added that is there", |number| keys(&[uuid(number * 7_919)], &[])),
        ("1,000 added", |number| {
            let added: Vec<_> = (0..1_000).map(|more| uuid(KEYS + number * 1_000 + more)).collect();
            keys(&added, &[])
        }),
    ] {
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|round| {
                let change = members(change(round));
                let start = Instant::now();
                let next = black_box(&ruleset).apply(black_box(&change));
                let took = start.elapsed();
                // Dropped outside of the measurement, as where the old one is still being read.
                assert!(next.is_ok_and(|(_, report)| report.is_clean()));
                took
            })
            .collect();
        times.sort_unstable();
        let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
        println!("| {name} | {:.1} |", median.as_secs_f64() * 1_000_000.0);
    }

    let mut document = document(key);
    let change = members(keys(&[uuid(KEYS)], &[]));
    let start = Instant::now();
    assert!(document.fold([&change]).is_ok());
    let took = start.elapsed().as_secs_f64() * 1_000.0;
    println!(
        "\nfolded into the definition's JSON, as a cache file does now and then: {took:.0} ms"
    );
}

type Key = fn(usize) -> String;

const KINDS: [(&str, Key); 3] =
    [("names with numbers", name), ("UUIDs without dashes", simple), ("UUIDs", uuid)];

fn name(number: usize) -> String {
    format!("tenant-{number:09}")
}

/// Without order, as keys have none.
fn random(number: usize) -> u128 {
    let half =
        |seed: u64| (number as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    (u128::from(half(0)) << 64) | u128::from(half(0x5555).wrapping_mul(0xD134_2543_DE82_EF95))
}

fn simple(number: usize) -> String {
    format!("{:032x}", random(number))
}

fn uuid(number: usize) -> String {
    let mut text = simple(number);
    for place in [20, 16, 12, 8] {
        text.insert(place, '-');
    }
    text
}

fn document(key: Key) -> Document {
    let definition = SegmentDefinition {
        kind: "tenant".into(),
        included: (0..KEYS).map(key).collect(),
        excluded: Vec::new(),
        when: None,
    };
    let segment = Object::new(SEGMENT_KIND, "large", 1, &definition);
    Document { epoch: Epoch::new("bench"), revision: 1, objects: segment.into_iter().collect() }
}

fn keys(add: &[String], remove: &[String]) -> KeysChange {
    KeysChange { add: add.to_vec(), remove: remove.to_vec() }
}

fn members(included: KeysChange) -> Change {
    let change = MembersChange {
        kind: SEGMENT_KIND.into(),
        key: "large".into(),
        version: 2,
        included,
        excluded: KeysChange::default(),
    };
    let objects = vec![ObjectChange::Members(change)];
    Change { epoch: Epoch::new("bench"), revision: 2, previous: 1, objects }
}

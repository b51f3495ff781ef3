//! What a check costs, of a ruleset and through a client, beside a bare probe of a hash table for the
//! same keys.

use std::hint::black_box;
use std::time::Instant;

use flags_client::{Client, Feature, Limit};
use flags_core::{Access, FeatureKey, Ruleset, Timestamp};
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::contracts::{compiled, key};
use crate::memory::allocations;

/// Those that are asked for at random, and those that are asked for again and again.
const ASKED: usize = 100_000;
const HOT: usize = 1_000;
/// How often everybody is asked for, and how many are timed together.
const TURNS: usize = 31;
const PART: usize = 1_000;
const SEATS: FeatureKey<'static> = FeatureKey::new("feature-7");
/// The same to a client.
const TYPED_SEATS: Feature<Limit> = Feature::new("feature-7");
/// 2026-11-20T12:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

/// The best that a table of bare answers could do: one hash, one probe, one comparison.
struct Floor {
    table: HashTable<(Box<str>, u64)>,
}

impl Floor {
    fn new() -> Self {
        let mut table = HashTable::with_capacity(ASKED);
        for number in 0..ASKED {
            let entry: (Box<str>, u64) = (key(number).into(), number as u64 % 7);
            let hash = xxh3_64(entry.0.as_bytes());
            table.insert_unique(hash, entry, |(key, _)| xxh3_64(key.as_bytes()));
        }
        Self { table }
    }

    fn probe(&self, key: &str) -> u64 {
        let found = self.table.find(xxh3_64(key.as_bytes()), |(known, _)| **known == *key);
        found.map_or(0, |(_, answer)| *answer)
    }
}

/// What is measured, what it may cost, and one round of it: how many were granted.
type Row<'a> = (&'a str, Option<Bound>, Box<dyn Fn(&[&str]) -> u64 + 'a>, &'a [&'a str]);

#[derive(Clone, Copy)]
enum Bound {
    /// So many times the first row.
    Probes(f64),
    Nanoseconds(f64),
}

pub(crate) fn run(overridden_one_in: usize) {
    let floor = Floor::new();
    let (plain, mixed, overridden) =
        (compiled(ASKED, usize::MAX), compiled(ASKED, overridden_one_in), compiled(ASKED, 1));
    let keys: Vec<String> = {
        let mut numbers: Vec<usize> = (0..ASKED).collect();
        fastrand::Rng::with_seed(7).shuffle(&mut numbers);
        numbers.into_iter().map(key).collect()
    };
    let asked: Vec<&str> = keys.iter().map(String::as_str).collect();
    let hot: Vec<&str> = asked.iter().copied().take(HOT).collect();
    let check = |ruleset: &Ruleset, keys: &[&str]| {
        let granted =
            |key: &&&str| ruleset.entitlement(key, SEATS).check(|| NOW).access == Access::Full;
        keys.iter().filter(granted).count() as u64
    };
    let limit = |ruleset: &Ruleset, keys: &[&str]| {
        let granted = |key: &&&str| {
            ruleset.entitlement(key, SEATS).check_limit(1, 1, || NOW).access == Access::Full
        };
        keys.iter().filter(granted).count() as u64
    };
    let named = |ruleset: &Ruleset, keys: &[&str]| {
        let granted = |key: &&&str| {
            ruleset.entitlement(key, black_box("feature-7")).check(|| NOW).access == Access::Full
        };
        keys.iter().filter(granted).count() as u64
    };
    // With the value, its source and its end, where the others ask for the access alone.
    let whole = |ruleset: &Ruleset, keys: &[&str]| {
        let granted = |key: &&&str| {
            black_box(ruleset.entitlement(key, SEATS).check(|| NOW)).access == Access::Full
        };
        keys.iter().filter(granted).count() as u64
    };
    // Through a client, which loads the ruleset for each question and reads the clock where it has to.
    let [plain_client, mixed_client, overridden_client] =
        [&plain, &mixed, &overridden].map(|ruleset| Client::from(ruleset.clone()));
    let asked_of = |client: &Client, keys: &[&str]| {
        let granted = |key: &&&str| client.entitlement(&TYPED_SEATS, key).access == Access::Full;
        keys.iter().filter(granted).count() as u64
    };
    let limit_of = |client: &Client, keys: &[&str]| {
        let granted = |key: &&&str| client.limit(&TYPED_SEATS, key).check(1).is_allowed();
        keys.iter().filter(granted).count() as u64
    };
    let rows: Vec<Row<'_>> = vec![
        (
            "a bare probe, any of 100,000",
            None,
            Box::new(|keys| keys.iter().map(|key| floor.probe(key)).sum()),
            &asked,
        ),
        (
            "check, any of 100,000 without overrides",
            Some(Bound::Probes(2.0)),
            Box::new(|keys| check(&plain, keys)),
            &asked,
        ),
        (
            "check, any of 100,000, 5 % with overrides",
            Some(Bound::Probes(3.0)),
            Box::new(|keys| check(&mixed, keys)),
            &asked,
        ),
        (
            "check, any of 100,000, each with overrides",
            Some(Bound::Probes(3.0)),
            Box::new(|keys| check(&overridden, keys)),
            &asked,
        ),
        ("the feature by name", None, Box::new(|keys| named(&plain, keys)), &asked),
        ("check_limit", None, Box::new(|keys| limit(&plain, keys)), &asked),
        (
            "check_limit, each with overrides",
            None,
            Box::new(|keys| limit(&overridden, keys)),
            &asked,
        ),
        ("everything that is decided", None, Box::new(|keys| whole(&plain, keys)), &asked),
        (
            "everything that is decided, each with overrides",
            None,
            Box::new(|keys| whole(&overridden, keys)),
            &asked,
        ),
        (
            "client, any of 100,000 without overrides",
            Some(Bound::Probes(2.0)),
            Box::new(|keys| asked_of(&plain_client, keys)),
            &asked,
        ),
        (
            "client, any of 100,000, 5 % with overrides",
            Some(Bound::Probes(3.0)),
            Box::new(|keys| asked_of(&mixed_client, keys)),
            &asked,
        ),
        (
            "client, any of 100,000, each with overrides",
            Some(Bound::Probes(3.0)),
            Box::new(|keys| asked_of(&overridden_client, keys)),
            &asked,
        ),
        (
            "client, a limit, any of 100,000 without overrides",
            Some(Bound::Probes(2.0)),
            Box::new(|keys| limit_of(&plain_client, keys)),
            &asked,
        ),
        (
            "a bare probe, any of 1,000",
            None,
            Box::new(|keys| keys.iter().map(|key| floor.probe(key)).sum()),
            &hot,
        ),
        (
            "check, any of 1,000",
            Some(Bound::Nanoseconds(60.0)),
            Box::new(|keys| check(&plain, keys)),
            &hot,
        ),
        (
            "check, any of 1,000 with overrides",
            Some(Bound::Nanoseconds(60.0)),
            Box::new(|keys| check(&overridden, keys)),
            &hot,
        ),
        (
            "client, any of 1,000",
            Some(Bound::Nanoseconds(60.0)),
            Box::new(|keys| asked_of(&plain_client, keys)),
            &hot,
        ),
        (
            "client, any of 1,000 with overrides",
            Some(Bound::Nanoseconds(60.0)),
            Box::new(|keys| asked_of(&overridden_client, keys)),
            &hot,
        ),
        (
            "client, a limit, any of 1,000",
            Some(Bound::Nanoseconds(60.0)),
            Box::new(|keys| limit_of(&plain_client, keys)),
            &hot,
        ),
    ];
    // A row is asked for everybody, in short parts: of these, what else the machine does hits few.
    let parts = TURNS * (ASKED / PART);
    let mut nanoseconds: Vec<Vec<f64>> = rows.iter().map(|_| Vec::with_capacity(parts)).collect();
    let allocated = allocations();
    for _ in 0..TURNS {
        for ((_, _, work, keys), times) in rows.iter().zip(&mut nanoseconds) {
            let asked = keys.chunks(PART).cycle().take(ASKED / PART);
            for keys in asked {
                let start = Instant::now();
                black_box(work(black_box(keys)));
                times.push(start.elapsed().as_nanos() as f64 / keys.len() as f64);
            }
        }
    }
    let allocated = allocations() - allocated;
    let medians = nanoseconds.iter_mut().map(|times| {
        times.sort_unstable_by(f64::total_cmp);
        times.get(parts / 2).copied().unwrap_or_default()
    });
    let medians: Vec<f64> = medians.collect();
    let probe = medians.first().copied().unwrap_or_default();
    println!("\n| one question | ns | × a probe of any of 100,000 | at most |\n|---|---|---|---|");
    for ((name, bound, ..), median) in rows.iter().zip(&medians) {
        let bound = match bound {
            None => String::new(),
            Some(Bound::Probes(times)) => format!("{times} ×"),
            Some(Bound::Nanoseconds(most)) => format!("{most} ns"),
        };
        println!("| {name} | {median:.1} | {:.2} | {bound} |", median / probe);
    }
    println!("\nallocations in all of it: {allocated}");
}

//! A million tenants with contracts: what they hold in memory, how long they take to load, what one
//! changed tenant and one changed plan cost; and what a check costs beside a bare probe of a hash
//! table for the same keys.

mod memory;

use std::hint::black_box;
use std::time::{Duration, Instant};

use flags_core::{
    ADDON_KIND, Access, Change, Document, Epoch, FEATURE_KIND, FeatureKey, Object, ObjectChange,
    PLAN_KIND, Ruleset, TENANT_KIND, Timestamp,
};
use hashbrown::HashTable;
use memory::{allocations, held, most_during};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

/// As many as an environment may have.
const TENANTS: usize = 1_000_000;
/// Those that are asked for at random, and those that are asked for again and again.
const ASKED: usize = 100_000;
const HOT: usize = 1_000;
const FEATURES: usize = 40;
/// One in so many tenants has two overrides.
const OVERRIDDEN: usize = 20;
const ROUNDS: usize = 51;
/// How often everybody is asked for, and how many are timed together.
const TURNS: usize = 31;
const PART: usize = 1_000;
const SEATS: FeatureKey<'static> = FeatureKey::new("feature-7");
/// 2026-11-20T12:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

fn main() {
    let ruleset = load();
    changes(&ruleset);
    drop(ruleset);
    checks();
}

// ---- Who there is -------------------------------------------------------------------------------

/// Every fourth feature is one of each type.
fn feature(number: usize) -> Object {
    let definition = match number % 4 {
        0 | 1 => json!({"type": "boolean", "combine": "any"}),
        2 => json!({"type": "json", "combine": "priority"}),
        _ => json!({"type": "limit", "combine": "sum",
                    "over_limit": {"policy": "read_only", "grace_ms": 604_800_000}}),
    };
    object(FEATURE_KIND, &format!("feature-{number}"), &definition)
}

/// A plan with two versions; the higher grant more.
fn plan(level: usize, edition: usize) -> Object {
    let grants = |version: usize| -> Value {
        let granted = (0..FEATURES).filter(|number| number % 5 <= level);
        let grants = granted.map(|number| {
            let grant = match number % 4 {
                0 | 1 => json!(true),
                2 => json!({"level": level, "edition": edition}),
                _ => json!(5 * (level + version) + edition),
            };
            (format!("feature-{number}"), grant)
        });
        grants.collect()
    };
    let fallback = (level > 0).then(|| json!({"plan": "plan-0", "version": 1}));
    let version = |version: usize| {
        json!({"version": version, "grants": grants(version), "grace_ms": 604_800_000,
               "fallback": fallback})
    };
    let definition = json!({"versions": [version(1), version(2)]});
    object(PLAN_KIND, &format!("plan-{level}"), &definition)
}

fn addon() -> Object {
    object(ADDON_KIND, "seats", &json!({"grants": {"feature-7": 10}}))
}

fn catalogue() -> impl Iterator<Item = Object> {
    (0..FEATURES).map(feature).chain((0..4).map(|level| plan(level, 0))).chain([addon()])
}

fn key(number: usize) -> String {
    format!("tenant-{number:09}")
}

/// Half of them have `plan-1`; one in five has add-ons, one in so many overrides.
#[expect(clippy::indexing_slicing, reason = "members of an object that is made here")]
fn tenant(number: usize, overridden: usize, edition: usize) -> Object {
    let level = if number.is_multiple_of(2) { Some(&1) } else { [0, 2, 3].get(number / 2 % 3) };
    let level = level.copied().unwrap_or_default();
    let country = ["DE", "FR", "US", "GB", "JP"].get(number / 4 % 5);
    let mut definition = json!({
        "attributes": {"country": country, "employees": number % 10_000 + edition},
        "plan": format!("plan-{level}"), "plan_version": 1 + number / 8 % 2,
        "plan_since": "2026-03-01T09:30:00.125Z",
    });
    if number.is_multiple_of(5) {
        definition["addons"] = json!([{"addon": "seats", "quantity": 1 + number % 20}]);
    }
    // Of every plan, as many.
    if (number / 2 + 1).is_multiple_of(overridden) {
        definition["overrides"] = json!([
            {"id": "contract-1", "feature": "feature-7", "mode": "at_least", "value": 50,
             "end": "2027-01-01T00:00:00Z", "contract": "MSA 7"},
            {"id": "promise-2", "feature": "feature-9", "mode": "set", "value": true,
             "start": "2026-02-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"},
        ]);
    }
    object(TENANT_KIND, &key(number), &definition)
}

#[expect(clippy::expect_used, reason = "a bench that cannot set itself up measures nothing")]
fn object(kind: &str, key: &str, definition: &Value) -> Object {
    Object::new(kind, key, 1, definition).expect("JSON")
}

fn compiled(tenants: usize, overridden: usize) -> Ruleset {
    let tenants = (0..tenants).map(|number| tenant(number, overridden, 0));
    let objects = tenants.chain(catalogue()).collect();
    let document = Document { epoch: Epoch::new("bench"), revision: 1, objects };
    let (ruleset, report) = Ruleset::compile(&document);
    assert!(report.is_clean());
    ruleset
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

// ---- Asking -------------------------------------------------------------------------------------

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

fn checks() {
    let floor = Floor::new();
    let (plain, mixed, overridden) =
        (compiled(ASKED, usize::MAX), compiled(ASKED, OVERRIDDEN), compiled(ASKED, 1));
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

//! Rollouts over ten million keys: the shares that they reach, the independence of two salts, and
//! whether growth moves anybody else. Asked through the evaluator, as a service does.
//!
//! Not a measurement of time but of evenness; it takes minutes, so the tests have a short form of
//! it (`flags-core/tests/statistics.rs`). It fails when a figure is out of its bounds.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a bench that cannot set itself up has nothing to measure")]

use std::process::ExitCode;

use flags_core::{Document, Entity, Epoch, Object, Reason, Ruleset, SplitOutcome, Timestamp};
use serde_json::json;

const KEYS: u64 = 10_000_000;
const NOW: Timestamp = Timestamp::from_millis(0);
/// In steps of 0.001 %: 0.001 %, 0.1 %, 1 %, 50 %.
const SHARES: [u32; 4] = [1, 100, 1_000, 50_000];
const TOTAL: u32 = 100_000;

/// What the keys of users look like.
type Keys = (&'static str, fn(u64) -> String);

const KINDS_OF_KEYS: [Keys; 3] = [
    ("numbers in text", |index| format!("user-{index}")),
    ("plain numbers", |index| index.to_string()),
    ("like UUIDs", |index| {
        // Two rounds of splitmix64: well mixed, and the same in every run.
        let (high, low) = (mixed(index), mixed(!index));
        format!("{:08x}-{:04x}-4{:03x}-{:016x}", high >> 32, high as u16, high >> 20 & 0xfff, low)
    }),
];

fn mixed(index: u64) -> u64 {
    let mut z = index.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn main() -> ExitCode {
    let ruleset = ruleset();
    let mut out_of_bounds = 0;
    println!("{KEYS} keys of each kind; bounds are five standard deviations of the binomial\n");
    println!("| keys | share | expected | reached | off by |\n|---|---|---|---|---|");
    for (name, key) in KINDS_OF_KEYS {
        let counted = Counted::over(&ruleset, key);
        for (share, reached) in SHARES.iter().zip(counted.reached) {
            let part = f64::from(*share) / f64::from(TOTAL);
            let expected = KEYS as f64 * part;
            let off = (reached as f64 - expected) / (expected * (1.0 - part)).sqrt();
            out_of_bounds += u32::from(off.abs() > 5.0);
            let percent = f64::from(*share) / 1_000.0;
            println!("| {name} | {percent} % | {expected:.0} | {reached} | {off:+.2} σ |");
        }
        out_of_bounds += counted.judge(name);
    }
    if out_of_bounds > 0 {
        println!("\n{out_of_bounds} out of bounds");
        return ExitCode::FAILURE;
    }
    println!("\nall within bounds");
    ExitCode::SUCCESS
}

/// What a pass over all keys finds.
struct Counted {
    /// How many each of [`SHARES`] reaches.
    reached: [u64; 4],
    /// By the tenths into which two salts sort the same key.
    tenths: [[u64; 10]; 10],
    /// How many are in a share of 10 % but not in one of 20 % that grew out of it, or have another
    /// bucket there.
    moved: u64,
}

impl Counted {
    fn over(ruleset: &Ruleset, key: impl Fn(u64) -> String) -> Self {
        let mut counted = Self { reached: [0; 4], tenths: [[0; 10]; 10], moved: 0 };
        for index in 0..KEYS {
            let key = key(index);
            let user = Entity::user(&key);
            for (flag, reached) in
                ["r1", "r100", "r1000", "r50000"].iter().zip(&mut counted.reached)
            {
                *reached += u64::from(ruleset.evaluate(*flag, &user, NOW).is_true());
            }
            let (one, other) = (bucket(ruleset, "one", &user), bucket(ruleset, "other", &user));
            let tenth = |bucket: u32| (bucket / (TOTAL / 10)) as usize;
            let cell = counted.tenths.get_mut(tenth(one)).and_then(|row| row.get_mut(tenth(other)));
            *cell.expect("a bucket is below the total") += 1;
            let before = ruleset.evaluate("ten", &user, NOW).variant;
            let after = ruleset.evaluate("twenty", &user, NOW).variant;
            // From the rest into the share: that is the growth. Nothing else may happen.
            let grew = (before, after) == (Some("off"), Some("on"));
            counted.moved += u64::from(before != after && !grew);
        }
        counted
    }

    /// Prints what is not a share; says how much of it is out of bounds.
    fn judge(&self, name: &str) -> u32 {
        let expected = KEYS as f64 / 100.0;
        let distance = |count: u64| (count as f64 - expected).powi(2) / expected;
        let chi_squared: f64 = self.tenths.iter().flatten().map(|count| distance(*count)).sum();
        // 99 degrees of freedom, as the expected counts are given: mean 99, deviation √198.
        let off = (chi_squared - 99.0) / 198_f64.sqrt();
        println!("| {name} | two salts, χ² of 100 cells | 99 | {chi_squared:.1} | {off:+.2} σ |");
        println!("| {name} | moved by growth from 10 % to 20 % | 0 | {} | |", self.moved);
        u32::from(off.abs() > 5.0) + u32::from(self.moved > 0)
    }
}

fn bucket(ruleset: &Ruleset, flag: &str, user: &Entity<'_>) -> u32 {
    match ruleset.evaluate(flag, user, NOW).reason {
        Reason::Fallthrough { split: Some(SplitOutcome::Bucket(bucket)) } => bucket,
        other => unreachable!("every user has a bucket: {other:?}"),
    }
}

fn ruleset() -> Ruleset {
    let flag = |key: String, salt: &str, share: u32| {
        let definition = json!({
            "type": "boolean",
            "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "state": {"on": true, "off_variant": "off", "salt": salt, "fallthrough": {"split": {
                "by": "user", "weights": [
                    {"variant": "on", "weight": share}, {"variant": "off", "weight": TOTAL - share}
                ]}}},
        });
        Object::new("flag", &key, 1, &definition).expect("JSON is written as JSON")
    };
    let mut objects: Vec<Object> = SHARES
        .iter()
        .map(|share| flag(format!("r{share}"), &format!("salt-of-{share}"), *share))
        .collect();
    objects.extend([
        flag("one".into(), "one", 50_000),
        flag("other".into(), "other", 50_000),
        flag("ten".into(), "growing", 10_000),
        flag("twenty".into(), "growing", 20_000),
    ]);
    let document = Document { epoch: Epoch::new("bench"), revision: 1, objects };
    let (ruleset, report) = Ruleset::compile(&document);
    assert!(report.is_clean(), "{report:?}");
    ruleset
}

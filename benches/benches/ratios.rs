//! Evaluation against one SipHash-1-3 of 32 bytes, interleaved in one run: the ratios hold where
//! absolute times on a shared machine do not.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::Instant;

use benches::{LISTED_COUNTRY, LISTS, ON_OFF, ROLLOUT, context, ruleset};
use flags_core::Timestamp;
use siphasher::sip::SipHasher13;

const NOW: Timestamp = Timestamp::from_millis(0);
const ROUNDS: usize = 301;
const CALLS: u32 = 20_000;

/// What is measured, how many hashes it may cost, and the work.
type Row<'a> = (&'a str, Option<f64>, Box<dyn Fn() -> u64 + 'a>);

fn main() {
    let ruleset = ruleset(1_000);
    let listed = [("country", LISTED_COUNTRY.into())];
    let context = context("user-123456789", &listed);
    let hasher = SipHasher13::new_with_keys(1, 2);
    let bytes = [7_u8; 32];

    let rows: Vec<Row<'_>> = vec![
        ("siphash-1-3 of 32 bytes", None, Box::new(|| black_box(hasher).hash(black_box(&bytes)))),
        (
            "on/off, typed key",
            Some(2.0),
            Box::new(|| ruleset.get(black_box(&ON_OFF), black_box(&context), NOW).value.into()),
        ),
        (
            "50 % rollout, typed key",
            Some(3.0),
            Box::new(|| ruleset.get(black_box(&ROLLOUT), black_box(&context), NOW).value.into()),
        ),
        (
            "ten rules × 100 values, typed key",
            None,
            Box::new(|| ruleset.get(black_box(&LISTS), black_box(&context), NOW).value.into()),
        ),
        (
            "on/off, by name",
            None,
            Box::new(|| ruleset.evaluate(black_box("on-off"), black_box(&context), NOW).version),
        ),
    ];

    let mut nanoseconds: Vec<Vec<f64>> = rows.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((_, _, work), times) in rows.iter().zip(&mut nanoseconds) {
            let start = Instant::now();
            for _ in 0..CALLS {
                black_box(work());
            }
            times.push(start.elapsed().as_nanos() as f64 / f64::from(CALLS));
        }
    }
    let medians: Vec<f64> = nanoseconds
        .iter_mut()
        .map(|times| {
            times.sort_by(f64::total_cmp);
            times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
        })
        .collect();
    let floor = medians.first().copied().unwrap_or(f64::NAN);
    println!("median of {ROUNDS} rounds of {CALLS} calls, all rows in turn in each round\n");
    println!("| what | ns | × siphash | at most |\n|---|---|---|---|");
    for ((name, bound, _), median) in rows.iter().zip(&medians) {
        let bound = bound.map_or(String::new(), |bound| format!("{bound} ×"));
        println!("| {name} | {median:.1} | {:.2} | {bound} |", median / floor);
    }
}

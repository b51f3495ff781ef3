//! Buckets are even, and two salts are independent.

#![cfg(test)]

use flags_core::{Bucketing, Salt, TOTAL_WEIGHT};

const UNITS: u32 = 400_000;

fn buckets(salt: &str) -> impl Iterator<Item = u32> {
    let salt = Salt::new(Bucketing::Sip13V1, salt);
    (0..UNITS).map(move |unit| salt.bucket(format!("user-{unit}").as_bytes()))
}

/// A count that differs from the expected one by more than five standard deviations happens once
/// in 1.7 million tries; the inputs are fixed, so this either always passes or never does.
#[track_caller]
fn within_five_sigma(count: usize, share: f64) {
    let (n, expected) = (f64::from(UNITS), f64::from(UNITS) * share);
    let sigma = (n * share * (1.0 - share)).sqrt();
    let off = (count as f64 - expected).abs() / sigma;
    assert!(off < 5.0, "{count} of {UNITS} for a share of {share}: {off:.1} sigma");
}

#[test]
fn a_rollout_reaches_its_share() {
    for salt in ["new-checkout", "search-engine", ""] {
        for weight in [100, 1_000, 25_000, 50_000, 99_900] {
            let count = buckets(salt).filter(|bucket| *bucket < weight).count();
            within_five_sigma(count, f64::from(weight) / f64::from(TOTAL_WEIGHT));
        }
    }
}

#[test]
fn no_bucket_is_out_of_range_and_both_ends_are_reached() {
    let (least, greatest) =
        buckets("range").fold((u32::MAX, 0), |(l, g), bucket| (l.min(bucket), g.max(bucket)));
    assert!(least < 10, "{least}");
    assert!((TOTAL_WEIGHT - 10..TOTAL_WEIGHT).contains(&greatest), "{greatest}");
}

#[test]
fn two_salts_are_independent() {
    for (one, other) in [("a", "b"), ("new-checkout", "new-checkout2"), ("", "\0")] {
        let both = buckets(one)
            .zip(buckets(other))
            .filter(|(one, other)| *one < TOTAL_WEIGHT / 2 && *other < TOTAL_WEIGHT / 2)
            .count();
        within_five_sigma(both, 0.25);
    }
}

//! Evaluation in the core: on/off, a 50 % rollout, rules with lists; by typed key and by name.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use benches::{LISTED_COUNTRY, LISTS, ON_OFF, ROLLOUT, context, ruleset};
use criterion::{Criterion, criterion_group, criterion_main};
use flags_core::{Reason, Timestamp};
use siphasher::sip::SipHasher13;

const NOW: Timestamp = Timestamp::from_millis(0);

fn evaluation(criterion: &mut Criterion) {
    let ruleset = ruleset(1_000);
    let listed = [("country", LISTED_COUNTRY.into())];
    let context = context("user-123456789", &listed);
    let reason = |flag| ruleset.get(flag, &context, NOW).reason;
    assert_eq!(reason(&ON_OFF), Reason::Fallthrough { split: None });
    assert!(matches!(reason(&ROLLOUT), Reason::Fallthrough { split: Some(_) }));
    assert_eq!(reason(&LISTS), Reason::RuleMatch { rule: "rule-9", bucket: None });

    let mut group = criterion.benchmark_group("evaluation");
    group.bench_function("floor: siphash-1-3 of 32 bytes", |bencher| {
        let hasher = SipHasher13::new_with_keys(1, 2);
        let bytes = [7_u8; 32];
        bencher.iter(|| black_box(hasher).hash(black_box(&bytes)));
    });
    for (name, flag) in [("on/off", ON_OFF), ("50 % rollout", ROLLOUT), ("ten lists", LISTS)] {
        group.bench_function(format!("{name}, typed key"), |bencher| {
            bencher.iter(|| ruleset.get(black_box(&flag), black_box(&context), NOW).value);
        });
        group.bench_function(format!("{name}, by name"), |bencher| {
            bencher
                .iter(|| ruleset.evaluate(black_box(flag.key()), black_box(&context), NOW).value);
        });
    }
    group.finish();
}

criterion_group!(benches, evaluation);
criterion_main!(benches);

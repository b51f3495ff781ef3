//! Loading an environment and applying one change to it.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use benches::{document, new_flag, one_change, ruleset};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use flags_core::{Document, Ruleset};

fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    for count in [1_000, 10_000] {
        let ruleset = ruleset(count);
        let change = one_change(count);
        let added = new_flag(count);
        group.bench_function(format!("one new flag among {count} flags"), |bencher| {
            bencher.iter_batched(
                || (),
                |()| ruleset.apply(&added).map(|(next, _)| next),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("one change among {count} flags"), |bencher| {
            // The old ruleset outlives the new one, which is dropped outside of the measurement.
            bencher.iter_batched(
                || (),
                |()| ruleset.apply(&change).map(|(next, _)| next),
                BatchSize::PerIteration,
            );
        });
    }
    group.sample_size(10);
    let text = serde_json::to_string(&document(10_000)).unwrap_or_default();
    group.bench_function("parse and compile 10000 flags", |bencher| {
        bencher.iter(|| {
            let document: Option<Document> = serde_json::from_str(&text).ok();
            document.map(|document| Ruleset::compile(&document))
        });
    });
    group.finish();
}

criterion_group!(benches, apply);
criterion_main!(benches);

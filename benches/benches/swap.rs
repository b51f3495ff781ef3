//! Reads from one swapped snapshot: alone, and while another thread swaps a thousand times a
//! second. Readers never wait, so the second costs what the new snapshot's cold memory costs.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use benches::{ROLLOUT, context, one_change, ruleset};
use criterion::{Criterion, criterion_group, criterion_main};
use flags_core::{Ruleset, Timestamp};

const NOW: Timestamp = Timestamp::from_millis(0);
const PAUSE: Duration = Duration::from_millis(1);

fn swap(criterion: &mut Criterion) {
    let first = ruleset(10_000);
    let (second, _) = first.apply(&one_change(10_000)).unwrap_or_default();
    assert_eq!(second.revision(), 2);
    let current = ArcSwap::from_pointee(first.clone());
    let context = context("user-123456789", &[]);
    let read = || current.load().get(black_box(&ROLLOUT), black_box(&context), NOW).value;

    let mut group = criterion.benchmark_group("swap");
    group.bench_function("read", |bencher| bencher.iter(read));

    let stop = AtomicBool::new(false);
    let swaps = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for next in [&second, &first] {
                    current.store(Ruleset::clone(next).into());
                    swaps.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(PAUSE);
                }
            }
        });
        group.bench_function("read while another thread swaps", |bencher| bencher.iter(read));
        stop.store(true, Ordering::Relaxed);
    });
    assert!(swaps.load(Ordering::Relaxed) > 1_000, "the other thread did swap");
    group.finish();
}

criterion_group!(benches, swap);
criterion_main!(benches);

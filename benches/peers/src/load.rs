//! Loading 10,000 flags from the bytes that each one's server sends: time, and memory held.

use std::any::Any;
use std::time::Instant;

use crate::allocations::{self, Heap};
use crate::interruption::Waited;
use crate::measure::median;
use crate::report::grouped;
use crate::versions::version;
use crate::workload::{Definition, many_flags};
use crate::{eppo, feature_probe, launch_darkly, optimizely, ours, unleash};

/// How much of eppo_core's time and memory flags may take.
const TIME: f64 = 0.7;
const MEMORY: f64 = 0.5;

/// From bytes to what an SDK keeps.
type Load = fn(Vec<u8>) -> Box<dyn Any>;

struct Loader {
    name: &'static str,
    json: Vec<u8>,
    load: Load,
    /// It keeps the bytes that it was given.
    keeps_json: bool,
    milliseconds: Vec<f64>,
}

/// Measures and prints.
pub(crate) fn run(flags: usize, rounds: usize) {
    let definitions = many_flags(flags);
    let loader = |name, configuration: fn(&[Definition]) -> Vec<u8>, load: Load| Loader {
        name,
        json: configuration(&definitions),
        load,
        keeps_json: name == "eppo_core",
        milliseconds: Vec::new(),
    };
    let mut loaders = [
        loader("flags", ours::configuration, |json| Box::new(ours::load(json))),
        loader("eppo_core", eppo::configuration, |json| Box::new(eppo::load(json))),
        loader("FeatureProbe", feature_probe::configuration, |json| {
            Box::new(feature_probe::load(json))
        }),
        loader("LaunchDarkly", launch_darkly::configuration, |json| {
            Box::new(launch_darkly::load(json))
        }),
        loader("Optimizely", optimizely::configuration, |json| Box::new(optimizely::load(json))),
        loader("Unleash", unleash::configuration, |json| Box::new(unleash::load(json))),
    ];
    let waited = Waited::of_this_thread();
    for _ in 0..rounds {
        for loader in &mut loaders {
            let json = loader.json.clone();
            let ((loaded, elapsed), waiting) = waited.during(|| {
                let start = Instant::now();
                ((loader.load)(json), start.elapsed())
            });
            let working = elapsed.saturating_sub(waiting);
            loader.milliseconds.push(working.as_secs_f64() * 1_000.0);
            drop(loaded);
        }
    }
    let figures: Vec<(f64, Heap)> = loaders
        .iter_mut()
        .map(|loader| {
            // The bytes are received, so they count; who keeps them holds them.
            let (loaded, heap) = allocations::of(|| (loader.load)(loader.json.clone()));
            drop(loaded);
            (median(&mut loader.milliseconds), heap)
        })
        .collect();

    println!(
        "{} flags: 25 % on/off, 25 % half rollouts, 15 % with ten rules of ten values, 10 % with \
         ten tenants, 10 % with three prerequisites, 15 % with four variants; median of {rounds} \
         loads, all in turn.\n",
        grouped(flags as f64)
    );
    println!(
        "| who | ms | held, kB | held without the JSON, kB | peak, kB | allocations | JSON, kB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let kilobytes = |bytes: i64| grouped(bytes as f64 / 1_000.0);
    for (loader, (milliseconds, heap)) in loaders.iter().zip(&figures) {
        let json = i64::try_from(loader.json.len()).unwrap_or(i64::MAX);
        let without_json = heap.held - if loader.keeps_json { json } else { 0 };
        println!(
            "| {} | {milliseconds:.1} | {} | {} | {} | {} | {} |",
            loader.name,
            kilobytes(heap.held),
            kilobytes(without_json),
            kilobytes(heap.peak),
            grouped(heap.allocations as f64),
            kilobytes(json),
        );
    }
    let [ours, eppo, ..] = figures.as_slice() else { return };
    let verdict = |met: bool| if met { "met" } else { "falls short" };
    let time = ours.0 / eppo.0;
    let memory = ours.1.held as f64 / eppo.1.held as f64;
    println!();
    println!(
        "- time: {time:.2} × eppo_core {}, at most {TIME} ×: {}",
        version("eppo_core"),
        verdict(time <= TIME)
    );
    println!("- memory held: {memory:.2} ×, at most {MEMORY} ×: {}", verdict(memory <= MEMORY));
}

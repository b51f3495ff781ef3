//! flags side by side with other SDKs: see README.md.

#![deny(unsafe_code)]
#![allow(
    clippy::expect_used,
    reason = "a bench that cannot set itself up has nothing to measure; a wrong answer ends it"
)]

mod allocations;
mod check;
mod eppo;
mod feature_probe;
mod floor;
mod interruption;
mod launch_darkly;
mod load;
mod loopback;
mod measure;
mod optimizely;
mod ours;
mod participant;
mod report;
mod threads;
mod unleash;
mod versions;
mod workload;

use std::process::ExitCode;

use crate::check::Answers;
use crate::measure::{Effort, Side};
use crate::participant::Participant;
use crate::report::Line;
use crate::threads::Work;
use crate::workload::{Definition, Facts, Row};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// The places of those that are not peers among the sides.
const FLOOR: [usize; 2] = [0, 1];
const OURS: [usize; 2] = [2, 3];
const FIRST_PEER: usize = 4;

fn main() -> ExitCode {
    if let Some(code) = loopback::run_without_proxies() {
        return code;
    }
    match std::env::args().nth(1).as_deref() {
        None => compare(Effort::FULL),
        Some("quick") => {
            let code = compare(Effort::QUICK);
            println!();
            load::run(1_000, 1);
            code
        }
        Some("load") => {
            load::run(10_000, 9);
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!("`{other}` is none of: nothing, `quick`, `load`");
            ExitCode::FAILURE
        }
    }
}

fn compare(effort: Effort) -> ExitCode {
    let definitions = workload::flags();
    let facts: &'static [Facts] = workload::users().leak();
    let sides = match sides(&definitions, facts) {
        Ok(sides) => sides,
        Err(wrong) => {
            eprintln!("wrong answer, so nothing is measured: {wrong}");
            return ExitCode::FAILURE;
        }
    };
    let names: Vec<&'static str> = sides.iter().map(|side| side.participant.name()).collect();

    let mut lines = Vec::new();
    for (row, costs) in Row::ALL.into_iter().zip(measure::rows(&Row::ALL, &sides, effort)) {
        let keys = if row.has_keys() { ["typed", "text"] } else { ["", ""] };
        for way in 0..if row.has_keys() { 2 } else { 1 } {
            let (Some(floor), Some(ours)) = (costs[FLOOR[way]], costs[OURS[way]]) else { continue };
            let peers = costs[FIRST_PEER..].to_vec();
            lines.push(Line { row, keys: keys[way], floor, ours, peers });
        }
    }
    report::rows(&names[FIRST_PEER..], &lines);

    let bare = |questions: &[workload::Question]| floor::bare_sip_hash(facts, questions);
    let asks: Vec<_> = sides[OURS[0]..]
        .iter()
        .map(|side| {
            |questions: &[workload::Question]| side.participant.ask(Row::Rollout, questions)
        })
        .collect();
    let works: Vec<Work<'_>> =
        std::iter::once(&bare as Work<'_>).chain(asks.iter().map(|ask| ask as Work<'_>)).collect();
    let factors = threads::scaling(&works, effort);
    let workers: Vec<&str> =
        std::iter::once("bare SipHash-1-3").chain(names[OURS[0]..].iter().copied()).collect();
    report::scaling(&workers, &factors);
    report::versions();

    let allocating: Vec<&Line> = lines.iter().filter(|line| line.ours.allocations > 0.0).collect();
    for line in &allocating {
        eprintln!("flags allocates: {} ({})", line.row, line.keys);
    }
    if allocating.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everybody, with answers that are right.
fn sides(definitions: &[Definition], facts: &'static [Facts]) -> Result<Vec<Side>, String> {
    let floors: [Box<dyn Participant>; FIRST_PEER - 2] = [
        Box::new(floor::Floor::<true>::new(definitions, facts)),
        Box::new(floor::Floor::<false>::new(definitions, facts)),
    ];
    let answering: [Box<dyn Participant>; 7] = [
        Box::new(ours::Typed::new(definitions, facts)),
        Box::new(ours::ByName::new(definitions, facts)),
        Box::new(eppo::Eppo::new(definitions, facts)),
        Box::new(unleash::Unleash::new(definitions, facts)),
        Box::new(optimizely::Optimizely::new(definitions, facts)),
        Box::new(feature_probe::FeatureProbe::new(definitions, facts)),
        Box::new(launch_darkly::LaunchDarkly::new(definitions, facts)),
    ];
    let mut sides: Vec<Side> =
        floors.into_iter().map(|participant| Side { participant, answers: None }).collect();
    for participant in answering {
        let answers = Some(Answers::of(&*participant, definitions, facts)?);
        sides.push(Side { participant, answers });
    }
    Ok(sides)
}

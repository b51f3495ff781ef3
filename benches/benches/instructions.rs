//! How many instructions an answer takes, counted by valgrind: times on shared machines are noise,
//! instructions are not. Each row has a limit 15 % above what it took when the limit was set; a
//! change that needs more has to say why and raise it.
//!
//! ```text
//! cargo install gungraun-runner --version =0.20.0
//! cargo bench -p benches --bench instructions
//! ```

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "gungraun's macros make undocumented modules")]

use std::hint::black_box;

use benches::{LISTED_COUNTRY, LISTS, ON_OFF, ROLLOUT, ruleset};
use flags_client::{AttributeValue, Client, Entity, Flag};
use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};

const MISSING: Flag<bool> = Flag::new("no-such-flag", false);
const COUNTRY: [(&str, AttributeValue<'static>); 1] =
    [("country", AttributeValue::String(LISTED_COUNTRY))];
const CONTEXT: [Entity<'static>; 2] =
    [Entity::user("user-123456789"), Entity::tenant("acme").with(&COUNTRY)];

/// A client that has answered before: a thread's first read also sets up its storage.
fn client() -> &'static Client {
    let client: &Client = Box::leak(Box::new(Client::from(ruleset(1_000))));
    assert!(client.is_on(&ON_OFF, &CONTEXT) && client.is_on(&LISTS, &CONTEXT));
    assert!(!client.is_on(&MISSING, &CONTEXT));
    client
}

fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

#[library_benchmark(setup = client, config = at_most(235))]
#[bench::typed()]
fn on_off(client: &Client) -> bool {
    client.is_on(black_box(&ON_OFF), black_box(&CONTEXT))
}

#[library_benchmark(setup = client, config = at_most(276))]
#[bench::by_name()]
fn on_off_by_name(client: &Client) -> bool {
    client.pinned().evaluate(black_box("on-off"), black_box(&CONTEXT)).is_true()
}

#[library_benchmark(setup = client, config = at_most(560))]
#[bench::typed()]
fn rollout(client: &Client) -> bool {
    client.is_on(black_box(&ROLLOUT), black_box(&CONTEXT))
}

#[library_benchmark(setup = client, config = at_most(770))]
#[bench::typed()]
fn lists(client: &Client) -> bool {
    client.is_on(black_box(&LISTS), black_box(&CONTEXT))
}

#[library_benchmark(setup = client, config = at_most(225))]
#[bench::typed()]
fn missing(client: &Client) -> bool {
    client.is_on(black_box(&MISSING), black_box(&CONTEXT))
}

#[library_benchmark(setup = client, config = at_most(301_000))]
#[bench::thousand()]
fn all(client: &Client) -> usize {
    let flags = client.pinned();
    flags.evaluate_all(black_box(&CONTEXT)).filter(|(_, answer)| answer.is_true()).count()
}

library_benchmark_group!(
    name = answers,
    benchmarks = [on_off, on_off_by_name, rollout, lists, missing, all]
);

main!(library_benchmark_groups = answers);

//! What it costs to store many tenants with contracts, to move them to another version of their plan, and to
//! ask first what that would do.
//!
//! The server is a process of its own; the requests come from this one, over HTTP, one after the other. 100,000
//! tenants have a plan that grants 20 features. Each request is of 1,000 tenants. `-- quick` is the same with
//! 10,000.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot set itself up has nothing to measure"
)]

mod load;

use std::path::Path;
use std::time::Instant;

use load::admin::{Admin, PRODUCTION};
use load::process::{Server, was_the_server};
use load::quantile;
use rusqlite::Connection;
use serde_json::{Map, Value, json};

const FEATURES: usize = 20;
const PER_REQUEST: usize = 1_000;

/// What each tenant uses of a limit, where it uses something: less than the first version grants, and
/// more than the second one.
const USED: u64 = 8;

fn main() {
    if was_the_server() {
        return;
    }
    let is_quick = std::env::args().any(|argument| argument == "quick");
    let tenants = if is_quick { 10_000 } else { 100_000 };
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("flags.db");
    let server = Server::start(&database);
    let admin = Admin::new(server.address);
    sell(&admin);
    let created = stored(&admin, tenants, 1);
    println!(
        "{tenants} tenants, {FEATURES} features, {PER_REQUEST} tenants a request; ms a request, median\n"
    );
    println!("| | nobody uses anything | each uses a limit |\n|---|---|---|");
    let unused = Costs::of(&admin, tenants);
    drop(server);
    use_limits(&database);
    let server = Server::start(&database);
    let used = Costs::of(&Admin::new(server.address), tenants);
    println!("| stored anew | {created:.1} | |");
    for (what, unused, used) in [
        ("stored with another version, and no limit exceeded", unused.higher, used.higher),
        ("stored with another version, and each over its limit after it", unused.lower, used.lower),
        ("moved, and no limit exceeded", unused.up, used.up),
        ("moved, and each over its limit after it", unused.down, used.down),
    ] {
        println!("| {what} | {unused:.1} | {used:.1} |");
    }
    let (unused, used) = (unused.tried, used.tried);
    println!("| a dry run for all of them | {unused:.0} | {used:.0} |");
}

/// In milliseconds.
struct Costs {
    lower: f64,
    higher: f64,
    tried: f64,
    down: f64,
    up: f64,
}

impl Costs {
    fn of(admin: &Admin, tenants: usize) -> Self {
        let (lower, higher) = (stored(admin, tenants, 2), stored(admin, tenants, 1));
        let (tried, moves) = (tried(admin, tenants), |to| moved(admin, tenants, to));
        let (down, up) = (moves(2), moves(1));
        Self { lower, higher, tried, down, up }
    }
}

/// Half of the features are limits, of which version 2 grants less.
fn sell(admin: &Admin) {
    let (mut first, mut second) = (Map::new(), Map::new());
    for number in 0..FEATURES {
        let (key, is_limit) = (format!("f{number}"), number % 2 == 0);
        let (kind, combine) = if is_limit { ("limit", "sum") } else { ("boolean", "any") };
        let feature = json!({"key": key, "type": kind, "combine": combine});
        admin.post(&format!("{PRODUCTION}/features"), &feature.to_string());
        first.insert(key.clone(), if is_limit { json!(USED + 2) } else { json!(true) });
        second.insert(key, if is_limit { json!(USED - 2) } else { json!(true) });
    }
    let plan = json!({"key": "pro", "versions": [{"grants": first}, {"grants": second}]});
    admin.post(&format!("{PRODUCTION}/plans"), &plan.to_string());
}

/// Each tenant uses something, as if its product had said so.
fn use_limits(database: &Path) {
    let sql = "INSERT INTO tenant_use (environment_id, tenant, feature, counter, used, at)
               SELECT environment_id, key, 'f0', 'usage', ?1, 0 FROM tenant";
    let connection = Connection::open(database).expect("a database");
    connection.execute(sql, [USED]).expect("uses");
}

/// Stores all tenants with a version of the plan.
fn stored(admin: &Admin, tenants: usize, version: u32) -> f64 {
    let one = |number| {
        json!({"key": format!("tenant-{number}"), "attributes": {"country": "DE"}, "plan": "pro",
               "plan_version": version})
    };
    let requests = (0..tenants).step_by(PER_REQUEST).map(|first| {
        let tenants: Vec<Value> = (first..first + PER_REQUEST).map(one).collect();
        timed(admin, "tenants", &json!({"tenants": tenants})).0
    });
    median(requests.collect())
}

/// Moves all tenants to a version of the plan.
fn moved(admin: &Admin, tenants: usize, version: u32) -> f64 {
    let requests = (0..tenants).step_by(PER_REQUEST).map(|before| {
        let (micros, answer) = timed(admin, "plans/pro/move", &json!({"to": {"version": version}}));
        let remaining = answer.get("remaining").and_then(Value::as_u64);
        assert_eq!(remaining, Some((tenants - before - PER_REQUEST) as u64), "each once");
        micros
    });
    median(requests.collect())
}

/// Asks what a move of all would do.
fn tried(admin: &Admin, tenants: usize) -> f64 {
    let body = json!({"to": {"version": 2}});
    let (micros, answer) = timed(admin, "plans/pro/move?dry_run=true", &body);
    assert_eq!(answer.get("tenants").and_then(Value::as_u64), Some(tenants as u64), "all of them");
    f64::from(micros) / 1_000.0
}

fn timed(admin: &Admin, path: &str, body: &Value) -> (u32, Value) {
    let body = body.to_string();
    let begin = Instant::now();
    let answer = admin.post(&format!("{PRODUCTION}/{path}"), &body);
    let micros = begin.elapsed().as_micros();
    (u32::try_from(micros).expect("less than an hour"), answer.body)
}

fn median(mut micros: Vec<u32>) -> f64 {
    micros.sort_unstable();
    f64::from(quantile(&micros, 0.5)) / 1_000.0
}

//! Assigns seats from many sides at once, and kills the server meanwhile: as many are assigned as the
//! contract grants, not one more and not one less.
//!
//! In each run 64 assigners make 10,000 attempts, each for a user of its own, against a limit of 500. The server is
//! a process of its own and gets SIGKILL three times: twice while there are seats left, once at any time. Who gets no answer asks
//! again. At the end, whoever was told to have a seat has one, nobody else does, and the sums and the audit log
//! say the same. `-- quick` is two runs instead of twenty.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot set itself up has nothing to measure"
)]

mod load;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use load::PATIENCE;
use load::admin::PRODUCTION;
use load::history::check;
use load::process::{ADMIN, Server, was_the_server};
use reqwest::{Client, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

const ASSIGNERS: usize = 64;
const ATTEMPTS: usize = 10_000;
const LIMIT: usize = 500;

/// Between two attempts of one who got no answer, and two looks at how far they are.
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Default)]
struct Count {
    kills: usize,
    /// Requests that were sent again.
    repeated: usize,
    /// Of these, those that had been done.
    done_before: usize,
}

/// What assigners share.
struct Attempts {
    client: Client,
    url: String,
    next: AtomicUsize,
    answered: AtomicUsize,
}

fn main() {
    if was_the_server() {
        return;
    }
    let quick = std::env::args().any(|argument| argument == "quick");
    let runs = if quick { 2 } else { 20 };
    let (mut count, begin) = (Count::default(), Instant::now());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for _ in 0..runs {
        runtime.block_on(run(&mut count));
    }
    println!(
        "{runs} runs, {} kills, {} attempts by {ASSIGNERS} at once: {LIMIT} seats of {LIMIT} in each run; \
         {} requests sent again, {} of which had been done; {} s",
        count.kills,
        runs * ATTEMPTS,
        count.repeated,
        count.done_before,
        begin.elapsed().as_secs()
    );
}

async fn run(count: &mut Count) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("flags.db");
    let mut server = Server::start(&database);
    // The same address each time.
    let address = server.address;
    let client = Client::new();
    furnish(&client, address).await;
    let url = format!("http://{address}{PRODUCTION}/tenants/acme/seats/seats");
    let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let attempts = Arc::new(Attempts { client, url, next, answered });
    let mut assigners = JoinSet::new();
    for _ in 0..ASSIGNERS {
        assigners.spawn(assign(Arc::clone(&attempts)));
    }
    let mut moments = [1..LIMIT, 1..LIMIT, 1..ATTEMPTS].map(fastrand::usize);
    moments.sort_unstable();
    for moment in moments {
        let begin = Instant::now();
        while attempts.answered.load(Ordering::Relaxed) < moment {
            assert!(begin.elapsed() < PATIENCE, "the assigners are stuck");
            sleep(PAUSE).await;
        }
        server.kill();
        count.kills += 1;
        server = Server::start_at(&database, &address.to_string());
    }
    let mut told = BTreeSet::new();
    while let Some(assigned) = assigners.join_next().await {
        let assigned = assigned.expect("no assigner panicked");
        told.extend(assigned.users);
        count.repeated += assigned.repeated;
        count.done_before += assigned.done_before;
    }
    let listed = list(&attempts).await;
    assert_eq!(told.len(), LIMIT, "so many were told to have a seat");
    assert_eq!(listed, told, "they have one, and nobody else does");
    drop(server);
    kept(&database);
}

#[derive(Default)]
struct Assigned {
    users: Vec<String>,
    repeated: usize,
    done_before: usize,
}

/// Asks for one user after the other, each until there is an answer.
async fn assign(attempts: Arc<Attempts>) -> Assigned {
    let Attempts { client, url, next, answered } = &*attempts;
    let mut assigned = Assigned::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= ATTEMPTS {
            return assigned;
        }
        let (user, begin) = (format!("u-{number}"), Instant::now());
        let mut is_repeated = false;
        loop {
            let request = client.put(format!("{url}/{user}")).bearer_auth(ADMIN);
            let answer = request.send().await;
            match answer.map(|answer| answer.status()) {
                Ok(StatusCode::CREATED) => assigned.users.push(user),
                // It was assigned, and the answer was lost.
                Ok(StatusCode::OK) if is_repeated => {
                    assigned.users.push(user);
                    assigned.done_before += 1;
                }
                Ok(StatusCode::CONFLICT) => {}
                Ok(StatusCode::SERVICE_UNAVAILABLE) | Err(_) if begin.elapsed() < PATIENCE => {
                    assigned.repeated += 1;
                    is_repeated = true;
                    sleep(PAUSE).await;
                    continue;
                }
                other => panic!("{user}: {other:?}"),
            }
            break;
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// A tenant on a plan with so many seats.
async fn furnish(client: &Client, address: SocketAddr) {
    for (path, body) in [
        ("features", json!({"key": "seats", "type": "limit", "combine": "sum"})),
        ("plans", json!({"key": "pro", "versions": [{"version": 1, "grants": {"seats": LIMIT}}]})),
        ("tenants", json!({"tenants": [{"key": "acme", "plan": "pro", "plan_version": 1}]})),
    ] {
        let request =
            client.post(format!("http://{address}{PRODUCTION}/{path}")).bearer_auth(ADMIN);
        let answer = request.json(&body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }
}

/// Everybody who has a seat.
async fn list(Attempts { client, url, .. }: &Attempts) -> BTreeSet<String> {
    let mut users = BTreeSet::new();
    let mut query = "limit=500".to_owned();
    loop {
        let request = client.get(format!("{url}?{query}")).bearer_auth(ADMIN);
        let answer = request.send().await.expect("an answer").json::<Value>().await;
        let answer = answer.expect("JSON");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let items = answer.get("items").and_then(Value::as_array).expect("a list");
        users.extend(items.iter().filter_map(|seat| text(seat.get("user")?)));
        match answer.get("next_cursor").and_then(text) {
            Some(cursor) => query = format!("limit=500&cursor={cursor}"),
            None => return users,
        }
    }
}

/// What the database has, by each of the ways to count it.
fn kept(database: &Path) {
    check(database, &[]).expect("a whole database");
    let connection = Connection::open(database).expect("a database");
    for sql in [
        "SELECT count(*) FROM seat",
        "SELECT used FROM tenant_use",
        "SELECT sum(seats) FROM environment",
        "SELECT count(*) FROM audit WHERE action = 'seat.assign'",
    ] {
        let found: usize = connection.query_row(sql, (), |row| row.get(0)).expect("a number");
        assert_eq!(found, LIMIT, "{sql}");
    }
}

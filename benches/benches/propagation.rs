//! From the HTTP answer to a change until connected clients answer differently.
//!
//! The server runs in a process of its own (this executable, started anew); the clients are real
//! ones, all in this process, which also makes the changes. A client that answers differently
//! before the HTTP answer has arrived counts as 0.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot set itself up has nothing to measure"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flags_client::{Client, Entity, Flag};
use flags_server::{Bootstrap, Config, LogLevel};
use reqwest::Method;

const SWITCHED: Flag<bool> = Flag::new("switched", false);
const SDK: &str = "sdk-token-of-the-bench-0123456789abcdef";
const ADMIN: &str = "admin-token-of-the-bench-0123456789abcdef";
const SERVER: &str = "server";
const CHANGES: u32 = 200;
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(SERVER) {
        let database = arguments.next().expect("the path of the database");
        return flags_server::run(Config {
            database: database.into(),
            listen: "127.0.0.1:0".into(),
            log_level: LogLevel::Error,
            bootstrap: Bootstrap { admin_token: Some(ADMIN.into()), sdk_token: Some(SDK.into()) },
            ..Config::default()
        })
        .expect("the server runs");
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("delay from the HTTP answer to the changed answer, {CHANGES} changes\n");
    println!("| clients | median ms | P99 ms | max ms | counted as 0 |\n|---|---|---|---|---|");
    for clients in [1, 100] {
        runtime.block_on(measure(clients));
    }
}

/// The server in a process of its own, which ends with this value.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &tempfile::TempDir) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this executable"))
            .arg(SERVER)
            .arg(folder.path().join("flags.db"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let stdout = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        Self { child, url: url.expect("the server listens") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn measure(count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder);
    let http = reqwest::Client::new();
    let project = format!("{}/api/v1/projects/default", server.url);
    let flag = r#"{"key": "switched", "type": "boolean"}"#;
    post(&http, &format!("{project}/flags"), flag).await;
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let client = Client::builder(&server.url, SDK).connect().await.expect("a client");
        client.ready(PATIENCE).await.expect("the client is live");
        clients.push(client);
    }
    let start = clients.first().map_or(0, |client| client.snapshot().revision());
    let mut delays_ms = Vec::new();
    let mut early = 0;
    for change in 0..CHANGES {
        let on = change % 2 == 0;
        let revision = start + u64::from(change) + 1;
        let changed: Vec<_> = clients
            .iter()
            .map(|client| {
                let client = client.clone();
                tokio::spawn(async move {
                    client.wait_for(revision, PATIENCE).await.expect("the change arrives");
                    let at = Instant::now();
                    assert_eq!(client.is_on(&SWITCHED, &Entity::tenant("acme")), on);
                    at
                })
            })
            .collect();
        let verb = if on { "on" } else { "off" };
        post(&http, &format!("{project}/environments/production/flags/switched/{verb}"), "").await;
        let answered = Instant::now();
        for changed in changed {
            let at = changed.await.expect("the task ends");
            early += usize::from(at <= answered);
            delays_ms.push(at.saturating_duration_since(answered).as_secs_f64() * 1000.0);
        }
    }
    delays_ms.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = ((delays_ms.len() - 1) as f64 * share) as usize;
        delays_ms.get(index).copied().unwrap_or(f64::NAN)
    };
    println!(
        "| {count} | {:.2} | {:.2} | {:.2} | {early} of {} |",
        at(0.5),
        at(0.99),
        at(1.0),
        delays_ms.len()
    );
}

async fn post(http: &reqwest::Client, url: &str, body: &'static str) {
    let request = http.request(Method::POST, url).bearer_auth(ADMIN);
    let request = match body {
        "" => request,
        body => request.header("Content-Type", "application/json").body(body),
    };
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    if !status.is_success() {
        panic!("{url} answered {status}: {text}");
    }
}

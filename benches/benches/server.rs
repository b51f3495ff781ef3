//! What the server itself costs: starting, memory, commits, and reads while everything goes on.
//!
//! The server is a process of its own; the requests come from this one, over HTTP. To see groups of
//! writes share a commit where the disk is quicker than most, `strace` delays each of the server's
//! syncs by 4 ms: the server knows nothing of it. `-- quick` is a shorter form of the same.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot set itself up has nothing to measure"
)]

mod load;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use load::admin::{FLAGS, PRODUCTION};
use load::process::{ADMIN, Server, command, was_the_server};
use load::quantile;
use load::streams::Streams;
use reqwest::{Client, Method};
use tokio::runtime::Runtime;

const FLAGS_COUNT: usize = 1_000;
const WRITERS: usize = 32;

fn main() {
    if was_the_server() {
        return;
    }
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let quick = std::env::args().any(|argument| argument == "quick");
    let time = Duration::from_secs(if quick { 3 } else { 15 });
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("flags.db");

    let (server, fresh) = started(&database);
    runtime.block_on(fill(server.address));
    drop(server);
    let (server, full) = started(&database);
    println!(
        "start to ready: {fresh:.0} ms with a new database, {full:.0} ms with {FLAGS_COUNT} flags (bound: 300)"
    );
    let mib = server.usage().resident_kib as f64 / 1024.0;
    println!("resident with {FLAGS_COUNT} flags and no connection: {mib:.1} MiB (bound: 60 MB)\n");

    reads(&runtime, &server, time, if quick { 200 } else { 1_000 });
    drop(server);

    println!("\n| changes a second | one writer | {WRITERS} writers | × |\n|---|---|---|---|");
    let server = Server::start(&database);
    rates(&runtime, "as the disk is", &server, time);
    drop(server);
    let server = command(&database, "127.0.0.1:0");
    let mut delayed = Command::new("strace");
    delayed
        .args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync"])
        .args(["-e", "inject=fdatasync,fsync:delay_enter=4000"])
        .arg(server.get_program())
        .args(server.get_args());
    let server = Server::spawn(&mut delayed).expect("strace is there, and the server listens");
    rates(&runtime, "each sync 4 ms slower (bound: 10 ×)", &server, time);
    server.kill_traced();
}

/// A server, and how many milliseconds it took to listen.
fn started(database: &Path) -> (Server, f64) {
    let begin = Instant::now();
    let server = Server::start(database);
    (server, begin.elapsed().as_secs_f64() * 1_000.0)
}

/// Flags of which a third is rolled out by percentage, and a third is on.
async fn fill(address: SocketAddr) {
    let client = Client::new();
    let tasks = (0..WRITERS).map(|writer| {
        let client = client.clone();
        tokio::spawn(async move {
            for number in (writer..FLAGS_COUNT).step_by(WRITERS) {
                let body = format!(r#"{{"key": "flag-{number}", "type": "boolean"}}"#);
                send(&client, Method::POST, address, FLAGS, &body).await;
                let flag = format!("{PRODUCTION}/flags/flag-{number}");
                let on = format!("{flag}/on");
                match number % 3 {
                    0 => send(&client, Method::POST, address, &on, "").await,
                    1 => {
                        let body = r#"{"variant": "on", "percent": 50, "by": "user"}"#;
                        let rollout = format!("{flag}/rollout");
                        send(&client, Method::POST, address, &rollout, body).await;
                        send(&client, Method::POST, address, &on, "").await;
                    }
                    _ => {}
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("the flags are made");
    }
}

/// Reads, while there are a change every tenth of a second and many streams.
fn reads(runtime: &Runtime, server: &Server, time: Duration, streams: usize) {
    let address = server.address;
    let mut readers = Streams::new();
    for _ in 0..streams {
        readers.open(address, None);
    }
    let all = |readers: &Streams| readers.served() == streams;
    assert!(readers.read_until(load::PATIENCE, all), "all are served");
    let stop = Arc::new(AtomicBool::new(false));
    let changes = runtime.spawn({
        let stop = Arc::clone(&stop);
        async move {
            let client = Client::new();
            for change in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                switch(&client, address, 0, change).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    let streams_end = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                readers.read(Duration::from_millis(20), |_, _, _| {});
            }
            assert!(readers.ended.is_empty(), "no stream ends by itself");
        }
    });
    println!("{streams} streams, ten changes a second, one request after the other:\n");
    println!("| read | requests | P50 ms | P99 ms (bound: 20) | max ms |\n|---|---|---|---|---|");
    let context = r#"{"user": {"key": "u-17"}, "tenant": {"key": "acme"}}"#;
    let one = format!(r#"{{"flag": "flag-1", "context": {context}}}"#);
    let every = format!(r#"{{"context": {context}}}"#);
    let evaluate = format!("{PRODUCTION}/evaluate");
    let flag = format!("{PRODUCTION}/flags/flag-1");
    let list = format!("{PRODUCTION}/flags?limit=100");
    for (name, method, path, body) in [
        ("evaluate one flag", Method::POST, &evaluate, &*one),
        ("evaluate all flags", Method::POST, &evaluate, &*every),
        ("one flag's state", Method::GET, &flag, ""),
        ("a page of 100 states", Method::GET, &list, ""),
    ] {
        let mut times = runtime.block_on(async {
            let client = Client::new();
            let (mut times, end) = (Vec::new(), Instant::now() + time);
            while Instant::now() < end {
                let begin = Instant::now();
                send(&client, method.clone(), address, path, body).await;
                times.push(u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            times
        });
        times.sort_unstable();
        let ms = |share| f64::from(quantile(&times, share)) / 1_000.0;
        println!(
            "| {name} | {} | {:.2} | {:.2} | {:.2} |",
            times.len(),
            ms(0.5),
            ms(0.99),
            ms(1.0)
        );
    }
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(changes).expect("the changes are made");
    streams_end.join().expect("the streams are read");
}

/// How many changes a second are acknowledged to one writer, and to many.
fn rates(runtime: &Runtime, disk: &str, server: &Server, time: Duration) {
    let address = server.address;
    let rate = |writers: usize| {
        let end = Instant::now() + time;
        let changes = runtime.block_on(async {
            let writer = |writer| async move {
                let (client, mut changes) = (Client::new(), 0);
                while Instant::now() < end {
                    switch(&client, address, writer, changes).await;
                    changes += 1;
                }
                changes
            };
            let tasks: Vec<_> = (0..writers).map(|number| tokio::spawn(writer(number))).collect();
            let mut changes = 0;
            for task in tasks {
                changes += task.await.expect("nothing is refused");
            }
            changes
        });
        changes as f64 / time.as_secs_f64()
    };
    let (one, many) = (rate(1), rate(WRITERS));
    println!("| {disk} | {one:.0} | {many:.0} | {:.1} |", many / one);
}

/// Switches a writer's flag; only its first change may find it so already.
async fn switch(client: &Client, address: SocketAddr, writer: usize, change: usize) {
    let verb = if change.is_multiple_of(2) { "off" } else { "on" };
    let path = format!("{PRODUCTION}/flags/flag-{}/{verb}", writer * 3);
    send(client, Method::POST, address, &path, "").await;
}

async fn send(client: &Client, method: Method, address: SocketAddr, path: &str, body: &str) {
    let mut request = client.request(method, format!("http://{address}{path}")).bearer_auth(ADMIN);
    if !body.is_empty() {
        request = request.header("content-type", "application/json").body(body.to_owned());
    }
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let text = response.text().await.expect("a body");
    assert!(status.is_success(), "{path} answered {status}: {text}");
}

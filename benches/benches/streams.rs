//! Thousands of SDK streams: how long a change takes to reach each, what a stream costs the
//! server, what happens when one does not read, and when all of them come back at once.
//!
//! The server is a process of its own, and so is the sender that is the floor: it writes the same
//! bytes to as many sockets. This process makes the changes, one a second, and reads all streams on
//! one thread. See `benches/README.md` for what the figures show and what they do not.
//!
//! `-- quick` is the short form: 1,000 streams for half a minute. It fails where a change is lost or
//! comes twice, or a stream is not served; never because of a time.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot set itself up has nothing to measure"
)]

mod load;

use std::collections::BinaryHeap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use flags_client::Client;
use load::admin::{Admin, FLAGS, PRODUCTION};
use load::process::{SDK, Server, usage, was_the_server};
use load::sender::{SENDER, was_the_sender};
use load::streams::{Streams, request, socket};
use load::{PATIENCE, quantile};

/// Between two changes.
const PERIOD: Duration = Duration::from_secs(1);

/// Streams that are opened at the same time, where it does not matter how long that takes.
const AT_ONCE: usize = 250;

fn main() {
    if was_the_server() || was_the_sender() {
        return;
    }
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let quick = std::env::args().any(|argument| argument == "quick");
    let begin = Instant::now();
    let rows: &[(usize, usize, usize)] =
        if quick { &[(1_000, 10, 4)] } else { &[(2_500, 60, 30), (10_000, 600, 60)] };
    println!("one change a second; delays in ms\n");
    println!(
        "| streams | who | changes | P50 | P90 | P99 | max | from the request: P50 | P99 | early | µs of CPU per stream and change | KiB per stream | lost | twice |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for &(streams, changes, floor) in rows {
        measure(streams, changes, floor);
    }
    slow_readers(if quick { 30 } else { 1_000 });
    let away: &[u64] = if quick { &[0] } else { &[0, 5] };
    restart(if quick { 1_000 } else { 9_700 }, if quick { 50 } else { 300 }, away);
    println!("\ntook {} s", begin.elapsed().as_secs());
}

/// What happened to the changes of a run.
struct Run {
    /// From the answer, and from the request, to each stream; in microseconds.
    from_answer: Vec<u32>,
    from_request: Vec<u32>,
    /// Arrivals before the answer was there, which count as 0.
    early: usize,
    lost: u64,
    repeated: u64,
    changes: usize,
}

impl Run {
    fn print(&mut self, streams: usize, who: &str, cpu: Duration, kib: f64) {
        self.from_answer.sort_unstable();
        self.from_request.sort_unstable();
        let ms = |sorted: &[u32], share| f64::from(quantile(sorted, share)) / 1_000.0;
        let answer = |share| ms(&self.from_answer, share);
        println!(
            "| {streams} | {who} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} % | {:.1} | {kib:.1} | {} | {} |",
            self.changes,
            answer(0.5),
            answer(0.9),
            answer(0.99),
            answer(1.0),
            ms(&self.from_request, 0.5),
            ms(&self.from_request, 0.99),
            100.0 * self.early as f64 / self.from_answer.len() as f64,
            cpu.as_secs_f64() * 1e6 / (streams * self.changes) as f64,
            self.lost,
            self.repeated,
        );
        assert_eq!((self.lost, self.repeated), (0, 0), "each change arrives once");
    }

    fn add(&mut self, other: Self) {
        self.from_answer.extend(other.from_answer);
        self.from_request.extend(other.from_request);
        self.early += other.early;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.changes += other.changes;
    }
}

/// The server between two halves of the floor, so that what else the machine does falls on both.
fn measure(streams: usize, changes: usize, floor: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("flags.db"));
    let admin = Admin::new(server.address);
    let last = switched(&admin);
    let frame = frame(&server, &admin, last);
    let (mut floor_run, mut floor_cpu, floor_kib) = floor_run(streams, floor / 2, &frame);

    let before = server.usage();
    let mut readers = opened(server.address, streams);
    let opened = server.usage();
    let mut run = run(&mut readers, last + 1, changes, PERIOD, |change| switch(&admin, change));
    let cpu = server.usage().cpu - opened.cpu;
    let kib = (opened.resident_kib.saturating_sub(before.resident_kib)) as f64 / streams as f64;
    drop(readers);
    drop(server);

    let (second, second_cpu, _) = self::floor_run(streams, floor - floor / 2, &frame);
    floor_run.add(second);
    floor_cpu += second_cpu;
    floor_run.print(streams, "bare sender", floor_cpu, floor_kib);
    run.print(streams, "server", cpu, kib);
    let ratio = |of: fn(&Run) -> &[u32]| {
        let p99 = |run| f64::from(quantile(of(run), 0.99).max(1));
        p99(&run) / p99(&floor_run)
    };
    println!(
        "\nP99 of the server is {:.2} × that of the bare sender from the answer, {:.2} × from the \
         request.\n",
        ratio(|run| &run.from_answer),
        ratio(|run| &run.from_request),
    );
}

/// Makes the flag that is switched, and gives the revision after that.
fn switched(admin: &Admin) -> u64 {
    admin.post(FLAGS, r#"{"key": "switched", "type": "boolean"}"#);
    admin.get(PRODUCTION)["revision"].as_u64().expect("a revision")
}

/// Switches it; when the request was sent, and when it was answered.
fn switch(admin: &Admin, change: usize) -> (Instant, Instant) {
    let verb = if change.is_multiple_of(2) { "on" } else { "off" };
    let answer = admin.post(&format!("{PRODUCTION}/flags/switched/{verb}"), "");
    (answer.sent, answer.arrived)
}

/// The bytes by which the server tells a stream of a change, as they are on the wire.
fn frame(server: &Server, admin: &Admin, last: u64) -> Vec<u8> {
    let id = admin.get(PRODUCTION)["epoch"].as_str().expect("an epoch").to_owned();
    let after = format!("{id}.{}", last - 1);
    let mut socket = TcpStream::connect(server.address).expect("the server listens");
    let request = request(server.address, Some(&after));
    socket.write_all(request.as_bytes()).expect("the server reads");
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = socket.read(&mut buffer).expect("an answer");
        bytes.extend_from_slice(buffer.get(..length).expect("read into it"));
        let Some(event) = memchr::memmem::find(&bytes, b"event: change\n") else { continue };
        // With the line before it, the length of the chunk.
        let head = bytes.get(..event.saturating_sub(2)).unwrap_or_default();
        let begin = memchr::memrchr(b'\n', head).map_or(0, |end| end + 1);
        let rest = bytes.get(begin..).unwrap_or_default();
        if let Some(end) = memchr::memmem::find(rest, b"\n\n\r\n") {
            return rest.get(..end + 4).unwrap_or_default().to_vec();
        }
    }
}

/// Opens streams and waits until all of them are served.
fn opened(address: SocketAddr, count: usize) -> Streams {
    let mut readers = Streams::new();
    for opened in 1..=count {
        readers.open(address, None);
        if opened.is_multiple_of(AT_ONCE) || opened == count {
            let all = |readers: &Streams| readers.served() == opened;
            assert!(readers.read_until(PATIENCE, all), "all are served");
        }
    }
    readers
}

/// Changes one a second, and reads until every stream has all of them.
fn run(
    readers: &mut Streams,
    first: u64,
    changes: usize,
    period: Duration,
    mut push: impl FnMut(usize) -> (Instant, Instant) + Send,
) -> Run {
    let count = readers.streams.len();
    for stream in &mut readers.streams {
        stream.next = first;
    }
    let begin = Instant::now();
    let since = |at: Instant| u32::try_from((at - begin).as_micros()).unwrap_or(u32::MAX);
    let mut arrivals = vec![u32::MAX; count * changes];
    let mut missing = arrivals.len();
    let times = std::thread::scope(|scope| {
        let maker = scope.spawn(|| {
            (0..changes)
                .map(|change| {
                    let at = begin + period * u32::try_from(change).expect("few");
                    std::thread::sleep(at.saturating_duration_since(Instant::now()));
                    let (sent, answered) = push(change);
                    (since(sent), since(answered))
                })
                .collect::<Vec<_>>()
        });
        let mut end = None;
        while missing > 0 && end.is_none_or(|end| Instant::now() < end) {
            readers.read(Duration::from_millis(100), |stream, revision, at| {
                let index = usize::try_from(revision - first).expect("few") * count + stream;
                if let Some(arrival) = arrivals.get_mut(index) {
                    *arrival = since(at);
                    missing -= 1;
                }
            });
            if end.is_none() && maker.is_finished() {
                end = Some(Instant::now() + PATIENCE);
            }
        }
        maker.join().expect("the changes are made")
    });
    let mut run = Run {
        from_answer: Vec::with_capacity(arrivals.len()),
        from_request: Vec::with_capacity(arrivals.len()),
        early: 0,
        lost: missing as u64,
        repeated: readers.streams.iter().map(|stream| stream.repeated).sum(),
        changes,
    };
    assert!(readers.ended.is_empty(), "no stream ends by itself");
    for (arrivals, (sent, answered)) in arrivals.chunks(count).zip(times) {
        for arrival in arrivals.iter().filter(|arrival| **arrival != u32::MAX) {
            run.early += usize::from(*arrival < answered);
            run.from_answer.push(arrival.saturating_sub(answered));
            run.from_request.push(arrival.saturating_sub(sent));
        }
    }
    run
}

/// The same with the sender that is the floor; its CPU and its memory besides.
fn floor_run(streams: usize, changes: usize, frame: &[u8]) -> (Run, Duration, f64) {
    let mut command = Command::new(std::env::current_exe().expect("this executable"));
    let sender = Server::spawn(command.arg(SENDER)).expect("the sender listens");
    let mut control = TcpStream::connect(sender.address).expect("it listens");
    control.set_nodelay(true).expect("an option");
    let length = |bytes: usize| u32::try_from(bytes).expect("few").to_le_bytes();
    control.write_all(&length(streams)).expect("it reads");
    let before = usage(sender.pid());
    let mut readers = opened(sender.address, streams);
    let opened = usage(sender.pid());
    let text = String::from_utf8(frame.to_vec()).expect("UTF-8");
    let (head, rest) = text.split_once("\nid: ").expect("an id");
    let (_, rest) = rest.split_once('\n').expect("lines");
    let run = run(&mut readers, 1, changes, PERIOD, |change| {
        let frame = format!("{head}\nid: {:032x}.{}\n{rest}", 0, change + 1);
        let sent = Instant::now();
        control.write_all(&length(frame.len())).expect("it reads");
        control.write_all(frame.as_bytes()).expect("it reads");
        control.read_exact(&mut [0]).expect("it answers");
        (sent, Instant::now())
    });
    let cpu = usage(sender.pid()).cpu - opened.cpu;
    let kib = opened.resident_kib.saturating_sub(before.resident_kib) as f64 / streams as f64;
    (run, cpu, kib)
}

/// Streams that nobody reads, beside some that are read.
fn slow_readers(changes: usize) {
    const READ: usize = 200;
    const SLOW: usize = 100;
    const RECEIVE_BYTES: usize = 4096;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("flags.db"));
    let admin = Admin::new(server.address);
    let long = "x".repeat(64 * 1024);
    let flag = format!(
        r#"{{"key": "switched", "type": "string", "off_variant": "a", "fallthrough": "b",
            "variants": [{{"name": "a", "value": "{long}"}}, {{"name": "b", "value": ""}}]}}"#
    );
    admin.post(FLAGS, &flag);
    let revision = || admin.get(PRODUCTION)["revision"].as_u64().expect("a revision");
    let period = Duration::from_millis(100);
    println!("{READ} streams that are read, ten changes of 64 KiB a second\n");
    println!("| beside | changes | P50 ms | P99 ms | the server holds, MiB | before, MiB |");
    println!("|---|---|---|---|---|---|");
    let mut readers = opened(server.address, READ);
    let mut row = |beside: &str| {
        let (before, first) = (server.usage(), revision() + 1);
        let admin = Admin::new(server.address);
        let mut run = run(&mut readers, first, changes, period, |change| switch(&admin, change));
        run.from_answer.sort_unstable();
        let ms = |share| f64::from(quantile(&run.from_answer, share)) / 1_000.0;
        let mib = |kib: u64| kib as f64 / 1024.0;
        println!(
            "| {beside} | {changes} | {:.1} | {:.1} | {:.1} | {:.1} |",
            ms(0.5),
            ms(0.99),
            mib(server.usage().resident_kib),
            mib(before.resident_kib)
        );
        assert_eq!((run.lost, run.repeated), (0, 0), "each change arrives once");
    };
    row("nobody");
    let first = revision() + 1;
    let slow: Vec<_> = (0..SLOW)
        .map(|index| {
            let mut socket = socket(index);
            socket.set_recv_buffer_size(RECEIVE_BYTES).expect("an option");
            socket.connect(&server.address.into()).expect("the server listens");
            socket.write_all(request(server.address, None).as_bytes()).expect("it is sent");
            // Some of the answer: it is a stream by now.
            let mut head = [std::mem::MaybeUninit::uninit(); 16];
            socket.peek(&mut head).expect("an answer");
            socket
        })
        .collect();
    row(&format!("{SLOW} that do not read"));
    // Now they do.
    let last = revision();
    let mut readers = Streams::new();
    for socket in slow {
        readers.adopt(socket);
    }
    for stream in &mut readers.streams {
        stream.next = first;
    }
    let is_done = |readers: &Streams| {
        let is_done = |stream: &load::streams::Stream| stream.next == last + 1 || stream.resets > 0;
        readers.streams.iter().filter(|stream| is_done(stream)).count() + readers.ended.len()
            >= SLOW
    };
    let begin = Instant::now();
    assert!(readers.read_until(PATIENCE, is_done), "they catch up");
    let sum = |of: fn(&load::streams::Stream) -> u64| readers.streams.iter().map(of).sum::<u64>();
    let all = readers.streams.iter().filter(|stream| stream.next == last + 1).count();
    println!(
        "\nThen they read: {all} of {SLOW} have every change after {:.1} s, {} were told to reset, {} \
         ended; lost {}, twice {}; the server holds {:.1} MiB.\n",
        begin.elapsed().as_secs_f64(),
        sum(|stream| stream.resets),
        readers.ended.len(),
        sum(|stream| stream.lost),
        sum(|stream| stream.repeated),
        server.usage().resident_kib as f64 / 1024.0,
    );
    assert_eq!(sum(|stream| stream.lost + stream.repeated), 0, "each change arrives once");
}

/// Everybody comes back after a crash: raw streams with the SDK's pauses, and real SDKs.
fn restart(streams: usize, clients: usize, away: &[u64]) {
    println!("{streams} streams and {clients} SDKs come back after a kill\n");
    println!(
        "| the server is away for, s | starts in, ms | half served, s after ready | all streams | all SDKs | attempts refused | lost | twice |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for seconds in away {
        restart_after(Duration::from_secs(*seconds), streams, clients);
    }
}

fn restart_after(away: Duration, streams: usize, clients: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("flags.db");
    let server = Server::start(&database);
    let address = server.address;
    let admin = Admin::new(address);
    let last = switched(&admin);
    let epoch = admin.get(PRODUCTION)["epoch"].as_str().expect("an epoch").to_owned();
    let mut readers = opened(address, streams);
    for stream in &mut readers.streams {
        stream.next = last + 1;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let clients: Vec<Client> = runtime.block_on(async {
        let mut all = Vec::new();
        for _ in 0..clients {
            let client = Client::builder(format!("http://{address}"), SDK).connect().await;
            let client = client.expect("a client");
            client.ready(PATIENCE).await.expect("the client is live");
            all.push(client);
        }
        all
    });

    drop(server);
    let mut due = BinaryHeap::new();
    let mut attempts = vec![0u32; streams];
    let mut refused = 0;
    let (ready, started, _server, back) = std::thread::scope(|scope| {
        let starter = scope.spawn(|| {
            std::thread::sleep(away);
            let begin = Instant::now();
            let server = Server::start_at(&database, &address.to_string());
            let ready = Instant::now();
            // Everybody has missed something.
            switch(&Admin::new(address), 0);
            let back = clients.iter().map(|client| {
                let client = client.clone();
                runtime.spawn(async move {
                    client.wait_for(last + 1, PATIENCE).await.expect("the SDK is back");
                    Instant::now()
                })
            });
            let back: Vec<_> = back.collect();
            let back = runtime.block_on(async {
                let mut last = ready;
                for back in back {
                    last = last.max(back.await.expect("the task ends"));
                }
                last
            });
            (ready, ready - begin, server, back)
        });
        let mut behind = streams;
        let end = Instant::now() + away + PATIENCE;
        while !starter.is_finished() || (behind > 0 && Instant::now() < end) {
            readers.read(Duration::from_millis(5), |_, _, _| behind -= 1);
            for index in std::mem::take(&mut readers.ended) {
                let (Some(stream), Some(attempt)) =
                    (readers.streams.get(index), attempts.get_mut(index))
                else {
                    continue;
                };
                refused += usize::from(*attempt > 0);
                due.push((
                    std::cmp::Reverse(Instant::now() + pause(stream.retry, *attempt)),
                    index,
                ));
                *attempt += 1;
            }
            while let Some((at, index)) = due.peek().copied()
                && at.0 <= Instant::now()
            {
                due.pop();
                readers.connect(index, address, Some(&format!("{epoch}.{last}")));
            }
        }
        starter.join().expect("the server starts again")
    });
    let mut served: Vec<u32> = readers
        .streams
        .iter()
        .filter_map(|stream| stream.served)
        .map(|at| u32::try_from(at.saturating_duration_since(ready).as_millis()).expect("soon"))
        .collect();
    assert_eq!(served.len(), streams, "all are served");
    let behind = readers.streams.iter().filter(|stream| stream.next != last + 2).count();
    assert_eq!(behind, 0, "all have what they missed");
    served.sort_unstable();
    let seconds = |share| f64::from(quantile(&served, share)) / 1_000.0;
    let sum = |of: fn(&load::streams::Stream) -> u64| readers.streams.iter().map(of).sum::<u64>();
    let (lost, repeated) = (sum(|stream| stream.lost), sum(|stream| stream.repeated));
    println!(
        "| {} | {} | {:.1} | {:.1} | {:.1} | {refused} | {lost} | {repeated} |",
        away.as_secs(),
        started.as_millis(),
        seconds(0.5),
        seconds(1.0),
        (back - ready).as_secs_f64(),
    );
    assert_eq!((lost, repeated), (0, 0), "each change arrives once");
}

/// How the SDK waits (`flags-client/src/backoff.rs`): what the server asked for, and a part drawn
/// from a window that doubles.
fn pause(retry: Duration, attempt: u32) -> Duration {
    let window = Duration::from_secs(1).saturating_mul(2u32.saturating_pow(attempt));
    let hint = retry.clamp(Duration::from_millis(250), Duration::from_secs(5 * 60));
    hint + window.min(Duration::from_secs(60)).mul_f64(fastrand::f64())
}

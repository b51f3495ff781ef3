//! `/metrics`, as a Prometheus reads it.

#![cfg(test)]

mod server;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use flags_core::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, PRODUCTION, SDK, TestServer, answer};

/// The page, series by series, read as strictly as the format is written.
struct Scrape {
    text: String,
    series: HashMap<String, f64>,
}

async fn scrape(server: &TestServer) -> Scrape {
    let response = server.request(Method::GET, "/metrics", ADMIN).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4");
    Scrape::read(response.text().await.unwrap())
}

impl Scrape {
    fn read(text: String) -> Self {
        let mut series = HashMap::new();
        let (mut helped, mut family, mut families) = ("", ("", ""), HashSet::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                helped = help.split_once(' ').unwrap().0;
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                family = kind.split_once(' ').unwrap();
                assert_eq!(family.0, helped, "{line}");
                assert!(families.insert(family.0), "twice: {line}");
                assert!(["counter", "gauge", "histogram"].contains(&family.1), "{line}");
                assert_eq!(family.1 == "counter", family.0.ends_with("_total"), "{line}");
            } else {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let (metric, labels) = name.split_once('{').unwrap_or((name, "}"));
                let suffix = metric.strip_prefix(family.0).unwrap();
                match family.1 {
                    "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix)),
                    _ => assert_eq!(suffix, ""),
                }
                assert!(labels.ends_with('}'), "{line}");
                let value = value.parse().unwrap();
                assert!(series.insert(name.to_owned(), value).is_none(), "twice: {line}");
            }
        }
        Self { text, series }
    }

    /// The value of a series, as it is written, with its labels in their order.
    #[track_caller]
    fn value(&self, series: &str) -> f64 {
        *self.series.get(series).unwrap_or_else(|| panic!("no {series} in {}", self.text))
    }
}

const IN_PRODUCTION: &str = r#"{environment="production",project="default"}"#;

#[tokio::test]
async fn it_tells_traffic_latency_errors_and_saturation() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    server.press(&format!("{PRODUCTION}/flags/f/on")).await.is(200);
    server.press(&format!("{PRODUCTION}/flags/missing/on")).await.is(404);
    server.snapshot().await;
    let mut stream = server.stream("").await;
    stream.block().await.unwrap();
    server.press(&format!("{PRODUCTION}/flags/f/off")).await.is(200);
    stream.next().await.unwrap();

    let scrape = scrape(&server).await;
    let on = r#"area="admin",method="POST",route="/api/v1/projects/{p}/environments/{e}/flags/{flag}/on""#;
    for (status, count) in [("200", 1.0), ("404", 1.0)] {
        let series = format!("flags_http_requests_total{{{on},status=\"{status}\"}}");
        assert_eq!(scrape.value(&series), count);
    }
    let seconds = "flags_http_request_duration_seconds";
    assert_eq!(scrape.value(&format!("{seconds}_count{{{on}}}")), 2.0);
    for le in ["0.5", "0.6", "+Inf"] {
        assert!(scrape.value(&format!("{seconds}_bucket{{{on},le=\"{le}\"}}")) <= 2.0);
    }
    for (area, route) in [("sdk", "/sdk/v1/snapshot"), ("stream", "/sdk/v1/stream")] {
        let labels = format!(r#"{{area="{area}",method="GET",route="{route}"}}"#);
        assert_eq!(scrape.value(&format!("{seconds}_count{labels}")), 1.0);
    }
    assert_eq!(scrape.value(r#"flags_http_requests_in_flight{area="admin"}"#), 0.0);
    assert_eq!(scrape.value(r#"flags_http_requests_in_flight{area="other"}"#), 1.0);

    assert_eq!(scrape.value(&format!("flags_environment_revision{IN_PRODUCTION}")), 3.0);
    assert_eq!(scrape.value(&format!("flags_streams_open{IN_PRODUCTION}")), 1.0);
    assert_eq!(scrape.value("flags_change_delivery_seconds_count"), 1.0);
    // A flag is in both environments.
    assert_eq!(scrape.value("flags_changes_total"), 4.0);

    assert_eq!(scrape.value(r#"flags_writes_total{outcome="done"}"#), 3.0);
    assert_eq!(scrape.value(r#"flags_writes_total{outcome="refused"}"#), 1.0);
    assert_eq!(scrape.value("flags_writer_wait_seconds_count"), 4.0);
    assert_eq!(scrape.value("flags_writer_commit_seconds_count"), 4.0);
    assert_eq!(scrape.value("flags_writer_group_size_sum"), 4.0);
    assert_eq!(scrape.value("flags_writer_queue_length"), 0.0);
    assert_eq!(scrape.value("flags_writer_queue_limit"), 256.0);
    assert_eq!(scrape.value(r#"flags_pool_limit{pool="computations"}"#), 4.0);
    for gauge in [
        "flags_sqlite_database_bytes",
        "flags_sqlite_wal_bytes",
        "flags_sqlite_wal_frames",
        "flags_disk_free_bytes",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(scrape.value(gauge) > 0.0, "{gauge}");
    }
}

#[tokio::test]
async fn a_stream_that_ended_is_counted_by_who_ended_it() {
    let server = TestServer::start().await;
    let stream = server.stream("").await;
    server.stream("?after=other.1").await;
    drop(stream);
    let deadline = std::time::Instant::now() + server::DEADLINE;
    loop {
        let scrape = scrape(&server).await;
        assert_eq!(scrape.value(r#"flags_streams_ended_total{reason="reset"}"#), 1.0);
        if scrape.series.contains_key(r#"flags_streams_ended_total{reason="client"}"#) {
            assert_eq!(scrape.value(&format!("flags_streams_open{IN_PRODUCTION}")), 0.0);
            return;
        }
        assert!(std::time::Instant::now() < deadline, "the stream does not end");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// What is scheduled, what became of it, and what should have been made by now.
#[tokio::test]
async fn it_tells_of_what_is_scheduled() {
    const OVERDUE: &str = "flags_schedule_overdue_seconds";
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let at = |millis: u128| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        Timestamp::from_millis(i64::try_from(now + millis).unwrap()).to_string()
    };
    let schedule = async |millis, change: Value| {
        let said = json!({"at": at(millis), "change": change});
        server.post(&format!("{PRODUCTION}/schedule"), said).await.is(201);
    };
    let ended = |outcome: &str| format!("flags_schedule_ended_total{{outcome=\"{outcome}\"}}");
    let until = async |is_so: &dyn Fn(&Scrape) -> bool| {
        let deadline = std::time::Instant::now() + server::DEADLINE;
        loop {
            let scrape = scrape(&server).await;
            if is_so(&scrape) {
                return scrape;
            }
            assert!(std::time::Instant::now() < deadline, "{}", scrape.text);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // Both outcomes are there before there is one.
    let page = scrape(&server).await;
    for series in ["flags_schedule_open", OVERDUE, &ended("done"), &ended("failed")] {
        assert_eq!(page.value(series), 0.0, "{series}");
    }
    schedule(3_600_000, json!({"action": "flag_state.on", "key": "f"})).await;
    let page = scrape(&server).await;
    assert_eq!((page.value("flags_schedule_open"), page.value(OVERDUE)), (1.0, 0.0));

    // Nobody can write while another process does: before they are due, however slow the machine is.
    let other = rusqlite::Connection::open(server.database()).unwrap();
    let open = "SELECT count(*) FROM scheduled_change WHERE state = 'open'";
    let mut attempts = 0;
    loop {
        attempts += 1;
        let flag = format!("f{attempts}");
        server.create_flag(&flag).await;
        let state = server.get(&format!("{PRODUCTION}/flags/{flag}")).await.is(200);
        let (version, millis) = (&state["version"], 500 << attempts);
        schedule(millis, json!({"action": "flag_state.on", "key": flag})).await;
        // The first one makes the version another one.
        let stale = json!({"action": "flag_state.off", "key": flag, "if_version": version});
        schedule(millis, stale).await;
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        if other.query_row(open, (), |row| row.get::<_, u32>(0)).unwrap() == 3 {
            break;
        }
        other.execute_batch("ROLLBACK").unwrap();
    }
    until(&|page| page.value(OVERDUE) >= 1.0).await;
    other.execute_batch("ROLLBACK").unwrap();
    let page = until(&|page| page.value("flags_schedule_open") == 1.0).await;
    assert_eq!(page.value(OVERDUE), 0.0);
    let attempts = f64::from(attempts);
    let both = |page: &Scrape| (page.value(&ended("done")), page.value(&ended("failed")));
    let page = until(&|page| both(page) == (attempts, attempts)).await;
    assert_eq!(page.value("flags_schedule_lateness_seconds_count"), 2.0 * attempts);
    assert!(page.value("flags_schedule_lateness_seconds_sum") >= 2.0, "both were a second late");
}

#[tokio::test]
async fn it_needs_a_token_that_may_read_everything() {
    let server = TestServer::start().await;
    answer(server.request(Method::GET, "/metrics", SDK)).await.problem(403, "forbidden");
    let wrong = server.request(Method::GET, "/metrics", "wrong");
    answer(wrong).await.problem(401, "unauthenticated");
}

/// Whatever requests say, there are no more series for it, and it stands nowhere.
#[tokio::test]
async fn nothing_that_a_request_made_up_is_in_it() {
    let server = TestServer::start().await;
    server.create_flag("f-needle").await;
    server.press(&format!("{PRODUCTION}/flags/f-needle/on")).await.is(200);
    let target = format!("{PRODUCTION}/flags/f-needle/tenants/acme-needle");
    let target = server.request(Method::PUT, &target, ADMIN).json(&json!({"variant": "on"}));
    answer(target).await.is(200);
    let context = json!({"user": {"key": "user-needle"}, "tenant": {"key": "acme-needle"}});
    let body = json!({"flag": "f-needle", "context": context});
    server.post(&format!("{PRODUCTION}/evaluate"), body).await.is(200);
    let names = |scrape: &Scrape| -> HashSet<String> { scrape.series.keys().cloned().collect() };
    // What the first scrape itself adds is there with the second.
    scrape(&server).await;
    let odd = async |number: usize| {
        let method = Method::from_bytes(format!("NEEDLE{number}").as_bytes()).unwrap();
        let path = format!("/needle-{number}/%22%0a?needle={number}");
        let request = server.request(method, &path, &format!("token-needle-{number}"));
        answer(request.header("x-request-id", format!("needle-{number}"))).await;
        server.get(&format!("/api/v1/projects/needle-{number}")).await.problem(404, "not_found");
    };
    odd(0).await;
    let before = names(&scrape(&server).await);
    for number in 1..30 {
        odd(number).await;
    }
    let scrape = scrape(&server).await;
    assert_eq!(names(&scrape), before);
    for secret in ["needle", ADMIN, SDK, "NEEDLE"] {
        assert!(!scrape.text.contains(secret), "{secret} in {}", scrape.text);
    }
}

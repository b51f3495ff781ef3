//! How much one may ask, and that others do not suffer from it.

#![cfg(test)]

mod server;

use std::num::NonZeroU32;
use std::sync::Arc;

use flags_server::Quotas;
use reqwest::Method;
use serde_json::json;
use server::{ADMIN, Answer, DEADLINE, Events, PRODUCTION, SDK, TestServer, answer};
use tokio::time::timeout;

const PROJECTS: &str = "/api/v1/projects";
const SNAPSHOT: &str = "/sdk/v1/snapshot";

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

async fn get(server: &TestServer, path: &str, token: &str) -> Answer {
    answer(server.request(Method::GET, path, token)).await
}

/// The parameter of a header such as `"admin";r=5;t=1`.
fn parameter(answer: &Answer, header: &str, name: &str) -> u64 {
    let value = answer.header(header);
    let found = value.split(';').find_map(|part| part.strip_prefix(&format!("{name}=")));
    found.unwrap_or_else(|| panic!("no {name} in {value}")).parse().unwrap()
}

/// Asks until it is too much.
async fn exhaust(server: &TestServer, path: &str, token: &str) -> Answer {
    loop {
        let answer = get(server, path, token).await;
        if answer.status == 429 {
            return answer;
        }
    }
}

fn is_refused(answer: Answer, name: &str, quota: u32) {
    assert_eq!(answer.header("ratelimit-policy"), format!("\"{name}\";q={quota};w=60"));
    assert_eq!(parameter(&answer, "ratelimit", "r"), 0);
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    answer.problem(429, "rate_limited");
}

#[tokio::test]
async fn a_token_is_told_how_much_it_may_ask_and_when_it_was_too_much() {
    let quotas = Quotas { admin_requests_per_minute: number(5), ..Default::default() };
    let server = TestServer::start_limited(quotas).await;
    let first = get(&server, PROJECTS, ADMIN).await;
    assert_eq!(first.header("ratelimit-policy"), "\"admin\";q=5;w=60");
    assert_eq!(first.header("ratelimit"), "\"admin\";r=4;t=12");
    first.is(200);
    // What is refused for other reasons counts, too.
    assert_eq!(parameter(&get(&server, SNAPSHOT, ADMIN).await, "ratelimit", "r"), 3);
    assert_eq!(parameter(&get(&server, "/api/v1/none", ADMIN).await, "ratelimit", "r"), 2);
    is_refused(exhaust(&server, PROJECTS, ADMIN).await, "admin", 5);
    // Others have quotas of their own.
    let snapshot = get(&server, SNAPSHOT, SDK).await;
    assert_eq!(snapshot.header("ratelimit-policy"), "\"sdk\";q=120000;w=60");
    snapshot.is(200);
}

#[tokio::test]
async fn an_sdk_that_asks_too_much_is_not_in_the_way_of_administrators() {
    let quotas = Quotas { sdk_requests_per_minute: number(3), ..Default::default() };
    let server = TestServer::start_limited(quotas).await;
    is_refused(exhaust(&server, SNAPSHOT, SDK).await, "sdk", 3);
    server.create_flag("f").await;
    server.press(&format!("{PRODUCTION}/flags/f/on")).await.is(200);
}

#[tokio::test]
async fn failures_are_limited_by_address_and_in_nobody_elses_way() {
    let quotas = Quotas { failed_authentications_per_minute: number(4), ..Default::default() };
    let server = TestServer::start_limited(quotas).await;
    let first = get(&server, PROJECTS, "wrong").await;
    assert_eq!(first.header("ratelimit"), "\"failed-authentication\";r=3;t=15");
    first.problem(401, "unauthenticated");
    is_refused(exhaust(&server, "/nothing", "").await, "failed-authentication", 4);
    is_refused(exhaust(&server, "/sdk/v1/stream", "wrong").await, "failed-authentication", 4);
    // From the same address.
    get(&server, PROJECTS, ADMIN).await.is(200);
    get(&server, "/readyz", "").await.is(200);
    assert_eq!(server.stream("").await.headers["content-type"], "text/event-stream");
}

#[tokio::test]
async fn a_token_has_so_many_streams_and_gets_places_back() {
    let quotas = Quotas { streams_per_token: 2, ..Default::default() };
    let server = TestServer::start_limited(quotas).await;
    let mut open = vec![server.stream("").await, server.stream("").await];
    let refused = get(&server, "/sdk/v1/stream", SDK).await;
    refused.header("retry-after").parse::<u64>().unwrap();
    refused.problem(429, "too_many_streams");
    // Not of another token.
    let said = json!({"name": "x", "kind": "sdk", "environment": "production"});
    let other = server.post("/api/v1/tokens", said).await.is(201);
    let other = other["token"].as_str().unwrap().to_owned();
    let _other = Events::of(server.request(Method::GET, "/sdk/v1/stream", &other)).await;
    // Nor are snapshots counted.
    get(&server, SNAPSHOT, SDK).await.is(200);
    open.pop();
    let again = timeout(DEADLINE, async {
        while get_status(&server, "/sdk/v1/stream").await != 200 {
            tokio::task::yield_now().await;
        }
    });
    again.await.expect("a place is free when its stream is gone");
}

async fn get_status(server: &TestServer, path: &str) -> u16 {
    server.request(Method::GET, path, SDK).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn quotas_are_shown_where_limits_are() {
    let quotas = Quotas { streams_per_token: 7, ..Default::default() };
    let server = TestServer::start_limited(quotas).await;
    let limits = &server.get(PRODUCTION).await.is(200)["limits"];
    for (name, limit) in [
        ("streams_per_token", 7),
        ("admin_requests_per_minute", 6_000),
        ("sdk_requests_per_minute", 120_000),
        ("failed_authentications_per_minute", 60),
        ("body_bytes", 1024 * 1024),
    ] {
        assert_eq!(limits[name], limit, "{name}");
    }
}

#[tokio::test]
async fn a_flood_of_sdks_does_not_starve_administrators() {
    let server = Arc::new(TestServer::start().await);
    server.create_flag("f").await;
    let mut flood = Vec::new();
    for _ in 0..8 {
        let server = Arc::clone(&server);
        flood.push(tokio::spawn(async move {
            loop {
                server.snapshot().await;
            }
        }));
    }
    for _ in 0..20 {
        server.press(&format!("{PRODUCTION}/flags/f/on")).await.is(200);
        server.press(&format!("{PRODUCTION}/flags/f/off")).await.is(200);
    }
    assert!(flood.iter().all(|flooding| !flooding.is_finished()), "it went on all the time");
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}

//! What the server is told of the instances that follow it.

#![cfg(test)]

#[path = "../../flags-server/tests/server/mod.rs"]
mod server;
mod support;

use flags_client::{BuildError, Builder, Client, Entity, Flag};
use serde_json::{Value, json};
use server::{PRODUCTION, SDK, TestServer};
use support::{Canned, SOON, until};

const CHECKOUT: Flag<bool> = Flag::new("checkout", false);

fn builder(server: &TestServer) -> Builder {
    Client::builder(&server.base, SDK).first_snapshot_timeout(SOON).app("shop").hurried()
}

async fn connect(server: &TestServer, instance: &str) -> Client {
    let client = builder(server).instance(instance).connect().await.unwrap();
    client.ready(SOON).await.unwrap();
    client
}

async fn propagation(server: &TestServer, revision: u64) -> Value {
    server.get(&format!("{PRODUCTION}/propagation/{revision}?wait=20s")).await.is(200)
}

async fn instances(server: &TestServer) -> Value {
    server.get(&format!("{PRODUCTION}/instances")).await.is(200)["items"].clone()
}

/// Waits until the server lists these, each with this revision.
async fn listed(server: &TestServer, expected: &[(&str, u64)]) {
    let deadline = tokio::time::Instant::now() + SOON;
    let expected: Vec<_> = expected.iter().map(|(id, at)| (json!(id), json!(at))).collect();
    loop {
        let items = instances(server).await;
        let found = items.as_array().unwrap().iter();
        let found: Vec<_> =
            found.map(|item| (item["instance"].clone(), item["revision"].clone())).collect();
        if found == expected {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{expected:?} are not {found:?}");
    }
}

#[tokio::test]
async fn the_receipt_of_a_change_arrives_from_everybody() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let one = connect(&server, "one").await;
    let _two = connect(&server, "two").await;
    listed(&server, &[("one", 1), ("two", 1)]).await;
    let on = server.press(&format!("{PRODUCTION}/flags/checkout/on")).await.is(200);
    let revision = on["revision"].as_u64().unwrap();
    let arrived = propagation(&server, revision).await;
    assert_eq!((&arrived["connected"], &arrived["applied"]), (&2.into(), &2.into()), "{arrived}");
    assert_eq!((&arrived["pending"], &arrived["unidentified"]), (&0.into(), &0.into()));
    assert!(arrived["delay_ms"]["max"].is_u64(), "{arrived}");
    // What it says it has, answers show.
    assert!(one.is_on(&CHECKOUT, &Entity::tenant("acme")));
    let items = instances(&server).await;
    assert_eq!(items[0]["app"], "shop");
    assert_eq!(items[0]["sdk"]["name"], "flags-client");
    assert_eq!(items[0]["sdk"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn an_instance_that_goes_away_leaves_the_list() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let one = connect(&server, "one").await;
    let two = connect(&server, "two").await;
    listed(&server, &[("one", 1), ("two", 1)]).await;
    drop(one);
    listed(&server, &[("two", 1)]).await;
    drop(two);
    listed(&server, &[]).await;
}

#[tokio::test]
async fn a_restarted_server_is_told_again() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let _client = connect(&server, "one").await;
    listed(&server, &[("one", 1)]).await;
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    let dir = server.stop().await;
    let server = TestServer::start_at(dir, &address).await;
    listed(&server, &[("one", 1)]).await;
}

#[tokio::test]
async fn by_one_switch_nothing_is_told() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let client = builder(&server).receipts(false).connect().await.unwrap();
    client.ready(SOON).await.unwrap();
    let on = server.press(&format!("{PRODUCTION}/flags/checkout/on")).await.is(200);
    client.wait_for(on["revision"].as_u64().unwrap(), SOON).await.unwrap();
    let arrived = propagation(&server, 2).await;
    assert_eq!((&arrived["connected"], &arrived["unidentified"]), (&0.into(), &1.into()));
    assert_eq!(instances(&server).await, json!([]));
}

/// A server that takes no receipts is as good as one that does.
#[tokio::test]
async fn receipts_that_fail_harm_nothing() {
    let garbage = Canned { body: b"\xff".to_vec(), ..Canned::status(200) };
    for answer in [Canned::status(404), Canned::status(500), Canned::html(), garbage] {
        let server = support::Server::start().await;
        server.answer_telemetry(answer.clone());
        let client = server.client().await;
        until("the first receipt", || !server.telemetry().is_empty()).await;
        let revision = server.set("a", true);
        client.wait_for(revision, SOON).await.unwrap();
        let told = |body: &Value| {
            let applied = body["applied"].as_array().unwrap();
            applied.iter().any(|applied| applied["revision"] == revision)
        };
        until("another receipt", || server.telemetry().iter().any(told)).await;
        let status = client.status();
        assert_eq!((status.counters.failures, status.last_error), (0, None), "{answer:?}");
    }
}

/// Changes that come together are told together.
#[tokio::test]
async fn a_burst_of_changes_is_told_at_once() {
    let server = support::Server::start().await;
    // With the pauses that it has in a service.
    let builder = Client::builder(server.url(), support::TOKEN).first_snapshot_timeout(SOON);
    let client = builder.connect().await.unwrap();
    client.ready(SOON).await.unwrap();
    for number in 0..200 {
        server.set("a", number % 2 == 0);
    }
    let last = server.position().revision;
    client.wait_for(last, SOON).await.unwrap();
    let told = |body: &Value| {
        let applied = body["applied"].as_array().unwrap();
        applied.last().unwrap()["revision"] == last
    };
    until("the receipt of the last", || server.telemetry().iter().any(told)).await;
    let receipts = server.telemetry();
    assert!(receipts.len() < 100, "{} receipts of 200 changes", receipts.len());
    assert!(receipts.iter().all(|body| body["applied"].as_array().unwrap().len() <= 8));
    assert_eq!(receipts[0]["instance"].as_str().unwrap().len(), 16);
    assert!(!receipts.iter().any(|body| body.to_string().contains(support::TOKEN)));
}

#[tokio::test]
async fn names_that_no_server_takes_are_refused_at_once() {
    for name in ["", "a b", "ä", "a\n", &"x".repeat(65)] {
        let app = Client::builder("http://localhost", "token").app(name).connect().await;
        assert!(matches!(app, Err(BuildError::Name(_))), "{name}");
        let instance = Client::builder("http://localhost", "token").instance(name).connect().await;
        assert!(matches!(instance, Err(BuildError::Name(_))), "{name}");
    }
}

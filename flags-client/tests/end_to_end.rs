//! The client against the real server: what the API is told, the stream carries and the client
//! answers is the same.

#![cfg(test)]

#[path = "../../flags-server/tests/server/mod.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use flags_client::{
    Client, Context, Document, Entity, Flag, JsonContext, ProblemKind, Source, State, Timestamp,
};
use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, FLAGS, PRODUCTION, SDK, TestServer, answer};
use tempfile::TempDir;

const CHECKOUT: Flag<bool> = Flag::new("checkout", false);
const ACME: Entity<'_> = Entity::tenant("acme");
const SOON: Duration = Duration::from_secs(20);

async fn client(server: &TestServer) -> Client {
    let client = Client::builder(&server.base, SDK).hurried().connect().await.unwrap();
    client.ready(SOON).await.unwrap();
    client
}

fn revision(written: &Value) -> u64 {
    written["revision"].as_u64().unwrap()
}

#[tokio::test]
async fn a_flag_switched_over_http_changes_the_answer() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let client = client(&server).await;
    assert!(!client.is_on(&CHECKOUT, &ACME));

    let flag = format!("{PRODUCTION}/flags/checkout");
    let on = server.press(&format!("{flag}/on")).await.is(200);
    client.wait_for(revision(&on), SOON).await.unwrap();
    assert!(client.is_on(&CHECKOUT, &ACME));
    let answer = client.snapshot().get(&CHECKOUT, &ACME).version;
    assert_eq!(answer, revision(&on), "the answer says which revision last changed the flag");

    let rollout = json!({"variant": "on", "percent": 0, "by": "tenant"});
    server.post(&format!("{flag}/rollout"), rollout).await.is(200);
    let opened = server.request(Method::PUT, &format!("{flag}/tenants/acme"), ADMIN);
    let opened = answer_of(opened.json(&json!({"variant": "on"}))).await;
    client.wait_for(revision(&opened), SOON).await.unwrap();
    assert!(client.is_on(&CHECKOUT, &ACME));
    assert!(!client.is_on(&CHECKOUT, &Entity::tenant("globex")));

    let off = server.press(&format!("{flag}/off?reason=incident")).await.is(200);
    client.wait_for(revision(&off), SOON).await.unwrap();
    assert!(!client.is_on(&CHECKOUT, &ACME));
}

async fn answer_of(request: reqwest::RequestBuilder) -> Value {
    answer(request).await.is(200)
}

#[tokio::test]
async fn a_client_sees_its_environment_alone() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let client = client(&server).await;
    let development = PRODUCTION.replace("production", "development");
    server.press(&format!("{development}/flags/checkout/on")).await.is(200);
    // The next change of its own environment is the next revision: nothing came in between.
    let before = client.status().position.unwrap().revision;
    let on = server.press(&format!("{PRODUCTION}/flags/checkout/on")).await.is(200);
    assert_eq!(revision(&on), before + 1);
    client.wait_for(before + 1, SOON).await.unwrap();
    assert_eq!(client.status().counters.changes, 1);
}

#[tokio::test]
async fn a_restarted_server_is_resumed_from_the_change_log() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let client = client(&server).await;
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    let dir = server.stop().await;
    client.wait_until(|status| status.state == State::Stale, SOON).await.unwrap();
    assert!(!client.is_on(&CHECKOUT, &ACME), "the last good ruleset goes on answering");

    let server = TestServer::start_at(dir, &address).await;
    let on = server.press(&format!("{PRODUCTION}/flags/checkout/on")).await.is(200);
    let status = client.wait_for(revision(&on), SOON).await.unwrap();
    assert!(client.is_on(&CHECKOUT, &ACME));
    assert_eq!(status.state, State::Live);
    assert_eq!(status.counters.changes, 1, "by the stream, not by another snapshot");
}

/// Runs a command of the server's binary.
fn command(arguments: &[&str]) {
    let arguments = std::iter::once(&"flags-server").chain(arguments);
    let done = flags_server::execute(flags_server::Arguments::parse_from(arguments));
    assert_eq!(format!("{done:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
}

#[tokio::test]
async fn a_service_follows_a_server_that_is_restored_to_its_past() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let client = client(&server).await;
    let flag = format!("{PRODUCTION}/flags/checkout");
    let on = server.press(&format!("{flag}/on")).await.is(200);
    client.wait_for(revision(&on), SOON).await.unwrap();
    let database = server.database().to_str().unwrap().to_owned();
    let backup = format!("{database}.backup");
    command(&["backup", &backup, "--database", &database]);
    let mut last = 0;
    for verb in ["off", "on", "off"] {
        last = revision(&server.press(&format!("{flag}/{verb}")).await.is(200));
    }
    client.wait_for(last, SOON).await.unwrap();
    assert!(!client.is_on(&CHECKOUT, &ACME));
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    let dir = server.stop().await;
    client.wait_until(|status| status.state == State::Stale, SOON).await.unwrap();

    let restoring = (backup, database);
    tokio::task::spawn_blocking(move || {
        command(&["restore", &restoring.0, "--database", &restoring.1]);
    })
    .await
    .unwrap();
    let server = TestServer::start_at(dir, &address).await;
    let restored = |status: &flags_client::Status| {
        status.state == State::Live
            && status.position.as_ref().is_some_and(|at| at.revision == revision(&on))
    };
    client.wait_until(restored, SOON).await.unwrap();
    assert!(client.is_on(&CHECKOUT, &ACME), "as it was when the backup was made");
    // And on from there, though the revision is one that it knew before.
    let off = server.press(&format!("{flag}/off")).await.is(200);
    assert!(revision(&off) < last);
    client.wait_for(revision(&off), SOON).await.unwrap();
    assert!(!client.is_on(&CHECKOUT, &ACME));
}

#[tokio::test]
async fn a_service_starts_from_its_cache_while_the_server_is_away() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let on = server.press(&format!("{PRODUCTION}/flags/checkout/on")).await.is(200);
    let folder = TempDir::new().unwrap();
    let cache = folder.path().join("flags.cache");
    let (url, address) = (server.base.clone(), server.base.replace("http://", ""));
    let start = async || {
        let builder = Client::builder(&url, SDK).cache_file(&cache).hurried();
        builder.connect().await.unwrap()
    };
    let first = start().await;
    let cached = |status: &flags_client::Status| {
        status.cached.as_ref().is_some_and(|at| at.revision == revision(&on))
    };
    first.wait_until(cached, SOON).await.unwrap();
    drop(first);
    let dir = server.stop().await;

    let second = start().await;
    assert!(second.is_on(&CHECKOUT, &ACME));
    let status = second.status();
    assert_eq!((status.state, status.source), (State::Stale, Source::Disk));

    let server = TestServer::start_at(dir, &address).await;
    let off = server.press(&format!("{PRODUCTION}/flags/checkout/off")).await.is(200);
    second.wait_for(revision(&off), SOON).await.unwrap();
    assert!(!second.is_on(&CHECKOUT, &ACME));
}

#[tokio::test]
async fn members_of_a_segment_arrive_alone_and_stay_on_the_disk() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let flag = format!("{PRODUCTION}/flags/checkout");
    let listed: Vec<String> = (0..20_000).map(|number| format!("tenant-{number}")).collect();
    let segment = json!({"key": "beta", "kind": "tenant", "included": listed});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    let rules = json!([{"id": "r", "when": {"segment": "beta"}, "serve": {"variant": "on"}}]);
    let state = json!({"on": true, "fallthrough": {"variant": "off"}, "rules": rules});
    server.patch(&flag, 1, state).await.is(200);

    let folder = TempDir::new().unwrap();
    let cache = folder.path().join("flags.cache");
    let url = server.base.clone();
    let start = async || {
        let builder = Client::builder(&url, SDK).cache_file(&cache).hurried();
        builder.connect().await.unwrap()
    };
    let first = start().await;
    first.ready(SOON).await.unwrap();
    let before = first.status().position.unwrap().revision;
    first.wait_until(|status| status.cached.is_some(), SOON).await.unwrap();
    let snapshot_bytes = std::fs::metadata(&cache).unwrap().len();
    assert!(!first.is_on(&CHECKOUT, &ACME));

    let members = format!("{PRODUCTION}/segments/beta/members");
    let edit = json!({"included": {"add": ["acme"], "remove": ["tenant-7"]},
                      "excluded": {"add": ["tenant-8"]}});
    let changed = server.post(&members, edit).await.is(200);
    assert_eq!(revision(&changed), before + 1);
    let status = first.wait_for(revision(&changed), SOON).await.unwrap();
    assert_eq!(status.counters.changes, 1, "by the stream, not by another snapshot");
    let is_right = |client: &Client| {
        let is_on = |key: &str| client.is_on(&CHECKOUT, &Entity::tenant(key));
        is_on("acme") && is_on("tenant-9") && !is_on("tenant-7") && !is_on("tenant-8")
    };
    assert!(is_right(&first));

    // On the disk it is a change behind the snapshot.
    let cached = |status: &flags_client::Status| {
        status.cached.as_ref().is_some_and(|at| at.revision == revision(&changed))
    };
    first.wait_until(cached, SOON).await.unwrap();
    let grown = std::fs::metadata(&cache).unwrap().len() - snapshot_bytes;
    assert!((1..1_000).contains(&grown), "{grown}");
    drop(first);
    server.stop().await;
    let second = start().await;
    assert_eq!(second.status().source, Source::Disk);
    assert!(is_right(&second));
}

#[tokio::test]
async fn what_is_stored_of_a_tenant_decides_in_the_client() {
    const GERMAN: Flag<bool> = Flag::new("german", false);
    let server = TestServer::start().await;
    let tenants = format!("{PRODUCTION}/tenants");
    let store = |key: &str, country: &str| {
        let acme = json!({"key": key, "attributes": {"country": country}});
        server.post(&tenants, json!({"tenants": [acme]}))
    };
    store("acme", "DE").await.is(200);
    let version = server.create_flag("german").await["revisions"]["production"].as_u64().unwrap();
    let rule = json!({"id": "de", "serve": {"variant": "on"},
                      "when": {"attribute": "tenant.country", "op": "equals", "values": ["DE"]}});
    let state = json!({"on": true, "fallthrough": {"variant": "off"}, "rules": [rule]});
    server.patch(&format!("{PRODUCTION}/flags/german"), version, state).await.is(200);

    // From the snapshot, and then from the stream.
    let folder = TempDir::new().unwrap();
    let cache = folder.path().join("flags.cache");
    let url = server.base.clone();
    let start = async || {
        let builder = Client::builder(&url, SDK).cache_file(&cache).hurried();
        builder.connect().await.unwrap()
    };
    let client = start().await;
    client.ready(SOON).await.unwrap();
    assert!(client.is_on(&GERMAN, &ACME));
    let own = [("country", "US".into())];
    assert!(!client.is_on(&GERMAN, &ACME.with(&own)), "what the service says itself wins");
    assert!(!client.is_on(&GERMAN, &Entity::tenant("globex")));
    let changed = store("acme", "FR").await.is(200);
    client.wait_for(revision(&changed), SOON).await.unwrap();
    assert!(!client.is_on(&GERMAN, &ACME));
    let changed = store("globex", "DE").await.is(200);
    client.wait_for(revision(&changed), SOON).await.unwrap();
    assert!(client.is_on(&GERMAN, &Entity::tenant("globex")));

    // From the disk.
    let cached = |status: &flags_client::Status| {
        status.cached.as_ref().is_some_and(|at| at.revision == revision(&changed))
    };
    client.wait_until(cached, SOON).await.unwrap();
    drop(client);
    server.stop().await;
    let client = start().await;
    assert!(client.is_on(&GERMAN, &Entity::tenant("globex")));
    assert!(!client.is_on(&GERMAN, &ACME));
}

#[tokio::test]
async fn another_database_at_the_same_address_is_another_history() {
    let server = TestServer::start().await;
    for key in ["checkout", "second", "third"] {
        server.create_flag(key).await;
    }
    server.press(&format!("{PRODUCTION}/flags/checkout/on")).await.is(200);
    let client = client(&server).await;
    assert!(client.is_on(&CHECKOUT, &ACME));
    let address = server.base.replace("http://", "");
    let first_epoch = client.status().position.unwrap().epoch;
    server.stop().await;

    let server = TestServer::start_at(Arc::new(TempDir::new().unwrap()), &address).await;
    server.create_flag("checkout").await;
    client
        .wait_until(
            |status| status.position.as_ref().is_some_and(|at| at.epoch != first_epoch),
            SOON,
        )
        .await
        .unwrap();
    client.wait_for(1, SOON).await.unwrap();
    assert!(!client.is_on(&CHECKOUT, &ACME));
    let last_error = client.status().last_error.unwrap();
    assert!(matches!(
        last_error.kind,
        ProblemKind::Reset | ProblemKind::Ended | ProblemKind::Unreachable
    ));
}

/// Nobody should do this by hand; a client must not stay with what never happened all the same.
#[tokio::test]
async fn a_database_put_back_to_an_earlier_revision_is_followed() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    let address = server.base.replace("http://", "");
    let dir = server.stop().await;
    let (file, backup) = (dir.path().join("flags.db"), dir.path().join("backup.db"));
    std::fs::copy(&file, &backup).unwrap();

    let server = TestServer::start_at(dir, &address).await;
    let client = client(&server).await;
    let on = server.press(&format!("{PRODUCTION}/flags/checkout/on")).await.is(200);
    client.wait_for(revision(&on), SOON).await.unwrap();
    assert!(client.is_on(&CHECKOUT, &ACME));
    let dir = server.stop().await;

    for rest in ["flags.db-wal", "flags.db-shm"] {
        std::fs::remove_file(dir.path().join(rest)).ok();
    }
    std::fs::copy(&backup, &file).unwrap();
    let _server = TestServer::start_at(dir, &address).await;
    let back = |status: &flags_client::Status| {
        status.position.as_ref().is_some_and(|at| at.revision < revision(&on))
    };
    client.wait_until(back, SOON).await.unwrap();
    assert!(!client.is_on(&CHECKOUT, &ACME));
}

#[tokio::test]
async fn a_revoked_token_is_said_loudly_and_the_answers_stay() {
    let server = TestServer::start().await;
    server.create_flag("checkout").await;
    server.press(&format!("{PRODUCTION}/flags/checkout/on")).await.is(200);
    let body =
        json!({"name": "shop", "kind": "sdk", "project": "default", "environment": "production"});
    let created = server.post("/api/v1/tokens", body).await.is(201);
    let token = created["token"].as_str().expect("the secret, once").to_owned();
    let client = Client::builder(&server.base, token).hurried().connect().await.unwrap();
    client.ready(SOON).await.unwrap();

    let id = created["id"].as_str().unwrap();
    let revoked = server.request(Method::DELETE, &format!("/api/v1/tokens/{id}"), ADMIN);
    assert!(answer(revoked).await.status < 300);
    let refused = |status: &flags_client::Status| {
        let error = status.last_error.as_ref();
        error.is_some_and(|error| error.kind == ProblemKind::Unauthenticated)
    };
    client.wait_until(refused, SOON).await.unwrap();
    assert!(client.is_on(&CHECKOUT, &ACME));
}

/// Many writers at once, while a client follows; then the client's rules are those of a fresh
/// snapshot, flag by flag.
#[tokio::test]
async fn what_the_stream_carried_equals_a_fresh_snapshot() {
    let server = Arc::new(TestServer::start().await);
    for index in 0..8 {
        server.create_flag(&format!("flag-{index}")).await;
    }
    let client = client(&server).await;
    let writers: Vec<_> = (0..8)
        .map(|index| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let flag = format!("{PRODUCTION}/flags/flag-{index}");
                for step in 0..10 {
                    let verb = if (step + index) % 2 == 0 { "on" } else { "off" };
                    server.press(&format!("{flag}/{verb}")).await.is(200);
                    let rollout = json!({"variant": "on", "percent": step * 10, "by": "tenant"});
                    server.post(&format!("{flag}/rollout"), rollout).await.is(200);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let last = server.revision().await;
    client.wait_for(last, SOON).await.unwrap();

    // A new connection, so that nothing but the snapshot speaks.
    let document: Document = serde_json::from_value(server.snapshot().await).unwrap();
    let fresh = Client::builder(&server.base, SDK).hurried().connect().await.unwrap();
    fresh.wait_for(last, SOON).await.unwrap();
    assert!(document.revision <= last);
    let (followed, fresh) = (client.snapshot(), fresh.snapshot());
    for index in 0..8 {
        for tenant in 0..50 {
            let (flag, tenant) = (format!("flag-{index}"), format!("tenant-{tenant}"));
            let tenant = Entity::tenant(&tenant);
            assert_eq!(followed.evaluate(&flag, &tenant), fresh.evaluate(&flag, &tenant));
        }
    }
}

/// The published cases: told to the API, carried by snapshot and stream, answered by the client
/// and by the server's own evaluation.
#[tokio::test]
async fn the_published_cases_hold_over_http_and_in_the_client() {
    let files = [
        include_str!("../../flags-core/testdata/evaluation/order.json"),
        include_str!("../../flags-core/testdata/evaluation/conditions.json"),
        include_str!("../../flags-core/testdata/evaluation/ignore_case.json"),
        include_str!("../../flags-core/testdata/evaluation/dates.json"),
        include_str!("../../flags-core/testdata/evaluation/semver.json"),
        include_str!("../../flags-core/testdata/evaluation/matches.json"),
        include_str!("../../flags-core/testdata/evaluation/cidr.json"),
        include_str!("../../flags-core/testdata/evaluation/splits.json"),
    ];
    for file in files {
        let vectors: Value = serde_json::from_str(file).unwrap();
        let server = TestServer::start().await;
        let client = client(&server).await;
        let mut last = 0;
        for object in vectors["document"]["objects"].as_array().unwrap() {
            last = tell(&server, object).await;
        }
        client.wait_for(last, SOON).await.unwrap();
        let flags = client.snapshot();
        for case in vectors["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let key = case["flag"].as_str().unwrap();
            let context = JsonContext::read(&case["context"]).unwrap();
            let now =
                case["now"].as_str().map_or(Some(Timestamp::from_millis(0)), Timestamp::parse);
            let evaluation = flags.ruleset().evaluate(key, &context, now.expect(name));
            let in_client = serde_json::to_value(evaluation).unwrap();
            assert_eq!(
                without_versions(in_client),
                without_versions(case["expect"].clone()),
                "{name}"
            );
            if case["now"].is_null() {
                let question = json!({"flag": key, "context": case["context"]});
                let over_http =
                    server.post(&format!("{PRODUCTION}/evaluate"), question).await.is(200);
                let mut expected = without_versions(case["expect"].clone());
                expected["flag"] = json!(key);
                assert_eq!(without_versions(over_http), expected, "{name}");
            }
            assert!(context.key("nobody").is_none());
        }
    }
}

/// Creates a flag of a published case and gives it its state; the revision that did it.
async fn tell(server: &TestServer, object: &Value) -> u64 {
    let definition = &object["definition"];
    let (key, state) = (object["key"].as_str().unwrap(), &definition["state"]);
    let create = json!({
        "key": key, "type": definition["type"], "variants": definition["variants"],
        "off_variant": state["off_variant"], "fallthrough": state["off_variant"],
    });
    let created = server.post(FLAGS, create).await.is(201);
    let version = created["revisions"]["production"].as_u64().unwrap();
    let path = format!("{PRODUCTION}/flags/{key}");
    let put = server.put(&path, version, state.clone()).await.is(200);
    revision(&put)
}

fn without_versions(mut answer: Value) -> Value {
    let fields = answer.as_object_mut().unwrap();
    fields.remove("version");
    fields.remove("revision");
    answer
}

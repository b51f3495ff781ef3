//! The SDK protocol: snapshots and streams.

#![cfg(test)]

mod server;

use std::io::Read;

use flags_core::{Change, Document, JsonContext, Ruleset, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use server::{Answer, Event, Events, PRODUCTION, SDK, TestServer, answer};

async fn snapshot(server: &TestServer, header: (&str, &str)) -> Answer {
    let request = server.request(Method::GET, "/sdk/v1/snapshot", SDK);
    answer(request.header(header.0, header.1)).await
}

/// Enough flags that a change of one of them does not outweigh a quarter of the snapshot.
async fn with_flags(number: usize) -> TestServer {
    let server = TestServer::start().await;
    for flag in 0..number {
        server.create_flag(&format!("flag-{flag:03}")).await;
    }
    server
}

#[tokio::test]
async fn a_snapshot_has_all_definitions_in_the_sdk_form() {
    let server = TestServer::start().await;
    let empty = server.snapshot().await;
    assert_eq!((&empty["revision"], &empty["objects"]), (&json!(0), &json!([])));
    server.create_flag("f").await;
    server
        .post(&format!("{PRODUCTION}/segments"), json!({"key": "s", "kind": "user"}))
        .await
        .is(201);
    let answered = snapshot(&server, ("accept-encoding", "identity")).await;
    assert_eq!(answered.header("content-type"), "application/json");
    let tag = answered.header("etag").to_owned();
    let found = answered.is(200);
    assert_eq!(tag, format!("\"{}.2\"", found["epoch"].as_str().unwrap()));
    assert_eq!(
        found["objects"],
        json!([
            {"kind": "flag", "key": "f", "version": 1, "definition": {
                "type": "boolean",
                "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
                "state": {"on": false, "off_variant": "off", "salt": null, "prerequisites": [],
                    "targets": [], "rules": [], "fallthrough": {"variant": "on"}}}},
            {"kind": "segment", "key": "s", "version": 2, "definition": {
                "kind": "user", "included": [], "excluded": [], "when": null}}
        ])
    );
    // Nothing that is for people.
    assert!(!found.to_string().contains("description"));
}

#[tokio::test]
async fn a_snapshot_is_packed_as_the_client_accepts() {
    let server = with_flags(5).await;
    let plain = server.snapshot().await;
    for (accept, encoding) in [("gzip", "gzip"), ("zstd, gzip", "zstd")] {
        let request = server.request(Method::GET, "/sdk/v1/snapshot", SDK);
        let response = request.header("accept-encoding", accept).send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], encoding);
        assert_eq!(response.headers()["vary"], "accept-encoding");
        let packed = response.bytes().await.unwrap();
        let mut bytes = Vec::new();
        match encoding {
            "gzip" => {
                flate2::read::GzDecoder::new(&*packed).read_to_end(&mut bytes).unwrap();
            }
            _ => bytes = zstd::decode_all(&*packed).unwrap(),
        }
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), plain);
    }
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let server = with_flags(30).await;
    let epoch = server.snapshot().await["epoch"].as_str().unwrap().to_owned();
    let with = |revision: u64| format!("\"{epoch}.{revision}\"");
    let same = snapshot(&server, ("if-none-match", &with(30))).await;
    assert_eq!(same.header("etag"), with(30));
    assert_eq!(same.is(304), Value::Null);
    snapshot(&server, ("if-none-match", &with(29))).await.is(200);
    snapshot(&server, ("if-none-match", "\"other.30\"")).await.is(200);
    // Of the future: the client cannot have it.
    snapshot(&server, ("if-none-match", &with(31))).await.is(200);

    // The changes since are few: the snapshot stays, unless somebody has it and wants a later one.
    server.press(&format!("{PRODUCTION}/flags/flag-000/on")).await.is(200);
    assert_eq!(server.snapshot().await["revision"], 30);
    snapshot(&server, ("if-none-match", &with(31))).await.is(304);
    let later = snapshot(&server, ("if-none-match", &with(30))).await;
    assert_eq!(later.header("etag"), with(31));
    later.is(200);
    // They become more than a quarter of it.
    for _ in 0..10 {
        server.press(&format!("{PRODUCTION}/flags/flag-000/off")).await.is(200);
        server.press(&format!("{PRODUCTION}/flags/flag-000/on")).await.is(200);
    }
    let found = server.snapshot().await["revision"].as_u64().unwrap();
    assert!((35..=51).contains(&found), "{found}");
    snapshot(&server, ("if-none-match", &with(30))).await.is(200);
}

#[tokio::test]
async fn a_change_arrives_on_every_stream_of_its_environment() {
    let server = TestServer::start().await;
    let body = json!({"name": "dev", "kind": "sdk", "environment": "development"});
    let token =
        server.post("/api/v1/tokens", body).await.is(201)["token"].as_str().unwrap().to_owned();
    let mut one = server.stream("").await;
    let mut other = server.stream("").await;
    let mut elsewhere = Events::of(server.request(Method::GET, "/sdk/v1/stream", &token)).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(one.headers[name], value);
    }
    assert_eq!(one.headers.get("content-encoding"), None);
    // The first heartbeat comes at once.
    let opening = one.block().await.unwrap();
    let retry: u64 =
        opening.lines().next().unwrap().strip_prefix("retry: ").unwrap().parse().unwrap();
    assert!((1_000..=5_000).contains(&retry));
    assert!(opening.ends_with("\n:"), "{opening}");

    server.create_flag("f").await;
    server.press(&format!("{PRODUCTION}/flags/f/on")).await.is(200);
    for stream in [&mut one, &mut other] {
        for revision in 1..=2 {
            let event = stream.next().await.unwrap();
            assert_eq!(event.name, "change");
            let change: Change = serde_json::from_value(event.data).unwrap();
            assert_eq!((change.revision, change.previous), (revision, revision - 1));
            assert_eq!(event.id, change.position().to_string());
        }
    }
    let event = elsewhere.next().await.unwrap();
    assert_eq!(event.data["revision"], 1);
    assert_eq!(event.data["objects"][0]["upsert"]["definition"]["state"]["on"], false);
}

#[tokio::test]
async fn a_stream_resumes_where_the_client_stands() {
    let server = with_flags(3).await;
    let epoch = server.snapshot().await["epoch"].as_str().unwrap().to_owned();
    let mut stream = server.stream(&format!("?after={epoch}.1")).await;
    assert_eq!(stream.next().await.unwrap().data["revision"], 2);
    assert_eq!(stream.next().await.unwrap().data["revision"], 3);
    // The header wins.
    let path = format!("/sdk/v1/stream?after={epoch}.0");
    let request = server.request(Method::GET, &path, SDK);
    let mut stream = Events::of(request.header("last-event-id", format!("{epoch}.2"))).await;
    assert_eq!(stream.next().await.unwrap().data["revision"], 3);
    server.create_flag("more").await;
    assert_eq!(stream.next().await.unwrap().data["revision"], 4);
}

#[tokio::test]
async fn a_change_too_large_for_a_stream_is_a_reset() {
    let server = TestServer::start().await;
    for key in ["a", "b", "c", "d", "e"] {
        let variants = json!([{"name": "x", "value": "x".repeat(900_000)}]);
        let flag = json!({"key": key, "type": "string", "variants": variants,
                          "off_variant": "x", "fallthrough": "x"});
        server.post("/api/v1/projects/default/flags", flag).await.is(201);
    }
    // Its first change has all of the flags.
    server.post("/api/v1/projects/default/environments", json!({"key": "big"})).await.is(201);
    let body = json!({"name": "big", "kind": "sdk", "environment": "big"});
    let created = server.post("/api/v1/tokens", body).await.is(201);
    let token = created["token"].as_str().unwrap();
    let epoch = server.snapshot().await["epoch"].as_str().unwrap().to_owned();
    let path = format!("/sdk/v1/stream?after={epoch}.0");
    let mut stream = Events::of(server.request(Method::GET, &path, token)).await;
    assert_eq!(stream.next().await.unwrap().name, "reset");
    assert_eq!(stream.next().await, None);
    let snapshot = answer(server.request(Method::GET, "/sdk/v1/snapshot", token)).await.is(200);
    assert_eq!(snapshot["objects"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_position_that_is_not_of_this_history_is_reset() {
    let server = with_flags(3).await;
    let epoch = server.snapshot().await["epoch"].as_str().unwrap().to_owned();
    let reset = Event {
        name: "reset".into(),
        id: String::new(),
        data: json!({"epoch": epoch, "revision": 3}),
    };
    for query in ["?after=other.1".to_owned(), format!("?after={epoch}.4")] {
        let mut stream = server.stream(&query).await;
        assert_eq!(stream.next().await.unwrap(), reset, "{query}");
        assert_eq!(stream.next().await, None);
    }
    let request = server.request(Method::GET, "/sdk/v1/stream", SDK);
    let mut stream = Events::of(request.header("last-event-id", "nonsense")).await;
    assert_eq!(stream.next().await.unwrap(), reset);
    for query in ["after=nonsense", "form=x"] {
        let path = format!("/sdk/v1/stream?{query}");
        answer(server.request(Method::GET, &path, SDK)).await.problem(400, "invalid_query");
        // Also where `after` is not what the stream would go on from.
        let request = server.request(Method::GET, &path, SDK);
        let request = request.header("last-event-id", format!("{epoch}.3"));
        answer(request).await.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn a_stopping_server_ends_its_streams() {
    let server = TestServer::start().await;
    let mut stream = server.stream("").await;
    stream.block().await.unwrap();
    let stopped = server.begin_stop();
    assert_eq!(stream.next().await, None);
    stopped.await.unwrap().unwrap();
}

/// What an SDK has after a snapshot and the stream is what a fresh snapshot says, and what the
/// server answers itself.
#[tokio::test]
async fn a_client_that_follows_the_stream_answers_as_the_server_does() {
    let server = with_flags(3).await;
    let (mut ruleset, report) =
        Ruleset::compile(&serde_json::from_value(server.snapshot().await).unwrap());
    assert!(report.is_clean());
    let mut stream = server.stream(&format!("?after={}", ruleset.position().unwrap())).await;
    let base = format!("{PRODUCTION}/flags/flag-001");
    server.press(&format!("{base}/on")).await.is(200);
    server
        .post(&format!("{base}/rollout"), json!({"variant": "on", "percent": 50, "by": "tenant"}))
        .await
        .is(200);
    let segment = json!({"key": "s", "kind": "user", "included": ["u-1"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    let rules = json!([{"when": {"segment": "s"}, "serve": {"variant": "off"}}]);
    server.patch(&base, 5, json!({"rules": rules})).await.is(200);
    while ruleset.revision() < 7 {
        let change: Change = serde_json::from_value(stream.next().await.unwrap().data).unwrap();
        ruleset = ruleset.apply(&change).unwrap().0;
    }
    for tenant in 0..20 {
        let context = json!({"tenant": {"key": format!("t-{tenant}")}, "user": {"key": format!("u-{}", tenant % 2)}});
        let body = json!({"flag": "flag-001", "context": context});
        let remote = server.post(&format!("{PRODUCTION}/evaluate"), body).await.is(200);
        let context = JsonContext::read(&context).unwrap();
        let local = ruleset.evaluate("flag-001", &context, Timestamp::from_millis(0));
        let mut local = serde_json::to_value(local).unwrap();
        local["flag"] = json!("flag-001");
        assert_eq!(remote, local);
    }
    let _: Document = serde_json::from_value(server.snapshot().await).unwrap();
}

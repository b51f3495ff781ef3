//! Secrets that follow one another, and those that end.

#![cfg(test)]

mod server;

use std::time::{Duration, SystemTime};

use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, Answer, DEADLINE, Events, TestServer, answer};
use tokio::time::timeout;

const TOKENS: &str = "/api/v1/tokens";

/// An instant so many seconds from now, as the API writes it. Whole seconds: it is compared.
fn soon(seconds: u64) -> (SystemTime, String) {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let end = Duration::from_secs(since.as_secs() + seconds);
    let text = flags_core::Timestamp::from_millis(i64::try_from(end.as_millis()).unwrap());
    (SystemTime::UNIX_EPOCH + end, text.to_string())
}

fn instant(text: &Value) -> SystemTime {
    let at = flags_core::Timestamp::parse(text.as_str().unwrap()).unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}")).to_owned()
}

async fn sdk_token(server: &TestServer, more: Value) -> Value {
    let mut said = json!({"name": "shop", "kind": "sdk", "environment": "production"});
    said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post(TOKENS, said).await.is(201)
}

async fn rotate(server: &TestServer, id: &str, overlap_seconds: u64) -> Answer {
    let overlap = json!({"overlap_seconds": overlap_seconds});
    server.post(&format!("{TOKENS}/{id}/rotate"), overlap).await
}

async fn stream(server: &TestServer, secret: &str) -> Events {
    let mut stream = Events::of(server.request(Method::GET, "/sdk/v1/stream", secret)).await;
    assert!(stream.block().await.unwrap().starts_with("retry: "));
    stream
}

async fn status(server: &TestServer, secret: &str) -> u16 {
    answer(server.request(Method::GET, "/sdk/v1/snapshot", secret)).await.status
}

#[tokio::test]
async fn two_secrets_work_until_the_overlap_ends_and_streams_with_them() {
    let server = TestServer::start().await;
    let created = sdk_token(&server, json!({})).await;
    let (id, old) = (text(&created, "id"), text(&created, "token"));
    let mut of_old = stream(&server, &old).await;

    let rotated = rotate(&server, &id, 3).await;
    assert_eq!(rotated.header("cache-control"), "no-store");
    let rotated = rotated.is(200);
    let (new, end) = (text(&rotated, "token"), instant(&rotated["overlap_ends_at"]));
    assert!(new != old && new.starts_with("flags_sdk_"));
    let mut of_new = stream(&server, &new).await;
    // Both work, in both places.
    assert_eq!((status(&server, &old).await, status(&server, &new).await), (200, 200));
    server.create_flag("meanwhile").await;
    assert_eq!(of_old.next().await.unwrap().name, "change");
    assert_eq!(of_new.next().await.unwrap().name, "change");

    // Nothing comes any more on the old one, and it ends: not before its time.
    assert_eq!(of_old.next().await, None);
    assert!(SystemTime::now() >= end);
    assert_eq!((status(&server, &old).await, status(&server, &new).await), (401, 200));
    server.create_flag("afterwards").await;
    assert_eq!(of_new.next().await.unwrap().name, "change");
    let shown = server.get(&format!("{TOKENS}/{id}")).await.is(200);
    assert!(!shown.to_string().contains(&new), "a secret is shown once");
}

#[tokio::test]
async fn an_overlap_can_be_cut_short_and_is_not_made_longer() {
    let server = TestServer::start().await;
    let created = sdk_token(&server, json!({})).await;
    let (id, first) = (text(&created, "id"), text(&created, "token"));
    let second = rotate(&server, &id, 3_600).await.is(200);
    let third = rotate(&server, &id, 7_200).await.is(200);
    let [second, third] = [second, third].map(|rotated| text(&rotated, "token"));
    for secret in [&first, &second, &third] {
        assert_eq!(status(&server, secret).await, 200);
    }
    let mut streams = Vec::new();
    for secret in [&first, &second, &third] {
        streams.push(stream(&server, secret).await);
    }
    // Somebody has read them all.
    let last = rotate(&server, &id, 0).await.is(200);
    assert_eq!(last["overlap_ends_at"], Value::Null);
    for (secret, stream) in [&first, &second, &third].into_iter().zip(&mut streams) {
        assert_eq!(stream.next().await, None);
        assert_eq!(status(&server, secret).await, 401);
    }
    assert_eq!(status(&server, &text(&last, "token")).await, 200);
    // What holds is also what is stored.
    let server = TestServer::start_in(server.stop().await).await;
    assert_eq!(status(&server, &first).await, 401);
    assert_eq!(status(&server, &text(&last, "token")).await, 200);
}

#[tokio::test]
async fn an_overlap_survives_a_restart() {
    let server = TestServer::start().await;
    let created = sdk_token(&server, json!({})).await;
    let (id, old) = (text(&created, "id"), text(&created, "token"));
    let new = text(&rotate(&server, &id, 4).await.is(200), "token");
    let server = TestServer::start_in(server.stop().await).await;
    let mut stream = stream(&server, &old).await;
    assert_eq!(status(&server, &new).await, 200);
    assert_eq!(stream.next().await, None);
    assert_eq!((status(&server, &old).await, status(&server, &new).await), (401, 200));
}

#[tokio::test]
async fn a_token_expires_with_its_streams_whatever_its_overlap() {
    let server = TestServer::start().await;
    let (end, expires_at) = soon(4);
    let created = sdk_token(&server, json!({"expires_at": expires_at})).await;
    assert_eq!(instant(&created["expires_at"]), end);
    let (id, old) = (text(&created, "id"), text(&created, "token"));
    let new = text(&rotate(&server, &id, 3_600).await.is(200), "token");
    let (mut of_old, mut of_new) = (stream(&server, &old).await, stream(&server, &new).await);
    assert_eq!((of_old.next().await, of_new.next().await), (None, None));
    assert!(SystemTime::now() >= end);
    assert_eq!((status(&server, &old).await, status(&server, &new).await), (401, 401));
    rotate(&server, &id, 0).await.problem(409, "token_ended");
}

#[tokio::test]
async fn what_cannot_be_rotated_is_told() {
    let server = TestServer::start().await;
    let created = sdk_token(&server, json!({})).await;
    let id = text(&created, "id");
    let path = format!("{TOKENS}/{id}/rotate");
    for (said, pointer, code) in [
        (json!({}), "", "missing_field"),
        (json!({"overlap_seconds": -1}), "/overlap_seconds", "wrong_type"),
        (json!({"overlap_seconds": "3600"}), "/overlap_seconds", "wrong_type"),
        (json!({"overlap_seconds": 1, "x": 1}), "/x", "unknown_field"),
    ] {
        server.post(&path, said).await.refuses(&[(pointer, code)]);
    }
    let days = json!({"overlap_seconds": 90 * 24 * 3_600 + 1});
    let refused = server.post(&path, days).await;
    refused.refuses_as("limit_exceeded", &[("/overlap_seconds", "limit_exceeded")]);
    rotate(&server, "none", 0).await.problem(404, "not_found");
    for _ in 0..4 {
        rotate(&server, &id, 3_600).await.is(200);
    }
    let refused = rotate(&server, &id, 3_600).await.problem(422, "limit_exceeded");
    assert_eq!((&refused["limit"], &refused["maximum"]), (&json!("token_secrets"), &json!(5)));
    assert_eq!(status(&server, &text(&created, "token")).await, 200, "nothing ended");
    rotate(&server, &id, 0).await.is(200);
    answer(server.request(Method::DELETE, &format!("{TOKENS}/{id}"), ADMIN)).await.is(200);
    rotate(&server, &id, 0).await.problem(409, "token_ended");
}

/// One that expires, or is limited, is nobody to rely on.
#[tokio::test]
async fn the_last_admin_token_is_one_that_lasts() {
    let server = TestServer::start().await;
    let admin = |more: Value| {
        let mut said = json!({"name": "x", "kind": "personal", "role": "admin"});
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        said
    };
    let tokens = server.get(TOKENS).await.is(200);
    let items = tokens["items"].as_array().unwrap();
    let first = text(items.iter().find(|token| token["kind"] == "service").unwrap(), "id");
    let others = [
        json!({"expires_at": "9999-12-31T23:59:59Z"}),
        json!({"scope": [{"project": "default"}]}),
        json!({"role": "editor"}),
    ];
    for more in others {
        server.post(TOKENS, admin(more)).await.is(201);
    }
    let path = format!("{TOKENS}/{first}");
    let revoke = |by: &str| answer(server.request(Method::DELETE, &path, by));
    revoke(ADMIN).await.problem(409, "last_admin_token");
    let expiring = json!({"expires_at": "9999-12-31T23:59:59Z"});
    let expiring = server.post(TOKENS, admin(expiring)).await.is(201);
    revoke(&text(&expiring, "token")).await.problem(409, "last_admin_token");
    server.post(TOKENS, admin(json!({}))).await.is(201);
    revoke(ADMIN).await.is(200);
}

#[tokio::test]
async fn the_last_use_is_stored_when_the_server_stops() {
    let server = TestServer::start().await;
    let created = sdk_token(&server, json!({"tenants": "none"})).await;
    assert_eq!(created["tenants"], "none");
    let path = format!("{TOKENS}/{}", text(&created, "id"));
    assert_eq!(server.get(&path).await.is(200)["last_used_at"], Value::Null);
    let before = SystemTime::now() - Duration::from_millis(1);
    assert_eq!(status(&server, &text(&created, "token")).await, 200);
    let server = TestServer::start_in(server.stop().await).await;
    let shown = server.get(&path).await.is(200);
    assert!(instant(&shown["last_used_at"]) >= before, "{shown}");
    assert_eq!(shown["tenants"], "none");
    let database = rusqlite::Connection::open(server.database()).unwrap();
    let uses = "SELECT count(*) FROM audit WHERE actor = 'server'";
    let uses: u64 = database.query_row(uses, (), |row| row.get(0)).unwrap();
    assert_eq!(uses, 0, "nobody changed anything");
}

#[tokio::test]
async fn the_audit_log_names_who_did_it() {
    let server = TestServer::start().await;
    let said = json!({"name": "Ada", "kind": "personal", "role": "editor"});
    let created = server.post(TOKENS, said).await.is(201);
    let flag = json!({"key": "f", "type": "boolean"});
    let request = server.request(Method::POST, server::FLAGS, &text(&created, "token"));
    answer(request.json(&flag)).await.is(201);
    let id = text(&created, "id");
    answer(server.request(Method::DELETE, &format!("{TOKENS}/{id}"), ADMIN)).await.is(200);
    let database = rusqlite::Connection::open(server.database()).unwrap();
    let mut statement =
        database.prepare("SELECT action, actor, actor_name FROM audit ORDER BY id").unwrap();
    type Row = (String, String, String);
    let rows: Vec<Row> =
        statement.query_map((), |row| Row::try_from(row)).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!((&*rows[0].0, &*rows[0].2), ("token.create", "first"));
    assert_eq!(rows[1], ("flag.create".into(), id, "Ada".into()));
    assert_eq!((&*rows[2].0, &*rows[2].2), ("token.revoke", "first"));
}

/// A stream that nobody reads ends with its secret, too, and frees its place.
#[tokio::test]
async fn a_stream_that_nobody_reads_ends_as_well() {
    let server = TestServer::start_limited(flags_server::Quotas {
        streams_per_token: 1,
        ..Default::default()
    })
    .await;
    let created = sdk_token(&server, json!({})).await;
    let unread =
        server.request(Method::GET, "/sdk/v1/stream", &text(&created, "token")).send().await;
    assert_eq!(unread.as_ref().unwrap().status(), 200);
    let new = text(&rotate(&server, &text(&created, "id"), 0).await.is(200), "token");
    let opened = timeout(DEADLINE, async {
        loop {
            let request = server.request(Method::GET, "/sdk/v1/stream", &new);
            if request.send().await.unwrap().status() == 200 {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    opened.await.expect("the place is free");
}

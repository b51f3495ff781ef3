//! What an environment was: answers for a past revision, and for a past time.

#![cfg(test)]

mod server;

use std::collections::BTreeMap;

use flags_core::{Change, Document, Epoch};
use serde_json::{Value, json};
use server::{PRODUCTION, SDK, TestServer, answer};

async fn value(server: &TestServer, query: &str) -> Value {
    let body = json!({"flag": "f", "context": {"tenant": {"key": "acme"}}});
    server.post(&format!("{PRODUCTION}/evaluate{query}"), body).await.is(200)
}

/// Revision 1: off. 2: on. 3: a segment without members. 4: a rule for it that serves off, and
/// on for the rest. 5 and 6: members. 7: another flag.
async fn story() -> TestServer {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    server.press(&format!("{PRODUCTION}/flags/f/on")).await.is(200);
    server
        .post(&format!("{PRODUCTION}/segments"), json!({"key": "s", "kind": "tenant"}))
        .await
        .is(201);
    let rules = json!([{"when": {"segment": "s"}, "serve": {"variant": "off"}}]);
    server.patch(&format!("{PRODUCTION}/flags/f"), 2, json!({"rules": rules})).await.is(200);
    let members = format!("{PRODUCTION}/segments/s/members");
    server.post(&members, json!({"included": {"add": ["acme", "globex"]}})).await.is(200);
    server.post(&members, json!({"included": {"remove": ["acme"]}})).await.is(200);
    server.create_flag("g").await;
    server
}

#[tokio::test]
async fn answers_are_those_of_then() {
    let server = story().await;
    let expected = [
        (1, "disabled", json!(false)),
        (2, "fallthrough", json!(true)),
        (4, "fallthrough", json!(true)),
        (5, "rule_match", json!(false)),
        (6, "fallthrough", json!(true)),
        (7, "fallthrough", json!(true)),
    ];
    // Again and again: the second time from what was kept.
    for _ in 0..2 {
        for (revision, reason, expected) in &expected {
            let answer = value(&server, &format!("?revision={revision}")).await;
            assert_eq!((&answer["value"], &answer["revision"]), (expected, &json!(revision)));
            assert_eq!(answer["reason"], *reason);
        }
    }
    let path = format!("{PRODUCTION}/evaluate?revision=6");
    let all = server.post(&path, json!({"context": {}}));
    assert_eq!(all.await.is(200)["answers"].as_array().unwrap().len(), 1, "there was no g yet");
    let explain = json!({"flag": "f", "context": {"tenant": {"key": "acme"}}});
    let explained = server.post(&format!("{PRODUCTION}/explain?revision=5"), explain).await.is(200);
    assert!(explained["text"].as_str().unwrap().starts_with("f serves `off`"), "{explained}");
    // After a restart, too: it is all in the change log.
    let server = TestServer::start_in(server.stop().await).await;
    assert_eq!(value(&server, "?revision=5").await["value"], false);
}

#[tokio::test]
async fn stored_tenants_are_those_of_then() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let german = json!({"attribute": "tenant.country", "op": "equals", "values": ["DE"]});
    let state = json!({"on": true, "fallthrough": {"variant": "off"},
                       "rules": [{"when": german, "serve": {"variant": "on"}}]});
    server.patch(&format!("{PRODUCTION}/flags/f"), 1, state).await.is(200);
    let tenants = format!("{PRODUCTION}/tenants");
    for country in ["FR", "DE", "US"] {
        let acme = json!({"tenants": [{"key": "acme", "attributes": {"country": country}}]});
        server.post(&tenants, acme).await.is(200);
    }
    server.delete(&format!("{tenants}/acme"), 5).await.is(200);
    let server = TestServer::start_in(server.stop().await).await;
    for (revision, served) in [(2, false), (3, false), (4, true), (5, false), (6, false)] {
        let answer = value(&server, &format!("?revision={revision}")).await;
        assert_eq!(answer["value"], served, "{revision}");
    }
    let ask = json!({"flag": "f", "context": {"tenant": {"key": "acme"}}});
    let explained = server.post(&format!("{PRODUCTION}/explain?revision=3"), ask).await.is(200);
    let text = explained["text"].as_str().unwrap();
    assert!(text.contains("\"FR\""), "what was stored then is shown: {text}");
}

#[tokio::test]
async fn the_present_was_then() {
    let server = story().await;
    let database = rusqlite::Connection::open(server.database()).unwrap();
    // A second between any two revisions.
    let sql = "UPDATE change_log SET committed_at = 1000000000000 + revision * 1000";
    database.execute(sql, ()).unwrap();
    for (at, revision) in [
        ("2001-09-09T01:46:41Z", 1),
        ("2001-09-09T01:46:44.999Z", 4),
        ("2001-09-09T03:46:45%2B02:00", 5),
        ("2020-01-01T00:00:00Z", 7),
    ] {
        assert_eq!(value(&server, &format!("?at={at}")).await["revision"], revision, "{at}");
    }
    // A ramp is where it was then.
    let ramp = json!({"ramp": {"by": "tenant", "variant": "on", "rest": "off", "from": 0, "to": 100_000,
        "start": "2010-01-01T00:00:00Z", "end": "2010-01-01T00:00:01Z"}});
    let state = json!({"fallthrough": ramp, "rules": []});
    server.patch(&format!("{PRODUCTION}/flags/f"), 4, state).await.is(200);
    let sql = "UPDATE change_log SET committed_at = 1262300000000 WHERE revision = 8";
    database.execute(sql, ()).unwrap();
    assert_eq!(value(&server, "?at=2009-12-31T23:59:00Z").await["value"], false);
    assert_eq!(value(&server, "?revision=8").await["value"], false, "the time of its commit");
    assert_eq!(value(&server, "?at=2010-01-01T00:00:02Z").await["value"], true);
    assert_eq!(value(&server, "").await["value"], true);
}

#[tokio::test]
async fn what_never_was_is_said_to_be_so() {
    let server = story().await;
    let body = || json!({"flag": "f", "context": {}});
    for route in ["evaluate", "explain"] {
        let ask = |query: &str| format!("{PRODUCTION}/{route}{query}");
        for missing in [
            "?revision=0",
            "?revision=8",
            "?revision=18446744073709551615",
            "?at=2001-01-01T00:00:00Z",
        ] {
            server.post(&ask(missing), body()).await.problem(404, "not_found");
        }
        for wrong in [
            "?revision=-1",
            "?revision=x",
            "?at=yesterday",
            "?at=2999-01-01T00:00:00Z",
            "?revision=1&at=2020-01-01T00:00:00Z",
            "?now=1",
        ] {
            server.post(&ask(wrong), body()).await.problem(400, "invalid_query");
        }
        let empty = "/api/v1/projects/shop/environments/eu";
        server.post(&format!("{empty}/{route}?revision=1"), body()).await.problem(404, "not_found");
        let sdk = server.request(reqwest::Method::POST, &ask("?revision=1"), SDK).json(&body());
        answer(sdk).await.problem(403, "forbidden");
    }
    server.post("/api/v1/projects", json!({"key": "shop"})).await.is(201);
    let environments = "/api/v1/projects/shop/environments";
    server.post(environments, json!({"key": "eu"})).await.is(201);
    let path = format!("{environments}/eu/evaluate?revision=1");
    let problem = server.post(&path, body()).await.problem(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("no change yet"), "{problem}");
    let unauthenticated = server.request(reqwest::Method::POST, &path, "wrong").json(&body());
    answer(unauthenticated).await.problem(401, "unauthenticated");
}

/// The state that is served is the fold of the log.
#[tokio::test]
async fn the_fold_of_the_log_is_the_snapshot() {
    let server = story().await;
    let database = rusqlite::Connection::open(server.database()).unwrap();
    let sql = "SELECT change FROM change_log l JOIN environment e ON e.id = l.environment_id
               WHERE e.key = 'production' ORDER BY l.revision";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| row.get::<_, String>(0)).unwrap();
    let changes: Vec<Change> =
        rows.map(|row| serde_json::from_str(&row.unwrap()).unwrap()).collect();
    let mut folded = Document::empty(Epoch::new(changes[0].epoch.as_str()));
    folded.fold(&changes).unwrap();
    let objects = |document: &Value| -> BTreeMap<String, Value> {
        let objects = document["objects"].as_array().unwrap().iter();
        objects
            .map(|object| (format!("{} {}", object["kind"], object["key"]), object.clone()))
            .collect()
    };
    assert_eq!(objects(&json!(folded)), objects(&server.snapshot().await));
}

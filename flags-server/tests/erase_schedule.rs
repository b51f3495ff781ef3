//! Erasing a key that scheduled changes name: nothing that is made later brings it back.

#![cfg(test)]

mod binary;
mod server;

use binary::{binary, run};
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{PRODUCTION, TestServer};
use tempfile::TempDir;

const KEY: &str = "ada@example.com";

/// Ahead of any clock that this test may run by, by less than a year.
fn some_day() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let later = i64::try_from(now.as_millis()).unwrap() + 3_600_000;
    flags_core::Timestamp::from_millis(later).to_string()
}

async fn schedule(server: &TestServer, query: &str, change: Value) -> String {
    let said = json!({"at": some_day(), "change": change});
    let created = server.post(&format!("{PRODUCTION}/schedule{query}"), said).await.is(201);
    format!("{PRODUCTION}/schedule/{}", created["id"].as_str().unwrap())
}

fn targets(keys: Value) -> Value {
    json!([{"kind": "user", "keys": keys, "variant": "on"}])
}

fn patch(flag: &str, body: Value) -> Value {
    json!({"action": "flag_state.patch", "key": flag, "body": body})
}

fn members(segment: &str, body: Value) -> Value {
    json!({"action": "segment.members", "key": segment, "body": body})
}

async fn segment(server: &TestServer, key: &str, kind: &str) {
    server.post(&format!("{PRODUCTION}/segments"), json!({"key": key, "kind": kind})).await.is(201);
}

/// The database as a server opens it: what is overwritten is gone.
fn open(dir: &TempDir) -> Connection {
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    database.execute_batch("PRAGMA secure_delete = ON").unwrap();
    database
}

/// Everything that is due in the next two hours is due.
async fn later(server: TestServer) -> TestServer {
    let dir = server.stop().await;
    let database = open(&dir);
    database.execute_batch("UPDATE scheduled_change SET at = at - 7200000").unwrap();
    drop(database);
    TestServer::start_in(dir).await
}

async fn erase(server: &TestServer, kind: &str, dry_run: bool) -> Value {
    let wanted = json!({"kind": kind, "key": KEY, "dry_run": dry_run});
    server.post("/api/v1/erasures", wanted).await.is(200)
}

#[tokio::test]
async fn what_is_open_is_made_without_the_key() {
    let server = TestServer::start().await;
    for flag in ["f", "g"] {
        server.create_flag(flag).await;
    }
    segment(&server, "users", "user").await;
    segment(&server, "tenants", "tenant").await;
    let some = schedule(
        &server,
        &format!("?reason=for%20{KEY}"),
        patch("f", json!({"targets": targets(json!([KEY, "grace"]))})),
    )
    .await;
    let condition =
        |key: &str| json!({"attribute": "user.key", "op": "in", "values": [key, "grace"]});
    let rules = |key| json!([{"id": "r", "when": condition(key), "serve": {"variant": "on"}}]);
    let body = json!({"on": true, "targets": targets(json!([KEY])), "rules": rules(KEY)});
    let whole = schedule(&server, "", patch("g", body)).await;
    let body = json!({"included": {"add": [KEY, "bob"]}});
    let listed = schedule(&server, "", members("users", body)).await;
    let body = json!({"included": {"add": [KEY]}});
    let other = schedule(&server, "", members("tenants", body)).await;

    let dry = erase(&server, "user", true).await;
    assert_eq!(server.get(&some).await.is(200)["version"], 1);
    let erased = erase(&server, "user", false).await;
    for report in [&dry, &erased] {
        let production = &report["environments"][0];
        assert_eq!((&production["scheduled"], &production["cancelled"]), (&json!(3), &json!([])));
    }
    assert_eq!(dry["environments"], erased["environments"]);

    let shown = server.get(&some).await;
    assert_eq!(shown.header("etag"), "\"2\"");
    let shown = shown.is(200);
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("open"), &json!("for [erased]")));
    assert_eq!(shown["change"]["body"]["targets"], targets(json!(["grace"])));
    assert_eq!(server.get(&other).await.is(200)["version"], 1, "that is a tenant");
    let id = some.rsplit('/').next().unwrap();
    let audit = server.get(&format!("/api/v1/audit?object=schedule/{id}")).await.is(200);
    assert_eq!(audit["items"][0]["action"], "schedule.erase");
    assert!(!audit.to_string().contains(KEY), "{audit}");

    let server = later(server).await;
    for made in [&some, &whole, &listed, &other] {
        assert_eq!(server.get(made).await.is(200)["state"], "done");
    }
    let state = async |flag: &str| server.get(&format!("{PRODUCTION}/flags/{flag}")).await.is(200);
    assert_eq!(state("f").await["targets"], targets(json!(["grace"])));
    let g = state("g").await;
    assert_eq!((&g["on"], &g["targets"]), (&json!(true), &json!([])));
    assert_eq!(g["rules"], rules("[erased]"));
    let segment =
        async |key: &str| server.get(&format!("{PRODUCTION}/segments/{key}")).await.is(200);
    assert_eq!(segment("users").await["included"], json!(["bob"]));
    assert_eq!(segment("tenants").await["included"], json!([KEY]));
}

#[tokio::test]
async fn what_would_be_about_nobody_is_cancelled_and_says_why() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    segment(&server, "users", "user").await;
    let path = format!("{PRODUCTION}/segments/users/members");
    server.post(&path, json!({"included": {"add": ["bob"]}})).await.is(200);
    let all = [
        schedule(
            &server,
            &format!("?reason=for%20{KEY}"),
            patch("f", json!({"targets": targets(json!([KEY]))})),
        )
        .await,
        schedule(&server, "", members("users", json!({"included": {"add": [KEY]}}))).await,
        // Without the key it would empty the list.
        schedule(
            &server,
            "",
            json!({"action": "segment.patch", "key": "users", "body": {"included": [KEY]}}),
        )
        .await,
    ];
    let erased = erase(&server, "user", false).await;
    let mut ids: Vec<_> = all.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(erased["environments"][0]["cancelled"], json!(ids));
    for path in &all {
        let shown = server.get(path).await.is(200);
        assert_eq!((&shown["state"], &shown["version"]), (&json!("cancelled"), &json!(2)));
        assert_eq!(shown["problem"]["code"], "erased");
        assert!(shown["ended_at"].is_string() && !shown.to_string().contains(KEY), "{shown}");
    }
    let found = server.get("/api/v1/audit?action=schedule.cancel").await.is(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 3);
    assert_eq!(server.get(&all[0]).await.is(200)["reason"], "for [erased]");
    // Its time comes, and nothing brings the key back.
    let server = later(server).await;
    let users = server.get(&format!("{PRODUCTION}/segments/users")).await.is(200);
    assert_eq!(users["included"], json!(["bob"]));
    let f = server.get(&format!("{PRODUCTION}/flags/f")).await.is(200);
    assert_eq!((&f["targets"], &f["version"]), (&json!([]), &json!(1)));
    for path in ["history", "schedule"] {
        let told = server.get(&format!("{PRODUCTION}/{path}")).await.is(200);
        assert!(!told.to_string().contains(KEY), "{told}");
    }
}

#[tokio::test]
async fn what_has_ended_is_rewritten_and_no_byte_has_the_key() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    segment(&server, "users", "user").await;
    // More than an erasure rewrites at once.
    let mut cancelled = Vec::new();
    for _ in 0..18 {
        let body = json!({"targets": targets(json!([KEY, "grace"]))});
        let path = schedule(&server, &format!("?reason=for%20{KEY}"), patch("f", body)).await;
        server.delete(&path, 1).await.is(200);
        cancelled.push(path);
    }
    let gone = schedule(&server, "", members("users", json!({"included": {"add": [KEY]}}))).await;
    let done = schedule(&server, "", patch("f", json!({"targets": targets(json!([KEY]))}))).await;
    server.delete(&format!("{PRODUCTION}/segments/users"), 2).await.is(200);
    let server = later(server).await;
    assert_eq!(server.get(&gone).await.is(200)["state"], "failed");
    assert_eq!(server.get(&done).await.is(200)["state"], "done");
    let dir = server.stop().await;
    let database = open(&dir);
    // As a check of another version may have said it.
    let problem = json!({"code": "invalid", "detail": format!("`{KEY}` is twice")}).to_string();
    let update = "UPDATE scheduled_change SET problem = ?1 WHERE state = 'failed'";
    assert_eq!(database.execute(update, [problem]).unwrap(), 1);
    drop(database);

    let server = TestServer::start_in(dir).await;
    let dry = erase(&server, "user", true).await;
    let erased = erase(&server, "user", false).await;
    assert_eq!(dry["environments"][0]["scheduled"], 20);
    assert_eq!(dry["environments"][0]["cancelled"], json!([]));
    assert_eq!(dry["audit_rows"], erased["audit_rows"]);
    for member in ["scheduled", "cancelled", "changes", "flags"] {
        assert_eq!(dry["environments"][0][member], erased["environments"][0][member], "{member}");
    }
    for path in &cancelled {
        let shown = server.get(path).await.is(200);
        assert_eq!(shown["change"]["body"]["targets"], targets(json!(["grace"])));
        assert_eq!((&shown["version"], &shown["reason"]), (&json!(2), &json!("for [erased]")));
    }
    assert_eq!(server.get(&gone).await.is(200)["problem"]["detail"], "`[erased]` is twice");
    assert_eq!(erase(&server, "user", false).await["environments"], json!([]));
    let dir = server.stop().await;
    for file in dir.path().read_dir().unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!found, "{}", path.display());
    }
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
}

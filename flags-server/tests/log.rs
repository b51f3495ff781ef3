//! What the log says of what goes wrong: where and which, and nobody's key.

#![cfg(test)]

mod server;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::{Value, json};
use server::{FLAGS, PRODUCTION, TestServer};
use tempfile::TempDir;

const KEY: &str = "ada@example.com";

/// What a server logs until it listens, which is after everything that came due is made.
fn logged(dir: &TempDir) -> Vec<Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flags-server"))
        .env_clear()
        .env("FLAGS_LISTEN", "127.0.0.1:0")
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("listening on ")));
    child.kill().unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    child.wait().unwrap();
    assert!(!log.contains(KEY), "{log}");
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn line<'l>(log: &'l [Value], message: &str, kind: Option<&str>) -> &'l Value {
    let is_it =
        |line: &&Value| line["message"] == message && kind.is_none_or(|kind| line["kind"] == kind);
    log.iter().find(is_it).unwrap_or_else(|| panic!("no `{message}`: {log:?}"))
}

#[tokio::test]
async fn a_scheduled_change_that_fails_is_logged_by_its_id_and_code() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let segments = format!("{PRODUCTION}/segments");
    server.post(&segments, json!({"key": KEY.replace('@', "-"), "kind": "user"})).await.is(201);
    let rule = json!({"id": "r", "when": {"segment": KEY.replace('@', "-")},
        "serve": {"variant": "on"}});
    let targets = json!([{"kind": "user", "keys": [KEY], "variant": "on"}]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let later = i64::try_from(now.as_millis()).unwrap() + 3_600_000;
    let change = json!({"action": "flag_state.patch", "key": "f",
        "body": {"rules": [rule], "targets": targets}});
    let said = json!({"at": flags_core::Timestamp::from_millis(later).to_string(),
        "change": change});
    let made = server.post(&format!("{PRODUCTION}/schedule"), said).await.is(201);
    server.delete(&format!("{segments}/{}", KEY.replace('@', "-")), 2).await.is(200);
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    database.execute_batch("UPDATE scheduled_change SET at = at - 7200000").unwrap();
    drop(database);

    let log = logged(&dir);
    let line = line(&log, "a scheduled change failed", None);
    assert_eq!((&line["schedule"], &line["code"]), (&made["id"], &json!("invalid")));
    assert!(!line.to_string().contains("ada"), "{line}");
    let server = TestServer::start_in(dir).await;
    let path = format!("{PRODUCTION}/schedule/{}", made["id"].as_str().unwrap());
    let problem = server.get(&path).await.is(200)["problem"].clone();
    assert_eq!(problem["code"], "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("ada-example.com"), "it says why");
}

#[tokio::test]
async fn what_is_damaged_is_logged_by_its_place() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    server.create_flag("g").await;
    let tenants = json!({"tenants": [{"key": KEY}, {"key": "globex"}]});
    server.post(&format!("{PRODUCTION}/tenants"), tenants).await.is(200);
    server.get(&format!("{FLAGS}/f")).await.is(200);
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    let twice = json!([{"kind": "user", "keys": [KEY, KEY], "variant": KEY}]);
    for (sql, value) in [
        (
            "UPDATE object SET document = json_set(document, '$.targets', ?1) WHERE key = 'f'",
            KEY.to_owned(),
        ),
        (
            "UPDATE object SET document = json_set(document, '$.targets', json(?1))
             WHERE key = 'g'",
            twice.to_string(),
        ),
        (
            "UPDATE tenant SET document = ?1",
            json!({"attributes": {"key": KEY, "$x": KEY}}).to_string(),
        ),
    ] {
        assert!(database.execute(sql, [value]).unwrap() > 0, "{sql}");
    }
    drop(database);

    let log = logged(&dir);
    let unreadable = line(&log, "a stored definition cannot be read", None);
    assert_eq!((&unreadable["kind"], &unreadable["key"]), (&json!("flag"), &json!("f")));
    let cause = unreadable["cause"].as_str().unwrap();
    assert!(cause.starts_with("Data error at line 1, column "), "{cause}");
    let invalid = |kind| line(&log, "a definition cannot be evaluated", Some(kind));
    let problems = invalid("tenant")["problems"].to_string();
    assert!(problems.contains("invalid_name at /attributes/key"), "{problems}");
    assert_eq!(invalid("tenant")["key"], Value::Null);
    assert!(invalid("flag")["key"].is_string());
}

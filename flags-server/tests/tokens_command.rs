//! `flags-server token` and `migrate`: through a server's API, or on a file that no server has.

#![cfg(test)]

mod binary;
mod server;

use binary::{binary, run};
use reqwest::Method;
use serde_json::json;
use server::{ADMIN, PRODUCTION, TestServer, answer};

#[tokio::test]
async fn tokens_are_managed_with_and_without_a_server() {
    let server = TestServer::start().await;
    let url = server.base.clone();
    let through_api = || {
        let mut command = binary(&server.dir);
        command.env("FLAGS_ADMIN_TOKEN", ADMIN).env("FLAGS_URL", &url);
        command
    };
    let create = ["token", "create", "--name", "ci", "--kind", "service", "--role", "editor"];
    let create = [&create[..], &["--scope", "default/production", "--reason", "ci"]].concat();
    let (code, created, errors) = run(through_api(), &create).await;
    assert_eq!(code, 0, "{errors}");
    let token = created["token"].as_str().unwrap();
    answer(server.request(Method::GET, PRODUCTION, token)).await.is(200);
    let (_, listed, _) = run(through_api(), &["token", "list"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(created["scope"], json!([{"project": "default", "environment": "production"}]));
    let id = created["id"].as_str().unwrap();
    let rotate = ["token", "rotate", id, "--overlap-seconds", "0"];
    let (code, rotated, errors) = run(through_api(), &rotate).await;
    assert_eq!(code, 0, "{errors}");
    answer(server.request(Method::GET, PRODUCTION, token)).await.problem(401, "unauthenticated");
    let token = rotated["token"].as_str().unwrap();
    answer(server.request(Method::GET, PRODUCTION, token)).await.is(200);
    let (code, revoked, _) = run(through_api(), &["token", "revoke", id]).await;
    assert!(code == 0 && revoked["revoked_at"].is_string(), "{revoked}");
    answer(server.request(Method::GET, PRODUCTION, token)).await.problem(401, "unauthenticated");

    let sdk = ["token", "create", "--name", "shop", "--kind", "sdk", "--environment", "production"];
    let (code, _, errors) = run(binary(&server.dir), &sdk).await;
    assert!(code == 1 && errors.contains("another process has it open"), "{errors}");
    let dir = server.stop().await;
    let (code, created, errors) = run(binary(&dir), &sdk).await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(created["environment"], "production");
    let id = created["id"].as_str().unwrap();
    let rotate = ["token", "rotate", id, "--overlap-seconds", "0"];
    let (code, created, errors) = run(binary(&dir), &rotate).await;
    assert_eq!(code, 0, "{errors}");
    let (_, listed, _) = run(binary(&dir), &["token", "list"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 4);
    assert!(!listed.to_string().contains(created["token"].as_str().unwrap()));
    let (code, _, errors) = run(binary(&dir), &["token", "revoke", "none"]).await;
    assert!(code == 1 && errors.contains("there is no such token"), "{errors}");
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));

    let server = TestServer::start_in(dir).await;
    let token = created["token"].as_str().unwrap();
    answer(server.request(Method::GET, "/sdk/v1/snapshot", token)).await.is(200);
    let audit = rusqlite::Connection::open(server.database()).unwrap();
    let sql = "SELECT actor FROM audit ORDER BY id DESC LIMIT 1";
    assert_eq!(audit.query_row(sql, (), |row| row.get::<_, String>(0)).unwrap(), "operator");
}

#[tokio::test]
async fn a_database_that_is_current_stays_as_it_is() {
    let dir = TestServer::start().await.stop().await;
    let (code, migrated, errors) = run(binary(&dir), &["migrate"]).await;
    assert_eq!((code, &migrated["from"]), (0, &migrated["to"]), "{errors}");
    let (code, _, errors) = run(binary(&dir), &["migrate", "--database", "none.db"]).await;
    assert!(code == 1 && errors.contains("there is no such file"), "{errors}");
    assert!(!dir.path().join("none.db").exists());
}

#[tokio::test]
async fn a_name_does_nothing_to_the_terminal_that_it_is_shown_on() {
    let server = TestServer::start().await;
    let dir = server.stop().await;
    // As an earlier version took it.
    let database = rusqlite::Connection::open(dir.path().join("flags.db")).unwrap();
    let name = "ci\n0123 service admin \u{1b}[2K\u{9b}2J\u{202e}x";
    assert!(database.execute("UPDATE token SET name = ?1", [name]).unwrap() > 0);
    drop(database);
    let listed = binary(&dir).args(["token", "list"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    for line in listed.lines() {
        assert!(line.ends_with(r"ci\n0123 service admin \u{1b}[2K\u{9b}2J\u{202e}x"), "{line:?}");
    }
}

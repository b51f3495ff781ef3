//! Who may do what.

#![cfg(test)]

mod server;

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use server::{ADMIN, Events, FLAGS, PRODUCTION, SDK, TestServer, answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn without_a_valid_token_nothing_is_told() {
    let server = TestServer::start().await;
    for path in ["/api/v1/projects", "/sdk/v1/snapshot", "/sdk/v1/stream", "/api/v1/nothing"] {
        let bare = || reqwest::Client::new().get(format!("{}{path}", server.base));
        for request in [
            bare(),
            bare().bearer_auth("wrong"),
            bare().bearer_auth(""),
            bare().basic_auth(ADMIN, Some("")),
            bare().header("authorization", ADMIN),
        ] {
            let refused = answer(request).await;
            assert_eq!(refused.header("www-authenticate"), "Bearer");
            refused.problem(401, "unauthenticated");
        }
    }
    // Schemes are case-insensitive.
    let request = reqwest::Client::new().get(format!("{}/api/v1/projects", server.base));
    answer(request.header("authorization", format!("bearer {ADMIN}"))).await.is(200);
}

#[tokio::test]
async fn a_token_of_the_other_kind_is_forbidden() {
    let server = TestServer::start().await;
    answer(server.request(Method::GET, "/sdk/v1/snapshot", ADMIN)).await.problem(403, "forbidden");
    answer(server.request(Method::GET, "/sdk/v1/stream", ADMIN)).await.problem(403, "forbidden");
    for (method, path) in [
        (Method::GET, "/api/v1/projects"),
        (Method::POST, "/api/v1/tokens"),
        (Method::POST, &format!("{PRODUCTION}/evaluate")),
    ] {
        answer(server.request(method, path, SDK)).await.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn tokens_are_created_shown_once_and_revoked() {
    let server = TestServer::start().await;
    let body = json!({"name": "ci", "kind": "sdk", "environment": "development"});
    let created = server.post("/api/v1/tokens", body).await;
    assert_eq!(created.header("cache-control"), "no-store");
    let created = created.is(201);
    let secret = created["token"].as_str().unwrap();
    assert!(secret.starts_with("flags_sdk_") && secret.len() == 10 + 43, "{secret}");
    assert_eq!(
        (&created["project"], &created["environment"]),
        (&json!("default"), &json!("development"))
    );

    let list = server.get("/api/v1/tokens").await.is(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    assert!(!list.to_string().contains(secret) && !list.to_string().contains(ADMIN));

    let snapshot = || answer(server.request(Method::GET, "/sdk/v1/snapshot", secret));
    snapshot().await.is(200);
    let mut stream = Events::of(server.request(Method::GET, "/sdk/v1/stream", secret)).await;
    assert!(stream.block().await.unwrap().starts_with("retry: "));
    let path = format!("/api/v1/tokens/{}", created["id"].as_str().unwrap());
    let revoked = answer(server.request(Method::DELETE, &path, ADMIN)).await.is(200);
    assert!(revoked["revoked_at"].is_string());
    // Its streams end, and it opens nothing any more.
    assert_eq!(stream.next().await, None);
    snapshot().await.problem(401, "unauthenticated");
    answer(server.request(Method::DELETE, &path, ADMIN)).await.is(200);
    answer(server.request(Method::DELETE, "/api/v1/tokens/none", ADMIN))
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn a_new_admin_token_works_and_the_last_one_stays() {
    let server = TestServer::start().await;
    let created = server
        .post("/api/v1/tokens", json!({"name": "ops", "kind": "service", "role": "admin"}))
        .await
        .is(201);
    let secret = created["token"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("flags_service_"));
    let tokens = answer(server.request(Method::GET, "/api/v1/tokens", &secret)).await.is(200);
    let items = tokens["items"].as_array().unwrap();
    let first = items.iter().find(|t| t["kind"] == "service" && t["id"] != created["id"]).unwrap();
    let revoke = |id: &str, by: &str| {
        answer(server.request(Method::DELETE, &format!("/api/v1/tokens/{id}"), by))
    };
    revoke(first["id"].as_str().unwrap(), &secret).await.is(200);
    server.get("/api/v1/tokens").await.problem(401, "unauthenticated");
    let last = created["id"].as_str().unwrap();
    revoke(last, &secret).await.problem(409, "last_admin_token");
    answer(server.request(Method::GET, "/api/v1/tokens", &secret)).await.is(200);
}

#[tokio::test]
async fn bad_requests_for_tokens_are_refused() {
    let server = TestServer::start().await;
    let post = |body| server.post("/api/v1/tokens", body);
    post(json!({"nam": "x", "kind": "root"})).await.refuses(&[
        ("", "missing_field"),
        ("/kind", "wrong_type"),
        ("/nam", "unknown_field"),
    ]);
    post(json!({"name": "x", "kind": "sdk"})).await.refuses(&[("", "missing_field")]);
    post(json!({"name": "x", "kind": "sdk", "environment": "e"}))
        .await
        .refuses(&[("/environment", "not_found")]);
    post(json!({"name": "x", "kind": "sdk", "project": "p", "environment": "e"}))
        .await
        .refuses(&[("/project", "not_found")]);
    post(json!({"name": "x", "kind": "sdk", "environment": "production", "role": "admin",
                "scope": [], "tenants": "some"}))
    .await
    .refuses(&[("/tenants", "wrong_type")]);
    post(json!({"name": "x", "kind": "sdk", "environment": "production", "role": "admin",
                "scope": []}))
    .await
    .refuses(&[("/role", "unknown_field"), ("/scope", "unknown_field")]);
    post(json!({"name": "x", "kind": "personal", "project": "default", "expires_at": "2020-01-01T00:00:00Z"}))
        .await
        .refuses(&[
            ("", "missing_field"),
            ("/expires_at", "in_the_past"),
            ("/project", "unknown_field"),
        ]);
    let production = json!({"project": "default", "environment": "production"});
    post(json!({"name": "x", "kind": "service", "role": "viewer", "expires_at": "tomorrow",
                "scope": [{"project": "p"}, {"project": "default", "environment": "e"},
                          production, production]}))
    .await
    .refuses(&[
        ("/expires_at", "invalid_time"),
        ("/scope/0/project", "not_found"),
        ("/scope/1/environment", "not_found"),
        ("/scope/3", "duplicate"),
    ]);
    let nowhere = json!({"name": "x", "kind": "service", "role": "viewer", "scope": []});
    // Not for everything by mistake.
    post(nowhere).await.refuses_as("limit_exceeded", &[("/scope", "limit_exceeded")]);
    assert_eq!(server.get("/api/v1/tokens").await.is(200)["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_request_has_an_id() {
    let server = TestServer::start().await;
    let with = |id: &str| {
        let request = server.request(Method::GET, "/api/v1/nothing", ADMIN);
        answer(request.header("x-request-id", id))
    };
    assert_eq!(with("my-request/1").await.problem(404, "not_found")["instance"], "my-request/1");
    for id in ["with space", &"x".repeat(129), ""] {
        let made_up = with(id).await.problem(404, "not_found");
        assert_eq!(made_up["instance"].as_str().unwrap().len(), 32);
    }
}

/// The body arrives after the token was revoked.
#[tokio::test]
async fn a_token_that_was_revoked_in_the_meantime_writes_nothing() {
    let server = TestServer::start().await;
    let body = json!({"name": "slow", "kind": "service", "role": "admin"});
    let created = server.post("/api/v1/tokens", body).await.is(201);
    let (id, token) = (created["id"].as_str().unwrap(), created["token"].as_str().unwrap());
    let body = r#"{"key": "late", "type": "boolean"}"#;
    let mut connection =
        TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST {FLAGS} HTTP/1.1\r\nHost: flags\r\nAuthorization: Bearer {token}\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body once it has let the token in.
    let mut interim = [0; 12];
    connection.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100");
    let revoke = server.request(Method::DELETE, &format!("/api/v1/tokens/{id}"), ADMIN);
    assert!(answer(revoke).await.status < 300);
    connection.write_all(body.as_bytes()).await.unwrap();
    let mut rest = String::new();
    connection.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("HTTP/1.1 401") && rest.contains("unauthenticated"), "{rest}");
    assert_eq!(server.revision().await, 0);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = TestServer::start().await;
    let address = server.base.trim_start_matches("http://").to_owned();
    let silent = async |beginning: &str| {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        connection.write_all(beginning.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = timeout(Duration::from_secs(20), connection.read_to_end(&mut answer)).await;
        closed.unwrap_or_else(|_| panic!("still open after {beginning:?}")).ok();
    };
    tokio::join!(
        silent(""),
        silent("P"),
        silent("PRI * HTTP/2.0\r\n"),
        silent("GET / HTTP/1.1\r\nHost"),
    );
}

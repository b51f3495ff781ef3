//! What somebody may send who means no good.

#![cfg(test)]

mod server;

use reqwest::Method;
use serde_json::json;
use server::{ADMIN, DEADLINE, FLAGS, PRODUCTION, TestServer, answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap()
}

/// Sends bytes as they are; gives what comes until the connection is closed.
async fn raw(server: &TestServer, bytes: &[u8]) -> String {
    let mut connection = connect(server).await;
    let mut answer = Vec::new();
    // A server that has heard enough may close before everything is sent.
    let _ = connection.write_all(bytes).await;
    let read = connection.read_to_end(&mut answer);
    let _ = timeout(DEADLINE, read).await.expect("the connection is closed");
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    let token = format!("Authorization: Bearer {ADMIN}\r\n");
    format!("GET {path} HTTP/1.1\r\nHost: f\r\n{token}{headers}Connection: close\r\n\r\n").into()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {answer:?}"))
}

#[tokio::test]
async fn headers_are_bounded_in_number_and_in_size() {
    let server = TestServer::start().await;
    let of = |number: usize| (0..number).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    assert_eq!(status(&raw(&server, &get("/api/v1/projects", &of(50))).await), "200");
    assert_eq!(status(&raw(&server, &get("/api/v1/projects", &of(1_000))).await), "431");
    let long = |bytes: usize| format!("X-Long: {}\r\n", "y".repeat(bytes));
    assert_eq!(status(&raw(&server, &get("/api/v1/projects", &long(60_000))).await), "200");
    for bytes in [200_000, 10_000_000] {
        let refused = raw(&server, &get("/api/v1/projects", &long(bytes))).await;
        // Whoever is still sending when the connection is closed may not hear why.
        assert!(refused.is_empty() || status(&refused) == "431", "{refused}");
        let path = format!("/api/v1/projects?{}", "x".repeat(bytes));
        let refused = raw(&server, &get(&path, "")).await;
        assert!(refused.is_empty() || matches!(status(&refused), "414" | "431"), "{refused}");
    }
    server.get("/api/v1/projects").await.is(200);
}

/// It is refused by what it says of its length, and stops being read where it says nothing.
#[tokio::test]
async fn a_body_of_ten_megabytes_is_not_read() {
    let server = TestServer::start().await;
    let head = |length: &str| {
        let token = format!("Authorization: Bearer {ADMIN}\r\n");
        format!("POST {FLAGS} HTTP/1.1\r\nHost: f\r\n{token}{length}\r\n\r\n")
    };
    let mut connection = connect(&server).await;
    connection.write_all(head("Content-Length: 10485760").as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    timeout(DEADLINE, connection.read_exact(&mut begin)).await.unwrap().unwrap();
    assert_eq!(&begin, b"HTTP/1.1 413", "without a byte of it");

    let mut chunked = head("Transfer-Encoding: chunked").into_bytes();
    for _ in 0..10 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.resize(chunked.len() + 0x10_0000, b' ');
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let mut connection = connect(&server).await;
    let (mut read, mut write) = connection.split();
    let mut begin = [0; 12];
    let (_, got) =
        tokio::join!(write.write_all(&chunked), timeout(DEADLINE, read.read_exact(&mut begin)));
    got.unwrap().unwrap();
    assert_eq!(&begin, b"HTTP/1.1 413");
    assert_eq!(server.revision().await, 0);
}

/// Two lengths, or a length and chunks: what one server takes for a body, another takes for the
/// next request.
#[tokio::test]
async fn a_request_has_one_length() {
    let server = TestServer::start().await;
    for lengths in [
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2, 3",
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip",
    ] {
        let token = format!("Authorization: Bearer {ADMIN}\r\n");
        let off = format!("POST {FLAGS} HTTP/1.1\r\nHost: f\r\n{token}{lengths}\r\n\r\n{{}}");
        assert_eq!(status(&raw(&server, off.as_bytes()).await), "400", "{lengths}");
    }
}

/// Sent as they are: a client would tidy them up.
#[tokio::test]
async fn a_path_that_is_written_otherwise_is_no_way_around_a_scope() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let scope = json!([{"project": "default", "environment": "development"}]);
    let said = json!({"name": "x", "kind": "service", "role": "admin", "scope": scope});
    let limited = server.post("/api/v1/tokens", said).await.is(201);
    let limited = limited["token"].as_str().unwrap().to_owned();
    let ask = async |method: &str, path: &str, token: &str| {
        let headers = format!("Authorization: Bearer {token}\r\nContent-Length: 0\r\n");
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: f\r\n{headers}Connection: close\r\n\r\n");
        raw(&server, request.as_bytes()).await
    };
    let environments = "/api/v1/projects/default/environments";
    for path in [
        format!("{environments}/production/flags/f/on"),
        format!("{environments}/development/../production/flags/f/on"),
        format!("{environments}/development/%2e%2e/production/flags/f/on"),
        format!("{environments}/development%2f..%2fproduction/flags/f/on"),
        format!("{environments}/development%2F%2E%2E%2Fproduction/flags/f/on"),
        format!("{environments}/%70roduction/flags/f/on"),
        format!("{environments}/PRODUCTION/flags/f/on"),
        format!("{environments}/production%00/flags/f/on"),
        format!("{environments}/development%00/flags/f/on"),
        format!("{environments}/production;x/flags/f/on"),
        format!("{environments}//production/flags/f/on"),
        format!("/{environments}/production/flags/f/on"),
        format!("//{environments}/development/flags/f/on"),
        format!("{environments}/development/flags//f/on"),
        format!("{environments}/development/flags/f/on/"),
        format!("{environments}/development/flags/%2e%2e/on"),
        format!("{environments}/development/flags/f%2fon"),
        format!("{environments}/development/flags/..%2f..%2fproduction%2fflags%2ff/on"),
        "/api/v1/projects/default%2fenvironments%2fproduction/flags/f".to_owned(),
        "/api/v1/projects/%2e%2e/tokens".to_owned(),
        "/sdk/v1/../../api/v1/projects".to_owned(),
        "/livez/../api/v1/tokens".to_owned(),
        "/livez%2f..%2fapi%2fv1%2ftokens".to_owned(),
        "/livez/".to_owned(),
        "/API/v1/projects".to_owned(),
    ] {
        for method in ["GET", "POST"] {
            let answer = ask(method, &path, &limited).await;
            assert!(matches!(status(&answer), "404" | "405"), "{method} {path}: {answer}");
        }
    }
    // The same letters in another spelling are the same environment.
    let spelled = format!("{environments}/%64evelopment/flags/f/on");
    assert_eq!(status(&ask("POST", &spelled, &limited).await), "200");
    // No host of an absolute form, and no method of another name, leads around it either.
    let absolute = format!("http://localhost{environments}/production/flags/f/on");
    assert_eq!(status(&ask("POST", &absolute, &limited).await), "404");
    let header = "X-HTTP-Method-Override: POST\r\nX-Original-URL: /livez\r\n";
    let token = format!("Authorization: Bearer {limited}\r\n{header}");
    let request =
        format!("GET {PRODUCTION}/flags HTTP/1.1\r\nHost: f\r\n{token}Connection: close\r\n\r\n");
    assert_eq!(status(&raw(&server, request.as_bytes()).await), "404");
    assert_eq!(server.get(&format!("{PRODUCTION}/flags/f")).await.is(200)["on"], false);
}

/// Which of two tokens is meant cannot be told.
#[tokio::test]
async fn a_token_is_in_its_header_and_nowhere_else() {
    let server = TestServer::start().await;
    let projects = "/api/v1/projects";
    let ask = async |path: &str, headers: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: f\r\n{headers}Connection: close\r\n\r\n");
        status(&raw(&server, request.as_bytes()).await).to_owned()
    };
    let right = format!("Authorization: Bearer {ADMIN}\r\n");
    assert_eq!(ask(projects, &right).await, "200");
    assert_eq!(ask(projects, &format!("Authorization: Bearer wrong\r\n{right}")).await, "401");
    assert_eq!(ask(projects, &format!("{right}Authorization: Bearer wrong\r\n")).await, "401");
    assert_eq!(ask(&format!("{projects}?access_token={ADMIN}"), "").await, "401");
    assert_eq!(ask(projects, &format!("Cookie: token={ADMIN}\r\n")).await, "401");
    assert_eq!(ask(projects, &format!("X-Api-Key: {ADMIN}\r\n")).await, "401");
    answer(server.request(Method::GET, projects, ADMIN)).await.is(200);
}

//! Many who ask at once, and what still gets through.

#![cfg(test)]

mod server;

use serde_json::json;
use server::{DEADLINE, PRODUCTION, SDK, TestServer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A request of which the body never comes.
async fn half_a_request(server: &TestServer, path: &str, token: &str) -> TcpStream {
    let mut stream =
        TcpStream::connect(server.base.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 9\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Waits until so many requests are under way.
async fn under_way(server: &TestServer, area: &str, number: usize) {
    let line = format!("flags_http_requests_in_flight{{area=\"{area}\"}} {number}\n");
    let wait = async {
        loop {
            let metrics = server.get("/metrics").await.is(200);
            if metrics.as_str().unwrap().contains(&line) {
                return;
            }
            // A loop without a pause spends the token's quota on a fast machine.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("not {line}"));
}

#[tokio::test]
async fn bodies_that_do_not_come_keep_nobody_waiting() {
    let server = TestServer::start().await;
    server.create_flag("exports").await;
    let mut slow = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let said = json!({"name": name, "kind": "service", "role": "viewer"});
        let viewer = server.post("/api/v1/tokens", said).await.is(201);
        let viewer = viewer["token"].as_str().unwrap();
        for _ in 0..64 {
            slow.push(half_a_request(&server, &format!("{PRODUCTION}/evaluate"), viewer).await);
        }
    }
    under_way(&server, "admin", slow.len()).await;
    for _ in 0..1_024 {
        slow.push(half_a_request(&server, "/sdk/v1/telemetry", SDK).await);
    }
    under_way(&server, "sdk", 1_024).await;
    server.press(&format!("{PRODUCTION}/flags/exports/on")).await.is(200);
    server.get(PRODUCTION).await.is(200);
    server.snapshot().await;
    // They are all still there.
    under_way(&server, "admin", 256).await;
    under_way(&server, "sdk", 1_024).await;
}

/// Who lists what is large gets less of it at once.
#[tokio::test]
async fn a_page_ends_at_some_bytes() {
    const FLAGS: usize = 7;
    let server = TestServer::start().await;
    for number in 0..FLAGS {
        let value = vec!["x".repeat(1_000); 900];
        let variants = json!([{"name": "on", "value": value}, {"name": "off", "value": []}]);
        let flag = json!({"key": format!("f{number}"), "type": "json", "variants": variants,
                          "off_variant": "off", "fallthrough": "on"});
        server.post(server::FLAGS, flag).await.is(201);
    }
    for list in [server::FLAGS.to_owned(), format!("{PRODUCTION}/flags")] {
        let (mut keys, mut path) = (Vec::new(), format!("{list}?limit=50"));
        let mut pages = Vec::new();
        loop {
            let page = server.get(&path).await.is(200);
            let items = page["items"].as_array().unwrap();
            pages.push(items.len());
            keys.extend(items.iter().map(|item| item["key"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{list}?limit=50&cursor={cursor}");
        }
        assert_eq!(pages, [4, 3], "{list}");
        assert_eq!(keys, (0..FLAGS).map(|number| format!("f{number}")).collect::<Vec<_>>());
    }
}

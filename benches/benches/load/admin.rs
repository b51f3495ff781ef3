//! Requests to the admin API, one after the other.

use std::net::SocketAddr;
use std::time::Instant;

use reqwest::{Client, Method};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::process::ADMIN;

pub const FLAGS: &str = "/api/v1/projects/default/flags";
pub const PRODUCTION: &str = "/api/v1/projects/default/environments/production";

pub struct Admin {
    runtime: Runtime,
    client: Client,
    address: SocketAddr,
}

/// When a request was sent and when its answer was there, and what it was.
pub struct Answer {
    pub sent: Instant,
    pub arrived: Instant,
    pub body: Value,
}

impl Admin {
    pub fn new(address: SocketAddr) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        // Nobody watches an idle connection here, which the server closes after a while.
        let client = Client::builder().pool_max_idle_per_host(0).build().expect("a client");
        Self { runtime, client, address }
    }

    pub fn get(&self, path: &str) -> Value {
        self.request(Method::GET, path, "").body
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.request(Method::POST, path, body)
    }

    /// # Panics
    /// When the server refuses it.
    fn request(&self, method: Method, path: &str, body: &str) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(method, &url).bearer_auth(ADMIN);
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        self.runtime.block_on(async {
            let sent = Instant::now();
            let response = request.send().await.expect("an answer");
            let arrived = Instant::now();
            let status = response.status();
            let text = response.text().await.expect("a body");
            assert!(status.is_success(), "{url} answered {status}: {text}");
            Answer { sent, arrived, body: serde_json::from_str(&text).expect("JSON") }
        })
    }
}

//! Writers that keep writing until the server goes away, and note what it acknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use flags_core::Document;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::admin::{FLAGS, PRODUCTION};
use super::history::Ack;
use super::process::ADMIN;

const WRITERS: usize = 4;

/// Several writers at work.
pub struct Writers {
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Starts them; `round` tells their requests from those of other rounds.
    pub async fn start(address: SocketAddr, round: usize, acks: Arc<Mutex<Vec<Ack>>>) -> Self {
        let tasks = (0..WRITERS).map(|number| {
            let writer = Writer {
                client: Client::new(),
                address,
                name: format!("k{round}-w{number}"),
                flag: format!("flag-{number}"),
                segment: format!("segment-{number}"),
                acks: Arc::clone(&acks),
            };
            tokio::spawn(async move {
                let _gone = writer.write().await;
            })
        });
        Self { tasks: tasks.collect() }
    }

    /// Waits until each has noticed that the server is gone.
    ///
    /// # Panics
    /// When one was refused instead.
    pub async fn join(self) {
        for task in self.tasks {
            task.await.expect("nothing was refused");
        }
    }
}

struct Writer {
    client: Client,
    address: SocketAddr,
    name: String,
    flag: String,
    segment: String,
    acks: Arc<Mutex<Vec<Ack>>>,
}

impl Writer {
    /// Writes until the server does not answer.
    async fn write(&self) -> Result<(), reqwest::Error> {
        // What it wrote in earlier rounds, and whether the last of it arrived, it asks.
        let flag = format!("{PRODUCTION}/flags/{}", self.flag);
        let mut is_on = match self.send(Method::GET, &flag, "", None).await? {
            (StatusCode::NOT_FOUND, _) => {
                let body = json!({"key": self.flag, "type": "boolean"});
                self.acknowledged("flag", FLAGS, Some(body)).await?;
                false
            }
            (_, state) => state["on"].as_bool().expect("a state"),
        };
        let segment = format!("{PRODUCTION}/segments/{}", self.segment);
        if self.send(Method::GET, &segment, "", None).await?.0 == StatusCode::NOT_FOUND {
            let body = json!({"key": self.segment, "kind": "tenant"});
            self.acknowledged("segment", &format!("{PRODUCTION}/segments"), Some(body)).await?;
        }
        for number in 0.. {
            let id = format!("{}-{number}", self.name);
            match number % 20 {
                // In two environments at once.
                7 => {
                    self.acknowledged(&id, FLAGS, Some(json!({"key": id, "type": "boolean"})))
                        .await?
                }
                3 | 9 | 15 => {
                    let body = json!({"included": {"add": [id]}});
                    self.acknowledged(&id, &format!("{segment}/members"), Some(body)).await?;
                }
                _ => {
                    let verb = if is_on { "off" } else { "on" };
                    self.acknowledged(&id, &format!("{flag}/{verb}"), None).await?;
                    is_on = !is_on;
                }
            }
        }
        Ok(())
    }

    async fn acknowledged(
        &self,
        what: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(), reqwest::Error> {
        let id = format!("{}-{what}", self.name);
        let (status, answer) = self.send(Method::POST, path, &id, body).await?;
        assert!(status.is_success(), "{path} answered {status}: {answer}");
        self.acks.lock().expect("no writer panicked").push(Ack::of(id, &answer));
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        id: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), reqwest::Error> {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.client.request(method, url).bearer_auth(ADMIN);
        if !id.is_empty() {
            request = request.header("x-request-id", id);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        Ok((status, serde_json::from_str(&text).expect("JSON")))
    }
}

/// An SDK token for `development`, made anew.
pub async fn development_token(address: SocketAddr) -> String {
    let body = json!({"name": "development", "kind": "sdk", "environment": "development"});
    let request = Client::new().post(format!("http://{address}/api/v1/tokens")).bearer_auth(ADMIN);
    let request = request.header("content-type", "application/json").body(body.to_string());
    let text = request.send().await.expect("an answer").text().await.expect("a body");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    answer["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

/// What an SDK gets.
pub async fn snapshot(address: SocketAddr, token: &str) -> Value {
    let request = Client::new().get(format!("http://{address}/sdk/v1/snapshot")).bearer_auth(token);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    serde_json::from_str(&response.text().await.expect("a body")).expect("JSON")
}

/// Whether what SDKs get of an environment is what its changes fold to.
pub fn same(folded: &BTreeMap<String, Document>, environment: &str, served: &Value) -> bool {
    let document = folded.get(environment).expect("an environment");
    serde_json::to_value(document).expect("JSON") == *served
}

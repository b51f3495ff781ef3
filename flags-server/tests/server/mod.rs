//! A real server on a real file, and few words to talk to it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

pub mod contract;

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flags_server::{Bootstrap, Database, Error, Quotas, serve};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use self::contract::{Asked, Head, check};

pub const ADMIN: &str = "admin-token-for-tests-0123456789abcdef";
pub const SDK: &str = "sdk-token-for-tests-0123456789abcdef";

/// How long a test waits for something before it says that it did not happen.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub const FLAGS: &str = "/api/v1/projects/default/flags";
pub const PRODUCTION: &str = "/api/v1/projects/default/environments/production";

pub struct TestServer {
    pub base: String,
    pub dir: Arc<TempDir>,
    client: Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_in(Arc::new(TempDir::new().unwrap())).await
    }

    /// On the database in `dir`, where there is one.
    pub async fn start_in(dir: Arc<TempDir>) -> Self {
        Self::start_at(dir, "127.0.0.1:0").await
    }

    pub async fn start_at(dir: Arc<TempDir>, address: &str) -> Self {
        Self::start_with(dir, address, Quotas::default()).await
    }

    /// A new one of which only so much may be asked.
    pub async fn start_limited(quotas: Quotas) -> Self {
        Self::start_with(Arc::new(TempDir::new().unwrap()), "127.0.0.1:0", quotas).await
    }

    async fn start_with(dir: Arc<TempDir>, address: &str, quotas: Quotas) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let bootstrap = Bootstrap { admin_token: Some(ADMIN.into()), sdk_token: Some(SDK.into()) };
        let (database, _) = Database::open(&dir.path().join("flags.db"), &bootstrap).unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, database, quotas, DEADLINE, async {
            let _ = stopped.await;
        }));
        // Another crate of the same build may have reqwest unpack bodies by itself.
        let client = Client::builder().no_proxy().no_gzip().no_zstd().build().unwrap();
        Self { base, dir, client, stop, task }
    }

    /// Stops it as SIGTERM does, and gives back its directory.
    pub async fn stop(self) -> Arc<TempDir> {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.task).await.expect("the server stops").unwrap().unwrap();
        // A process that another test starts just now has all that is open here until it runs.
        for name in ["flags.db.lock", "flags.db"] {
            let locked = File::open(self.dir.path().join(name)).unwrap();
            let free = async {
                while locked.try_lock().is_err() {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(DEADLINE, free).await.expect("the database is let go of");
        }
        self.dir
    }

    /// Asks it to stop; the rest is waited for elsewhere.
    pub fn begin_stop(self) -> JoinHandle<Result<(), Error>> {
        self.stop.send(()).unwrap();
        self.task
    }

    pub fn database(&self) -> PathBuf {
        self.dir.path().join("flags.db")
    }

    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path, ADMIN)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path, ADMIN).json(&body)).await
    }

    /// `POST` without a body.
    pub async fn press(&self, path: &str) -> Answer {
        answer(self.request(Method::POST, path, ADMIN)).await
    }

    pub async fn put(&self, path: &str, version: u64, body: Value) -> Answer {
        self.conditional(Method::PUT, path, version, body).await
    }

    pub async fn patch(&self, path: &str, version: u64, body: Value) -> Answer {
        self.conditional(Method::PATCH, path, version, body).await
    }

    pub async fn delete(&self, path: &str, version: u64) -> Answer {
        let request = self.request(Method::DELETE, path, ADMIN);
        answer(request.header("if-match", format!("\"{version}\""))).await
    }

    async fn conditional(&self, method: Method, path: &str, version: u64, body: Value) -> Answer {
        let request = self.request(method, path, ADMIN).json(&body);
        answer(request.header("if-match", format!("\"{version}\""))).await
    }

    /// A boolean flag, off.
    pub async fn create_flag(&self, key: &str) -> Value {
        self.post(FLAGS, json!({"key": key, "type": "boolean"})).await.is(201)
    }

    pub async fn revision(&self) -> u64 {
        self.get(PRODUCTION).await.is(200)["revision"].as_u64().unwrap()
    }

    pub async fn snapshot(&self) -> Value {
        let request = self.request(Method::GET, "/sdk/v1/snapshot", SDK);
        answer(request).await.is(200)
    }

    pub async fn stream(&self, query: &str) -> Events {
        let path = format!("/sdk/v1/stream{query}");
        Events::of(self.request(Method::GET, &path, SDK)).await
    }
}

/// Sends a request, and waits for the head of its answer.
async fn send(request: RequestBuilder) -> (Asked, Response) {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let (method, url) = (request.method().clone(), request.url().clone());
    let body = request.body().and_then(|body| body.as_bytes()).map(<[u8]>::to_vec);
    let response = timeout(DEADLINE, client.execute(request)).await.expect("an answer").unwrap();
    (Asked { method, url, body }, response)
}

/// The answer to a request; that both are as docs/openapi.json says is checked.
pub async fn answer(request: RequestBuilder) -> Answer {
    let (asked, response) = send(request).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    check(&asked, &Head { status, headers: &headers }, Some(&bytes));
    let body = match &*bytes {
        b"" => Value::Null,
        bytes => serde_json::from_slice(bytes)
            .unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into()),
    };
    Answer { status, headers, body }
}

impl Answer {
    /// The body of an answer with this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    /// The body of a problem, whose form is checked.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = &self.body;
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["instance"], self.header("x-request-id"), "{body}");
        for member in ["type", "title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        }
        self.body
    }

    /// The pointers and codes of an invalid body, sorted.
    #[track_caller]
    pub fn faults(self, code: &str) -> Vec<(String, String)> {
        let body = self.problem(422, code);
        let text = |fault: &Value, name: &str| fault[name].as_str().unwrap().to_owned();
        let faults = body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {body}"));
        let mut faults: Vec<_> =
            faults.iter().map(|fault| (text(fault, "pointer"), text(fault, "code"))).collect();
        faults.sort();
        faults
    }

    #[track_caller]
    pub fn refuses(self, faults: &[(&str, &str)]) {
        self.refuses_as("invalid", faults);
    }

    #[track_caller]
    pub fn refuses_as(self, code: &str, faults: &[(&str, &str)]) {
        let found = self.faults(code);
        let found: Vec<_> = found.iter().map(|(pointer, code)| (&**pointer, &**code)).collect();
        assert_eq!(found, faults);
    }
}

/// A stream of events being read.
pub struct Events {
    pub headers: HeaderMap,
    response: Response,
    unread: String,
}

#[derive(Debug, Default, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: Value,
}

impl Events {
    pub async fn of(request: RequestBuilder) -> Self {
        let (asked, response) = send(request).await;
        assert_eq!(response.status(), 200);
        check(&asked, &Head { status: 200, headers: response.headers() }, None);
        Self { headers: response.headers().clone(), response, unread: String::new() }
    }

    /// The next block between empty lines; `None` at the end.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                return Some(block);
            }
            let chunk = timeout(DEADLINE, self.response.chunk()).await.expect("more of a stream");
            self.unread.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }

    /// The next event, heartbeats left out.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let mut event = Event::default();
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("event", name)) => event.name = name.into(),
                    Some(("id", id)) => event.id = id.into(),
                    Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                    _ => {}
                }
            }
            if !event.name.is_empty() {
                return Some(event);
            }
        }
    }
}

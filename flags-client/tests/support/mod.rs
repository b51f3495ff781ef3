//! A small real server that speaks the SDK protocol, and misbehaves when it is told to.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flags_client::{Client, Document, Epoch, Object, ObjectChange, Position, Status};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;

pub(crate) const TOKEN: &str = "an-sdk-token-of-the-test";

/// How long anything that is waited for may take.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn boolean_flag(on: bool) -> Value {
    json!({
        "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": {"on": on, "off_variant": "off", "fallthrough": {"variant": "on"}}
    })
}

pub(crate) fn object(key: &str, version: u64, definition: &Value) -> Object {
    Object::new("flag", key, version, definition).unwrap()
}

/// An answer that the protocol does not expect.
#[derive(Debug, Clone)]
pub(crate) struct Canned {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Canned {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: vec![], body: vec![] }
    }

    pub(crate) fn html() -> Self {
        let headers = vec![("content-type", "text/html".to_owned())];
        Self { status: 200, headers, body: "<h1>Welcome to this network</h1>".into() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[derive(Default)]
struct Inner {
    document: Option<Document>,
    /// The blocks of the changes, each with the revision it leads to.
    log: Vec<(u64, String)>,
    streams: Vec<mpsc::UnboundedSender<io::Result<Bytes>>>,
    snapshot_answers: VecDeque<Canned>,
    stream_answers: VecDeque<Canned>,
    /// What each further stream says first, in place of the log.
    scripts: VecDeque<Vec<u8>>,
    always: Option<Canned>,
    asked: Vec<Asked>,
    open_streams: usize,
    /// What was posted as telemetry, and how it is answered.
    telemetry: Vec<Value>,
    telemetry_answer: Option<Canned>,
}

/// A request that arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) what: &'static str,
    pub(crate) after: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) accept_encoding: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Server {
    inner: Arc<Mutex<Inner>>,
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// A server with the flag `a`, off, at revision 1.
    pub(crate) async fn start() -> Self {
        Self::start_at(Reserved::new()).await
    }

    pub(crate) async fn start_at(address: Reserved) -> Self {
        let epoch = Epoch::new("e1");
        let objects = vec![object("a", 1, &boolean_flag(false))];
        let document = Document { epoch, revision: 1, objects };
        let inner = Inner { document: Some(document), ..Inner::default() };
        let inner = Arc::new(Mutex::new(inner));
        let listener = address.0.listen(64).unwrap();
        let server = Self { inner, addr: listener.local_addr().unwrap() };
        let router = Router::new()
            .route("/sdk/v1/snapshot", get(snapshot))
            .route("/sdk/v1/stream", get(stream))
            .route("/sdk/v1/telemetry", axum::routing::post(telemetry))
            .route("/moved/sdk/v1/snapshot", get(snapshot))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn builder(&self) -> flags_client::Builder {
        Client::builder(self.url(), TOKEN).hurried()
    }

    pub(crate) async fn client(&self) -> Client {
        let client = self.builder().first_snapshot_timeout(SOON).connect().await.unwrap();
        assert!(client.status().is_ready(), "{client:?}");
        client
    }

    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.lock().unwrap())
    }

    pub(crate) fn position(&self) -> Position {
        self.with(|inner| inner.document.as_ref().unwrap().position())
    }

    /// Changes a flag and tells it to the open streams; the new revision.
    pub(crate) fn set(&self, key: &str, on: bool) -> u64 {
        self.put(key, &boolean_flag(on))
    }

    pub(crate) fn put(&self, key: &str, definition: &Value) -> u64 {
        let revision = self.position().revision + 1;
        self.change(vec![ObjectChange::Upsert(object(key, revision, definition))])
    }

    pub(crate) fn change(&self, objects: Vec<ObjectChange>) -> u64 {
        let block = self.commit(objects);
        self.say(block.as_bytes());
        self.position().revision
    }

    /// Changes a flag without telling it to the open streams.
    pub(crate) fn set_quietly(&self, key: &str, on: bool) -> String {
        let revision = self.position().revision + 1;
        self.commit(vec![ObjectChange::Upsert(object(key, revision, &boolean_flag(on)))])
    }

    fn commit(&self, objects: Vec<ObjectChange>) -> String {
        self.with(|inner| {
            let document = inner.document.as_mut().unwrap();
            let previous = document.revision;
            let change = flags_client::Change {
                epoch: document.epoch.clone(),
                revision: previous + 1,
                previous,
                objects,
            };
            document.fold([&change]).unwrap();
            let data = serde_json::to_string(&change).unwrap();
            let block = format!("event: change\nid: {}\ndata: {data}\n\n", change.position());
            inner.log.push((change.revision, block.clone()));
            block
        })
    }

    /// Another history, as after a restored backup.
    pub(crate) fn restore(&self, epoch: &str) {
        self.with(|inner| {
            let document = inner.document.as_mut().unwrap();
            document.epoch = Epoch::new(epoch);
            inner.log.clear();
        });
    }

    /// Forgets the log, so that only the snapshot has what is in it.
    pub(crate) fn forget_log(&self) {
        self.with(|inner| inner.log.clear());
    }

    /// Says something to all open streams.
    pub(crate) fn say(&self, bytes: &[u8]) {
        self.with(|inner| {
            inner.streams.retain(|stream| stream.send(Ok(Bytes::copy_from_slice(bytes))).is_ok());
        });
    }

    /// Breaks all open streams as a lost connection does.
    pub(crate) fn cut(&self) {
        self.with(|inner| {
            for stream in inner.streams.drain(..) {
                let _ = stream.send(Err(io::ErrorKind::ConnectionReset.into()));
            }
        });
    }

    /// Ends all open streams in order.
    pub(crate) fn end(&self) {
        self.with(|inner| inner.streams.clear());
    }

    pub(crate) fn next_snapshot(&self, canned: Canned) {
        self.with(|inner| inner.snapshot_answers.push_back(canned));
    }

    pub(crate) fn next_stream(&self, canned: Canned) {
        self.with(|inner| inner.stream_answers.push_back(canned));
    }

    /// What the next stream says in place of the log.
    pub(crate) fn script(&self, bytes: impl Into<Vec<u8>>) {
        self.with(|inner| inner.scripts.push_back(bytes.into()));
    }

    /// Answers everything like this from now on.
    pub(crate) fn always(&self, canned: Option<Canned>) {
        self.with(|inner| inner.always = canned);
    }

    /// The snapshot that is served at present.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        self.with(|inner| serde_json::to_vec(inner.document.as_ref().unwrap()).unwrap())
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.with(|inner| inner.asked.clone())
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.with(|inner| inner.asked.iter().filter(|asked| asked.what == what).count())
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.with(|inner| inner.open_streams)
    }

    pub(crate) fn telemetry(&self) -> Vec<Value> {
        self.with(|inner| inner.telemetry.clone())
    }

    pub(crate) fn answer_telemetry(&self, canned: Canned) {
        self.with(|inner| inner.telemetry_answer = Some(canned));
    }

    fn arrived(&self, what: &'static str, headers: &HeaderMap, after: Option<String>) {
        let header =
            |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
        let asked = Asked {
            what,
            after,
            authorization: header(header::AUTHORIZATION),
            accept_encoding: header(header::ACCEPT_ENCODING),
        };
        self.with(|inner| inner.asked.push(asked));
    }
}

/// An address that nobody else can take and where nobody listens until a server is started there.
pub(crate) struct Reserved(TcpSocket);

impl Reserved {
    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    pub(crate) fn at(addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(addr).unwrap();
        Self(socket)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

async fn snapshot(State(server): State<Server>, headers: HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).map(|v| v.to_str().unwrap().to_owned());
    server.arrived("snapshot", &headers, known.clone());
    if let Some(canned) = server.with(|i| i.snapshot_answers.pop_front().or(i.always.clone())) {
        return canned.into_response();
    }
    let document = server.with(|inner| inner.document.clone().unwrap());
    let known: Option<Position> = known.and_then(|etag| etag.trim_matches('"').parse().ok());
    if known.is_some_and(|k| k.epoch == document.epoch && k.revision >= document.revision) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let body = serde_json::to_string(&document).unwrap();
    ([("content-type", "application/json")], body).into_response()
}

async fn telemetry(State(server): State<Server>, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap();
    server.with(|inner| {
        inner.telemetry.push(body);
        let canned = inner.telemetry_answer.clone();
        canned.unwrap_or_else(|| Canned::status(404)).into_response()
    })
}

#[derive(serde::Deserialize)]
struct After {
    after: Option<String>,
}

async fn stream(
    State(server): State<Server>,
    Query(After { after }): Query<After>,
    headers: HeaderMap,
) -> Response {
    server.arrived("stream", &headers, after.clone());
    if let Some(canned) = server.with(|i| i.stream_answers.pop_front().or(i.always.clone())) {
        return canned.into_response();
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut said = b":\n\n".to_vec();
    let after: Position = after.unwrap().parse().unwrap();
    server.with(|inner| {
        let present = inner.document.as_ref().unwrap().position();
        if let Some(script) = inner.scripts.pop_front() {
            said = script;
            inner.streams.push(sender.clone());
        } else if after.epoch != present.epoch || after.revision > present.revision {
            said = format!(
                "event: reset\ndata: {{\"epoch\":\"{}\",\"revision\":{}}}\n\n",
                present.epoch, present.revision
            )
            .into_bytes();
        } else {
            for (_, block) in inner.log.iter().filter(|(to, _)| *to > after.revision) {
                said.extend_from_slice(block.as_bytes());
            }
            inner.streams.push(sender.clone());
        }
        inner.open_streams += 1;
    });
    let _ = sender.send(Ok(said.into()));
    let body = Body::new(StreamBody { receiver, server });
    ([("content-type", "text/event-stream"), ("cache-control", "no-store")], body).into_response()
}

/// What is sent to a stream, until it is dropped on either side.
struct StreamBody {
    receiver: mpsc::UnboundedReceiver<io::Result<Bytes>>,
    server: Server,
}

impl HttpBody for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<http_body::Frame<Bytes>>>> {
        self.receiver.poll_recv(cx).map(|part| part.map(|part| part.map(http_body::Frame::data)))
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        self.server.with(|inner| inner.open_streams -= 1);
    }
}

impl IntoResponse for Canned {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap();
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + SOON;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until the status meets a condition.
pub(crate) async fn reach(client: &Client, condition: impl FnMut(&Status) -> bool) -> Status {
    client.wait_until(condition, SOON).await.unwrap_or_else(|late| panic!("{late}"))
}

//! A client against a real server that misbehaves: the last good ruleset answers, the status says
//! what is wrong, and all is well again by itself.

#![cfg(test)]

mod support;

use std::io::Write;

use flags_client::{
    Client, Entity, Flag, KeysChange, MembersChange, Object, ObjectChange, ProblemKind, Source,
    State, Status,
};
use support::{Canned, Reserved, SOON, Server, TOKEN, boolean_flag, object, reach, until};

const A: Flag<bool> = Flag::new("a", false);
const B: Flag<bool> = Flag::new("b", false);

fn is_on(client: &Client, flag: &Flag<bool>) -> bool {
    client.is_on(flag, &Entity::user("u-17"))
}

fn kind(status: &Status) -> Option<ProblemKind> {
    status.last_error.as_ref().map(|error| error.kind)
}

/// Turns the flag on at the server and waits until the client serves that, over a healthy stream.
#[track_caller]
fn recovers<'a>(server: &'a Server, client: &'a Client) -> impl Future<Output = Status> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let revision = server.set("b", true);
        let status = client.wait_for(revision, SOON).await;
        let status = status.unwrap_or_else(|late| panic!("{caller}: {late}"));
        assert!(is_on(client, &B), "{caller}");
        let status = match status.state {
            State::Live => status,
            _ => reach(client, |status| status.state == State::Live).await,
        };
        assert_eq!(status.source, Source::Server, "{caller}");
        status
    }
}

#[tokio::test]
async fn a_snapshot_and_then_its_changes() {
    let server = Server::start().await;
    let client = server.client().await;
    assert!(!is_on(&client, &A));
    let revision = server.set("a", true);
    let status = client.wait_for(revision, SOON).await.unwrap();
    assert!(is_on(&client, &A));
    assert_eq!((status.state, status.source), (State::Live, Source::Server));
    assert_eq!(status.position, Some(server.position()));
    assert_eq!((status.counters.changes, status.counters.failures), (1, 0));

    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|a| a.authorization.as_deref() == Some(&*format!("Bearer {TOKEN}"))));
    assert!(asked[0].accept_encoding.as_deref().is_some_and(|e| e.contains("zstd")));
    assert_eq!(asked[1].accept_encoding.as_deref(), Some("identity"));
    assert_eq!(asked[1].after.as_deref(), Some("e1.1"));
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_change() {
    let server = Server::start().await;
    let client = server.client().await;
    reach(&client, |s| s.state == State::Live).await;
    until("a stream", || server.open_streams() == 1).await;
    let block = server.set_quietly("a", true);
    for part in [10, block.len() / 2, block.len() - 1] {
        server.say(&block.as_bytes()[..part]);
        let failures = client.status().counters.failures;
        server.script(":\n\n");
        server.cut();
        let status = reach(&client, |s| s.counters.failures > failures).await;
        assert_eq!(kind(&status), Some(ProblemKind::Unreachable));
        assert!(!is_on(&client, &A), "half a change is none");
        reach(&client, |s| s.state == State::Live).await;
    }
    server.cut();
    client.wait_for(2, SOON).await.unwrap();
    assert!(is_on(&client, &A));
    recovers(&server, &client).await;
    assert_eq!(server.count("snapshot"), 1, "the stream resumes");
}

#[tokio::test]
async fn a_server_that_stops_in_order() {
    let server = Server::start().await;
    let client = server.client().await;
    until("a stream", || server.open_streams() == 1).await;
    server.end();
    let status = reach(&client, |s| s.counters.failures == 1).await;
    assert_eq!(kind(&status), Some(ProblemKind::Ended));
    recovers(&server, &client).await;
    assert_eq!((server.count("snapshot"), server.count("stream")), (1, 2));
}

#[tokio::test]
async fn a_change_that_makes_no_sense() {
    for garbage in [
        "event: change\nid: e1.2\ndata: {\"epoch\": \n\n",
        "event: change\nid: e1.2\ndata: []\n\n",
        // A form of change that only a later version knows: to ignore it would be wrong.
        "event: change\nid: e1.2\ndata: {\"epoch\":\"e1\",\"revision\":2,\"previous\":1,\"objects\":[{\"rename\":{\"kind\":\"flag\",\"key\":\"b\"}}]}\n\n",
        "event: change\nid: e1.3\ndata: {\"epoch\":\"e1\",\"revision\":2,\"previous\":1,\"objects\":[]}\n\n",
        "event: change\ndata: {\"epoch\":\"e1\",\"revision\":2,\"previous\":1,\"objects\":[]}\n\n",
    ] {
        let server = Server::start().await;
        let client = server.client().await;
        until("a stream", || server.open_streams() == 1).await;
        server.set_quietly("a", true);
        server.forget_log();
        for _ in 0..3 {
            server.script(format!(":\n\n{garbage}"));
        }
        server.say(garbage.as_bytes());
        let status = reach(&client, |s| s.counters.failures >= 1).await;
        assert_eq!(kind(&status), Some(ProblemKind::Malformed), "{garbage}");
        // The second time at the same place, a snapshot supplies what the stream cannot.
        client.wait_for(2, SOON).await.unwrap();
        assert!(is_on(&client, &A));
        let status = recovers(&server, &client).await;
        assert!(status.counters.failures <= 4, "{status:?}");
        assert!(server.count("stream") <= 5 && server.count("snapshot") <= 4);
    }
}

#[tokio::test]
async fn a_gap_resumes_first_and_then_takes_a_snapshot() {
    let server = Server::start().await;
    let client = server.client().await;
    until("a stream", || server.open_streams() == 1).await;

    // The server has what is missing: resuming is enough.
    server.set_quietly("a", true);
    server.set("c", true);
    let status = client.wait_for(3, SOON).await.unwrap();
    assert_eq!(kind(&status), Some(ProblemKind::Gap));
    assert!(is_on(&client, &A));
    assert_eq!(server.count("snapshot"), 1);

    // It does not: the stream has the same gap again.
    reach(&client, |s| s.state == State::Live).await;
    until("a stream", || server.open_streams() == 1).await;
    server.set_quietly("a", false);
    server.forget_log();
    server.set("c", false);
    client.wait_for(5, SOON).await.unwrap();
    assert!(!is_on(&client, &A));
    assert_eq!(server.count("snapshot"), 2);
    recovers(&server, &client).await;
}

#[tokio::test]
async fn repeats_and_unknown_things_are_ignored() {
    let server = Server::start().await;
    let client = server.client().await;
    until("a stream", || server.open_streams() == 1).await;
    let block = server.set_quietly("a", true);
    server.say(block.as_bytes());
    server.say(block.as_bytes());
    server.say(b"event: weather\ndata: sunny\n\nretry: x\nunknown: field\n\n: comment\n\n");
    server.change(vec![
        ObjectChange::Upsert(flags_client::Object {
            kind: "experiment".into(),
            ..object("x", 3, &boolean_flag(true))
        }),
        ObjectChange::Delete { kind: "experiment".into(), key: "y".into() },
    ]);
    let status = recovers(&server, &client).await;
    assert!(is_on(&client, &A));
    assert_eq!((status.counters.failures, status.counters.changes), (0, 3));
    assert_eq!((status.counters.ignored_events, status.counters.ignored_objects), (1, 2));
    assert_eq!(server.count("stream"), 1);
}

#[tokio::test]
async fn a_broken_flag_breaks_alone_and_is_named() {
    let server = Server::start().await;
    let client = server.client().await;
    let broken = serde_json::json!({"type": "boolean", "variants": [], "state": {}});
    let revision = server.change(vec![
        ObjectChange::Upsert(object("b", 2, &boolean_flag(true))),
        ObjectChange::Upsert(object("a", 2, &broken)),
        ObjectChange::Upsert(object("0", 2, &broken)),
    ]);
    let status = client.wait_for(revision, SOON).await.unwrap();
    let keys: Vec<_> = status.invalid.iter().map(|object| &*object.key).collect();
    assert_eq!(keys, ["0", "a"]);
    assert!(!is_on(&client, &A) && is_on(&client, &B));

    let revision = server.set("a", true);
    let status = client.wait_for(revision, SOON).await.unwrap();
    assert_eq!(status.invalid.len(), 1);
    let delete = ObjectChange::Delete { kind: "flag".into(), key: "0".into() };
    let revision = server.change(vec![delete]);
    let status = client.wait_for(revision, SOON).await.unwrap();
    assert!(status.invalid.is_empty());
    assert!(is_on(&client, &A));
}

#[tokio::test]
async fn members_come_and_go_alone_and_do_not_mend_a_broken_segment() {
    let server = Server::start().await;
    let client = server.client().await;
    let mut listed = boolean_flag(true);
    listed["state"]["rules"] = serde_json::json!(
        [{"id": "r", "when": {"segment": "good"}, "serve": {"variant": "off"}}]);
    let segment = |key, definition| {
        ObjectChange::Upsert(Object::new("segment", key, 2, &definition).unwrap())
    };
    let revision = server.change(vec![
        ObjectChange::Upsert(object("a", 2, &listed)),
        segment("good", serde_json::json!({"kind": "user"})),
        segment("bad", serde_json::json!({"kind": "no kind"})),
    ]);
    let status = client.wait_for(revision, SOON).await.unwrap();
    assert!(is_on(&client, &A));
    assert_eq!(status.invalid.len(), 1);

    let members = |key: &str, add: &[&str], remove: &[&str]| {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let included = KeysChange { add: keys(add), remove: keys(remove) };
        let (kind, excluded) = ("segment".to_owned(), KeysChange::default());
        let change = MembersChange { kind, key: key.into(), version: 3, included, excluded };
        ObjectChange::Members(change)
    };
    let added = vec![members("good", &["u-17"], &[]), members("bad", &["u-17"], &[])];
    let status = client.wait_for(server.change(added), SOON).await.unwrap();
    assert!(!is_on(&client, &A));
    let broken: Vec<_> = status.invalid.iter().map(|object| &*object.key).collect();
    assert_eq!(broken, ["bad"]);

    let revision = server.change(vec![members("good", &[], &["u-17"])]);
    let status = client.wait_for(revision, SOON).await.unwrap();
    assert!(is_on(&client, &A));
    assert_eq!((status.counters.failures, server.count("snapshot")), (0, 1));

    // A key that is none breaks the segment, which is told like that of a whole one.
    let revision = server.change(vec![members("good", &[""], &[])]);
    let status = client.wait_for(revision, SOON).await.unwrap();
    assert_eq!(status.invalid.len(), 2);
}

#[tokio::test]
async fn another_history_is_taken_over_whole() {
    let server = Server::start().await;
    let client = server.client().await;
    for _ in 0..3 {
        server.set("a", true);
    }
    client.wait_for(4, SOON).await.unwrap();
    server.restore("e2");
    server.end();
    let status =
        reach(&client, |s| s.position.as_ref().is_some_and(|p| p.epoch.as_str() == "e2")).await;
    assert_eq!(kind(&status), Some(ProblemKind::Reset));
    recovers(&server, &client).await;

    // A change of another history in the middle of a stream.
    let change = r#"{"epoch":"e3","revision":6,"previous":5,"objects":[]}"#;
    server.restore("e3");
    server.say(format!("event: change\nid: e3.6\ndata: {change}\n\n").as_bytes());
    reach(&client, |s| s.position.as_ref().is_some_and(|p| p.epoch.as_str() == "e3")).await;
    assert_eq!(client.snapshot().position(), Some(&server.position()));
}

#[tokio::test]
async fn answers_that_are_not_the_protocol_s() {
    let cases = [
        (Canned::status(500), ProblemKind::Unavailable, "status 500 Internal Server Error"),
        (Canned::status(503).header("retry-after", "0"), ProblemKind::Unavailable, "status 503"),
        (Canned::status(401), ProblemKind::Unauthenticated, "status 401 Unauthorized"),
        (Canned::status(403), ProblemKind::Forbidden, "status 403 Forbidden"),
        (Canned::status(404), ProblemKind::Status, "status 404 Not Found"),
        (Canned::html(), ProblemKind::Malformed, "found text/html"),
    ];
    for (canned, expected, message) in cases {
        // At the start.
        let server = Server::start().await;
        server.next_snapshot(canned.clone());
        server.next_snapshot(canned.clone());
        let client = server.builder().connect().await.unwrap();
        let status = reach(&client, Status::is_ready).await;
        assert_eq!(kind(&status), Some(expected));
        assert_eq!(status.counters.failures, 2);
        let error = status.last_error.unwrap().message;
        assert!(error.contains(message), "{error}");
        recovers(&server, &client).await;

        // While it runs.
        until("a stream", || server.open_streams() == 1).await;
        let before = client.status().counters.failures;
        server.always(Some(canned));
        server.cut();
        let fails = |s: &Status| s.counters.failures >= before + 3 && kind(s) == Some(expected);
        let status = reach(&client, fails).await;
        assert_eq!(status.state, State::Stale);
        assert!(is_on(&client, &B), "the last good ruleset answers");
        server.always(None);
        server.set("a", true);
        client.wait_for(server.position().revision, SOON).await.unwrap();
        assert!(is_on(&client, &A));
        recovers(&server, &client).await;
        assert!(server.asked().len() < 20, "{}", server.asked().len());
    }
}

#[tokio::test]
async fn a_server_that_keeps_refusing_is_not_hammered() {
    let server = Server::start().await;
    server.always(Some(Canned::status(503).header("retry-after", "3600")));
    let client = server.builder().first_snapshot_timeout(std::time::Duration::ZERO);
    let client = client.connect().await.unwrap();
    let status = reach(&client, |s| s.counters.failures == 1).await;
    assert_eq!(status.state, State::Starting);
    let late = client.wait_until(|s| s.counters.failures > 1, SOON / 100).await.unwrap_err();
    assert_eq!(late.status().counters.failures, 1);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_does_not_hold_up_the_start() {
    let server = Server::start().await;
    server.always(Some(Canned::status(401)));
    let client = server.builder().first_snapshot_timeout(SOON * 100).connect().await.unwrap();
    let status = client.status();
    assert_eq!(
        (status.state, kind(&status)),
        (State::Starting, Some(ProblemKind::Unauthenticated))
    );
    assert!(!format!("{status:?} {status} {client:?}").contains(TOKEN));
    server.always(None);
    recovers(&server, &client).await;
}

#[tokio::test]
async fn a_snapshot_that_makes_no_sense() {
    let server = Server::start().await;
    let json = |body: &str| {
        let canned = Canned::status(200).header("content-type", "application/json");
        Canned { body: body.into(), ..canned }
    };
    for body in ["", "{", "[]", "{\"epoch\": \"e1\"}"] {
        server.next_snapshot(json(body));
    }
    let client = server.client().await;
    let status = client.status();
    assert_eq!(kind(&status), Some(ProblemKind::Malformed));
    assert_eq!(status.counters.failures, 4);
    recovers(&server, &client).await;
}

#[tokio::test]
async fn compressed_snapshots() {
    let server = Server::start().await;
    server.set("a", true);
    let body = server.snapshot();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&body).unwrap();
    for (encoding, body) in
        [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(&*body, 0).unwrap())]
    {
        let canned = Canned::status(200)
            .header("content-type", "application/json; charset=utf-8")
            .header("content-encoding", encoding);
        server.next_snapshot(Canned { body, ..canned });
        let client = server.client().await;
        assert!(is_on(&client, &A));
        assert_eq!(client.status().counters.failures, 0, "{encoding}");
    }
}

#[tokio::test]
async fn an_event_that_is_too_large() {
    let server = Server::start().await;
    let client = server.client().await;
    until("a stream", || server.open_streams() == 1).await;
    server.set_quietly("a", true);
    server.say(b"event: change\ndata: ");
    let block = vec![b'x'; 1 << 20];
    for _ in 0..17 {
        server.say(&block);
    }
    client.wait_for(2, SOON).await.unwrap();
    assert_eq!(kind(&client.status()), Some(ProblemKind::TooLarge));
    assert!(is_on(&client, &A));
    recovers(&server, &client).await;
}

#[tokio::test]
async fn the_token_is_not_sent_to_another_origin() {
    let server = Server::start().await;
    let other = Server::start().await;
    let to = |url: String| Canned::status(307).header("location", url);
    server.next_snapshot(to(format!("{}/sdk/v1/snapshot", other.url())));
    server.next_snapshot(to(format!("{}/moved/sdk/v1/snapshot", server.url())));
    let client = server.client().await;
    assert_eq!(other.asked(), []);
    assert_eq!(kind(&client.status()), Some(ProblemKind::Status));
    assert_eq!(server.count("snapshot"), 3, "a redirect within the origin is followed");
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start() {
    let address = Reserved::new();
    let builder = Client::builder(format!("http://{}", address.addr()), TOKEN).hurried();
    let client = builder.first_snapshot_timeout(SOON / 200).connect().await.unwrap();
    let status = client.status();
    assert_eq!((status.state, status.source), (State::Starting, Source::Nothing));
    assert_eq!(kind(&status), Some(ProblemKind::Unreachable));
    assert!(!is_on(&client, &A));
    assert_eq!(client.snapshot().get(&A, &Entity::user("u")).reason.name(), "not_ready");

    let server = Server::start_at(address).await;
    recovers(&server, &client).await;
}

#[tokio::test]
async fn the_task_ends_with_the_last_handle() {
    let server = Server::start().await;
    let client = server.client().await;
    let trial = client.overriding([A.to(true)]);
    let clone = client.clone();
    until("a stream", || server.open_streams() == 1).await;
    drop(client);
    drop(clone);
    let revision = server.set("b", true);
    trial.wait_for(revision, SOON).await.unwrap();
    assert!(is_on(&trial, &A) && is_on(&trial, &B), "an overriding handle keeps following");
    drop(trial);
    until("the end of the stream", || server.open_streams() == 0).await;
}

#[test]
fn a_runtime_that_ends_leaves_the_flags_readable() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, client) = runtime.block_on(async {
        let server = Server::start().await;
        let client = server.client().await;
        let revision = server.set("a", true);
        client.wait_for(revision, SOON).await.unwrap();
        (server, client)
    });
    drop(runtime);
    assert!(is_on(&client, &A));
    assert!(!is_on(&client.overriding([A.to(false)]), &A));
    let status = client.status();
    assert_eq!((status.state, kind(&status)), (State::Stale, Some(ProblemKind::Stopped)));
    drop((server, client));
}

#[test]
fn connecting_outside_a_runtime_is_a_configuration_fault() {
    let mut connecting = Box::pin(Client::builder("http://127.0.0.1:1", TOKEN).connect());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(outcome) = connecting.as_mut().poll(&mut context) else {
        panic!("it waits for something");
    };
    assert_eq!(outcome.unwrap_err(), flags_client::BuildError::NoRuntime);
}

/// A machine without certificates, which is how the smallest container images are.
#[test]
fn without_certificates_plain_http_works_and_https_is_a_configuration_fault() {
    const CHILD: &str = "FLAGS_TEST_WITHOUT_CERTIFICATES";
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let server = Server::start().await;
            recovers(&server, &server.client().await).await;
            let https = Client::builder("https://127.0.0.1:1", TOKEN).connect().await;
            assert!(matches!(https, Err(flags_client::BuildError::Tls(_))), "{https:?}");
        });
        return;
    }
    let name = "without_certificates_plain_http_works_and_https_is_a_configuration_fault";
    let outcome = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, "1")
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/dev/null")
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));
}

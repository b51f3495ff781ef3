//! What is acknowledged stays: across restarts, among many writers, and when writing fails.

#![cfg(test)]

mod server;

use std::collections::BTreeSet;
use std::sync::Arc;

use flags_core::{Change, Document, Epoch};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, FLAGS, PRODUCTION, TestServer, answer};

/// The change log of production, folded, in the order of a snapshot.
fn folded(database: &Connection) -> Value {
    let epoch: String = database.query_row("SELECT epoch FROM meta", (), |row| row.get(0)).unwrap();
    let sql = "SELECT change FROM change_log c JOIN environment e ON e.id = c.environment_id
        WHERE e.key = 'production' ORDER BY c.revision";
    let mut statement = database.prepare(sql).unwrap();
    let changes = statement.query_map((), |row| row.get::<_, String>(0)).unwrap();
    let changes: Vec<Change> =
        changes.map(|change| serde_json::from_str(&change.unwrap()).unwrap()).collect();
    let mut document = Document::empty(Epoch::new(&epoch));
    document.fold(&changes).unwrap();
    serde_json::to_value(document).unwrap()
}

/// A snapshot of the present state, which only a fresh server is sure to have.
async fn served(server: TestServer) -> (TestServer, Value) {
    let server = TestServer::start_in(server.stop().await).await;
    let snapshot = server.snapshot().await;
    (server, snapshot)
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let path = format!("{PRODUCTION}/flags/f");
    server.press(&format!("{path}/on")).await.is(200);
    let created = server
        .post("/api/v1/tokens", json!({"name": "x", "kind": "service", "role": "admin"}))
        .await
        .is(201);
    let state = server.get(&path).await.is(200);
    let before = server.snapshot().await;
    let epoch = before["epoch"].as_str().unwrap().to_owned();

    let server = TestServer::start_in(server.stop().await).await;
    assert_eq!(server.snapshot().await, before);
    assert_eq!(server.get(&path).await.is(200), state);
    let token = created["token"].as_str().unwrap();
    answer(server.request(Method::GET, "/api/v1/projects", token)).await.is(200);

    // The frames in memory are gone: the stream resumes from the change log, and goes on.
    let mut stream = server.stream(&format!("?after={epoch}.0")).await;
    for revision in 1..=2 {
        assert_eq!(stream.next().await.unwrap().data["revision"], revision);
    }
    assert_eq!(server.press(&format!("{path}/off")).await.is(200)["revision"], 3);
    assert_eq!(stream.next().await.unwrap().id, format!("{epoch}.3"));
}

#[tokio::test]
async fn a_stream_far_behind_reads_the_log_and_then_goes_on() {
    const CHANGES: u64 = 250;
    let server = TestServer::start().await;
    server.create_flag("f").await;
    for change in 1..CHANGES {
        let verb = if change % 2 == 0 { "off" } else { "on" };
        server.press(&format!("{PRODUCTION}/flags/f/{verb}")).await.is(200);
    }
    let server = TestServer::start_in(server.stop().await).await;
    let epoch = server.get(PRODUCTION).await.is(200)["epoch"].as_str().unwrap().to_owned();
    let mut stream = server.stream(&format!("?after={epoch}.0")).await;
    server.press(&format!("{PRODUCTION}/flags/f/off")).await.is(200);
    for revision in 1..=CHANGES + 1 {
        assert_eq!(stream.next().await.unwrap().data["revision"], revision);
    }
}

#[tokio::test]
async fn many_writers_get_revisions_without_gaps_and_lose_nothing() {
    const WRITERS: usize = 24;
    let server = Arc::new(TestServer::start().await);
    let mut stream = server.stream("").await;
    let writers = (0..WRITERS).map(|writer| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let key = format!("w{writer}");
            let created = server.create_flag(&key).await["revisions"]["production"].as_u64();
            let on = server.press(&format!("{PRODUCTION}/flags/{key}/on")).await.is(200);
            let refused = server.post(FLAGS, json!({"key": key, "type": "boolean"})).await;
            refused.problem(409, "key_conflict");
            [created.unwrap(), on["revision"].as_u64().unwrap()]
        })
    });
    let mut revisions = BTreeSet::new();
    for writer in writers.collect::<Vec<_>>() {
        revisions.extend(writer.await.unwrap());
    }
    let last = 2 * WRITERS as u64;
    assert!(revisions.into_iter().eq(1..=last));
    for revision in 1..=last {
        assert_eq!(stream.next().await.unwrap().data["revision"], revision);
    }
    drop(stream);
    let server = Arc::into_inner(server).unwrap();
    let (server, snapshot) = served(server).await;
    assert_eq!(snapshot["objects"].as_array().unwrap().len(), WRITERS);
    assert_eq!(server.revision().await, last);
}

/// A small generator of numbers; the same ones every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[tokio::test]
async fn the_state_is_the_fold_of_the_log_after_any_operations() {
    let server = TestServer::start().await;
    let mut numbers = Numbers(7);
    let mut accepted = 0;
    for _ in 0..400 {
        let flag = format!("f{}", numbers.below(6));
        let other = format!("f{}", numbers.below(6));
        let segment = format!("s{}", numbers.below(3));
        let version = numbers.below(40);
        let path = format!("{PRODUCTION}/flags/{flag}");
        let at_segment = format!("{PRODUCTION}/segments/{segment}");
        let current = |found: server::Answer| found.body["version"].as_u64().unwrap_or(version);
        let tenant = format!("t{}", numbers.below(5));
        let lists = ["included", "excluded"];
        let answered = match numbers.below(13) {
            0 => server.post(FLAGS, json!({"key": flag, "type": "boolean"})).await,
            1 => server.press(&format!("{path}/on")).await,
            2 => server.press(&format!("{path}/off")).await,
            3 => {
                let percent = numbers.below(100);
                let body = json!({"variant": "on", "percent": percent, "by": "tenant"});
                server.post(&format!("{path}/rollout"), body).await
            }
            4 => {
                let tenant = format!("{path}/tenants/t{}", numbers.below(4));
                let variant = ["on", "off"][numbers.below(2) as usize];
                let put = server.request(Method::PUT, &tenant, ADMIN);
                answer(put.json(&json!({"variant": variant}))).await
            }
            5 => {
                let needs = json!([{"flag": other, "variants": ["on"]}]);
                let version = current(server.get(&path).await);
                server.patch(&path, version, json!({"prerequisites": needs})).await
            }
            6 => {
                let body = json!({"key": segment, "kind": "tenant", "included": [other]});
                server.post(&format!("{PRODUCTION}/segments"), body).await
            }
            7 => {
                let rules = json!([{"when": {"segment": segment}, "serve": {"variant": "on"}}]);
                let version = current(server.get(&path).await);
                server.patch(&path, version, json!({"rules": rules})).await
            }
            8 => {
                let version = current(server.get(&at_segment).await);
                server.delete(&at_segment, version).await
            }
            9 | 10 => {
                let list = lists[numbers.below(2) as usize];
                let verb = ["add", "remove"][numbers.below(2) as usize];
                let body = json!({list: {verb: [tenant, "\u{e4}", "z"]}});
                server.post(&format!("{at_segment}/members"), body).await
            }
            11 => {
                let list = lists[numbers.below(2) as usize];
                let version = current(server.get(&at_segment).await);
                server.patch(&at_segment, version, json!({list: [tenant, other]})).await
            }
            _ => {
                let shared = format!("{FLAGS}/{flag}");
                let version = current(server.get(&shared).await);
                let name = format!("name {}", numbers.below(5));
                server.patch(&shared, version, json!({"name": name})).await
            }
        };
        accepted += u32::from(answered.status < 300);
        assert!(answered.status < 500, "{}", answered.body);
    }
    assert!(accepted > 100, "{accepted}");
    let (server, snapshot) = served(server).await;
    assert_eq!(snapshot, folded(&Connection::open(server.database()).unwrap()));
}

#[tokio::test]
async fn a_write_that_cannot_be_committed_is_refused_and_the_next_one_works() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    // Somebody holds the lock on the database for longer than the writer waits.
    let intruder = Connection::open(server.database()).unwrap();
    intruder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let on = format!("{PRODUCTION}/flags/f/on");
    let refused = server.press(&on).await;
    assert_eq!(refused.header("retry-after"), "1");
    let detail = refused.problem(503, "storage_failed")["detail"].clone();
    let sentence = "another process has locked the database, and nothing was written; try again";
    assert_eq!(detail, sentence);
    let ready = server.get("/readyz").await.problem(503, "not_ready");
    let said = ready["detail"].as_str().unwrap();
    let sentence = "writes fail: another process has locked the database, since 20";
    assert!(said.starts_with(sentence), "{said}");
    server.get("/livez").await.is(200);
    assert_eq!(server.get(&format!("{PRODUCTION}/flags/f")).await.is(200)["on"], false);
    assert_eq!(server.revision().await, 1);
    intruder.execute_batch("ROLLBACK").unwrap();
    // Ready again without a write of anybody's.
    let deadline = std::time::Instant::now() + server::DEADLINE;
    while server.get("/readyz").await.status != 200 {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(server.press(&on).await.is(200)["revision"], 2);
}

#[tokio::test]
async fn a_fault_while_writing_leaves_nothing_behind_and_the_writer_goes_on() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let mut stream = server.stream("").await;
    stream.block().await.unwrap();
    let intruder = Connection::open(server.database()).unwrap();
    intruder
        .execute_batch("CREATE TABLE t (x REFERENCES project (id) DEFERRABLE INITIALLY DEFERRED)")
        .unwrap();
    let mut revision = 1;
    for (verb, fault) in [
        // What SQLite does when the disk is full: in the middle of a write, after the state and
        // the log are written, the whole transaction is gone.
        ("on", "SELECT RAISE(ROLLBACK, 'disk full')"),
        // Everything can be written, and the commit fails.
        ("off", "INSERT INTO t VALUES (-1)"),
    ] {
        let trigger = format!("CREATE TRIGGER fault BEFORE INSERT ON audit BEGIN {fault}; END");
        intruder.execute_batch(&trigger).unwrap();
        let switch = format!("{PRODUCTION}/flags/f/{verb}");
        let create = |key: &str| server.post(FLAGS, json!({"key": key, "type": "boolean"}));
        let (one, two, three) = tokio::join!(server.press(&switch), create("a"), create("b"));
        for refused in [one, two, three] {
            refused.problem(503, "storage_failed");
        }
        assert_eq!(server.revision().await, revision, "{fault}");
        server.get(&format!("{FLAGS}/a")).await.problem(404, "not_found");
        intruder.execute_batch("DROP TRIGGER fault").unwrap();

        revision += 1;
        assert_eq!(server.press(&switch).await.is(200)["revision"], revision);
        // Nobody heard of what was not written.
        assert_eq!(stream.next().await.unwrap().data["revision"], revision);
    }
    drop(stream);
    intruder.execute_batch("DROP TABLE t").unwrap();
    let (server, snapshot) = served(server).await;
    assert_eq!(snapshot, folded(&Connection::open(server.database()).unwrap()));
}

#[tokio::test]
async fn a_definition_that_cannot_be_read_is_broken_alone() {
    let server = TestServer::start().await;
    for key in ["bad", "good", "shared"] {
        server.create_flag(key).await;
        server.press(&format!("{PRODUCTION}/flags/{key}/on")).await.is(200);
    }
    let dir = server.stop().await;
    let database = rusqlite::Connection::open(dir.path().join("flags.db")).unwrap();
    database.execute("UPDATE object SET document = '{' WHERE key = 'bad'", []).unwrap();
    database.execute("UPDATE flag SET document = '[]' WHERE key = 'shared'", []).unwrap();
    drop(database);

    let server = TestServer::start_in(dir).await;
    let question = json!({"context": {}});
    let answers = server.post(&format!("{PRODUCTION}/evaluate"), question).await.is(200);
    let reasons: Vec<_> =
        answers["answers"].as_array().unwrap().iter().map(|a| (&a["flag"], &a["reason"])).collect();
    let expected = [("bad", "flag_invalid"), ("good", "fallthrough"), ("shared", "flag_invalid")];
    let expected = expected.map(|(flag, reason)| (json!(flag), json!(reason)));
    assert_eq!(reasons, expected.each_ref().map(|(flag, reason)| (flag, reason)));
    assert_eq!(server.snapshot().await["objects"].as_array().unwrap().len(), 3);
    server.press(&format!("{PRODUCTION}/flags/good/off")).await.is(200);
}

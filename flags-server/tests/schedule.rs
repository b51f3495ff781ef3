//! Changes that are made when their time comes, each of them once.

#![cfg(test)]

mod server;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use flags_core::Timestamp;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, Answer, DEADLINE, FLAGS, PRODUCTION, SDK, TestServer, answer};
use tempfile::TempDir;

const PROJECT: &str = "/api/v1/projects/default";

fn schedule() -> String {
    format!("{PRODUCTION}/schedule")
}

/// So many milliseconds from now.
fn later(millis: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    Timestamp::from_millis(i64::try_from(now).unwrap() + millis).to_string()
}

const HOUR: i64 = 60 * 60 * 1_000;

fn switch(action: &str, key: &str, millis: i64) -> Value {
    json!({"at": later(millis), "change": {"action": action, "key": key}})
}

fn path(scheduled: &Value) -> String {
    format!("{}/{}", schedule(), scheduled["id"].as_str().unwrap())
}

/// Schedules a change for in a moment, however slow the machine is.
async fn soon(server: &TestServer, query: &str, change: &Value) -> Value {
    loop {
        let said = json!({"at": later(300), "change": change});
        let answer = server.post(&format!("{}{query}", schedule()), said).await;
        if answer.status == 201 {
            return answer.body;
        }
        answer.refuses(&[("/at", "in_the_past")]);
    }
}

/// The server after two hours of which it knows nothing.
async fn away(server: TestServer) -> TestServer {
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    database
        .execute_batch(
            "UPDATE scheduled_change SET at = at - 7200000;
             UPDATE token SET expires_at = expires_at - 7200000;",
        )
        .unwrap();
    drop(database);
    TestServer::start_in(dir).await
}

/// What a scheduled change becomes, once it is no longer open.
async fn ended(server: &TestServer, scheduled: &Value) -> Value {
    let waiting = async {
        loop {
            let found = server.get(&path(scheduled)).await.is(200);
            if found["state"] != "open" {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("its time comes")
}

async fn is_on(server: &TestServer, flag: &str) -> bool {
    let state = server.get(&format!("{PRODUCTION}/flags/{flag}")).await.is(200);
    state["on"].as_bool().unwrap()
}

/// What the audit log has of a scheduled change, the earliest first.
async fn audited(server: &TestServer, scheduled: &Value) -> Vec<(String, String)> {
    let id = scheduled["id"].as_str().unwrap();
    let found = server.get(&format!("/api/v1/audit?object=schedule/{id}")).await.is(200);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = found["items"].as_array().unwrap().iter().rev();
    items.map(|item| (text(&item["action"]), text(&item["actor"]["name"]))).collect()
}

fn actions(audited: &[(String, String)]) -> Vec<&str> {
    audited.iter().map(|(action, _)| &**action).collect()
}

#[tokio::test]
async fn a_change_is_made_at_its_time_and_tells_where_it_comes_from() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let mut events = server.stream("").await;
    let created = server
        .post(&format!("{}?reason=launch", schedule()), switch("flag_state.on", "f", HOUR))
        .await;
    assert_eq!(created.header("etag"), "\"1\"");
    let location = created.header("location").to_owned();
    let created = created.is(201);
    assert_eq!(location, path(&created));
    assert_eq!((&created["state"], &created["revision"]), (&json!("open"), &Value::Null));
    assert_eq!(created["change"], json!({"action": "flag_state.on", "key": "f"}));
    assert_eq!(created["reason"], "launch");
    assert!(!is_on(&server, "f").await, "trying it leaves nothing behind");
    assert_eq!(server.revision().await, 1);
    server.delete(&path(&created), 1).await.is(200);

    let created = soon(&server, "?reason=launch", &created["change"]).await;
    let done = ended(&server, &created).await;
    assert_eq!(
        (&done["state"], &done["revision"], &done["version"], &done["problem"]),
        (&json!("done"), &json!(2), &json!(2), &Value::Null)
    );
    assert!(is_on(&server, "f").await);
    assert_eq!(events.next().await.unwrap().data["revision"], 2);
    let history = server.get(&format!("{PRODUCTION}/flags/f/history")).await.is(200);
    let entry = &history["items"][0];
    assert_eq!(
        (&entry["action"], &entry["reason"], &entry["schedule"], &entry["actor"]),
        (&json!("flag_state.on"), &json!("launch"), &created["id"], &created["actor"])
    );
    assert_eq!(history["items"][1].get("schedule"), None);
    let audited = audited(&server, &created).await;
    assert_eq!(actions(&audited), ["schedule.create", "schedule.done"]);
    assert_eq!(audited[1].1, "server");

    // What is so already makes no revision.
    let again = soon(&server, "", &created["change"]).await;
    let done = ended(&server, &again).await;
    assert_eq!((&done["state"], &done["revision"]), (&json!("done"), &Value::Null));
    assert_eq!(server.revision().await, 2);
}

#[tokio::test]
async fn every_verb_can_wait() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let segment = json!({"key": "s", "kind": "tenant", "included": ["a"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    let at = later(HOUR);
    let state = json!({"on": false, "off_variant": "off", "fallthrough": {"variant": "off"}});
    let mut all = Vec::new();
    for (action, key, body) in [
        ("flag_state.on", "f", json!({})),
        ("flag_state.put", "f", state),
        ("flag_state.rollout", "f", json!({"variant": "on", "percent": 25, "by": "user"})),
        ("flag_state.patch", "f", json!({"salt": "pepper"})),
        ("flag_state.off", "f", json!({})),
        ("segment.put", "s", json!({"kind": "tenant", "included": ["b"]})),
        ("segment.patch", "s", json!({"excluded": ["c"]})),
        ("segment.members", "s", json!({"included": {"add": ["d"]}})),
    ] {
        let change = json!({"action": action, "key": key, "body": body});
        let said = json!({"at": at, "change": change});
        let created = server.post(&schedule(), said).await.is(201);
        assert_eq!(created["change"], change);
        all.push(created);
    }
    let server = away(server).await;
    for scheduled in &all {
        let done = server.get(&path(scheduled)).await.is(200);
        assert_eq!(done["state"], "done", "{done}");
    }
    let state = server.get(&format!("{PRODUCTION}/flags/f")).await.is(200);
    assert_eq!((&state["on"], &state["salt"]), (&json!(false), &json!("pepper")));
    assert_eq!(state["fallthrough"]["split"]["weights"][0]["weight"], 25_000);
    let segment = server.get(&format!("{PRODUCTION}/segments/s")).await.is(200);
    assert_eq!((&segment["included"], &segment["excluded"]), (&json!(["b", "d"]), &json!(["c"])));
    let list = server.get(&format!("{}?state=done&limit=3", schedule())).await;
    assert!(list.header("link").contains("state=done&limit=3&cursor="));
    let mut list = list.is(200);
    let mut found = Vec::new();
    loop {
        found.extend(list["items"].as_array().unwrap().clone());
        let Some(cursor) = list["next_cursor"].as_str() else { break };
        let next = format!("{}?state=done&limit=3&cursor={cursor}", schedule());
        list = server.get(&next).await.is(200);
    }
    let ids = |list: &[Value]| list.iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&found), ids(&all), "in order of time, then of creation");
    assert!(found.iter().all(|one| one["change"].get("body").is_none()));
}

#[tokio::test]
async fn what_is_scheduled_is_edited_and_cancelled() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    server.create_flag("g").await;
    let first = server.post(&schedule(), switch("flag_state.on", "f", HOUR)).await.is(201);
    let second = server.post(&schedule(), switch("flag_state.on", "g", 2 * HOUR)).await.is(201);
    let path = path(&first);
    let patch = server.request(Method::PATCH, &path, ADMIN).json(&json!({"at": later(HOUR)}));
    answer(patch).await.problem(428, "precondition_required");
    server.patch(&path, 7, json!({})).await.problem(412, "version_mismatch");
    assert_eq!(server.patch(&path, 1, json!({})).await.is(200), first);
    let moved = server.patch(&path, 1, json!({"at": later(3 * HOUR)})).await.is(200);
    assert_eq!((&moved["version"], &moved["change"]), (&json!(2), &first["change"]));
    let list = server.get(&schedule()).await.is(200);
    let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&second["id"], &first["id"]]);

    let change = json!({"action": "flag_state.patch", "key": "f", "body": {"rules": 1}});
    server
        .patch(&path, 2, json!({"at": "soon", "change": change}))
        .await
        .refuses(&[("/at", "invalid_time"), ("/change/body/rules", "wrong_type")]);
    server.patch(&path, 2, json!({"change": null})).await.refuses(&[("/change", "wrong_type")]);
    let change = json!({"action": "flag_state.on", "key": "g"});
    let edited = server.patch(&path, 2, json!({"change": change})).await.is(200);
    assert_eq!((&edited["version"], &edited["at"]), (&json!(3), &moved["at"]));
    loop {
        let answer = server.patch(&path, 3, json!({"at": later(300)})).await;
        if answer.status == 200 {
            break;
        }
        answer.refuses(&[("/at", "in_the_past")]);
    }
    assert_eq!(ended(&server, &first).await["state"], "done", "the task is told of it");
    assert!(is_on(&server, "g").await && !is_on(&server, "f").await);
    server.patch(&path, 5, json!({"at": later(HOUR)})).await.problem(409, "schedule_ended");
    server.delete(&path, 5).await.problem(409, "schedule_ended");
    let trail = audited(&server, &first).await;
    assert_eq!(
        actions(&trail),
        ["schedule.create", "schedule.edit", "schedule.edit", "schedule.edit", "schedule.done"]
    );

    let path = self::path(&second);
    server.delete(&path, 9).await.problem(412, "version_mismatch");
    let cancelled = server.delete(&path, 1).await.is(200);
    assert_eq!((&cancelled["state"], &cancelled["version"]), (&json!("cancelled"), &json!(2)));
    assert_eq!(server.delete(&path, 2).await.is(200), cancelled);
    let list = server.get(&format!("{}?state=cancelled", schedule())).await.is(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let list = server.get(&format!("{}?state=open", schedule())).await.is(200);
    assert_eq!(list["items"], json!([]));
    assert_eq!(actions(&audited(&server, &second).await), ["schedule.create", "schedule.cancel"]);
}

#[tokio::test]
async fn what_could_not_be_done_now_is_refused_with_pointers() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let refused = async |change: Value| {
        server.post(&schedule(), json!({"at": later(HOUR), "change": change})).await
    };
    for (change, faults) in [
        (json!([]), &[("/change", "wrong_type")][..]),
        (json!({}), &[("/change", "missing_field"), ("/change", "missing_field")]),
        (json!({"action": "flag.archive", "key": "f"}), &[("/change/action", "wrong_type")]),
        (
            json!({"action": "flag_state.on", "key": "f", "when": 1}),
            &[("/change/when", "unknown_field")],
        ),
        (json!({"action": "flag_state.on", "key": "g"}), &[("/change/key", "not_found")]),
        (
            json!({"action": "flag_state.on", "key": "f", "if_version": 9}),
            &[("/change/if_version", "version_mismatch")],
        ),
        (
            json!({"action": "flag_state.on", "key": "f", "body": {"on": true}}),
            &[("/change/body/on", "unknown_field")],
        ),
        (json!({"action": "flag_state.patch", "key": "f"}), &[("/change", "missing_field")]),
        (
            json!({"action": "flag_state.patch", "key": "f", "body": {"off_variant": "no"}}),
            &[("/change/body/off_variant", "unknown_variant")],
        ),
        (
            json!({"action": "flag_state.rollout", "key": "f", "body": {"variant": 1}}),
            &[("/change/body", "missing_field"), ("/change/body/variant", "wrong_type")],
        ),
        (
            json!({"action": "flag_state.rollout", "key": "f",
                   "body": {"variant": "no", "percent": 1}}),
            &[("/change/body/variant", "unknown_variant")],
        ),
        (
            json!({"action": "segment.members", "key": "s", "body": {"included": {"add": [""]}}}),
            &[("/change/body/included/add/0", "invalid_key")],
        ),
        (
            json!({"action": "segment.patch", "key": "s", "body": {}}),
            &[("/change/key", "not_found")],
        ),
    ] {
        refused(change).await.refuses(faults);
    }
    let at = async |at: &str| {
        let change = json!({"action": "flag_state.on", "key": "f"});
        server.post(&schedule(), json!({"at": at, "change": change})).await
    };
    at("2001-01-01T00:00:00Z").await.refuses(&[("/at", "in_the_past")]);
    at("tomorrow").await.refuses(&[("/at", "invalid_time")]);
    at(&later(367 * 24 * HOUR)).await.refuses(&[("/at", "too_far")]);
    server
        .post(&schedule(), json!({"at": 1}))
        .await
        .refuses(&[("", "missing_field"), ("/at", "wrong_type")]);
    for query in ["?state=gone", "?cursor=!", "?cursor=eA", "?limit=0", "?archived=true"] {
        let list = server.get(&format!("{}{query}", schedule())).await;
        list.problem(400, "invalid_query");
    }
    server.get(&format!("{}/none", schedule())).await.problem(404, "not_found");
    assert_eq!(server.get(&schedule()).await.is(200)["items"], json!([]));
    assert_eq!(server.revision().await, 1);
    answer(server.request(Method::GET, &schedule(), SDK)).await.problem(403, "forbidden");
    answer(server.request(Method::GET, &schedule(), "no")).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn another_environment_does_not_have_it_and_a_request_sent_again_schedules_nothing() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let said = switch("flag_state.on", "f", HOUR);
    let send = || {
        let request = server.request(Method::POST, &schedule(), ADMIN).json(&said);
        answer(request.header("idempotency-key", "\"once\""))
    };
    let created = send().await.is(201);
    let again = send().await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.is(201), created);
    assert_eq!(server.get(&schedule()).await.is(200)["items"].as_array().unwrap().len(), 1);
    let id = created["id"].as_str().unwrap();
    let elsewhere = format!("{PROJECT}/environments/development/schedule/{id}");
    server.get(&elsewhere).await.problem(404, "not_found");
    server.patch(&elsewhere, 1, json!({"at": later(HOUR)})).await.problem(404, "not_found");
    server.delete(&elsewhere, 1).await.problem(404, "not_found");

    let token = async |more: Value| {
        let mut said = json!({"name": "t", "kind": "service", "role": "editor"});
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let created = server.post("/api/v1/tokens", said).await.is(201);
        created["token"].as_str().unwrap().to_owned()
    };
    server.post("/api/v1/projects", json!({"key": "other"})).await.is(201);
    let stranger = token(json!({"scope": [{"project": "other"}]})).await;
    let viewer = token(json!({"role": "viewer"})).await;
    for (method, path) in [
        (Method::GET, schedule()),
        (Method::POST, schedule()),
        (Method::GET, path(&created)),
        (Method::PATCH, path(&created)),
        (Method::DELETE, path(&created)),
    ] {
        let ask = async |token: &str| -> Answer {
            answer(server.request(method.clone(), &path, token).json(&said)).await
        };
        ask(&stranger).await.problem(404, "not_found");
        if method != Method::GET {
            ask(&viewer).await.problem(403, "forbidden");
        }
    }
}

#[tokio::test]
async fn what_can_no_longer_be_done_fails_and_says_why() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    server.create_flag("gone").await;
    let at = later(HOUR);
    let post = async |token: &str, change: Value| {
        let said = json!({"at": at, "change": change});
        answer(server.request(Method::POST, &schedule(), token).json(&said)).await.is(201)
    };
    let token = async |more: Value| {
        let mut said = json!({"name": "t", "kind": "personal", "role": "editor"});
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post("/api/v1/tokens", said).await.is(201)
    };
    let (revoked, expired) = (token(json!({})).await, token(json!({"expires_at": at})).await);
    let secret = |token: &Value| token["token"].as_str().unwrap().to_owned();
    let on = |key: &str| json!({"action": "flag_state.on", "key": key});
    let archived = post(ADMIN, on("gone")).await;
    let stale = post(ADMIN, json!({"action": "flag_state.on", "key": "f", "if_version": 1})).await;
    let distrusted = post(&secret(&revoked), on("f")).await;
    let stands = post(&secret(&expired), on("f")).await;
    server.press(&format!("{FLAGS}/gone/archive")).await.is(200);
    server.patch(&format!("{PRODUCTION}/flags/f"), 1, json!({"salt": "s"})).await.is(200);
    let id = revoked["id"].as_str().unwrap();
    let revoke = server.request(Method::DELETE, &format!("/api/v1/tokens/{id}"), ADMIN);
    answer(revoke).await.is(200);
    let revision = server.revision().await;
    let server = away(server).await;
    answer(server.request(Method::GET, &schedule(), &secret(&expired)))
        .await
        .problem(401, "unauthenticated");

    for (scheduled, code) in
        [(&archived, "not_found"), (&stale, "version_mismatch"), (&distrusted, "author_revoked")]
    {
        let failed = server.get(&path(scheduled)).await.is(200);
        assert_eq!((&failed["state"], &failed["revision"]), (&json!("failed"), &Value::Null));
        assert_eq!(failed["problem"]["code"], code, "{failed}");
        assert!(failed["problem"]["detail"].is_string());
        let trail = audited(&server, scheduled).await;
        assert_eq!(actions(&trail), ["schedule.create", "schedule.fail"]);
    }
    let done = server.get(&path(&stands)).await.is(200);
    assert_eq!((&done["state"], &done["revision"]), (&json!("done"), &json!(revision + 1)));
    let list = server.get(&format!("{}?state=failed", schedule())).await.is(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 3);

    // The environment is put away meanwhile.
    let late = server.post(&schedule(), switch("flag_state.off", "f", HOUR)).await.is(201);
    server.press(&format!("{PRODUCTION}/archive")).await.is(200);
    server.get(&path(&late)).await.problem(404, "not_found");
    let server = away(server).await;
    assert_eq!(actions(&audited(&server, &late).await), ["schedule.create", "schedule.fail"]);
    server.press(&format!("{PRODUCTION}/restore")).await.is(200);
    let failed = server.get(&path(&late)).await.is(200);
    assert_eq!(
        (&failed["state"], &failed["problem"]["code"]),
        (&json!("failed"), &json!("not_found"))
    );
    assert!(is_on(&server, "f").await);
}

#[tokio::test]
async fn what_came_due_while_the_server_was_away_is_done_at_its_start_in_order() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let patch = |salt: &str, millis| {
        let change = json!({"action": "flag_state.patch", "key": "f", "body": {"salt": salt}});
        json!({"at": later(millis), "change": change})
    };
    let last = server.post(&schedule(), patch("last", HOUR + 1_000)).await.is(201);
    let first = server.post(&schedule(), patch("first", HOUR)).await.is(201);
    let future = server.post(&schedule(), patch("future", 9 * HOUR)).await.is(201);
    // One whose body cannot be read is in nobody's way, nor one of which nothing can be.
    let damaged = server.post(&schedule(), patch("damaged", HOUR - 1_000)).await.is(201);
    let gone = server.post(&schedule(), patch("gone", HOUR - 3_000)).await.is(201);
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    let damage = "UPDATE scheduled_change SET body = '{' WHERE id = ?1";
    database.execute(damage, [damaged["id"].as_str().unwrap()]).unwrap();
    let damage = "UPDATE scheduled_change SET key = CAST(x'ff' AS TEXT) WHERE id = ?1";
    database.execute(damage, [gone["id"].as_str().unwrap()]).unwrap();
    drop(database);
    // A start before any of them is due.
    let server = TestServer::start_in(dir).await;
    for scheduled in [&first, &last, &future] {
        assert_eq!(&server.get(&path(scheduled)).await.is(200), scheduled);
    }
    let server = away(server).await;
    // Whoever is answered first finds them done.
    let state = server.get(&format!("{PRODUCTION}/flags/f")).await.is(200);
    assert_eq!(state["salt"], "last");
    let revision = async |of: &Value| server.get(&path(of)).await.is(200)["revision"].as_u64();
    let (first, last) = (revision(&first).await.unwrap(), revision(&last).await.unwrap());
    assert!(first < last, "{first} {last}");
    assert_eq!(revision(&future).await, None);
    let failed = server.get(&format!("{}?state=failed", schedule())).await.is(200);
    let [failed] = &**failed["items"].as_array().unwrap() else { panic!("{failed}") };
    assert_eq!((&failed["id"], &failed["problem"]["code"]), (&damaged["id"], &json!("internal")));
}

#[tokio::test]
async fn so_many_are_open_at_once() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let large = json!({"rules": [{"id": "r", "serve": {"variant": "on"}, "when":
        {"attribute": "user.x", "op": "in", "values": vec!["v".repeat(1_000); 900]}}]});
    let change = json!({"action": "flag_state.patch", "key": "f", "body": large});
    let said = json!({"at": later(HOUR), "change": change});
    let mut open = 0;
    let refused = loop {
        let answer = server.post(&schedule(), said.clone()).await;
        if answer.status != 201 {
            break answer.problem(422, "limit_exceeded");
        }
        open += 1;
    };
    assert_eq!((&refused["limit"], open), (&json!("scheduled_bytes"), 18));
    let list = server.get(&schedule()).await.is(200);
    let one = list["items"][0].clone();
    server.delete(&path(&one), 1).await.is(200);
    server.post(&schedule(), said).await.is(201);

    // As many small ones as there may be, but for one.
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    database
        .execute_batch(
            "DELETE FROM scheduled_change WHERE id <> (SELECT max(id) FROM scheduled_change);
             UPDATE scheduled_change SET action = 'flag_state.on', body = NULL;
             WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 999)
             INSERT INTO scheduled_change (id, environment_id, at, state, version, action, key,
                 actor, actor_name, created_at)
             SELECT 'n' || n, environment_id, at, 'open', 1, action, key, actor, actor_name, 0
             FROM scheduled_change, n;",
        )
        .unwrap();
    drop(database);
    let server = TestServer::start_in(dir).await;
    let last = server.post(&schedule(), switch("flag_state.on", "f", HOUR)).await.is(201);
    let refused = server.post(&schedule(), switch("flag_state.on", "f", HOUR)).await;
    assert_eq!(refused.problem(422, "limit_exceeded")["limit"], "scheduled");
    // To edit one of them is to have no further one.
    server.patch(&path(&last), 1, json!({"at": later(2 * HOUR)})).await.is(200);
}

/// The binary on a database, killed without a warning.
struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(dir: &TempDir) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flags-server"))
            .env_clear()
            .env("FLAGS_LISTEN", "127.0.0.1:0")
            .env("FLAGS_BOOTSTRAP_ADMIN_TOKEN", ADMIN)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let base =
            lines.find_map(|line| Some(line.ok()?.strip_prefix("listening on ")?.to_owned()));
        match base {
            Some(base) => Self { child, base },
            None => panic!("it does not listen: {:?}", child.wait()),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.base));
        answer(request.bearer_auth(ADMIN).json(body)).await
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn a_change_is_made_once_however_often_the_process_is_killed() {
    const ROUNDS: u64 = 10;

    let dir = TempDir::new().unwrap();
    let mut process = Process::start(&dir);
    let flag = json!({"key": "f", "type": "boolean"});
    process.ask(Method::POST, FLAGS, &flag).await.is(201);
    let mut random =
        SystemTime::now().elapsed().map_or_else(|_| 7, |since| since.as_nanos() as u64);
    for round in 0..ROUNDS {
        let change = json!({"action": "flag_state.patch", "key": "f",
            "body": {"salt": format!("round-{round}")}});
        let created = loop {
            let said = json!({"at": later(300), "change": change});
            let answer = process.ask(Method::POST, &schedule(), &said).await;
            if answer.status == 201 {
                break answer.body;
            }
            answer.refuses(&[("/at", "in_the_past")]);
        };
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // From well before its time until well after it.
        let wait = 230 + (random >> 33) % 100;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        process.kill();
        process = Process::start(&dir);
        let waiting = async {
            while process.ask(Method::GET, &path(&created), &json!({})).await.is(200)["state"]
                == "open"
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.expect("its time comes");
        let done = process.ask(Method::GET, &path(&created), &json!({})).await.is(200);
        assert_eq!(
            (&done["state"], &done["revision"]),
            (&json!("done"), &json!(round + 2)),
            "killed after {wait} ms: {done}"
        );
        let found = format!("/api/v1/audit?object=schedule/{}", done["id"].as_str().unwrap());
        let found = process.ask(Method::GET, &found, &json!({})).await.is(200);
        assert_eq!(found["items"].as_array().unwrap().len(), 2, "{found}");
    }
    let history = format!("{PRODUCTION}/flags/f/history");
    let history = process.ask(Method::GET, &history, &json!({})).await.is(200);
    assert_eq!(history["items"].as_array().unwrap().len() as u64, ROUNDS + 1);
    process.kill();
}

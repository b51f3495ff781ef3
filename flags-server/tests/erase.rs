//! Erasing a key: nothing has it afterwards, everything else is as it was, and clients follow.

#![cfg(test)]

mod binary;
mod server;

use binary::{binary, run};
use flags_core::{Change, Document, Epoch};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, FLAGS, PRODUCTION, TestServer, answer};

const KEY: &str = "ada@example.com";

async fn target(server: &TestServer, flag: &str, body: Value) {
    let path = format!("{PRODUCTION}/flags/{flag}");
    let version = server.get(&path).await.is(200)["version"].as_u64().unwrap();
    server.patch(&path, version, body).await.is(200);
}

/// A server on which a user's key is everywhere that a key can be; at revision 9.
async fn filled() -> TestServer {
    let server = TestServer::start().await;
    for key in ["targeted", "ruled", "past"] {
        server.create_flag(key).await;
    }
    let targets = |keys: Value| {
        json!({"targets": [{"kind": "user", "keys": keys, "variant": "on"},
        {"kind": "tenant", "keys": [KEY], "variant": "on"}]})
    };
    target(&server, "targeted", targets(json!([KEY, "grace"]))).await;
    let rules = json!({"rules": [{"id": "r", "when": {"attribute": "user.key", "op": "in",
        "values": [KEY, "grace"]}, "serve": {"variant": "on"}}]});
    target(&server, "ruled", rules).await;
    target(&server, "past", targets(json!([KEY]))).await;
    target(&server, "past", json!({"targets": []})).await;
    for (key, kind) in [("users", "user"), ("tenants", "tenant")] {
        let segment = json!({"key": key, "kind": kind, "included": ["grace", KEY]});
        server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    }
    let members = json!({"excluded": {"add": [KEY, "bob"]}});
    let path = format!("{PRODUCTION}/segments/users/members?reason=asked%20by%20{KEY}");
    server.post(&path, members).await.is(200);
    server
}

fn texts(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    let texts = statement.query_map((), |row| row.get(0)).unwrap();
    texts.collect::<Result<_, _>>().unwrap()
}

fn folded(database: &Connection, epoch: &Value) -> Value {
    let sql = "SELECT change FROM change_log WHERE environment_id = 1 ORDER BY revision";
    let changes = texts(database, sql);
    let changes: Vec<Change> = changes.iter().map(|c| serde_json::from_str(c).unwrap()).collect();
    let mut document = Document::empty(Epoch::new(epoch.as_str().unwrap()));
    document.fold(&changes).unwrap();
    serde_json::to_value(document).unwrap()
}

#[tokio::test]
async fn a_key_is_gone_from_everywhere_and_the_rest_stays() {
    let server = filled().await;
    let stale = server.snapshot().await;
    let mut live = server.stream("").await;
    live.block().await.unwrap();
    let wanted = json!({"kind": "user", "key": KEY});
    let mut dry = wanted.clone();
    dry["dry_run"] = json!(true);
    let dry = server.post("/api/v1/erasures", dry).await.is(200);
    assert_eq!(server.revision().await, 10);
    let erased = server.post("/api/v1/erasures?reason=on%20request", wanted.clone()).await.is(200);
    assert_eq!(server.revision().await, 11);

    // What it would touch is what it touches.
    let production = &erased["environments"][0];
    assert_eq!(production["flags"], json!(["ruled", "targeted"]));
    assert_eq!(production["segments"], json!(["users"]));
    assert_eq!((&production["revision"], &production["changes"]), (&json!(11), &json!(5)));
    assert_eq!(erased["environments"].as_array().unwrap().len(), 1);
    for member in ["flags", "segments", "changes"] {
        assert_eq!(dry["environments"][0][member], production[member]);
    }
    assert_eq!((&dry["audit_rows"], &dry["dry_run"]), (&erased["audit_rows"], &json!(true)));

    let state = server.get(&format!("{PRODUCTION}/flags/targeted")).await.is(200);
    assert_eq!(state["targets"][0]["keys"], json!(["grace"]));
    assert_eq!(state["targets"][1]["keys"], json!([KEY]), "that is a tenant");
    let state = server.get(&format!("{PRODUCTION}/flags/ruled")).await.is(200);
    assert_eq!(state["rules"][0]["when"]["values"], json!(["[erased]", "grace"]));
    let users = server.get(&format!("{PRODUCTION}/segments/users")).await.is(200);
    assert_eq!((&users["included"], &users["excluded"]), (&json!(["grace"]), &json!(["bob"])));
    let tenants = server.get(&format!("{PRODUCTION}/segments/tenants")).await.is(200);
    assert_eq!(tenants["included"], json!([KEY, "grace"]));

    // A client that was there hears of the present state, one that comes back gets it from the log,
    // and neither hears the key as a user's.
    let change = live.next().await.unwrap().data;
    assert_eq!(change["revision"], 11);
    let epoch = stale["epoch"].as_str().unwrap();
    let mut resumed = server.stream(&format!("?after={epoch}.3")).await;
    let mut document: Document = serde_json::from_value(stale).unwrap();
    document.fold(&[serde_json::from_value(change).unwrap()]).unwrap();
    for revision in 4..=11 {
        let change = resumed.next().await.unwrap().data;
        assert_eq!(change["revision"], revision);
        for object in change["objects"].as_array().unwrap() {
            let text = object.to_string();
            let of_tenants = text.matches(r#""kind":"tenant""#).count();
            assert_eq!(text.matches(KEY).count(), of_tenants, "{text}");
        }
    }
    let present = server.snapshot().await;
    assert_eq!(serde_json::to_value(document).unwrap(), present);

    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    assert_eq!(folded(&database, &present["epoch"]), present);
    let audit = texts(
        &database,
        "SELECT object_key || coalesce(reason, '') || coalesce(before, '')
        || coalesce(after, '') FROM audit",
    );
    let audit: String = audit.concat();
    assert!(!audit.contains(&format!("asked by {KEY}")), "{audit}");
    assert!(audit.contains("asked by [erased]"), "{audit}");
    assert!(!audit.contains(&format!(r#""values":["{KEY}""#)), "{audit}");
    let first = format!(r#""first":["{KEY}""#);
    assert_eq!(audit.matches(&*first).count(), 1, "of tenants: {audit}");
    drop(database);
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));

    // Again, by the command and on the file: there is nothing left.
    let (code, report, errors) = run(binary(&dir), &["erase", "--user", KEY]).await;
    assert_eq!((code, &report["environments"]), (0, &json!([])), "{errors}");
    assert_eq!(report["audit_rows"], 0);
    // The tenant of the same key goes, too, and then no byte of the file has it.
    let (code, report, errors) = run(binary(&dir), &["erase", "--tenant", KEY]).await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(report["environments"][0]["segments"], json!(["tenants"]));
    for file in dir.path().read_dir().unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!found, "{}", path.display());
    }
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
    let server = TestServer::start_in(dir).await;
    assert_eq!(server.snapshot().await["objects"].as_array().unwrap().len(), 5);
}

/// The history, the answers that are kept for those who ask again, and the definitions of the past.
#[tokio::test]
async fn a_key_is_gone_from_what_is_kept_of_the_past() {
    let server = filled().await;
    for flag in ["targeted", "ruled"] {
        server.press(&format!("{PRODUCTION}/flags/{flag}/on")).await.is(200);
    }
    let copy = |key: &str| {
        let development = PRODUCTION.replace("production", "development");
        let path = format!("{development}/segments/{key}/copy");
        let copy = server.request(Method::POST, &path, ADMIN).header("idempotency-key", key);
        answer(copy.json(&json!({"from": "production"})))
    };
    for key in ["users", "tenants"] {
        assert!(copy(key).await.is(200).to_string().contains(KEY), "its answer names it");
    }
    let evaluated = async || {
        let body = json!({"flag": "targeted", "context": {"user": {"key": KEY}}});
        server.post(&format!("{PRODUCTION}/evaluate?revision=11"), body).await.is(200)
    };
    assert_eq!(evaluated().await["reason"], "target_match");
    for kind in ["user", "tenant"] {
        let body = json!({"kind": kind, "key": KEY, "dry_run": true});
        let dry = server.post("/api/v1/erasures", body).await.is(200);
        let body = json!({"kind": kind, "key": KEY});
        let erased = server.post("/api/v1/erasures", body).await.is(200);
        let answers = if kind == "user" { 2 } else { 0 };
        assert_eq!((&dry["answers"], &erased["answers"]), (&json!(answers), &json!(answers)));
    }
    assert_ne!(evaluated().await["reason"], "target_match");
    for path in ["history", "flags/targeted/history", "segments/users/history"] {
        let history = server.get(&format!("{PRODUCTION}/{path}?limit=500")).await.is(200);
        assert!(!history.to_string().contains(KEY), "{path}: {history}");
        // Every revision is told of, that of the erasure too.
        if path == "history" {
            let revisions = history["items"].as_array().unwrap().iter();
            let revisions: Vec<_> = revisions.map(|item| item["revision"].clone()).collect();
            assert_eq!(revisions, (1..=14).rev().map(Value::from).collect::<Vec<_>>());
            assert_eq!(history["items"][0]["action"], "environment.erase");
        }
    }
    let dir = server.stop().await;
    for file in dir.path().read_dir().unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!found, "{}", path.display());
    }
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
}

/// What is archived is erased, too.
#[tokio::test]
async fn what_is_archived_is_reached() {
    let server = filled().await;
    server.press(&format!("{PRODUCTION}/archive")).await.is(200);
    server.press("/api/v1/projects/default/archive").await.is(200);
    let body = json!({"kind": "user", "key": KEY, "project": "default"});
    let erased = server.post("/api/v1/erasures", body).await.is(200);
    assert_eq!(erased["environments"][0]["segments"], json!(["users"]));
    server.press("/api/v1/projects/default/restore").await.is(200);
    server.press(&format!("{PRODUCTION}/restore")).await.is(200);
    let users = server.get(&format!("{PRODUCTION}/segments/users")).await.is(200);
    assert_eq!(users["included"], json!(["grace"]));
}

#[tokio::test]
async fn an_erasure_may_be_of_one_project() {
    let server = filled().await;
    server.post("/api/v1/projects", json!({"key": "shop"})).await.is(201);
    let at = "/api/v1/projects/shop/environments";
    server.post(at, json!({"key": "eu"})).await.is(201);
    let segment = json!({"key": "users", "kind": "user", "included": [KEY]});
    server.post(&format!("{at}/eu/segments"), segment).await.is(201);
    let mut command = binary(&server.dir);
    command.env("FLAGS_ADMIN_TOKEN", ADMIN).env("FLAGS_URL", &server.base);
    let arguments = ["erase", "--user", KEY, "--project", "shop", "--reason", "gone"];
    let (code, report, errors) = run(command, &arguments).await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(report["environments"].as_array().unwrap().len(), 1);
    assert_eq!(report["environments"][0]["project"], "shop");
    let shop = server.get(&format!("{at}/eu/segments/users")).await.is(200);
    assert_eq!(shop["included"], json!([]));
    let other = server.get(&format!("{PRODUCTION}/segments/users")).await.is(200);
    assert_eq!(other["included"], json!([KEY, "grace"]));
    let (code, report, _) = run(binary(&server.dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = TestServer::start().await;
    let erasures = "/api/v1/erasures";
    server.post(erasures, json!({"key": "a"})).await.refuses(&[("", "missing_field")]);
    let body = json!({"kind": "no kind", "key": "\u{7}"});
    server.post(erasures, body).await.refuses(&[("/key", "invalid_key"), ("/kind", "invalid_key")]);
    let body = json!({"kind": "user", "key": "[erased]"});
    server.post(erasures, body).await.refuses(&[("/key", "invalid_key")]);
    let body = json!({"kind": "user", "key": "a", "project": "none"});
    server.post(erasures, body.clone()).await.problem(404, "not_found");
    let nobody = server.request(Method::POST, erasures, "nobody").json(&body);
    answer(nobody).await.problem(401, "unauthenticated");
    let sdk = server.request(Method::POST, erasures, server::SDK).json(&body);
    answer(sdk).await.problem(403, "forbidden");
    server.get(FLAGS).await.is(200);

    let (code, _, errors) = run(binary(&server.dir), &["erase"]).await;
    assert!(code == 2 && errors.contains("--user"), "{errors}");
    let (code, _, errors) = run(binary(&server.dir), &["erase", "--user", "a"]).await;
    assert!(code == 1 && errors.contains("another process has it open"), "{errors}");
    let mut command = binary(&server.dir);
    command.env("FLAGS_URL", &server.base);
    let (code, _, errors) = run(command, &["erase", "--user", "a"]).await;
    assert!(code == 1 && errors.contains("FLAGS_ADMIN_TOKEN is missing"), "{errors}");
}

#[tokio::test]
async fn so_does_one_that_was_deleted_before() {
    let server = TestServer::start().await;
    let tenants = format!("{PRODUCTION}/tenants");
    let acme = json!({"tenants": [{"key": KEY}, {"key": "globex"}]});
    server.post(&tenants, acme).await.is(200);
    let delete = server.request(Method::DELETE, &format!("{tenants}/{KEY}"), ADMIN);
    answer(delete.header("if-match", "\"1\"")).await.is(200);
    let wanted = json!({"kind": "tenant", "key": KEY});
    let erased = server.post("/api/v1/erasures", wanted).await.is(200);
    let production = &erased["environments"][0];
    let told = (&production["tenant"], &production["changes"], &production["revision"]);
    assert_eq!(told, (&json!(false), &json!(2), &json!(2)), "{erased}");
    let epoch = server.snapshot().await["epoch"].as_str().unwrap().to_owned();
    let mut has_it = server.stream(&format!("?after={epoch}.1")).await;
    assert_eq!(has_it.next().await.unwrap().name, "reset");
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    assert!(!texts(&database, "SELECT change FROM change_log").join("").contains(KEY));
}

#[tokio::test]
async fn a_stored_tenant_goes_with_its_key() {
    let server = TestServer::start().await;
    let tenants = format!("{PRODUCTION}/tenants");
    let store = |key: &str, name: &str| {
        let tenant = json!({"key": key, "attributes": {"name": name}});
        server.post(&tenants, json!({"tenants": [tenant, {"key": "globex"}]}))
    };
    store(KEY, "Lovelace").await.is(200);
    store(KEY, "Lovelace Ltd.").await.is(200);
    let acme = format!("{tenants}/{KEY}");
    server.patch(&acme, 2, json!({"attributes": {"city": "Lovelace Town"}})).await.is(200);
    let stale = server.snapshot().await;
    let wanted = json!({"kind": "tenant", "key": KEY});
    let erased = server.post("/api/v1/erasures", wanted.clone()).await.is(200);
    let production = &erased["environments"][0];
    assert_eq!((&production["tenant"], &production["changes"]), (&json!(true), &json!(3)));
    server.get(&acme).await.problem(404, "not_found");
    server.get(&format!("{tenants}/globex")).await.is(200);

    // A client that comes back cannot be told what to drop: it takes a snapshot.
    let epoch = stale["epoch"].as_str().unwrap();
    let mut resumed = server.stream(&format!("?after={epoch}.2")).await;
    assert_eq!(resumed.next().await.unwrap().data["objects"], json!([]));
    assert_eq!(resumed.next().await.unwrap().name, "reset");
    assert!(resumed.next().await.is_none());
    assert!(!server.snapshot().await.to_string().contains(KEY));
    // One that is as late, and not too late, goes on.
    server.create_flag("later").await;
    let mut resumed = server.stream(&format!("?after={epoch}.4")).await;
    assert_eq!(resumed.next().await.unwrap().data["revision"], 5);

    let again = server.post("/api/v1/erasures", wanted).await.is(200);
    assert_eq!((&again["environments"], &again["audit_rows"]), (&json!([]), &json!(0)));
    let history = server.get(&format!("{PRODUCTION}/history")).await.is(200);
    assert!(!history.to_string().contains(KEY), "{history}");
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    assert_eq!(folded(&database, &stale["epoch"])["objects"].as_array().unwrap().len(), 2);
    let logs = "SELECT change FROM change_log UNION ALL SELECT coalesce(object_key, '') || ' ' ||
                coalesce(before, '') || ' ' || coalesce(after, '') FROM audit";
    let logs = texts(&database, logs).join("\n");
    assert!(!logs.contains("Lovelace"), "{logs}");
    assert!(!logs.contains(KEY), "{logs}");
    drop(database);
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
}

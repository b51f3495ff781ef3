//! Stored tenants: kept, sent to clients, and seen by rules.

#![cfg(test)]

mod server;

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, PRODUCTION, SDK, TestServer, answer};

const TENANTS: &str = "/api/v1/projects/default/environments/production/tenants";
const ACME: &str = "/api/v1/projects/default/environments/production/tenants/acme";

async fn create(server: &TestServer, path: &str, body: Value) -> server::Answer {
    let request = server.request(Method::PUT, path, ADMIN).json(&body);
    answer(request.header("if-none-match", "*")).await
}

/// A server with the tenant `acme` at revision 1.
async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    let acme = json!({"attributes": {"country": "DE", "employees": 120}});
    create(&server, ACME, acme).await.is(201);
    server
}

#[tokio::test]
async fn a_tenant_is_created_changed_and_deleted() {
    let server = TestServer::start().await;
    let mut stream = server.stream("").await;
    stream.block().await.unwrap();
    let attributes = json!({"country": "DE", "employees": 120, "regions": ["eu"]});
    let created = create(&server, ACME, json!({"attributes": attributes})).await;
    assert_eq!((created.header("etag"), created.header("location")), ("\"1\"", ACME));
    let shown = json!({"key": "acme", "attributes": attributes, "version": 1, "revision": 1});
    assert_eq!(created.is(201), shown);
    create(&server, ACME, json!({})).await.problem(412, "version_mismatch");
    let upsert = |version, attributes: &Value| {
        json!([{"upsert": {"kind": "tenant", "key": "acme", "version": version,
                           "definition": {"attributes": attributes}}}])
    };
    assert_eq!(stream.next().await.unwrap().data["objects"], upsert(1, &attributes));
    let snapshot = server.snapshot().await;
    assert_eq!(
        snapshot["objects"],
        json!([{"kind": "tenant", "key": "acme", "version": 1,
                "definition": {"attributes": attributes}}])
    );

    // As it was received, it can be sent back, and changes nothing.
    let shown = server.get(ACME).await.is(200);
    assert_eq!(shown, json!({"key": "acme", "attributes": attributes, "version": 1}));
    assert_eq!(server.put(ACME, 1, shown).await.is(200)["revision"], 1);
    assert_eq!(server.patch(ACME, 1, json!({})).await.is(200)["revision"], 1);

    // A patch names attributes one by one.
    let patch =
        json!({"attributes": {"country": "FR", "regions": null, "none": null, "trial": true}});
    let patched = server.patch(ACME, 1, patch).await;
    assert_eq!(patched.header("etag"), "\"2\"");
    let attributes = json!({"country": "FR", "employees": 120, "trial": true});
    assert_eq!(patched.is(200)["attributes"], attributes);
    assert_eq!(stream.next().await.unwrap().data["objects"], upsert(2, &attributes));
    let put = server.put(ACME, 2, json!({"attributes": {"country": "US"}})).await.is(200);
    assert_eq!(put["attributes"], json!({"country": "US"}));
    stream.next().await.unwrap();
    let emptied = server.patch(ACME, 3, json!({"attributes": null})).await.is(200);
    assert_eq!(emptied["attributes"], json!({}));
    stream.next().await.unwrap();

    server.delete(ACME, 3).await.problem(412, "version_mismatch");
    assert_eq!(server.delete(ACME, 4).await.is(200), json!({"revision": 5}));
    assert_eq!(
        stream.next().await.unwrap().data["objects"],
        json!([{"delete": {"kind": "tenant", "key": "acme"}}])
    );
    server.get(ACME).await.problem(404, "not_found");
    server.delete(ACME, 4).await.problem(404, "not_found");
}

#[tokio::test]
async fn bad_tenants_are_refused_and_nothing_of_them_is_stored() {
    let server = furnished().await;
    let put = |body| server.put(ACME, 1, body);
    put(json!([])).await.refuses(&[("", "wrong_type")]);
    put(json!({"attribute": {}, "attributes": []}))
        .await
        .refuses(&[("/attribute", "unknown_field"), ("/attributes", "wrong_type")]);
    put(json!({"key": "globex", "version": 7}))
        .await
        .refuses_as("immutable", &[("/key", "immutable"), ("/version", "version_mismatch")]);
    put(json!({"attributes": {"key": "x", "$plan": "pro", "a": null, "b": {}, "c": ["x", 1]}}))
        .await
        .refuses(&[
            ("/attributes/$plan", "invalid_name"),
            ("/attributes/a", "wrong_type"),
            ("/attributes/b", "wrong_type"),
            ("/attributes/c", "wrong_type"),
            ("/attributes/key", "invalid_name"),
        ]);
    let many: serde_json::Map<_, _> = (0..65).map(|n| (format!("a{n}"), json!(n))).collect();
    put(json!({"attributes": many}))
        .await
        .refuses_as("limit_exceeded", &[("/attributes", "too_many")]);
    let large = json!({"attributes": {"a": "x".repeat(16_384)}});
    put(large).await.refuses(&[("/attributes", "too_large")]);
    let patch = json!({"attributes": {"b": {}}});
    server.patch(ACME, 1, patch).await.refuses(&[("/attributes/b", "wrong_type")]);
    server.patch(ACME, 1, json!({"x": 1})).await.refuses(&[("/x", "unknown_field")]);
    create(&server, &format!("{TENANTS}/a%0Ab"), json!({})).await.refuses(&[("", "invalid_key")]);

    let unconditional = server.request(Method::PUT, ACME, ADMIN).json(&json!({}));
    answer(unconditional).await.problem(428, "precondition_required");
    server.put(ACME, 9, json!({})).await.problem(412, "version_mismatch");
    server.put(&format!("{TENANTS}/globex"), 1, json!({})).await.problem(404, "not_found");
    for wrong in [
        "/api/v1/projects/none/environments/production/tenants/acme",
        "/api/v1/projects/default/environments/none/tenants/acme",
        // Of another environment.
        "/api/v1/projects/default/environments/development/tenants/acme",
    ] {
        server.get(wrong).await.problem(404, "not_found");
        server.delete(wrong, 1).await.problem(404, "not_found");
        server.patch(wrong, 1, json!({})).await.problem(404, "not_found");
    }
    for token in [SDK, "nobody-knows-this-token-0123456789abcdef"] {
        let status = if token == SDK { 403 } else { 401 };
        for (method, path) in [(Method::GET, TENANTS), (Method::POST, TENANTS), (Method::GET, ACME)]
        {
            assert_eq!(answer(server.request(method, path, token)).await.status, status);
        }
    }
    assert_eq!(server.revision().await, 1);
}

#[tokio::test]
async fn many_tenants_are_one_change() {
    let server = furnished().await;
    let mut stream = server.stream("").await;
    stream.block().await.unwrap();
    let tenants = json!({"tenants": [
        {"key": "acme", "attributes": {"employees": 120, "country": "DE"}},
        {"key": "größe/2 %", "attributes": {"country": "FR"}},
        {"key": "bare"}]});
    let upserted = server.post(&format!("{TENANTS}?reason=import"), tenants.clone()).await.is(200);
    assert_eq!(upserted, json!({"created": 2, "updated": 0, "unchanged": 1, "revision": 2}));
    let objects = stream.next().await.unwrap().data["objects"].clone();
    let keys: Vec<_> =
        objects.as_array().unwrap().iter().map(|o| o["upsert"]["key"].clone()).collect();
    assert_eq!(keys, ["größe/2 %", "bare"], "nothing of what was so already");
    // A second time, nothing.
    let again = server.post(TENANTS, tenants).await.is(200);
    assert_eq!(again, json!({"created": 0, "updated": 0, "unchanged": 3, "revision": 2}));
    let nothing = server.post(TENANTS, json!({"tenants": []})).await.is(200);
    assert_eq!(nothing["revision"], 2);
    let updated = json!({"tenants": [{"key": "bare", "attributes": {"x": 1.5}}]});
    assert_eq!(server.post(TENANTS, updated).await.is(200)["updated"], 1);
    let path = format!("{TENANTS}/gr%C3%B6%C3%9Fe%2F2%20%25");
    assert_eq!(server.get(&path).await.is(200)["attributes"], json!({"country": "FR"}));

    // With a key, once: also where something else has happened in between.
    let post = || {
        let trial = json!({"tenants": [{"key": "bare", "attributes": {"trial": true}}]});
        let request = server.request(Method::POST, TENANTS, ADMIN).json(&trial);
        answer(request.header("idempotency-key", "k"))
    };
    let first = post().await.is(200);
    let later = json!({"tenants": [{"key": "bare", "attributes": {"trial": false}}]});
    server.post(TENANTS, later).await.is(200);
    let again = post().await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.is(200), first);
    let bare = server.get(&format!("{TENANTS}/bare")).await.is(200);
    assert_eq!(bare["attributes"], json!({"trial": false}));

    // All or nothing.
    let wrong = json!({"tenants": [
        {"key": "new", "attributes": {}}, {"key": "new"}, {"key": ".."},
        {"key": "x", "attributes": {"a": null}}]});
    server.post(TENANTS, wrong).await.refuses(&[
        ("/tenants/1/key", "duplicate"),
        ("/tenants/2/key", "invalid_key"),
        ("/tenants/3/attributes/a", "wrong_type"),
    ]);
    let shapeless = json!({"tenants": [{"attributes": [], "more": 1}], "x": 1});
    server.post(TENANTS, shapeless).await.refuses(&[
        ("/tenants/0", "missing_field"),
        ("/tenants/0/attributes", "wrong_type"),
        ("/tenants/0/more", "unknown_field"),
        ("/x", "unknown_field"),
    ]);
    let many = |count| {
        let tenants: Vec<_> = (0..count).map(|n| json!({"key": format!("t{n:04}")})).collect();
        json!({"tenants": tenants})
    };
    server.post(TENANTS, many(1_001)).await.problem(422, "limit_exceeded");
    server.get(&format!("{TENANTS}/new")).await.problem(404, "not_found");
    assert_eq!(server.post(TENANTS, many(1_000)).await.is(200)["created"], 1_000);

    // A page at a time.
    let (mut path, mut keys) = (format!("{TENANTS}?limit=400"), Vec::new());
    loop {
        let page = server.get(&path).await.is(200);
        keys.extend(page["items"].as_array().unwrap().iter().map(|item| item["key"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{TENANTS}?limit=400&cursor={cursor}");
    }
    assert_eq!(keys.len(), 1_003);
    assert!(keys.is_sorted_by(|a, b| a.as_str() < b.as_str()));
}

#[tokio::test]
async fn a_full_environment_says_so() {
    let server = furnished().await;
    let set = |column: &str, value: u64| {
        let connection = Connection::open(server.database()).unwrap();
        let sql = format!("UPDATE environment SET {column} = ?1 WHERE key = 'production'");
        connection.execute(&sql, [value]).unwrap();
    };
    let limits = server.get(PRODUCTION).await.is(200)["limits"].clone();
    assert_eq!(limits["tenants"], 1_000_000);
    assert_eq!(limits["tenants_per_request"], 1_000);
    let two = json!({"tenants": [{"key": "a"}, {"key": "b"}]});
    for (column, limit) in [("tenants", "tenants"), ("tenant_bytes", "tenant_bytes")] {
        let maximum = limits[limit].as_u64().unwrap();
        set(column, maximum - 1);
        let refused = server.post(TENANTS, two.clone()).await.problem(422, "limit_exceeded");
        assert!(refused["detail"].as_str().unwrap().contains(limit), "{refused}");
        set(column, 1);
    }
    assert_eq!(server.revision().await, 1);
    server.post(TENANTS, two).await.is(200);
}

#[tokio::test]
async fn what_is_stored_decides_and_is_explained() {
    let server = furnished().await;
    server.create_flag("german").await;
    let flag = format!("{PRODUCTION}/flags/german");
    let rule = json!({"id": "de", "serve": {"variant": "on"},
                      "when": {"attribute": "tenant.country", "op": "equals", "values": ["DE"]}});
    let state = json!({"on": true, "fallthrough": {"variant": "off"}, "rules": [rule]});
    let version = server.get(&flag).await.is(200)["version"].as_u64().unwrap();
    server.patch(&flag, version, state).await.is(200);
    let ask = async |context: Value| {
        let body = json!({"flag": "german", "context": context});
        server.post(&format!("{PRODUCTION}/evaluate"), body).await.is(200)["value"].clone()
    };
    assert_eq!(ask(json!({"tenant": {"key": "acme"}})).await, true);
    assert_eq!(ask(json!({"tenant": {"key": "acme", "country": "US"}})).await, false);
    let body = json!({"flag": "german", "context": {"tenant": {"key": "acme"}}});
    let explained = server.post(&format!("{PRODUCTION}/explain"), body).await.is(200);
    assert_eq!(explained["steps"][1]["steps"][0]["stored"], true, "{explained}");

    // It is there after a restart, and gone when it is deleted.
    let server = TestServer::start_in(server.stop().await).await;
    let ask = async || {
        let body = json!({"flag": "german", "context": {"tenant": {"key": "acme"}}});
        server.post(&format!("{PRODUCTION}/evaluate"), body).await.is(200)["value"].clone()
    };
    assert_eq!(ask().await, true);
    server.delete(ACME, 1).await.is(200);
    assert_eq!(ask().await, false);
}

#[tokio::test]
async fn writes_are_audited() {
    let server = furnished().await;
    let many: Vec<_> = (0..150).map(|n| json!({"key": format!("t{n}")})).collect();
    server.post(&format!("{TENANTS}?reason=import"), json!({"tenants": many})).await.is(200);
    server.delete(ACME, 1).await.is(200);
    let connection = Connection::open(server.database()).unwrap();
    let mut statement = connection
        .prepare("SELECT action, object_key, coalesce(reason, ''), coalesce(before, ''), coalesce(after, '') FROM audit ORDER BY id DESC LIMIT 3")
        .unwrap();
    let rows: Vec<[String; 5]> = statement
        .query_map((), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let acme = r#"{"attributes":{"country":"DE","employees":120}}"#;
    assert_eq!(rows[0], ["tenant.delete", "acme", "", acme, ""]);
    assert_eq!(rows[2], ["tenant.put", "acme", "", "", acme]);
    assert_eq!(rows[1][..4], ["tenant.upsert", "", "import", ""]);
    let after: Value = serde_json::from_str(&rows[1][4]).unwrap();
    let after = &after["tenants"];
    assert_eq!((&after["created"], after["first"].as_array().unwrap().len()), (&json!(150), 100));
}

/// What the change log folds to is what is stored.
#[tokio::test]
async fn the_log_folds_to_the_state() {
    let server = furnished().await;
    let keys = ["acme", "b", "c"];
    for round in 0..12_u64 {
        let key = keys[round as usize % 3];
        let tenants = json!({"tenants": [{"key": key, "attributes": {"round": round}},
                                         {"key": "constant", "attributes": {"x": "y"}}]});
        server.post(TENANTS, tenants).await.is(200);
        if round % 4 == 3 {
            let version = server.get(&format!("{TENANTS}/{key}")).await.is(200)["version"].clone();
            server.delete(&format!("{TENANTS}/{key}"), version.as_u64().unwrap()).await.is(200);
        }
    }
    let mut stored = server.get(TENANTS).await.is(200)["items"].clone();
    let connection = Connection::open(server.database()).unwrap();
    let mut statement = connection
        .prepare("SELECT change FROM change_log WHERE environment_id = (SELECT id FROM environment WHERE key = 'production') ORDER BY revision")
        .unwrap();
    let changes: Vec<flags_core::Change> = statement
        .query_map((), |row| row.get::<_, String>(0))
        .unwrap()
        .map(|change| serde_json::from_str(&change.unwrap()).unwrap())
        .collect();
    let mut document = flags_core::Document::empty(changes[0].epoch.clone());
    document.fold(&changes).unwrap();
    for item in stored.as_array_mut().unwrap() {
        let object = document.objects.iter().find(|object| item["key"] == *object.key).unwrap();
        assert_eq!(item["version"], object.version);
        let definition: Value = serde_json::from_str(object.definition.get()).unwrap();
        assert_eq!(item["attributes"], definition["attributes"]);
    }
    assert_eq!(document.objects.len(), stored.as_array().unwrap().len());
    let counts: (u64, u64) = connection
        .query_row(
            "SELECT tenants, tenant_bytes FROM environment WHERE key = 'production'",
            (),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let bytes: usize =
        document.objects.iter().map(|o| o.key.len() + o.definition.get().len()).sum();
    assert_eq!(counts, (document.objects.len() as u64, bytes as u64));
}

/// A token that does not show stored tenants sees the same revisions, and nothing of them.
#[tokio::test]
async fn a_token_without_tenants_sees_none() {
    let server = furnished().await;
    let token =
        json!({"name": "edge", "kind": "sdk", "environment": "production", "tenants": "none"});
    let token = server.post("/api/v1/tokens", token).await.is(201)["token"].clone();
    let token = token.as_str().unwrap();
    let snapshot = answer(server.request(Method::GET, "/sdk/v1/snapshot", token)).await.is(200);
    assert_eq!((&snapshot["revision"], &snapshot["objects"]), (&json!(1), &json!([])));
    assert_eq!(server.snapshot().await["objects"][0]["key"], "acme");

    let path = "/sdk/v1/stream";
    let mut stream = server::Events::of(server.request(Method::GET, path, token)).await;
    stream.block().await.unwrap();
    let two = json!({"tenants": [{"key": "globex"}, {"key": "initech"}]});
    server.post(TENANTS, two).await.is(200);
    server.create_flag("exports").await;
    server.delete(ACME, 1).await.is(200);
    let kinds = |event: &server::Event| -> Vec<Value> {
        let objects = event.data["objects"].as_array().unwrap().iter();
        objects.map(|object| object["upsert"]["kind"].clone()).collect()
    };
    let expected = [(2, vec![]), (3, vec![json!("flag")]), (4, vec![])];
    for (revision, objects) in &expected {
        let event = stream.next().await.unwrap();
        assert_eq!((&event.data["revision"], kinds(&event)), (&json!(revision), objects.clone()));
        assert!(!event.data.to_string().contains("globex") && !event.id.is_empty());
    }

    // From the change log, too.
    let position = format!("{}.1", snapshot["epoch"].as_str().unwrap());
    let server = TestServer::start_in(server.stop().await).await;
    let request = |token| server.request(Method::GET, &format!("{path}?after={position}"), token);
    let mut stream = server::Events::of(request(token)).await;
    for (revision, objects) in &expected {
        let event = stream.next().await.unwrap();
        assert_eq!((&event.data["revision"], kinds(&event)), (&json!(revision), objects.clone()));
    }
    let mut all = server::Events::of(request(SDK)).await;
    assert_eq!(kinds(&all.next().await.unwrap()), ["tenant", "tenant"]);
}

//! What every route of the admin API does when it is used rightly.

#![cfg(test)]

mod server;

use serde_json::{Value, json};
use server::{ADMIN, FLAGS, PRODUCTION, TestServer, answer};

#[tokio::test]
async fn a_fresh_server_has_a_project_with_two_environments() {
    let server = TestServer::start().await;
    let projects = server.get("/api/v1/projects").await.is(200);
    assert_eq!(projects["items"][0]["key"], "default");
    assert_eq!(
        (projects["items"].as_array().unwrap().len(), &projects["next_cursor"]),
        (1, &Value::Null)
    );
    let environments = server.get("/api/v1/projects/default/environments").await.is(200);
    let keys: Vec<_> =
        environments["items"].as_array().unwrap().iter().map(|e| &e["key"]).collect();
    assert_eq!(keys, ["development", "production"]);
    let production = server.get(PRODUCTION).await.is(200);
    assert_eq!(production["revision"], 0);
    assert_eq!(production["epoch"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn projects_and_environments_are_created_and_renamed() {
    let server = TestServer::start().await;
    let created = server.post("/api/v1/projects", json!({"key": "shop"})).await;
    assert_eq!(created.header("location"), "/api/v1/projects/shop");
    assert_eq!(created.is(201)["name"], "shop");
    let renamed =
        server.request(reqwest::Method::PATCH, "/api/v1/projects/shop?reason=brand", ADMIN);
    assert_eq!(answer(renamed.json(&json!({"name": "Shop"}))).await.is(200)["name"], "Shop");
    assert_eq!(server.get("/api/v1/projects/shop").await.is(200)["name"], "Shop");

    // A new environment has every flag of the project, off.
    let flag = json!({"key": "colour", "type": "string", "off_variant": "red", "fallthrough": "blue",
        "variants": [{"name": "red", "value": "#f00"}, {"name": "blue", "value": "#00f"}]});
    let path = "/api/v1/projects/shop";
    assert_eq!(server.post(&format!("{path}/flags"), flag).await.is(201)["revisions"], json!({}));
    let created =
        server.post(&format!("{path}/environments"), json!({"key": "eu", "name": "EU"})).await;
    assert_eq!(created.header("location"), "/api/v1/projects/shop/environments/eu");
    let created = created.is(201);
    assert_eq!((&created["revision"], &created["name"]), (&json!(1), &json!("EU")));
    let state = server.get(&format!("{path}/environments/eu/flags/colour")).await.is(200);
    assert_eq!(
        (&state["on"], &state["off_variant"], &state["fallthrough"], &state["version"]),
        (&json!(false), &json!("red"), &json!({"variant": "blue"}), &json!(1))
    );
    let renamed = server.request(reqwest::Method::PATCH, &format!("{path}/environments/eu"), ADMIN);
    let renamed = answer(renamed.json(&json!({"name": "Europe"}))).await.is(200);
    assert_eq!((&renamed["name"], &renamed["revision"]), (&json!("Europe"), &json!(1)));
}

#[tokio::test]
async fn a_flag_is_created_off_everywhere_and_its_shared_part_edited() {
    let server = TestServer::start().await;
    let created = server.post(FLAGS, json!({"key": "new-checkout", "type": "boolean"})).await;
    assert_eq!(created.header("location"), "/api/v1/projects/default/flags/new-checkout");
    assert_eq!(created.header("etag"), "\"1\"");
    assert_eq!(
        created.is(201),
        json!({"key": "new-checkout", "type": "boolean",
            "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
            "name": null, "description": null, "owner": null, "tags": [], "permanent": false, "expiry": null,
            "version": 1, "revisions": {"production": 1, "development": 1}})
    );
    let path = "/api/v1/projects/default/flags/new-checkout";
    let mut flag = server.get(path).await.is(200);
    assert_eq!(flag.get("revisions"), None);

    // What was received can be edited and sent back.
    flag["name"] = json!("New checkout");
    flag["tags"] = json!(["checkout"]);
    let written = server.put(path, 1, flag.clone()).await;
    assert_eq!(written.header("etag"), "\"2\"");
    let written = written.is(200);
    assert_eq!(written["revisions"], json!({"production": 2, "development": 2}));
    // Nothing changed: no revision.
    let again = server.put(path, 2, written).await.is(200);
    assert_eq!((&again["version"], &again["revisions"]["production"]), (&json!(2), &json!(2)));

    let patch = json!({"owner": "payments", "name": null,
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}, {"name": "dark", "value": true}]});
    let patched = server.patch(path, 2, patch).await.is(200);
    assert_eq!(
        (&patched["owner"], &patched["name"], &patched["tags"], &patched["version"]),
        (&json!("payments"), &Value::Null, &json!(["checkout"]), &json!(3))
    );
    assert_eq!(patched["variants"].as_array().unwrap().len(), 3);
    // The state belongs to that revision of the environment now.
    let state = server.get(&format!("{PRODUCTION}/flags/new-checkout")).await.is(200);
    assert_eq!(state["version"], 3);

    // Created with PUT, too.
    let put = server.request(reqwest::Method::PUT, "/api/v1/projects/default/flags/by-put", ADMIN);
    let put = put.header("if-none-match", "*").json(&json!({"type": "boolean"}));
    assert_eq!(answer(put).await.is(201)["key"], "by-put");
}

#[tokio::test]
async fn a_state_is_replaced_merged_and_switched() {
    let server = TestServer::start().await;
    server.create_flag("payments-v2").await;
    server.create_flag("new-checkout").await;
    let segment = json!({"key": "beta-tenants", "kind": "tenant", "included": ["acme"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    let path = format!("{PRODUCTION}/flags/new-checkout");
    let state = json!({"on": true, "off_variant": "off",
        "prerequisites": [{"flag": "payments-v2", "variants": ["on"]}],
        "targets": [{"kind": "tenant", "keys": ["acme"], "variant": "on"}],
        "rules": [
            {"when": {"all": [{"attribute": "tenant.country", "op": "in", "values": ["DE", "FR"]}, {"segment": "beta-tenants"}]},
             "serve": {"split": {"by": "tenant", "weights": [{"variant": "on", "weight": 5000}, {"weight": 95000}]}}},
            {"id": "eu", "when": {"attribute": "tenant.country", "op": "exists"}, "serve": {"variant": "on"}}],
        "fallthrough": {"variant": "off"}});
    let written = server.put(&path, 2, state.clone()).await;
    assert_eq!(written.header("etag"), "\"4\"");
    let written = written.is(200);
    assert_eq!((&written["version"], &written["revision"]), (&json!(4), &json!(4)));
    assert_eq!(
        (&written["rules"][0]["id"], &written["rules"][1]["id"]),
        (&json!("rule-1"), &json!("eu"))
    );
    assert_eq!(written["rules"][0]["serve"]["split"]["bucketing"], "sip13-1");
    // Written again, the rule without an id keeps the one it got: nothing changes.
    assert_eq!(server.put(&path, 4, state).await.is(200)["revision"], 4);
    assert_eq!(server.put(&path, 4, written).await.is(200)["revision"], 4);

    let patched = server.patch(&path, 4, json!({"salt": "s", "rules": []})).await.is(200);
    assert_eq!(
        (&patched["salt"], &patched["rules"], &patched["on"], &patched["revision"]),
        (&json!("s"), &json!([]), &json!(true), &json!(5))
    );

    assert_eq!(server.press(&format!("{path}/off?reason=incident")).await.is(200)["on"], false);
    assert_eq!(server.press(&format!("{path}/off")).await.is(200)["revision"], 6);
    assert_eq!(server.post(&format!("{path}/on"), json!({})).await.is(200)["revision"], 7);

    let list = server.get(&format!("{PRODUCTION}/flags")).await.is(200);
    let item = &list["items"][0];
    assert_eq!(
        (&item["key"], &item["type"], &item["state"]["version"]),
        (&json!("new-checkout"), &json!("boolean"), &json!(7))
    );
}

#[tokio::test]
async fn a_variant_is_rolled_out_by_percentage() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let path = format!("{PRODUCTION}/flags/f/rollout");
    let split = |on: u32, by: &str| {
        json!({"split": {"bucketing": "sip13-1", "by": by, "salt": null, "weights": [
            {"variant": "on", "weight": on}, {"variant": "off", "weight": 100_000 - on}]}})
    };
    let rolled =
        server.post(&path, json!({"variant": "on", "percent": 0, "by": "tenant"})).await.is(200);
    assert_eq!(rolled["fallthrough"], split(0, "tenant"));
    let rolled = server.post(&path, json!({"variant": "on", "percent": 33.333})).await.is(200);
    assert_eq!((&rolled["fallthrough"], &rolled["on"]), (&split(33_333, "tenant"), &json!(false)));
    let rolled = server
        .post(&path, json!({"variant": "on", "percent": 100, "by": "user", "replace": true}))
        .await;
    assert_eq!(rolled.is(200)["fallthrough"], split(100_000, "user"));
    // One thing served gives way to another.
    let path = format!("{PRODUCTION}/flags/f");
    let patched = server.patch(&path, 4, json!({"fallthrough": {"variant": "on"}})).await.is(200);
    assert_eq!(patched["fallthrough"], json!({"variant": "on"}));
}

#[tokio::test]
async fn a_tenant_is_targeted_and_no_longer() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let put = |tenant: &str, variant: &str| {
        let path = format!("{PRODUCTION}/flags/f/tenants/{tenant}");
        answer(
            server.request(reqwest::Method::PUT, &path, ADMIN).json(&json!({"variant": variant})),
        )
    };
    let answered = put("acme%2Feu", "on").await.is(200);
    assert_eq!(
        answered["targets"],
        json!([{"kind": "tenant", "keys": ["acme/eu"], "variant": "on"}])
    );
    assert_eq!(answered["warnings"], json!(["flag_off"]));
    server.press(&format!("{PRODUCTION}/flags/f/on")).await.is(200);
    let answered = put("acme%2Feu", "off").await.is(200);
    assert_eq!(
        answered["targets"],
        json!([{"kind": "tenant", "keys": ["acme/eu"], "variant": "off"}])
    );
    assert_eq!(answered["warnings"], json!([]));
    let path = format!("{PRODUCTION}/flags/f/tenants/acme%2Feu");
    let gone = answer(server.request(reqwest::Method::DELETE, &path, ADMIN)).await.is(200);
    assert_eq!((&gone["targets"], &gone["revision"]), (&json!([]), &json!(5)));
}

#[tokio::test]
async fn segments_are_created_changed_and_deleted() {
    let server = TestServer::start().await;
    let path = format!("{PRODUCTION}/segments/beta");
    let created = server
        .post(&format!("{PRODUCTION}/segments"), json!({"key": "beta", "kind": "tenant"}))
        .await;
    assert_eq!(created.header("location"), path);
    assert_eq!(
        created.is(201),
        json!({"key": "beta", "kind": "tenant", "included": [], "excluded": [], "when": null,
               "member_counts": {"included": 0, "excluded": 0}, "version": 1, "revision": 1})
    );
    let mut segment = server.get(&path).await.is(200);
    segment["included"] = json!(["acme"]);
    assert_eq!(server.put(&path, 1, segment).await.is(200)["version"], 2);
    let when = json!({"attribute": "tenant.plan", "op": "equals", "values": ["pro"]});
    let patched = server.patch(&path, 2, json!({"when": when})).await.is(200);
    assert_eq!((&patched["when"], &patched["included"]), (&when, &json!(["acme"])));
    let list = server.get(&format!("{PRODUCTION}/segments")).await.is(200);
    assert_eq!(
        list["items"][0],
        json!({"key": "beta", "kind": "tenant", "when": when,
               "member_counts": {"included": 1, "excluded": 0}, "version": 3}),
        "a list of segments does not list their keys"
    );
    assert_eq!(server.delete(&path, 3).await.is(200), json!({"revision": 4}));
    server.get(&path).await.problem(404, "not_found");
    let put = server.request(reqwest::Method::PUT, &path, ADMIN).header("if-none-match", "*");
    assert_eq!(answer(put.json(&json!({"kind": "user"}))).await.is(201)["version"], 5);
}

#[tokio::test]
async fn flags_are_evaluated_and_explained_by_the_core() {
    let server = TestServer::start().await;
    server.create_flag("b").await;
    server.create_flag("a").await;
    let path = format!("{PRODUCTION}/flags/a");
    server.press(&format!("{path}/on")).await.is(200);
    let context = json!({"user": {"key": "u-17"}, "tenant": {"key": "acme"}});
    let evaluate = format!("{PRODUCTION}/evaluate");
    let one = server.post(&evaluate, json!({"flag": "a", "context": context})).await.is(200);
    assert_eq!(
        one,
        json!({"flag": "a", "value": true, "variant": "on", "reason": "fallthrough", "version": 3, "revision": 3})
    );
    let all = server.post(&evaluate, json!({"context": context})).await.is(200);
    let keys: Vec<_> = all["answers"].as_array().unwrap().iter().map(|a| &a["flag"]).collect();
    assert_eq!(keys, ["a", "b"]);
    let none = server.post(&evaluate, json!({"flag": "c", "context": {}})).await.is(200);
    assert_eq!((&none["reason"], &none["value"]), (&json!("flag_not_found"), &Value::Null));
    let explained = server
        .post(&format!("{PRODUCTION}/explain"), json!({"flag": "a", "context": context}))
        .await;
    let explained = explained.is(200);
    assert_eq!(explained["steps"][0], json!({"step": "state", "outcome": "true"}));
    let text = explained["text"].as_str().unwrap();
    assert!(text.starts_with("a serves `on`: fallthrough"));
    for (accept, in_text) in [
        ("text/plain", true),
        ("text/plain;q=1, application/json", true),
        ("application/json, text/plain, */*", false),
        ("*/*", false),
    ] {
        let path = format!("{PRODUCTION}/explain");
        let ask = server.request(reqwest::Method::POST, &path, ADMIN).header("accept", accept);
        let given = answer(ask.json(&json!({"flag": "a", "context": context}))).await.is(200);
        assert_eq!(given, if in_text { json!(text) } else { explained.clone() }, "{accept}");
    }
}

#[tokio::test]
async fn lists_are_sorted_and_paginated() {
    let server = TestServer::start().await;
    for key in ["e", "b", "d", "a", "c"] {
        server.create_flag(key).await;
    }
    for list in [FLAGS, &format!("{PRODUCTION}/flags")] {
        let mut found = Vec::new();
        let mut next = format!("{list}?limit=2");
        loop {
            let page = server.get(&next).await;
            let link = page.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
            let page = page.is(200);
            let keys = page["items"].as_array().unwrap();
            found.push(
                keys.iter()
                    .map(|item| item["key"].as_str().unwrap().to_owned())
                    .collect::<String>(),
            );
            let Some(cursor) = page["next_cursor"].as_str() else {
                assert_eq!(link, None);
                break;
            };
            next = format!("{list}?limit=2&cursor={cursor}");
            assert_eq!(link.unwrap(), format!("<{next}>; rel=\"next\""));
        }
        assert_eq!(found, ["ab", "cd", "e"]);
    }
}

#[tokio::test]
async fn a_write_is_in_the_audit_log() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let path = format!("{PRODUCTION}/flags/f/off?reason=just+in+case");
    let request = server.request(
        reqwest::Method::POST,
        &format!("{PRODUCTION}/flags/f/on?reason=launch%20day"),
        ADMIN,
    );
    answer(request.header("x-request-id", "launch-1")).await.is(200);
    // What stands in the log for a scheduled change is no request's.
    let request = server.request(reqwest::Method::GET, PRODUCTION, ADMIN);
    let forged = answer(request.header("x-request-id", "schedule/1")).await;
    assert!(!forged.header("x-request-id").contains('/'));
    server.press(&path).await.is(200);
    // A write that changes nothing is not a write.
    server.press(&path).await.is(200);
    let database = rusqlite::Connection::open(server.database()).unwrap();
    let sql = "SELECT action, request_id, reason, json_extract(before, '$.on'), json_extract(after, '$.on'), revisions, actor FROM audit ORDER BY id";
    let mut statement = database.prepare(sql).unwrap();
    type Row = (String, String, Option<String>, Option<bool>, Option<bool>, String, String);
    let rows = statement.query_map((), |row| Row::try_from(row)).unwrap();
    let rows: Vec<Row> = rows.map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!((&*rows[0].0, &*rows[0].5), ("flag.create", r#"{"development":1,"production":1}"#));
    assert_eq!(
        (&*rows[1].0, &*rows[1].1, rows[1].2.as_deref()),
        ("flag_state.on", "launch-1", Some("launch day"))
    );
    assert_eq!(
        (rows[1].3, rows[1].4, &*rows[1].5),
        (Some(false), Some(true), r#"{"production":2}"#)
    );
    let token: String = database
        .query_row("SELECT id FROM token WHERE kind = 'service'", (), |row| row.get(0))
        .unwrap();
    assert_eq!(rows[2].6, token);
}

#[tokio::test]
async fn health_needs_no_token() {
    let server = TestServer::start().await;
    for path in ["/livez", "/readyz"] {
        let response = reqwest::get(format!("{}{path}", server.base)).await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

//! What tenants have bought, the exceptions that they were given, and what both come to.

#![cfg(test)]

mod binary;
mod server;

use binary::{binary, run};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, PRODUCTION, SDK, TestServer, answer};

const FEATURES: &str = "/api/v1/projects/default/environments/production/features";
const PLANS: &str = "/api/v1/projects/default/environments/production/plans";
const TENANTS: &str = "/api/v1/projects/default/environments/production/tenants";
const ACME: &str = "/api/v1/projects/default/environments/production/tenants/acme";
const OVERRIDES: &str = "/api/v1/projects/default/environments/production/tenants/acme/overrides";
const BLOCKS: &str = "/api/v1/projects/default/environments/production/tenants/acme/blocks";

async fn create(server: &TestServer, path: &str, body: Value) -> server::Answer {
    let request = server.request(Method::PUT, path, ADMIN).json(&body);
    answer(request.header("if-none-match", "*")).await
}

/// Three features, the plans `free` and `pro` (of two versions) and an add-on, at revision 6.
async fn selling() -> TestServer {
    let server = TestServer::start().await;
    let catalogue = json!({
        "features": [{"key": "sso", "type": "boolean", "combine": "any"},
                     {"key": "seats", "type": "limit", "combine": "sum"},
                     {"key": "regions", "type": "options", "combine": "union", "options": ["eu", "us", "ap"]}],
        "plans": [{"key": "free", "versions": [{"grants": {"seats": 1}}]},
                  {"key": "pro", "versions": [
                      {"grants": {"sso": true, "seats": 5}, "grace_ms": 86_400_000, "after_grace": "read_only"},
                      {"grants": {"sso": true, "seats": 8}}]}],
        "addons": [{"key": "seats-10", "grants": {"seats": 10}}]});
    server.post(&format!("{PRODUCTION}/import"), catalogue).await.is(200);
    server
}

/// The same with a tenant on the first version of `pro`, at revision 2.
async fn sold() -> TestServer {
    let server = selling().await;
    let acme = json!({"attributes": {"country": "DE"}, "plan": "pro", "plan_version": 1,
                      "addons": [{"addon": "seats-10", "quantity": 2}]});
    create(&server, ACME, acme).await.is(201);
    server
}

async fn is_whole(server: &TestServer) {
    let (code, report, errors) = run(binary(&server.dir), &["check"]).await;
    assert_eq!((code, &report["findings"], &*errors), (0, &json!([]), ""));
}

/// What is streamed of the tenant.
async fn streamed(server: &TestServer) -> Value {
    let snapshot = server.snapshot().await;
    let objects = snapshot["objects"].as_array().unwrap();
    objects.iter().find(|object| object["key"] == "acme").unwrap()["definition"].clone()
}

async fn decided(server: &TestServer, feature: &str, query: &str) -> Value {
    server.get(&format!("{ACME}/entitlements/{feature}{query}")).await.is(200)["decision"].clone()
}

#[tokio::test]
async fn a_tenant_has_what_it_has_bought() {
    let server = sold().await;
    let shown = server.get(ACME).await.is(200);
    let since = shown["plan_since"].as_str().unwrap().to_owned();
    let expected = json!({"key": "acme", "attributes": {"country": "DE"}, "plan": "pro", "plan_version": 1,
        "plan_since": since, "addons": [{"addon": "seats-10", "quantity": 2}], "version": 2});
    assert_eq!(shown, expected);
    let definition = streamed(&server).await;
    assert_eq!((&definition["plan"], &definition["plan_since"]), (&json!("pro"), &json!(since)));

    // As it was received, it can be sent back; what is not named stays.
    assert_eq!(server.put(ACME, 2, shown.clone()).await.is(200)["revision"], 2);
    let attributes = json!({"attributes": {"country": "FR"}});
    let put = server.put(ACME, 2, attributes.clone()).await.is(200);
    assert_eq!(
        (&put["plan"], &put["plan_since"], &put["addons"]),
        (&json!("pro"), &json!(since), &shown["addons"])
    );
    let many = json!({"tenants": [{"key": "acme", "attributes": {"country": "FR"}}]});
    assert_eq!(server.post(TENANTS, many).await.is(200)["unchanged"], 1);
    let patch = json!({"subscription": {"state": "past_due", "unpaid_since": "2026-11-01T00:00:00Z"}, "addons": []});
    let patched = server.patch(ACME, 3, patch).await.is(200);
    assert_eq!((&patched["attributes"]["country"], patched.get("addons")), (&json!("FR"), None));
    assert_eq!(patched["subscription"]["state"], "past_due");

    // Its version stays when the plan gets another one, until it is moved.
    server.post(&format!("{PLANS}/pro/versions"), json!({"grants": {}})).await.is(200);
    let moved = server.patch(ACME, 4, json!({"plan": "pro", "plan_version": 3})).await.is(200);
    assert_ne!(moved["plan_since"], since);
    let gone = json!({"plan": null, "plan_version": null, "subscription": null, "trial": null, "addons": null});
    let gone = server.patch(ACME, 6, gone).await.is(200);
    assert_eq!(
        gone,
        json!({"key": "acme", "attributes": {"country": "FR"}, "version": 7, "revision": 7})
    );
    let history = server.get(&format!("{PRODUCTION}/history?limit=5")).await.is(200);
    let told: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["objects"][0]["summary"].as_str().unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "plan: pro → none; plan version: 3 → none; subscription: past_due → active",
            "plan version: 1 → 3",
            "version 3 added",
            "subscription: active → past_due; add-on seats-10: 2 → none",
            "attribute country: DE → FR",
        ]
    );
    is_whole(&server).await;
}

#[tokio::test]
async fn what_is_bought_is_there() {
    let server = sold().await;
    let trial = |plan: &str, version: u32| json!({"plan": plan, "plan_version": version, "start": "2026-11-20T00:00:00Z", "end": "2026-12-20T00:00:00Z"});
    let wrong = json!({"plan": "gold", "plan_version": 1, "addons": [{"addon": "none", "quantity": 1}], "trial": trial("free", 7)});
    let faults = [
        ("/addons/0/addon", "unknown_addon"),
        ("/plan", "unknown_plan"),
        ("/trial/plan_version", "unknown_version"),
    ];
    server.put(ACME, 2, wrong.clone()).await.refuses(&faults);
    server.patch(ACME, 2, wrong.clone()).await.refuses(&faults);
    create(&server, &format!("{TENANTS}/globex"), wrong).await.refuses(&faults);
    let many = json!({"tenants": [{"key": "a", "plan": "free", "plan_version": 1}, {"key": "b", "plan": "pro", "plan_version": 9}]});
    server.post(TENANTS, many).await.refuses(&[("/tenants/1/plan_version", "unknown_version")]);
    server.get(&format!("{TENANTS}/a")).await.problem(404, "not_found");
    for (body, faults) in [
        (json!({"plan": "pro"}), vec![("", "missing_field")]),
        (
            json!({"plan": 5, "plan_version": 1.5}),
            vec![("/plan", "wrong_type"), ("/plan_version", "wrong_type")],
        ),
        (
            json!({"addons": [{"addon": "seats-10", "quantity": -1}]}),
            vec![("/addons/0/quantity", "wrong_type")],
        ),
        (
            json!({"addons": [{"addon": "seats-10", "quantity": 1_000_001}, {"addon": "seats-10", "quantity": 1}]}),
            vec![("/addons/0/quantity", "out_of_range"), ("/addons/1/addon", "duplicate")],
        ),
        (
            json!({"overrides": [], "blocks": []}),
            vec![("/blocks", "unknown_field"), ("/overrides", "unknown_field")],
        ),
        (json!({"subscription": {"state": "past_due"}}), vec![("/subscription", "wrong_state")]),
    ] {
        server.put(ACME, 2, body.clone()).await.refuses(&faults);
        server.patch(ACME, 2, body).await.refuses(&faults);
    }
    let since = json!({"plan_since": "2026-01-01T00:00:00Z"});
    server.patch(ACME, 2, since).await.refuses_as("immutable", &[("/plan_since", "immutable")]);
    let ends_first = json!({"trial": {"plan": "free", "plan_version": 1, "start": "2026-11-20T00:00:00Z", "end": "2026-11-19T00:00:00Z"}});
    assert_eq!(server.patch(ACME, 2, ends_first).await.faults("invalid")[0].0, "/trial/end");

    // What somebody has stays.
    let names = |problem: Value| {
        assert!(problem["detail"].as_str().unwrap().contains("the tenant `acme`"), "{problem}")
    };
    names(server.delete(&format!("{PLANS}/pro"), 1).await.problem(409, "in_use"));
    names(server.delete(&format!("{PLANS}/pro/versions/1"), 1).await.problem(409, "in_use"));
    names(server.delete(&format!("{PRODUCTION}/addons/seats-10"), 1).await.problem(409, "in_use"));
    assert_eq!(server.revision().await, 2);
    server
        .patch(ACME, 2, json!({"plan": "free", "plan_version": 1, "trial": trial("pro", 1)}))
        .await
        .is(200);
    names(server.delete(&format!("{PLANS}/pro/versions/1"), 1).await.problem(409, "in_use"));
    server.patch(ACME, 3, json!({"trial": null, "addons": null})).await.is(200);
    server.delete(&format!("{PLANS}/pro/versions/1"), 1).await.is(200);
    server.delete(&format!("{PRODUCTION}/addons/seats-10"), 1).await.is(200);
    is_whole(&server).await;
}

#[tokio::test]
async fn an_exception_is_written_by_itself() {
    let server = sold().await;
    let path = format!("{OVERRIDES}/c-7");
    let body = json!({"id": "c-7", "feature": "seats", "mode": "at_least", "value": 50, "end": "2027-01-01T00:00:00Z",
                      "contract": "order 4711", "reason": "signed before the price change"});
    let made = server.post(&format!("{OVERRIDES}?reason=sales"), body).await;
    assert_eq!((made.header("etag"), made.header("location")), ("\"3\"", &*path));
    let made = made.is(201);
    assert_eq!(
        (&made["reason"], &made["review_at"]),
        (&json!("signed before the price change"), &Value::Null)
    );
    assert!(made["actor"]["id"].is_string() && made["created_at"].is_string());
    // Neither reason nor actor nor review travel.
    let expected = json!([{"id": "c-7", "feature": "seats", "mode": "at_least", "value": 50,
                           "end": "2027-01-01T00:00:00Z", "contract": "order 4711"}]);
    assert_eq!(streamed(&server).await["overrides"], expected);
    let tenant = server.get(ACME).await.is(200);
    assert_eq!((tenant.get("overrides"), &tenant["version"]), (None, &json!(3)));

    // It stays whatever else is written of the tenant; its version is its own.
    server.put(ACME, 3, json!({"attributes": {}, "plan": "pro", "plan_version": 2})).await.is(200);
    let mut shown = server.get(&path).await.is(200);
    assert_eq!(shown["version"], 3);
    assert_eq!(server.put(&path, 3, shown.clone()).await.is(200)["revision"], 4);
    shown["value"] = json!(60);
    let put = server.put(&path, 3, shown.clone()).await.is(200);
    assert_eq!(
        (&put["value"], &put["version"], &put["created_at"]),
        (&json!(60), &json!(5), &shown["created_at"])
    );
    server.put(&path, 3, shown).await.problem(412, "version_mismatch");
    let deny = json!({"feature": "sso", "mode": "deny", "reason": "by contract", "review_at": "2027-06-01T00:00:00Z"});
    create(&server, &format!("{OVERRIDES}/a"), deny.clone()).await.is(201);
    create(&server, &format!("{OVERRIDES}/a"), deny.clone()).await.problem(412, "version_mismatch");
    let named = server.post(OVERRIDES, deny).await.is(201);
    assert!(named["id"].as_str().is_some_and(|id| id.len() == 32));
    let list = server.get(&format!("{OVERRIDES}?limit=2")).await.is(200);
    let ids: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!((ids.len(), list["next_cursor"].is_string()), (2, true));
    server.delete(&format!("{OVERRIDES}/a"), 5).await.problem(412, "version_mismatch");
    server.delete(&format!("{OVERRIDES}/a"), 6).await.is(200);
    server.get(&format!("{OVERRIDES}/a")).await.problem(404, "not_found");

    // With a key, once.
    let post = || {
        let body = json!({"feature": "seats", "mode": "add", "value": -1, "reason": "x", "end": "2027-01-01T00:00:00Z"});
        answer(
            server
                .request(Method::POST, OVERRIDES, ADMIN)
                .json(&body)
                .header("idempotency-key", "k"),
        )
    };
    assert_eq!(post().await.is(201), post().await.is(201));

    let audit = server.get("/api/v1/audit?action=tenant.create_override").await.is(200);
    let first = audit["items"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&first["reason"], &first["summary"]),
        (&json!("sales"), &json!("override c-7 added (seats at_least 50)"))
    );
    let told = first["diff"].to_string();
    assert!(
        told.contains("signed before the price change") && told.contains("order 4711"),
        "{told}"
    );

    // They are exported and imported with what people say of them, and come as they are.
    let export = server.get(&format!("{PRODUCTION}/export")).await.is(200);
    assert_eq!(export["tenants"][0]["overrides"].as_array().unwrap().len(), 3);
    let other = TestServer::start().await;
    let import = async |document: &Value| {
        other.post(&format!("{PRODUCTION}/import"), document.clone()).await
    };
    import(&export).await.is(200);
    assert_eq!(
        other.get(&format!("{PRODUCTION}/export")).await.is(200)["tenants"],
        export["tenants"]
    );
    assert_eq!(import(&export).await.is(200)["objects_count"], 0);
    let mut wrong = export.clone();
    wrong["tenants"][0]["overrides"][0]["feature"] = json!("none");
    wrong["tenants"][0]["overrides"][1]["reason"] = json!("");
    import(&wrong).await.refuses(&[("/tenants/0/overrides/1/reason", "empty")]);
    wrong["tenants"][0]["overrides"][1]["reason"] = json!("x");
    import(&wrong).await.refuses(&[("/tenants/0/overrides/0/feature", "unknown_feature")]);
    is_whole(&other).await;
    is_whole(&server).await;
}

#[tokio::test]
async fn a_wrong_exception_is_refused() {
    let server = sold().await;
    let end = "2027-01-01T00:00:00Z";
    for (body, faults) in [
        (json!({}), vec![("", "missing_field"), ("", "missing_field"), ("", "missing_field")]),
        (
            json!({"feature": "seats", "mode": "set", "value": 5, "reason": "x"}),
            vec![("", "missing_field")],
        ),
        (
            json!({"feature": "seats", "mode": "set", "value": 5, "reason": " ", "end": end}),
            vec![("/reason", "empty")],
        ),
        (
            json!({"feature": "seats", "mode": "set", "value": 5, "reason": "x", "review_at": "soon"}),
            vec![("/review_at", "invalid_time")],
        ),
        (
            json!({"feature": "none", "mode": "set", "value": 5, "reason": "x", "end": end}),
            vec![("/feature", "unknown_feature")],
        ),
        (
            json!({"feature": "seats", "mode": "set", "value": 5.5, "reason": "x", "end": end}),
            vec![("/value", "wrong_type")],
        ),
        (
            json!({"feature": "sso", "mode": "add", "value": 1, "reason": "x", "end": end}),
            vec![("/mode", "wrong_mode")],
        ),
        (
            json!({"feature": "regions", "mode": "add", "value": ["uk"], "reason": "x", "end": end}),
            vec![("/value/0", "unknown_option")],
        ),
        (
            json!({"feature": "seats", "mode": "set", "value": 5, "reason": "x", "start": end, "end": end}),
            vec![("/end", "out_of_range")],
        ),
        (
            json!({"id": "a b", "feature": "seats", "mode": "deny", "reason": "x", "end": end, "who": 1}),
            vec![("/who", "unknown_field")],
        ),
    ] {
        let found = server.post(OVERRIDES, body.clone()).await.faults("invalid");
        let found: Vec<_> = found.iter().map(|(pointer, code)| (&**pointer, &**code)).collect();
        assert_eq!(found, faults, "{body}");
    }
    let set = |id: &str, start: &str| {
        json!({"id": id, "feature": "seats", "mode": "set", "value": 7, "reason": "x",
        "start": start, "end": end})
    };
    server.post(OVERRIDES, set("b", "2026-01-01T00:00:00Z")).await.is(201);
    server.post(OVERRIDES, set("a", "2026-06-01T00:00:00Z")).await.refuses(&[("", "overlap")]);
    server.post(OVERRIDES, set("b", end)).await.problem(409, "key_conflict");
    let mut later = set("a", end);
    later["end"] = json!("2028-01-01T00:00:00Z");
    server.post(OVERRIDES, later).await.is(201);
    let mut earlier = set("a", "2026-06-01T00:00:00Z");
    earlier["end"] = json!("2028-01-01T00:00:00Z");
    server.put(&format!("{OVERRIDES}/a"), 4, earlier).await.refuses(&[("", "overlap")]);
    let elsewhere = ACME.replace("production", "development");
    for path in ["overrides", "overrides/b", "blocks"] {
        server.get(&format!("{elsewhere}/{path}")).await.problem(404, "not_found");
    }
    server.post(&format!("{elsewhere}/overrides"), set("b", end)).await.problem(404, "not_found");
    server
        .post(&format!("{TENANTS}/globex/overrides"), set("b", end))
        .await
        .problem(404, "not_found");

    // What an exception is of stays, and what it names of it.
    let regions = json!({"id": "r", "feature": "regions", "mode": "add", "value": ["ap"], "reason": "x", "end": end});
    server.post(OVERRIDES, regions).await.is(201);
    server.delete(&format!("{FEATURES}/regions"), 1).await.problem(409, "in_use");
    let fewer = async |options: Value| {
        server.patch(&format!("{FEATURES}/regions"), 1, json!({"options": options})).await
    };
    let problem = fewer(json!(["eu", "us"])).await.problem(409, "in_use");
    assert!(problem["detail"].as_str().unwrap().contains("the tenant `acme`"), "{problem}");
    fewer(json!(["eu", "ap"])).await.is(200);

    let viewer = json!({"name": "v", "kind": "personal", "role": "viewer"});
    let viewer = server.post("/api/v1/tokens", viewer).await.is(201)["token"].clone();
    for (token, read, write) in
        [(SDK, 403, 403), (viewer.as_str().unwrap(), 200, 403), ("nobody", 401, 401)]
    {
        for path in [OVERRIDES.to_owned(), BLOCKS.to_owned(), format!("{ACME}/entitlements")] {
            assert_eq!(answer(server.request(Method::GET, &path, token)).await.status, read);
        }
        let post = server.request(Method::POST, OVERRIDES, token).json(&set("z", end));
        assert_eq!(answer(post).await.status, write);
        let put = server
            .request(Method::PUT, &format!("{BLOCKS}/fraud"), token)
            .json(&json!({"effect": "none"}));
        assert_eq!(answer(put).await.status, write);
    }
}

#[tokio::test]
async fn lanes_block() {
    let server = sold().await;
    let put = async |lane: &str, body: Value| {
        answer(server.request(Method::PUT, &format!("{BLOCKS}/{lane}"), ADMIN).json(&body)).await
    };
    let delete = async |lane: &str| {
        answer(server.request(Method::DELETE, &format!("{BLOCKS}/{lane}"), ADMIN)).await
    };
    assert_eq!(server.get(BLOCKS).await.is(200), json!({"blocks": [], "version": 2}));
    let read_only = put("manual", json!({"effect": "read_only"})).await.is(200);
    assert_eq!(
        read_only,
        json!({"blocks": [{"lane": "manual", "effect": "read_only"}], "version": 3, "revision": 3})
    );
    assert_eq!(decided(&server, "sso", "").await["access"], "read_only");
    put("fraud", json!({"effect": "none"})).await.is(200);
    assert_eq!(
        put("fraud", json!({"effect": "none"})).await.is(200)["revision"],
        4,
        "once more, nothing"
    );
    let blocked = decided(&server, "sso", "").await;
    assert_eq!(
        (&blocked["access"], &blocked["reason"], &blocked["lane"]),
        (&json!("none"), &json!("blocked"), &json!("fraud"))
    );
    // Access returns only when no lane blocks.
    delete("manual").await.is(200);
    assert_eq!(decided(&server, "sso", "").await["access"], "none");
    let left = delete("fraud").await.is(200);
    assert_eq!((&left["blocks"], &left["version"]), (&json!([]), &json!(6)));
    assert_eq!(delete("fraud").await.is(200)["revision"], 6);
    assert_eq!(decided(&server, "sso", "").await["access"], "full");

    put("gossip", json!({"effect": "none"})).await.problem(404, "not_found");
    put("fraud", json!({"effect": "all", "x": 1}))
        .await
        .refuses(&[("/effect", "wrong_type"), ("/x", "unknown_field")]);
    let ends_first =
        json!({"effect": "none", "start": "2026-02-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"});
    assert_eq!(put("fraud", ends_first).await.faults("invalid")[0].0, "/end");
    let stale =
        server.request(Method::PUT, &format!("{BLOCKS}/fraud"), ADMIN).header("if-match", "\"2\"");
    answer(stale.json(&json!({"effect": "none"}))).await.problem(412, "version_mismatch");
    let history = server.get(&format!("{PRODUCTION}/history?limit=2")).await.is(200);
    assert_eq!(history["items"][0]["objects"][0]["summary"], "no longer blocked by fraud");
    is_whole(&server).await;
}

#[tokio::test]
async fn what_holds_is_told_for_any_time() {
    let server = sold().await;
    let body = json!({"id": "c-7", "feature": "seats", "mode": "at_least", "value": 50, "end": "2127-01-01T00:00:00Z", "reason": "x"});
    server.post(OVERRIDES, body).await.is(201);
    let told = server.get(&format!("{ACME}/entitlements/seats")).await.is(200);
    assert_eq!(
        (&told["tenant"], &told["feature"], &told["revision"]),
        (&json!("acme"), &json!("seats"), &json!(3))
    );
    let until = json!({"access": "full", "value": 50, "limit": 50, "reason": "override_at_least",
                       "source": {"override": "c-7"}, "valid_until": "2127-01-01T00:00:00Z"});
    assert_eq!(told["decision"], until);
    let timeline = told["timeline"].as_array().unwrap();
    assert_eq!(timeline.len(), 2);
    assert_eq!((&timeline[0]["from"], &timeline[0]["value"]), (&Value::Null, &json!(50)));
    assert_eq!(
        (&timeline[1]["from"], &timeline[1]["value"]),
        (&json!("2127-01-01T00:00:00Z"), &json!(25))
    );
    // To the millisecond.
    assert_eq!(decided(&server, "seats", "?at=2126-12-31T23:59:59.999Z").await["value"], 50);
    let after = decided(&server, "seats", "?at=2127-01-01T00:00:00Z").await;
    assert_eq!(
        (&after["value"], &after["source"]),
        (&json!(25), &json!({"plan": "pro", "version": 1}))
    );

    // The past is what was stored then.
    let connection = Connection::open(server.database()).unwrap();
    let change = "UPDATE change_log SET committed_at = 1000000000000 + revision * 1000 WHERE environment_id = (SELECT id FROM environment WHERE key = 'production')";
    connection.execute(change, ()).unwrap();
    server.delete(&format!("{OVERRIDES}/c-7"), 3).await.is(200);
    let past =
        server.get(&format!("{ACME}/entitlements/seats?at=2001-09-09T01:46:43.500Z")).await.is(200);
    assert_eq!((&past["revision"], &past["decision"]["value"]), (&json!(3), &json!(50)));
    let before =
        server.get(&format!("{ACME}/entitlements/seats?at=2001-09-09T01:46:41.500Z")).await.is(200);
    assert_eq!(
        (&before["revision"], &before["decision"]["reason"]),
        (&json!(1), &json!("tenant_unknown"))
    );
    server
        .get(&format!("{ACME}/entitlements/seats?at=2001-01-01T00:00:00Z"))
        .await
        .problem(404, "not_found");
    assert_eq!(decided(&server, "seats", "").await["value"], 25);

    let list = server.get(&format!("{ACME}/entitlements?limit=2")).await.is(200);
    let features: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["feature"].clone(), item["reason"].clone()))
        .collect();
    assert_eq!(
        features,
        [(json!("regions"), json!("not_in_plan")), (json!("seats"), json!("granted"))]
    );
    let next = list["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("{ACME}/entitlements?limit=2&cursor={next}")).await.is(200);
    assert_eq!((&rest["items"][0]["feature"], &rest["next_cursor"]), (&json!("sso"), &Value::Null));
    assert_eq!(decided(&server, "none", "").await["reason"], "feature_unknown");
    let unknown = server.get(&format!("{TENANTS}/globex/entitlements/sso")).await.is(200);
    assert_eq!(unknown["decision"]["reason"], "tenant_unknown");
    server.get(&format!("{ACME}/entitlements?at=soon")).await.problem(400, "invalid_query");
    server
        .get(&format!("{PRODUCTION}x/tenants/acme/entitlements/sso"))
        .await
        .problem(404, "not_found");
}

/// Past due, in grace, blocked, and paid: as of the unpaid invoice, whenever the message came.
#[tokio::test]
async fn a_customer_goes_past_due_and_recovers() {
    let server = sold().await;
    let unpaid =
        json!({"subscription": {"state": "past_due", "unpaid_since": "2126-11-01T00:00:00Z"}});
    server.patch(ACME, 2, unpaid.clone()).await.is(200);
    assert_eq!(
        server.patch(ACME, 3, unpaid).await.is(200)["revision"],
        3,
        "a repeat changes nothing"
    );
    for (at, access, reason) in [
        ("2126-10-31T23:59:59.999Z", "full", "granted"),
        ("2126-11-01T00:00:00Z", "full", "grace"),
        ("2126-11-01T23:59:59.999Z", "full", "grace"),
        ("2126-11-02T00:00:00Z", "read_only", "blocked"),
    ] {
        let decision = decided(&server, "sso", &format!("?at={at}")).await;
        assert_eq!(
            (&decision["access"], &decision["reason"]),
            (&json!(access), &json!(reason)),
            "{at}"
        );
    }
    server.patch(ACME, 3, json!({"subscription": {"state": "active"}})).await.is(200);
    assert_eq!(decided(&server, "sso", "?at=2126-11-02T00:00:00Z").await["access"], "full");
}

#[tokio::test]
async fn an_erased_tenant_leaves_no_contract() {
    let server = sold().await;
    let body = json!({"feature": "seats", "mode": "add", "value": 1, "reason": "for acme", "end": "2127-01-01T00:00:00Z"});
    server.post(OVERRIDES, body).await.is(201);
    server.post("/api/v1/erasures", json!({"kind": "tenant", "key": "acme"})).await.is(200);
    let connection = Connection::open(server.database()).unwrap();
    let left: u64 = connection
        .query_row("SELECT count(*) FROM tenant_reference", (), |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
    let audit: u64 = connection
        .query_row(
            "SELECT count(*) FROM audit WHERE before LIKE '%for acme%' OR after LIKE '%for acme%'",
            (),
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(audit, 0);
    is_whole(&server).await;
}

/// A flag narrows what a contract grants.
#[tokio::test]
async fn a_flag_requires_a_feature_that_is_there() {
    let server = sold().await;
    server.create_flag("single-sign-on").await;
    let flag = format!("{PRODUCTION}/flags/single-sign-on");
    let requires =
        |feature: &str| json!({"on": true, "requires": {"feature": feature, "write": true}});
    server
        .patch(&flag, 3, requires("none"))
        .await
        .refuses(&[("/requires/feature", "unknown_feature")]);
    server.patch(&flag, 3, requires("sso")).await.is(200);
    let history = server.get(&format!("{flag}/history?limit=1")).await.is(200);
    assert_eq!(
        history["items"][0]["objects"][0]["summary"],
        "switched on; required feature: none → sso"
    );
    let used = server.delete(&format!("{FEATURES}/sso"), 1).await.problem(409, "in_use");
    assert!(used["detail"].as_str().unwrap().contains("the flag `single-sign-on`"), "{used}");
    let ask = async |tenant: &str| {
        let body = json!({"flag": "single-sign-on", "context": {"tenant": {"key": tenant}}});
        server.post(&format!("{PRODUCTION}/evaluate"), body).await.is(200)
    };
    assert_eq!(ask("acme").await["value"], true);
    let denied = ask("globex").await;
    assert_eq!(
        (&denied["reason"], &denied["entitlement"]),
        (&json!("not_entitled"), &json!("tenant_unknown"))
    );
    let block = server.request(Method::PUT, &format!("{BLOCKS}/billing"), ADMIN);
    answer(block.json(&json!({"effect": "read_only"}))).await.is(200);
    let denied = ask("acme").await;
    assert_eq!(
        (&denied["feature"], &denied["entitlement"], &denied["lane"]),
        (&json!("sso"), &json!("blocked"), &json!("billing"))
    );

    // Both come together.
    let export = server.get(&format!("{PRODUCTION}/export")).await.is(200);
    let other = TestServer::start().await;
    other.post(&format!("{PRODUCTION}/import"), export).await.is(200);
    let copied = json!({"from": "production"});
    let copy = "/api/v1/projects/default/environments/development/flags/single-sign-on/copy";
    other.post(copy, copied).await.refuses(&[("/requires/feature", "unknown_feature")]);
    is_whole(&other).await;
    is_whole(&server).await;
}

/// What contracts name is kept twice, and so are exceptions and what people say of them.
#[tokio::test]
async fn what_is_altered_is_found() {
    let server = sold().await;
    let body = json!({"id": "c-7", "feature": "seats", "mode": "add", "value": 1, "reason": "x", "end": "2127-01-01T00:00:00Z"});
    server.post(OVERRIDES, body).await.is(201);
    is_whole(&server).await;
    let dir = server.stop().await;
    let connection = Connection::open(dir.path().join("flags.db")).unwrap();
    for (damage, repair, message) in [
        (
            "DELETE FROM tenant_reference WHERE target_kind = 'addon'",
            "INSERT INTO tenant_reference VALUES (1, 'acme', 'addon', 'seats-10', 0, 0)",
            "its contract names the addon `seats-10`, and the index of contracts does not",
        ),
        (
            "INSERT INTO tenant_reference VALUES (1, 'acme', 'plan', 'free', 1, 0)",
            "DELETE FROM tenant_reference WHERE target_key = 'free'",
            "the index of contracts names the plan `free`, and its contract does not",
        ),
        (
            "UPDATE tenant SET notes = replace(notes, 'c-7', 'c-8')",
            "UPDATE tenant SET notes = replace(notes, 'c-8', 'c-7')",
            "its overrides are not those that people say something of",
        ),
    ] {
        connection.execute(damage, ()).unwrap();
        let (code, report, _) = run(binary(&dir), &["check"]).await;
        let found = json!([{"place": "tenant acme of environment production", "message": message}]);
        assert_eq!((code, &report["findings"]), (1, &found));
        connection.execute(repair, ()).unwrap();
    }
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
}

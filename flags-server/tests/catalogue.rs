//! What an environment sells: features, plans with their versions, add-ons.

#![cfg(test)]

mod binary;
mod server;

use binary::{binary, run};
use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, PRODUCTION, SDK, TestServer, answer};

const DEVELOPMENT: &str = "/api/v1/projects/default/environments/development";
const FEATURES: &str = "/api/v1/projects/default/environments/production/features";
const PLANS: &str = "/api/v1/projects/default/environments/production/plans";
const ADDONS: &str = "/api/v1/projects/default/environments/production/addons";
const PRO: &str = "/api/v1/projects/default/environments/production/plans/pro";

async fn create(server: &TestServer, path: &str, body: Value) -> server::Answer {
    let request = server.request(Method::PUT, path, ADMIN).json(&body);
    answer(request.header("if-none-match", "*")).await
}

fn features() -> [Value; 4] {
    [
        json!({"key": "sso", "type": "boolean", "combine": "any", "name": "Single sign-on"}),
        json!({"key": "seats", "type": "limit", "combine": "sum",
               "over_limit": {"policy": "read_only", "grace_ms": 1_000}}),
        json!({"key": "regions", "type": "options", "combine": "union", "options": ["eu", "us"]}),
        json!({"key": "support", "type": "json", "combine": "priority"}),
    ]
}

/// Four features at the revisions 1 to 4, the plans `free` and `pro` at 5 and 6, an add-on at 7.
async fn sell(server: &TestServer, environment: &str) {
    for feature in features() {
        server.post(&format!("{environment}/features"), feature).await.is(201);
    }
    let free = json!({"key": "free", "versions": [{"grants": {"seats": 1}}]});
    server.post(&format!("{environment}/plans"), free).await.is(201);
    let pro = json!({"key": "pro", "name": "Pro", "versions": [{
        "grants": {"sso": true, "seats": 5, "regions": ["eu"], "support": {"hours": 8}},
        "grace_ms": 1_000, "after_grace": "read_only", "fallback": {"plan": "free", "version": 1}}]});
    server.post(&format!("{environment}/plans"), pro).await.is(201);
    let seats = json!({"key": "seats-10", "grants": {"seats": 10}});
    server.post(&format!("{environment}/addons"), seats).await.is(201);
}

async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    sell(&server, PRODUCTION).await;
    server
}

/// The second version of `pro`.
fn second() -> Value {
    json!({"grants": {"sso": true, "seats": 10}, "fallback": {"plan": "pro", "version": 1}})
}

async fn is_whole(server: &TestServer) {
    let (code, report, errors) = run(binary(&server.dir), &["check"]).await;
    assert_eq!((code, &report["findings"], &*errors), (0, &json!([]), ""));
}

#[tokio::test]
async fn a_feature_is_created_changed_and_deleted() {
    let server = TestServer::start().await;
    let mut stream = server.stream("").await;
    stream.block().await.unwrap();
    let path = format!("{FEATURES}/seats");
    let created = server.post(FEATURES, features()[1].clone()).await;
    assert_eq!((created.header("etag"), created.header("location")), ("\"1\"", &*path));
    let mut shown = json!({"key": "seats", "name": null, "description": null, "type": "limit",
        "combine": "sum", "over_limit": {"policy": "read_only", "grace_ms": 1_000}, "version": 1});
    let mut written = shown.clone();
    written["revision"] = json!(1);
    assert_eq!(created.is(201), written);
    assert_eq!(server.get(&path).await.is(200), shown);
    assert_eq!(server.get(FEATURES).await.is(200)["items"], json!([shown]));
    create(&server, &path, json!({})).await.problem(412, "version_mismatch");
    let similar = json!({"key": "Seats", "type": "boolean", "combine": "any"});
    server.post(FEATURES, similar).await.problem(409, "key_conflict");

    // What people call it does not travel.
    let definition = json!({"type": "limit", "combine": "sum",
                            "over_limit": {"policy": "read_only", "grace_ms": 1_000}});
    let upsert = |version, definition: &Value| {
        json!([{"upsert": {"kind": "feature", "key": "seats", "version": version,
                           "definition": definition}}])
    };
    assert_eq!(stream.next().await.unwrap().data["objects"], upsert(1, &definition));
    let patched = server.patch(&path, 1, json!({"name": "Seats", "over_limit": null})).await;
    assert_eq!(patched.header("etag"), "\"2\"");
    let patched = patched.is(200);
    assert_eq!((&patched["name"], patched.get("over_limit")), (&json!("Seats"), None));
    let definition = json!({"type": "limit", "combine": "sum"});
    assert_eq!(stream.next().await.unwrap().data["objects"], upsert(2, &definition));

    // As it was received, it can be sent back, and changes nothing.
    shown = server.get(&path).await.is(200);
    assert_eq!(server.put(&path, 2, shown.clone()).await.is(200)["revision"], 2);
    assert_eq!(server.patch(&path, 2, shown).await.is(200)["revision"], 2);
    let put = json!({"type": "boolean", "combine": "any", "description": "Two\nlines."});
    let put = server.put(&path, 2, put).await.is(200);
    assert_eq!(
        (&put["type"], &put["name"], &put["version"]),
        (&json!("boolean"), &Value::Null, &json!(3))
    );
    server.delete(&path, 2).await.problem(412, "version_mismatch");
    assert_eq!(server.delete(&path, 3).await.is(200), json!({"revision": 4}));
    stream.next().await.unwrap();
    let gone = json!([{"delete": {"kind": "feature", "key": "seats"}}]);
    assert_eq!(stream.next().await.unwrap().data["objects"], gone);
    server.get(&path).await.problem(404, "not_found");

    let history = server.get(&format!("{path}/history")).await.is(200);
    let told: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (entry["action"].as_str().unwrap(), entry["objects"][0]["summary"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("feature.delete", "deleted"),
            (
                "feature.put",
                "combine: sum → any; description: none → Two\nlines.; name: Seats → none; type: limit → boolean"
            ),
            ("feature.patch", "name: none → Seats; over limit changed"),
            ("feature.create", "created"),
        ]
    );
    is_whole(&server).await;
}

#[tokio::test]
async fn a_version_of_a_plan_never_changes() {
    let server = furnished().await;
    let shown = server.get(PRO).await.is(200);
    let first = json!({"version": 1, "priority": 0, "grace_ms": 1_000, "after_grace": "read_only",
        "grants": {"sso": true, "seats": 5, "regions": ["eu"], "support": {"hours": 8}},
        "fallback": {"plan": "free", "version": 1}});
    let expected = json!({"key": "pro", "name": "Pro", "description": null, "versions": [first], "version": 6});
    assert_eq!(shown, expected);
    assert_eq!(server.put(PRO, 6, shown.clone()).await.is(200)["revision"], 7);

    let versions = format!("{PRO}/versions");
    let added = server.post(&versions, second()).await;
    assert_eq!(added.header("etag"), "\"8\"");
    let added = added.is(200);
    assert_eq!(added["versions"][0], first, "who has it keeps it");
    let second = json!({"version": 2, "grants": {"sso": true, "seats": 10}, "priority": 0, "grace_ms": 0,
        "after_grace": "none", "fallback": {"plan": "pro", "version": 1}});
    assert_eq!((&added["versions"][1], &added["revision"]), (&second, &json!(8)));
    let object = server.snapshot().await["objects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|object| object["key"] == "pro")
        .unwrap()
        .clone();
    assert_eq!(object["definition"], json!({"versions": [first, second]}));

    // It is called something else, and nothing more.
    let mut changed = added["versions"].clone();
    changed[0]["grants"]["seats"] = json!(6);
    for body in [json!({"versions": changed}), json!({"versions": []}), json!({"versions": null})] {
        server
            .patch(PRO, 8, body.clone())
            .await
            .refuses_as("immutable", &[("/versions", "immutable")]);
        server.put(PRO, 8, body).await.refuses_as("immutable", &[("/versions", "immutable")]);
    }
    let renamed = server.put(PRO, 8, json!({"name": "Professional"})).await.is(200);
    assert_eq!(renamed["versions"], added["versions"]);
    assert_eq!(
        server.patch(PRO, 9, json!({"description": "x"})).await.is(200)["name"],
        "Professional"
    );

    // The number is the server's, and given once.
    let numbered = json!({"version": 7, "grants": {}});
    server.post(&versions, numbered).await.refuses_as("immutable", &[("/version", "immutable")]);
    let stale =
        server.request(Method::POST, &versions, ADMIN).header("if-match", "\"9\"").json(&json!({}));
    answer(stale).await.problem(412, "version_mismatch");
    let third = || {
        let request = server.request(Method::POST, &versions, ADMIN).json(&json!({"version": 3}));
        answer(request.header("idempotency-key", "k"))
    };
    let once = third().await.is(200);
    assert_eq!(third().await.is(200), once);
    let version = once["version"].as_u64().unwrap();
    let delete =
        async |number: u32, version| server.delete(&format!("{versions}/{number}"), version).await;
    delete(3, version).await.problem(409, "in_use");
    let used = delete(1, version).await.problem(409, "in_use");
    assert!(
        used["detail"].as_str().unwrap().contains("the plan `pro`"),
        "its own fallback: {used}"
    );
    delete(4, version).await.problem(404, "not_found");
    delete(2, 1).await.problem(412, "version_mismatch");
    let left = delete(2, version).await.is(200);
    let numbers: Vec<_> =
        left["versions"].as_array().unwrap().iter().map(|v| v["version"].clone()).collect();
    assert_eq!(numbers, [1, 3]);
    delete(1, left["version"].as_u64().unwrap()).await.is(200);
    let next = server.post(&versions, json!({})).await.is(200);
    assert_eq!(next["versions"][1]["version"], 4);

    let history = server.get(&format!("{PRO}/history?limit=3")).await.is(200);
    let told: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["objects"][0]["summary"].clone())
        .collect();
    assert_eq!(told, ["version 4 added", "version 1 deleted", "version 2 deleted"]);
    is_whole(&server).await;
}

#[tokio::test]
async fn what_is_granted_is_there_and_fits() {
    let server = furnished().await;
    let refuses = async |path: &str, body: Value, faults: &[(&str, &str)]| {
        server.post(path, body).await.refuses(faults);
    };
    refuses(FEATURES, json!([]), &[("", "wrong_type")]).await;
    refuses(
        FEATURES,
        json!({}),
        &[("", "missing_field"), ("", "missing_field"), ("", "missing_field")],
    )
    .await;
    let body = json!({"key": "-", "type": "quota", "combine": "any", "x": 1, "name": 5, "over_limit": {"grace_ms": 1.5}});
    refuses(
        FEATURES,
        body,
        &[
            ("/key", "invalid_key"),
            ("/name", "wrong_type"),
            ("/over_limit", "missing_field"),
            ("/over_limit/grace_ms", "wrong_type"),
            ("/type", "wrong_type"),
            ("/x", "unknown_field"),
        ],
    )
    .await;
    let body = json!({"key": "a", "type": "limit", "combine": "union", "options": ["x"], "name": "a\u{7}"});
    refuses(
        FEATURES,
        body,
        &[("/combine", "wrong_combine"), ("/name", "invalid_text"), ("/options", "not_options")],
    )
    .await;

    let grants =
        json!({"none": true, "sso": false, "seats": 1.5, "regions": ["eu", "uk"], "support": null});
    let plan =
        json!({"key": "x", "versions": [{"grants": grants}, {"version": 1, "priority": -1}]});
    refuses(PLANS, plan, &[("/versions/1/priority", "wrong_type")]).await;
    let plan = json!({"key": "x", "versions": [{"grants": grants}, {"version": 1}]});
    refuses(
        PLANS,
        plan,
        &[("/versions/0/grants/support", "wrong_type"), ("/versions/1/version", "duplicate")],
    )
    .await;
    let mut right = grants.clone();
    right.as_object_mut().unwrap().remove("support");
    let expected = |at: &str| -> Vec<(String, &'static str)> {
        [
            ("none", "unknown_feature"),
            ("regions/1", "unknown_option"),
            ("seats", "wrong_type"),
            ("sso", "wrong_type"),
        ]
        .map(|(place, code)| (format!("{at}/grants/{place}"), code))
        .to_vec()
    };
    let mut faults = expected("/versions/0");
    faults.push(("/versions/1/fallback/plan".into(), "unknown_plan"));
    faults.push(("/versions/2/fallback/version".into(), "unknown_version"));
    let plan = json!({"key": "x", "versions": [{"grants": right}, {"fallback": {"plan": "gold", "version": 1}},
        {"fallback": {"plan": "free", "version": 2}}, {"fallback": {"plan": "x", "version": 4}}]});
    let faults: Vec<_> = faults.iter().map(|(pointer, code)| (&**pointer, *code)).collect();
    refuses(PLANS, plan, &faults).await;
    refuses(PLANS, json!({"key": "x", "versions": []}), &[("/versions", "missing_field")]).await;
    let plan = json!({"key": "x", "versions": [{"version": u64::MAX}, {}]});
    refuses(
        PLANS,
        plan,
        &[("/versions/0/version", "wrong_type"), ("/versions/1/version", "wrong_type")],
    )
    .await;
    let faults = expected("");
    let faults: Vec<_> = faults.iter().map(|(pointer, code)| (&**pointer, *code)).collect();
    refuses(&format!("{PRO}/versions"), json!({"grants": right}), &faults).await;
    refuses(ADDONS, json!({"key": "x", "grants": right}), &faults).await;
    refuses(
        ADDONS,
        json!({"key": "x", "grants": {}, "versions": []}),
        &[("/versions", "unknown_field")],
    )
    .await;

    // Of another environment.
    sell(&server, DEVELOPMENT).await;
    let only = json!({"key": "only", "type": "boolean", "combine": "any"});
    server.post(&format!("{DEVELOPMENT}/features"), only).await.is(201);
    refuses(
        ADDONS,
        json!({"key": "x", "grants": {"only": true}}),
        &[("/grants/only", "unknown_feature")],
    )
    .await;
    for rest in ["features/only", "plans/none", "addons/none"] {
        let path = format!("{PRODUCTION}/{rest}");
        server.get(&path).await.problem(404, "not_found");
        server.delete(&path, 1).await.problem(404, "not_found");
        server.patch(&path, 1, json!({})).await.problem(404, "not_found");
        server.put(&path, 1, json!({})).await.problem(404, "not_found");
        server.get(&format!("{path}/history")).await.problem(404, "not_found");
    }
    server.post(&format!("{PLANS}/none/versions"), json!({})).await.problem(404, "not_found");
    let unconditional = server.request(Method::PUT, PRO, ADMIN).json(&json!({}));
    answer(unconditional).await.problem(428, "precondition_required");
    let unconditional = server.request(Method::DELETE, &format!("{PRO}/versions/1"), ADMIN);
    answer(unconditional).await.problem(428, "precondition_required");

    // By role.
    let viewer = json!({"name": "v", "kind": "personal", "role": "viewer"});
    let viewer = server.post("/api/v1/tokens", viewer).await.is(201)["token"].clone();
    for (token, read, write) in
        [(SDK, 403, 403), (viewer.as_str().unwrap(), 200, 403), ("nobody", 401, 401)]
    {
        for path in [FEATURES, PLANS, ADDONS] {
            assert_eq!(answer(server.request(Method::GET, path, token)).await.status, read);
            let post = server.request(Method::POST, path, token).json(&json!({}));
            assert_eq!(answer(post).await.status, write);
        }
        let post = server.request(Method::POST, &format!("{PRO}/versions"), token).json(&json!({}));
        assert_eq!(answer(post).await.status, write);
    }
    assert_eq!(server.revision().await, 7);
    let limits = server.get(PRODUCTION).await.is(200)["limits"].clone();
    assert_eq!(
        [&limits["features"], &limits["plans"], &limits["plan_versions"], &limits["addons"]],
        [1_000, 200, 1_000, 500]
    );
}

#[tokio::test]
async fn what_is_needed_stays() {
    let server = furnished().await;
    let names = |problem: Value, users: &[&str]| {
        let detail = problem["detail"].as_str().unwrap().to_owned();
        for user in users {
            assert!(detail.contains(user), "{detail}");
        }
    };
    let seats = format!("{FEATURES}/seats");
    let users = ["the plan `free`", "the plan `pro`", "the add-on `seats-10`"];
    names(server.delete(&seats, 2).await.problem(409, "in_use"), &users);
    let boolean = json!({"type": "boolean", "combine": "any", "over_limit": null});
    names(server.patch(&seats, 2, boolean).await.problem(409, "in_use"), &users);
    // How grants combine is no matter of what is granted.
    server.patch(&seats, 2, json!({"combine": "max"})).await.is(200);

    let regions = format!("{FEATURES}/regions");
    let options = |options: Value| json!({"options": options});
    names(
        server.patch(&regions, 3, options(json!(["us"]))).await.problem(409, "in_use"),
        &["`eu`", "the plan `pro`"],
    );
    server.patch(&regions, 3, options(json!(["ap", "eu"]))).await.is(200);

    names(
        server.delete(&format!("{PLANS}/free"), 5).await.problem(409, "in_use"),
        &["the plan `pro`"],
    );
    names(server.delete(&format!("{PLANS}/free/versions/1"), 5).await.problem(409, "in_use"), &[]);
    server.delete(PRO, 6).await.is(200);
    server.delete(&format!("{PLANS}/free"), 5).await.is(200);
    server.delete(&format!("{ADDONS}/seats-10"), 7).await.is(200);
    server.delete(&seats, 8).await.is(200);
    is_whole(&server).await;
}

#[tokio::test]
async fn a_number_is_given_once_and_whoever_falls_back_to_itself_can_go() {
    let server = TestServer::start().await;
    let last = json!({"key": "x", "versions": [{"version": u32::MAX}]});
    server.post(PLANS, last).await.is(201);
    let next = server.post(&format!("{PLANS}/x/versions"), json!({})).await;
    next.problem(422, "limit_exceeded");
    assert_eq!(
        server.get(&format!("{PLANS}/x")).await.is(200)["versions"].as_array().unwrap().len(),
        1
    );

    let of_itself =
        |version: u32| json!({"version": version, "fallback": {"plan": "y", "version": version}});
    let plan = json!({"key": "y", "versions": [of_itself(1), of_itself(2), {"version": 3}]});
    let version = server.post(PLANS, plan).await.is(201)["version"].as_u64().unwrap();
    server.delete(&format!("{PLANS}/y/versions/1"), version).await.is(200);
    let of_another = json!({"fallback": {"plan": "y", "version": 2}});
    let added = server.post(&format!("{PLANS}/y/versions"), of_another).await.is(200);
    let version = added["version"].as_u64().unwrap();
    let needed = server.delete(&format!("{PLANS}/y/versions/2"), version).await;
    let detail = needed.problem(409, "in_use")["detail"].clone();
    assert!(detail.as_str().unwrap().contains("the plan `y`"), "{detail}");
    is_whole(&server).await;
}

#[tokio::test]
async fn it_is_copied_from_another_environment() {
    let server = furnished().await;
    let copy = async |path: &str, query: &str| {
        server
            .post(&format!("{DEVELOPMENT}/{path}/copy{query}"), json!({"from": "production"}))
            .await
    };
    // All that is missing is listed.
    copy("plans/pro", "").await.refuses(&[
        ("/versions/0/fallback/plan", "unknown_plan"),
        ("/versions/0/grants/regions", "unknown_feature"),
        ("/versions/0/grants/seats", "unknown_feature"),
        ("/versions/0/grants/sso", "unknown_feature"),
        ("/versions/0/grants/support", "unknown_feature"),
    ]);
    for key in ["sso", "seats", "regions", "support"] {
        copy(&format!("features/{key}"), "").await.is(200);
    }
    copy("plans/free", "").await.is(200);
    let tried = copy("plans/pro", "?dry_run=true").await.is(200);
    assert_eq!(
        (&tried["dry_run"], &tried["objects"][0]["summary"]),
        (&json!(true), &json!("created"))
    );
    server.get(&format!("{DEVELOPMENT}/plans/pro")).await.problem(404, "not_found");
    let copied = copy("plans/pro", "").await.is(200);
    assert_eq!(copied["revisions"], json!({"development": 6}));
    assert_eq!(copy("plans/pro", "").await.is(200)["objects"], json!([]), "a second time, nothing");
    let pro = server.get(&format!("{DEVELOPMENT}/plans/pro")).await.is(200);
    assert_eq!((&pro["name"], &pro["version"]), (&json!("Pro"), &json!(6)));

    // Versions come to those that are there.
    server.post(&format!("{PRO}/versions"), second()).await.is(200);
    let copied = copy("plans/pro", "").await.is(200);
    assert_eq!(copied["objects"][0]["summary"], "version 2 added");
    server.post(&format!("{PRO}/versions"), json!({"grants": {}})).await.is(200);
    let other = json!({"grants": {"seats": 7}});
    server.post(&format!("{DEVELOPMENT}/plans/pro/versions"), other).await.is(200);
    copy("plans/pro", "").await.refuses_as("immutable", &[("/versions/2", "immutable")]);
    copy("plans/none", "").await.problem(404, "not_found");
    let from = json!({"from": "production"});
    server.post(&format!("{PRO}/copy"), from).await.refuses(&[("/from", "same_environment")]);
    is_whole(&server).await;
}

#[tokio::test]
async fn it_is_exported_and_imported() {
    let server = furnished().await;
    server.post(&format!("{PRO}/versions"), second()).await.is(200);
    let export = server.get(&format!("{PRODUCTION}/export")).await.is(200);
    assert_eq!(export["features"][2]["key"], "sso");
    assert_eq!(export["plans"][1]["versions"][1]["version"], 2);
    let other = TestServer::start().await;
    let import = async |query: &str, document: &Value| {
        other.post(&format!("{PRODUCTION}/import{query}"), document.clone()).await
    };
    let tried = import("?dry_run=true", &export).await.is(200);
    assert_eq!((&tried["objects_count"], &tried["revision"]), (&json!(7), &json!(0)));
    assert_eq!(import("", &export).await.is(200)["revision"], 1);
    let again = other.get(&format!("{PRODUCTION}/export")).await.is(200);
    for list in ["features", "plans", "addons"] {
        assert_eq!(again[list], export[list], "{list}");
    }
    assert_eq!(import("", &export).await.is(200)["objects_count"], 0);
    is_whole(&other).await;

    // Everything that is wrong is named; nothing of it is done.
    let wrong = json!({
        "features": [{"key": "sso", "type": "limit"}, 5, {"type": "boolean", "combine": "any"}],
        "plans": [{"key": "x", "versions": [{"grants": {"sso": true, "seats": "x"}}]}],
        "addons": [{"key": "x", "grants": [], "more": 1}]});
    import("", &wrong).await.refuses(&[
        ("/addons/0/grants", "wrong_type"),
        ("/addons/0/more", "unknown_field"),
        ("/features/0", "missing_field"),
        ("/features/1", "wrong_type"),
        ("/features/2", "missing_field"),
    ]);
    let wrong = json!({
        "features": [{"key": "new", "type": "boolean", "combine": "any"}, {"key": "New", "type": "boolean", "combine": "any"}],
        "addons": []});
    import("", &wrong).await.refuses(&[("/features/1/key", "duplicate")]);
    let wrong = json!({
        "features": [{"key": "new", "type": "boolean", "combine": "any"}],
        "plans": [{"key": "pro", "versions": [{"grants": {"seats": 6}}]}, {"key": "SSO", "versions": [{}]},
                  {"key": "Free", "versions": [{}]}]});
    import("", &wrong).await.refuses_as(
        "immutable",
        &[("/plans/0/versions/0", "immutable"), ("/plans/2", "key_conflict")],
    );
    let wrong = json!({
        "plans": [{"key": "a", "versions": [{"grants": {"new": true, "nil": 1}, "fallback": {"plan": "b", "version": 2}}]},
                  {"key": "b", "versions": [{"fallback": {"plan": "a", "version": 1}}]}],
        "features": [{"key": "new", "type": "limit", "combine": "max"}]});
    import("", &wrong).await.refuses(&[
        ("/plans/0/versions/0/fallback/version", "unknown_version"),
        ("/plans/0/versions/0/grants/new", "wrong_type"),
        ("/plans/0/versions/0/grants/nil", "unknown_feature"),
    ]);
    let in_use = json!({"features": [{"key": "sso", "type": "limit", "combine": "max"}]});
    import("", &in_use).await.problem(409, "in_use");
    assert_eq!(other.revision().await, 1);

    // Plans that fall back on each other come together.
    let both = json!({
        "plans": [{"key": "a", "versions": [{"fallback": {"plan": "b", "version": 1}}]},
                  {"key": "b", "versions": [{"fallback": {"plan": "a", "version": 1}}]}]});
    import("", &both).await.is(200);
    is_whole(&other).await;
}

#[tokio::test]
async fn an_environment_goes_back_with_its_catalogue_where_that_is_asked_for() {
    let server = furnished().await;
    server.post(&format!("{PRO}/versions"), second()).await.is(200);
    server
        .patch(&format!("{FEATURES}/seats"), 2, json!({"combine": "max", "name": "Seats"}))
        .await
        .is(200);
    server.delete(&format!("{ADDONS}/seats-10"), 7).await.is(200);
    let later = json!({"key": "later", "type": "boolean", "combine": "any"});
    server.post(FEATURES, later).await.is(201);
    let revert = async |query: &str| {
        server.post(&format!("{PRODUCTION}/revert{query}"), json!({"revision": 7})).await
    };
    assert_eq!(revert("").await.is(200)["objects"], json!([]), "not by itself");
    revert("?include=tenants").await.problem(400, "invalid_query");
    let path = format!("{PRODUCTION}/segments?include=catalogue");
    server.post(&path, json!({"key": "s", "kind": "tenant"})).await.problem(400, "invalid_query");
    assert_eq!(revert("?include=catalogue&dry_run=true").await.is(200)["objects_count"], 2);
    let done = revert("?include=catalogue&reason=oops").await.is(200);
    let told: Vec<_> = done["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| {
            (
                object["kind"].as_str().unwrap(),
                object["key"].as_str().unwrap(),
                object["summary"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("feature", "seats", "combine: max → sum"), ("addon", "seats-10", "created")]
    );
    assert_eq!(done["kept"], json!([{"kind": "feature", "key": "later", "why": "created_later"}]));
    let pro = server.get(PRO).await.is(200);
    assert_eq!(pro["versions"].as_array().unwrap().len(), 2, "versions stay");
    assert_eq!(server.get(&format!("{FEATURES}/seats")).await.is(200)["name"], "Seats");
    is_whole(&server).await;
}

#[tokio::test]
async fn a_full_catalogue_says_so() {
    let server = TestServer::start().await;
    let features = |count: u32| -> Value {
        let feature = |n| json!({"key": format!("f{n:04}"), "type": "boolean", "combine": "any"});
        json!({"features": (0..count).map(feature).collect::<Vec<_>>()})
    };
    let import = format!("{PRODUCTION}/import");
    let refused = server.post(&import, features(1_001)).await;
    refused.refuses_as("limit_exceeded", &[("/features", "limit_exceeded")]);
    server.post(&import, features(1_000)).await.is(200);
    let one_more = json!({"key": "more", "type": "boolean", "combine": "any"});
    let refused = server.post(FEATURES, one_more.clone()).await.problem(422, "limit_exceeded");
    assert_eq!((&refused["limit"], &refused["maximum"]), (&json!("features"), &json!(1_000)));
    let import_one = json!({"features": [one_more]});
    server.post(&import, import_one).await.problem(422, "limit_exceeded");
    server.delete(&format!("{FEATURES}/f0000"), 1).await.is(200);
    server
        .post(FEATURES, json!({"key": "more", "type": "boolean", "combine": "any"}))
        .await
        .is(201);

    let plan = json!({"key": "pro", "versions": vec![json!({}); 1_001]});
    server.post(PLANS, plan).await.refuses_as("limit_exceeded", &[("/versions", "too_many")]);
    server.post(PLANS, json!({"key": "pro", "versions": vec![json!({}); 1_000]})).await.is(201);
    let refused = server.post(&format!("{PRO}/versions"), json!({})).await;
    assert_eq!(refused.problem(422, "limit_exceeded")["limit"], "plan_versions");
}

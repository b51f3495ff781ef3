//! Flags, environments and projects put away, and brought back.

#![cfg(test)]

mod server;

use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, Answer, FLAGS, PRODUCTION, SDK, TestServer, answer};

const PROJECT: &str = "/api/v1/projects/default";

fn keys(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap()).collect()
}

async fn snapshot(server: &TestServer) -> Answer {
    answer(server.request(Method::GET, "/sdk/v1/snapshot", SDK)).await
}

#[tokio::test]
async fn a_flag_that_is_used_nowhere_is_archived_and_comes_back_off() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    server.create_flag("g").await;
    let path = format!("{PRODUCTION}/flags/f");
    let needs = json!({"prerequisites": [{"flag": "f", "variants": ["on"]}]});
    let development = format!("{PROJECT}/environments/development");
    server.patch(&format!("{development}/flags/g"), 2, needs).await.is(200);
    let split = json!({"on": true, "fallthrough": {"variant": "off"}});
    server.patch(&path, 1, split).await.is(200);

    let archive = format!("{FLAGS}/f/archive");
    let problem = server.press(&archive).await.problem(409, "in_use");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("a prerequisite of `g` in `development`"), "{detail}");
    assert!(detail.contains("on in `production`"), "{detail}");
    server.press(&format!("{path}/off")).await.is(200);
    server.press(&archive).await.problem(409, "in_use");
    server.patch(&format!("{development}/flags/g"), 3, json!({"prerequisites": []})).await.is(200);

    let mut events = server.stream("").await;
    let stale = server.request(Method::POST, &archive, ADMIN).header("if-match", "\"7\"");
    answer(stale).await.problem(412, "version_mismatch");
    let archived = server.press(&archive).await.is(200);
    assert_eq!(archived["revisions"], json!({"development": 5, "production": 5}));
    assert_eq!(archived["version"], 2);
    assert!(archived["archived_at"].is_string());
    let change = events.next().await.unwrap().data;
    assert_eq!(change["objects"], json!([{"delete": {"kind": "flag", "key": "f"}}]));
    // Again: nothing to do.
    assert_eq!(server.press(&archive).await.is(200)["revisions"]["production"], 5);

    assert_eq!(keys(&server.get(FLAGS).await.is(200)), ["g"]);
    assert_eq!(keys(&server.get(&format!("{FLAGS}?archived=true")).await.is(200)), ["f", "g"]);
    let page = server.get(&format!("{FLAGS}?archived=true&limit=1")).await;
    assert!(page.header("link").contains("archived=true&limit=1&cursor="));
    assert_eq!(keys(&server.get(&format!("{PRODUCTION}/flags")).await.is(200)), ["g"]);
    server.get(&path).await.problem(404, "not_found");
    server.press(&format!("{path}/on")).await.problem(404, "not_found");
    server.patch(&format!("{FLAGS}/f"), 2, json!({"owner": "x"})).await.problem(409, "archived");
    let again = json!({"key": "F", "type": "boolean"});
    server.post(FLAGS, again).await.problem(409, "key_conflict");
    let needs = json!({"prerequisites": [{"flag": "f", "variants": ["on"]}]});
    let needed = server.patch(&format!("{PRODUCTION}/flags/g"), 2, needs).await;
    needed.refuses(&[("/prerequisites/0/flag", "unknown_flag")]);
    // A new environment does not have it.
    server.post(&format!("{PROJECT}/environments"), json!({"key": "new"})).await.is(201);
    assert_eq!(
        keys(&server.get(&format!("{PROJECT}/environments/new/flags")).await.is(200)),
        ["g"]
    );

    // After a restart, too.
    let server = TestServer::start_in(server.stop().await).await;
    server.get(&path).await.problem(404, "not_found");
    let restored = server.press(&format!("{FLAGS}/f/restore")).await.is(200);
    assert_eq!(restored["revisions"], json!({"development": 6, "new": 2, "production": 6}));
    assert_eq!(restored.get("archived_at"), None);
    let state = server.get(&path).await.is(200);
    assert_eq!((&state["on"], &state["fallthrough"]["variant"]), (&json!(false), &json!("on")));
    // What it was is not lost.
    server.post(&format!("{path}/revert"), json!({"revision": 4})).await.is(200);
    assert_eq!(server.get(&path).await.is(200)["fallthrough"]["variant"], "off");
    let history = server.get(&format!("{path}/history")).await.is(200);
    let actions: Vec<_> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "flag_state.revert",
            "flag.restore",
            "flag.archive",
            "flag_state.off",
            "flag_state.patch",
            "flag.create"
        ]
    );
    let reverted =
        server.post(&format!("{PRODUCTION}/revert"), json!({"revision": 5})).await.is(200);
    assert_eq!(reverted["kept"], json!([{"kind": "flag", "key": "f", "why": "created_later"}]));
}

#[tokio::test]
async fn an_archived_environment_answers_nobody() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let mut events = server.stream("").await;
    let archived = server.press(&format!("{PRODUCTION}/archive?reason=closed")).await.is(200);
    assert!(archived["archived_at"].is_string());
    assert_eq!(events.next().await, None, "its streams end");
    let stream = server.request(Method::GET, "/sdk/v1/stream", SDK);
    answer(stream).await.problem(403, "forbidden");
    snapshot(&server).await.problem(403, "forbidden");
    let evaluate = json!({"flag": "f", "context": {}});
    for query in ["", "?revision=1"] {
        let path = format!("{PRODUCTION}/evaluate{query}");
        server.post(&path, evaluate.clone()).await.problem(404, "not_found");
    }
    let proposal = json!({"flag": "f", "patch": {"on": true}});
    for path in ["/preview", "/preview/tenants"] {
        let asked = server.post(&format!("{PRODUCTION}{path}"), proposal.clone()).await;
        asked.problem(404, "not_found");
    }
    let tenants = json!({"tenants": [{"key": "acme"}]});
    server.post(&format!("{PRODUCTION}/tenants"), tenants).await.problem(404, "not_found");
    for path in ["/flags", "/flags/f", "/segments", "/tenants", "/tenants/acme", "/history"] {
        server.get(&format!("{PRODUCTION}{path}")).await.problem(404, "not_found");
    }
    let token = json!({"name": "x", "kind": "sdk", "environment": "production"});
    server.post("/api/v1/tokens", token).await.refuses(&[("/environment", "not_found")]);
    let environments = format!("{PROJECT}/environments");
    assert_eq!(keys(&server.get(&environments).await.is(200)), ["development"]);
    let all = server.get(&format!("{environments}?archived=true")).await.is(200);
    assert_eq!(keys(&all), ["development", "production"]);
    assert!(server.get(PRODUCTION).await.is(200)["archived_at"].is_string());
    server.post(&environments, json!({"key": "production"})).await.problem(409, "key_conflict");
    // It follows its project meanwhile.
    server.create_flag("g").await;
    let server = TestServer::start_in(server.stop().await).await;
    snapshot(&server).await.problem(403, "forbidden");
    server.press(&format!("{PRODUCTION}/restore")).await.is(200);
    let objects = snapshot(&server).await.is(200)["objects"].as_array().unwrap().len();
    assert_eq!((objects, server.revision().await), (2, 2));
}

#[tokio::test]
async fn an_archived_project_takes_its_environments_with_it() {
    let server = TestServer::start().await;
    server.press(&format!("{PROJECT}/archive")).await.is(200);
    snapshot(&server).await.problem(403, "forbidden");
    for path in [PROJECT.to_owned() + "/environments", FLAGS.to_owned(), PRODUCTION.to_owned()] {
        server.get(&path).await.problem(404, "not_found");
    }
    server.press(&format!("{PRODUCTION}/archive")).await.problem(404, "not_found");
    assert_eq!(keys(&server.get("/api/v1/projects").await.is(200)), [""; 0]);
    assert_eq!(keys(&server.get("/api/v1/projects?archived=true").await.is(200)), ["default"]);
    assert!(server.get(PROJECT).await.is(200)["archived_at"].is_string());
    let server = TestServer::start_in(server.stop().await).await;
    snapshot(&server).await.problem(403, "forbidden");
    assert_eq!(server.press(&format!("{PROJECT}/restore")).await.is(200).get("archived_at"), None);
    snapshot(&server).await.is(200);
}

#[tokio::test]
async fn archiving_is_guarded_and_an_expiry_is_a_time() {
    let server = TestServer::start().await;
    for path in
        [format!("{FLAGS}/f"), "/api/v1/projects/p".into(), format!("{PROJECT}/environments/e")]
    {
        for verb in ["archive", "restore"] {
            let path = format!("{path}/{verb}");
            server.press(&path).await.problem(404, "not_found");
            answer(server.request(Method::POST, &path, "wrong"))
                .await
                .problem(401, "unauthenticated");
            answer(server.request(Method::POST, &path, SDK)).await.problem(403, "forbidden");
        }
    }
    server.post(&format!("{PRODUCTION}/archive"), json!({"a": 1})).await.problem(422, "invalid");
    for list in [format!("{PRODUCTION}/flags?archived=true"), format!("{FLAGS}?archived=1")] {
        server.get(&list).await.problem(400, "invalid_query");
    }
    let flag = |expiry: &str, permanent: bool| json!({"key": "f", "type": "boolean", "expiry": expiry, "permanent": permanent});
    server.post(FLAGS, flag("soon", false)).await.refuses(&[("/expiry", "invalid_time")]);
    server
        .post(FLAGS, flag("2027-01-01T00:00:00Z", true))
        .await
        .refuses(&[("/expiry", "permanent")]);
    let created = server.post(FLAGS, flag("2027-01-01T00:00:00Z", false)).await.is(201);
    assert_eq!(created["expiry"], "2027-01-01T00:00:00Z");
    let edit = json!({"expiry": null, "permanent": true});
    let patched = server.patch(&format!("{FLAGS}/f"), 1, edit).await.is(200);
    assert_eq!(patched["expiry"], Value::Null);
}

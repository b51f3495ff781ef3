//! Who changed what: the history of an environment, of a flag and of a segment.

#![cfg(test)]

mod server;

use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, FLAGS, PRODUCTION, SDK, TestServer, answer};

async fn items(server: &TestServer, path: &str) -> Vec<Value> {
    server.get(path).await.is(200)["items"].as_array().unwrap().clone()
}

fn summaries(items: &[Value]) -> Vec<(u64, &str)> {
    let summary = |item: &Value| item["revision"].as_u64().unwrap();
    items
        .iter()
        .map(|item| (summary(item), item["objects"][0]["summary"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn each_revision_tells_who_did_what_and_why() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    server.create_flag("g").await;
    let path = format!("{PRODUCTION}/flags/f");
    server.press(&format!("{path}/on?reason=launch%20day")).await.is(200);
    let rollout = |percent: u32| json!({"variant": "on", "percent": percent, "by": "tenant"});
    server.post(&format!("{path}/rollout"), rollout(10)).await.is(200);
    server.post(&format!("{path}/rollout"), rollout(25)).await.is(200);
    let target = server.request(Method::PUT, &format!("{path}/tenants/acme"), ADMIN);
    answer(target.json(&json!({"variant": "on"}))).await.is(200);
    server.patch(&format!("{FLAGS}/f"), 1, json!({"owner": "payments"})).await.is(200);

    let history = items(&server, &format!("{path}/history")).await;
    assert_eq!(
        summaries(&history),
        [
            (7, "owner: none → payments"),
            (6, "tenant acme set to on"),
            (5, "fallthrough: 10 % on → 25 % on"),
            (4, "fallthrough: on → 10 % on by tenant"),
            (3, "switched on"),
            (1, "created"),
        ]
    );
    let token = server.get("/api/v1/tokens").await.is(200);
    let token = token["items"].as_array().unwrap().iter().find(|t| t["kind"] == "service").unwrap();
    let at = history[4]["at"].clone();
    assert!(at.as_str().unwrap().ends_with('Z'));
    assert_eq!(
        history[4],
        json!({"revision": 3, "at": at, "actor": {"id": token["id"], "name": "first"},
            "reason": "launch day", "action": "flag_state.on",
            "objects": [{"kind": "flag_state", "key": "f", "summary": "switched on",
                "diff": [{"pointer": "/on", "before": false, "after": true}], "complete": true}],
            "objects_count": 1})
    );
    assert_eq!(
        history[2]["objects"][0]["diff"],
        json!([{"pointer": "/fallthrough/split/weights/0/weight", "before": 10_000, "after": 25_000},
               {"pointer": "/fallthrough/split/weights/1/weight", "before": 90_000, "after": 75_000}])
    );
    // What all environments share changed in the other one, too.
    let elsewhere = "/api/v1/projects/default/environments/development/flags/f/history";
    assert_eq!(
        summaries(&items(&server, elsewhere).await),
        [(3, "owner: none → payments"), (1, "created")]
    );
    let all = items(&server, &format!("{PRODUCTION}/history")).await;
    assert_eq!(all.len(), 7);
    assert_eq!(all[5]["objects"][0]["key"], "g");
}

#[tokio::test]
async fn stored_tenants_are_told_one_by_one_and_many_are_counted() {
    let server = TestServer::start().await;
    let path = format!("{PRODUCTION}/tenants");
    let acme = format!("{path}/acme");
    let create = server.request(Method::PUT, &acme, ADMIN).header("if-none-match", "*");
    let attributes = json!({"attributes": {"country": "DE", "trial": true}});
    answer(create.json(&attributes)).await.is(201);
    let patch = json!({"attributes": {"country": "FR", "trial": null}});
    server.patch(&acme, 1, patch).await.is(200);
    let many: Vec<_> = (100..250).map(|n| json!({"key": format!("t{n}")})).collect();
    server.post(&path, json!({"tenants": many})).await.is(200);
    server.delete(&acme, 2).await.is(200);
    let history = items(&server, &format!("{PRODUCTION}/history")).await;
    assert_eq!(
        summaries(&history),
        [
            (4, "deleted"),
            (3, "150 tenants created (t100, t101, t102, …)"),
            (2, "attribute country: DE → FR; attribute trial: true → none"),
            (1, "created"),
        ]
    );
    assert_eq!(
        history[2]["objects"],
        json!([{"kind": "tenant", "key": "acme",
            "summary": "attribute country: DE → FR; attribute trial: true → none",
            "diff": [{"pointer": "/attributes/country", "before": "DE", "after": "FR"},
                     {"pointer": "/attributes/trial", "before": true}],
            "complete": true}])
    );
    let first: Vec<String> = (100..110).map(|n| format!("t{n}")).collect();
    assert_eq!(
        history[1]["objects"][0]["diff"],
        json!([{"pointer": "", "after": {
            "tenants": {"created": 150, "updated": 0, "first": first}}}])
    );
    let found = items(&server, "/api/v1/audit?object=tenant/acme").await;
    let actions: Vec<_> = found.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["tenant.delete", "tenant.patch", "tenant.put"]);
}

#[tokio::test]
async fn keys_of_segments_are_counted_and_the_first_are_named() {
    let server = TestServer::start().await;
    let path = format!("{PRODUCTION}/segments/beta");
    let segment = json!({"key": "beta", "kind": "tenant", "included": ["acme", "globex"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    let edit = json!({"included": {"add": ["initech"], "remove": ["acme"]}});
    server.post(&format!("{path}/members"), edit).await.is(200);
    let keys: Vec<String> = (0..2_000).map(|n| format!("k{n:04}")).collect();
    server.patch(&path, 2, json!({"excluded": keys, "when": null})).await.is(200);
    // The lists are too long to be seen with it, and still it is told what changed.
    let other: Vec<String> = (1..2_001).map(|n| format!("k{n:04}")).collect();
    server.patch(&path, 3, json!({"excluded": other})).await.is(200);
    server.delete(&path, 4).await.is(200);
    let history = items(&server, &format!("{path}/history")).await;
    assert_eq!(
        summaries(&history),
        [
            (5, "deleted"),
            (4, "1 key excluded (k2000); 1 key no longer excluded (k0000)"),
            (3, "2000 keys excluded (k0000, k0001, k0002, …)"),
            (2, "1 key included (initech); 1 key no longer included (acme)"),
            (1, "created; 2 keys included (acme, globex)"),
        ]
    );
    let first = &history[2]["objects"][0]["diff"][0];
    assert_eq!(
        (&first["pointer"], &first["after"]["count"]),
        (&json!("/excluded/added"), &json!(2_000))
    );
    assert_eq!(first["after"]["first"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn histories_are_paginated_and_guarded() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    for _ in 0..3 {
        server.press(&format!("{PRODUCTION}/flags/f/on")).await.is(200);
        server.press(&format!("{PRODUCTION}/flags/f/off")).await.is(200);
    }
    for path in [format!("{PRODUCTION}/history"), format!("{PRODUCTION}/flags/f/history")] {
        let (mut found, mut next) = (Vec::new(), format!("{path}?limit=3"));
        loop {
            let page = server.get(&next).await.is(200);
            let revisions = page["items"].as_array().unwrap().iter();
            found
                .push(revisions.map(|item| item["revision"].as_u64().unwrap()).collect::<Vec<_>>());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            next = format!("{path}?limit=3&cursor={cursor}");
        }
        assert_eq!(found, [vec![7, 6, 5], vec![4, 3, 2], vec![1]]);
    }
    for missing in ["flags/g", "segments/f"] {
        server.get(&format!("{PRODUCTION}/{missing}/history")).await.problem(404, "not_found");
    }
    let elsewhere = "/api/v1/projects/default/environments/nowhere/history";
    server.get(elsewhere).await.problem(404, "not_found");
    let path = format!("{PRODUCTION}/history");
    for wrong in ["?limit=0", "?cursor=x", "?cursor=YQ", "?since=1"] {
        server.get(&format!("{path}{wrong}")).await.problem(400, "invalid_query");
    }
    answer(server.request(Method::GET, &path, "wrong")).await.problem(401, "unauthenticated");
    answer(server.request(Method::GET, &path, SDK)).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_page_ends_early_where_its_entries_are_long() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let path = format!("{PRODUCTION}/flags/f");
    let keys: Vec<String> = (0..1_900).map(|n| format!("{n:0>480}")).collect();
    for version in 1..8 {
        let targets = json!([{"kind": "tenant", "keys": &keys[version..], "variant": "on"}]);
        let version = version as u64;
        server.patch(&path, version, json!({"targets": targets})).await.is(200);
    }
    let page = server.get(&format!("{path}/history")).await.is(200);
    let revisions: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|item| item["revision"].clone()).collect();
    assert_eq!(revisions, [8, 7, 6]);
    let next = page["next_cursor"].as_str().unwrap();
    let page = server.get(&format!("{path}/history?cursor={next}")).await.is(200);
    assert_eq!(page["items"][0]["revision"], 5);
}

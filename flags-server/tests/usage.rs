//! What products report, and who came to which share of a limit.

#![cfg(test)]

mod server;

use std::time::SystemTime;

use flags_core::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, Answer, PRODUCTION, SDK, TestServer, answer};

const ACME: &str = "/api/v1/projects/default/environments/production/tenants/acme";

fn path(feature: &str) -> String {
    format!("{ACME}/usage/{feature}")
}

fn later(millis: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    Timestamp::from_millis(i64::try_from(now).unwrap() + millis).to_string()
}

async fn put(server: &TestServer, path: &str, body: Value) -> Answer {
    answer(server.request(Method::PUT, path, ADMIN).json(&body)).await
}

async fn report(server: &TestServer, used: u64, at: &str) -> Value {
    put(server, &path("calls"), json!({"used": used, "at": at})).await.is(200)
}

async fn any_version(server: &TestServer, method: Method, path: &str, body: Value) -> Value {
    let request = server.request(method, path, ADMIN).header("if-match", "*");
    answer(request.json(&body)).await.is(200)
}

/// The tenant `acme` with 100 calls and 5 seats; on `small`, with 40 and 4.
async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    for (key, kind, combine) in
        [("calls", "limit", "max"), ("seats", "limit", "sum"), ("sso", "boolean", "any")]
    {
        let feature = json!({"key": key, "type": kind, "combine": combine});
        server.post(&format!("{PRODUCTION}/features"), feature).await.is(201);
    }
    for (key, calls, seats) in [("pro", 100, 5), ("small", 40, 4)] {
        let grants = json!({"calls": calls, "seats": seats});
        let plan = json!({"key": key, "versions": [{"version": 1, "grants": grants}]});
        server.post(&format!("{PRODUCTION}/plans"), plan).await.is(201);
    }
    let acme = json!({"tenants": [{"key": "acme", "plan": "pro", "plan_version": 1}]});
    server.post(&format!("{PRODUCTION}/tenants"), acme).await.is(200);
    server
}

/// What was crossed after a crossing: feature, counter, threshold, used, limit. And the last one.
async fn crossed(server: &TestServer, after: u64) -> (Vec<Value>, u64) {
    let report = format!("{PRODUCTION}/reports/thresholds?after={after}");
    let found = server.get(&report).await.is(200);
    let items = found["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["tenant"] == "acme"));
    let names = ["feature", "counter", "threshold", "used", "limit"];
    let told = |item: &Value| names.iter().map(|name| item[name].clone()).collect::<Value>();
    let last = items.last().map_or(after, |item| item["id"].as_u64().unwrap());
    (items.iter().map(told).collect(), last)
}

#[tokio::test]
async fn the_newest_report_holds_in_whatever_order_they_come() {
    let server = furnished().await;
    let revision = server.revision().await;
    server.get(&path("calls")).await.problem(404, "not_found");
    let [first, second, third] =
        ["09:00", "10:00", "11:00"].map(|at| format!("2026-11-20T{at}:00Z"));
    let stands = |used: u64, at: &str| {
        json!({"used": used, "limit": 100, "remaining": 100 - used, "over": 0, "reason": "granted",
               "at": at})
    };
    let with = |mut stands: Value, applied: bool| {
        stands["applied"] = json!(applied);
        stands
    };
    assert_eq!(report(&server, 20, &second).await, with(stands(20, &second), true));
    assert_eq!(report(&server, 90, &first).await, with(stands(20, &second), false));
    assert_eq!(report(&server, 30, &second).await, with(stands(20, &second), false));
    assert_eq!(server.get(&path("calls")).await.is(200), stands(20, &second));
    assert_eq!(report(&server, 5, &third).await, with(stands(5, &third), true));
    let (now, soon) = (later(0), later(60_000));
    report(&server, 6, &now).await;
    assert_eq!(report(&server, 120, &soon).await["over"], 20, "it is so already");
    let entitlement = server.get(&format!("{ACME}/entitlements/calls")).await.is(200);
    assert_eq!(
        entitlement["usage"],
        json!({"used": 120, "limit": 100, "remaining": 0, "over": 20, "reason": "limit_reached"})
    );
    assert_eq!(server.revision().await, revision);
    let audit = server.get("/api/v1/audit?object=acme").await.is(200);
    assert_eq!(audit["items"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_reported_is_refused() {
    let server = furnished().await;
    let put = async |feature: &str, body| put(&server, &path(feature), body).await;
    let at = "2026-11-20T09:00:00Z";
    put("calls", json!({"used": 1.5, "at": 5}))
        .await
        .refuses(&[("/at", "wrong_type"), ("/used", "wrong_type")]);
    put("calls", json!({"used": -1, "at": at, "x": 1}))
        .await
        .refuses(&[("/used", "wrong_type"), ("/x", "unknown_field")]);
    put("calls", json!({"used": 1, "at": "now"})).await.refuses(&[("/at", "invalid_time")]);
    put("calls", json!({})).await.refuses(&[("", "missing_field"), ("", "missing_field")]);
    put("calls", json!({"used": 9_223_372_036_854_775_808_u64, "at": later(301_000)}))
        .await
        .refuses(&[("/at", "in_the_future"), ("/used", "out_of_range")]);
    put("sso", json!({"used": 1, "at": at})).await.refuses(&[("", "not_a_limit")]);
    put("none", json!({"used": 1, "at": at})).await.problem(404, "not_found");
    for elsewhere in [
        format!("{PRODUCTION}/tenants/globex/usage/calls"),
        path("calls").replace("production", "development"),
    ] {
        let body = server.request(Method::PUT, &elsewhere, ADMIN);
        answer(body.json(&json!({"used": 1, "at": at}))).await.problem(404, "not_found");
        server.get(&elsewhere).await.problem(404, "not_found");
    }
    server.get(&path("sso")).await.refuses(&[("", "not_a_limit")]);
    server.get(&path("calls")).await.problem(404, "not_found");
    let said = json!({"name": "v", "kind": "service", "role": "viewer"});
    let viewer = server.post("/api/v1/tokens", said).await.is(201);
    let thresholds = format!("{PRODUCTION}/reports/thresholds");
    let viewer = viewer["token"].as_str().unwrap();
    for (token, writes, reads) in [(viewer, 403, 200), (SDK, 403, 403), ("none", 401, 401)] {
        let body = json!({"used": 1, "at": at});
        let put = server.request(Method::PUT, &path("calls"), token).json(&body);
        let get = server.request(Method::GET, &thresholds, token);
        assert_eq!((answer(put).await.status, answer(get).await.status), (writes, reads));
    }
    server.get(&thresholds.replace("production", "none")).await.problem(404, "not_found");
    for wrong in ["after=x", "after=-1", "limit=0", "cursor=x", "x=1"] {
        server.get(&format!("{thresholds}?{wrong}")).await.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn each_threshold_is_told_once_for_each_way_up() {
    let server = furnished().await;
    let at = |minute: u32| format!("2026-11-20T09:{minute:02}:00Z");
    let calls = |threshold: u32, used: u64| json!(["calls", "usage", threshold, used, 100]);
    assert_eq!(crossed(&server, 0).await, (vec![], 0));
    report(&server, 79, &at(1)).await;
    report(&server, 80, &at(2)).await;
    report(&server, 90, &at(3)).await;
    let (found, last) = crossed(&server, 0).await;
    assert_eq!(found, [calls(80, 80)]);
    report(&server, 100, &at(4)).await;
    report(&server, 200, &at(5)).await;
    let (found, last) = crossed(&server, last).await;
    assert_eq!(found, [calls(95, 100), calls(100, 100)]);
    // Below 95, and above it again; never below 80.
    report(&server, 85, &at(6)).await;
    report(&server, 96, &at(7)).await;
    // What is not applied crosses nothing.
    report(&server, 100, &at(0)).await;
    let (found, last) = crossed(&server, last).await;
    assert_eq!(found, [calls(95, 96)]);
    report(&server, 0, &at(8)).await;
    report(&server, 100, &at(9)).await;
    let (found, _) = crossed(&server, last).await;
    assert_eq!(found, [calls(80, 100), calls(95, 100), calls(100, 100)]);

    let first = server.get(&format!("{PRODUCTION}/reports/thresholds?limit=2")).await;
    assert!(first.header("link").contains("rel=\"next\""));
    let first = first.is(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = format!("{PRODUCTION}/reports/thresholds?cursor={cursor}");
    let rest = server.get(&rest).await.is(200);
    let ids = |page: &Value| -> Vec<u64> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect()
    };
    let all = [ids(&first), ids(&rest)].concat();
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
}

#[tokio::test]
async fn seats_and_contracts_cross_thresholds_too() {
    let server = furnished().await;
    let seats =
        |threshold: u32, used: u64, limit: u64| json!(["seats", "seats", threshold, used, limit]);
    let seat = |user: &str| format!("{ACME}/seats/seats/{user}");
    for user in ["a", "b", "c"] {
        answer(server.request(Method::PUT, &seat(user), ADMIN)).await.is(201);
    }
    report(&server, 39, "2026-11-20T09:00:00Z").await;
    assert_eq!(crossed(&server, 0).await, (vec![], 0));
    answer(server.request(Method::PUT, &seat("d"), ADMIN)).await.is(201);
    let (found, last) = crossed(&server, 0).await;
    assert_eq!(found, [seats(80, 4, 5)]);

    // Who has no access crosses nothing, and nothing anew with it.
    let blocked = json!({"effect": "none"});
    any_version(&server, Method::PUT, &format!("{ACME}/blocks/fraud"), blocked).await;
    assert_eq!(crossed(&server, last).await, (vec![], last));
    any_version(&server, Method::DELETE, &format!("{ACME}/blocks/fraud"), json!({})).await;
    assert_eq!(crossed(&server, last).await, (vec![], last));

    // A lower limit is found when somebody looks, once.
    let small = json!({"plan": "small", "plan_version": 1});
    any_version(&server, Method::PATCH, ACME, small).await;
    let (found, last) = crossed(&server, last).await;
    let calls = |threshold: u32| json!(["calls", "usage", threshold, 39, 40]);
    assert_eq!(found, [calls(80), calls(95), seats(95, 4, 4), seats(100, 4, 4)]);
    assert_eq!(crossed(&server, last).await, (vec![], last));

    // A higher one makes it count again.
    let pro = json!({"plan": "pro", "plan_version": 1});
    any_version(&server, Method::PATCH, ACME, pro).await;
    assert_eq!(crossed(&server, last).await, (vec![], last));
    answer(server.request(Method::PUT, &seat("e"), ADMIN)).await.is(201);
    let (found, last) = crossed(&server, last).await;
    assert_eq!(found, [seats(95, 5, 5), seats(100, 5, 5)]);

    // They go with their tenant, and no number comes twice.
    any_version(&server, Method::DELETE, ACME, json!({})).await;
    assert_eq!(crossed(&server, 0).await, (vec![], 0));
    let acme = json!({"tenants": [{"key": "acme", "plan": "pro", "plan_version": 1}]});
    server.post(&format!("{PRODUCTION}/tenants"), acme).await.is(200);
    report(&server, 80, "2026-11-20T09:00:00Z").await;
    let (found, latest) = crossed(&server, 0).await;
    assert_eq!(found.len(), 1);
    assert!(latest > last);
}

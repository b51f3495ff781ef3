//! Seats: never one too many, each once, and what a downgrade leaves is shown.

#![cfg(test)]

mod server;

use std::num::NonZeroU32;
use std::sync::Arc;

use flags_server::Quotas;
use reqwest::{Client, Method};
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, Answer, PRODUCTION, SDK, TestServer, answer};
use tokio::task::JoinSet;

const ACME: &str = "/api/v1/projects/default/environments/production/tenants/acme";

async fn assign(server: &TestServer, user: &str) -> Answer {
    answer(server.request(Method::PUT, &format!("{ACME}/seats/seats/{user}"), ADMIN)).await
}

async fn release(server: &TestServer, user: &str) -> Answer {
    answer(server.request(Method::DELETE, &format!("{ACME}/seats/seats/{user}"), ADMIN)).await
}

async fn patch(server: &TestServer, path: &str, body: Value) -> Value {
    let request = server.request(Method::PATCH, path, ADMIN).header("if-match", "*");
    answer(request.json(&body)).await.is(200)
}

/// The tenant `acme` on the plan `pro`: five seats; and on `small`, two.
async fn furnish(server: &TestServer, limit: u64) {
    let features = format!("{PRODUCTION}/features");
    for (key, kind, combine) in
        [("seats", "limit", "sum"), ("unsold", "limit", "max"), ("sso", "boolean", "any")]
    {
        let feature = json!({"key": key, "type": kind, "combine": combine});
        server.post(&features, feature).await.is(201);
    }
    for (key, limit) in [("pro", limit), ("small", 2)] {
        let plan = json!({"key": key, "versions": [{"version": 1, "grants": {"seats": limit}}]});
        server.post(&format!("{PRODUCTION}/plans"), plan).await.is(201);
    }
    let acme = json!({"tenants": [{"key": "acme", "plan": "pro", "plan_version": 1}]});
    server.post(&format!("{PRODUCTION}/tenants"), acme).await.is(200);
}

async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    furnish(&server, 5).await;
    server
}

fn standing(used: u64, limit: u64, over: u64, reason: &str) -> Value {
    let remaining = limit.saturating_sub(used);
    json!({"used": used, "limit": limit, "remaining": remaining, "over": over, "reason": reason})
}

/// What the audit log says of seats, the latest first.
async fn audited(server: &TestServer) -> Vec<(Value, Value)> {
    let mut all = Vec::new();
    for action in ["seat.assign", "seat.release"] {
        let found = server.get(&format!("/api/v1/audit?action={action}")).await.is(200);
        let items = found["items"].as_array().unwrap();
        all.extend(items.iter().map(|e| (e["action"].clone(), e["object"]["key"].clone())));
    }
    all
}

#[tokio::test]
async fn a_seat_is_assigned_once_and_released_once() {
    let server = furnished().await;
    let revision = server.revision().await;
    let first = assign(&server, "ada%40example.com").await;
    let place = format!("{ACME}/seats/seats/ada%40example%2Ecom");
    assert_eq!(first.header("location"), place);
    assert_eq!(first.is(201), standing(1, 5, 0, "granted"));
    for _ in 0..2 {
        assert_eq!(
            assign(&server, "ada%40example.com").await.is(200),
            standing(1, 5, 0, "granted")
        );
    }
    for (user, used) in [("b", 2), ("ä", 3), ("d", 4), ("e", 5)] {
        assert_eq!(assign(&server, user).await.is(201)["used"], used);
    }
    let refused = assign(&server, "f").await.problem(409, "limit_reached");
    for (name, value) in standing(5, 5, 0, "limit_reached").as_object().unwrap() {
        assert_eq!(refused[name], *value, "{name}");
    }
    // Who has one keeps it, however full it is.
    assert_eq!(assign(&server, "d").await.is(200)["used"], 5);

    let list = server.get(&format!("{ACME}/seats/seats?limit=2")).await;
    assert!(list.header("link").contains("rel=\"next\""));
    let list = list.is(200);
    assert_eq!(
        (&list["used"], &list["remaining"], &list["over"]),
        (&json!(5), &json!(0), &json!(0))
    );
    let users = |list: &Value| -> Vec<Value> {
        list["items"].as_array().unwrap().iter().map(|seat| seat["user"].clone()).collect()
    };
    assert_eq!(users(&list), ["ada@example.com", "b"]);
    let cursor = list["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("{ACME}/seats/seats?cursor={cursor}")).await.is(200);
    assert_eq!(users(&rest), ["d", "e", "ä"]);
    assert_eq!(rest["next_cursor"], Value::Null);

    assert_eq!(release(&server, "b").await.is(200), standing(4, 5, 0, "granted"));
    assert_eq!(release(&server, "b").await.is(200), standing(4, 5, 0, "granted"));
    assert_eq!(release(&server, "nobody").await.is(200)["used"], 4);
    assert_eq!(assign(&server, "f").await.is(201)["used"], 5);

    let found = audited(&server).await;
    assert_eq!(found.len(), 7, "what changes nothing is not written down: {found:?}");
    assert!(found.contains(&(json!("seat.release"), json!("b"))));
    let search = server.get("/api/v1/audit?object=seat/ada@example.com").await.is(200);
    assert_eq!(search["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.revision().await, revision, "seats are in no revision");
}

#[tokio::test]
async fn a_downgrade_leaves_seats_and_says_how_many_are_over() {
    let server = furnished().await;
    for user in ["a", "b", "c", "d"] {
        assign(&server, user).await.is(201);
    }
    let small = json!({"plan": "small", "plan_version": 1});
    patch(&server, ACME, small).await;
    let over = standing(4, 2, 2, "limit_reached");
    let list = server.get(&format!("{ACME}/seats/seats")).await.is(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
    let entitlement = server.get(&format!("{ACME}/entitlements/seats")).await.is(200);
    assert_eq!(entitlement["seats"], over);
    let then = format!("{ACME}/entitlements/seats?at=2036-01-01T00:00:00Z");
    assert_eq!(server.get(&then).await.is(200).get("seats"), None, "nobody knows");
    for (name, value) in over.as_object().unwrap() {
        assert_eq!(list[name], *value, "{name}");
    }
    assert_eq!(assign(&server, "e").await.problem(409, "limit_reached")["over"], 2);
    assert_eq!(assign(&server, "a").await.is(200), over);
    for used in [3, 2] {
        assign(&server, "e").await.problem(409, "limit_reached");
        let user = if used == 3 { "a" } else { "b" };
        assert_eq!(release(&server, user).await.is(200)["used"], used);
    }
    assign(&server, "e").await.problem(409, "limit_reached");
    release(&server, "c").await.is(200);
    assert_eq!(assign(&server, "e").await.is(201), standing(2, 2, 0, "granted"));
}

#[tokio::test]
async fn who_is_not_entitled_gets_no_seat_and_keeps_those_there_are() {
    let server = furnished().await;
    assign(&server, "a").await.is(201);
    let unsold = format!("{ACME}/seats/unsold/a");
    let refused = answer(server.request(Method::PUT, &unsold, ADMIN)).await;
    let refused = refused.problem(409, "not_entitled");
    assert_eq!((&refused["reason"], &refused["limit"]), (&json!("not_in_plan"), &Value::Null));
    for (effect, limit, over) in [("none", Value::Null, 1), ("read_only", json!(5), 0)] {
        let block = server.request(Method::PUT, &format!("{ACME}/blocks/fraud"), ADMIN);
        answer(block.json(&json!({"effect": effect}))).await.is(200);
        let refused = assign(&server, "b").await.problem(409, "not_entitled");
        assert_eq!((&refused["reason"], &refused["lane"]), (&json!("blocked"), &json!("fraud")));
        assert_eq!((&refused["limit"], &refused["over"]), (&limit, &json!(over)));
        assert_eq!(assign(&server, "a").await.is(200)["used"], 1, "it is there already");
    }
    assert_eq!(release(&server, "a").await.is(200)["used"], 0);
    let ended = json!({"subscription": {"state": "cancelled", "ends_at": "2026-01-01T00:00:00Z"}});
    answer(server.request(Method::DELETE, &format!("{ACME}/blocks/fraud"), ADMIN)).await.is(200);
    patch(&server, ACME, ended).await;
    assert_eq!(assign(&server, "a").await.problem(409, "not_entitled")["reason"], "expired");
}

#[tokio::test]
async fn a_lower_limit_holds_from_the_write_on_that_sets_it() {
    let server = furnished().await;
    let contract = server.request(Method::PATCH, ACME, ADMIN).header("if-match", "*");
    let contract = contract.json(&json!({"plan": "small", "plan_version": 1}));
    let (contract, answers) = tokio::join!(contract.send(), async {
        let mut answers = Vec::new();
        for user in 0..6 {
            answers.push(assign(&server, &format!("u{user}")).await.status);
        }
        answers
    });
    assert_eq!(contract.unwrap().status(), 200);
    let used = server.get(&format!("{ACME}/seats/seats")).await.is(200)["used"].as_u64().unwrap();
    assert_eq!(used, answers.iter().filter(|status| **status == 201).count() as u64);
    assign(&server, "later").await.problem(409, "limit_reached");
}

#[tokio::test]
async fn what_is_not_there_or_no_limit_is_refused() {
    let server = furnished().await;
    for (path, status, code) in [
        (format!("{PRODUCTION}/tenants/globex/seats/seats/a"), 404, "not_found"),
        (format!("{ACME}/seats/none/a"), 404, "not_found"),
        (format!("{ACME}/seats/sso/a"), 422, "invalid"),
        (format!("{ACME}/seats/seats/a%0Ab"), 422, "invalid"),
        (format!("{ACME}/seats/seats/{}", "x".repeat(513)), 422, "invalid"),
        // Of another environment.
        (ACME.replace("production", "development") + "/seats/seats/a", 404, "not_found"),
        (ACME.replace("default", "none") + "/seats/seats/a", 404, "not_found"),
    ] {
        answer(server.request(Method::PUT, &path, ADMIN)).await.problem(status, code);
        answer(server.request(Method::DELETE, &path, ADMIN)).await.problem(status, code);
        if let Some(list) = path.strip_suffix("/a") {
            server.get(list).await.problem(status, code);
        }
    }
    let body = server.request(Method::PUT, &format!("{ACME}/seats/seats/a"), ADMIN);
    answer(body.json(&json!({"x": 1}))).await.refuses(&[("/x", "unknown_field")]);
    let said = json!({"name": "v", "kind": "service", "role": "viewer"});
    let viewer = server.post("/api/v1/tokens", said).await.is(201);
    let viewer = viewer["token"].as_str().unwrap();
    let path = format!("{ACME}/seats/seats/a");
    for (token, status) in [(viewer, 403), (SDK, 403), ("nobody-has-this-0123456789abcdef", 401)] {
        for method in [Method::PUT, Method::DELETE] {
            assert_eq!(answer(server.request(method, &path, token)).await.status, status);
        }
    }
    answer(server.request(Method::GET, &format!("{ACME}/seats/seats"), viewer)).await.is(200);
    assert_eq!(server.get(&format!("{ACME}/seats/seats")).await.is(200)["used"], 0);
    assert_eq!(audited(&server).await, []);
}

#[tokio::test]
async fn environments_have_seats_of_their_own() {
    let server = furnished().await;
    let development = PRODUCTION.replace("production", "development");
    let feature = json!({"key": "seats", "type": "limit", "combine": "sum"});
    server.post(&format!("{development}/features"), feature).await.is(201);
    let plan = json!({"key": "pro", "versions": [{"version": 1, "grants": {"seats": 1}}]});
    server.post(&format!("{development}/plans"), plan).await.is(201);
    let acme = json!({"tenants": [{"key": "acme", "plan": "pro", "plan_version": 1}]});
    server.post(&format!("{development}/tenants"), acme).await.is(200);
    assign(&server, "a").await.is(201);
    let there = ACME.replace("production", "development");
    assert_eq!(server.get(&format!("{there}/seats/seats")).await.is(200)["used"], 0);
    for (user, status) in [("a", 201), ("b", 409)] {
        let path = format!("{there}/seats/seats/{user}");
        assert_eq!(answer(server.request(Method::PUT, &path, ADMIN)).await.status, status);
    }
    assert_eq!(server.get(&format!("{ACME}/seats/seats")).await.is(200)["used"], 1);
}

#[tokio::test]
async fn seats_keep_their_feature_and_go_with_their_tenant() {
    let server = furnished().await;
    let set = json!({"feature": "unsold", "mode": "set", "value": "unlimited", "reason": "x",
                     "review_at": "2036-01-01T00:00:00Z"});
    let set = server.post(&format!("{ACME}/overrides"), set).await.is(201);
    let unsold = format!("{ACME}/seats/unsold/a");
    let assigned = answer(server.request(Method::PUT, &unsold, ADMIN)).await.is(201);
    assert_eq!(
        (&assigned["limit"], &assigned["remaining"]),
        (&json!("unlimited"), &json!("unlimited"))
    );
    let id = set["id"].as_str().unwrap();
    let delete = server.request(Method::DELETE, &format!("{ACME}/overrides/{id}"), ADMIN);
    answer(delete.header("if-match", "*")).await.is(200);
    let delete = || server.request(Method::DELETE, &format!("{PRODUCTION}/features/unsold"), ADMIN);
    let in_use = answer(delete().header("if-match", "*")).await.problem(409, "in_use");
    assert!(in_use["detail"].as_str().unwrap().contains("`acme`"), "{in_use}");
    for user in ["a", "b"] {
        assign(&server, user).await.is(201);
    }
    let gone = server.request(Method::DELETE, ACME, ADMIN).header("if-match", "*");
    answer(gone).await.is(200);
    answer(delete().header("if-match", "*")).await.is(200);
    let acme = json!({"tenants": [{"key": "acme", "plan": "pro", "plan_version": 1}]});
    server.post(&format!("{PRODUCTION}/tenants"), acme).await.is(200);
    assert_eq!(server.get(&format!("{ACME}/seats/seats")).await.is(200)["used"], 0);
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    let before: String = database
        .query_row("SELECT before FROM audit WHERE action = 'tenant.delete'", (), |row| row.get(0))
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(&before).unwrap()["seats"], 3);
}

#[tokio::test]
async fn an_erased_user_has_no_seat_and_is_in_no_row() {
    let server = furnished().await;
    for user in ["ada@example.com", "b"] {
        assign(&server, user).await.is(201);
    }
    let ada = json!({"kind": "user", "key": "ada@example.com"});
    let mut dry = ada.clone();
    dry["dry_run"] = json!(true);
    let dry = server.post("/api/v1/erasures", dry).await.is(200);
    let revision = server.revision().await;
    let erased = server.post("/api/v1/erasures", ada.clone()).await.is(200);
    assert_eq!(server.revision().await, revision);
    for report in [&dry, &erased] {
        assert_eq!(report["environments"][0]["seats"], 1);
        assert_eq!(report["audit_rows"], 1);
    }
    let again = server.post("/api/v1/erasures", ada).await.is(200);
    assert_eq!((&again["environments"], &again["audit_rows"]), (&json!([]), &json!(0)));
    let list = server.get(&format!("{ACME}/seats/seats")).await.is(200);
    assert_eq!((&list["used"], &list["items"][0]["user"]), (&json!(1), &json!("b")));
    let acme = json!({"kind": "tenant", "key": "acme"});
    let erased = server.post("/api/v1/erasures", acme).await.is(200);
    assert_eq!(erased["environments"][0]["seats"], 1);
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    let rows: i64 = database.query_row("SELECT count(*) FROM seat", (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
    for text in ["ada@example.com", "\"acme\""] {
        let sql = "SELECT count(*) FROM audit WHERE action LIKE 'seat.%' AND
                   instr(object_key || coalesce(before, '') || coalesce(after, ''), ?1) > 0";
        let named: i64 = database.query_row(sql, [text], |row| row.get(0)).unwrap();
        assert_eq!(named, 0, "{text}");
    }
}

#[tokio::test]
async fn of_many_that_ask_at_once_as_many_get_one_as_there_are() {
    const LIMIT: usize = 500;
    const ASSIGNERS: usize = 64;
    const ATTEMPTS: usize = 10_000;
    let quotas = Quotas { admin_requests_per_minute: NonZeroU32::MAX, ..Quotas::default() };
    let server = TestServer::start_limited(quotas).await;
    furnish(&server, LIMIT as u64).await;
    let client = Arc::new(Client::builder().no_proxy().build().unwrap());
    let url = format!("{}{ACME}/seats/seats", server.base);
    let mut assigners = JoinSet::new();
    for assigner in 0..ASSIGNERS {
        let (client, url) = (Arc::clone(&client), url.clone());
        assigners.spawn(async move {
            let mut counts = [0; 3];
            for attempt in (assigner..ATTEMPTS).step_by(ASSIGNERS) {
                // Each of 5,000 users is asked for twice, by two assigners.
                let user = attempt % (ATTEMPTS / 2 + 1);
                let request = client.put(format!("{url}/u{user}")).bearer_auth(ADMIN);
                let status = request.send().await.unwrap().status().as_u16();
                counts[match status {
                    201 => 0,
                    200 => 1,
                    409 => 2,
                    other => panic!("{other}"),
                }] += 1;
            }
            counts
        });
    }
    let mut all = [0; 3];
    while let Some(counts) = assigners.join_next().await {
        for (sum, count) in all.iter_mut().zip(counts.unwrap()) {
            *sum += count;
        }
    }
    assert_eq!((all[0], all.iter().sum::<usize>()), (LIMIT, ATTEMPTS), "{all:?}");
    let list = server.get(&format!("{ACME}/seats/seats?limit=1")).await.is(200);
    assert_eq!((&list["used"], &list["remaining"]), (&json!(LIMIT), &json!(0)));
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    for sql in [
        "SELECT count(*) FROM seat",
        "SELECT used FROM tenant_use",
        "SELECT seats FROM environment WHERE key = 'production'",
        "SELECT count(*) FROM audit WHERE action = 'seat.assign'",
    ] {
        let found: usize = database.query_row(sql, (), |row| row.get(0)).unwrap();
        assert_eq!(found, LIMIT, "{sql}");
    }
}

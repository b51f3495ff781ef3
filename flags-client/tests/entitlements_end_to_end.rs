//! Contracts against the real server: what the API is told, its `entitlements` say and the client
//! decides is the same.

#![cfg(test)]

#[path = "../../flags-server/tests/server/mod.rs"]
mod server;

use std::time::{Duration, SystemTime};

use flags_client::{
    Access, Client, Document, EntitlementSource, Feature, Limit, Remedy, Ruling, State, Timestamp,
};
use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, PRODUCTION, SDK, TestServer, answer};

const SSO: Feature = Feature::new("sso");
const SEATS: Feature<Limit> = Feature::new("seats");
const SOON: Duration = Duration::from_secs(20);

/// Two features, the plans `free` and `pro`, and `acme`, which has the latter.
async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    for feature in [
        json!({"key": "sso", "type": "boolean", "combine": "any"}),
        json!({"key": "seats", "type": "limit", "combine": "sum"}),
    ] {
        server.post(&format!("{PRODUCTION}/features"), feature).await.is(201);
    }
    for plan in [
        json!({"key": "free", "versions": [{"grants": {"seats": 1}}]}),
        json!({"key": "pro", "versions": [{
            "grants": {"sso": true, "seats": 5}, "grace_ms": 86_400_000, "after_grace": "read_only",
            "fallback": {"plan": "free", "version": 1}}]}),
    ] {
        server.post(&format!("{PRODUCTION}/plans"), plan).await.is(201);
    }
    let acme = json!({"key": "acme", "plan": "pro", "plan_version": 1});
    server.post(&format!("{PRODUCTION}/tenants"), json!({"tenants": [acme]})).await.is(200);
    server
}

async fn connected(server: &TestServer) -> Client {
    let client = Client::builder(&server.base, SDK).hurried().connect().await.unwrap();
    client.ready(SOON).await.unwrap();
    client
}

/// Changes what is stored of `acme` and waits until the client has it.
async fn patch(server: &TestServer, client: &Client, contract: Value) {
    let request = server.request(Method::PATCH, &format!("{PRODUCTION}/tenants/acme"), ADMIN);
    let written = answer(request.header("if-match", "*").json(&contract)).await.is(200);
    client.wait_for(written["revision"].as_u64().unwrap(), SOON).await.unwrap();
}

/// The decision of the client, which is what the server says, too.
async fn decided(server: &TestServer, client: &Client) -> Value {
    let told = server.get(&format!("{PRODUCTION}/tenants/acme/entitlements/seats")).await.is(200);
    let snapshot = client.snapshot();
    let decision = serde_json::to_value(snapshot.entitlement(&SEATS, "acme")).unwrap();
    assert_eq!(told["decision"], decision);
    decision
}

fn ago(duration: Duration) -> String {
    let since = SystemTime::now() - duration;
    let millis = since.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    Timestamp::from_millis(i64::try_from(millis).unwrap()).to_string()
}

fn said(ruling: Ruling) -> (Access, &'static str) {
    (ruling.access, ruling.reason.name())
}

#[tokio::test]
async fn a_customer_hits_a_limit_gets_an_exception_goes_past_due_and_recovers() {
    let server = furnished().await;
    let client = connected(&server).await;
    assert!(client.entitlement(&SSO, "acme").is_allowed());
    assert_eq!(said(client.entitlement(&SSO, "globex")), (Access::None, "tenant_unknown"));
    assert_eq!(decided(&server, &client).await["limit"], 5);
    assert!(client.limit(&SEATS, "acme").check(4).is_allowed());
    let refusal = client.limit(&SEATS, "acme").check(5).require_full().unwrap_err();
    assert_eq!((refusal.status(), refusal.remedy()), (402, Remedy::BuyMore));

    let exception = json!({"id": "c-7", "feature": "seats", "mode": "at_least", "value": 50,
                           "end": "2100-01-01T00:00:00Z", "reason": "signed before the change"});
    let overrides = format!("{PRODUCTION}/tenants/acme/overrides");
    let written = server.post(&overrides, exception).await.is(201);
    client.wait_for(written["revision"].as_u64().unwrap(), SOON).await.unwrap();
    assert!(client.limit(&SEATS, "acme").check(5).is_allowed());
    let decision = decided(&server, &client).await;
    assert_eq!(
        (&decision["limit"], &decision["source"]),
        (&json!(50), &json!({"override": "c-7"}))
    );

    let hour = Duration::from_secs(3600);
    let past_due =
        |since| json!({"subscription": {"state": "past_due", "unpaid_since": ago(since)}});
    patch(&server, &client, past_due(hour)).await;
    assert_eq!(said(client.entitlement(&SSO, "acme")), (Access::Full, "grace"));
    patch(&server, &client, past_due(48 * hour)).await;
    decided(&server, &client).await;
    assert_eq!(said(client.entitlement(&SSO, "acme")), (Access::ReadOnly, "blocked"));
    let refusal = client.limit(&SEATS, "acme").check(5).require_full().unwrap_err();
    assert_eq!((refusal.status(), refusal.remedy()), (402, Remedy::PayInvoice));

    patch(&server, &client, json!({"subscription": {"state": "active"}})).await;
    let snapshot = client.snapshot();
    let sso = snapshot.entitlement(&SSO, "acme");
    assert_eq!((sso.access, sso.reason.name()), (Access::Full, "granted"));
    assert_eq!(sso.source, Some(EntitlementSource::Plan { plan: "pro", version: 1 }));
    decided(&server, &client).await;
}

#[tokio::test]
async fn a_contract_ends_at_its_millisecond_with_the_server_stopped() {
    let server = furnished().await;
    let client = connected(&server).await;
    // Later than now by what it takes to get it here and to stop the server, on a slow machine.
    let end = SystemTime::now() + Duration::from_secs(5);
    let end = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let end = Timestamp::from_millis(i64::try_from(end).unwrap());
    let ends = json!({"subscription": {"state": "cancelled", "ends_at": end.to_string()}});
    patch(&server, &client, ends).await;
    let _dir = server.stop().await;
    client.wait_until(|status| status.state == State::Stale, SOON).await.unwrap();

    let seats = |at: i64| {
        let snapshot = client.snapshot();
        let at = Timestamp::from_millis(at);
        snapshot.ruleset().entitlement("acme", SEATS.key()).check(at).limit
    };
    let end_ms = end.as_millis();
    assert_eq!(seats(end_ms - 1), Some(Limit::At(5)));
    assert_eq!([seats(end_ms), seats(end_ms + 1)], [Some(Limit::At(1)); 2], "the fallback");
    // And by the clock.
    let over = async {
        loop {
            let before = ago(Duration::ZERO);
            let limit = client.entitlement(&SEATS, "acme").limit;
            let after = ago(Duration::ZERO);
            let [before, after] = [before, after].map(|text| Timestamp::parse(&text).unwrap());
            if after < end {
                assert_eq!(limit, Some(Limit::At(5)));
            } else if before >= end {
                assert_eq!(limit, Some(Limit::At(1)));
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, over).await.unwrap();
    assert_eq!(client.entitlement(&SSO, "acme").reason.name(), "not_in_plan");
}

#[tokio::test]
async fn a_client_sees_who_was_moved_to_another_version() {
    let server = furnished().await;
    let client = connected(&server).await;
    let smaller = json!({"grants": {"seats": 2}});
    let pro = format!("{PRODUCTION}/plans/pro");
    let added = server.request(Method::POST, &format!("{pro}/versions"), ADMIN);
    let added = answer(added.header("if-match", "*").json(&smaller)).await.is(200);
    client.wait_for(added["revision"].as_u64().unwrap(), SOON).await.unwrap();
    assert_eq!(decided(&server, &client).await["limit"], 5, "nobody has it yet");
    let moved = server.post(&format!("{pro}/move"), json!({"to": {"version": 2}})).await.is(200);
    assert_eq!(moved["moved"], 1);
    client.wait_for(moved["revision"].as_u64().unwrap(), SOON).await.unwrap();
    let decision = decided(&server, &client).await;
    assert_eq!(
        (&decision["limit"], &decision["source"]),
        (&json!(2), &json!({"plan": "pro", "version": 2}))
    );
    assert_eq!(said(client.entitlement(&SSO, "acme")), (Access::None, "not_in_plan"));
}

#[tokio::test]
async fn a_client_of_what_the_snapshot_says_decides_alike() {
    let server = furnished().await;
    let body = server.snapshot().await;
    let document: Document = serde_json::from_value(body).unwrap();
    let fixed = Client::fixed(&document);
    let live = connected(&server).await;
    for used in [0, 4, 5, 6, u64::MAX] {
        let [fixed, live] = [&fixed, &live].map(|client| client.limit(&SEATS, "acme").check(used));
        assert_eq!(fixed, live);
    }
}

//! The guard in a real axum service, asked over HTTP.

#![cfg(test)]

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use flags_client::testing::TestFlags;
use flags_client::{Client, Feature, Guard, Lane, Limit, Refusal};
use reqwest::Method;
use serde_json::{Value, json};

const SSO: Feature = Feature::new("sso");
const SEATS: Feature<Limit> = Feature::new("seats");

/// What authentication leaves in a request.
#[derive(Clone)]
struct Account(String);

async fn authenticate(mut request: Request, next: Next) -> Response {
    let account = request.headers().get("x-account").and_then(|key| key.to_str().ok());
    if let Some(account) = account.map(|key| Account(key.to_owned())) {
        request.extensions_mut().insert(account);
    }
    next.run(request).await
}

fn account(request: &Parts) -> Option<std::borrow::Cow<'_, str>> {
    request.extensions.get::<Account>().map(|account| account.0.as_str().into())
}

async fn invite(State(flags): State<Client>) -> Result<&'static str, Refusal> {
    flags.limit(&SEATS, "acme").check(5).require_full()?;
    Ok("invited")
}

fn router(flags: &Client) -> Router {
    Router::new()
        .route("/sso", get(|| async { "settings" }).post(|| async { "saved" }))
        .route_layer(Guard::new(flags, &SSO, account))
        .merge(
            Router::new()
                .route("/members", get(|| async { "members" }))
                .route_layer(Guard::new(flags, &SEATS, account)),
        )
        .route("/invite", get(invite))
        .route("/profile", get(|| async { "profile" }))
        .layer(from_fn(authenticate))
        .with_state(flags.clone())
}

struct Service {
    at: SocketAddr,
    http: reqwest::Client,
}

impl Service {
    async fn start(flags: &Client) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, router) = (listener.local_addr().unwrap(), router(flags));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { at, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// The status, the type and the body of an answer.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        account: Option<&str>,
    ) -> (u16, String, String) {
        let mut request = self.http.request(method, format!("http://{}{path}", self.at));
        if let Some(account) = account {
            request = request.header("x-account", account);
        }
        let answer = request.send().await.unwrap();
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), content_type, answer.text().await.unwrap())
    }

    async fn problem(&self, method: Method, path: &str, account: Option<&str>) -> Value {
        let (status, content_type, body) = self.ask(method, path, account).await;
        assert_eq!(content_type, "application/problem+json");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["status"], status);
        problem
    }

    async fn text(&self, method: Method, path: &str, account: &str) -> String {
        let (status, _, body) = self.ask(method, path, Some(account)).await;
        assert_eq!(status, 200, "{body}");
        body
    }
}

#[tokio::test]
async fn requests_come_through_if_the_contract_grants_the_feature() {
    let test = TestFlags::new()
        .tenant("acme")
        .feature(&SSO)
        .limit(&SEATS, 5)
        .tenant("globex")
        .without(&SSO)
        .limit(&SEATS, 0)
        .tenant("initech")
        .feature(&SSO)
        .read_only(Lane::Billing);
    let service = Service::start(&test.client()).await;
    assert_eq!(service.text(Method::GET, "/sso", "acme").await, "settings");
    assert_eq!(service.text(Method::POST, "/sso", "acme").await, "saved");

    let problem = service.problem(Method::GET, "/sso", Some("globex")).await;
    let expected = json!({
        "type": "about:blank", "title": "Payment Required", "status": 402,
        "detail": "`sso` is not included", "code": "not_in_plan", "feature": "sso",
        "remedy": "upgrade_plan", "hint": "Upgrade to a plan that includes it.",
    });
    assert_eq!(problem, expected);
    assert_eq!(service.text(Method::GET, "/profile", "globex").await, "profile");

    assert_eq!(service.text(Method::GET, "/sso", "initech").await, "settings");
    assert_eq!(service.text(Method::HEAD, "/sso", "initech").await, "");
    let problem = service.problem(Method::POST, "/sso", Some("initech")).await;
    assert_eq!((&problem["code"], &problem["status"]), (&json!("blocked"), &json!(402)));
    assert_eq!(problem["detail"], "only reading is allowed: an invoice is unpaid");
}

#[tokio::test]
async fn without_a_tenant_nothing_comes_through() {
    let service = Service::start(&TestFlags::new().tenant("acme").feature(&SSO).client()).await;
    for account in [None, Some("nobody"), Some("")] {
        let problem = service.problem(Method::GET, "/sso", account).await;
        assert_eq!((&problem["code"], &problem["status"]), (&json!("tenant_unknown"), &json!(403)));
    }
}

#[tokio::test]
async fn a_limit_has_to_be_above_nothing() {
    let test = TestFlags::new().tenant("acme").limit(&SEATS, 1).tenant("globex").limit(&SEATS, 0);
    let service = Service::start(&test.client()).await;
    assert_eq!(service.text(Method::GET, "/members", "acme").await, "members");
    let problem = service.problem(Method::GET, "/members", Some("globex")).await;
    assert_eq!((&problem["code"], &problem["status"]), (&json!("limit_reached"), &json!(402)));
}

#[tokio::test]
async fn a_handler_answers_with_the_refusal_itself() {
    let service = Service::start(&TestFlags::new().tenant("acme").limit(&SEATS, 5).client()).await;
    let problem = service.problem(Method::GET, "/invite", None).await;
    assert_eq!(problem["detail"], "5 of 5 `seats` are used");
    assert_eq!(problem["remedy"], "buy_more");
}

#[tokio::test]
async fn a_guard_sees_changes_and_the_clock() {
    let test = TestFlags::new()
        .at("2026-11-20T12:00:00Z")
        .tenant("acme")
        .feature(&SSO)
        .trial_until("2026-12-01T00:00:00Z");
    let service = Service::start(&test.client()).await;
    assert_eq!(service.text(Method::GET, "/sso", "acme").await, "settings");
    test.clock().set("2026-12-01T00:00:00Z");
    let problem = service.problem(Method::GET, "/sso", Some("acme")).await;
    assert_eq!(problem["code"], "not_in_plan");
}

//! What a proposed change would do to 100,000 stored tenants, asked over HTTP.
//!
//! The server runs in this process; the figures are those of the caller.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a bench that cannot set itself up measures nothing")]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use flags_server::{Bootstrap, Database, Quotas, serve};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::sync::oneshot;

const ADMIN: &str = "admin-token-of-the-bench-0123456789abcdef";
const TENANTS: usize = 100_000;
const PER_REQUEST: usize = 1_000;
const ROUNDS: usize = 11;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let bootstrap = Bootstrap { admin_token: Some(ADMIN.into()), sdk_token: None };
    let database = Database::open(&folder.path().join("flags.db"), &bootstrap);
    let (database, _) = database.expect("a database");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (stop, stopped) = oneshot::channel::<()>();
    let (quotas, shutdown) = (Quotas::default(), Duration::from_secs(10));
    let server = tokio::spawn(serve(listener, database, quotas, shutdown, async {
        let _ = stopped.await;
    }));
    let http = Http { client: Client::new(), base };
    furnish(&http).await;

    println!(
        "{TENANTS} stored tenants; medians of {ROUNDS} rounds\n\n| proposal | ms |\n|---|---|"
    );
    let large = json!({"attribute": "tenant.employees", "op": "gte", "values": [500]});
    let germans = json!({"attribute": "tenant.country", "op": "in", "values": ["DE", "AT"]});
    let rule =
        json!({"id": "large", "when": {"all": [germans, large]}, "serve": {"variant": "on"}});
    let one_rule = json!({"flag": "plain", "patch": {"rules": [rule]}});
    http.median("a rule of two conditions", "preview", &one_rule).await;
    http.median("the same, the first 100 tenants", "preview/tenants", &one_rule).await;
    let rules: Vec<_> = (0..20)
        .map(|number| {
            let name = format!("Company number {number} ");
            json!({"id": format!("r{number}"), "serve": {"variant": "on"},
                   "when": {"attribute": "tenant.name", "op": "starts_with", "values": [name]}})
        })
        .collect();
    let many_rules = json!({"flag": "plain", "patch": {"rules": rules}});
    http.median("20 rules", "preview", &many_rules).await;
    let segment = json!({"segment": "beta", "patch": {"when": germans_of("DE")}});
    http.median("a segment that 20 flags ask for", "preview", &segment).await;

    let _ = stop.send(());
    server.await.expect("the server ends").expect("in order");
}

fn germans_of(country: &str) -> Value {
    json!({"attribute": "tenant.country", "op": "equals", "values": [country]})
}

struct Http {
    client: Client,
    base: String,
}

impl Http {
    async fn send(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("{}/api/v1/projects/default/{path}", self.base);
        let request = self.client.request(method, url).bearer_auth(ADMIN).header("if-match", "*");
        let answer = request.json(body).send().await.expect("an answer");
        let status = answer.status();
        let body = answer.json().await.expect("JSON");
        assert!(status.is_success(), "{status}: {body}");
        body
    }

    async fn median(&self, what: &str, path: &str, proposal: &Value) {
        let path = format!("environments/production/{path}");
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let said = self.send(Method::POST, &path, proposal).await;
            times.push(start.elapsed());
            assert!(
                said.pointer("/flags/0/changed") != Some(&json!(0))
                    && said.get("items") != Some(&json!([])),
                "{said}"
            );
        }
        times.sort_unstable();
        let median = times.get(ROUNDS / 2).copied().unwrap_or_default();
        println!("| {what} | {:.0} |", median.as_secs_f64() * 1_000.0);
    }
}

async fn furnish(http: &Http) {
    for first in (0..TENANTS).step_by(PER_REQUEST) {
        let tenants: Vec<_> = (first..first + PER_REQUEST)
            .map(|number| {
                let country = ["DE", "FR", "US", "GB", "JP"].get(number % 5);
                json!({"key": format!("tenant-{number:09}"), "attributes": {
                    "country": country, "employees": number % 1_000, "regions": ["eu", "us"],
                    "name": format!("Company number {number} Ltd.")}})
            })
            .collect();
        let tenants = json!({"tenants": tenants});
        http.send(Method::POST, "environments/production/tenants", &tenants).await;
    }
    let beta = json!({"key": "beta", "kind": "tenant", "when": germans_of("FR")});
    http.send(Method::POST, "environments/production/segments", &beta).await;
    let flags = (0..20).map(|number| format!("beta-{number}")).chain(["plain".to_owned()]);
    for flag in flags {
        http.send(Method::POST, "flags", &json!({"key": flag, "type": "boolean"})).await;
        let rules = match &*flag {
            "plain" => json!([]),
            _ => json!([{"id": "beta", "when": {"segment": "beta"}, "serve": {"variant": "on"}}]),
        };
        let state = json!({"on": true, "fallthrough": {"variant": "off"}, "rules": rules});
        let path = format!("environments/production/flags/{flag}");
        http.send(Method::PATCH, &path, &state).await;
    }
}

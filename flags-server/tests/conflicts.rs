//! 409 and 428 come where docs/openapi.json says, and it says so of no operation that never gives them.

#![cfg(test)]

mod server;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use flags_core::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use server::contract::{Contract, DOCUMENT};
use server::{ADMIN, Answer, DEADLINE, FLAGS, PRODUCTION, TestServer, answer};

const PROJECTS: &str = "/api/v1/projects";
const TOKENS: &str = "/api/v1/tokens";
const ANY: Option<(&str, &str)> = Some(("if-match", "*"));
const NEW: Option<(&str, &str)> = Some(("if-none-match", "*"));

/// The operations of which the document has this refusal.
fn documented(status: &str) -> BTreeSet<String> {
    let contract = Contract::new(serde_json::from_str(DOCUMENT).unwrap());
    let paths = contract.document["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|methods| methods.as_object().unwrap().values());
    let refusing = operations.filter(|operation| operation["responses"].get(status).is_some());
    refusing.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

/// What was refused, and how.
struct Refused<'s> {
    server: &'s TestServer,
    contract: Contract,
    operations: BTreeSet<String>,
}

impl<'s> Refused<'s> {
    fn by(server: &'s TestServer) -> Self {
        let contract = Contract::new(serde_json::from_str(DOCUMENT).unwrap());
        Self { server, contract, operations: BTreeSet::new() }
    }

    /// Asks for something that is refused.
    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Value,
        header: Option<(&str, &str)>,
        (status, code): (u16, &str),
    ) {
        let place = path.split('?').next().unwrap();
        let (name, _) = self.contract.operation(&method, place).expect("an operation");
        self.operations.insert(name.to_owned());
        let mut request = self.server.request(method, path, ADMIN);
        if !body.is_null() {
            request = request.json(&body);
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        answer(request).await.problem(status, code);
    }

    async fn conflict(
        &mut self,
        method: Method,
        path: &str,
        body: Value,
        header: Option<(&str, &str)>,
        code: &str,
    ) {
        self.ask(method, path, body, header, (409, code)).await;
    }
}

fn later(millis: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    Timestamp::from_millis(i64::try_from(now).unwrap() + millis).to_string()
}

fn id(answer: &Value) -> &str {
    answer["id"].as_str().unwrap()
}

/// A scheduled change that has been made.
async fn done(server: &TestServer, schedule: &str) -> Value {
    let change = json!({"action": "flag_state.on", "key": "b"});
    let created = loop {
        let said = json!({"at": later(300), "change": change});
        let answer: Answer = server.post(schedule, said).await;
        if answer.status == 201 {
            break answer.body;
        }
        answer.refuses(&[("/at", "in_the_past")]);
    };
    let path = format!("{schedule}/{}", id(&created));
    let wait = async {
        while server.get(&path).await.is(200)["state"] == "open" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("it is made");
    created
}

fn regions(options: &[&str]) -> Value {
    json!({"key": "regions", "type": "options", "combine": "union", "options": options})
}

fn exception() -> Value {
    json!({"id": "c-7", "feature": "regions", "mode": "deny", "end": "2100-01-01T00:00:00Z",
        "reason": "embargo"})
}

/// A feature that got a second option, a plan of two versions and an add-on, and a tenant that has all
/// of them; gives the revision before that option came.
async fn sell(server: &TestServer) -> Value {
    let features = format!("{PRODUCTION}/features");
    let created = server.post(&features, regions(&["eu"])).await.is(201);
    let path = format!("{features}/regions");
    let version = created["version"].as_u64().unwrap();
    server.patch(&path, version, json!({"options": ["eu", "us"]})).await.is(200);
    let pro = json!({"key": "pro", "versions": [{"grants": {"regions": ["us"]}}, {}]});
    server.post(&format!("{PRODUCTION}/plans"), pro).await.is(201);
    let more = json!({"key": "more", "grants": {"regions": ["us"]}});
    server.post(&format!("{PRODUCTION}/addons"), more).await.is(201);
    let acme = json!({"key": "acme", "plan": "pro", "plan_version": 1,
        "addons": [{"addon": "more", "quantity": 1}]});
    server.post(&format!("{PRODUCTION}/tenants"), json!({"tenants": [acme]})).await.is(200);
    server.post(&format!("{PRODUCTION}/tenants/acme/overrides"), exception()).await.is(201);
    created["version"].clone()
}

/// Everything of what is sold that is in the way of something.
async fn what_is_sold_conflicts(refused: &mut Refused<'_>) {
    let before = sell(refused.server).await;
    let of = |path: &str| format!("{PRODUCTION}/{path}");
    let taken = "key_conflict";
    for (kind, new) in [
        ("features", regions(&["eu"])),
        ("plans", json!({"key": "pro", "versions": [{}]})),
        ("addons", json!({"key": "more"})),
    ] {
        refused.conflict(Method::POST, &of(kind), new.clone(), None, taken).await;
        let like = of(&format!("{kind}/{}", new["key"].as_str().unwrap().to_uppercase()));
        let mut new = new;
        new.as_object_mut().unwrap().remove("key");
        refused.conflict(Method::PUT, &like, new, NEW, taken).await;
    }
    let overrides = of("tenants/acme/overrides");
    refused.conflict(Method::POST, &overrides, exception(), None, taken).await;
    let limit = json!({"key": "seats", "type": "limit", "combine": "sum"});
    refused.server.post(&of("features"), limit).await.is(201);
    let seat = of("tenants/acme/seats/seats/ada");
    refused.conflict(Method::PUT, &seat, Value::Null, None, "not_entitled").await;

    let needed = "in_use";
    for path in ["features/regions", "plans/pro", "addons/more", "plans/pro/versions/1"] {
        refused.conflict(Method::DELETE, &of(path), Value::Null, ANY, needed).await;
    }
    let fewer = json!({"options": ["eu"]});
    refused.conflict(Method::PATCH, &of("features/regions"), fewer, ANY, needed).await;
    let development = PRODUCTION.replace("production", "development");
    refused.server.post(&format!("{development}/features"), regions(&["eu"])).await.is(201);
    let (copy, from) = (of("features/regions/copy"), json!({"from": "development"}));
    refused.conflict(Method::POST, &copy, from, None, needed).await;
    let exported = refused.server.get(&format!("{development}/export")).await.is(200);
    refused.conflict(Method::POST, &of("import"), exported, None, needed).await;
    let (revert, then) = (of("revert?include=catalogue"), json!({"revision": before}));
    refused.conflict(Method::POST, &revert, then, None, needed).await;
}

#[tokio::test]
async fn conflicts_come_where_the_document_says() {
    let server = TestServer::start().await;
    let (segments, schedule) = (format!("{PRODUCTION}/segments"), format!("{PRODUCTION}/schedule"));
    server.create_flag("a").await;
    server.create_flag("b").await;
    let segment = json!({"key": "s", "kind": "tenant"});
    server.post(&segments, segment.clone()).await.is(201);
    let mut refused = Refused::by(&server);
    let flag = json!({"key": "a", "type": "boolean"});
    let boolean = json!({"type": "boolean"});

    // Keys that are there, or too like one.
    let taken = "key_conflict";
    refused.conflict(Method::POST, PROJECTS, json!({"key": "default"}), None, taken).await;
    let environments = format!("{PROJECTS}/default/environments");
    let production = json!({"key": "production"});
    refused.conflict(Method::POST, &environments, production, None, taken).await;
    refused.conflict(Method::POST, FLAGS, flag, None, taken).await;
    refused.conflict(Method::PUT, &format!("{FLAGS}/A"), boolean, NEW, taken).await;
    refused.conflict(Method::POST, &segments, segment, None, taken).await;
    let tenant = json!({"kind": "tenant"});
    refused.conflict(Method::PUT, &format!("{segments}/S"), tenant, NEW, taken).await;

    // What is archived does not change.
    server.create_flag("gone").await;
    server.press(&format!("{FLAGS}/gone/archive")).await.is(200);
    let gone = format!("{FLAGS}/gone");
    refused.conflict(Method::PATCH, &gone, json!({"owner": "x"}), ANY, "archived").await;

    // What is needed stays.
    let state = json!({"on": true, "off_variant": "off", "fallthrough": {"variant": "off"},
        "rules": [{"when": {"segment": "s"}, "serve": {"variant": "on"}}]});
    server.create_flag("c").await;
    let c = server.get(&format!("{PRODUCTION}/flags/c")).await.is(200)["version"].as_u64().unwrap();
    server.put(&format!("{PRODUCTION}/flags/c"), c, state).await.is(200);
    refused.conflict(Method::DELETE, &format!("{segments}/s"), Value::Null, ANY, "in_use").await;
    let archive = format!("{FLAGS}/c/archive");
    refused.conflict(Method::POST, &archive, Value::Null, None, "in_use").await;

    // A split by another unit is not replaced by accident: now, later, or to see what it would do.
    let rollout = |by: &str| json!({"variant": "on", "percent": 10, "by": by});
    let path = format!("{PRODUCTION}/flags/a/rollout");
    server.post(&path, rollout("tenant")).await.is(200);
    let moved = "rollout_conflict";
    refused.conflict(Method::POST, &path, rollout("user"), None, moved).await;
    let change = json!({"action": "flag_state.rollout", "key": "a", "body": rollout("user")});
    let said = json!({"at": later(60_000), "change": change});
    refused.conflict(Method::POST, &schedule, said, None, moved).await;
    for preview in ["preview", "preview/tenants"] {
        let (path, said) =
            (format!("{PRODUCTION}/{preview}"), json!({"flag": "a", "rollout": rollout("user")}));
        refused.conflict(Method::POST, &path, said, None, moved).await;
    }

    // A list goes on with the revision that it began with.
    for tenant in ["t1", "t2"] {
        let tenant = json!({"tenants": [{"key": tenant}]});
        server.post(&format!("{PRODUCTION}/tenants"), tenant).await.is(200);
    }
    let sso = json!({"key": "sso", "type": "boolean", "combine": "any"});
    server.post(&format!("{PRODUCTION}/features"), sso).await.is(201);
    server.create_flag("login").await;
    let login = json!({"on": true, "off_variant": "off", "fallthrough": {"variant": "on"},
        "requires": {"feature": "sso"}, "targets": [
            {"kind": "tenant", "keys": ["t1", "t2"], "variant": "on"}]});
    let path = format!("{PRODUCTION}/flags/login");
    let version = server.get(&path).await.is(200)["version"].as_u64().unwrap();
    server.put(&path, version, login).await.is(200);
    let list = format!("{PRODUCTION}/reports/disagreements/tenants");
    let page = server.get(&format!("{list}?limit=1")).await.is(200);
    server.create_flag("another").await;
    let next = format!("{list}?cursor={}", page["next_cursor"].as_str().unwrap());
    refused.conflict(Method::GET, &next, Value::Null, None, "revision_changed").await;

    // What has ended has.
    let done = done(&server, &schedule).await;
    let done = format!("{schedule}/{}", id(&done));
    refused.conflict(Method::DELETE, &done, Value::Null, None, "schedule_ended").await;
    let said = json!({"at": later(60_000)});
    refused.conflict(Method::PATCH, &done, said, ANY, "schedule_ended").await;
    let said = json!({"name": "x", "kind": "service", "role": "viewer"});
    let token = format!("{TOKENS}/{}", id(&server.post(TOKENS, said).await.is(201)));
    answer(server.request(Method::DELETE, &token, ADMIN)).await.is(200);
    let (rotate, said) = (format!("{token}/rotate"), json!({"overlap_seconds": 0}));
    refused.conflict(Method::POST, &rotate, said, None, "token_ended").await;
    let tokens = server.get(TOKENS).await.is(200);
    let tokens = tokens["items"].as_array().unwrap();
    let admin = tokens.iter().find(|token| token["role"] == "admin").unwrap();
    let last = format!("{TOKENS}/{}", id(admin));
    refused.conflict(Method::DELETE, &last, Value::Null, None, "last_admin_token").await;

    // A flag that is archived is not replaced either.
    refused.conflict(Method::PUT, &gone, json!({}), ANY, "archived").await;
    what_is_sold_conflicts(&mut refused).await;
    assert_eq!(refused.operations, documented("409"));
}

#[tokio::test]
async fn what_says_what_something_is_to_be_says_of_which_version() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let segment = json!({"key": "s", "kind": "tenant"});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    sell(&server).await;
    let change = json!({"at": later(60_000), "change": {"action": "flag_state.on", "key": "f"}});
    let scheduled = server.post(&format!("{PRODUCTION}/schedule"), change).await.is(201);
    let scheduled = format!("schedule/{}", id(&scheduled));
    let state = json!({"on": true, "off_variant": "off", "fallthrough": {"variant": "off"}});
    let mut refused = Refused::by(&server);
    let (whole, part, gone) = (Method::PUT, Method::PATCH, Method::DELETE);
    let refusal = (428, "precondition_required");
    for (path, methods, body) in [
        (format!("{FLAGS}/f"), vec![&whole, &part], json!({})),
        (format!("{PRODUCTION}/flags/f"), vec![&whole, &part], state),
        (format!("{PRODUCTION}/{scheduled}"), vec![&part], json!({})),
        (format!("{PRODUCTION}/segments/s"), vec![&whole, &part, &gone], json!({"kind": "tenant"})),
        (format!("{PRODUCTION}/features/regions"), vec![&whole, &part, &gone], regions(&["eu"])),
        (format!("{PRODUCTION}/plans/pro"), vec![&whole, &part, &gone], json!({})),
        (format!("{PRODUCTION}/plans/pro/versions/1"), vec![&gone], json!({})),
        (format!("{PRODUCTION}/addons/more"), vec![&whole, &part, &gone], json!({})),
        (format!("{PRODUCTION}/tenants/acme"), vec![&whole, &part, &gone], json!({})),
        (format!("{PRODUCTION}/tenants/acme/overrides/c-7"), vec![&whole, &gone], exception()),
    ] {
        for method in methods {
            let body = if *method == gone { Value::Null } else { body.clone() };
            refused.ask(method.clone(), &path, body, None, refusal).await;
        }
    }
    assert_eq!(refused.operations, documented("428"));
}

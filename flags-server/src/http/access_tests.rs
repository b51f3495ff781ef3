//! Every route that there is, asked with every token: what docs/protocol.md says of it is so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use axum::response::Response;
use flags_core::Timestamp;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::routes::{Needs, Within};
use super::{router, routes};
use crate::service::{Service, now};
use crate::store::Role;

const PROTOCOL: &str = include_str!("../../../docs/protocol.md");

/// What the table in docs/protocol.md says, by method and path.
fn documented() -> BTreeMap<(String, String), Needs> {
    let section = PROTOCOL.split("| request | role | within the scope |").nth(1).unwrap();
    let table = section.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut documented = BTreeMap::new();
    for line in table {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let within = match cells[2].split(':').next().unwrap() {
            "" => None,
            "everything" => Some(Within::Everything),
            "anything" => Some(Within::Anything),
            "the project" => Some(Within::Project),
            "a part of the project" => Some(Within::PartOfProject),
            "the environment" => Some(Within::Environment),
            other => panic!("what is {other}?"),
        };
        let needs = match (cells[1], within) {
            ("none, and no token", None) => Needs::Nothing,
            ("an `sdk` token", None) => Needs::Sdk,
            (role, Some(within)) => Needs::Role(Role::named(role).unwrap(), within),
            other => panic!("what is {other:?}?"),
        };
        for request in cells[0].split(", ") {
            let (method, path) = request.trim_matches('`').split_once(' ').unwrap();
            let earlier = documented.insert((method.to_owned(), path.to_owned()), needs);
            assert_eq!(earlier, None, "{request} is there twice");
        }
    }
    documented
}

#[test]
fn the_table_of_routes_is_the_declared_one() {
    let declared: BTreeMap<_, _> = routes()
        .declared
        .all()
        .into_iter()
        .map(|(path, method, needs)| ((method.to_string(), path.to_owned()), needs))
        .collect();
    assert!(declared.len() > 30);
    assert_eq!(declared, documented());
}

/// Somebody who asks.
#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    /// Project and environment; none of them is everything.
    place: Option<(&'static str, Option<&'static str>)>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Sdk,
    Role(Role),
}

const PLACES: [Option<(&str, Option<&str>)>; 6] = [
    None,
    Some(("mine", None)),
    Some(("mine", Some("here"))),
    Some(("mine", Some("elsewhere"))),
    Some(("other", None)),
    Some(("other", Some("here"))),
];

fn tokens() -> Vec<Token> {
    let mut tokens = Vec::new();
    for place in PLACES {
        tokens.extend(Role::ALL.map(|role| Token { kind: Kind::Role(role), place }));
        if matches!(place, Some((_, Some(_)))) {
            tokens.push(Token { kind: Kind::Sdk, place });
        }
    }
    tokens
}

/// What must come of asking for something in the environment `here` of the project `mine`:
/// the status of a refusal. Told by the place alone, without the code that decides it.
fn refusal(path: &str, needs: Needs, token: Token) -> Option<u16> {
    let (role, within) = match (needs, token.kind) {
        (Needs::Nothing, _) | (Needs::Sdk, Kind::Sdk) => return None,
        (Needs::Sdk, Kind::Role(_)) | (Needs::Role(..), Kind::Sdk) => return Some(403),
        (Needs::Role(role, within), Kind::Role(_)) => (role, within),
    };
    let Kind::Role(given) = token.kind else { unreachable!() };
    let enough = match (within, token.place) {
        (Within::Anything, _) | (_, None | Some(("mine", None))) => within != Within::Everything,
        (Within::Everything, Some(_)) => false,
        (_, Some(("other", _))) => return Some(404),
        (Within::Environment, Some((_, Some("elsewhere")))) => return Some(404),
        // Such as an import, which is for one environment and may change others.
        (Within::Project, Some((_, Some("elsewhere")))) if path.contains("{e}") => {
            return Some(404);
        }
        (Within::Project, Some((_, Some(_)))) => false,
        (Within::PartOfProject | Within::Environment, Some(_)) => true,
        (Within::Project, Some(_)) => true,
    };
    let enough = enough || token.place.is_none();
    (!enough || given < role).then_some(403)
}

/// A server with two projects, the same names in both.
struct Furnished {
    service: Arc<Service>,
    router: Router,
    /// A token that everybody sees who has the project or its environment.
    sdk: String,
    /// A change that is scheduled there.
    schedule: String,
    _dir: tempfile::TempDir,
}

async fn send(router: &Router, method: &str, path: &str, secret: &str, body: Value) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    if !secret.is_empty() {
        request = request.header("authorization", format!("Bearer {secret}"));
    }
    let request = request.body(Body::from(body.to_string())).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn body(response: Response) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

async fn furnished() -> Furnished {
    let dir = tempfile::tempdir().unwrap();
    let (service, _) = crate::service::tests::start(&dir);
    crate::service::tests::store_token(&service).await;
    let router = router(Arc::clone(&service), Vec::new());
    let post = async |path: &str, said: Value| {
        let response = send(&router, "POST", path, "secret", said).await;
        assert_eq!(response.status(), 201, "{path}");
        body(response).await
    };
    for project in ["mine", "other"] {
        post("/api/v1/projects", json!({"key": project})).await;
        let path = format!("/api/v1/projects/{project}");
        for environment in ["here", "elsewhere"] {
            post(&format!("{path}/environments"), json!({"key": environment})).await;
            let segment = json!({"key": "s", "kind": "tenant"});
            post(&format!("{path}/environments/{environment}/segments"), segment).await;
            let path = format!("{path}/environments/{environment}/tenants");
            let stored = json!({"tenants": [{"key": "acme"}]});
            assert_eq!(send(&router, "POST", &path, "secret", stored).await.status(), 200);
        }
        post(&format!("{path}/flags"), json!({"key": "f", "type": "boolean"})).await;
    }
    let said = json!({"name": "x", "kind": "sdk", "project": "mine", "environment": "here"});
    let sdk = post("/api/v1/tokens", said).await["id"].as_str().unwrap().to_owned();
    let at = Timestamp::from_millis(now().as_millis() + 60 * 60 * 1_000).to_string();
    let said = json!({"at": at, "change": {"action": "flag_state.on", "key": "f"}});
    let created = post("/api/v1/projects/mine/environments/here/schedule", said).await;
    let schedule = created["id"].as_str().unwrap().to_owned();
    Furnished { service, router, sdk, schedule, _dir: dir }
}

impl Furnished {
    async fn secret(&self, token: Token) -> String {
        self.create(token, json!({})).await["token"].as_str().unwrap().to_owned()
    }

    async fn create(&self, token: Token, more: Value) -> Value {
        let place =
            |(project, environment)| json!({"project": project, "environment": environment});
        let mut said = match token.kind {
            Kind::Sdk => {
                let mut said = place(token.place.unwrap());
                said["kind"] = "sdk".into();
                said
            }
            Kind::Role(role) => {
                let scope = token.place.map(|token| vec![place(token)]);
                json!({"kind": "personal", "role": role.name(), "scope": scope})
            }
        };
        said["name"] = "x".into();
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let response = send(&self.router, "POST", "/api/v1/tokens", "secret", said).await;
        assert_eq!(response.status(), 201, "{token:?}");
        body(response).await
    }

    /// A path as it was declared, with names of what is there.
    fn path(&self, declared: &str) -> String {
        let names = [("{p}", "mine"), ("{e}", "here"), ("{flag}", "f"), ("{segment}", "s")];
        let names = names.into_iter().chain([("{tenant}", "acme"), ("{id}", &*self.sdk)]);
        let names = names.chain([("{schedule}", &*self.schedule)]);
        let names = names.chain([("{revision}", "0")]);
        names.fold(declared.to_owned(), |path, (param, name)| path.replace(param, name))
    }
}

#[tokio::test]
async fn every_route_is_open_to_those_it_is_for_and_to_nobody_else() {
    let server = furnished().await;
    let routes = routes();
    for token in tokens() {
        let secret = server.secret(token).await;
        for (declared, method, needs) in routes.declared.all() {
            if *method == Method::DELETE && declared == "/api/v1/tokens/{id}" {
                // The others are asked about it.
                continue;
            }
            let path = server.path(declared);
            // Nothing is done: a body that says nothing is refused by what is let in.
            let response = send(&server.router, method.as_str(), &path, &secret, json!([])).await;
            let status = response.status().as_u16();
            if *method == Method::GET {
                let head = send(&server.router, "HEAD", &path, &secret, json!([])).await;
                assert_eq!(head.status(), status, "{token:?} HEAD {declared}");
            }
            let expected = match declared {
                // Who is let in sees what is in scope.
                "/api/v1/tokens/{id}" | "/api/v1/tokens/{id}/rotate"
                    if refusal(declared, needs, token).is_none() =>
                {
                    let sees = !matches!(token.place, Some(("other", _) | (_, Some("elsewhere"))));
                    let invalid = *method == Method::POST;
                    (!sees && !invalid).then_some(404)
                }
                _ => refusal(declared, needs, token),
            };
            match expected {
                Some(expected) => assert_eq!(status, expected, "{token:?} {method} {declared}"),
                None => assert!(
                    !matches!(status, 401 | 403 | 404 | 405 | 429 | 500..),
                    "{status} {token:?} {method} {declared}"
                ),
            }
        }
    }
}

/// A request that has a body has its place from then on that the body was read.
#[tokio::test]
async fn every_route_that_takes_a_body_reads_it() {
    let server = furnished().await;
    let sdk = Token { kind: Kind::Sdk, place: Some(("mine", Some("here"))) };
    let sdk = server.secret(sdk).await;
    for (declared, method, needs) in routes().declared.all() {
        if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
            continue;
        }
        let secret = if needs == Needs::Sdk { &*sdk } else { "secret" };
        let request = Request::builder().method(method).uri(server.path(declared));
        let request = request.header("authorization", format!("Bearer {secret}"));
        let request = request.header("if-match", "*").body(Body::from("{")).unwrap();
        let answer = body(server.router.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(answer["code"], "malformed_json", "{method} {declared}: {answer}");
    }
}

#[tokio::test]
async fn no_route_is_open_to_who_has_no_valid_token() {
    let server = furnished().await;
    let expired = Token { kind: Kind::Role(Role::Admin), place: None };
    let created = server.create(expired, json!({"expires_at": "9999-01-01T00:00:00Z"})).await;
    let end = Timestamp::parse("9999-01-01T00:00:00Z").unwrap();
    let secret = created["token"].as_str().unwrap();
    assert!(server.service.tokens.find(secret, now()).is_some());
    assert!(server.service.tokens.find(secret, end).is_none());
    let revoked = Token { kind: Kind::Sdk, place: Some(("mine", Some("here"))) };
    let revoked = server.create(revoked, json!({})).await;
    let path = format!("/api/v1/tokens/{}", revoked["id"].as_str().unwrap());
    let response = send(&server.router, "DELETE", &path, "secret", json!({})).await;
    assert_eq!(response.status(), 200);
    let mut statuses = BTreeSet::new();
    for secret in ["", "wrong", revoked["token"].as_str().unwrap()] {
        for (declared, method, needs) in routes().declared.all() {
            let path = server.path(declared);
            let response = send(&server.router, method.as_str(), &path, secret, json!([])).await;
            let status = response.status().as_u16();
            if needs == Needs::Nothing {
                assert_eq!(status, 200, "{method} {declared}");
            } else {
                // There are more routes than an address may fail to ask for in a minute.
                assert!(matches!(status, 401 | 429), "{status} {method} {declared}");
                statuses.insert(status);
            }
        }
    }
    assert_eq!(statuses, [401, 429].into());
}

/// A method that a route does not have is told to those who see the route.
#[tokio::test]
async fn a_method_that_is_not_there_opens_nothing() {
    let server = furnished().await;
    let token = Token { kind: Kind::Role(Role::Viewer), place: Some(("mine", Some("here"))) };
    let secret = server.secret(token).await;
    for (path, status) in [
        ("/api/v1/projects/mine/environments/here", 405),
        ("/api/v1/projects/mine/environments/here/flags/f/on", 405),
        ("/api/v1/projects/mine/environments/elsewhere", 404),
        ("/api/v1/projects/other", 404),
        ("/api/v1/projects/none", 404),
        ("/sdk/v1/snapshot", 403),
        ("/nothing", 404),
    ] {
        for method in ["OPTIONS", "TRACE", "BREW"] {
            let response = send(&server.router, method, path, &secret, json!([])).await;
            assert_eq!(response.status(), status, "{method} {path}");
        }
    }
}

/// What is out of scope and what is not there answer with the same words.
#[tokio::test]
async fn one_cannot_tell_what_is_out_of_scope_from_what_is_not_there() {
    let server = furnished().await;
    let at = |place| Token { kind: Kind::Role(Role::Admin), place: Some(place) };
    let here = server.secret(at(("mine", Some("here")))).await;
    let ask = async |method: &str, path: &str, said: &Value| {
        let response = send(&server.router, method, path, &here, said.clone()).await;
        let mut body = body(response).await;
        body["instance"].take();
        body.to_string()
    };
    for (declared, method, needs) in routes().declared.all() {
        let Needs::Role(_, within) = needs else { continue };
        let (there, not_there) = match within {
            Within::Everything | Within::Anything => continue,
            Within::Project | Within::PartOfProject => (["{p}", "other"], ["{p}", "never"]),
            Within::Environment => (["{e}", "elsewhere"], ["{e}", "nowhere"]),
        };
        let path = |[param, name]: [&str; 2]| server.path(&declared.replace(param, name));
        for said in [json!([]), json!({"context": {}}), json!({"key": "x", "type": "boolean"})] {
            let hidden = ask(method.as_str(), &path(there), &said).await;
            let absent = ask(method.as_str(), &path(not_there), &said).await;
            assert_eq!(hidden.replace(there[1], not_there[1]), absent, "{method} {declared}");
            assert!(absent.contains("\"not_found\""), "{method} {declared}: {absent}");
        }
    }
}

/// Lists have what is in scope, and no page of them has less or more.
#[tokio::test]
async fn lists_show_what_is_in_scope() {
    let server = furnished().await;
    for place in PLACES {
        let token = Token { kind: Kind::Role(Role::Admin), place };
        let secret = server.secret(token).await;
        let keys = async |list: &str, name: &str| {
            let (mut keys, mut next) = (Vec::new(), format!("/api/v1/{list}?limit=1"));
            loop {
                let page = body(send(&server.router, "GET", &next, &secret, json!([])).await).await;
                let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
                keys.extend(items.iter().map(|item| item[name].as_str().unwrap().to_owned()));
                match page["next_cursor"].as_str() {
                    Some(cursor) => next = format!("/api/v1/{list}?limit=1&cursor={cursor}"),
                    None => return keys,
                }
            }
        };
        let (projects, environments): (&[&str], &[&str]) = match place {
            None => (&["mine", "other"], &["elsewhere", "here"]),
            Some((project @ "mine", None)) => (&[project], &["elsewhere", "here"]),
            Some((project, None)) => (&[project], &["elsewhere", "here"]),
            Some((project, Some(environment))) => (&[project], &[environment]),
        };
        assert_eq!(keys("projects", "key").await, projects, "{place:?}");
        let list = format!("projects/{}/environments", projects[0]);
        assert_eq!(keys(&list, "key").await, environments, "{place:?}");
        let sees = keys("tokens", "id").await.contains(&server.sdk);
        let within = matches!(place, None | Some(("mine", None | Some("here"))));
        assert_eq!(sees, within, "{place:?}");
    }
}

/// Nobody gives away what they do not have.
#[tokio::test]
async fn tokens_are_managed_within_the_scope_alone() {
    let server = furnished().await;
    let admin = |place| Token { kind: Kind::Role(Role::Admin), place };
    let secret = server.secret(admin(Some(("mine", Some("here"))))).await;
    let ask = async |method: &str, path: &str, said: Value| {
        let response = send(&server.router, method, path, &secret, said).await;
        (response.status().as_u16(), body(response).await)
    };
    let place = |project: &str, environment: Option<&str>| json!([{"project": project, "environment": environment}]);
    let sdk = |project: &str, environment: &str| json!({"name": "x", "kind": "sdk", "project": project, "environment": environment});
    for (said, pointer) in [
        (json!({"role": "viewer"}), ""),
        (json!({"role": "viewer", "scope": null}), ""),
        (json!({"role": "viewer", "scope": place("mine", None)}), "/scope/0/environment"),
        (
            json!({"role": "viewer", "scope": place("mine", Some("elsewhere"))}),
            "/scope/0/environment",
        ),
        (json!({"role": "viewer", "scope": place("other", Some("here"))}), "/scope/0/project"),
        (json!({"role": "viewer", "scope": place("never", None)}), "/scope/0/project"),
        (sdk("mine", "elsewhere"), "/environment"),
        (sdk("other", "here"), "/project"),
    ] {
        let mut all = json!({"name": "x", "kind": "service"});
        all.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        let (status, body) = ask("POST", "/api/v1/tokens", all).await;
        assert_eq!((status, &body["errors"][0]["pointer"]), (422, &pointer.into()), "{body}");
        assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{body}");
    }
    for said in [
        json!({"name": "x", "kind": "service", "role": "admin", "scope": place("mine", Some("here"))}),
        sdk("mine", "here"),
    ] {
        let (status, created) = ask("POST", "/api/v1/tokens", said).await;
        assert_eq!(status, 201, "{created}");
        let path = format!("/api/v1/tokens/{}", created["id"].as_str().unwrap());
        let rotate = json!({"overlap_seconds": 0});
        assert_eq!(ask("POST", &format!("{path}/rotate"), rotate).await.0, 200);
        assert_eq!(ask("DELETE", &path, json!({})).await.0, 200);
    }
    for place in [None, Some(("mine", None)), Some(("mine", Some("elsewhere")))] {
        let hidden = server.create(admin(place), json!({})).await;
        let path = format!("/api/v1/tokens/{}", hidden["id"].as_str().unwrap());
        assert_eq!(ask("GET", &path, json!({})).await.0, 404);
        assert_eq!(ask("DELETE", &path, json!({})).await.0, 404);
        let rotate = json!({"overlap_seconds": 0});
        assert_eq!(ask("POST", &format!("{path}/rotate"), rotate).await.0, 404);
        assert!(server.service.tokens.find(hidden["token"].as_str().unwrap(), now()).is_some());
    }
}

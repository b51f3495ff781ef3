//! The audit log, searched.

#![cfg(test)]

mod server;

use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, PRODUCTION, SDK, TestServer, answer};

const AUDIT: &str = "/api/v1/audit";

async fn actions(server: &TestServer, query: &str) -> Vec<String> {
    let found = server.get(&format!("{AUDIT}{query}")).await.is(200);
    let text = |entry: &Value| {
        let action = entry["action"].as_str().unwrap();
        format!("{action} {}", entry["object"]["key"].as_str().unwrap())
    };
    found["items"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn entries_are_found_by_what_they_are() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    server.create_flag("g").await;
    server.press(&format!("{PRODUCTION}/flags/f/on?reason=launch")).await.is(200);
    let token = json!({"name": "ci", "kind": "service", "role": "admin"});
    let token = server.post("/api/v1/tokens", token).await.is(201);
    let secret = token["token"].as_str().unwrap();
    let off = server.request(Method::POST, &format!("{PRODUCTION}/flags/f/off"), secret);
    answer(off.header("x-request-id", "r-1")).await.is(200);
    server.post("/api/v1/projects", json!({"key": "shop"})).await.is(201);

    let id = token["id"].as_str().unwrap();
    let create = format!("token.create {id}");
    for (query, found) in [
        (
            String::new(),
            vec![
                "project.create shop",
                "flag_state.off f",
                &create,
                "flag_state.on f",
                "flag.create g",
                "flag.create f",
            ],
        ),
        (format!("?actor={id}"), vec!["flag_state.off f"]),
        ("?action=flag.create".into(), vec!["flag.create g", "flag.create f"]),
        ("?project=shop".into(), vec!["project.create shop"]),
        (
            "?project=default&environment=production".into(),
            vec!["flag_state.off f", "flag_state.on f"],
        ),
        ("?project=default&action=flag.create&object=f".into(), vec!["flag.create f"]),
        ("?object=flag/f".into(), vec!["flag_state.off f", "flag_state.on f", "flag.create f"]),
        ("?object=flag_state/f&limit=1".into(), vec!["flag_state.off f"]),
        ("?object=segment%2Ff".into(), vec![]),
        ("?to=2020-01-01T00:00:00Z".into(), vec![]),
        ("?from=2999-01-01T00:00:00Z".into(), vec![]),
    ] {
        assert_eq!(actions(&server, &query).await, found, "{query}");
    }
    let found = server.get(&format!("{AUDIT}?actor={id}")).await.is(200);
    let entry = &found["items"][0];
    assert_eq!(
        entry,
        &json!({"id": entry["id"], "at": entry["at"], "actor": {"id": id, "name": "ci"},
            "request_id": "r-1", "action": "flag_state.off", "project": "default",
            "environment": "production", "object": {"kind": "flag_state", "key": "f"}, "reason": null,
            "revisions": {"production": 4}, "summary": "switched off",
            "diff": [{"pointer": "/on", "before": true, "after": false}], "complete": true})
    );
    // An instant is a bound: from it on, and up to it.
    let at = entry["at"].as_str().unwrap();
    let from = actions(&server, &format!("?from={at}")).await;
    assert!(from.contains(&"flag_state.off f".to_owned()), "{from:?}");
    let to = actions(&server, &format!("?to={at}")).await;
    assert!(!to.contains(&"flag_state.off f".to_owned()), "{to:?}");
    assert!(!server.get(AUDIT).await.body.to_string().contains(secret));
}

#[tokio::test]
async fn pages_go_on_with_the_same_filter() {
    let server = TestServer::start().await;
    for key in ["a", "b", "c", "d", "e"] {
        server.create_flag(key).await;
        server.press(&format!("{PRODUCTION}/flags/{key}/on")).await.is(200);
    }
    let (mut found, mut next) = (Vec::new(), format!("{AUDIT}?limit=2&action=flag_state.on"));
    loop {
        let page = server.get(&next).await;
        let link = page.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        let page = page.is(200);
        let items = page["items"].as_array().unwrap().iter();
        found.push(
            items
                .map(|item| item["object"]["key"].as_str().unwrap().to_owned())
                .collect::<String>(),
        );
        assert_eq!(link.is_some(), page["next_cursor"].is_string());
        let Some(link) = link else { break };
        assert!(link.contains("action=flag_state.on&limit=2&cursor="), "{link}");
        next = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(found, ["ed", "cb", "a"]);
}

#[tokio::test]
async fn searches_are_checked_and_guarded() {
    let server = TestServer::start().await;
    for wrong in [
        "?environment=production",
        "?actor=ana",
        "?actor=",
        // As ids are written elsewhere, but not here.
        "?actor=0192f0c1-a2b3-7c4d-8e9f-a0b1c2d3e4f5",
        "?actor=0192F0C1A2B37C4D8E9FA0B1C2D3E4F5",
        "?actor=0192f0c1a2b37c4d8e9fa0b1c2d3e4f",
        "?action=off",
        "?from=yesterday",
        "?to=1",
        "?who=x",
        "?limit=501",
        "?cursor=x",
        "?cursor=MS54",
        "?cursor=MS4xODQ0Njc0NDA3MzcwOTU1MTYxNQ",
    ] {
        server.get(&format!("{AUDIT}{wrong}")).await.problem(400, "invalid_query");
    }
    let nobody = "0192f0c1a2b37c4d8e9fa0b1c2d3e4f5";
    for actor in ["server", "operator", nobody] {
        server.get(&format!("{AUDIT}?actor={actor}")).await.is(200);
    }
    // What is done to the whole database has no object in its name.
    for action in ["erase", "prune", "restore"] {
        server.get(&format!("{AUDIT}?action={action}")).await.is(200);
    }
    answer(server.request(Method::GET, AUDIT, "wrong")).await.problem(401, "unauthenticated");
    answer(server.request(Method::GET, AUDIT, SDK)).await.problem(403, "forbidden");
    answer(server.request(Method::POST, AUDIT, ADMIN)).await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn a_token_finds_what_happened_in_its_scope() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let development = PRODUCTION.replace("production", "development");
    for environment in [PRODUCTION, &development] {
        server.press(&format!("{environment}/flags/f/on")).await.is(200);
    }
    server.post("/api/v1/projects", json!({"key": "shop"})).await.is(201);
    for (place, found) in [
        (
            json!({"project": "default"}),
            vec!["default development", "default production", "default "],
        ),
        (json!({"project": "default", "environment": "production"}), vec!["default production"]),
        (json!({"project": "shop"}), vec!["shop "]),
    ] {
        let said = json!({"name": "x", "kind": "personal", "role": "admin", "scope": [place]});
        let token = server.post("/api/v1/tokens", said).await.is(201);
        let secret = token["token"].as_str().unwrap();
        let ask = async |query: &str| {
            let search = server.request(Method::GET, &format!("{AUDIT}{query}"), secret);
            let found = answer(search).await.is(200);
            let text = |entry: &Value| {
                let environment = entry["environment"].as_str().unwrap_or_default();
                format!("{} {environment}", entry["project"].as_str().unwrap())
            };
            found["items"].as_array().unwrap().iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(ask("").await, found);
        // To name what is out of scope finds nothing more.
        let named = ask("?project=default&environment=development").await;
        let development = found.into_iter().filter(|found| *found == "default development");
        assert_eq!(named, development.collect::<Vec<_>>());
    }
}

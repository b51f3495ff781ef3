//! Undo, and copies between environments: several objects at once, or none.

#![cfg(test)]

mod server;

use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, FLAGS, PRODUCTION, SDK, TestServer, answer};

const DEVELOPMENT: &str = "/api/v1/projects/default/environments/development";

fn summaries(done: &Value) -> Vec<(&str, &str, &str)> {
    done["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| {
            (
                object["kind"].as_str().unwrap(),
                object["key"].as_str().unwrap(),
                object["summary"].as_str().unwrap(),
            )
        })
        .collect()
}

/// Revision 3 of `f` is on for `acme`, 4 is rolled out, 5 has a rule for the segment `beta`.
async fn story() -> TestServer {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let path = format!("{PRODUCTION}/flags/f");
    server.press(&format!("{path}/on")).await.is(200);
    let target = server.request(Method::PUT, &format!("{path}/tenants/acme"), ADMIN);
    answer(target.json(&json!({"variant": "on"}))).await.is(200);
    let segment = json!({"key": "beta", "kind": "tenant", "included": ["acme"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    let rules = json!([{"when": {"segment": "beta"}, "serve": {"variant": "on"}}]);
    let edit = json!({"rules": rules, "targets": [], "fallthrough": {"variant": "off"}});
    server.patch(&path, 3, edit).await.is(200);
    server
}

async fn revert(server: &TestServer, path: &str, revision: u64) -> server::Answer {
    server.post(&format!("{PRODUCTION}{path}"), json!({"revision": revision})).await
}

#[tokio::test]
async fn a_flag_goes_back_to_what_it_was() {
    let server = story().await;
    let path = format!("{PRODUCTION}/flags/f");
    let then = json!({"revision": 3});
    let tried = server.post(&format!("{path}/revert?dry_run=true"), then.clone()).await.is(200);
    let told =
        [("flag_state", "f", "fallthrough: off → on; rule rule-1 removed; tenant acme set to on")];
    assert_eq!(summaries(&tried), told);
    assert_eq!((&tried["dry_run"], &tried["revision"]), (&json!(true), &json!(5)));
    assert_eq!(server.revision().await, 5);

    let stale = server.request(Method::POST, &format!("{path}/revert"), ADMIN);
    let stale = answer(stale.header("if-match", "\"3\"").json(&then)).await;
    assert_eq!(stale.problem(412, "version_mismatch")["current_version"], 5);
    let done = server.post(&format!("{path}/revert?reason=undo"), then.clone()).await.is(200);
    assert_eq!(summaries(&done), told);
    assert_eq!((&done["dry_run"], &done["revision"]), (&json!(false), &json!(6)));
    let state = server.get(&path).await.is(200);
    assert_eq!(
        (&state["targets"][0]["keys"], &state["rules"], &state["version"]),
        (&json!(["acme"]), &json!([]), &json!(6))
    );
    // Nothing is left to do.
    let again = server.post(&format!("{path}/revert"), then).await.is(200);
    assert_eq!((&again["revision"], &again["objects_count"]), (&json!(6), &json!(0)));
    let history = server.get(&format!("{path}/history?limit=1")).await.is(200);
    let entry = &history["items"][0];
    assert_eq!((&entry["action"], &entry["reason"]), (&json!("flag_state.revert"), &json!("undo")));
}

#[tokio::test]
async fn what_is_no_longer_there_is_named() {
    let server = story().await;
    let with = |variants: &[&str]| {
        let variants = variants.iter().map(|name| json!({"name": name, "value": *name != "off"}));
        json!({"variants": variants.collect::<Vec<_>>()})
    };
    let path = format!("{PRODUCTION}/flags/f");
    server.patch(&format!("{FLAGS}/f"), 1, with(&["on", "off", "dark"])).await.is(200);
    let dark = json!({"fallthrough": {"variant": "dark"}, "rules": [],
        "targets": [{"kind": "user", "keys": ["u"], "variant": "dark"}]});
    server.patch(&path, 6, dark).await.is(200);
    revert(&server, "/flags/f/revert", 5).await.is(200);
    server.patch(&format!("{FLAGS}/f"), 2, with(&["on", "off"])).await.is(200);
    revert(&server, "/flags/f/revert", 7).await.refuses(&[
        ("/fallthrough/variant", "unknown_variant"),
        ("/targets/0/variant", "unknown_variant"),
    ]);
    revert(&server, "/revert", 7).await.refuses(&[
        ("/flags/f/fallthrough/variant", "unknown_variant"),
        ("/flags/f/targets/0/variant", "unknown_variant"),
    ]);
    // A segment that is gone.
    server.patch(&path, 9, json!({"rules": []})).await.is(200);
    server.delete(&format!("{PRODUCTION}/segments/beta"), 4).await.is(200);
    revert(&server, "/flags/f/revert", 5)
        .await
        .refuses(&[("/rules/0/when/segment", "unknown_segment")]);
    assert_eq!(server.revision().await, 11);
    // It comes back, with its members, and then the flag can.
    let done = revert(&server, "/segments/beta/revert", 5).await.is(200);
    assert_eq!(summaries(&done), [("segment", "beta", "created; 1 key included (acme)")]);
    revert(&server, "/flags/f/revert", 5).await.is(200);
    assert_eq!(
        server.get(&format!("{PRODUCTION}/segments/beta")).await.is(200)["included"],
        json!(["acme"])
    );
}

#[tokio::test]
async fn an_environment_goes_back_in_one_revision() {
    let server = story().await;
    let before = server.snapshot().await;
    // Everything changes: the flag, the members, a further segment, and a flag that needs it.
    server.press(&format!("{PRODUCTION}/flags/f/off")).await.is(200);
    let members = json!({"included": {"add": ["globex"], "remove": ["acme"]}});
    server.post(&format!("{PRODUCTION}/segments/beta/members"), members).await.is(200);
    for key in ["late", "later"] {
        let segment = json!({"key": key, "kind": "user"});
        server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    }
    server.create_flag("g").await;
    let rules =
        json!({"on": true, "rules": [{"when": {"segment": "late"}, "serve": {"variant": "on"}}]});
    server.patch(&format!("{PRODUCTION}/flags/g"), 10, rules).await.is(200);

    // What is known of tenants is not undone.
    let acme = json!({"tenants": [{"key": "acme", "attributes": {"country": "DE"}}]});
    server.post(&format!("{PRODUCTION}/tenants"), acme).await.is(200);

    let mut events = server.stream("").await;
    let tried =
        server.post(&format!("{PRODUCTION}/revert?dry_run=true"), json!({"revision": 5})).await;
    let tried = tried.is(200);
    let done = revert(&server, "/revert", 5).await.is(200);
    assert_eq!(done["revision"], 13);
    assert_eq!(
        summaries(&done),
        [
            ("flag_state", "f", "switched on"),
            ("segment", "beta", "1 key included (acme); 1 key no longer included (globex)"),
            ("segment", "later", "deleted")
        ]
    );
    assert_eq!(
        done["kept"],
        json!([{"kind": "flag", "key": "g", "why": "created_later"},
               {"kind": "segment", "key": "late", "why": "needed"}])
    );
    assert_eq!((&tried["objects"], &tried["kept"]), (&done["objects"], &done["kept"]));
    // One change carries it all, and what was is again.
    let change = events.next().await.unwrap().data;
    assert_eq!((&change["revision"], change["objects"].as_array().unwrap().len()), (&json!(13), 3));
    let after = server.snapshot().await;
    let find = |document: &Value, key: &str| {
        let objects = document["objects"].as_array().unwrap();
        objects
            .iter()
            .find(|object| object["key"] == key)
            .map(|object| object["definition"].clone())
    };
    for key in ["f", "beta"] {
        assert_eq!(find(&after, key), find(&before, key));
    }
    assert_eq!((find(&after, "later"), find(&after, "late").is_some()), (None, true));
    assert_eq!(find(&after, "acme").unwrap(), json!({"attributes": {"country": "DE"}}));
    let history = server.get(&format!("{PRODUCTION}/history?limit=1")).await.is(200);
    let entry = &history["items"][0];
    assert_eq!(
        (&entry["action"], &entry["objects_count"]),
        (&json!("environment.revert"), &json!(3))
    );
    assert_eq!(entry["objects"], done["objects"]);

    let stale = server.request(Method::POST, &format!("{PRODUCTION}/revert"), ADMIN);
    let stale = stale.header("if-match", "\"12\"").json(&json!({"revision": 5}));
    answer(stale).await.problem(412, "version_mismatch");
}

/// Keys that differ in their case alone are one key; of two such segments, each was there once.
#[tokio::test]
async fn a_segment_comes_back_in_the_place_of_its_namesake() {
    let server = story().await;
    let flag = format!("{PRODUCTION}/flags/f");
    let without = json!({"rules": []});
    server.patch(&flag, 5, without).await.is(200);
    let beta = server.request(Method::DELETE, &format!("{PRODUCTION}/segments/beta"), ADMIN);
    answer(beta.header("if-match", "\"4\"")).await.is(200);
    let segment = json!({"key": "Beta", "kind": "tenant", "included": ["umbrella"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    let rules = json!([{"when": {"segment": "Beta"}, "serve": {"variant": "on"}}]);
    server.patch(&flag, 6, json!({"rules": rules})).await.is(200);

    let done = revert(&server, "/revert", 5).await.is(200);
    assert_eq!(done["revision"], 10, "{done}");
    let beta = server.get(&format!("{PRODUCTION}/segments/beta")).await.is(200);
    assert_eq!(beta["member_counts"]["included"], 1);
    server.get(&format!("{PRODUCTION}/segments/Beta")).await.is(404);
    let asked = json!({"flag": "f", "context": {"tenant": {"key": "acme"}}});
    let answer = server.post(&format!("{PRODUCTION}/evaluate"), asked).await.is(200);
    assert_eq!(answer["variant"], "on", "{answer}");
}

#[tokio::test]
async fn prerequisites_are_reverted_together() {
    let server = TestServer::start().await;
    for key in ["a", "b"] {
        server.create_flag(key).await;
    }
    let needs = |flag: &str| json!({"prerequisites": [{"flag": flag, "variants": ["on"]}]});
    server.patch(&format!("{PRODUCTION}/flags/a"), 1, needs("b")).await.is(200);
    server.patch(&format!("{PRODUCTION}/flags/a"), 3, json!({"prerequisites": []})).await.is(200);
    server.patch(&format!("{PRODUCTION}/flags/b"), 2, needs("a")).await.is(200);
    // One alone would close a cycle; both together turn it round.
    revert(&server, "/flags/a/revert", 3).await.refuses_as("cycle", &[("/prerequisites", "cycle")]);
    revert(&server, "/revert", 3).await.is(200);
    let state = server.get(&format!("{PRODUCTION}/flags/a")).await.is(200);
    assert_eq!(state["prerequisites"][0]["flag"], "b");
    revert(&server, "/revert", 5).await.is(200);
    let state = server.get(&format!("{PRODUCTION}/flags/b")).await.is(200);
    assert_eq!((&state["prerequisites"][0]["flag"], &state["version"]), (&json!("a"), &json!(7)));
}

#[tokio::test]
async fn a_flag_and_a_segment_are_copied_from_another_environment() {
    let server = story().await;
    let from = || json!({"from": "production"});
    let flag = format!("{DEVELOPMENT}/flags/f/copy");
    server.post(&flag, from()).await.refuses(&[("/rules/0/when/segment", "unknown_segment")]);
    let segment = format!("{DEVELOPMENT}/segments/beta/copy");
    let tried = server.post(&format!("{segment}?dry_run=true"), from()).await.is(200);
    assert_eq!(summaries(&tried), [("segment", "beta", "created; 1 key included (acme)")]);
    server.get(&format!("{DEVELOPMENT}/segments/beta")).await.problem(404, "not_found");
    server.post(&segment, from()).await.is(200);
    let request = server.request(Method::POST, &flag, ADMIN).header("idempotency-key", "k");
    let done = answer(request.json(&from())).await.is(200);
    assert_eq!(
        summaries(&done),
        [("flag_state", "f", "fallthrough: on → off; switched on; rule rule-1 added, serves on")]
    );
    for path in ["flags/f", "segments/beta"] {
        let [mut there, mut here] = [
            server.get(&format!("{PRODUCTION}/{path}")).await.is(200),
            server.get(&format!("{DEVELOPMENT}/{path}")).await.is(200),
        ];
        for shown in [&mut there, &mut here] {
            shown.as_object_mut().unwrap().remove("version");
        }
        assert_eq!(there, here);
    }
    assert_eq!(server.post(&flag, from()).await.is(200)["objects_count"], 0);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    let server = story().await;
    for revision in [0, 6, 1_000] {
        for path in ["/revert", "/flags/f/revert", "/segments/beta/revert"] {
            revert(&server, path, revision).await.refuses(&[("/revision", "unknown_revision")]);
        }
    }
    // It was not there yet.
    revert(&server, "/segments/beta/revert", 3).await.refuses(&[("/revision", "unknown_revision")]);
    for path in ["/flags/none/revert", "/segments/none/revert"] {
        revert(&server, path, 1).await.problem(404, "not_found");
    }
    for (path, body) in [
        ("/revert", json!({})),
        ("/revert", json!({"revision": -1})),
        ("/flags/f/revert", json!({"revision": 1, "force": true})),
        ("/flags/f/copy", json!({"from": 1})),
        ("/flags/f/copy", json!({"from": "nowhere"})),
        ("/segments/beta/copy", json!({"from": "production"})),
    ] {
        server.post(&format!("{PRODUCTION}{path}"), body).await.problem(422, "invalid");
    }
    let from = json!({"from": "development"});
    server
        .post(&format!("{PRODUCTION}/flags/none/copy"), from.clone())
        .await
        .problem(404, "not_found");
    server.post(&format!("{PRODUCTION}/segments/beta/copy"), from).await.problem(404, "not_found");
    // What is not known to be a dry run is none.
    let off = format!("{PRODUCTION}/flags/f/off?dry_run=true");
    server.press(&off).await.problem(400, "invalid_query");
    let path = format!("{PRODUCTION}/revert");
    let query = format!("{path}?dry_run=perhaps");
    server.post(&query, json!({"revision": 1})).await.problem(400, "invalid_query");
    let body = json!({"revision": 1});
    answer(server.request(Method::POST, &path, "wrong").json(&body))
        .await
        .problem(401, "unauthenticated");
    answer(server.request(Method::POST, &path, SDK).json(&body)).await.problem(403, "forbidden");
    let elsewhere = "/api/v1/projects/other/environments/production/revert";
    server.post(elsewhere, body).await.problem(404, "not_found");
    assert_eq!(server.revision().await, 5);
}

#[tokio::test]
async fn what_is_out_of_scope_is_not_copied() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let flag = format!("{DEVELOPMENT}/flags/f/copy?dry_run=true");
    let place = |environment| json!({"project": "default", "environment": environment});
    for (scope, status) in [
        (json!([place("development")]), 422),
        (json!([place("development"), place("production")]), 200),
    ] {
        let said = json!({"name": "x", "kind": "service", "role": "editor", "scope": scope});
        let token = server.post("/api/v1/tokens", said).await.is(201);
        let copy = async |from: &str| {
            let copy = server.request(Method::POST, &flag, token["token"].as_str().unwrap());
            answer(copy.json(&json!({"from": from}))).await
        };
        let answered = copy("production").await;
        assert_eq!(answered.status, status);
        if status == 422 {
            // In the words for one that is not there.
            let said = answered.faults("invalid");
            assert_eq!(said, [("/from".to_owned(), "not_found".to_owned())]);
        }
    }
}

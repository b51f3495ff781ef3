//! Everything that is refused, in which form, and that nothing of it is stored.

#![cfg(test)]

mod server;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use server::{ADMIN, Answer, FLAGS, PRODUCTION, TestServer, answer};

/// A server with the flags `a` and `b` and the segment `beta`, at revision 3 of production.
async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    server.create_flag("a").await;
    server.create_flag("b").await;
    let segment = json!({"key": "beta", "kind": "tenant", "included": ["acme"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    server
}

fn state() -> Value {
    json!({"on": true, "off_variant": "off", "fallthrough": {"variant": "on"}})
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

async fn put_state(server: &TestServer, body: Value) -> Answer {
    server.put(&format!("{PRODUCTION}/flags/a"), 1, body).await
}

async fn send(server: &TestServer, method: Method, path: &str, body: &str) -> Answer {
    answer(server.request(method, path, ADMIN).body(body.to_owned())).await
}

#[tokio::test]
async fn every_fault_of_a_state_is_reported_where_it_is() {
    let server = furnished().await;
    put_state(
        &server,
        json!({"onn": true, "off_variant": 7, "rules": [{"serve": {"variant": 1}, "x": 0}]}),
    )
    .await
    .refuses(&[
        ("", "missing_field"),
        ("", "missing_field"),
        ("/off_variant", "wrong_type"),
        ("/onn", "unknown_field"),
        ("/rules/0", "missing_field"),
        ("/rules/0/serve/variant", "wrong_type"),
        ("/rules/0/x", "unknown_field"),
    ]);
    let weights = json!([{"variant": "on", "weight": 1}, {"variant": "of", "weight": 2}]);
    let split = json!({"split": {"by": "tenant", "weights": weights}});
    put_state(&server, with(state(), "fallthrough", split)).await.refuses(&[
        ("/fallthrough/split/weights", "weights_total"),
        ("/fallthrough/split/weights/1/variant", "unknown_variant"),
    ]);
    let broken = with(state(), "off_variant", json!("of"));
    let broken =
        with(broken, "targets", json!([{"kind": "te.nant", "keys": ["x", "x"], "variant": "on"}]));
    put_state(&server, broken).await.refuses(&[
        ("/off_variant", "unknown_variant"),
        ("/targets/0/keys/1", "duplicate"),
        ("/targets/0/kind", "invalid_kind"),
    ]);
    put_state(&server, json!([])).await.refuses(&[("", "wrong_type")]);
    assert_eq!(server.revision().await, 3);
}

#[tokio::test]
async fn nothing_dangles() {
    let server = furnished().await;
    let body = with(
        state(),
        "prerequisites",
        json!([
        {"flag": "c", "variants": ["on"]}, {"flag": "b", "variants": ["on", "maybe"]}]),
    );
    let body = with(
        body,
        "rules",
        json!([
        {"when": {"any": [{"not": {"segment": "alpha"}}, {"segment": "beta"}]}, "serve": {"variant": "on"}}]),
    );
    put_state(&server, body).await.refuses(&[
        ("/prerequisites/0/flag", "unknown_flag"),
        ("/prerequisites/1/variants/1", "unknown_variant"),
        ("/rules/0/when/any/0/not/segment", "unknown_segment"),
    ]);
    assert_eq!(server.revision().await, 3);

    // What is needed stays.
    let body = with(state(), "prerequisites", json!([{"flag": "b", "variants": ["on"]}]));
    let body =
        with(body, "rules", json!([{"when": {"segment": "beta"}, "serve": {"variant": "on"}}]));
    put_state(&server, body).await.is(200);
    let problem =
        server.delete(&format!("{PRODUCTION}/segments/beta"), 3).await.problem(409, "in_use");
    assert!(problem["detail"].as_str().unwrap().contains("`a`"), "{problem}");

    // A variant that the other flag needs cannot go, nor one that the flag's own state serves.
    let variants = json!([{"name": "yes", "value": true}, {"name": "off", "value": false}]);
    let problem = server.patch(&format!("{FLAGS}/b"), 1, json!({"variants": variants})).await;
    let faults = problem.problem(422, "invalid");
    let messages: Vec<_> = faults["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["pointer"].as_str().unwrap(), e["message"].as_str().unwrap()))
        .collect();
    assert!(messages.iter().all(|(pointer, _)| *pointer == "/variants"), "{faults}");
    for said in [
        "in environment `production`, the flag `a` has `b` as a prerequisite with the variant `on`",
        "in environment `development`, at /fallthrough/variant of the state: the flag has no variant `on`; its variants are `yes`, `off`",
    ] {
        assert!(messages.iter().any(|(_, message)| *message == said), "{said}: {faults}");
    }
    assert_eq!(server.get(&format!("{FLAGS}/b")).await.is(200)["version"], 1);
    assert_eq!(server.revision().await, 4);
}

#[tokio::test]
async fn a_cycle_is_refused_whoever_closes_it() {
    let server = furnished().await;
    let needs =
        |key: &str| with(state(), "prerequisites", json!([{"flag": key, "variants": ["on"]}]));
    let problem = put_state(&server, needs("a")).await.problem(422, "cycle");
    assert_eq!(problem["errors"][0]["pointer"], "/prerequisites/0/flag");
    assert!(problem["errors"][0]["message"].as_str().unwrap().ends_with("a → a"), "{problem}");

    // Two that close a cycle together: exactly one of them is refused, every time.
    for _ in 0..10 {
        let server = furnished().await;
        let (b_path, a_path) = (format!("{PRODUCTION}/flags/b"), format!("{PRODUCTION}/flags/a"));
        let (one, other) =
            tokio::join!(server.put(&a_path, 1, needs("b")), server.put(&b_path, 2, needs("a")));
        let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
        won.is(200);
        lost.refuses_as("cycle", &[("/prerequisites/0/flag", "cycle")]);
        assert_eq!(server.revision().await, 4);
    }
}

#[tokio::test]
async fn of_two_that_cannot_both_be_exactly_one_is() {
    for _ in 0..10 {
        // Two editors of the same version.
        let server = furnished().await;
        let salted = |salt: &str| with(state(), "salt", json!(salt));
        let (one, other) =
            tokio::join!(put_state(&server, salted("1")), put_state(&server, salted("2")));
        let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
        won.is(200);
        lost.problem(412, "version_mismatch");

        // One that needs a segment, and one that deletes it.
        let path = format!("{PRODUCTION}/flags/b");
        let rules = json!([{"when": {"segment": "beta"}, "serve": {"variant": "on"}}]);
        let segment = format!("{PRODUCTION}/segments/beta");
        let (needs, deletes) = tokio::join!(
            server.patch(&path, 2, json!({"rules": rules})),
            server.delete(&segment, 3)
        );
        if needs.status == 200 {
            deletes.problem(409, "in_use");
        } else {
            needs.refuses(&[("/rules/0/when/segment", "unknown_segment")]);
            deletes.is(200);
        }
        assert_eq!(server.revision().await, 5);
    }
}

#[tokio::test]
async fn a_chain_of_prerequisites_is_bounded() {
    let server = TestServer::start().await;
    for link in 0..=17 {
        server.create_flag(&format!("f{link}")).await;
    }
    let mut refused = None;
    for link in 1..=17 {
        let needs =
            json!({"prerequisites": [{"flag": format!("f{}", link - 1), "variants": ["on"]}]});
        let path = format!("{PRODUCTION}/flags/f{link}");
        let answer = server.patch(&path, link + 1, needs).await;
        if answer.status != 200 {
            refused = Some(link);
            answer.refuses_as("limit_exceeded", &[("/prerequisites", "limit_exceeded")]);
        }
    }
    assert_eq!(refused, Some(17));
}

#[tokio::test]
async fn a_flag_named_like_nothing_special_can_be_a_prerequisite() {
    // `flag` was once taken for the flag itself.
    let server = furnished().await;
    server.create_flag("flag").await;
    let needs = with(state(), "prerequisites", json!([{"flag": "flag", "variants": ["on"]}]));
    put_state(&server, needs).await.is(200);
}

#[tokio::test]
async fn preconditions_are_demanded_and_checked() {
    let server = furnished().await;
    for (method, path) in [
        (Method::PUT, format!("{FLAGS}/a")),
        (Method::PATCH, format!("{FLAGS}/a")),
        (Method::PUT, format!("{PRODUCTION}/flags/a")),
        (Method::PATCH, format!("{PRODUCTION}/flags/a")),
        (Method::PUT, format!("{PRODUCTION}/segments/beta")),
        (Method::PATCH, format!("{PRODUCTION}/segments/beta")),
        (Method::DELETE, format!("{PRODUCTION}/segments/beta")),
    ] {
        let body = if method == Method::DELETE { "" } else { "{}" };
        send(&server, method.clone(), &path, body).await.problem(428, "precondition_required");
        let request = || server.request(method.clone(), &path, ADMIN).body(body);
        let stale = answer(request().header("if-match", "\"77\"")).await;
        let stale = stale.problem(412, "version_mismatch");
        let current = if path.ends_with("beta") { 3 } else { 1 };
        assert_eq!(stale["current_version"], current, "{path}");
        answer(request().header("if-match", "77")).await.problem(400, "invalid_header");
        if method == Method::PUT {
            let exists = answer(request().header("if-none-match", "*")).await;
            assert_eq!(exists.problem(412, "version_mismatch")["current_version"], current);
        }
    }
    for verb in ["on", "off"] {
        let path = format!("{PRODUCTION}/flags/a/{verb}");
        let stale = server.request(Method::POST, &path, ADMIN).header("if-match", "\"77\"");
        answer(stale).await.problem(412, "version_mismatch");
    }
    // A version in the body is held to the same.
    put_state(&server, with(state(), "version", json!(9)))
        .await
        .refuses(&[("/version", "version_mismatch")]);
    assert_eq!(server.revision().await, 3);
}

#[tokio::test]
async fn keys_are_checked_and_unique_but_for_their_case() {
    let server = furnished().await;
    for (path, rest) in [
        ("/api/v1/projects", json!({})),
        ("/api/v1/projects/default/environments", json!({})),
        (FLAGS, json!({"type": "boolean"})),
        (&format!("{PRODUCTION}/segments"), json!({"kind": "user"})),
    ] {
        let key = |key: &str| with(rest.clone(), "key", json!(key));
        server.post(path, key("not a key")).await.refuses(&[("/key", "invalid_key")]);
        server.post(path, rest.clone()).await.refuses(&[("", "missing_field")]);
        server.post(path, key("Some-Key")).await.is(201);
        for taken in ["Some-Key", "some_key", "SOME.KEY"] {
            server.post(path, key(taken)).await.problem(409, "key_conflict");
        }
    }
    let put = server.request(Method::PUT, &format!("{PRODUCTION}/segments/not%20a%20key"), ADMIN);
    let put = put.header("if-none-match", "*").json(&json!({"kind": "user"}));
    answer(put).await.refuses(&[("", "invalid_key")]);
}

#[tokio::test]
async fn every_fault_of_a_shared_definition_is_reported() {
    let server = furnished().await;
    server.post(FLAGS, json!({"key": 1, "type": "bool", "tag": [], "variants": {}})).await.refuses(
        &[
            ("/key", "wrong_type"),
            ("/tag", "unknown_field"),
            ("/type", "wrong_type"),
            ("/variants", "wrong_type"),
        ],
    );
    server.post(FLAGS, json!({"key": "s", "type": "string"})).await.refuses(&[
        ("", "missing_field"),
        ("", "missing_field"),
        ("", "missing_field"),
    ]);
    let variants = json!([{"name": "x", "value": "1"}, {"name": "x", "value": 2}]);
    let body = json!({"key": "s", "type": "string", "variants": variants, "off_variant": "y", "fallthrough": "z"});
    server.post(FLAGS, body).await.refuses(&[
        ("/fallthrough", "unknown_variant"),
        ("/off_variant", "unknown_variant"),
        ("/variants/1/name", "duplicate"),
        ("/variants/1/value", "wrong_type"),
    ]);
    let path = format!("{FLAGS}/a");
    server
        .put(&path, 1, json!({"key": "z", "type": "string"}))
        .await
        .refuses_as("immutable", &[("/key", "immutable"), ("/type", "immutable")]);
    server
        .patch(&path, 1, json!({"type": null, "off_variant": "on", "nam": null}))
        .await
        .refuses_as(
            "immutable",
            &[("/nam", "unknown_field"), ("/off_variant", "unknown_field"), ("/type", "immutable")],
        );
    let long = "x".repeat(10_001);
    let tags: Vec<String> = (0..51).map(|tag| tag.to_string()).chain(["y".repeat(65)]).collect();
    let body = json!({"name": long, "owner": long, "description": long, "tags": tags});
    server.patch(&path, 1, body).await.refuses_as(
        "limit_exceeded",
        &[
            ("/description", "limit_exceeded"),
            ("/name", "limit_exceeded"),
            ("/owner", "limit_exceeded"),
            ("/tags", "limit_exceeded"),
            ("/tags/51", "limit_exceeded"),
        ],
    );
    assert_eq!(server.revision().await, 3);
}

#[tokio::test]
async fn every_fault_of_a_segment_is_reported() {
    let server = furnished().await;
    let path = format!("{PRODUCTION}/segments");
    let body = json!({"key": "s", "kind": "tenant", "included": ["x", "x", 1], "when": {"attribute": "tenant.a", "op": "like"}, "rules": []});
    server.post(&path, body).await.refuses(&[
        ("/included/2", "wrong_type"),
        ("/rules", "unknown_field"),
        ("/when/op", "wrong_type"),
    ]);
    let body = json!({"key": "s", "kind": "tenant", "included": ["x", "x"], "when": {"all": [{"segment": "beta"}, {"attribute": "user.a", "op": "exists"}]}});
    server.post(&path, body).await.refuses(&[
        ("/included/1", "duplicate"),
        ("/when/all/0/segment", "nested_segment"),
        ("/when/all/1/attribute", "wrong_kind"),
    ]);
    server
        .patch(&format!("{path}/beta"), 3, json!({"key": "other"}))
        .await
        .refuses_as("immutable", &[("/key", "immutable")]);
    assert_eq!(server.revision().await, 3);
}

#[tokio::test]
async fn a_rollout_does_not_move_anybody_by_accident() {
    let server = furnished().await;
    let path = format!("{PRODUCTION}/flags/a/rollout");
    let post = |body| server.post(&path, body);
    post(json!({"variant": "on", "percent": 10})).await.refuses(&[("", "missing_field")]);
    post(json!({"variant": "off", "percent": 10, "by": "tenant"}))
        .await
        .refuses(&[("/variant", "off_variant")]);
    post(json!({"variant": "dark", "percent": 10, "by": "tenant"}))
        .await
        .refuses(&[("/variant", "unknown_variant")]);
    post(json!({"variant": "on", "percent": 10.0001, "by": "tenant"}))
        .await
        .refuses(&[("/percent", "out_of_range")]);
    post(json!({"variant": "on", "percent": 101, "by": "tenant"}))
        .await
        .refuses(&[("/percent", "out_of_range")]);
    post(json!({"variant": "on", "percent": 10, "by": "te nant"}))
        .await
        .refuses(&[("/by", "invalid_attribute")]);
    post(json!({"variant": "on", "percent": "10", "bye": "tenant"}))
        .await
        .refuses(&[("/bye", "unknown_field"), ("/percent", "wrong_type")]);
    assert_eq!(server.revision().await, 3);
    post(json!({"variant": "on", "percent": 10, "by": "tenant"})).await.is(200);
    post(json!({"variant": "on", "percent": 10, "by": "user"}))
        .await
        .problem(409, "rollout_conflict");
    post(json!({"variant": "on", "percent": 20, "by": "tenant.key"})).await.is(200);
    assert_eq!(server.revision().await, 5);
}

#[tokio::test]
async fn paths_that_name_nothing_are_not_found() {
    let server = furnished().await;
    for path in [
        "/api/v1/nothing".to_owned(),
        "/nothing".to_owned(),
        "/api/v1/projects/".to_owned(),
        "/api/v1/projects/other".to_owned(),
        "/api/v1/projects/other/flags".to_owned(),
        "/api/v1/projects/default/environments/other".to_owned(),
        format!("{FLAGS}/other"),
        format!("{FLAGS}/%ff"),
        format!("{PRODUCTION}/flags/other"),
        format!("{PRODUCTION}/segments/other"),
    ] {
        server.get(&path).await.problem(404, "not_found");
    }
    for path in [format!("{PRODUCTION}/flags/other/on"), format!("{PRODUCTION}/evaluate/")] {
        server.press(&path).await.problem(404, "not_found");
    }
    let evaluate = "/api/v1/projects/default/environments/other/evaluate";
    server.post(evaluate, json!({"context": {}})).await.problem(404, "not_found");
    server.patch(&format!("{FLAGS}/other"), 1, json!({})).await.problem(404, "not_found");
    for tenant in ["%2e", "%2e%2e", "."] {
        // A client may resolve the dots itself; either way nothing is named.
        let path = format!("{PRODUCTION}/flags/a/tenants/{tenant}");
        let put = server.request(Method::PUT, &path, ADMIN).json(&json!({"variant": "on"}));
        assert!(matches!(answer(put).await.status, 404 | 405), "{tenant}");
    }
    let path = format!("{PRODUCTION}/flags/a/tenants/a%00b");
    let put = server.request(Method::PUT, &path, ADMIN).json(&json!({"variant": "on"}));
    answer(put).await.refuses(&[("", "invalid_key")]);
    assert_eq!(server.revision().await, 3);
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let server = furnished().await;
    let refused = send(&server, Method::DELETE, FLAGS, "").await;
    let allow: BTreeSet<_> = refused.header("allow").split(',').map(str::to_owned).collect();
    assert_eq!(allow, ["GET", "HEAD", "POST"].map(str::to_owned).into());
    let said = refused.problem(405, "method_not_allowed");
    let only =
        said["detail"].as_str().unwrap().strip_prefix("this route has no such method, only ");
    let only: BTreeSet<_> = only.unwrap().split(", ").map(str::to_owned).collect();
    assert_eq!(only, allow);
    let refused = server.get(&format!("{PRODUCTION}/flags/a/on")).await;
    assert_eq!(refused.header("allow"), "POST");
    let said = refused.problem(405, "method_not_allowed");
    assert_eq!(said["detail"], "this route has no such method, only POST");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let server = furnished().await;
    let problem = send(&server, Method::POST, FLAGS, "{\"key\": \n \"x\",}").await;
    let detail = problem.problem(400, "malformed_json")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("line 2 column 6"), "{detail}");
    send(&server, Method::POST, FLAGS, "").await.problem(400, "malformed_json");
    let nested = "[".repeat(10_000);
    send(&server, Method::POST, FLAGS, &nested).await.problem(400, "malformed_json");
    let not_utf8 = server.request(Method::POST, FLAGS, ADMIN).body(b"{\"key\": \"\xff\"}".to_vec());
    answer(not_utf8).await.problem(400, "malformed_json");

    let large = format!("{{\"key\": \"{}\"}}", "x".repeat(1024 * 1024));
    send(&server, Method::POST, FLAGS, &large).await.problem(413, "body_too_large");
    // Without a length told beforehand, too.
    let chunks = vec![Ok::<_, std::io::Error>(large.clone())];
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let request = server.request(Method::POST, FLAGS, ADMIN).body(body);
    answer(request).await.problem(413, "body_too_large");

    let path = format!("{PRODUCTION}/flags/a");
    for refused in [
        server.post(&format!("{path}/on"), json!({"reason": "x"})).await,
        server.patch(&path, 1, json!({"reason": "x"})).await,
    ] {
        let problem = refused.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], "/reason");
        assert!(problem["detail"].as_str().unwrap().contains("?reason="), "{problem}");
    }
    assert_eq!(server.revision().await, 3);
}

#[tokio::test]
async fn queries_and_contexts_are_checked() {
    let server = furnished().await;
    for query in ["limit=0", "limit=501", "limit=x", "cursor=%21", "page=2"] {
        server.get(&format!("{FLAGS}?{query}")).await.problem(400, "invalid_query");
    }
    let long = "x".repeat(1_001);
    for query in [format!("reason={long}"), "raeson=x".to_owned()] {
        let path = format!("{PRODUCTION}/flags/a/on?{query}");
        server.press(&path).await.problem(400, "invalid_query");
    }
    server
        .post(
            &format!("{PRODUCTION}/evaluate"),
            json!({"context": {"user": {"age": {}}, "te.nant": 1}}),
        )
        .await
        .refuses(&[
            ("/context/te.nant", "invalid_kind"),
            ("/context/te.nant", "wrong_type"),
            ("/context/user/age", "wrong_type"),
        ]);
    server
        .post(&format!("{PRODUCTION}/explain"), json!({"context": {}}))
        .await
        .refuses(&[("", "missing_field")]);
    assert_eq!(server.revision().await, 3);
}

#[tokio::test]
async fn limits_are_named() {
    let server = furnished().await;
    let rule = json!({"when": {"all": []}, "serve": {"variant": "on"}});
    put_state(&server, with(state(), "rules", vec![rule; 101].into()))
        .await
        .refuses_as("limit_exceeded", &[("/rules", "too_many")]);
    assert_eq!(server.revision().await, 3);

    let server = TestServer::start().await;
    for index in 2..100 {
        let body = json!({"key": format!("e{index}")});
        server.post("/api/v1/projects/default/environments", body).await.is(201);
    }
    let problem =
        server.post("/api/v1/projects/default/environments", json!({"key": "one-more"})).await;
    let problem = problem.problem(422, "limit_exceeded");
    assert_eq!((&problem["limit"], &problem["maximum"]), (&json!("environments"), &json!(100)));
}

#[tokio::test]
async fn an_environment_holds_so_many_bytes() {
    let server = TestServer::start().await;
    server.create_flag("first").await;
    let limits = server.get(PRODUCTION).await.is(200)["limits"].clone();
    assert_eq!(limits["environment_bytes"], 64 * 1024 * 1024);
    let database = rusqlite::Connection::open(server.database()).unwrap();
    let fill = "UPDATE environment SET definition_bytes = ?1 WHERE key = 'production'";
    database.execute(fill, [64 * 1024 * 1024]).unwrap();
    let refused = server.post(FLAGS, json!({"key": "second", "type": "boolean"})).await;
    let problem = refused.problem(422, "limit_exceeded");
    assert_eq!(problem["limit"], "environment_bytes");
    server.get(&format!("{FLAGS}/second")).await.problem(404, "not_found");
    assert_eq!(server.revision().await, 1);
}

/// serde_json reads an object with this name as JSON embedded in a string, which nests anew.
#[tokio::test]
async fn names_that_serde_json_keeps_for_itself_are_refused() {
    let server = TestServer::start().await;
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    let value = json!({"$serde_json::private::RawValue": deep});
    for value in [value, json!([{"$serde_json::private::Number": "1e999"}])] {
        let flag = json!({"key": "m", "type": "json", "off_variant": "x", "fallthrough": "x",
                          "variants": [{"name": "x", "value": value}]});
        server.post(FLAGS, flag).await.problem(400, "malformed_json");
    }
    let twice = server.request(Method::POST, FLAGS, ADMIN);
    let twice = answer(twice.body(r#"{"key": "a", "type": "boolean", "key": "b"}"#)).await;
    let problem = twice.problem(400, "malformed_json");
    assert!(problem["detail"].as_str().unwrap().contains("`key` occurs twice"), "{problem}");
    assert_eq!(server.revision().await, 0);
}

#[tokio::test]
async fn no_limit_of_size_is_in_the_way_of_the_kill_switch() {
    let server = TestServer::start().await;
    server.create_flag("first").await;
    server.press(&format!("{PRODUCTION}/flags/first/on")).await.is(200);
    let database = rusqlite::Connection::open(server.database()).unwrap();
    let fill = "UPDATE environment SET definition_bytes = ?1 WHERE key = 'production'";
    database.execute(fill, [64 * 1024 * 1024]).unwrap();
    let off = server.press(&format!("{PRODUCTION}/flags/first/off")).await.is(200);
    assert_eq!((&off["on"], &off["revision"]), (&json!(false), &json!(3)));
    let rollout = json!({"variant": "on", "percent": 5, "by": "tenant"});
    let rollout = server.post(&format!("{PRODUCTION}/flags/first/rollout"), rollout).await;
    rollout.problem(422, "limit_exceeded");
}

#[tokio::test]
async fn the_variants_of_a_flag_count_in_every_environment() {
    let server = TestServer::start().await;
    let flag = json!({"key": "large", "type": "string", "off_variant": "x", "fallthrough": "x",
                      "variants": [{"name": "x", "value": "x".repeat(100_000)}]});
    server.post(FLAGS, flag).await.is(201);
    let database = rusqlite::Connection::open(server.database()).unwrap();
    let bytes = "SELECT min(definition_bytes) FROM environment";
    let bytes: u64 = database.query_row(bytes, [], |row| row.get(0)).unwrap();
    assert!((100_000..101_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn very_many_problems_are_told_up_to_a_thousand() {
    let server = furnished().await;
    let rules = Value::Array(vec![json!({}); 5_000]);
    let problem = put_state(&server, with(state(), "rules", rules)).await.problem(422, "invalid");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 1_000);
    assert_eq!(problem["detail"], "1000 problems or more, see `errors` for the first");
}

#[tokio::test]
async fn percentages_have_three_decimals_and_no_more() {
    let server = TestServer::start().await;
    server.create_flag("first").await;
    for percent in ["99.9999999999", "1e-10", "0.0005", "100.001", "-0.001"] {
        let body = format!(r#"{{"variant": "on", "by": "tenant", "percent": {percent}}}"#);
        let path = format!("{PRODUCTION}/flags/first/rollout");
        let request = server.request(Method::POST, &path, ADMIN).body(body);
        answer(request).await.refuses(&[("/percent", "out_of_range")]);
    }
}

#[tokio::test]
async fn conditions_of_requests_are_written_in_one_way() {
    let server = TestServer::start().await;
    server.create_flag("first").await;
    let path = format!("{PRODUCTION}/flags/first");
    for values in [&["\"+1\""][..], &["\"01\""], &["*", "\"9\""], &["1"]] {
        let mut request = server.request(Method::PATCH, &path, ADMIN).json(&json!({"on": true}));
        for value in values {
            request = request.header("if-match", *value);
        }
        answer(request).await.problem(400, "invalid_header");
    }
    let reason = server.press(&format!("{path}/on?reason=a%00b")).await;
    reason.problem(400, "invalid_query");
    assert_eq!(server.revision().await, 1);
}

#[tokio::test]
async fn what_people_write_has_no_control_characters() {
    let server = furnished().await;
    let wrong = "pay\u{1b}[2J";
    for (path, rest) in [
        ("/api/v1/projects", json!({"key": "p"})),
        ("/api/v1/projects/default/environments", json!({"key": "e"})),
        ("/api/v1/tokens", json!({"kind": "personal", "role": "viewer"})),
        (FLAGS, json!({"key": "f", "type": "boolean"})),
    ] {
        for name in [wrong, "a\nb", "a\u{202e}b"] {
            let body = with(rest.clone(), "name", json!(name));
            server.post(path, body).await.refuses(&[("/name", "invalid_text")]);
        }
    }
    for path in ["/api/v1/projects/default", PRODUCTION] {
        let patch = server.request(Method::PATCH, path, ADMIN).json(&json!({"name": wrong}));
        answer(patch).await.refuses(&[("/name", "invalid_text")]);
    }
    let body = json!({"name": wrong, "owner": wrong, "description": wrong, "tags": ["a", "a\tb"]});
    let faults = [
        ("/description", "invalid_text"),
        ("/name", "invalid_text"),
        ("/owner", "invalid_text"),
        ("/tags/1", "invalid_text"),
    ];
    server.patch(&format!("{FLAGS}/a"), 1, body.clone()).await.refuses(&faults);
    let mut flag = server.get(&format!("{FLAGS}/a")).await.is(200);
    flag.as_object_mut().unwrap().retain(|name, _| name == "type" || name == "variants");
    flag["key"] = json!("new");
    flag["state"] = state();
    flag["owner"] = json!(wrong);
    let import = server.post(&format!("{PRODUCTION}/import"), json!({"flags": [flag]})).await;
    import.refuses(&[("/flags/0/owner", "invalid_text")]);
    let off = format!("{PRODUCTION}/flags/a/on?reason=a%1Bb");
    server.press(&off).await.problem(400, "invalid_query");
    assert_eq!(server.revision().await, 3);
    // A description may have lines.
    let lines = json!({"description": "one\n\ttwo"});
    server.patch(&format!("{FLAGS}/a"), 1, lines).await.is(200);
}

#[tokio::test]
async fn an_empty_cursor_is_of_no_list() {
    let server = furnished().await;
    let lists = [
        "flags",
        "segments",
        "segments/beta/members",
        "tenants",
        "schedule",
        "history",
        "instances",
    ];
    let lists = lists.map(|list| format!("{PRODUCTION}/{list}"));
    let others = ["/api/v1/projects", FLAGS, "/api/v1/tokens", "/api/v1/audit"];
    for list in lists.iter().map(String::as_str).chain(others) {
        server.get(list).await.is(200);
        server.get(&format!("{list}?cursor=")).await.problem(400, "invalid_query");
    }
    let preview = format!("{PRODUCTION}/preview/tenants");
    let said = json!({"flag": "a", "patch": {"on": true}});
    server.post(&preview, said.clone()).await.is(200);
    server.post(&format!("{preview}?cursor="), said).await.problem(400, "invalid_query");
}

//! A `POST` with an `Idempotency-Key` happens once.

#![cfg(test)]

mod server;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use server::{ADMIN, Answer, FLAGS, PRODUCTION, TestServer, answer};

fn post(server: &TestServer, path: &str, key: &str) -> RequestBuilder {
    server.request(Method::POST, path, ADMIN).header("idempotency-key", key)
}

async fn create(server: &TestServer, flag: &str, key: &str) -> Answer {
    answer(post(server, FLAGS, key).json(&json!({"key": flag, "type": "boolean"}))).await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|replayed| replayed == "true")
}

#[tokio::test]
async fn the_same_request_is_answered_again_without_a_second_effect_also_after_a_restart() {
    let server = TestServer::start().await;
    let first = create(&server, "f", "\"k-1\"").await;
    assert!(!is_replayed(&first));
    let second = create(&server, "f", "\"k-1\"").await;
    let server = TestServer::start_in(server.stop().await).await;
    // Without the quotes it is the same key.
    let third = create(&server, "f", "k-1").await;
    for again in [&second, &third] {
        assert!(is_replayed(again));
        for name in ["etag", "location", "content-type"] {
            assert_eq!(again.header(name), first.header(name));
        }
    }
    assert_ne!(second.header("x-request-id"), first.header("x-request-id"));
    let first = first.is(201);
    assert_eq!((second.is(201), third.is(201)), (first.clone(), first));
    assert_eq!(server.revision().await, 1);
    // A verb without a body, too, also when somebody undid it meanwhile.
    let on = format!("{PRODUCTION}/flags/f/on");
    assert_eq!(answer(post(&server, &on, "k-2")).await.is(200)["revision"], 2);
    server.press(&format!("{PRODUCTION}/flags/f/off")).await.is(200);
    assert_eq!(answer(post(&server, &on, "k-2")).await.is(200)["revision"], 2);
    assert_eq!(server.get(&format!("{PRODUCTION}/flags/f")).await.is(200)["on"], false);
}

#[tokio::test]
async fn of_many_that_arrive_at_once_one_has_an_effect() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let path = format!("{PRODUCTION}/segments/s/members");
    server
        .post(&format!("{PRODUCTION}/segments"), json!({"key": "s", "kind": "user"}))
        .await
        .is(201);
    let add = || {
        let body = json!({"included": {"add": ["a"]}});
        answer(post(&server, &path, "k").json(&body))
    };
    let answers = tokio::join!(add(), add(), add(), add());
    let answers = [answers.0, answers.1, answers.2, answers.3];
    assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
    for answer in answers {
        assert_eq!(answer.is(200)["added"], 1);
    }
    assert_eq!(server.revision().await, 3);
}

#[tokio::test]
async fn another_request_with_the_key_is_refused() {
    let server = TestServer::start().await;
    create(&server, "f", "k").await.is(201);
    create(&server, "g", "k").await.problem(422, "idempotency_key_reused");
    let elsewhere = post(&server, &format!("{PRODUCTION}/flags/f/on"), "k");
    answer(elsewhere).await.problem(422, "idempotency_key_reused");
    let reason = post(&server, &format!("{FLAGS}?reason=x"), "k");
    let reason = reason.json(&json!({"key": "f", "type": "boolean"}));
    answer(reason).await.problem(422, "idempotency_key_reused");
    assert_eq!(server.revision().await, 1);

    // The keys of another token are its own.
    let other = json!({"name": "other", "kind": "service", "role": "admin"});
    let other = server.post("/api/v1/tokens", other).await.is(201);
    let request = server.request(Method::POST, FLAGS, other["token"].as_str().unwrap());
    let request = request.header("idempotency-key", "k");
    answer(request.json(&json!({"key": "g", "type": "boolean"}))).await.is(201);
}

#[tokio::test]
async fn what_is_refused_is_not_kept() {
    let server = TestServer::start().await;
    let on = format!("{PRODUCTION}/flags/f/on");
    answer(post(&server, &on, "k")).await.problem(404, "not_found");
    server.create_flag("f").await;
    let switched = answer(post(&server, &on, "k")).await;
    assert!(!is_replayed(&switched));
    assert_eq!(switched.is(200)["on"], true);

    for wrong in ["", "\"", "a b", "\"a\";p=1", &"k".repeat(256)] {
        answer(post(&server, &on, wrong)).await.problem(400, "invalid_header");
    }
    let twice = post(&server, &on, "a").header("idempotency-key", "b");
    answer(twice).await.problem(400, "invalid_header");
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_and_a_secret_not_at_all() {
    let server = TestServer::start().await;
    let body = json!({"name": "ci", "kind": "service", "role": "admin"});
    let token = || answer(post(&server, "/api/v1/tokens", "t").json(&body));
    let first = token().await.is(201);
    let again = token().await;
    assert!(is_replayed(&again));
    let again = again.is(201);
    assert_eq!((&again["id"], again.get("token")), (&first["id"], None));

    // Nor is there a second new one, and no trace of the first.
    let rotate = format!("/api/v1/tokens/{}/rotate", first["id"].as_str().unwrap());
    let rotate = || answer(post(&server, &rotate, "r").json(&json!({"overlap_seconds": 60})));
    let rotated = rotate().await.is(200);
    let again = rotate().await;
    assert!(is_replayed(&again));
    let again = again.is(200);
    assert_eq!(
        (&again["overlap_ends_at"], again.get("token")),
        (&rotated["overlap_ends_at"], None)
    );

    create(&server, "f", "k").await.is(201);
    let database = rusqlite::Connection::open(server.database()).unwrap();
    let count = || -> i64 {
        database.query_row("SELECT count(*) FROM answer", (), |row| row.get(0)).unwrap()
    };
    for secret in [&first["token"], &rotated["token"]] {
        let holds = "SELECT count(*) FROM answer WHERE instr(body, ?1) > 0";
        let secret = secret.as_str().unwrap();
        let holds: i64 = database.query_row(holds, [secret], |row| row.get(0)).unwrap();
        assert_eq!((count(), holds), (3, 0));
    }
    database.execute("UPDATE answer SET at = at - 24 * 60 * 60 * 1000 - 1", ()).unwrap();
    // It happens anew, and is refused for a reason of its own.
    create(&server, "f", "k").await.problem(409, "key_conflict");
    assert_eq!(count(), 3);
    create(&server, "g", "k").await.is(201);
    assert_eq!(count(), 1, "the old ones are gone");
    let evaluate = post(&server, &format!("{PRODUCTION}/evaluate"), "k");
    let evaluated = answer(evaluate.json(&json!({"flag": "f", "context": {}}))).await.is(200);
    assert_eq!(evaluated["value"], Value::Bool(false), "what writes nothing needs no key");
}

#[tokio::test]
async fn an_erasure_makes_nothing_happen_again() {
    let server = TestServer::start().await;
    let segment = json!({"key": "s", "kind": "user", "included": ["1", "12"]});
    let segments = format!("{PRODUCTION}/segments");
    answer(post(&server, &segments, "k-1").json(&segment)).await.is(201);
    let token = json!({"name": "n1", "kind": "service", "role": "viewer"});
    let made = async || answer(post(&server, "/api/v1/tokens", "k-2").json(&token)).await;
    let first = made().await.is(201);
    let wanted = json!({"kind": "user", "key": "1"});
    let mut dry = wanted.clone();
    dry["dry_run"] = json!(true);
    let dry = server.post("/api/v1/erasures", dry).await.is(200);
    let erased = server.post("/api/v1/erasures", wanted.clone()).await.is(200);
    // Many texts have its letters and other meanings; the answer of the segment alone has it.
    assert_eq!((&dry["answers"], &erased["answers"]), (&json!(1), &json!(1)));
    let again = made().await;
    assert!(is_replayed(&again));
    let again = again.is(201);
    for member in ["id", "name", "role", "kind"] {
        assert_eq!(again[member], first[member]);
    }
    // The key is not brought back by who sends again what has it.
    let again = answer(post(&server, &segments, "k-1").json(&segment)).await;
    assert!(is_replayed(&again));
    assert_eq!(again.is(201)["included"], json!(["[erased]", "12"]));
    let now = server.get(&format!("{segments}/s")).await.is(200);
    assert_eq!(now["included"], json!(["12"]));
    assert_eq!(server.post("/api/v1/erasures", wanted).await.is(200)["answers"], 0);
}

#[tokio::test]
async fn a_revert_that_was_answered_is_answered_again_when_it_could_not_be_made_any_more() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let flag = format!("{PRODUCTION}/flags/f");
    let segment = format!("{PRODUCTION}/segments/s");
    server.press(&format!("{flag}/on")).await.is(200);
    server
        .post(&format!("{PRODUCTION}/segments"), json!({"key": "s", "kind": "user"}))
        .await
        .is(201);
    let revert = async |what: &str, key: &str, revision: u64| {
        let request = post(&server, &format!("{what}/revert"), key);
        answer(request.json(&json!({"revision": revision}))).await
    };
    let places = [(&*flag, "k-1"), (&*segment, "k-2"), (PRODUCTION, "k-3")];
    let mut first = Vec::new();
    for (what, key) in places {
        first.push(revert(what, key, 3).await.is(200));
    }
    server.press(&format!("{flag}/off")).await.is(200);
    server.press(&format!("{FLAGS}/f/archive")).await.is(200);
    revert(&flag, "k-4", 3).await.problem(404, "not_found");
    server.press(&format!("{PRODUCTION}/archive")).await.is(200);
    for ((what, key), first) in places.into_iter().zip(first) {
        let again = revert(what, key, 3).await;
        assert!(is_replayed(&again), "{what}: {}", again.body);
        assert_eq!(again.is(200), first);
        revert(what, key, 2).await.problem(422, "idempotency_key_reused");
        // What is only tried is not what was done.
        let tried = post(&server, &format!("{what}/revert?dry_run=true"), key);
        answer(tried.json(&json!({"revision": 3}))).await.problem(404, "not_found");
    }
}

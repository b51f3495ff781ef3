//! Which SDK instances are connected, and which have applied what.

#![cfg(test)]

mod server;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use server::{ADMIN, Answer, Events, PRODUCTION, SDK, TestServer, answer};

fn telemetry(server: &TestServer) -> RequestBuilder {
    server.request(Method::POST, "/sdk/v1/telemetry", SDK)
}

async fn connect(server: &TestServer, instance: &str) -> Events {
    let request = server.request(Method::GET, "/sdk/v1/stream", SDK);
    let mut stream = Events::of(request.header("flags-instance", instance)).await;
    stream.block().await.unwrap();
    stream
}

async fn say(server: &TestServer, instance: &str, revision: u64) -> Answer {
    let epoch = server.snapshot().await["epoch"].clone();
    let applied = json!([{"revision": revision, "age_ms": 0}]);
    let body = json!({"instance": instance, "app": "shop", "epoch": epoch, "applied": applied,
                      "sdk": {"name": "test", "version": "1.2.3"}, "of a later version": [1]});
    answer(telemetry(server).json(&body)).await
}

async fn propagation(server: &TestServer, rest: &str) -> Value {
    server.get(&format!("{PRODUCTION}/propagation/{rest}")).await.is(200)
}

async fn instances(server: &TestServer) -> Vec<Value> {
    let list = server.get(&format!("{PRODUCTION}/instances")).await.is(200);
    list["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_revision_has_come_as_far_as_instances_say() {
    let server = TestServer::start().await;
    let one = connect(&server, "one").await;
    assert_eq!(one.headers["flags-receipt-window-ms"], "1000");
    let _two = connect(&server, "two").await;
    let _nameless = server.stream("").await;
    server.create_flag("f").await;
    let none = propagation(&server, "1").await;
    assert_eq!(
        (&none["connected"], &none["applied"], &none["pending"]),
        (&2.into(), &0.into(), &2.into())
    );
    assert_eq!((&none["unidentified"], &none["delay_ms"]), (&1.into(), &Value::Null));

    let said = say(&server, "one", 1).await.is(200);
    assert_eq!(said, json!({"window_ms": 1000}));
    say(&server, "one", 1).await.is(200);
    let half = propagation(&server, "1?wait=1ms").await;
    assert_eq!((&half["applied"], &half["pending"]), (&1.into(), &1.into()));
    assert!(half["delay_ms"]["max"].is_u64(), "{half}");
    assert_eq!(half["instances"][0]["instance"], "two", "who lacks it comes first");
    assert_eq!(half["instances"][1]["applied"], true);
    assert_eq!(half["instances"][1]["revision"], 1);

    // The wait ends with the last receipt, not with its time.
    let (waited, ()) = tokio::join!(propagation(&server, "1?wait=30s"), async {
        say(&server, "two", 1).await.is(200);
    });
    assert_eq!((&waited["applied"], &waited["pending"]), (&2.into(), &0.into()));

    let listed = instances(&server).await;
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0]["instance"], &listed[0]["app"]), (&"one".into(), &"shop".into()));
    assert_eq!(listed[0]["sdk"], json!({"name": "test", "version": "1.2.3"}));
    assert!(listed[0]["connected_since"].is_string() && listed[0]["last_seen"].is_string());
    let page = server.get(&format!("{PRODUCTION}/instances?limit=1")).await;
    assert!(page.header("link").contains("rel=\"next\""));
    let cursor = page.is(200)["next_cursor"].as_str().unwrap().to_owned();
    let next = server.get(&format!("{PRODUCTION}/instances?cursor={cursor}")).await.is(200);
    assert_eq!(next["items"][0]["instance"], "two");

    let page = server.request(Method::GET, "/metrics", ADMIN).send().await.unwrap();
    let page = page.text().await.unwrap();
    let labels = r#"{environment="production",project="default"}"#;
    for line in [
        format!("flags_propagation_seconds_count{labels} 2\n"),
        format!("flags_instances_connected{labels} 2\n"),
    ] {
        assert!(page.contains(&line), "{line} in {page}");
    }
    for name in ["shop", "1.2.3", "one"] {
        assert!(!page.contains(&format!("\"{name}\"")), "{name}");
    }
}

#[tokio::test]
async fn an_instance_that_goes_away_leaves_the_list_and_is_not_waited_for() {
    let server = TestServer::start().await;
    let one = connect(&server, "one").await;
    let two = connect(&server, "two").await;
    server.create_flag("f").await;
    say(&server, "one", 1).await.is(200);
    let (waited, ()) = tokio::join!(propagation(&server, "1?wait=30s"), async { drop(two) });
    assert_eq!((&waited["connected"], &waited["pending"]), (&1.into(), &0.into()));
    assert_eq!(instances(&server).await.len(), 1);
    drop(one);
    let deadline = std::time::Instant::now() + server::DEADLINE;
    while !instances(&server).await.is_empty() {
        assert!(std::time::Instant::now() < deadline, "it stays in the list");
    }
    // It is known again with what it said.
    let _one = connect(&server, "one").await;
    assert_eq!(instances(&server).await[0]["revision"], 1);
}

/// As many as one token may work on at the same time.
#[tokio::test]
async fn who_waits_is_in_nobodys_way() {
    let server = TestServer::start().await;
    let _one = connect(&server, "one").await;
    server.create_flag("f").await;
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            let path = format!("{PRODUCTION}/propagation/1?wait=30s");
            tokio::spawn(answer(server.request(Method::GET, &path, ADMIN)))
        })
        .collect();
    let under_way = async || {
        let page = server.request(Method::GET, "/metrics", ADMIN).send().await.unwrap();
        page.text().await.unwrap().contains("flags_http_requests_in_flight{area=\"wait\"} 64\n")
    };
    let all = async { while !under_way().await {} };
    tokio::time::timeout(server::DEADLINE, all).await.expect("all of them wait");
    server.press(&format!("{PRODUCTION}/flags/f/off")).await.is(200);
    // One more is not made to wait.
    let more = propagation(&server, "1?wait=30s").await;
    assert_eq!(more["pending"], 1);
    say(&server, "one", 1).await.is(200);
    for answered in waiting {
        assert_eq!(answered.await.unwrap().is(200)["pending"], 0);
    }
}

#[tokio::test]
async fn instances_are_those_of_their_environment() {
    let server = TestServer::start().await;
    let _one = connect(&server, "one").await;
    let development = PRODUCTION.replace("production", "development");
    let list = server.get(&format!("{development}/instances")).await.is(200);
    assert_eq!(list["items"], json!([]));
    let there = server.get(&format!("{development}/propagation/0")).await.is(200);
    assert_eq!(there["connected"], 0);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let epoch = server.snapshot().await["epoch"].clone();
    let applied = |revision: u64| json!([{"revision": revision, "age_ms": 1}]);
    for (body, faults) in [
        (json!([]), vec![("", "wrong_type")]),
        (json!({}), vec![("", "missing_field")]),
        (
            json!({"instance": 1, "app": []}),
            vec![("/app", "wrong_type"), ("/instance", "wrong_type")],
        ),
        (json!({"instance": ""}), vec![("/instance", "invalid_name")]),
        (json!({"instance": "x".repeat(65)}), vec![("/instance", "invalid_name")]),
        (json!({"instance": "i", "app": "a b"}), vec![("/app", "invalid_name")]),
        (
            json!({"instance": "i", "sdk": {"name": "\n", "version": "1"}}),
            vec![("/sdk/name", "invalid_name")],
        ),
        (json!({"instance": "i", "applied": applied(1)}), vec![("", "missing_field")]),
        (
            json!({"instance": "i", "epoch": epoch, "applied": [{"revision": -1}]}),
            vec![("/applied/0", "missing_field"), ("/applied/0/revision", "wrong_type")],
        ),
        (
            json!({"instance": "i", "epoch": epoch, "applied": applied(2)}),
            vec![("/applied/0/revision", "unknown_revision")],
        ),
    ] {
        answer(telemetry(&server).json(&body)).await.refuses(&faults);
    }
    let many = vec![json!({"revision": 1, "age_ms": 1}); 9];
    let many = json!({"instance": "i", "epoch": epoch, "applied": many});
    answer(telemetry(&server).json(&many))
        .await
        .refuses_as("limit_exceeded", &[("/applied", "too_many")]);
    let other = json!({"instance": "i", "epoch": "other", "applied": applied(99)});
    answer(telemetry(&server).json(&other)).await.is(200);

    // Garbage: a hundred bodies that an attacker might send.
    let whole = json!({"instance": "garbage", "epoch": epoch, "applied": applied(1)}).to_string();
    for number in 0..100_usize {
        let body = match number % 5 {
            0 => whole.as_bytes()[..number % (whole.len() - 1)].to_vec(),
            1 => vec![u8::try_from(number).unwrap_or(0) | 0x80; number],
            2 => "[".repeat(number * 100).into_bytes(),
            3 => format!("{{\"instance\": \"{}\"}}", "\\u0000".repeat(number)).into_bytes(),
            // More unknown names than are reported, before what is wrong.
            _ => {
                let names: String = (0..number * 15).map(|name| format!("\"{name}\":0,")).collect();
                format!("{{{names}\"instance\": 1}}").into_bytes()
            }
        };
        let answered = answer(telemetry(&server).body(body)).await;
        assert!([400, 413, 422].contains(&answered.status), "{}: {}", number, answered.body);
    }
    let large = format!("{{\"instance\": \"i\"{}}}", " ".repeat(17_000));
    answer(telemetry(&server).body(large)).await.problem(413, "body_too_large");
    answer(server.request(Method::POST, "/sdk/v1/telemetry", ADMIN))
        .await
        .problem(403, "forbidden");

    assert_eq!(instances(&server).await, [] as [Value; 0]);
    for header in ["", "a b", &"x".repeat(65)] {
        let stream = server.request(Method::GET, "/sdk/v1/stream", SDK);
        answer(stream.header("flags-instance", header)).await.problem(400, "invalid_header");
    }
    for query in ["wait=2", "wait=31s", "wait=-1s", "weight=1s"] {
        let path = format!("{PRODUCTION}/propagation/1?{query}");
        server.get(&path).await.problem(400, "invalid_query");
    }
    for path in ["propagation/2", "propagation/x", "propagation/-1"] {
        server.get(&format!("{PRODUCTION}/{path}")).await.problem(404, "not_found");
    }
    let elsewhere = PRODUCTION.replace("production", "nowhere");
    for path in ["propagation/0", "instances"] {
        server.get(&format!("{elsewhere}/{path}")).await.problem(404, "not_found");
        let sdk = server.request(Method::GET, &format!("{PRODUCTION}/{path}"), SDK);
        answer(sdk).await.problem(403, "forbidden");
        let nobody = server.request(Method::GET, &format!("{PRODUCTION}/{path}"), "nobody");
        answer(nobody).await.problem(401, "unauthenticated");
    }
}

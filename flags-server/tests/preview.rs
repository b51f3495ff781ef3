//! What a proposed change would do to the stored tenants, beside what it then does.

#![cfg(test)]

mod server;

use std::collections::BTreeMap;

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{PRODUCTION, SDK, TestServer, answer};

const TENANTS: usize = 60;

fn tenant(number: usize) -> String {
    format!("tenant-{number:02}")
}

/// A server with tenants of three countries, and the flags `exports`, `reports` (which needs it) and
/// `other`, on, of which the first serves `off` to everybody.
async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    let tenants: Vec<_> = (0..TENANTS)
        .map(|number| {
            let country = ["DE", "FR", "US"][number % 3];
            json!({"key": tenant(number), "attributes": {"country": country, "size": number}})
        })
        .collect();
    let tenants = json!({"tenants": tenants});
    server.post(&format!("{PRODUCTION}/tenants"), tenants).await.is(200);
    let beta = json!({"key": "beta", "kind": "tenant", "included": [tenant(0)]});
    server.post(&format!("{PRODUCTION}/segments"), beta).await.is(201);
    for (key, state) in [
        ("exports", json!({"on": true, "fallthrough": {"variant": "off"}})),
        (
            "reports",
            json!({"on": true, "fallthrough": {"variant": "on"},
                           "prerequisites": [{"flag": "exports", "variants": ["on"]}]}),
        ),
        (
            "other",
            json!({"on": true, "fallthrough": {"variant": "off"}, "rules": [
            {"id": "beta", "when": {"segment": "beta"}, "serve": {"variant": "on"}}]}),
        ),
    ] {
        server.create_flag(key).await;
        patch_state(&server, key, state).await;
    }
    server
}

async fn patch_state(server: &TestServer, flag: &str, state: Value) {
    let path = format!("{PRODUCTION}/flags/{flag}");
    let version = server.get(&path).await.is(200)["version"].as_u64().unwrap();
    server.patch(&path, version, state).await.is(200);
}

fn rules(when: Value) -> Value {
    json!({"rules": [{"id": "r", "when": when, "serve": {"variant": "on"}}]})
}

fn of_countries(countries: &[&str]) -> Value {
    json!({"attribute": "tenant.country", "op": "in", "values": countries})
}

/// The variants that all tenants get of a flag.
async fn variants(server: &TestServer, flag: &str) -> Vec<String> {
    let mut variants = Vec::new();
    for number in 0..TENANTS {
        let body = json!({"flag": flag, "context": {"tenant": {"key": tenant(number)}}});
        let answer = server.post(&format!("{PRODUCTION}/evaluate"), body).await.is(200);
        variants.push(answer["variant"].as_str().unwrap().to_owned());
    }
    variants
}

async fn preview(server: &TestServer, proposal: Value) -> Value {
    server.post(&format!("{PRODUCTION}/preview"), proposal).await.is(200)
}

/// Every tenant that changes, three at a time: `(flag, tenant, from, to, dependent)`.
async fn changed(server: &TestServer, proposal: &Value) -> Vec<Value> {
    let mut path = format!("{PRODUCTION}/preview/tenants?limit=3");
    let mut items = Vec::new();
    loop {
        let mut page = server.post(&path, proposal.clone()).await.is(200);
        let Value::Array(found) = page["items"].take() else { panic!("{page}") };
        assert!(found.len() <= 3 && (found.len() == 3 || page["next_cursor"].is_null()));
        items.extend(found);
        let Some(cursor) = page["next_cursor"].as_str() else { return items };
        path = format!("{PRODUCTION}/preview/tenants?limit=3&cursor={cursor}");
    }
}

#[tokio::test]
async fn what_is_said_is_what_happens() {
    let server = furnished().await;
    let when = json!({"all": [of_countries(&["DE", "FR"]),
                              {"attribute": "tenant.size", "op": "lt", "values": [40]}]});
    let proposal = json!({"flag": "exports", "patch": rules(when.clone())});
    let said = preview(&server, proposal.clone()).await;
    let listed = changed(&server, &proposal).await;
    let revision = server.revision().await;
    assert_eq!((&said["revision"], &said["tenants"]), (&json!(revision), &json!(TENANTS)));

    let flags = ["exports", "reports"];
    let mut before = Vec::new();
    for flag in flags {
        before.push(variants(&server, flag).await);
    }
    patch_state(&server, "exports", rules(when)).await;
    let mut expected_list = Vec::new();
    for ((flag, before), said) in flags.iter().zip(&before).zip(said["flags"].as_array().unwrap()) {
        let after = variants(&server, flag).await;
        let mut counts: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for (number, (from, to)) in before.iter().zip(&after).enumerate() {
            counts.entry((from, to)).or_default().push(tenant(number));
            if from != to {
                expected_list.push(json!({"flag": flag, "tenant": tenant(number), "from": from,
                                          "to": to, "dependent": false}));
            }
        }
        let transitions: Vec<_> = counts
            .iter()
            .map(|((from, to), tenants)| {
                json!({"from": from, "to": to, "tenants": tenants.len(),
                       "examples": tenants[..tenants.len().min(10)]})
            })
            .collect();
        let changed: usize =
            counts.iter().filter(|((from, to), _)| from != to).map(|(_, of)| of.len()).sum();
        assert!(changed > 10, "{flag} changes for some");
        assert_eq!(
            *said,
            json!({"flag": flag, "changed": changed, "unchanged": TENANTS - changed,
                   "transitions": transitions, "dependent": {"tenants": 0, "transitions": []}})
        );
    }
    assert_eq!(said["flags"].as_array().unwrap().len(), 2, "{said}");
    assert_eq!(listed, expected_list);
}

#[tokio::test]
async fn a_rollout_is_proposed_as_its_verb_takes_it() {
    let server = furnished().await;
    let rollout = json!({"variant": "on", "percent": 40, "by": "tenant"});
    let proposal = json!({"flag": "exports", "rollout": rollout, "flags": ["exports"]});
    let listed = changed(&server, &proposal).await;
    let before = variants(&server, "exports").await;
    server.post(&format!("{PRODUCTION}/flags/exports/rollout"), rollout).await.is(200);
    let after = variants(&server, "exports").await;
    let pairs = (0..TENANTS).zip(before.iter().zip(&after)).filter(|(_, (from, to))| from != to);
    let expected: Vec<_> = pairs
        .map(|(number, (from, to))| {
            json!({"flag": "exports", "tenant": tenant(number), "from": from, "to": to,
                   "dependent": false})
        })
        .collect();
    assert!((1..TENANTS).contains(&expected.len()), "some change");
    assert_eq!(listed, expected);
    // What the verb refuses is refused.
    let path = format!("{PRODUCTION}/preview");
    let ask = |rollout: Value| server.post(&path, json!({"flag": "exports", "rollout": rollout}));
    let user = json!({"variant": "on", "percent": 40, "by": "user"});
    ask(user).await.problem(409, "rollout_conflict");
    ask(json!({"variant": "onn", "percent": 40}))
        .await
        .refuses(&[("/rollout/variant", "unknown_variant")]);
    ask(json!({"variant": "on", "precent": 40}))
        .await
        .refuses(&[("/rollout", "missing_field"), ("/rollout/precent", "unknown_field")]);
}

#[tokio::test]
async fn nothing_of_it_stays() {
    let server = furnished().await;
    let state = || {
        let connection = Connection::open(server.database()).unwrap();
        let count = |table: &str| -> u64 {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, (), |row| row.get(0)).unwrap()
        };
        ["audit", "change_log", "object"].map(count)
    };
    let (before, revision) = (state(), server.revision().await);
    let put = json!({"on": false, "off_variant": "on", "fallthrough": {"variant": "on"}});
    let said = preview(&server, json!({"flag": "exports", "put": put})).await;
    assert_eq!(said["flags"][0]["changed"], TENANTS, "{said}");
    let segment = json!({"kind": "tenant", "included": []});
    preview(&server, json!({"segment": "beta", "put": segment})).await;
    assert_eq!((state(), server.revision().await), (before, revision));
    assert!(variants(&server, "exports").await.iter().all(|variant| variant == "off"));
    // The next write is the next revision.
    let on = server.press(&format!("{PRODUCTION}/flags/exports/off")).await.is(200);
    assert_eq!(on["revision"], revision + 1);
}

#[tokio::test]
async fn a_segment_changes_the_flags_that_ask_for_it() {
    let server = furnished().await;
    let when = of_countries(&["US"]);
    let proposal = json!({"segment": "beta", "patch": {"when": when, "included": []}});
    let said = preview(&server, proposal.clone()).await;
    let flags = said["flags"].as_array().unwrap();
    assert_eq!((flags.len(), &flags[0]["flag"]), (1, &json!("other")));
    let transition = |from: &str, to: &str| {
        let found = flags[0]["transitions"].as_array().unwrap().iter();
        let mut found = found.filter(|t| t["from"] == from && t["to"] == to);
        found.next().map_or(0, |t| t["tenants"].as_u64().unwrap())
    };
    assert_eq!((transition("off", "on"), transition("on", "off")), (20, 1));
    assert_eq!(changed(&server, &proposal).await.len(), 21);

    // Keys that stay and keys that come, beside another rule.
    let tenants = [tenant(0), tenant(1), tenant(2)];
    let put = json!({"kind": "tenant", "included": tenants, "excluded": [tenant(5)], "when": when});
    let listed = changed(&server, &json!({"segment": "beta", "put": put.clone()})).await;
    assert_eq!(listed.len(), 20, "19 of the US, one of them by its key, and one more");
    let segment = format!("{PRODUCTION}/segments/beta");
    let version = server.get(&segment).await.is(200)["version"].as_u64().unwrap();
    let version = server.put(&segment, version, put).await.is(200)["version"].as_u64().unwrap();
    let got = variants(&server, "other").await;
    let expected = |number: usize| number < 3 || number % 3 == 2 && number != 5;
    assert!((0..TENANTS).all(|number| (got[number] == "on") == expected(number)), "{got:?}");
    for change in listed {
        let of = |number: &usize| change["tenant"] == tenant(*number);
        assert!((0..TENANTS).find(of).is_some_and(expected), "{change}");
    }
    let back = json!({"kind": "tenant", "included": [tenant(0)], "excluded": [], "when": null});
    server.put(&segment, version, back).await.is(200);

    // What is so already changes nothing, and nothing is asked for.
    let same = json!({"segment": "beta", "patch": {"included": [tenant(0)]}});
    assert_eq!(preview(&server, same.clone()).await["flags"], json!([]));
    assert!(changed(&server, &same).await.is_empty());
}

#[tokio::test]
async fn answers_that_depend_on_more_than_the_tenant_are_apart() {
    let server = furnished().await;
    // Who is German is not asked for the user; everybody else is.
    let when = json!({"any": [of_countries(&["DE"]),
                              {"attribute": "user.email", "op": "ends_with", "values": ["@x"]}]});
    let proposal = json!({"flag": "exports", "patch": rules(when), "flags": ["exports"]});
    let said = preview(&server, proposal.clone()).await;
    assert_eq!(said["flags"].as_array().unwrap().len(), 1, "only the flag that was named: {said}");
    let flag = &said["flags"][0];
    assert_eq!((&flag["changed"], &flag["unchanged"]), (&json!(20), &json!(0)), "{flag}");
    assert_eq!(flag["dependent"]["tenants"], 40);
    assert_eq!(flag["dependent"]["transitions"][0]["from"], "off");
    assert_eq!(flag["dependent"]["transitions"][0]["to"], "off");
    assert_eq!(changed(&server, &proposal).await.len(), 20);

    let split = |by: &str| {
        let weights =
            json!([{"variant": "on", "weight": 50_000}, {"variant": "off", "weight": 50_000}]);
        json!({"flag": "exports", "flags": ["exports"],
               "patch": {"fallthrough": {"split": {"by": by, "weights": weights}}}})
    };
    for (by, dependent) in [("user", 60), ("device.id", 60), ("tenant", 0), ("tenant.size", 0)] {
        let said = preview(&server, split(by)).await;
        assert_eq!(said["flags"][0]["dependent"]["tenants"], dependent, "{by}: {said}");
    }
    // Also where the rules as they are now ask for it.
    patch_state(&server, "exports", split("user")["patch"].clone()).await;
    let patch = json!({"fallthrough": {"variant": "off"}});
    let said = preview(&server, json!({"flag": "exports", "patch": patch})).await;
    assert_eq!(said["flags"][0]["dependent"]["tenants"], 60);
}

#[tokio::test]
async fn a_list_does_not_go_on_with_another_revision() {
    let server = furnished().await;
    let proposal = json!({"flag": "exports", "patch": {"fallthrough": {"variant": "on"}}});
    let path = format!("{PRODUCTION}/preview/tenants?limit=3");
    let page = server.post(&path, proposal.clone()).await.is(200);
    let next = format!("{path}&cursor={}", page["next_cursor"].as_str().unwrap());
    server.post(&next, proposal.clone()).await.is(200);
    server.press(&format!("{PRODUCTION}/flags/other/off")).await.is(200);
    let refused = server.post(&next, proposal.clone()).await.problem(409, "revision_changed");
    assert_eq!(refused["revision"], server.revision().await);
    for wrong in ["limit=0", "limit=501", "cursor=x", "cursor=e30", "x=1"] {
        let path = format!("{PRODUCTION}/preview/tenants?{wrong}");
        server.post(&path, proposal.clone()).await.problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn bad_proposals_are_refused() {
    let server = furnished().await;
    let path = format!("{PRODUCTION}/preview");
    let ask = |body: Value| server.post(&path, body);
    let patch = json!({"on": "yes", "off_variant": "none"});
    ask(json!({"flag": "exports", "patch": patch})).await.refuses(&[("/patch/on", "wrong_type")]);
    let put = json!({"on": true, "off_variant": "none", "fallthrough": {"variant": "on"},
                     "rules": [{"when": {"segment": "none"}, "serve": {"variant": "on"}}]});
    ask(json!({"flag": "exports", "put": put}))
        .await
        .refuses(&[("/put/off_variant", "unknown_variant")]);
    let patch = json!({"prerequisites": [{"flag": "reports", "variants": ["on"]}]});
    ask(json!({"flag": "exports", "patch": patch}))
        .await
        .refuses_as("cycle", &[("/patch/prerequisites/0/flag", "cycle")]);
    ask(json!({"segment": "beta", "patch": {"kind": ""}}))
        .await
        .refuses(&[("/patch/kind", "invalid_kind")]);
    for incomplete in [
        json!({"patch": {}}),
        json!({"flag": "exports", "segment": "beta", "patch": {}}),
        json!({"flag": "exports"}),
        json!({"flag": "exports", "put": {}, "patch": {}}),
        json!({"flag": "exports", "patch": {}, "rollout": {"variant": "on", "percent": 1}}),
        json!({"segment": "beta", "rollout": {"variant": "on", "percent": 1}}),
        json!({"segment": "beta"}),
    ] {
        ask(incomplete).await.refuses(&[("", "missing_field")]);
    }
    ask(json!({"flag": 1, "x": 2}))
        .await
        .refuses(&[("/flag", "wrong_type"), ("/x", "unknown_field")]);
    let names: Vec<_> = (0..20_001).map(|number| number.to_string()).collect();
    ask(json!({"flag": "exports", "patch": {}, "flags": names}))
        .await
        .refuses_as("limit_exceeded", &[("/flags", "too_many")]);
    ask(json!({"flag": "none", "patch": {}})).await.problem(404, "not_found");
    ask(json!({"segment": "none", "patch": {}})).await.problem(404, "not_found");
    let elsewhere = path.replace("production", "none");
    let proposal = json!({"flag": "exports", "patch": {}});
    server.post(&elsewhere, proposal.clone()).await.problem(404, "not_found");
    for path in [path.clone(), format!("{path}/tenants")] {
        let request = |token| server.request(Method::POST, &path, token).json(&proposal);
        assert_eq!(answer(request(SDK)).await.status, 403);
        assert_eq!(answer(request("nobody-knows-this-token-0123456789abcdef")).await.status, 401);
    }
}

/// What an environment comes to is looked at as the write looks at it, and a switch is in no way.
#[tokio::test]
async fn what_would_be_too_much_is_refused() {
    let server = furnished().await;
    let preview = format!("{PRODUCTION}/preview");
    let database = Connection::open(server.database()).unwrap();
    let (exports, beta) =
        (format!("{PRODUCTION}/flags/exports"), format!("{PRODUCTION}/segments/beta"));
    for (limit, fill, path, proposal, allowed) in [
        (
            "environment_bytes",
            "definition_bytes = 64 * 1024 * 1024",
            &exports,
            json!({"flag": "exports", "patch": rules(of_countries(&["DE"]))}),
            json!({"flag": "exports", "patch": {"on": false}}),
        ),
        (
            "segment_members",
            "included = 1000000",
            &beta,
            json!({"segment": "beta", "patch": {"included": [tenant(0), tenant(1)]}}),
            json!({"segment": "beta", "patch": {"included": [tenant(1)]}}),
        ),
        (
            "segment_member_bytes",
            "included = 1, member_bytes = 128 * 1024 * 1024",
            &beta,
            json!({"segment": "beta", "patch": {"included": [tenant(0), tenant(1)]}}),
            json!({"segment": "beta", "patch": {"included": [tenant(1)]}}),
        ),
    ] {
        database.execute(&format!("UPDATE environment SET {fill}"), ()).unwrap();
        let refused = server.post(&preview, proposal.clone()).await;
        assert_eq!(refused.problem(422, "limit_exceeded")["limit"], limit);
        let version = server.get(path).await.is(200)["version"].as_u64().unwrap();
        let refused = server.patch(path, version, proposal["patch"].clone()).await;
        assert_eq!(refused.problem(422, "limit_exceeded")["limit"], limit);
        server.post(&preview, allowed.clone()).await.is(200);
    }
}

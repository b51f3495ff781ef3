//! Tenants are moved to another version of their plan, and who is over a limit after that is told.

#![cfg(test)]

mod binary;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;

use binary::{binary, run};
use flags_core::{Access, Ruleset, Timestamp};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, Answer, PRODUCTION, SDK, TestServer, answer};

const DAY_MS: u64 = 86_400_000;

fn of(path: &str) -> String {
    format!("{PRODUCTION}/{path}")
}

/// `pro` in three versions, each with less than the one before it of something, and `free`. The limit of seats
/// leaves those who are over it a day, and then reading; that of projects only no growth.
async fn sell(server: &TestServer, environment: &str) {
    let at = |kind: &str| format!("{environment}/{kind}");
    let features = [
        json!({"key": "seats", "type": "limit", "combine": "sum",
               "over_limit": {"policy": "read_only", "grace_ms": DAY_MS}}),
        json!({"key": "projects", "type": "limit", "combine": "max"}),
        json!({"key": "sso", "type": "boolean", "combine": "any"}),
        json!({"key": "audit", "type": "boolean", "combine": "any"}),
        json!({"key": "regions", "type": "options", "combine": "union", "options": ["eu", "us", "asia"]}),
        json!({"key": "theme", "type": "json", "combine": "priority"}),
    ];
    for feature in features {
        server.post(&at("features"), feature).await.is(201);
    }
    let free = json!({"key": "free", "versions": [{"grants": {"seats": 1}}]});
    server.post(&at("plans"), free).await.is(201);
    let versions = json!([
        {"grants": {"seats": 10, "projects": 5, "sso": true, "regions": ["eu", "us"], "theme": {"a": 1}},
         "fallback": {"plan": "free", "version": 1}},
        {"grants": {"seats": 4, "projects": 8, "regions": ["eu"], "theme": {"a": 2}, "audit": true},
         "fallback": {"plan": "free", "version": 1}},
        {"grants": {"seats": 4, "projects": "unlimited", "regions": ["us", "asia"], "audit": true}},
    ]);
    server.post(&at("plans"), json!({"key": "pro", "versions": versions})).await.is(201);
    let more = json!({"key": "more", "grants": {"seats": 5}});
    server.post(&at("addons"), more).await.is(201);
}

async fn store(server: &TestServer, tenants: Value) -> Value {
    server.post(&of("tenants"), json!({"tenants": tenants})).await.is(200)
}

async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    sell(&server, PRODUCTION).await;
    store(
        &server,
        json!([
            {"key": "acme", "plan": "pro", "plan_version": 1},
            {"key": "globex", "plan": "pro", "plan_version": 1, "addons": [{"addon": "more", "quantity": 2}]},
            {"key": "hooli", "plan": "pro", "plan_version": 2},
            {"key": "initech", "plan": "free", "plan_version": 1,
             "trial": {"plan": "pro", "plan_version": 1, "start": "2026-01-01T00:00:00Z",
                       "end": "2126-01-01T00:00:00Z"}},
            {"key": "umbrella", "plan": "pro", "plan_version": 3},
            {"key": "nobody"},
        ]),
    )
    .await;
    server
}

async fn use_seats(server: &TestServer, tenant: &str, count: usize) {
    for user in 0..count {
        let path = of(&format!("tenants/{tenant}/seats/seats/u{user}"));
        answer(server.request(Method::PUT, &path, ADMIN)).await.is(201);
    }
}

async fn use_projects(server: &TestServer, tenant: &str, used: u64) {
    let path = of(&format!("tenants/{tenant}/usage/projects"));
    let body = json!({"used": used, "at": "2026-11-01T00:00:00Z"});
    answer(server.request(Method::PUT, &path, ADMIN).json(&body)).await.is(200);
}

async fn mv(server: &TestServer, query: &str, body: Value) -> Answer {
    server.post(&of(&format!("plans/pro/move{query}")), body).await
}

async fn any_version(server: &TestServer, method: Method, path: &str, body: Value) -> Value {
    let request = server.request(method.clone(), &of(path), ADMIN).header("if-match", "*");
    let request = if method == Method::DELETE { request } else { request.json(&body) };
    answer(request).await.is(200)
}

/// Plan and version of each tenant.
async fn plans(server: &TestServer) -> BTreeMap<String, (Value, Value)> {
    let mut all = BTreeMap::new();
    let mut path = of("tenants?limit=500");
    loop {
        let page = server.get(&path).await.is(200);
        for tenant in page["items"].as_array().unwrap() {
            let key = tenant["key"].as_str().unwrap().to_owned();
            all.insert(key, (tenant["plan"].clone(), tenant["plan_version"].clone()));
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = of(&format!("tenants?limit=500&cursor={cursor}")),
            None => return all,
        }
    }
}

fn on(plan: &str, version: u32) -> (Value, Value) {
    (json!(plan), json!(version))
}

async fn tenant(server: &TestServer, key: &str) -> Value {
    server.get(&of(&format!("tenants/{key}"))).await.is(200)
}

#[tokio::test]
async fn everybody_on_a_version_comes_to_the_next_one_and_nobody_else() {
    let server = furnished().await;
    let (before, revision) = (plans(&server).await, server.revision().await);
    let trial = tenant(&server, "initech").await;
    let since = tenant(&server, "hooli").await["plan_since"].clone();
    let moved = mv(&server, "", json!({"from_version": 1, "to": {"version": 2}})).await.is(200);
    assert_eq!(
        moved,
        json!({"dry_run": false, "moved": 2, "remaining": 0, "revision": revision + 1,
               "over_limit": [], "over_limit_total": 0})
    );
    let mut expected = before;
    for key in ["acme", "globex"] {
        expected.insert(key.into(), on("pro", 2));
    }
    assert_eq!(plans(&server).await, expected);
    assert_eq!(tenant(&server, "initech").await, trial, "trials stay");
    assert_eq!(tenant(&server, "hooli").await["plan_since"], since, "who is there is not touched");
    let globex = tenant(&server, "globex").await;
    assert_eq!(globex["addons"], json!([{"addon": "more", "quantity": 2}]));
    assert_eq!(globex["version"], revision + 1);
    // As times: of two texts the later time may come first.
    let instant = |since: &Value| Timestamp::parse(since.as_str().unwrap()).unwrap();
    assert!(instant(&globex["plan_since"]) > instant(&since));

    let again = mv(&server, "", json!({"from_version": 1, "to": {"version": 2}})).await.is(200);
    assert_eq!((&again["moved"], &again["revision"]), (&json!(0), &json!(revision + 1)));
    // Whatever version they have, to another plan, and as many as are asked for.
    let to_free = json!({"to": {"plan": "free", "version": 1}});
    let part = mv(&server, "?limit=3", to_free.clone()).await.is(200);
    assert_eq!((&part["moved"], &part["remaining"]), (&json!(3), &json!(1)));
    assert_eq!(plans(&server).await["umbrella"], on("pro", 3), "the last by version");
    let rest = mv(&server, "?limit=3", to_free.clone()).await.is(200);
    assert_eq!((&rest["moved"], &rest["remaining"]), (&json!(1), &json!(0)));
    assert_eq!(mv(&server, "", to_free).await.is(200)["moved"], 0);
    let all = plans(&server).await;
    for key in ["acme", "globex", "hooli", "initech", "umbrella"] {
        assert_eq!(all[key], on("free", 1), "{key}");
    }
    assert_eq!(all["nobody"], (Value::Null, Value::Null));
}

#[tokio::test]
async fn from_any_version_means_from_those_around_it() {
    let server = furnished().await;
    let moved = mv(&server, "", json!({"to": {"version": 2}})).await.is(200);
    assert_eq!((&moved["moved"], &moved["remaining"]), (&json!(3), &json!(0)));
    let all = plans(&server).await;
    for key in ["acme", "globex", "hooli", "umbrella"] {
        assert_eq!(all[key], on("pro", 2), "{key}");
    }
    let listed = json!({"to": {"version": 3}, "tenants": ["umbrella", "acme", "hooli"]});
    let part = mv(&server, "?limit=2", listed.clone()).await.is(200);
    assert_eq!((&part["moved"], &part["remaining"]), (&json!(2), &json!(1)));
    assert_eq!(plans(&server).await["umbrella"], on("pro", 2), "the last by key");
    // Those who are there already are no mistake: the list can be sent again.
    assert_eq!(mv(&server, "", listed.clone()).await.is(200)["moved"], 1);
    assert_eq!(mv(&server, "", listed).await.is(200)["moved"], 0);
    assert_eq!(plans(&server).await["globex"], on("pro", 2));
}

#[tokio::test]
async fn what_is_over_a_limit_after_a_move_is_told_by_its_policy() {
    let server = furnished().await;
    use_seats(&server, "acme", 6).await;
    use_seats(&server, "globex", 6).await;
    use_projects(&server, "umbrella", 7).await;
    let to_2 = json!({"from_version": 1, "to": {"version": 2}});
    let tried = mv(&server, "?dry_run=true", to_2.clone()).await.is(200);
    let moved = mv(&server, "", to_2).await.is(200);
    let since = tenant(&server, "acme").await["plan_since"].clone();
    // Globex has ten seats more by its add-ons.
    let over = &moved["over_limit"][0];
    let until = over["then"]["until"].as_str().unwrap();
    assert_eq!(
        *over,
        json!({"tenant": "acme", "feature": "seats", "counter": "seats", "used": 6, "limit": 4, "over": 2,
               "policy": "read_only",
               "then": {"access": "full", "reason": "limit_reached", "until": until, "after": "read_only"}})
    );
    assert_eq!(moved["over_limit_total"], 1);
    let millis = |text: &str| Timestamp::parse(text).unwrap().as_millis();
    assert_eq!(millis(until) - millis(since.as_str().unwrap()), DAY_MS.cast_signed());
    let mut expected = tried["over_limit"].clone();
    expected[0]["then"]["until"] = json!(until);
    assert_eq!((&tried["over_limit_total"], expected), (&json!(1), moved["over_limit"].clone()));
    // What it says, the entitlement says too, then and after it.
    let document = serde_json::from_value(server.snapshot().await).unwrap();
    let (ruleset, _) = Ruleset::compile(&document);
    let end = Timestamp::parse(until).unwrap().as_millis();
    let access = |at| {
        let acme = ruleset.entitlement("acme", "seats");
        acme.check_limit(6, 0, Timestamp::from_millis(at)).access
    };
    assert_eq!([-1, 0].map(|late| access(end + late)), [Access::Full, Access::ReadOnly]);
    let told = server.get(&of("tenants/acme/entitlements/seats")).await.is(200);
    assert_eq!((&told["decision"]["limit"], &told["seats"]["over"]), (&json!(4), &json!(2)));

    // Nobody's growth is taken back: what is there may be used, for good.
    let moved = mv(&server, "", json!({"from_version": 3, "to": {"version": 1}})).await.is(200);
    assert_eq!(
        moved["over_limit"],
        json!([{"tenant": "umbrella", "feature": "projects", "counter": "usage", "used": 7, "limit": 5,
                "over": 2, "policy": "block_growth",
                "then": {"access": "full", "reason": "limit_reached", "until": null}}])
    );
}

fn effects(tried: &Value, feature: &str) -> Value {
    let features = tried["features"].as_array().unwrap();
    let found = features.iter().find(|found| found["feature"] == feature).unwrap();
    let transitions = found["transitions"].as_array().unwrap();
    let sum = |same: bool| -> u64 {
        let of = transitions.iter().filter(|one| (one["effect"] == "same") == same);
        of.map(|one| one["tenants"].as_u64().unwrap()).sum()
    };
    assert_eq!((&found["changed"], &found["unchanged"]), (&json!(sum(false)), &json!(sum(true))));
    transitions.iter().map(|one| json!([one["effect"], one["examples"]])).collect()
}

#[tokio::test]
async fn a_dry_run_tells_of_everybody_what_they_get_with_their_exceptions() {
    let server = furnished().await;
    let exception = |id: &str, feature: &str, mode: &str, value: Value| {
        json!({"id": id, "feature": feature, "mode": mode, "value": value, "reason": "x",
               "end": "2126-01-01T00:00:00Z"})
    };
    store(
        &server,
        json!([
            {"key": "kept", "plan": "pro", "plan_version": 1},
            {"key": "tries", "plan": "pro", "plan_version": 1,
             "trial": {"plan": "pro", "plan_version": 1, "start": "2026-01-01T00:00:00Z",
                       "end": "2126-01-01T00:00:00Z"}},
        ]),
    )
    .await;
    for (id, feature, mode, value) in [
        ("a", "seats", "set", json!(7)),
        ("b", "audit", "set", json!(true)),
        ("c", "sso", "set", json!(true)),
    ] {
        let said = exception(id, feature, mode, value);
        server.post(&of("tenants/kept/overrides"), said).await.is(201);
    }
    use_seats(&server, "globex", 8).await;
    let revision = server.revision().await;
    let tried =
        mv(&server, "?dry_run=true&limit=1", json!({"from_version": 1, "to": {"version": 2}}));
    let tried = tried.await.is(200);
    assert_eq!(
        (&tried["dry_run"], &tried["tenants"], &tried["revision"]),
        (&json!(true), &json!(4), &json!(revision))
    );
    // The sum of what is tried and of what is had grows by less, and the trial's stays.
    for (feature, expected) in [
        ("audit", json!({"gains": ["acme", "globex", "tries"], "same": ["kept"]})),
        ("projects", json!({"more": ["acme", "globex", "kept", "tries"]})),
        ("regions", json!({"less": ["acme", "globex", "kept"], "same": ["tries"]})),
        ("seats", json!({"less": ["acme", "globex", "tries"], "same": ["kept"]})),
        ("sso", json!({"loses": ["acme", "globex"], "same": ["kept", "tries"]})),
        ("theme", json!({"other": ["acme", "globex", "kept", "tries"]})),
    ] {
        let told = effects(&tried, feature);
        let told: BTreeMap<_, _> = told
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one[0].as_str().unwrap(), &one[1]))
            .collect();
        assert_eq!(json!(told), expected, "{feature}");
    }
    let order: Vec<_> =
        tried["features"].as_array().unwrap().iter().map(|f| f["feature"].clone()).collect();
    assert_eq!(json!(order), json!(["audit", "projects", "regions", "seats", "sso", "theme"]));
    assert_eq!(tried["over_limit"], json!([]), "14 are left of 20");

    // Some of the one, and others of the other; and who is blocked has nothing before and after.
    let block = json!({"effect": "none"});
    any_version(&server, Method::PUT, "tenants/hooli/blocks/fraud", block).await;
    let tried = mv(&server, "?dry_run=true", json!({"to": {"version": 3}})).await.is(200);
    assert_eq!(tried["tenants"], 5);
    assert_eq!(
        effects(&tried, "regions"),
        json!([["more", ["tries"]], ["other", ["acme", "globex", "kept"]], ["same", ["hooli"]]])
    );
    // Only those that are listed.
    let listed = json!({"to": {"version": 2}, "tenants": ["umbrella"]});
    let tried = mv(&server, "?dry_run=true", listed).await.is(200);
    assert_eq!(
        (&tried["tenants"], effects(&tried, "projects")),
        (&json!(1), json!([["less", ["umbrella"]]]))
    );
    let nobody = json!({"from_version": 2, "to": {"version": 2}});
    let tried = mv(&server, "?dry_run=true", nobody).await.is(200);
    assert_eq!((&tried["tenants"], effects(&tried, "sso")), (&json!(0), json!([])));
    assert_eq!(server.revision().await, revision + 1, "nothing but the block was written");
    let audit = server.get("/api/v1/audit?action=tenant.move").await.is(200);
    assert_eq!(audit["items"], json!([]));
}

#[tokio::test]
async fn examples_are_the_first_by_key_and_too_much_is_not_begun() {
    let server = furnished().await;
    let many: Vec<_> = (0..30)
        .rev()
        .map(|n| json!({"key": format!("t{n:02}"), "plan": "pro", "plan_version": 1 + n % 2}))
        .collect();
    store(&server, json!(many)).await;
    let tried = mv(&server, "?dry_run=true", json!({"to": {"version": 3}})).await.is(200);
    let audit = &tried["features"][0];
    let first = ["acme", "globex", "t00", "t02", "t04", "t06", "t08", "t10", "t12", "t14"];
    assert_eq!(
        audit["transitions"][0],
        json!({"effect": "gains", "tenants": 17, "examples": first})
    );
    let dir = server.stop().await;
    let sql = Connection::open(dir.path().join("flags.db")).unwrap();
    sql.execute("UPDATE plan_tenants SET tenants = 4000000 WHERE plan = 'pro' AND version = 1", ())
        .unwrap();
    let server = TestServer::start_in(dir).await;
    let refused = mv(&server, "?dry_run=true", json!({"to": {"version": 3}})).await;
    let refused = refused.problem(422, "limit_exceeded");
    assert!(refused["detail"].as_str().unwrap().contains("preview_answers"), "{refused}");
    let listed = json!({"to": {"version": 3}, "tenants": ["acme"]});
    assert_eq!(mv(&server, "?dry_run=true", listed).await.is(200)["tenants"], 1);
}

#[tokio::test]
async fn a_write_says_what_is_over_a_limit_after_it() {
    let server = furnished().await;
    use_seats(&server, "acme", 6).await;
    use_projects(&server, "acme", 3).await;
    let none =
        any_version(&server, Method::PATCH, "tenants/acme", json!({"attributes": {"a": 1}})).await;
    assert_eq!(none.get("over_limit"), None);
    let to_2 = json!({"plan": "pro", "plan_version": 2});
    let over = any_version(&server, Method::PATCH, "tenants/acme", to_2).await;
    let told = over["over_limit"].as_array().unwrap();
    assert_eq!((told.len(), &told[0]["over"], told[0].get("tenant")), (1, &json!(2), None));
    assert_eq!(told[0]["then"]["access"], "full");
    // The same again, and sent back as it came.
    let mut sent_back = over.clone();
    sent_back.as_object_mut().unwrap().remove("revision");
    let again = any_version(&server, Method::PUT, "tenants/acme", sent_back).await;
    assert_eq!((&again["over_limit"], &again["version"]), (&over["over_limit"], &over["version"]));
    assert_eq!(tenant(&server, "acme").await.get("over_limit"), None, "reads do not say it");
    let list = server.get(&of("tenants?limit=1")).await.is(200);
    assert_eq!(list["items"][0].get("over_limit"), None);

    // An exception that helps, less of it, and its end.
    let exception = |value: u64| {
        json!({"id": "c", "feature": "seats", "mode": "at_least", "value": value, "reason": "x",
               "end": "2126-01-01T00:00:00Z"})
    };
    let made = server.post(&of("tenants/acme/overrides"), exception(6)).await.is(201);
    assert_eq!(made.get("over_limit"), None);
    let path = "tenants/acme/overrides/c";
    let less = any_version(&server, Method::PUT, path, exception(5)).await;
    assert_eq!(
        (&less["over_limit"][0]["over"], &less["over_limit"][0]["limit"]),
        (&json!(1), &json!(5))
    );
    let mut same = less.clone();
    same.as_object_mut().unwrap().remove("revision");
    assert_eq!(
        any_version(&server, Method::PUT, path, same).await["over_limit"],
        less["over_limit"]
    );
    let gone = any_version(&server, Method::DELETE, path, Value::Null).await;
    assert_eq!(gone["over_limit"][0]["over"], 2);

    // Without access everything is over, of all that is counted.
    let path = "tenants/acme/blocks/legal";
    let blocked = any_version(&server, Method::PUT, path, json!({"effect": "none"})).await;
    let told = &blocked["over_limit"];
    let then = json!({"access": "none", "reason": "blocked", "lane": "legal", "until": null});
    assert_eq!(
        told[0],
        json!({"feature": "projects", "counter": "usage", "used": 3, "limit": null, "over": 3,
               "policy": "block_growth", "then": then})
    );
    assert_eq!(
        (&told[1]["feature"], &told[1]["over"], &told[1]["then"]),
        (&json!("seats"), &json!(6), &then)
    );
    let reading = any_version(
        &server,
        Method::PUT,
        path,
        json!({"effect": "read_only", "end": "2126-01-01T00:00:00Z"}),
    )
    .await;
    assert_eq!(
        reading["over_limit"].as_array().unwrap().len(),
        1,
        "three of eight projects may be read"
    );
    assert_eq!(reading["over_limit"][0]["then"]["access"], "read_only");
    let unblocked = any_version(&server, Method::DELETE, path, Value::Null).await;
    assert_eq!(unblocked["over_limit"][0]["over"], 2);
    let blocks = server.get(&of("tenants/acme/blocks")).await.is(200);
    assert_eq!(blocks.get("over_limit"), None);

    // What is to come is not there yet, and then it is.
    let ends = json!({"plan": "pro", "plan_version": 1,
                      "subscription": {"state": "cancelled", "ends_at": "2126-01-01T00:00:00Z"}});
    let later = any_version(&server, Method::PATCH, "tenants/acme", ends).await;
    assert_eq!(later.get("over_limit"), None);
    let ended = json!({"subscription": {"state": "cancelled", "ends_at": "2026-01-01T00:00:00Z"}});
    let ended = any_version(&server, Method::PATCH, "tenants/acme", ended).await;
    let told = &ended["over_limit"];
    assert_eq!(
        (&told[0]["limit"], &told[0]["then"]["reason"]),
        (&Value::Null, &json!("not_in_plan"))
    );
    assert_eq!((&told[1]["limit"], &told[1]["over"]), (&json!(1), &json!(5)), "the fallback's");
}

#[tokio::test]
async fn many_that_are_stored_are_told_with_their_keys() {
    let server = furnished().await;
    let many = |version: u32| -> Value {
        let one = |n| json!({"key": format!("t{n:03}"), "plan": "pro", "plan_version": version});
        json!((0..110).map(one).collect::<Vec<_>>())
    };
    let stored = store(&server, many(1)).await;
    assert_eq!((stored.get("over_limit"), stored.get("over_limit_total")), (None, None));
    for n in 0..110 {
        use_projects(&server, &format!("t{n:03}"), 9).await;
    }
    for created in [0, 0] {
        let stored = store(&server, many(2)).await;
        assert_eq!(
            (&stored["created"], &stored["over_limit_total"]),
            (&json!(created), &json!(110))
        );
        let first = stored["over_limit"].as_array().unwrap();
        assert_eq!(
            (first.len(), &first[0]["tenant"], &first[99]["tenant"]),
            (100, &json!("t000"), &json!("t099"))
        );
        assert_eq!((&first[0]["limit"], &first[0]["over"]), (&json!(8), &json!(1)));
    }
    let back = mv(&server, "", json!({"from_version": 2, "to": {"version": 1}})).await.is(200);
    assert_eq!((&back["moved"], &back["over_limit_total"]), (&json!(111), &json!(110)));
    assert_eq!(back["over_limit"].as_array().unwrap().len(), 100);
    assert_eq!(mv(&server, "", json!({"to": {"version": 3}})).await.is(200)["over_limit_total"], 0);
}

#[tokio::test]
async fn what_is_not_so_is_refused_with_its_place_and_nobody_is_moved() {
    let server = furnished().await;
    let revision = server.revision().await;
    mv(&server, "", json!({})).await.refuses(&[("", "missing_field")]);
    let to = |version: Value| json!({"to": {"version": version}});
    for (body, faults) in [
        (to(json!(9)), &[("/to/version", "unknown_version")][..]),
        (to(json!(0)), &[("/to/version", "unknown_version")]),
        (to(json!(1.5)), &[("/to/version", "wrong_type")]),
        (json!({"to": {"plan": "none", "version": 1}}), &[("/to/plan", "unknown_plan")]),
        (json!({"to": {"version": 2}, "from_version": 7}), &[("/from_version", "unknown_version")]),
        (json!({"to": {"version": 2}, "addons": []}), &[("/addons", "unknown_field")]),
        (json!({"to": {"version": 2}, "tenants": ["a\nb"]}), &[("/tenants/0", "unknown_tenant")]),
        (
            json!({"from_version": 1, "to": {"version": 3},
                   "tenants": ["acme", "hooli", "umbrella", "initech", "nobody", "who", "acme"]}),
            &[
                ("/tenants/1", "not_on_plan"),
                ("/tenants/3", "not_on_plan"),
                ("/tenants/4", "not_on_plan"),
                ("/tenants/5", "unknown_tenant"),
                ("/tenants/6", "duplicate"),
            ],
        ),
    ] {
        for query in ["", "?dry_run=true"] {
            mv(&server, query, body.clone()).await.refuses(faults);
        }
    }
    let many = json!({"to": {"version": 2}, "tenants": vec!["x"; 1_001]});
    let refused = mv(&server, "", many).await.problem(422, "limit_exceeded");
    assert_eq!(refused["errors"][0]["pointer"], "/tenants");
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?dry_run=perhaps",
        "?cursor=x",
        "?include=catalogue",
    ] {
        mv(&server, query, to(json!(2))).await.problem(400, "invalid_query");
    }
    server.post(&of("plans/none/move"), to(json!(1))).await.problem(404, "not_found");
    let elsewhere = PRODUCTION.replace("production", "development");
    server
        .post(&format!("{elsewhere}/plans/pro/move"), to(json!(2)))
        .await
        .problem(404, "not_found");
    server
        .post(&format!("{}?limit=5", of("tenants")), json!({"tenants": []}))
        .await
        .problem(400, "invalid_query");
    assert_eq!(server.revision().await, revision);
}

#[tokio::test]
async fn who_may_write_tenants_moves_them_and_an_environment_has_its_own() {
    let server = furnished().await;
    let development = PRODUCTION.replace("production", "development");
    sell(&server, &development).await;
    let acme = json!({"tenants": [{"key": "acme", "plan": "pro", "plan_version": 1}]});
    server.post(&format!("{development}/tenants"), acme).await.is(200);
    let path = of("plans/pro/move");
    let token = async |role: &str, scope: Value| {
        let said = json!({"name": role, "kind": "service", "role": role, "scope": scope});
        server.post("/api/v1/tokens", said).await.is(201)["token"].as_str().unwrap().to_owned()
    };
    let everything = Value::Null;
    let elsewhere = json!([{"project": "default", "environment": "development"}]);
    let here = json!([{"project": "default", "environment": "production"}]);
    for (token, status) in [
        (token("viewer", everything).await, 403),
        (token("editor", elsewhere).await, 404),
        (SDK.to_owned(), 403),
        ("nobody-has-this-0123456789abcdef".to_owned(), 401),
        (token("editor", here).await, 200),
    ] {
        for query in ["?dry_run=true", ""] {
            let request = server.request(Method::POST, &format!("{path}{query}"), &token);
            let asked = answer(request.json(&json!({"to": {"version": 3}}))).await;
            assert_eq!(asked.status, status, "{}", asked.body);
        }
    }
    assert_eq!(plans(&server).await["acme"], on("pro", 3));
    let there = server.get(&format!("{development}/tenants/acme")).await.is(200);
    assert_eq!(there["plan_version"], 1);
}

#[tokio::test]
async fn a_move_that_is_sent_again_happens_once() {
    let server = furnished().await;
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request =
            server.request(Method::POST, &of("plans/pro/move?limit=1&reason=new%20prices"), ADMIN);
        let request = request.header("idempotency-key", "m-1").json(&json!({"to": {"version": 3}}));
        answers.push(answer(request).await.is(200));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!((&answers[0]["moved"], &answers[0]["remaining"]), (&json!(1), &json!(2)));
    let all = plans(&server).await;
    assert_eq!((&all["acme"], &all["globex"]), (&on("pro", 3), &on("pro", 1)));
}

#[tokio::test]
async fn a_move_is_told_in_words_and_can_be_forgotten_and_not_undone_by_a_revert() {
    let server = furnished().await;
    let before = server.revision().await;
    let path = "?reason=new%20prices";
    mv(&server, path, json!({"from_version": 1, "to": {"version": 2}})).await.is(200);
    mv(&server, "", json!({"to": {"plan": "free", "version": 1}, "tenants": ["hooli"]}))
        .await
        .is(200);
    let history = server.get(&of("history?limit=2")).await.is(200);
    let entry = &history["items"][1];
    assert_eq!((&entry["action"], &entry["reason"]), (&json!("tenant.move"), &json!("new prices")));
    let object = &entry["objects"][0];
    assert_eq!((&object["kind"], &object["key"]), (&json!("tenant"), &json!("")));
    assert_eq!(object["summary"], "2 tenants moved: pro version 1 → pro version 2 (acme, globex)");
    let summary = &history["items"][0]["objects"][0]["summary"];
    assert_eq!(summary, "1 tenant moved: pro → free version 1 (hooli)");
    let audit = server.get("/api/v1/audit?action=tenant.move").await.is(200);
    assert_eq!(audit["items"].as_array().unwrap().len(), 2, "one row each: {audit}");

    // What customers have stays, and so do the versions that they have.
    let moved = plans(&server).await;
    let revert = json!({"revision": before});
    server.post(&of("revert?include=catalogue"), revert).await.is(200);
    assert_eq!(plans(&server).await, moved);
    answer(
        server.request(Method::DELETE, &of("plans/pro/versions/2"), ADMIN).header("if-match", "*"),
    )
    .await
    .problem(409, "in_use");
    let exported = server.get(&of("export")).await.is(200);
    let tenants = exported["tenants"].as_array().unwrap();
    let acme = tenants.iter().find(|tenant| tenant["key"] == "acme").unwrap();
    assert_eq!(acme["plan_version"], 2);

    let erased = server.post("/api/v1/erasures", json!({"kind": "tenant", "key": "acme"})).await;
    assert!(erased.is(200)["audit_rows"].as_u64().unwrap() > 0);
    let history = server.get(&of("history")).await.is(200).to_string();
    assert!(!history.contains("acme"), "{history}");
    is_whole(&server).await;
}

/// What is kept twice agrees: who has which plan, and how many.
async fn is_whole(server: &TestServer) {
    let (code, report, errors) = run(binary(&server.dir), &["check"]).await;
    assert_eq!((code, &report["findings"], &*errors), (0, &json!([]), ""));
}

#[tokio::test]
async fn a_race_with_single_writes_loses_nobody_and_moves_nobody_twice() {
    let server = Arc::new(furnished().await);
    let many: Vec<_> = (0..400)
        .map(|n| json!({"key": format!("t{n:03}"), "plan": "pro", "plan_version": 1}))
        .collect();
    store(&server, json!(many)).await;
    let writes = {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            for n in (0..400).rev().step_by(7) {
                let path = format!("tenants/t{n:03}");
                let to_free = json!({"plan": "free", "plan_version": 1});
                any_version(&server, Method::PATCH, &path, to_free).await;
            }
        })
    };
    let mut movers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let server = Arc::clone(&server);
        movers.spawn(async move {
            let mut moved = 0;
            loop {
                let part =
                    mv(&server, "?limit=20", json!({"from_version": 1, "to": {"version": 2}}))
                        .await
                        .is(200);
                moved += part["moved"].as_u64().unwrap();
                if part["remaining"] == 0 {
                    return moved;
                }
            }
        });
    }
    let moved: u64 = movers.join_all().await.into_iter().sum();
    writes.await.unwrap();
    let all = plans(&server).await;
    let single: Vec<usize> = (0..400).rev().step_by(7).collect();
    for n in 0..400 {
        let expected = if single.contains(&n) { on("free", 1) } else { on("pro", 2) };
        assert_eq!(all[&format!("t{n:03}")], expected, "{n}");
    }
    // Who was written first was not moved, who was moved first was written then: each once.
    let sql = Connection::open(server.database()).unwrap();
    let mut rows = sql.prepare("SELECT after FROM audit WHERE action = 'tenant.move'").unwrap();
    let rows = rows.query_map((), |row| row.get::<_, String>(0)).unwrap();
    let (mut seen, mut sum) = (Vec::new(), 0);
    for row in rows {
        let told: Value = serde_json::from_str(&row.unwrap()).unwrap();
        let first = told["tenants"]["first"].as_array().unwrap();
        seen.extend(first.iter().map(|key| key.as_str().unwrap().to_owned()));
        sum += told["tenants"]["moved"].as_u64().unwrap();
    }
    assert_eq!((sum, seen.len() as u64), (moved, moved));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len() as u64, moved, "nobody twice");
    assert!(moved >= 2 + 400 - single.len() as u64);
    is_whole(&server).await;
}

#[tokio::test]
async fn ten_thousand_come_over_in_tens_of_requests() {
    let server = furnished().await;
    for part in 0..10 {
        let one = |n| json!({"key": format!("t{part}-{n:03}"), "plan": "pro", "plan_version": 1});
        store(&server, json!((0..1_000).map(one).collect::<Vec<_>>())).await;
    }
    let revision = server.revision().await;
    let tried = mv(&server, "?dry_run=true", json!({"from_version": 1, "to": {"version": 3}}))
        .await
        .is(200);
    assert_eq!(tried["tenants"], 10_002);
    let seats = &tried["features"][3];
    assert_eq!((&seats["feature"], &seats["changed"]), (&json!("seats"), &json!(10_002)));
    let mut requests = 0;
    let mut left = 10_002;
    while left > 0 {
        let part = mv(&server, "", json!({"from_version": 1, "to": {"version": 3}})).await.is(200);
        assert_eq!(part["moved"], 1_000.min(left));
        left -= 1_000.min(left);
        assert_eq!(part["remaining"], left);
        requests += 1;
    }
    assert_eq!((requests, server.revision().await), (11, revision + 11));
    let all = plans(&server).await;
    assert_eq!(all.values().filter(|plan| **plan == on("pro", 3)).count(), 10_003);
    is_whole(&server).await;
}

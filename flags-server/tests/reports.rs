//! What somebody should look at, and how disagreements are ended.

#![cfg(test)]

mod server;

use std::time::SystemTime;

use flags_core::Timestamp;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, Answer, FLAGS, PRODUCTION, SDK, TestServer, answer};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn later(millis: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    Timestamp::from_millis(i64::try_from(now).unwrap() + millis).to_string()
}

fn of(path: &str) -> String {
    format!("{PRODUCTION}/{path}")
}

async fn any_version(server: &TestServer, method: Method, path: &str, body: Value) -> Value {
    let request = server.request(method, path, ADMIN).header("if-match", "*");
    answer(request.json(&body)).await.is(200)
}

async fn patch_state(server: &TestServer, flag: &str, state: Value) -> Value {
    any_version(server, Method::PATCH, &of(&format!("flags/{flag}")), state).await
}

/// Tenants with and without `sso`, and flags that require it:
///
/// - `login` is on for everybody by its fallthrough, and for `free-1`, `pro-off` (off) and `nobody` (who is not
///   stored) by targets, and for the segment `beta` and for a country by rules;
/// - `dark` is off;
/// - `panel` needs `dark`;
/// - `personal` asks for the user first;
/// - `plain` requires nothing.
async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    let sso = json!({"key": "sso", "type": "boolean", "combine": "any"});
    server.post(&of("features"), sso).await.is(201);
    let seats = json!({"key": "seats", "type": "limit", "combine": "sum"});
    server.post(&of("features"), seats).await.is(201);
    for (key, grants) in [("pro", json!({"sso": true, "seats": 5})), ("free", json!({}))] {
        let plan = json!({"key": key, "versions": [{"version": 1, "grants": grants}]});
        server.post(&of("plans"), plan).await.is(201);
    }
    let tenants =
        ["free-1", "free-2", "free-3", "free-4", "pro-1", "pro-2", "pro-off"].map(|key| {
            let country = if key == "free-3" { "DE" } else { "FR" };
            let plan = key.split('-').next().unwrap();
            json!({"key": key, "plan": plan, "plan_version": 1, "attributes": {"country": country}})
        });
    server.post(&of("tenants"), json!({"tenants": tenants})).await.is(200);
    let beta = json!({"key": "beta", "kind": "tenant", "included": ["free-2", "pro-2"]});
    server.post(&of("segments"), beta).await.is(201);
    let requires = json!({"feature": "sso"});
    let rule = |id: &str, when: Value| json!({"id": id, "when": when, "serve": {"variant": "on"}});
    let (on, off) = (json!({"variant": "on"}), json!({"variant": "off"}));
    for (flag, state) in [
        (
            "login",
            json!({"on": true, "requires": requires, "fallthrough": on, "targets": [
                {"kind": "tenant", "keys": ["free-1", "nobody"], "variant": "on"},
                {"kind": "tenant", "keys": ["pro-off"], "variant": "off"}],
                "rules": [rule("beta", json!({"segment": "beta"})),
                          rule("de", json!({"attribute": "tenant.country", "op": "equals", "values": ["DE"]}))]}),
        ),
        ("dark", json!({"on": false, "requires": requires, "fallthrough": on})),
        (
            "panel",
            json!({"on": true, "requires": requires, "fallthrough": on,
                "prerequisites": [{"flag": "dark", "variants": ["on"]}]}),
        ),
        (
            "personal",
            json!({"on": true, "requires": requires, "fallthrough": off, "rules": [
                rule("mine", json!({"attribute": "user.email", "op": "ends_with", "values": ["@pro"]})),
                rule("free-4", json!({"attribute": "tenant.key", "op": "equals", "values": ["free-4"]}))]}),
        ),
        ("plain", json!({"on": true, "fallthrough": off})),
    ] {
        server.create_flag(flag).await;
        patch_state(&server, flag, state).await;
    }
    server
}

fn report(query: &str) -> String {
    of(&format!("reports/disagreements{query}"))
}

/// What is listed, three at a time.
async fn listed(server: &TestServer, query: &str) -> Vec<Value> {
    let mut path = report(&format!("/tenants?limit=3&{query}"));
    let mut items = Vec::new();
    loop {
        let page = server.get(&path).await;
        let link = page.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        let mut page = page.is(200);
        let Value::Array(found) = page["items"].take() else { panic!("{page}") };
        assert!(found.len() <= 3 && (found.len() == 3 || page["next_cursor"].is_null()));
        items.extend(found);
        let Some(link) = link else {
            assert!(page["next_cursor"].is_null());
            return items;
        };
        path = link[1..].split_once('>').unwrap().0.to_owned();
    }
}

/// Kind, flag, tenant, variant, because, dependent.
fn brief(items: &[Value]) -> Vec<Value> {
    let names = ["kind", "flag", "tenant", "variant", "because", "dependent"];
    items.iter().map(|item| names.iter().map(|name| item[name].clone()).collect()).collect()
}

#[tokio::test]
async fn where_they_disagree_is_told_with_why() {
    let server = furnished().await;
    let found = listed(&server, "").await;
    let because = |reason: &str| json!({"reason": reason});
    let rule = |rule: &str| json!({"reason": "rule_match", "rule": rule});
    let not_granted = |flag: &str, tenant: &str, why: Value, dependent: bool| {
        json!(["not_granted", flag, tenant, "on", why, dependent])
    };
    let not_released = |flag: &str, tenant: &str, why: Value, dependent: bool| {
        json!(["not_released", flag, tenant, "off", why, dependent])
    };
    let mut expected = Vec::new();
    let pro = ["pro-1", "pro-2", "pro-off"];
    expected.extend(pro.map(|tenant| not_released("dark", tenant, because("disabled"), false)));
    expected.extend([
        not_granted("login", "free-1", because("target_match"), false),
        not_granted("login", "free-2", rule("beta"), false),
        not_granted("login", "free-3", rule("de"), false),
        not_released("login", "pro-off", because("target_match"), false),
    ]);
    let failed = json!({"reason": "prerequisite_failed", "prerequisite": "dark"});
    expected.extend(pro.map(|tenant| not_released("panel", tenant, failed.clone(), false)));
    expected.push(not_granted("personal", "free-4", rule("free-4"), true));
    let fallthrough = because("fallthrough");
    expected.extend(pro.map(|key| not_released("personal", key, fallthrough.clone(), true)));
    assert_eq!(brief(&found), expected);
    let of = |tenant: &str| found.iter().find(|item| item["tenant"] == tenant).unwrap();
    assert_eq!(of("free-1")["feature"], "sso");
    assert_eq!(of("free-1")["entitlement"]["reason"], "not_in_plan");
    assert_eq!(of("pro-off")["entitlement"]["source"], json!({"plan": "pro", "version": 1}));

    let sums = server.get(&report("")).await.is(200);
    assert_eq!((&sums["revision"], &sums["tenants"]), (&json!(server.revision().await), &json!(7)));
    let sum = |kind: &str, dependent: bool, examples: &[&str]| json!({"kind": kind, "dependent": dependent, "tenants": examples.len(), "examples": examples});
    let of_flag =
        |flag: &str, sums: &[Value]| json!({"flag": flag, "feature": "sso", "disagreements": sums});
    assert_eq!(
        sums["flags"],
        json!([
            of_flag("dark", &[sum("not_released", false, &pro)]),
            of_flag(
                "login",
                &[
                    sum("not_granted", false, &["free-1", "free-2", "free-3"]),
                    sum("not_released", false, &["pro-off"])
                ]
            ),
            of_flag("panel", &[sum("not_released", false, &pro)]),
            of_flag(
                "personal",
                &[sum("not_granted", true, &["free-4"]), sum("not_released", true, &pro)]
            ),
        ])
    );

    // Of one flag, of one kind, of none.
    assert_eq!(brief(&listed(&server, "flag=login&kind=not_granted").await), expected[3..6]);
    let one = server.get(&report("?flag=dark&kind=not_granted")).await.is(200);
    assert_eq!(one["flags"], json!([of_flag("dark", &[])]));
    assert_eq!(server.get(&report("?flag=plain")).await.is(200)["flags"], json!([]));

    // Once all of it is mended by hand there is nothing left of the flag.
    patch_state(&server, "login", json!({"targets": [], "rules": []})).await;
    assert_eq!(listed(&server, "flag=login").await, Vec::<Value>::new());
    // What a contract no longer grants is told where it is given, and what it then grants where it is not.
    let fewer = json!({"plan": "free", "plan_version": 1});
    any_version(&server, Method::PATCH, &format!("{PRODUCTION}/tenants/pro-1"), fewer).await;
    assert_eq!(listed(&server, "flag=dark").await.len(), 2);
    server.press(&format!("{FLAGS}/dark/archive")).await.problem(409, "in_use");
    server.create_flag("later").await;
    patch_state(&server, "later", json!({"requires": {"feature": "sso"}})).await;
    assert_eq!(listed(&server, "flag=later").await.len(), 2);
    server.press(&format!("{FLAGS}/later/archive")).await.is(200);
    server.get(&report("?flag=later")).await.problem(404, "not_found");
}

#[tokio::test]
async fn read_only_is_enough_where_nothing_is_written() {
    let server = furnished().await;
    let blocked = json!({"effect": "read_only"});
    any_version(&server, Method::PUT, &of("tenants/pro-2/blocks/fraud"), blocked).await;
    let of_pro_2 = async |flag: &str| {
        let found = listed(&server, &format!("flag={flag}")).await;
        let found: Vec<Value> =
            found.into_iter().filter(|item| item["tenant"] == "pro-2").collect();
        brief(&found).first().map(|item| item[0].clone())
    };
    assert_eq!(of_pro_2("login").await, None);
    assert_eq!(of_pro_2("dark").await, Some(json!("not_released")));
    for flag in ["login", "dark"] {
        patch_state(&server, flag, json!({"requires": {"feature": "sso", "write": true}})).await;
    }
    assert_eq!(of_pro_2("login").await, Some(json!("not_granted")));
    assert_eq!(of_pro_2("dark").await, None);
}

#[tokio::test]
async fn a_cursor_holds_for_its_revision_and_what_cannot_be_asked_is_refused() {
    let server = furnished().await;
    let first = server.get(&report("/tenants?limit=1")).await.is(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server.get(&report(&format!("/tenants?cursor={cursor}"))).await.is(200);
    assert_eq!(second["at"], first["at"]);
    patch_state(&server, "plain", json!({"fallthrough": {"variant": "on"}})).await;
    let late = server.get(&report(&format!("/tenants?cursor={cursor}"))).await;
    late.problem(409, "revision_changed");
    for wrong in ["kind=x", "limit=0", "limit=501", "cursor=x", "cursor=", "cursor=eA", "x=1"] {
        server.get(&report(&format!("/tenants?{wrong}"))).await.problem(400, "invalid_query");
    }
    for wrong in ["kind=x", "limit=1"] {
        server.get(&report(&format!("?{wrong}"))).await.problem(400, "invalid_query");
    }
    for path in ["", "/tenants"] {
        server.get(&report(&format!("{path}?flag=none"))).await.problem(404, "not_found");
        let elsewhere = report(path).replace("production", "none");
        server.get(&elsewhere).await.problem(404, "not_found");
        let development = report(path).replace("production", "development");
        server.get(&development).await.is(200);
    }
    let said = json!({"name": "v", "kind": "service", "role": "viewer"});
    let viewer = server.post("/api/v1/tokens", said).await.is(201);
    let viewer = viewer["token"].as_str().unwrap();
    let body = json!({"flag": "login", "by": "untarget", "tenants": []});
    for (token, reads, writes) in [(viewer, 200, 403), (SDK, 403, 403), ("none", 401, 401)] {
        for path in ["disagreements", "disagreements/tenants", "overrides", "over-limit"] {
            let get = server.request(Method::GET, &of(&format!("reports/{path}")), token);
            assert_eq!(answer(get).await.status, reads, "{path}");
        }
        let repair = report("/repair?dry_run=true");
        let repair = server.request(Method::POST, &repair, token).json(&body);
        assert_eq!(answer(repair).await.status, writes);
    }
}

async fn repair(server: &TestServer, query: &str, body: &Value) -> Answer {
    server.post(&report(&format!("/repair{query}")), body.clone()).await
}

/// What a dry run says and then what is done, which is the same but for the revision.
async fn repaired(server: &TestServer, body: Value) -> (u64, Vec<Value>) {
    let (before, kept) = (server.revision().await, server.snapshot().await);
    let dry = repair(server, "?dry_run=true", &body).await.is(200);
    assert_eq!((&dry["dry_run"], &dry["revision"]), (&json!(true), &json!(before)));
    assert_eq!(server.snapshot().await, kept);
    let done = repair(server, "?reason=mended", &body).await.is(200);
    let writes = u64::from(done["repaired"] != 0);
    assert_eq!((&done["dry_run"], &done["revision"]), (&json!(false), &json!(before + writes)));
    assert_eq!((&dry["repaired"], &dry["left"]), (&done["repaired"], &done["left"]));
    assert_eq!(server.revision().await, before + writes);
    (done["repaired"].as_u64().unwrap(), done["left"].as_array().unwrap().clone())
}

fn left(tenant: &str, why: &str, because: Value) -> Value {
    json!({"tenant": tenant, "why": why, "because": because})
}

#[tokio::test]
async fn tenants_are_taken_out_of_targets_unless_a_rule_gives_it() {
    let server = furnished().await;
    let targets = json!([{"kind": "tenant", "keys": ["free-1", "free-2", "nobody"], "variant": "on"},
                         {"kind": "tenant", "keys": ["pro-off"], "variant": "off"}]);
    patch_state(&server, "login", json!({"targets": targets})).await;
    let by_rule = |rule: &str| json!({"reason": "rule_match", "rule": rule});
    let tenants = ["free-2", "free-1", "nobody", "pro-1", "free-3", "pro-off", "none"];
    let body = json!({"flag": "login", "by": "untarget", "tenants": tenants});
    assert_eq!(
        repaired(&server, body.clone()).await,
        (
            1,
            vec![
                left("free-2", "disagrees_still", by_rule("beta")),
                left("nobody", "tenant_unknown", json!({"reason": "target_match"})),
                left("pro-1", "no_disagreement", json!({"reason": "fallthrough"})),
                left("free-3", "disagrees_still", by_rule("de")),
                left("pro-off", "no_disagreement", json!({"reason": "target_match"})),
                left("none", "tenant_unknown", json!({"reason": "fallthrough"})),
            ]
        )
    );
    let state = server.get(&of("flags/login")).await.is(200);
    assert_eq!(state["targets"][0]["keys"], json!(["free-2", "nobody"]));
    assert_eq!(listed(&server, "flag=login&kind=not_granted").await.len(), 2);
    let history = server.get(&of("flags/login/history?limit=1")).await.is(200);
    let told = &history["items"][0];
    assert_eq!((&told["action"], &told["reason"]), (&json!("flag_state.repair"), &json!("mended")));
    assert_eq!(told["objects"][0]["summary"], "tenant free-1 no longer set to on");
    let (none, all_left) = repaired(&server, body).await;
    assert_eq!((none, all_left.len()), (0, tenants.len()));
}

#[tokio::test]
async fn tenants_are_targeted_where_that_releases_it() {
    let server = furnished().await;
    let target = |flag: &str, variant: &str| json!({"flag": flag, "by": "target", "variant": variant, "tenants": ["pro-1", "pro-off", "free-1"]});
    let free = || left("free-1", "no_disagreement", json!({"reason": "not_entitled"}));
    let (count, stay) = repaired(&server, target("login", "on")).await;
    assert_eq!(count, 1);
    assert_eq!(stay, [left("pro-1", "no_disagreement", json!({"reason": "fallthrough"})), free(),]);
    assert_eq!(listed(&server, "flag=login&kind=not_released").await, Vec::<Value>::new());
    // A flag that is off, a prerequisite that fails, and the off variant release nothing.
    for (flag, variant, because) in [
        ("dark", "on", json!({"reason": "disabled"})),
        ("panel", "on", json!({"reason": "prerequisite_failed", "prerequisite": "dark"})),
        ("personal", "off", json!({"reason": "target_match"})),
    ] {
        let (count, stay) = repaired(&server, target(flag, variant)).await;
        assert_eq!(count, 0, "{flag}");
        let still = ["pro-1", "pro-off"].map(|key| left(key, "disagrees_still", because.clone()));
        assert_eq!(stay[..2], still);
        let of_free =
            if flag == "personal" { free() } else { left("free-1", "no_disagreement", because) };
        assert_eq!(stay[2], of_free);
    }
    let (count, _) = repaired(&server, target("personal", "on")).await;
    assert_eq!(count, 2);
    let personal = server.get(&of("flags/personal")).await.is(200);
    assert_eq!(
        personal["targets"],
        json!([{"kind": "tenant", "keys": ["pro-1", "pro-off"], "variant": "on"}])
    );
}

fn grant(tenants: &[&str], exception: Value) -> Value {
    json!({"flag": "login", "by": "grant", "tenants": tenants, "override": exception})
}

fn exception() -> Value {
    json!({"mode": "set", "value": true, "end": "2100-01-01T00:00:00Z", "contract": "order 4711",
        "reason": "pilot"})
}

#[tokio::test]
async fn contracts_get_the_same_exception() {
    let server = furnished().await;
    // It begins too late to help.
    let mut late = exception();
    late["start"] = json!("2099-01-01T00:00:00Z");
    let (count, stay) = repaired(&server, grant(&["free-1"], late)).await;
    assert_eq!(count, 0);
    assert_eq!(stay, [left("free-1", "disagrees_still", json!({"reason": "target_match"}))]);
    let body = grant(&["free-3", "free-1", "pro-1", "free-4"], exception());
    let (count, stay) = repaired(&server, body.clone()).await;
    assert_eq!(count, 2);
    assert_eq!(
        stay,
        [
            left("pro-1", "no_disagreement", json!({"reason": "fallthrough"})),
            left("free-4", "no_disagreement", json!({"reason": "fallthrough"})),
        ]
    );
    let mut ids = Vec::new();
    let version = server.revision().await;
    for tenant in ["free-1", "free-3"] {
        let found = server.get(&of(&format!("tenants/{tenant}/overrides"))).await.is(200);
        let [found] = &found["items"].as_array().unwrap()[..] else { panic!("{found}") };
        ids.push(found["id"].clone());
        assert_eq!((&found["feature"], &found["reason"]), (&json!("sso"), &json!("pilot")));
        assert_eq!(
            (&found["version"], &found["contract"]),
            (&json!(version), &json!("order 4711"))
        );
        assert!(!found["actor"]["name"].as_str().unwrap().is_empty());
        let entitlement = server.get(&of(&format!("tenants/{tenant}/entitlements/sso"))).await;
        assert_eq!(entitlement.is(200)["decision"]["reason"], "override_set");
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(brief(&listed(&server, "flag=login&kind=not_granted").await).len(), 1);
    let history = server.get(&of("history?limit=1")).await.is(200);
    let told = &history["items"][0];
    assert_eq!(told["action"], "tenant.repair");
    let summary = "2 tenants updated (free-3, free-1): override added (sso set true)";
    assert_eq!(told["objects"][0]["summary"], summary);
    let audit = server.get("/api/v1/audit?limit=1").await.is(200);
    let after = &audit["items"][0]["diff"][0]["after"];
    assert_eq!((&after["flag"], &after["override"]["reason"]), (&json!("login"), &json!("pilot")));
    assert_eq!(after["tenants"]["updated"], 2);
    // Nothing more to do.
    assert_eq!(repaired(&server, body).await.0, 0);
}

#[tokio::test]
async fn what_would_not_fit_is_refused_as_a_whole() {
    let server = furnished().await;
    let window = |start: &str, end: &str| json!({"feature": "sso", "mode": "set", "value": true, "start": start, "end": end, "reason": "x"});
    let later = window("2098-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
    server.post(&of("tenants/free-3/overrides"), later).await.is(201);
    let before = server.snapshot().await;
    let whole = grant(&["free-1", "free-3"], exception());
    for query in ["", "?dry_run=true"] {
        repair(&server, query, &whole).await.refuses(&[("/tenants/1", "overlap")]);
        let with = |name: &str, value: Value| {
            let mut said = exception();
            said[name] = value;
            grant(&["free-1"], said)
        };
        for (body, faults) in [
            (with("value", json!(5)), vec![("/override/value", "wrong_type")]),
            (with("end", json!("soon")), vec![("/override/end", "invalid_time")]),
            (with("end", Value::Null), vec![("/override", "missing_field")]),
            (with("reason", json!(" ")), vec![("/override/reason", "empty")]),
            (with("feature", json!("sso")), vec![("/override/feature", "unknown_field")]),
            (
                grant(&["free-1", "\u{7}", "free-1"], exception()),
                vec![("/tenants/1", "invalid_key"), ("/tenants/2", "duplicate")],
            ),
            (
                json!({"flag": "login", "by": "grant", "tenants": [], "variant": "on"}),
                vec![("", "missing_field"), ("/variant", "unknown_field")],
            ),
            (json!({"flag": "login", "by": "target", "tenants": []}), vec![("", "missing_field")]),
            (
                json!({"flag": "login", "by": "target", "variant": "none", "tenants": []}),
                vec![("/variant", "unknown_variant")],
            ),
            (
                json!({"flag": "login", "by": "untarget", "tenants": [], "override": exception()}),
                vec![("/override", "unknown_field")],
            ),
            (
                json!({"flag": "login", "by": "magic", "tenants": "all"}),
                vec![("/by", "wrong_type"), ("/tenants", "wrong_type")],
            ),
            (
                json!({"flag": "plain", "by": "untarget", "tenants": []}),
                vec![("/flag", "requires_nothing")],
            ),
        ] {
            let refused = repair(&server, query, &body).await;
            assert_eq!(refused.status, 422, "{body} {}", refused.body);
            refused.refuses(&faults);
        }
        let none = json!({"flag": "none", "by": "untarget", "tenants": []});
        repair(&server, query, &none).await.problem(404, "not_found");
        let many: Vec<String> = (0..1_001).map(|number| format!("t{number}")).collect();
        let many = json!({"flag": "login", "by": "untarget", "tenants": many});
        repair(&server, query, &many)
            .await
            .refuses_as("limit_exceeded", &[("/tenants", "limit_exceeded")]);
    }
    assert_eq!(server.snapshot().await, before);

    // The 257th override.
    let overrides = (0..256).map(|number| {
        json!({"id": format!("o-{number}"), "feature": "seats", "mode": "add", "value": 1, "end": "2100-01-01T00:00:00Z"})
    });
    let notes = (0..256).map(|number| {
        let note = json!({"reason": "x", "actor": {"id": "t", "name": "t"}, "created_at": "2026-01-01T00:00:00Z", "version": 1});
        (format!("o-{number}"), note)
    });
    let database = server.database();
    let overrides: Value = overrides.collect();
    let notes: Value = notes.collect::<serde_json::Map<_, _>>().into();
    let directory = server.stop().await;
    let document = json!({"attributes": {"country": "DE"}, "plan": "free", "plan_version": 1, "overrides": overrides});
    let connection = Connection::open(&database).unwrap();
    let sql = "UPDATE tenant SET document = ?1, notes = ?2 WHERE key = 'free-3'";
    connection.execute(sql, (document.to_string(), notes.to_string())).unwrap();
    drop(connection);
    let server = TestServer::start_in(directory).await;
    repair(&server, "", &whole)
        .await
        .refuses_as("limit_exceeded", &[("/tenants/1", "limit_exceeded")]);
}

#[tokio::test]
async fn a_repair_happens_once_for_a_key() {
    let server = furnished().await;
    let body = grant(&["free-1"], exception());
    let send = || {
        let request = server.request(Method::POST, &report("/repair"), ADMIN);
        answer(request.header("idempotency-key", "k-1").json(&body))
    };
    let (first, again) = (send().await, send().await);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.is(200), again.is(200));
    let found = server.get(&of("tenants/free-1/overrides")).await.is(200);
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
}

/// Repairs and writes that change what they rest on, all at once: nobody ends up with what the
/// contract does not grant and the flag still gives.
#[tokio::test]
async fn repairs_know_of_the_writes_before_them() {
    let server = furnished().await;
    let keys: Vec<String> = (0..40).map(|number| format!("many-{number:02}")).collect();
    let tenants = |plan: &str| -> Value {
        let tenants: Vec<Value> =
            keys.iter().map(|key| json!({"key": key, "plan": plan, "plan_version": 1})).collect();
        json!({"tenants": tenants})
    };
    server.post(&of("tenants"), tenants("free")).await.is(200);
    let targets = json!([{"kind": "tenant", "keys": keys, "variant": "on"}]);
    patch_state(&server, "login", json!({"targets": targets, "rules": []})).await;
    let body = json!({"flag": "login", "by": "untarget", "tenants": keys});
    // Each tenant is either moved to `pro` first, and then stays a target, or is taken out before that.
    let move_one = |key: &String| {
        let moved = json!({"tenants": [{"key": key, "plan": "pro", "plan_version": 1}]});
        tokio::spawn(answer(server.request(Method::POST, &of("tenants"), ADMIN).json(&moved)))
    };
    let (first, rest) = keys.split_at(20);
    let first: Vec<_> = first.iter().map(move_one).collect();
    let request = server.request(Method::POST, &report("/repair"), ADMIN);
    let done = tokio::spawn(answer(request.json(&body)));
    let rest: Vec<_> = rest.iter().map(move_one).collect();
    let done = done.await.unwrap().is(200);
    let (mut before, at) = (0, done["revision"].as_u64().unwrap());
    for moved in first.into_iter().chain(rest) {
        before += u64::from(moved.await.unwrap().is(200)["revision"].as_u64().unwrap() < at);
    }
    assert_eq!(done["repaired"].as_u64().unwrap(), 40 - before, "{done}");
    let state = server.get(&of("flags/login")).await.is(200);
    let stay = state["targets"].as_array().unwrap().iter().find(|target| target["variant"] == "on");
    let stay = stay.map_or(0, |target| target["keys"].as_array().unwrap().len() as u64);
    assert_eq!(stay, before);
}

async fn overrides_due(server: &TestServer, query: &str) -> Vec<Value> {
    let mut path = of(&format!("reports/overrides?limit=2&{query}"));
    let mut items = Vec::new();
    loop {
        let page = server.get(&path).await;
        let link = page.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        items.extend(page.is(200)["items"].as_array().unwrap().clone());
        let Some(link) = link else { return items };
        path = link[1..].split_once('>').unwrap().0.to_owned();
    }
}

#[tokio::test]
async fn overrides_are_told_before_they_end_and_once_they_are_to_be_looked_at() {
    let server = furnished().await;
    let days = |days: i64| later(days * DAY_MS);
    let (ended, soon, next, far) = (days(-1), days(3), days(20), days(40));
    let (past, coming) = (days(-5), days(10));
    for (tenant, id, end, review_at) in [
        ("pro-2", "b", Some(&soon), None),
        ("pro-1", "b", Some(&soon), None),
        ("pro-1", "a", Some(&soon), Some(&coming)),
        ("free-1", "over", Some(&ended), Some(&past)),
        ("free-1", "late", None, Some(&past)),
        ("free-2", "next", Some(&next), None),
        ("free-3", "far", Some(&far), Some(&far)),
    ] {
        let said = json!({"id": id, "feature": "seats", "mode": "add", "value": 1, "end": end,
            "review_at": review_at, "reason": "x"});
        server.post(&of(&format!("tenants/{tenant}/overrides")), said).await.is(201);
    }
    let brief = |items: &[Value]| -> Vec<Value> {
        let names = ["due", "due_at", "tenant", "id", "overdue"];
        items.iter().map(|item| names.iter().map(|name| item[name].clone()).collect()).collect()
    };
    let all = overrides_due(&server, "").await;
    let expected = [
        json!(["review", past, "free-1", "late", true]),
        json!(["ends", soon, "pro-1", "a", false]),
        json!(["ends", soon, "pro-1", "b", false]),
        json!(["ends", soon, "pro-2", "b", false]),
        json!(["review", coming, "pro-1", "a", false]),
        json!(["ends", next, "free-2", "next", false]),
    ];
    assert_eq!(brief(&all), expected);
    let shown = server.get(&of("tenants/free-1/overrides/late")).await.is(200);
    for (name, value) in shown.as_object().unwrap() {
        assert_eq!(all[0][name], *value, "{name}");
    }
    assert_eq!(brief(&overrides_due(&server, "due=review&within_days=0").await), expected[..1]);
    assert_eq!(brief(&overrides_due(&server, "due=ends&within_days=5").await), expected[1..4]);
    assert_eq!(overrides_due(&server, "within_days=3660").await.len(), 8);
    for wrong in ["due=x", "within_days=3661", "within_days=-1", "limit=0", "cursor=eA", "x=1"] {
        let path = of(&format!("reports/overrides?{wrong}"));
        server.get(&path).await.problem(400, "invalid_query");
    }
    for elsewhere in ["overrides", "over-limit"] {
        let path = of(&format!("reports/{elsewhere}"));
        server.get(&path.replace("production", "none")).await.problem(404, "not_found");
        let other = server.get(&path.replace("production", "development")).await.is(200);
        assert_eq!(other["items"], json!([]));
    }
}

#[tokio::test]
async fn who_uses_more_than_is_granted_is_told_with_what_comes_of_it() {
    let server = furnished().await;
    let grace = 10 * DAY_MS;
    for (key, over_limit) in [
        ("calls", json!({"policy": "read_only", "grace_ms": grace})),
        ("files", json!({"policy": "none"})),
    ] {
        let feature =
            json!({"key": key, "type": "limit", "combine": "max", "over_limit": over_limit});
        server.post(&of("features"), feature).await.is(201);
    }
    for (key, more) in [
        ("big", json!({"calls": 100, "files": 10, "seats": 5})),
        ("small", json!({"calls": 40, "files": 4, "seats": 1})),
    ] {
        let plan = json!({"key": key, "versions": [{"version": 1, "grants": more}]});
        server.post(&of("plans"), plan).await.is(201);
    }
    let on = |plan: &str| json!({"plan": plan, "plan_version": 1});
    for tenant in ["pro-1", "pro-2"] {
        any_version(&server, Method::PATCH, &of(&format!("tenants/{tenant}")), on("big")).await;
        for feature in ["calls", "files"] {
            let used = json!({"used": if feature == "calls" { 50 } else { 5 }, "at": later(0)});
            let path = of(&format!("tenants/{tenant}/usage/{feature}"));
            answer(server.request(Method::PUT, &path, ADMIN).json(&used)).await.is(200);
        }
        for user in ["ada", "bob"] {
            let path = of(&format!("tenants/{tenant}/seats/seats/{user}"));
            answer(server.request(Method::PUT, &path, ADMIN)).await.is(201);
        }
    }
    let list = async |query: &str| {
        let mut path = of(&format!("reports/over-limit?{query}"));
        let mut items: Vec<Value> = Vec::new();
        loop {
            let page = server.get(&path).await;
            let link = page.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
            items.extend(page.is(200)["items"].as_array().unwrap().clone());
            let Some(link) = link else { return items };
            path = link[1..].split_once('>').unwrap().0.to_owned();
        }
    };
    assert_eq!(list("").await, Vec::<Value>::new());
    let lowered = any_version(&server, Method::PATCH, &of("tenants/pro-2"), on("small")).await;
    let blocked = json!({"effect": "none"});
    any_version(&server, Method::PUT, &of("tenants/pro-1/blocks/fraud"), blocked).await;
    let since = Timestamp::parse(lowered["plan_since"].as_str().unwrap()).unwrap();
    let until = Timestamp::from_millis(since.as_millis() + grace).to_string();
    let names = [
        "/tenant",
        "/feature",
        "/counter",
        "/used",
        "/limit",
        "/over",
        "/then/access",
        "/then/reason",
        "/policy",
        "/then/until",
    ];
    let brief = |items: Vec<Value>| -> Vec<Value> {
        let member = |item: &Value, name: &str| item.pointer(name).unwrap().clone();
        items.iter().map(|item| names.iter().map(|name| member(item, name)).collect()).collect()
    };
    let without = |feature: &str, counter: &str, used: u64, policy: &str| {
        json!(["pro-1", feature, counter, used, null, used, "none", "blocked", policy, null])
    };
    let expected = [
        without("calls", "usage", 50, "read_only"),
        without("files", "usage", 5, "none"),
        without("seats", "seats", 2, "block_growth"),
        json!(["pro-2", "calls", "usage", 50, 40, 10, "full", "limit_reached", "read_only", until]),
        json!(["pro-2", "files", "usage", 5, 4, 1, "none", "limit_reached", "none", null]),
        json!(["pro-2", "seats", "seats", 2, 1, 1, "full", "limit_reached", "block_growth", null]),
    ];
    assert_eq!(brief(list("").await), expected);
    assert_eq!(brief(list("limit=1").await), expected);
    any_version(&server, Method::DELETE, &of("tenants/pro-1/blocks/fraud"), json!({})).await;
    assert_eq!(brief(list("limit=2").await), expected[3..]);
    for wrong in ["limit=0", "cursor=eA", "cursor=x", "x=1"] {
        let path = of(&format!("reports/over-limit?{wrong}"));
        server.get(&path).await.problem(400, "invalid_query");
    }
}

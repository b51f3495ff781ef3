//! A whole environment as one document, out of one server and into another.

#![cfg(test)]

mod server;

use std::collections::BTreeMap;

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, FLAGS, PRODUCTION, SDK, TestServer, answer};

/// Flags that need each other and a segment, and stored tenants.
async fn story() -> TestServer {
    let server = TestServer::start().await;
    for key in ["a", "z"] {
        server.create_flag(key).await;
    }
    let colour = json!({"key": "colour", "type": "string", "off_variant": "red", "fallthrough": "blue",
        "variants": [{"name": "red", "value": "#f00"}, {"name": "blue", "value": "#00f"}],
        "owner": "design", "tags": ["look"], "expiry": "2027-01-01T00:00:00Z"});
    server.post(FLAGS, colour).await.is(201);
    let segment = json!({"key": "beta", "kind": "tenant", "included": ["acme", "a \"b\""], "excluded": ["x"],
        "when": {"attribute": "tenant.score", "op": "gte", "values": [0.1]}});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    let state = json!({"on": true, "prerequisites": [{"flag": "z", "variants": ["on"]}],
        "rules": [{"when": {"segment": "beta"}, "serve": {"split": {"by": "tenant", "weights": [
            {"variant": "on", "weight": 5000}, {"weight": 95_000}]}}}]});
    server.patch(&format!("{PRODUCTION}/flags/a"), 1, state).await.is(200);
    let tenants = json!({"tenants": [{"key": "acme", "attributes": {"score": 0.5, "regions": ["eu"]}},
                                     {"key": "größe/2 %"}]});
    server.post(&format!("{PRODUCTION}/tenants"), tenants).await.is(200);
    server
}

async fn export(server: &TestServer) -> Value {
    server.get(&format!("{PRODUCTION}/export")).await.is(200)
}

trait Refuses {
    fn refuses_any(self, faults: &[(&str, &str)]);
}

impl Refuses for server::Answer {
    /// Whatever the code of the whole.
    #[track_caller]
    fn refuses_any(self, faults: &[(&str, &str)]) {
        let code = self.body["code"].as_str().unwrap().to_owned();
        self.refuses_as(&code, faults);
    }
}

async fn import(server: &TestServer, query: &str, document: &Value) -> server::Answer {
    server.post(&format!("{PRODUCTION}/import{query}"), document.clone()).await
}

/// What SDKs get, whatever the versions.
async fn definitions(server: &TestServer) -> BTreeMap<String, Value> {
    let snapshot = server.snapshot().await;
    let objects = snapshot["objects"].as_array().unwrap().iter();
    objects
        .map(|object| (object["key"].as_str().unwrap().to_owned(), object["definition"].clone()))
        .collect()
}

#[tokio::test]
async fn an_environment_moves_to_another_server_as_one_revision() {
    let server = story().await;
    let exported = server.get(&format!("{PRODUCTION}/export")).await;
    assert_eq!(
        exported.header("content-disposition"),
        "attachment; filename=\"default-production.json\""
    );
    assert_eq!(exported.header("content-type"), "application/json");
    let exported = exported.is(200);
    assert_eq!(
        (
            &exported["format"],
            &exported["project"],
            &exported["environment"],
            &exported["revision"]
        ),
        (&json!(1), &json!("default"), &json!("production"), &json!(6))
    );
    assert_eq!(exported["flags"][1]["owner"], "design");
    assert_eq!(
        exported["tenants"],
        json!([{"key": "acme", "attributes": {"regions": ["eu"], "score": 0.5}},
               {"key": "größe/2 %", "attributes": {}}])
    );

    let other = TestServer::start().await;
    let tried = import(&other, "?dry_run=true", &exported).await.is(200);
    assert_eq!(
        (&tried["dry_run"], &tried["objects_count"], &tried["revision"]),
        (&json!(true), &json!(5), &json!(0))
    );
    assert_eq!(other.revision().await, 0);
    let mut events = other.stream("").await;
    let done = import(&other, "?reason=move", &exported).await.is(200);
    assert_eq!(done["revisions"], json!({"development": 1, "production": 1}));
    assert_eq!(done["objects"], tried["objects"]);
    assert_eq!(
        done["objects"][4],
        json!({"kind": "tenant", "key": "", "summary": "2 tenants created (acme, größe/2 %)",
               "diff": [{"pointer": "", "after": {"tenants": {
                   "created": 2, "updated": 0, "first": ["acme", "größe/2 %"]}}}],
               "complete": true})
    );
    assert_eq!(events.next().await.unwrap().data["objects"].as_array().unwrap().len(), 6);
    assert_eq!(definitions(&other).await, definitions(&server).await);
    let mut again = export(&other).await;
    again["revision"] = json!(6);
    assert_eq!(again, exported);
    // The others are off elsewhere.
    let development = "/api/v1/projects/default/environments/development/flags/colour";
    let state = other.get(development).await.is(200);
    assert_eq!((&state["on"], &state["fallthrough"]["variant"]), (&json!(false), &json!("blue")));
    // Again: nothing differs.
    assert_eq!(import(&other, "", &exported).await.is(200)["objects_count"], 0);
    assert_eq!(other.revision().await, 1);
    let history = other.get(&format!("{PRODUCTION}/history")).await.is(200);
    let entry = &history["items"][0];
    assert_eq!((&entry["reason"], &entry["objects_count"]), (&json!("move"), &json!(8)));
}

#[tokio::test]
async fn what_the_document_names_changes_and_the_rest_stays() {
    let server = story().await;
    let mut document = export(&server).await;
    server.press(&format!("{PRODUCTION}/flags/z/on")).await.is(200);
    let members = json!({"included": {"add": ["globex"]}});
    server.post(&format!("{PRODUCTION}/segments/beta/members"), members).await.is(200);
    server.patch(&format!("{FLAGS}/colour"), 1, json!({"owner": "brand"})).await.is(200);
    server.create_flag("new").await;
    let acme = json!({"attributes": {"score": null, "country": "DE"}});
    server.patch(&format!("{PRODUCTION}/tenants/acme"), 6, acme).await.is(200);
    let globex = json!({"tenants": [{"key": "globex"}]});
    server.post(&format!("{PRODUCTION}/tenants"), globex).await.is(200);
    document["tenants"].as_array_mut().unwrap().push(json!({"key": "initech"}));
    // A rule without an id gets one.
    document["flags"][0]["state"]["rules"][0].as_object_mut().unwrap().remove("id");
    let stale = server.request(Method::POST, &format!("{PRODUCTION}/import"), ADMIN);
    let stale = answer(stale.header("if-match", "\"8\"").json(&document)).await;
    stale.problem(412, "version_mismatch");
    let done = import(&server, "", &document).await.is(200);
    let told: Vec<_> = done["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| (object["key"].as_str().unwrap(), object["summary"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("z", "switched off"),
            ("beta", "1 key no longer included (globex)"),
            ("", "1 tenant created, 1 updated (acme, initech)")
        ]
    );
    let acme = server.get(&format!("{PRODUCTION}/tenants/acme")).await.is(200);
    assert_eq!(acme["attributes"], json!({"score": 0.5, "regions": ["eu"]}));
    server.get(&format!("{PRODUCTION}/tenants/globex")).await.is(200);
    assert_eq!(
        done["kept"],
        json!([{"kind": "flag", "key": "colour", "why": "shared_definition"}])
    );
    assert_eq!(done["revisions"], json!({"production": 13}));
    assert_eq!(server.get(&format!("{FLAGS}/colour")).await.is(200)["owner"], "brand");
    server.get(&format!("{PRODUCTION}/flags/new")).await.is(200);
}

#[tokio::test]
async fn everything_that_is_wrong_is_named_and_nothing_is_stored() {
    let server = story().await;
    let document = export(&server).await;
    let check = |edit: fn(&mut Value), faults: &'static [(&'static str, &'static str)]| {
        let (server, mut document) = (&server, document.clone());
        edit(&mut document);
        async move { import(server, "", &document).await.refuses_any(faults) }
    };
    check(
        |d| {
            d["comment"] = json!("x");
            d["format"] = json!(2);
            d["flags"][0]["colour"] = json!("x");
            d["flags"][1]["state"]["on"] = json!("yes");
            d["flags"][2].as_object_mut().unwrap().remove("state");
            d["segments"][0]["size"] = json!(1);
            d["tenants"][0] = json!({"attributes": [], "version": 1});
        },
        &[
            ("/comment", "unknown_field"),
            ("/flags/0/colour", "unknown_field"),
            ("/flags/1/state/on", "wrong_type"),
            ("/flags/2", "missing_field"),
            ("/format", "unknown_format"),
            ("/segments/0/size", "unknown_field"),
            ("/tenants/0", "missing_field"),
            ("/tenants/0/attributes", "wrong_type"),
            ("/tenants/0/version", "unknown_field"),
        ],
    )
    .await;
    check(
        |d| {
            d["flags"][0]["key"] = json!("-");
            d["flags"][1]["key"] = json!("z");
            d["segments"].as_array_mut().unwrap().push(json!({"key": "Beta", "kind": "user"}));
            d["tenants"] = json!([{"key": "a"}, {"key": "A"}, {"key": "a"}, {"key": ".."},
                                  {"key": "b", "attributes": {"x": null}}]);
        },
        &[
            ("/flags/0/key", "invalid_key"),
            ("/flags/2/key", "duplicate"),
            ("/segments/1/key", "duplicate"),
            ("/tenants/2/key", "duplicate"),
            ("/tenants/3/key", "invalid_key"),
            ("/tenants/4/attributes/x", "wrong_type"),
        ],
    )
    .await;
    check(
        |d| {
            d["flags"][1]["type"] = json!("json");
            d["flags"][2]["variants"][0]["name"] = json!("yes");
        },
        &[("/flags/1/type", "immutable"), ("/flags/2/variants", "different")],
    )
    .await;
    check(
        |d| {
            d["flags"].as_array_mut().unwrap().truncate(1);
            d["flags"][0]["key"] = json!("Z");
        },
        &[("/flags/0/key", "key_conflict")],
    )
    .await;
    check(
        |d| {
            d["flags"][0]["state"]["off_variant"] = json!("none");
            d["flags"][1]["key"] = json!("new");
            d["flags"][1]["variants"][0]["value"] = json!(1);
            d["segments"][0]["kind"] = json!("a b");
        },
        &[
            ("/flags/0/state/off_variant", "unknown_variant"),
            ("/flags/1/variants/0/value", "wrong_type"),
            ("/segments/0/kind", "invalid_kind"),
            ("/segments/0/when/attribute", "wrong_kind"),
        ],
    )
    .await;
    check(
        |d| {
            d["flags"][0]["state"]["prerequisites"][0]["flag"] = json!("none");
            d["flags"][0]["state"]["rules"][0]["when"] = json!({"segment": "gamma"});
        },
        &[
            ("/flags/0/state/prerequisites/0/flag", "unknown_flag"),
            ("/flags/0/state/rules/0/when/segment", "unknown_segment"),
        ],
    )
    .await;
    let mut cycle = document.clone();
    cycle["flags"][2]["state"]["prerequisites"] = json!([{"flag": "a", "variants": ["on"]}]);
    import(&server, "", &cycle).await.problem(422, "cycle");
    let many: Vec<String> = (0..100_001).map(|n| n.to_string()).collect();
    let segments = json!({"segments": [{"key": "s", "kind": "user", "included": many}]});
    let problem = import(&server, "", &segments).await.problem(422, "limit_exceeded");
    assert_eq!(problem["limit"], "members_per_request");
    assert_eq!(problem["errors"][0]["pointer"], "/segments/0");
    // More than there can be is refused before any of it is looked at, right or wrong.
    for (list, most, limit) in [
        ("flags", 20_000, "flags"),
        ("segments", 5_000, "segments"),
        ("tenants", 100_000, "imported_tenants"),
    ] {
        for (number, code) in [(most, "invalid"), (most + 1, "limit_exceeded")] {
            let many = vec![json!({}); number];
            let problem = import(&server, "", &json!({list: many})).await.problem(422, code);
            if code == "limit_exceeded" {
                assert_eq!(problem["limit"], limit);
                assert_eq!(problem["errors"][0]["pointer"], format!("/{list}"));
            }
        }
    }
    for wrong in [json!([]), json!({"flags": {}})] {
        import(&server, "", &wrong).await.problem(422, "invalid");
    }
    assert_eq!(export(&server).await, document);
    server.press(&format!("{PRODUCTION}/flags/a/off")).await.is(200);
    server.press(&format!("{FLAGS}/a/archive")).await.is(200);
    import(&server, "", &document).await.refuses(&[("/flags/0/key", "archived")]);
}

#[tokio::test]
async fn exports_are_whole_when_they_are_long_and_guarded() {
    let server = TestServer::start().await;
    for key in ["s", "t"] {
        let segment = json!({"key": key, "kind": "user"});
        server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
        let keys: Vec<String> = (0..20_000).map(|n| format!("{key}{n:05}")).collect();
        let path = format!("{PRODUCTION}/segments/{key}/members");
        server.post(&path, json!({"included": {"add": keys}})).await.is(200);
    }
    for begin in [0, 1_000] {
        let tenants: Vec<_> = (begin..begin + 1_000)
            .map(|n| json!({"key": format!("t{n:04}"), "attributes": {"n": n}}))
            .collect();
        server.post(&format!("{PRODUCTION}/tenants"), json!({"tenants": tenants})).await.is(200);
    }
    let document = export(&server).await;
    let tenants = document["tenants"].as_array().unwrap();
    assert_eq!((tenants.len(), &tenants[1_999]["attributes"]["n"]), (2_000, &json!(1_999)));
    for (index, key) in ["s", "t"].iter().enumerate() {
        let included = document["segments"][index]["included"].as_array().unwrap();
        assert_eq!((included.len(), &included[19_999]), (20_000, &json!(format!("{key}19999"))));
    }
    let other = TestServer::start().await;
    import(&other, "", &document).await.is(200);
    let again = export(&other).await;
    assert_eq!(
        (&again["segments"], &again["tenants"]),
        (&document["segments"], &document["tenants"])
    );

    let large = vec![b' '; 16 * 1024 * 1024 + 1];
    let request = server.request(Method::POST, &format!("{PRODUCTION}/import"), ADMIN).body(large);
    answer(request).await.problem(413, "body_too_large");
    let elsewhere = "/api/v1/projects/default/environments/none";
    for (method, verb) in [(Method::GET, "export"), (Method::POST, "import")] {
        let ask = |path: &str, token: &str| {
            answer(
                server.request(method.clone(), &format!("{path}/{verb}"), token).json(&json!({})),
            )
        };
        ask(elsewhere, ADMIN).await.problem(404, "not_found");
        ask(PRODUCTION, "wrong").await.problem(401, "unauthenticated");
        ask(PRODUCTION, SDK).await.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_dry_run_refuses_what_is_refused_in_earnest() {
    let server = TestServer::start().await;
    let flag = |key: &str, keys: usize| {
        let keys: Vec<String> = (0..keys).map(|number| format!("{number:0500}")).collect();
        json!({"key": key, "type": "boolean",
               "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
               "state": {"on": true, "off_variant": "off", "fallthrough": {"variant": "off"},
                         "targets": [{"kind": "tenant", "keys": keys, "variant": "on"}]}})
    };
    let segment = |key: &str, conditions: usize| {
        let values: Vec<String> = (0..100).map(|number| format!("{number:01000}")).collect();
        let condition = json!({"attribute": "tenant.x", "op": "in", "values": values});
        json!({"key": key, "kind": "tenant", "included": ["a", "b"],
               "when": {"any": vec![condition; conditions]}})
    };
    let whole = json!({"flags": [flag("f", 1), flag("g", 1)], "segments": [segment("s", 1)],
                       "tenants": [{"key": "acme"}, {"key": "globex"}]});
    import(&server, "?dry_run=true", &whole).await.is(200);
    for (document, pointer) in [
        (json!({"flags": [flag("f", 1), flag("g", 2_100)]}), "/flags/1/state"),
        (json!({"segments": [segment("s", 1), segment("t", 11)]}), "/segments/1"),
    ] {
        for query in ["?dry_run=true", ""] {
            let problem = import(&server, query, &document).await.problem(422, "limit_exceeded");
            assert_eq!(problem["limit"], "definition_bytes");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{query}");
        }
    }
    // Sums, with all that others have already; that of flags in the other environments too.
    let database = Connection::open(server.database()).unwrap();
    let fill = |environment: &str, fill: &str| {
        let sql = format!("UPDATE environment SET {fill} WHERE key = '{environment}'");
        assert_eq!(database.execute(&sql, ()).unwrap(), 1);
    };
    for (environment, column, most, limit) in [
        ("production", "definition_bytes", 64 * 1024 * 1024, "environment_bytes"),
        ("development", "definition_bytes", 64 * 1024 * 1024, "environment_bytes"),
        ("production", "included", 1_000_000, "segment_members"),
        ("production", "member_bytes", 128 * 1024 * 1024, "segment_member_bytes"),
        ("production", "tenants", 1_000_000, "tenants"),
        ("production", "tenant_bytes", 128 * 1024 * 1024, "tenant_bytes"),
    ] {
        fill(environment, &format!("{column} = {most} - 1"));
        for query in ["?dry_run=true", ""] {
            let problem = import(&server, query, &whole).await.problem(422, "limit_exceeded");
            assert_eq!(problem["limit"], limit, "{query}");
        }
        fill(environment, &format!("{column} = 0"));
    }
    assert_eq!(server.revision().await, 0);
    // What is planned comes to exactly what is then counted.
    import(&server, "", &whole).await.is(200);
    let columns = "definition_bytes, included, member_bytes, tenants, tenant_bytes";
    for column in columns.split(", ") {
        let sql = format!("SELECT {column} FROM environment WHERE key = 'production'");
        let full: i64 = database.query_row(&sql, (), |row| row.get(0)).unwrap();
        let empty = TestServer::start().await;
        let other = Connection::open(empty.database()).unwrap();
        let most = match column {
            "definition_bytes" => 64 * 1024 * 1024,
            "included" | "tenants" => 1_000_000,
            _ => 128 * 1024 * 1024,
        };
        for (more, status) in [(1, 422), (0, 200)] {
            let sql = format!(
                "UPDATE environment SET {column} = {most} - {full} + {more} WHERE key = 'production'"
            );
            other.execute(&sql, ()).unwrap();
            import(&empty, "?dry_run=true", &whole).await.is(status);
        }
        import(&empty, "", &whole).await.is(200);
    }
}

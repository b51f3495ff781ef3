//! Members of segments: added and removed in bulk, shown a page at a time, and sent to clients as
//! what came and went.

#![cfg(test)]

mod server;

use std::collections::BTreeSet;

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, Answer, PRODUCTION, SDK, TestServer, answer};

const SEGMENT: &str = "/api/v1/projects/default/environments/production/segments/beta";
const MEMBERS: &str = "/api/v1/projects/default/environments/production/segments/beta/members";

/// A server with a segment `beta` of tenants that includes `acme`, at revision 1.
async fn furnished() -> TestServer {
    let server = TestServer::start().await;
    let segment = json!({"key": "beta", "kind": "tenant", "included": ["acme"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    server
}

async fn definition(server: &TestServer) -> Value {
    // Later than any that a client may have: made now.
    let position = server.get(PRODUCTION).await.is(200);
    let (epoch, revision) = (position["epoch"].as_str().unwrap(), &position["revision"]);
    let earlier = format!("\"{epoch}.{}\"", revision.as_u64().unwrap() - 1);
    let request = server.request(Method::GET, "/sdk/v1/snapshot", SDK);
    let snapshot = answer(request.header("if-none-match", earlier)).await.is(200);
    let objects = snapshot["objects"].as_array().unwrap();
    objects.iter().find(|object| object["key"] == "beta").unwrap()["definition"].clone()
}

fn keys(prefix: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{prefix}-{number:06}")).collect()
}

#[tokio::test]
async fn members_are_added_and_removed() {
    let server = furnished().await;
    let mut stream = server.stream("").await;
    stream.block().await.unwrap();
    let edit = json!({"included": {"add": ["globex", "acme"], "remove": ["nobody"]},
                      "excluded": {"add": ["initech"]}});
    let changed = server.post(&format!("{MEMBERS}?reason=more"), edit).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    assert_eq!(
        changed.is(200),
        json!({"key": "beta", "added": 2, "removed": 0, "warnings": [], "version": 2, "revision": 2,
               "member_counts": {"included": 2, "excluded": 1}})
    );
    // What travels is what came and went, and not what was so already.
    assert_eq!(
        stream.next().await.unwrap().data["objects"],
        json!([{"members": {"kind": "segment", "key": "beta", "version": 2,
                            "included": {"add": ["globex"]}, "excluded": {"add": ["initech"]}}}])
    );
    let shown = server.get(SEGMENT).await.is(200);
    assert_eq!(
        shown,
        json!({"key": "beta", "kind": "tenant", "included": ["acme", "globex"],
               "excluded": ["initech"], "when": null,
               "member_counts": {"included": 2, "excluded": 1}, "version": 2})
    );
    assert_eq!(
        definition(&server).await,
        json!({"kind": "tenant", "included": ["acme", "globex"], "excluded": ["initech"], "when": null})
    );

    // From one list to the other.
    let edit = json!({"included": {"remove": ["acme"]}, "excluded": {"add": ["acme"]}});
    let moved = server.post(MEMBERS, edit).await.is(200);
    assert_eq!((&moved["added"], &moved["removed"]), (&json!(1), &json!(1)));
    // To include it again is not enough.
    let edit = json!({"included": {"add": ["acme", "umbrella"]}});
    let included = server.post(MEMBERS, edit).await.is(200);
    assert_eq!((&included["warnings"], &included["added"]), (&json!(["excluded"]), &json!(2)));
}

#[tokio::test]
async fn what_is_so_already_makes_no_revision() {
    let server = furnished().await;
    for edit in [
        json!({}),
        json!({"included": {}, "excluded": {"add": [], "remove": []}}),
        json!({"included": {"add": ["acme"], "remove": ["globex"]}, "excluded": {"remove": ["acme"]}}),
    ] {
        let same = server.post(MEMBERS, edit).await.is(200);
        assert_eq!((&same["version"], &same["revision"]), (&json!(1), &json!(1)));
        assert_eq!((&same["added"], &same["removed"]), (&json!(0), &json!(0)));
    }
    // The version is that of the segment, the revision that of the environment.
    server.create_flag("f").await;
    let same = server.post(MEMBERS, json!({"included": {"add": ["acme"]}})).await.is(200);
    assert_eq!((&same["version"], &same["revision"]), (&json!(1), &json!(2)));
    let database = Connection::open(server.database()).unwrap();
    let audited: u64 = database
        .query_row("SELECT count(*) FROM audit WHERE object_kind = 'segment'", (), |row| row.get(0))
        .unwrap();
    assert_eq!(audited, 1);
}

#[tokio::test]
async fn every_fault_is_reported_and_nothing_is_kept() {
    let server = furnished().await;
    let post = |body: Value| server.post(MEMBERS, body);
    post(json!({"included": {"add": ["new", "", "a\u{7}"], "remove": ["."]},
                "excluded": {"add": ["x".repeat(513)]}}))
    .await
    .refuses(&[
        ("/excluded/add/0", "invalid_key"),
        ("/included/add/1", "invalid_key"),
        ("/included/add/2", "invalid_key"),
        ("/included/remove/0", "invalid_key"),
    ]);
    post(json!({"included": {"add": ["a", "b", "a"], "remove": ["b"]},
                "excluded": {"add": ["a", "c"], "remove": ["d", "d"]}}))
    .await
    .refuses(&[
        ("/excluded/add/0", "duplicate"),
        ("/excluded/remove/1", "duplicate"),
        ("/included/add/1", "duplicate"),
        ("/included/add/2", "duplicate"),
    ]);
    post(
        json!({"included": {"add": ["a", 1, null], "keys": []}, "excluded": ["b"], "kind": "user"}),
    )
    .await
    .refuses(&[
        ("/excluded", "wrong_type"),
        ("/included/add/1", "wrong_type"),
        ("/included/add/2", "wrong_type"),
        ("/included/keys", "unknown_field"),
        ("/kind", "unknown_field"),
    ]);
    for body in ["", "{", r#"{"included": {}, "included": {}}"#] {
        let request = server.request(Method::POST, MEMBERS, ADMIN).body(body);
        answer(request).await.problem(400, "malformed_json");
    }
    answer(server.request(Method::POST, MEMBERS, ADMIN).body("[]"))
        .await
        .refuses(&[("", "wrong_type")]);
    // A list of problems has an end.
    let many = vec![""; 5_000];
    let problem = post(json!({"included": {"add": many}})).await.problem(422, "invalid");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 1_000);

    let nowhere = MEMBERS.replace("beta", "gamma");
    server.post(&nowhere, json!({})).await.problem(404, "not_found");
    server.get(&nowhere).await.problem(404, "not_found");
    let as_sdk = server.request(Method::POST, MEMBERS, SDK).json(&json!({}));
    answer(as_sdk).await.problem(403, "forbidden");
    assert_eq!(server.revision().await, 1);
}

#[tokio::test]
async fn a_version_is_honoured_and_not_demanded() {
    let server = furnished().await;
    let add = |key: &str, header: &'static str, value: &str| {
        let request = server.request(Method::POST, MEMBERS, ADMIN).header(header, value);
        answer(request.json(&json!({"included": {"add": [key]}})))
    };
    let stale = add("a", "if-match", "\"7\"").await.problem(412, "version_mismatch");
    assert_eq!(stale["current_version"], 1);
    add("a", "if-none-match", "*").await.problem(412, "version_mismatch");
    assert_eq!(add("a", "if-match", "\"1\"").await.is(200)["version"], 2);
    // A stale one is told even where nothing would change.
    add("a", "if-match", "\"1\"").await.problem(412, "version_mismatch");
    add("a", "if-match", "*").await.is(200);
}

#[tokio::test]
async fn long_lists_are_shown_a_page_at_a_time_and_survive_what_is_sent_back() {
    let server = furnished().await;
    let all = keys("tenant", 0..1_201);
    let added = server.post(MEMBERS, json!({"included": {"add": all}})).await.is(200);
    assert_eq!(added["member_counts"]["included"], 1_202);
    server.post(MEMBERS, json!({"excluded": {"add": ["b", "a"]}})).await.is(200);

    let mut shown = server.get(SEGMENT).await.is(200);
    assert_eq!(shown["member_counts"], json!({"included": 1_202, "excluded": 2}));
    assert!(shown.get("included").is_none() && shown.get("excluded").is_none(), "{shown}");

    let mut found = BTreeSet::new();
    let mut path = format!("{MEMBERS}?limit=500");
    for (count, more) in [(500, true), (500, true), (202, false)] {
        let page = server.get(&path).await;
        let link = page.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        let body = page.is(200);
        let items = body["items"].as_array().unwrap();
        assert_eq!(items.len(), count);
        assert!(items.is_sorted_by_key(|key| key.as_str().unwrap()));
        found.extend(items.iter().map(|key| key.as_str().unwrap().to_owned()));
        assert_eq!(body["next_cursor"].is_string(), more);
        assert_eq!(link.is_some(), more);
        if let Some(link) = link {
            path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        }
    }
    assert!(found.contains("acme") && all.iter().all(|key| found.contains(key)));
    let excluded = server.get(&format!("{MEMBERS}?list=excluded&limit=1")).await;
    assert!(excluded.header("link").contains("list=excluded&limit=1&cursor="));
    assert_eq!(excluded.is(200)["items"], json!(["a"]));
    for wrong in ["list=when", "limit=501", "of=x", "cursor=%2B"] {
        server.get(&format!("{MEMBERS}?{wrong}")).await.problem(400, "invalid_query");
    }

    // What was left out is not taken for empty.
    shown["when"] = json!({"attribute": "tenant.plan", "op": "equals", "values": ["pro"]});
    let put = server.put(SEGMENT, 3, shown).await.is(200);
    assert_eq!(put["member_counts"], json!({"included": 1_202, "excluded": 2}));
    let definition = definition(&server).await;
    assert_eq!(definition["included"].as_array().unwrap().len(), 1_202);
    assert_eq!(definition["when"]["op"], "equals");
}

#[tokio::test]
async fn a_list_that_is_named_is_replaced_whole_and_travels_as_what_changed() {
    let server = furnished().await;
    let mut stream = server.stream("").await;
    stream.block().await.unwrap();
    server.post(MEMBERS, json!({"included": {"add": ["b", "c", "d"]}})).await.is(200);
    stream.next().await.unwrap();

    let patched = server.patch(SEGMENT, 2, json!({"included": ["e", "acme", "b", "c"]})).await;
    assert_eq!(patched.is(200)["included"], json!(["acme", "b", "c", "e"]));
    let objects = stream.next().await.unwrap().data["objects"].clone();
    let change = json!({"add": ["e"], "remove": ["d"]});
    assert_eq!(objects[0]["members"]["included"], change);
    // The same keys in another order are the same list.
    let same = server.patch(SEGMENT, 3, json!({"included": ["e", "c", "b", "acme"]})).await.is(200);
    assert_eq!((&same["version"], &same["revision"]), (&json!(3), &json!(3)));

    // Mostly other keys are less than what went and what came.
    server.patch(SEGMENT, 3, json!({"included": ["x"]})).await.is(200);
    let objects = stream.next().await.unwrap().data["objects"].clone();
    assert_eq!(objects[0]["upsert"]["definition"]["included"], json!(["x"]));
    // And so is a condition, with which the lists travel.
    let when = json!({"attribute": "tenant.plan", "op": "exists"});
    server.patch(SEGMENT, 4, json!({"when": when, "excluded": ["y"]})).await.is(200);
    let objects = stream.next().await.unwrap().data["objects"].clone();
    let definition = json!({"kind": "tenant", "included": ["x"], "excluded": ["y"], "when": when});
    assert_eq!(objects[0]["upsert"]["definition"], definition);
    let emptied = server.patch(SEGMENT, 5, json!({"excluded": null})).await.is(200);
    assert_eq!((&emptied["included"], &emptied["excluded"]), (&json!(["x"]), &json!([])));
}

#[tokio::test]
async fn an_environment_lists_so_many_members() {
    let server = furnished().await;
    let limits = server.get(PRODUCTION).await.is(200)["limits"].clone();
    assert_eq!(limits["segment_members"], 1_000_000);
    assert_eq!(limits["bulk_body_bytes"], 16 * 1024 * 1024);
    assert_eq!(limits["members_per_request"], 100_000);
    let database = Connection::open(server.database()).unwrap();
    for (limit, fill) in [
        ("segment_members", "included = 999998, excluded = 1, member_bytes = 4"),
        ("segment_member_bytes", "included = 1, excluded = 0, member_bytes = 128 * 1024 * 1024"),
    ] {
        database.execute(&format!("UPDATE environment SET {fill}"), ()).unwrap();
        let edit = json!({"included": {"add": ["a", "b"], "remove": ["acme"]}, "excluded": {"add": ["ccc"]}});
        let refused = server.post(MEMBERS, edit).await.problem(422, "limit_exceeded");
        assert_eq!(refused["limit"], limit);
        assert_eq!(refused["maximum"], limits[limit]);
        let refused = server.patch(SEGMENT, 1, json!({"included": ["acme", "bb", "cc"]})).await;
        assert_eq!(refused.problem(422, "limit_exceeded")["limit"], limit);
        let segment = json!({"key": "other", "kind": "tenant", "excluded": ["aa", "bb"]});
        let refused = server.post(&format!("{PRODUCTION}/segments"), segment).await;
        assert_eq!(refused.problem(422, "limit_exceeded")["limit"], limit);
        server.get(&format!("{PRODUCTION}/segments/other")).await.problem(404, "not_found");
    }
    assert_eq!(server.revision().await, 1);
    // Beyond the limit, as an older version may have left it, there may be fewer, and no more.
    database.execute("UPDATE environment SET included = 2000000", ()).unwrap();
    server.post(MEMBERS, json!({"included": {"remove": ["acme"]}})).await.is(200);
    server.post(MEMBERS, json!({"included": {"add": ["b"]}})).await.problem(422, "limit_exceeded");
}

#[tokio::test]
async fn a_bulk_body_may_be_larger_than_others_and_is_bounded_too() {
    let server = furnished().await;
    let many = keys("a-key-of-some-length", 0..60_000);
    let edit = json!({"included": {"add": many}});
    assert!(edit.to_string().len() > 1024 * 1024);
    let added = server.post(MEMBERS, edit).await.is(200);
    assert_eq!(added["added"], 60_000);
    let removed = server.post(MEMBERS, json!({"included": {"remove": many}})).await.is(200);
    assert_eq!(removed["member_counts"]["included"], 1);
    let many = keys("k", 0..100_001);
    let problem = server.post(MEMBERS, json!({"included": {"add": many}})).await;
    let problem = problem.problem(422, "limit_exceeded");
    assert_eq!(problem["limit"], "members_per_request");
    let large = server.request(Method::POST, MEMBERS, ADMIN).body(vec![b' '; 16 * 1024 * 1024 + 1]);
    answer(large).await.problem(413, "body_too_large");
}

#[tokio::test]
async fn the_audit_log_tells_how_many_and_the_first_of_them() {
    let server = furnished().await;
    let many = keys("t", 0..250);
    let edit = json!({"included": {"add": many, "remove": ["acme"]}});
    server.post(&format!("{MEMBERS}?reason=import"), edit).await.is(200);
    server.delete(SEGMENT, 2).await.is(200);
    let database = Connection::open(server.database()).unwrap();
    let sql = "SELECT action, reason, object_key, revisions, before, after FROM audit
               WHERE object_kind = 'segment' ORDER BY id";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| {
        let json = |column| -> rusqlite::Result<Value> {
            let text: Option<String> = row.get(column)?;
            Ok(text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()))
        };
        let text = |column| row.get::<_, Option<String>>(column);
        Ok(((text(0)?, text(1)?, text(2)?), json(3)?, json(4)?, json(5)?))
    });
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    let [_, (what, revisions, before, after), (deleted, _, last, _)] = &*rows else {
        panic!("{rows:?}")
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(*what, (some("segment.members"), some("import"), some("beta")));
    assert_eq!(*revisions, json!({"production": 2}));
    assert_eq!(*before, json!({"member_counts": {"included": 1, "excluded": 0}}));
    assert_eq!(after["member_counts"], json!({"included": 250, "excluded": 0}));
    assert_eq!(after["included"]["add"]["count"], 250);
    assert_eq!(after["included"]["add"]["first"].as_array().unwrap().len(), 100);
    assert_eq!(after["included"]["remove"], json!({"count": 1, "first": ["acme"]}));
    assert_eq!(deleted.0, some("segment.delete"));
    assert_eq!(last["included"].as_array().unwrap().len(), 250);
}

/// A definition with lists in it is of the first version of the schema, which the migration left as
/// it was because it could not be read.
#[tokio::test]
async fn a_damaged_segment_is_not_taken_for_an_empty_one() {
    let server = furnished().await;
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    let damaged = r#"UPDATE object SET document = '{"kind":"tenant","included":[1]}'"#;
    database.execute(damaged, ()).unwrap();
    drop(database);
    let server = TestServer::start_in(dir).await;
    assert_eq!(server.snapshot().await["objects"][0]["definition"], Value::Null);
    server.post(MEMBERS, json!({"included": {"add": ["b"]}})).await.is(200);
    assert_eq!(definition(&server).await, Value::Null);
}

#[tokio::test]
async fn the_keys_of_a_deleted_segment_go_in_the_end_and_are_nobodys_before() {
    let server = TestServer::start().await;
    let segments = format!("{PRODUCTION}/segments");
    let segment = json!({"key": "big", "kind": "tenant"});
    server.post(&segments, segment.clone()).await.is(201);
    for part in 0..3 {
        let keys: Vec<String> = (0..10_000).map(|number| format!("t-{part}-{number}")).collect();
        let body = json!({"included": {"add": keys}});
        server.post(&format!("{segments}/big/members"), body).await.is(200);
    }
    server.delete(&format!("{segments}/big"), 4).await.is(200);
    server.post(&segments, segment).await.is(201);
    let found = server.get(&format!("{segments}/big")).await.is(200);
    assert_eq!((&found["included"], &found["member_counts"]["included"]), (&json!([]), &json!(0)));
    let database = rusqlite::Connection::open(server.database()).unwrap();
    let left = || -> i64 {
        database.query_row("SELECT count(*) FROM member", (), |row| row.get(0)).unwrap()
    };
    let deadline = std::time::Instant::now() + server::DEADLINE;
    while left() > 0 {
        assert!(std::time::Instant::now() < deadline, "{} keys are left", left());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_segment_as_a_whole_changes_no_more_keys_at_once_than_its_members_do() {
    let server = furnished().await;
    let short = |numbers: std::ops::Range<usize>| -> Vec<String> {
        numbers.map(|number| number.to_string()).collect()
    };
    let refused = |answer: Answer, pointer: &str| {
        let problem = answer.problem(422, "limit_exceeded");
        assert_eq!(problem["limit"], "members_per_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    };
    let many = short(0..100_001);
    let new = json!({"key": "new", "kind": "tenant", "included": &many});
    refused(server.post(&format!("{PRODUCTION}/segments"), new).await, "/included");
    let (most, rest) = many.split_at(60_000);
    let both = json!({"kind": "tenant", "included": most, "excluded": rest});
    refused(server.put(SEGMENT, 1, both).await, "/excluded");
    assert_eq!(server.revision().await, 1);

    // What is there already does not count …
    for part in [most, rest] {
        server.post(MEMBERS, json!({"included": {"add": part}})).await.is(200);
    }
    let mut all = many.clone();
    all.push("acme".into());
    let whole = json!({"kind": "tenant", "included": all, "excluded": ["initech"]});
    assert_eq!(server.put(SEGMENT, 3, whole).await.is(200)["member_counts"]["excluded"], 1);
    // … and what goes does, in a preview and a scheduled change too.
    for empty in [json!({"included": []}), json!({"included": null})] {
        refused(server.patch(SEGMENT, 4, empty).await, "/included");
    }
    refused(server.put(SEGMENT, 4, json!({"kind": "tenant", "included": []})).await, "/included");
    let proposal = json!({"segment": "beta", "patch": {"included": []}});
    refused(server.post(&format!("{PRODUCTION}/preview"), proposal).await, "/patch/included");
    let change = json!({"action": "segment.patch", "key": "beta", "body": {"included": []}});
    let later = json!({"at": "2027-01-01T00:00:00Z", "change": change});
    let later = server.post(&format!("{PRODUCTION}/schedule"), later).await;
    refused(later, "/change/body/included");
    assert_eq!(server.revision().await, 4);
    server.delete(SEGMENT, 4).await.is(200);
}

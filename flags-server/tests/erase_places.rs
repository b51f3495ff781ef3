//! An erasure takes a key from where keys stand, and from nothing that is only called so.

#![cfg(test)]

mod binary;
mod server;

use binary::{binary, run};
use flags_core::Document;
use serde_json::{Map, Value, json};
use server::{FLAGS, PRODUCTION, TestServer};

const KEY: &str = "acme";

/// What places of keys are called, and what stands beside them.
const NAMES: [&str; 17] = [
    "included",
    "excluded",
    "tenants",
    "keys",
    "values",
    "key",
    "kind",
    "targets",
    "rules",
    "when",
    "state",
    "attribute",
    "changed",
    "add",
    "first",
    "change",
    "problem",
];

/// JSON in which everything is called like a place of keys and has the key, and nothing is one.
fn misleading() -> Value {
    let keys = json!([KEY, "globex"]);
    let mut all: Map<String, Value> =
        NAMES.into_iter().map(|name| (name.into(), keys.clone())).collect();
    let target = json!({"kind": "tenant", "keys": keys, "variant": "a"});
    let condition = json!({"attribute": "tenant.key", "op": "in", "values": keys});
    let lists = json!({"kind": "tenant", "included": keys, "excluded": {"add": keys}});
    let state = json!({"targets": [target], "rules": [{"when": condition}], "segment": lists});
    all.insert("all".into(), json!({"state": state, "tenants": {"first": keys}}));
    for kind in ["user", "tenant"] {
        all.insert(format!("of {kind}"), json!({"kind": kind, "key": KEY, "keys": keys}));
    }
    Value::Object(all)
}

/// A server that has such JSON wherever somebody else than it says what is in there, and that has the
/// key where it is one, as a user's and as a tenant's.
async fn filled() -> TestServer {
    let server = TestServer::start().await;
    let variants = json!([{"name": "a", "value": misleading()}, {"name": "b", "value": {}}]);
    let flag = json!({"key": "cfg", "type": "json", "variants": variants,
        "off_variant": "b", "fallthrough": "a"});
    server.post(FLAGS, flag).await.is(201);
    // Names of variants are nobody's, either.
    let variants = json!([{"name": KEY, "value": KEY}, {"name": "b", "value": "b"}]);
    let flag = json!({"key": KEY, "type": "string", "variants": variants,
        "off_variant": "b", "fallthrough": KEY});
    server.post(FLAGS, flag).await.is(201);
    let attributes = misleading().as_object().unwrap().clone().into_iter();
    // No attribute is called `key`.
    let attributes: Map<String, Value> =
        attributes.filter(|(name, value)| value.is_array() && name != "key").collect();
    let tenants: Vec<Value> =
        ["globex", "initech"].map(|key| json!({"key": key, "attributes": attributes})).into();
    server.post(&format!("{PRODUCTION}/tenants"), json!({"tenants": tenants})).await.is(200);
    for (key, kind) in [("users", "user"), ("tenants", "tenant"), (KEY, "tenant")] {
        let condition = json!({"attribute": format!("{kind}.key"), "op": "in", "values": [KEY]});
        let segment = json!({"key": key, "kind": kind, "included": [KEY, "bob"],
            "when": {"not": condition}});
        server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
        let path = format!("{PRODUCTION}/segments/{key}/members");
        server.post(&path, json!({"excluded": {"add": [KEY, "eve"]}})).await.is(200);
    }
    for (flag, variant) in [("cfg", "a"), (KEY, KEY)] {
        let path = format!("{PRODUCTION}/flags/{flag}");
        server.press(&format!("{path}/on")).await.is(200);
        let target = |kind| json!({"kind": kind, "keys": [KEY, "bob"], "variant": variant});
        let when = json!({"any": [{"attribute": "tenant.key", "op": "in", "values": [KEY, "bob"]},
            {"attribute": "tenant.name", "op": "in", "values": [KEY]}, {"segment": KEY}]});
        let body = json!({"targets": [target("user"), target("tenant")],
            "rules": [{"id": "r", "when": when, "serve": {"variant": variant}}]});
        let version = server.get(&path).await.is(200)["version"].as_u64().unwrap();
        server.patch(&path, version, body).await.is(200);
    }
    server
}

/// What an SDK has that was there from the beginning of the log on, and comes back now.
async fn resumed(server: &TestServer) -> Value {
    let present = server.snapshot().await;
    let mut empty = present.clone();
    (empty["revision"], empty["objects"]) = (json!(0), json!([]));
    let mut document: Document = serde_json::from_value(empty).unwrap();
    let epoch = present["epoch"].as_str().unwrap();
    let mut stream = server.stream(&format!("?after={epoch}.0")).await;
    while Some(document.revision) != present["revision"].as_u64() {
        let change = stream.next().await.unwrap();
        assert_eq!(change.name, "change");
        document.fold(&[serde_json::from_value(change.data).unwrap()]).unwrap();
    }
    serde_json::to_value(document).unwrap()
}

async fn is_whole(server: &TestServer) {
    let (code, report, _) = run(binary(&server.dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
}

#[tokio::test]
async fn what_is_only_called_like_a_place_of_keys_stays_in_force_and_in_the_log() {
    let server = filled().await;
    let before = server.snapshot().await;
    // Kinds that are called like what the logs call objects are kinds like any others.
    let kinds = ["tenant", "user", "flag", "flag_state", "segment", "schedule", "environment"];
    for kind in kinds {
        for key in [KEY, "cfg", "globes", "production"].into_iter().chain(NAMES) {
            let wanted = json!({"kind": kind, "key": key});
            server.post("/api/v1/erasures", wanted.clone()).await.is(200);
        }
        assert_eq!(resumed(&server).await, server.snapshot().await, "{kind}");
        is_whole(&server).await;
    }
    let after = server.snapshot().await;
    let place = |pointer: &str, snapshot: &Value, key: &str, kind: &str| {
        let objects = snapshot["objects"].as_array().unwrap().iter();
        let object = objects.clone().find(|object| object["kind"] == kind && object["key"] == key);
        object.unwrap_or_else(|| panic!("{kind} {key}")).pointer(pointer).unwrap().clone()
    };
    for (kind, key, pointer) in [
        ("flag", "cfg", "/definition/variants"),
        ("flag", KEY, "/definition/variants"),
        ("tenant", "globex", "/definition/attributes"),
        ("tenant", "initech", "/definition/attributes"),
    ] {
        assert_eq!(place(pointer, &after, key, kind), place(pointer, &before, key, kind), "{key}");
    }
    // And what is one has it no more.
    for key in ["cfg", KEY] {
        let state = place("/definition/state", &after, key, "flag");
        for target in state["targets"].as_array().unwrap() {
            assert_eq!(target["keys"], json!(["bob"]));
        }
        let conditions = &state["rules"][0]["when"]["any"];
        assert_eq!(conditions[0]["values"], json!(["[erased]", "bob"]));
        assert_eq!(conditions[1]["values"], json!([KEY]), "that is a name");
    }
    for key in ["users", "tenants", KEY] {
        let segment = place("/definition", &after, key, "segment");
        assert_eq!(
            (&segment["included"], &segment["excluded"]),
            (&json!(["bob"]), &json!(["eve"]))
        );
        assert_eq!(segment["when"]["not"]["values"], json!(["[erased]"]));
    }
    // The past and the history are of the same objects as before.
    let history = server.get(&format!("{PRODUCTION}/flags/cfg/history")).await.is(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 3, "{history}");
    let past = server.get(&format!("{PRODUCTION}/flags/{KEY}/history")).await.is(200);
    assert_eq!(past["items"].as_array().unwrap().len(), 3, "{past}");
    let evaluated = json!({"flag": "cfg", "context": {"user": {"key": "ada"}}});
    for revision in [5, server.revision().await] {
        let path = format!("{PRODUCTION}/evaluate?revision={revision}");
        let answer = server.post(&path, evaluated.clone()).await.is(200);
        let expected = if revision == 5 { json!({}) } else { misleading() };
        assert_eq!(answer["value"], expected, "{revision}");
    }
}

#[tokio::test]
async fn a_tenant_that_is_stored_goes_and_the_others_keep_what_they_say_of_it() {
    let server = filled().await;
    let others = server.get(&format!("{PRODUCTION}/tenants")).await.is(200)["items"].clone();
    let acme = json!({"tenants": [{"key": KEY, "attributes": {"included": [KEY]}}]});
    server.post(&format!("{PRODUCTION}/tenants"), acme).await.is(200);
    let wanted = json!({"kind": "tenant", "key": KEY});
    let erased = server.post("/api/v1/erasures", wanted).await.is(200);
    assert_eq!(erased["environments"][0]["tenant"], true);
    let left = server.get(&format!("{PRODUCTION}/tenants")).await.is(200);
    assert_eq!(left["items"], others);
    is_whole(&server).await;
    // What such a database is cut off to is the same.
    let dir = server.stop().await;
    let later = flags_core::Timestamp::from_millis(4_000_000_000_000).to_string();
    let (code, _, errors) =
        run(binary(&dir), &["prune", "--history-before", &later, "--yes"]).await;
    assert_eq!(code, 0, "{errors}");
    let server = TestServer::start_in(dir).await;
    let wanted = json!({"kind": "user", "key": KEY});
    server.post("/api/v1/erasures", wanted).await.is(200);
    is_whole(&server).await;
}

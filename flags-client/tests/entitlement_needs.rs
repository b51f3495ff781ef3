//! What arrives of contracts that this client cannot decide on: denied alone, and said, whether it comes with a
//! snapshot or with a change.

#![cfg(test)]

mod support;

use flags_client::{Access, Client, Feature, Lane, Object, ObjectChange, Position, Status};
use serde_json::{Value, json};
use support::{Server, reach};

const SSO: Feature = Feature::new("sso");
const EXPORTS: Feature = Feature::new("exports");

/// What is said of `sso` and `exports` to `acme` (of the plan `pro`), `globex` (of `max`) and `initech` (of `pro`
/// with an add-on).
type Said = [[(Access, &'static str); 2]; 3];

const GRANTED: (Access, &str) = (Access::Full, "granted");
const INVALID: (Access, &str) = (Access::None, "feature_invalid");

fn said(client: &Client) -> Said {
    ["acme", "globex", "initech"].map(|tenant| {
        [&SSO, &EXPORTS].map(|feature| {
            let ruling = client.entitlement(feature, tenant);
            (ruling.access, ruling.reason.name())
        })
    })
}

fn object(kind: &str, key: &str, definition: &Value) -> Object {
    Object::new(kind, key, 2, definition).unwrap()
}

fn definition(kind: &str, key: &str) -> Value {
    match (kind, key) {
        ("feature", _) => json!({"type": "boolean", "combine": "any"}),
        ("plan", _) => {
            json!({"versions": [{"version": 1, "grants": {"sso": true, "exports": true}}]})
        }
        ("addon", _) => json!({"grants": {"sso": true}}),
        (_, "globex") => json!({"plan": "max", "plan_version": 1}),
        (_, "initech") => {
            json!({"plan": "pro", "plan_version": 1, "addons": [{"addon": "more", "quantity": 1}]})
        }
        _ => json!({"plan": "pro", "plan_version": 1}),
    }
}

const ALL: [(&str, &str); 8] = [
    ("feature", "sso"),
    ("feature", "exports"),
    ("plan", "pro"),
    ("plan", "max"),
    ("addon", "more"),
    ("tenant", "acme"),
    ("tenant", "globex"),
    ("tenant", "initech"),
];

fn upsert(kind: &str, key: &str) -> Object {
    object(kind, key, &definition(kind, key))
}

async fn at(client: &Client, revision: u64) -> Status {
    let is_there = |position: &Position| position.revision == revision;
    reach(client, |status| status.position.as_ref().is_some_and(is_there)).await
}

/// Changes an object, and has two clients hear of it, one by the change and one by a snapshot, which both say
/// this afterwards; then the object is mended.
async fn denies(server: &Server, client: &Client, object: Object, expected: Said) {
    let (kind, key) = (object.kind.clone(), object.key.clone());
    let revision = server.change(vec![ObjectChange::Upsert(object)]);
    let fresh = server.client().await;
    for client in [client, &fresh] {
        let status = at(client, revision).await;
        assert_eq!(said(client), expected, "{kind} {key}");
        let [invalid] = &*status.invalid else { panic!("{status:?}") };
        assert_eq!((&invalid.kind, &invalid.key), (&kind, &key));
        let text = status.to_string();
        assert!(text.ends_with(&format!("the {kind} `{key}` cannot be evaluated")), "{text}");
    }
    let mended = server.change(vec![ObjectChange::Upsert(upsert(&kind, &key))]);
    for client in [client, &fresh] {
        let status = at(client, mended).await;
        assert_eq!((said(client), status.invalid.len()), ([[GRANTED; 2]; 3], 0), "{kind} {key}");
    }
}

/// A server that has said all of it, and a client that has heard it.
async fn furnished() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.client().await;
    let all = ALL.map(|(kind, key)| ObjectChange::Upsert(upsert(kind, key)));
    let revision = server.change(all.into());
    at(&client, revision).await;
    assert_eq!(said(&client), [[GRANTED; 2]; 3]);
    (server, client)
}

#[tokio::test]
async fn what_needs_a_capability_of_later_is_denied_alone() {
    let (server, client) = furnished().await;
    let cases = [
        ("feature", "sso", [[INVALID, GRANTED]; 3]),
        ("plan", "pro", [[INVALID; 2], [GRANTED; 2], [INVALID; 2]]),
        ("addon", "more", [[GRANTED; 2], [GRANTED; 2], [INVALID; 2]]),
        ("tenant", "acme", [[INVALID; 2], [GRANTED; 2], [GRANTED; 2]]),
    ];
    for (kind, key, expected) in cases {
        let needs = vec!["entitlements".to_owned(), "time-travel".to_owned()];
        denies(&server, &client, Object { needs, ..upsert(kind, key) }, expected).await;
        // What this client has, it may be asked for.
        let needs = vec!["entitlements".to_owned()];
        let known =
            server.change(vec![ObjectChange::Upsert(Object { needs, ..upsert(kind, key) })]);
        assert_eq!(at(&client, known).await.invalid.len(), 0);
    }
}

#[tokio::test]
async fn what_says_something_of_later_is_denied_alone() {
    let (server, client) = furnished().await;
    let metered = json!({"type": "metered", "combine": "sum", "unit": "call"});
    let plan =
        json!({"versions": [{"version": 1, "grants": {"sso": true}, "after_grace": "half"}]});
    let lane =
        json!({"plan": "pro", "plan_version": 1, "blocks": [{"lane": "karma", "effect": "none"}]});
    let cases = [
        ("feature", "sso", metered, [[INVALID, GRANTED]; 3]),
        ("plan", "max", plan, [[GRANTED; 2], [INVALID; 2], [GRANTED; 2]]),
        ("tenant", "initech", lane, [[GRANTED; 2], [GRANTED; 2], [INVALID; 2]]),
    ];
    for (kind, key, definition, expected) in cases {
        denies(&server, &client, object(kind, key, &definition), expected).await;
    }
}

#[tokio::test]
async fn what_is_only_more_than_a_client_knows_is_left_out() {
    let (server, client) = furnished().await;
    let mut feature = definition("feature", "sso");
    feature["colour"] = json!("red");
    let blocked = json!({"plan": "pro", "plan_version": 1, "mood": "good",
                         "blocks": [{"lane": Lane::Legal.name(), "effect": "read_only", "since": 3}]});
    let changes = vec![
        ObjectChange::Upsert(object("feature", "sso", &feature)),
        ObjectChange::Upsert(object("promise", "p-1", &json!({"to": "acme"}))),
        ObjectChange::Upsert(object("tenant", "globex", &blocked)),
    ];
    let status = at(&client, server.change(changes)).await;
    assert_eq!((status.invalid.len(), status.counters.ignored_objects), (0, 1));
    let read_only = (Access::ReadOnly, "blocked");
    assert_eq!(said(&client), [[GRANTED; 2], [read_only; 2], [GRANTED; 2]]);
}

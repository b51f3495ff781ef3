//! What is logged: few events, each said once, and never a token.

#![cfg(test)]

mod support;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use flags_client::{
    Client, Decoded, Decoders, Document, Entity, Feature, FeatureType, Flag, Json, Limit, Misfit,
    Object, Override, Value,
};
use support::{Canned, SOON, Server, TOKEN, boolean_flag, object, reach};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps the events of this crate as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("flags_client")
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push((*event.metadata().level(), text.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Log {
    fn texts(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        assert!(events.iter().all(|(level, _)| *level == Level::WARN), "{events:?}");
        events.iter().map(|(_, text)| text.clone()).collect()
    }
}

fn document(flags: &[(&str, serde_json::Value)]) -> Document {
    let objects = flags.iter().map(|(key, definition)| object(key, 1, definition)).collect();
    Document { objects, ..Document::empty(flags_client::Epoch::new("e")) }
}

fn json_flag(value: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "type": "json",
        "variants": [{"name": "a", "value": value}],
        "state": {"on": true, "off_variant": "a", "fallthrough": {"variant": "a"}},
    })
}

/// The event of a flag that an answer met.
fn met(key: &str, asked: Option<&str>, problem: &str) -> String {
    let says = "a flag is not as the code says: the default of the code holds";
    let asked = asked.map(|asked| format!("asked={asked:?} ")).unwrap_or_default();
    format!("message={says} key={key:?} {asked}problem={problem} ")
}

const NOBODY: &() = &();

#[test]
fn a_flag_that_is_not_as_the_code_says_is_reported_once() {
    const MISSING: Flag<bool> = Flag::new("missing", true);
    const MISTYPED: Flag<i64> = Flag::new("boolean", 7);
    const MISTYPED_TOO: Flag<&str> = Flag::new("boolean", "");
    const UNREGISTERED: Flag<Decoded<u32>> = Flag::new("json", Decoded(&7));
    const RIGHT: Flag<bool> = Flag::new("boolean", false);

    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let definitions = [("boolean", boolean_flag(true)), ("json", json_flag(&1.into()))];
    let client = Client::fixed(&document(&definitions));
    let trial = client.overriding([]);
    for client in [&client, &client.clone(), &trial] {
        assert!(client.is_on(&MISSING, NOBODY));
        assert_eq!(client.get(&MISTYPED, NOBODY), 7);
        let (owned, pinned) = (client.snapshot(), client.pinned());
        assert!(owned.is_on(&MISSING, NOBODY) && pinned.is_on(&MISSING, NOBODY));
        assert_eq!(owned.get(&UNREGISTERED, NOBODY).value, &7);
        assert_eq!(owned.evaluate("missing", NOBODY).value, None);
        assert_eq!(owned.get(&MISTYPED_TOO, NOBODY).value, "");
        assert!(owned.is_on(&RIGHT, NOBODY));
        owned.explain("neither", NOBODY);
        assert_eq!(owned.evaluate("by\nname", NOBODY).value, None);
    }

    let missing = "there is no such flag";
    assert_eq!(
        log.texts(),
        [
            met("missing", Some("boolean"), missing),
            met("boolean", Some("integer"), "the flag is of the type boolean"),
            met("json", Some("u32"), "the type is not registered for this flag"),
            met("boolean", Some("string"), "the flag is of the type boolean"),
            met("by\nname", None, missing),
        ]
    );
    let status = client.status();
    let keys: Vec<_> = status.misused.iter().map(|misuse| &*misuse.key).collect();
    assert_eq!(keys, ["boolean", "boolean", "by\nname", "json", "missing"]);
    assert_eq!(status.misused[3].misfit, Misfit::Unregistered);
    assert_eq!(status.misused[2].to_string(), "`by\\nname`: there is no such flag");
    assert_eq!(status.to_string(), "fixed, at e.0; 5 flags are not as the code says");
}

fn sold(kind: &str, key: &str, definition: serde_json::Value) -> Object {
    Object::new(kind, key, 1, &definition).unwrap()
}

/// Sells `sso`, a boolean, `seats`, a limit, and `odd`, which cannot be read, to `acme`, who has none of it.
fn selling() -> Client {
    let objects = vec![
        sold("feature", "sso", serde_json::json!({"type": "boolean", "combine": "any"})),
        sold("feature", "seats", serde_json::json!({"type": "limit", "combine": "max"})),
        sold("feature", "odd", serde_json::json!({"type": "metered"})),
        sold("tenant", "acme", serde_json::json!({})),
    ];
    Client::fixed(&Document { objects, ..document(&[]) })
}

#[test]
fn a_feature_that_is_not_as_the_code_says_is_reported_once() {
    const SSO: Feature = Feature::new("sso");
    const MISSING: Feature = Feature::new("missing");
    const SWITCH: Feature = Feature::new("seats");
    const TABLE: Feature<Json> = Feature::new("seats");
    const COUNT: Feature<Limit> = Feature::new("sso");
    const ODD: Feature = Feature::new("odd");
    /// A flag of the key of a feature is another thing.
    const FLAG: Flag<bool> = Flag::new("missing", false);

    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let client = selling();
    for client in [&client, &client.overriding([])] {
        let _ = client.entitlement(&MISSING, "globex");
        assert_eq!(client.entitlement(&MISSING, "acme").reason.name(), "feature_unknown");
        assert_eq!(client.entitlement(&SWITCH, "acme").reason.name(), "feature_invalid");
        assert_eq!(client.snapshot().entitlement(&TABLE, "acme").reason.name(), "feature_invalid");
        assert_eq!(client.limit(&COUNT, "acme").check(3).reason.name(), "feature_invalid");
        assert_eq!(client.entitlement(&ODD, "acme").reason.name(), "feature_invalid");
        assert_eq!(client.entitlement(&SSO, "acme").reason.name(), "not_in_plan");
        assert!(!client.is_on(&FLAG, NOBODY));
    }

    let says = "a feature is not as the code says: nobody has access";
    let met_feature = |key: &str, asked: &str, problem: &str| {
        format!("message={says} key={key:?} asked={asked:?} problem={problem} ")
    };
    let texts = log.texts();
    assert_eq!(
        texts.iter().filter(|text| text.contains("not as the code says")).collect::<Vec<_>>(),
        [
            &met_feature("missing", "boolean", "there is no such feature"),
            &met_feature("seats", "boolean", "the feature is of the type limit"),
            &met_feature("seats", "json", "the feature is of the type limit"),
            &met_feature("sso", "limit", "the feature is of the type boolean"),
            &met("missing", Some("boolean"), "there is no such flag"),
        ]
    );
    let status = client.status();
    let misfits: Vec<_> =
        status.misused.iter().map(|misuse| (&*misuse.key, misuse.misfit)).collect();
    let is_limit = Misfit::OtherFeatureType(FeatureType::Limit);
    assert_eq!(
        misfits,
        [
            ("missing", Misfit::NoFeature),
            ("missing", Misfit::Missing),
            ("seats", is_limit),
            ("seats", is_limit),
            ("sso", Misfit::OtherFeatureType(FeatureType::Boolean)),
        ]
    );
    assert_eq!(
        status.to_string(),
        "fixed, at e.0; the feature `odd` cannot be evaluated; \
         5 flags and features are not as the code says"
    );
    // What the code can ask at its start.
    let snapshot = client.snapshot();
    let told = |key, asked| snapshot.ruleset().feature_misfit(key, asked);
    assert_eq!(told("seats", FeatureType::Boolean), Some(is_limit));
    assert_eq!(told("missing", FeatureType::Boolean), Some(Misfit::NoFeature));
    assert_eq!([told("seats", FeatureType::Limit), told("odd", FeatureType::Json)], [None; 2]);
}

#[test]
fn the_status_counts_features_as_such() {
    const MISSING: Feature = Feature::new("missing");
    const MISSING_TOO: Feature = Feature::new("missing-too");
    let client = selling();
    let _ = client.entitlement(&MISSING, "acme");
    let text = client.status().to_string();
    let one = "not as the code says: `missing`, asked for as boolean: there is no such feature";
    assert!(text.ends_with(one), "{text}");
    let _ = client.entitlement(&MISSING_TOO, "acme");
    let text = client.status().to_string();
    assert!(text.ends_with("2 features are not as the code says"), "{text}");
}

#[test]
fn a_test_does_not_miss_features_that_it_does_not_name() {
    const MISSING: Feature = Feature::new("missing");
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let client = flags_client::testing::TestFlags::new().tenant("acme").client();
    assert_eq!(client.entitlement(&MISSING, "acme").reason.name(), "feature_unknown");
    assert_eq!((client.status().misused.len(), log.texts().len()), (0, 0));
}

#[test]
fn threads_that_meet_the_same_missing_flags_report_them_once() {
    let log = Log::default();
    let client = Client::fixed(&document(&[]));
    let keys: Vec<String> = (0..50).map(|index| format!("flag-{index}")).collect();
    let start = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let _guard = tracing::subscriber::set_default(log.clone());
                start.wait();
                for key in &keys {
                    client.snapshot().evaluate(key, NOBODY);
                }
            });
        }
    });
    assert_eq!((log.texts().len(), client.status().misused.len()), (50, 50));
}

#[tokio::test]
async fn whoever_waits_for_the_status_hears_of_a_missing_flag() {
    const MISSING: Flag<bool> = Flag::new("missing", false);
    let client = Client::fixed(&document(&[]));
    let ask = async {
        tokio::task::yield_now().await;
        assert!(!client.is_on(&MISSING, NOBODY));
    };
    // Asking for a flag inside of the condition is nobody's deadlock.
    let condition = |status: &flags_client::Status| {
        client.snapshot().evaluate("another", NOBODY);
        status.misused.iter().any(|misuse| &*misuse.key == "missing")
    };
    let (status, ()) = tokio::join!(client.wait_until(condition, SOON), ask);
    assert_eq!(status.unwrap().misused.len(), 2);
}

#[test]
fn an_empty_client_does_not_miss_flags() {
    const MISSING: Flag<bool> = Flag::new("missing", false);
    const MISTYPED: Flag<i64> = Flag::new("missing", 7);
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let client = Client::empty();
    assert!(!client.is_on(&MISSING, NOBODY));
    assert_eq!(client.status().misused.len(), 0);
    assert_eq!(client.overriding([MISSING.to(true)]).get(&MISTYPED, NOBODY), 7);
    assert_eq!((client.status().misused.len(), log.texts().len()), (1, 1));
}

#[test]
fn what_cannot_be_decoded_is_said_when_it_arrives_and_not_again_when_it_is_served() {
    const NUMBER: Flag<Decoded<u32>> = Flag::new("number", Decoded(&7));
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let document = document(&[("number", json_flag(&"many".into()))]);
    let client = Client::fixed_with(&document, Decoders::new().with(&NUMBER));
    let problem = "/variants/0/value: invalid type: string \"many\", expected u32";
    let arrives =
        format!("message=cannot be decoded key=\"number\" type=\"u32\" problem={problem:?} ");
    for _ in 0..2 {
        assert_eq!(log.texts(), [&*arrives]);
        let status = client.status();
        assert_eq!(status.to_string(), "fixed, at e.0; the flag `number` cannot be decoded");
        let [misuse] = &*status.misused else { panic!("{status:?}") };
        assert_eq!((&*misuse.key, misuse.asked), ("number", Some("u32")));
        assert_eq!(misuse.misfit, Misfit::Undecodable(1));
        assert_eq!(client.snapshot().get(&NUMBER, NOBODY).value, &7);
    }
    const UNREGISTERED: Flag<Decoded<u8>> = Flag::new("number", Decoded(&7));
    assert_eq!(client.snapshot().get(&UNREGISTERED, NOBODY).value, &7);
    let problem = "the type is not registered for this flag";
    assert_eq!(log.texts()[1..], [met("number", Some("u8"), problem)]);
}

#[test]
fn what_cannot_be_decoded_is_said_when_it_is_served_where_its_arrival_was_not_told() {
    const NUMBER: Flag<Decoded<u32>> = Flag::new("number", Decoded(&7));
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let many = serde_json::Value::from("many");
    let client = Client::fixed_with(
        &document(&[("number", json_flag(&5.into()))]),
        Decoders::new().with(&NUMBER),
    );
    let client = client.overriding([Override::new("number", Value::Json(&many))]);
    for _ in 0..2 {
        assert_eq!(client.snapshot().get(&NUMBER, NOBODY).value, &7);
    }
    let problem = "a value of version 1 of the flag cannot be decoded";
    assert_eq!(log.texts(), [met("number", Some("u32"), problem)]);
    let says = "fixed, at e.0; not as the code says: `number`, asked for as u32: ";
    assert_eq!(client.status().to_string(), format!("{says}{problem}"));
}

#[test]
fn of_many_that_cannot_be_decoded_the_last_are_said_when_they_are_served() {
    const FLAGS: [Flag<Decoded<u32>>; 12] = {
        const KEYS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let mut flags = [Flag::new("", Decoded(&7)); 12];
        let mut index = 0;
        while index < KEYS.len() {
            flags[index] = Flag::new(KEYS[index], Decoded(&7));
            index += 1;
        }
        flags
    };
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let bad = FLAGS.map(|flag| (flag.key(), json_flag(&"many".into())));
    let decoders = FLAGS.iter().fold(Decoders::new(), |decoders, flag| decoders.with(flag));
    let client = Client::fixed_with(&document(&bad), decoders);
    assert_eq!((log.texts().len(), client.status().misused.len()), (10, 10));
    for flag in FLAGS.iter().chain(&FLAGS) {
        assert_eq!(client.snapshot().get(flag, NOBODY).value, &7);
    }
    let problem = "a value of version 1 of the flag cannot be decoded";
    let says = ["k", "l"].map(|key| met(key, Some("u32"), problem));
    assert_eq!(log.texts()[10..], says);
    let status = client.status();
    assert_eq!((status.undecodable.len(), status.misused.len()), (12, 12));
    assert_eq!(status.to_string(), "fixed, at e.0; 12 flags cannot be decoded");
}

#[tokio::test]
async fn what_cannot_be_decoded_harms_nothing_else() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(try_from = "u64")]
    struct Picky(u64);
    impl TryFrom<u64> for Picky {
        type Error = &'static str;
        fn try_from(value: u64) -> Result<Self, Self::Error> {
            match value {
                0 => Err("zero"),
                13 => panic!("thirteen"),
                value => Ok(Self(value)),
            }
        }
    }
    const PICKY: Flag<Decoded<Picky>> = Flag::new("picky", Decoded(&Picky(1)));
    const SWITCH: Flag<bool> = Flag::new("switch", false);

    let server = Server::start().await;
    server.put("picky", &json_flag(&5.into()));
    server.put("switch", &boolean_flag(true));
    let decoders = Decoders::new().with(&PICKY);
    let client = server.builder().decoders(decoders).connect().await.unwrap();
    let read = || client.snapshot().get(&PICKY, &Entity::user("u-17")).value.0;
    assert_eq!(read(), 5);

    let mut versions = [0; 2];
    let problems = ["zero", "decoding it panicked: thirteen"];
    for ((bad, problem), version) in [0, 13].into_iter().zip(problems).zip(&mut versions) {
        server.put("picky", &json_flag(&bad.into()));
        let status = reach(&client, |status| {
            let undecodable = status.undecodable.first();
            undecodable.is_some_and(|flag| flag.diagnostics[0].message == problem)
        })
        .await;
        assert_eq!(status.undecodable.len(), 1);
        *version = status.undecodable[0].version;
        assert!(status.to_string().contains("; the flag `picky` cannot be decoded"), "{status}");
        assert_eq!(read(), 1, "the default");
        assert!(client.is_on(&SWITCH, NOBODY));
    }
    server.put("picky", &json_flag(&6.into()));
    let status = reach(&client, |status| status.undecodable.is_empty()).await;
    assert_eq!(read(), 6);
    let misfits: Vec<_> = status.misused.iter().map(|misuse| misuse.misfit).collect();
    assert_eq!(misfits, versions.map(Misfit::Undecodable), "each bad version once");
    let asked = status.misused[0].asked.unwrap();
    assert!(asked.ends_with("::Picky"), "{asked}");
}

#[tokio::test]
async fn a_refused_token_is_an_error_that_is_said_once() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let server = Server::start().await;
    server.always(Some(Canned::status(401)));
    let client = server.builder().first_snapshot_timeout(SOON).connect().await.unwrap();
    reach(&client, |s| s.counters.failures >= 3).await;
    server.always(Some(Canned::status(502)));
    let failures = client.status().counters.failures;
    reach(&client, |s| s.counters.failures >= failures + 3).await;

    let events = log.0.lock().unwrap().clone();
    let levels: Vec<_> = events.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::ERROR, Level::WARN], "{events:?}");
    assert_eq!(
        events[0].1,
        "message=the server of flags refuses the token problem=\"status 401 Unauthorized\" "
    );
    assert!(!format!("{events:?}").contains(TOKEN));
}

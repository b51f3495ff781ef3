//! Eppo: the whole SDK. It can only be fed by HTTP, so a server on loopback serves its
//! configuration (UFC) once.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use eppo::{Attributes, Client, ClientConfig};
use eppo_core::ufc::UniversalFlagConfig;
use eppo_core::{Configuration, SdkMetadata, Str};
use serde_json::{Value, json};

use crate::loopback;
use crate::participant::Participant;
use crate::workload::{Definition, Facts, MISSING, Question, Row, Shape, VARIANTS, place};

pub(crate) struct Eppo {
    client: Client<'static>,
    keys: Vec<String>,
    facts: &'static [Facts],
    subjects: Vec<(Str, Arc<Attributes>)>,
}

impl Eppo {
    pub(crate) fn new(definitions: &[Definition], facts: &'static [Facts]) -> Self {
        let address = loopback::serve(configuration(definitions));
        let mut client = ClientConfig::from_api_key("key").base_url(address).to_client();
        let poller = client.start_poller_thread().expect("a thread starts");
        poller
            .wait_for_configuration_timeout(Duration::from_secs(30))
            .expect("loopback serves a configuration that Eppo reads");
        // What has arrived stays; nothing polls while others are measured.
        poller.stop();
        let keys = definitions.iter().map(|flag| flag.key.clone()).collect();
        Self { client, keys, facts, subjects: facts.iter().map(subject).collect() }
    }

    fn boolean(&self, key: &str, user: usize, default: bool) -> u64 {
        let (subject, attributes) = &self.subjects[user];
        match self.client.get_boolean_assignment(key, subject, attributes) {
            Ok(on) => on.unwrap_or(default).into(),
            Err(_) => 255,
        }
    }
}

fn subject(facts: &Facts) -> (Str, Arc<Attributes>) {
    let attributes = [
        (Str::from_static_str("tenant"), facts.tenant.as_str().into()),
        (Str::from_static_str("country"), facts.country.as_str().into()),
    ];
    (facts.user.as_str().into(), Arc::new(attributes.into()))
}

impl Participant for Eppo {
    fn name(&self) -> &'static str {
        "Eppo"
    }

    fn supports(&self, row: Row) -> bool {
        row != Row::Prerequisites
    }

    fn switch(&self, question: Question) -> u64 {
        self.boolean(&self.keys[question.flag()], question.user(), false)
    }

    fn text(&self, question: Question) -> u64 {
        let (subject, attributes) = &self.subjects[question.user()];
        let key = &self.keys[question.flag()];
        match self.client.get_string_assignment(key, subject, attributes) {
            Ok(Some(text)) => place(text.as_str()),
            _ => 255,
        }
    }

    fn missing(&self, question: Question) -> u64 {
        self.boolean(MISSING, question.user(), true)
    }

    fn build_context(&self, question: Question) {
        black_box(subject(&self.facts[question.user()]));
    }
}

/// UFC as Eppo's servers send it. Eppo has no prerequisites: such flags are plain ones here, with
/// the answer that they have to give.
pub(crate) fn configuration(definitions: &[Definition]) -> Vec<u8> {
    let flags: serde_json::Map<String, Value> =
        definitions.iter().map(|flag| (flag.key.clone(), self::flag(flag))).collect();
    let json = json!({
        "createdAt": "2026-11-20T00:00:00Z", "format": "SERVER",
        "environment": {"name": "peers"}, "flags": flags,
    });
    serde_json::to_vec(&json).expect("JSON is written as JSON")
}

fn flag(flag: &Definition) -> Value {
    const SHARDS: u32 = 10_000;
    let everybody = |variation: &str| json!([{"shards": [], "variationKey": variation}]);
    let share = |from: u32, to: u32, variation: &str| {
        json!({"variationKey": variation, "shards": [
            {"salt": flag.key, "ranges": [{"start": from, "end": to}]}
        ]})
    };
    let one_of = |attribute: &str, values: &[String]| json!({"conditions": [{"attribute": attribute, "operator": "ONE_OF", "value": values}]});
    let off = json!({"key": "off", "doLog": false, "splits": everybody("off")});
    let allocations = match &flag.shape {
        Shape::OnOff(_) => json!([{"key": "all", "doLog": false, "splits": everybody("on")}]),
        Shape::Prerequisites { met, .. } => {
            let variation = if *met { "on" } else { "off" };
            json!([{"key": "all", "doLog": false, "splits": everybody(variation)}])
        }
        Shape::Rollout => json!([{"key": "half", "doLog": false, "splits": [
            share(0, SHARDS / 2, "on"), share(SHARDS / 2, SHARDS, "off")
        ]}]),
        Shape::Rules(lists) => {
            let rules = lists.iter().enumerate().map(|(index, values)| {
                json!({"key": format!("rule-{index}"), "doLog": false,
                       "rules": [one_of("country", values)], "splits": everybody("on")})
            });
            rules.chain([off]).collect()
        }
        Shape::AllowList(tenants) => json!([
            {"key": "listed", "doLog": false, "rules": [one_of("tenant", tenants)],
             "splits": everybody("on")},
            off
        ]),
        Shape::Variants => {
            let mut from = 0;
            let splits: Vec<Value> = VARIANTS
                .iter()
                .map(|(name, percent)| {
                    let to = from + SHARDS / 100 * percent;
                    share(std::mem::replace(&mut from, to), to, name)
                })
                .collect();
            json!([{"key": "weighted", "doLog": false, "splits": splits}])
        }
    };
    let (kind, variations) = if matches!(flag.shape, Shape::Variants) {
        let variation =
            |(name, _): &(&str, u32)| ((*name).to_owned(), json!({"key": name, "value": name}));
        ("STRING", VARIANTS.iter().map(variation).collect::<serde_json::Map<_, _>>().into())
    } else {
        (
            "BOOLEAN",
            json!({"on": {"key": "on", "value": true},
                           "off": {"key": "off", "value": false}}),
        )
    };
    json!({
        "key": flag.key, "enabled": !matches!(flag.shape, Shape::OnOff(false)),
        "variationType": kind, "variations": variations, "allocations": allocations,
        "totalShards": SHARDS,
    })
}

/// Parses and compiles what a server sent; Eppo keeps the JSON beside it.
pub(crate) fn load(json: Vec<u8>) -> Configuration {
    let metadata = SdkMetadata { name: "peers", version: "0" };
    let flags = UniversalFlagConfig::from_json(metadata, json).expect("Eppo reads it");
    Configuration::from_server_response(flags, None)
}

//! FeatureProbe: the whole SDK with events switched off, fed a repository from memory.

use std::hint::black_box;

use feature_probe_server_sdk::{FPUser, FeatureProbe as Client, load_json};
use serde_json::{Map, Value, json};

use crate::participant::Participant;
use crate::workload::{Definition, Facts, MISSING, Question, Shape, VARIANTS, place};

pub(crate) struct FeatureProbe {
    client: Client,
    keys: Vec<String>,
    facts: &'static [Facts],
    users: Vec<FPUser>,
}

impl FeatureProbe {
    pub(crate) fn new(definitions: &[Definition], facts: &'static [Facts]) -> Self {
        let keys = definitions.iter().map(|flag| flag.key.clone()).collect();
        let users = facts.iter().map(user).collect();
        Self { client: load(configuration(definitions)), keys, facts, users }
    }
}

fn user(facts: &Facts) -> FPUser {
    FPUser::new()
        .stable_rollout(facts.user.clone())
        .with("tenant", facts.tenant.as_str())
        .with("country", facts.country.as_str())
}

impl Participant for FeatureProbe {
    fn name(&self) -> &'static str {
        "FeatureProbe"
    }

    fn switch(&self, question: Question) -> u64 {
        let user = &self.users[question.user()];
        self.client.bool_value(&self.keys[question.flag()], user, false).into()
    }

    fn text(&self, question: Question) -> u64 {
        let user = &self.users[question.user()];
        place(&self.client.string_value(&self.keys[question.flag()], user, String::new()))
    }

    fn missing(&self, question: Question) -> u64 {
        self.client.bool_value(MISSING, &self.users[question.user()], true).into()
    }

    fn build_context(&self, question: Question) {
        black_box(user(&self.facts[question.user()]));
    }
}

/// A repository as FeatureProbe's servers send it.
pub(crate) fn configuration(definitions: &[Definition]) -> Vec<u8> {
    let toggles: Map<String, Value> =
        definitions.iter().map(|flag| (flag.key.clone(), toggle(flag))).collect();
    let json = json!({"segments": {}, "toggles": toggles, "version": 1});
    serde_json::to_vec(&json).expect("JSON is written as JSON")
}

fn toggle(flag: &Definition) -> Value {
    let listed = |attribute: &str, values: &[String]| {
        json!({"serve": {"select": 0}, "conditions": [
            {"type": "string", "subject": attribute, "predicate": "is one of", "objects": values}
        ]})
    };
    let mut toggle = json!({
        "key": flag.key, "enabled": true, "version": 1, "forClient": false,
        "disabledServe": {"select": 1}, "defaultServe": {"select": 0},
        "rules": [], "variations": [true, false],
    });
    match &flag.shape {
        Shape::OnOff(on) => toggle["enabled"] = json!(on),
        Shape::Rollout => {
            toggle["defaultServe"] =
                json!({"split": {"distribution": [[[0, 5_000]], [[5_000, 10_000]]]}});
        }
        Shape::Rules(lists) => {
            toggle["rules"] = lists.iter().map(|values| listed("country", values)).collect();
            toggle["defaultServe"] = json!({"select": 1});
        }
        Shape::AllowList(tenants) => {
            toggle["rules"] = json!([listed("tenant", tenants)]);
            toggle["defaultServe"] = json!({"select": 1});
        }
        Shape::Prerequisites { flags, .. } => {
            let prerequisite = |key| json!({"key": key, "value": true});
            toggle["prerequisites"] = flags.iter().map(prerequisite).collect();
        }
        Shape::Variants => {
            let mut from = 0;
            let range = |(_, percent): &(&str, u32)| {
                let to = from + percent * 100;
                json!([[std::mem::replace(&mut from, to), to]])
            };
            let distribution: Vec<Value> = VARIANTS.iter().map(range).collect();
            toggle["defaultServe"] = json!({"split": {"distribution": distribution}});
            toggle["variations"] = VARIANTS.iter().map(|(name, _)| json!(name)).collect();
        }
    }
    toggle
}

/// Parses what a server sent; FeatureProbe compiles nothing.
pub(crate) fn load(json: Vec<u8>) -> Client {
    let json = std::str::from_utf8(&json).expect("JSON is UTF-8");
    Client::new_with("key".to_owned(), load_json(json).expect("FeatureProbe reads it"))
}

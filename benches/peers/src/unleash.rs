//! Unleash: the whole SDK, fed from memory by the call that its own poller makes.

use std::collections::HashMap;
use std::hint::black_box;

use serde_json::{Value, json};
use unleash_api_client::client::{Client, ClientBuilder, FeatureKey};
use unleash_api_client::context::Context;

use crate::participant::Participant;
use crate::workload::{Definition, Facts, MISSING, Question, Shape, VARIANTS, place};

pub(crate) struct Unleash {
    client: Client<NoFeatures>,
    keys: Vec<String>,
    facts: &'static [Facts],
    contexts: Vec<Context>,
}

/// Flags are asked for by text: an enum of 1,000 features is asked for by the same text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NoFeatures {}

impl FeatureKey for NoFeatures {
    fn name(self) -> &'static str {
        match self {}
    }
}

impl Unleash {
    pub(crate) fn new(definitions: &[Definition], facts: &'static [Facts]) -> Self {
        let keys = definitions.iter().map(|flag| flag.key.clone()).collect();
        let contexts = facts.iter().map(context).collect();
        Self { client: load(configuration(definitions)), keys, facts, contexts }
    }
}

fn context(facts: &Facts) -> Context {
    let properties = HashMap::from([
        ("tenant".to_owned(), facts.tenant.clone()),
        ("country".to_owned(), facts.country.clone()),
    ]);
    Context { user_id: Some(facts.user.clone()), properties, ..Context::default() }
}

impl Participant for Unleash {
    fn name(&self) -> &'static str {
        "Unleash"
    }

    fn switch(&self, question: Question) -> u64 {
        let context = &self.contexts[question.user()];
        self.client.is_enabled_str(&self.keys[question.flag()], Some(context), false).into()
    }

    fn text(&self, question: Question) -> u64 {
        let context = &self.contexts[question.user()];
        place(&self.client.get_variant_str(&self.keys[question.flag()], context).name)
    }

    fn missing(&self, question: Question) -> u64 {
        self.client.is_enabled_str(MISSING, Some(&self.contexts[question.user()]), true).into()
    }

    fn build_context(&self, question: Question) {
        black_box(context(&self.facts[question.user()]));
    }
}

/// Features as Unleash's client API sends them.
pub(crate) fn configuration(definitions: &[Definition]) -> Vec<u8> {
    let features: Vec<Value> = definitions.iter().map(feature).collect();
    let json = json!({"version": 2, "features": features});
    serde_json::to_vec(&json).expect("JSON is written as JSON")
}

fn feature(flag: &Definition) -> Value {
    let listed = |property: &str, values: &[String]| {
        json!({"name": "default", "constraints": [
            {"contextName": property, "operator": "IN", "values": values}
        ]})
    };
    let mut feature = json!({
        "name": flag.key, "type": "release", "enabled": true,
        "strategies": [{"name": "default"}],
    });
    match &flag.shape {
        Shape::OnOff(on) => feature["enabled"] = json!(on),
        Shape::Rollout => {
            feature["strategies"] = json!([{"name": "flexibleRollout", "parameters":
                {"rollout": "50", "stickiness": "userId", "groupId": flag.key}}]);
        }
        Shape::Rules(lists) => {
            feature["strategies"] = lists.iter().map(|values| listed("country", values)).collect();
        }
        Shape::AllowList(tenants) => feature["strategies"] = json!([listed("tenant", tenants)]),
        Shape::Prerequisites { flags, .. } => {
            let dependency = |key| json!({"feature": key, "enabled": true});
            feature["dependencies"] = flags.iter().map(dependency).collect();
        }
        // The name of a variant is the answer: without a payload, which costs more.
        Shape::Variants => {
            let variant = |(name, percent): &(&str, u32)| {
                json!({"name": name, "weight": percent * 10, "weightType": "variable",
                       "stickiness": "userId"})
            };
            feature["variants"] = VARIANTS.iter().map(variant).collect();
        }
    }
    feature
}

/// Parses and compiles what a server sent.
pub(crate) fn load(json: Vec<u8>) -> Client<NoFeatures> {
    let client = ClientBuilder::default()
        .disable_metric_submission()
        .enable_string_features()
        .into_client("http://127.0.0.1:1/api", "peers", "peers", None)
        .expect("no request is made");
    let features = serde_json::from_slice(&json).expect("Unleash reads it");
    client.memoize(features).expect("Unleash compiles it");
    client
}

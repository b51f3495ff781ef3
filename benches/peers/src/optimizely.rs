//! Optimizely: the whole (unofficial) SDK without its event dispatcher, fed a datafile from memory.

use std::hint::black_box;

use optimizely::client::UserContext;
use optimizely::{AttributeValue, Client};
use serde_json::{Value, json};

use crate::participant::Participant;
use crate::workload::{Definition, Facts, MISSING, Question, Row, Shape, VARIANTS, place};

pub(crate) struct Optimizely {
    client: &'static Client,
    keys: Vec<String>,
    facts: &'static [Facts],
    contexts: Vec<UserContext<'static>>,
}

impl Optimizely {
    pub(crate) fn new(definitions: &[Definition], facts: &'static [Facts]) -> Self {
        let client = Box::leak(Box::new(load(configuration(definitions))));
        let keys = definitions.iter().map(|flag| flag.key.clone()).collect();
        let contexts = facts.iter().map(|facts| context(client, facts)).collect();
        Self { client, keys, facts, contexts }
    }
}

fn context<'a>(client: &'a Client, facts: &'a Facts) -> UserContext<'a> {
    let mut context = client.create_user_context(&facts.user);
    context.set_attribute("tenant", AttributeValue::String(facts.tenant.clone()));
    context.set_attribute("country", AttributeValue::String(facts.country.clone()));
    context
}

impl Participant for Optimizely {
    fn name(&self) -> &'static str {
        "Optimizely"
    }

    fn supports(&self, row: Row) -> bool {
        row != Row::Prerequisites
    }

    fn switch(&self, question: Question) -> u64 {
        self.contexts[question.user()].decide(&self.keys[question.flag()]).enabled().into()
    }

    fn text(&self, question: Question) -> u64 {
        let decision = self.contexts[question.user()].decide(&self.keys[question.flag()]);
        place(decision.variation_key())
    }

    /// It takes no default: a missing flag is off.
    fn missing(&self, question: Question) -> u64 {
        (!self.contexts[question.user()].decide(MISSING).enabled()).into()
    }

    fn build_context(&self, question: Question) {
        black_box(context(self.client, &self.facts[question.user()]));
    }
}

/// A variation, and where its share of 10,000 ends.
type Share = (&'static str, u32);

/// A datafile. Optimizely has no prerequisites: such flags are plain ones here, with the answer
/// that they have to give.
pub(crate) fn configuration(definitions: &[Definition]) -> Vec<u8> {
    let mut audiences = Vec::new();
    let mut audience = |attribute: &str, values: &[String]| {
        let id = format!("audience-{}", audiences.len());
        let equal = |value| json!({"match": "exact", "name": attribute, "type": "custom_attribute", "value": value});
        let conditions: Vec<Value> =
            std::iter::once(json!("or")).chain(values.iter().map(equal)).collect();
        audiences.push(json!({"id": id, "name": id, "conditions": conditions}));
        id
    };
    let mut rollouts = Vec::new();
    let mut flags = Vec::new();
    for flag in definitions {
        let mut rules: Vec<(Option<String>, Vec<Share>)> = Vec::new();
        match &flag.shape {
            Shape::OnOff(on) | Shape::Prerequisites { met: on, .. } => {
                rules.push((None, vec![(if *on { "on" } else { "off" }, 10_000)]));
            }
            Shape::Rollout => rules.push((None, vec![("on", 5_000), ("off", 10_000)])),
            Shape::Rules(lists) => {
                for values in lists {
                    rules.push((Some(audience("country", values)), vec![("on", 10_000)]));
                }
                rules.push((None, vec![("off", 10_000)]));
            }
            Shape::AllowList(tenants) => {
                rules.push((Some(audience("tenant", tenants)), vec![("on", 10_000)]));
                rules.push((None, vec![("off", 10_000)]));
            }
            Shape::Variants => {
                let mut end = 0;
                let share = |(name, percent): &(&'static str, u32)| {
                    end += percent * 100;
                    (*name, end)
                };
                rules.push((None, VARIANTS.iter().map(share).collect()));
            }
        }
        let experiments: Vec<Value> = rules
            .iter()
            .enumerate()
            .map(|(index, (audience, shares))| experiment(&flag.key, index, audience, shares))
            .collect();
        rollouts.push(json!({"id": flag.key, "experiments": experiments}));
        flags.push(json!({"key": flag.key, "rolloutId": flag.key, "experimentIds": []}));
    }
    let json = json!({
        "accountId": "1", "projectId": "1", "environmentKey": "peers", "sdkKey": "peers",
        "revision": "1", "botFiltering": false, "anonymizeIP": true, "events": [],
        "attributes": [{"id": "1", "key": "tenant"}, {"id": "2", "key": "country"}],
        "typedAudiences": audiences, "experiments": [], "rollouts": rollouts,
        "featureFlags": flags,
    });
    serde_json::to_vec(&json).expect("JSON is written as JSON")
}

fn experiment(key: &str, index: usize, audience: &Option<String>, shares: &[Share]) -> Value {
    let variations: Vec<Value> = shares
        .iter()
        .map(|(name, _)| json!({"id": name, "key": name, "featureEnabled": *name != "off"}))
        .collect();
    let allocation: Vec<Value> =
        shares.iter().map(|(name, end)| json!({"entityId": name, "endOfRange": end})).collect();
    json!({
        "id": format!("{key}-{index}"), "layerId": "1", "audienceIds": audience.as_slice(),
        "variations": variations, "trafficAllocation": allocation,
    })
}

/// Parses what a server sent; Optimizely compiles nothing.
pub(crate) fn load(json: Vec<u8>) -> Client {
    let json = String::from_utf8(json).expect("JSON is UTF-8");
    Client::from_string(json).expect("Optimizely reads it").initialize()
}

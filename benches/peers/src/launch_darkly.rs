//! LaunchDarkly: the whole SDK with its null event processor, fed by its own data source for
//! tests, which fills the SDK's own store.

use std::hint::black_box;

use launchdarkly_server_sdk::{
    AllData, Client, ConfigBuilder, Context, ContextBuilder, Flag, NullEventProcessorBuilder,
    Segment, StorageItem, TestData,
};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::participant::Participant;
use crate::workload::{Definition, Facts, MISSING, Question, Shape, VARIANTS, place};

pub(crate) struct LaunchDarkly {
    client: Client,
    _runtime: Runtime,
    keys: Vec<String>,
    facts: &'static [Facts],
    contexts: Vec<Context>,
}

impl LaunchDarkly {
    pub(crate) fn new(definitions: &[Definition], facts: &'static [Facts]) -> Self {
        let source = TestData::new();
        for flag in definitions {
            let flag: Flag =
                serde_json::from_value(self::flag(flag)).expect("LaunchDarkly reads it");
            source.use_preconfigured_flag(flag);
        }
        let config = ConfigBuilder::new("key")
            .data_source(&source)
            .event_processor(&NullEventProcessorBuilder::new())
            .build()
            .expect("nothing is left out");
        let runtime = Runtime::new().expect("a runtime starts");
        let client = Client::build(config).expect("nothing is left out");
        let guard = runtime.enter();
        client.start_with_default_executor();
        drop(guard);
        let ready = client.wait_for_initialization(std::time::Duration::from_secs(30));
        assert_eq!(runtime.block_on(ready), Some(true));
        let keys = definitions.iter().map(|flag| flag.key.clone()).collect();
        let contexts = facts.iter().map(context).collect();
        Self { client, _runtime: runtime, keys, facts, contexts }
    }
}

/// One context of a user with the tenant as an attribute: a context of two kinds costs more.
fn context(facts: &Facts) -> Context {
    ContextBuilder::new(facts.user.as_str())
        .set_string("tenant", facts.tenant.as_str())
        .set_string("country", facts.country.as_str())
        .build()
        .expect("a context that LaunchDarkly accepts")
}

impl Participant for LaunchDarkly {
    fn name(&self) -> &'static str {
        "LaunchDarkly"
    }

    fn switch(&self, question: Question) -> u64 {
        let context = &self.contexts[question.user()];
        self.client.bool_variation(context, &self.keys[question.flag()], false).into()
    }

    fn text(&self, question: Question) -> u64 {
        let context = &self.contexts[question.user()];
        place(&self.client.str_variation(context, &self.keys[question.flag()], String::new()))
    }

    fn missing(&self, question: Question) -> u64 {
        self.client.bool_variation(&self.contexts[question.user()], MISSING, true).into()
    }

    fn build_context(&self, question: Question) {
        black_box(context(&self.facts[question.user()]));
    }
}

/// All data as LaunchDarkly's servers send it.
pub(crate) fn configuration(definitions: &[Definition]) -> Vec<u8> {
    let flags: Map<String, Value> =
        definitions.iter().map(|flag| (flag.key.clone(), self::flag(flag))).collect();
    serde_json::to_vec(&json!({"flags": flags, "segments": {}})).expect("JSON is written as JSON")
}

fn flag(flag: &Definition) -> Value {
    let listed = |id: String, attribute: &str, values: &[String]| {
        json!({"id": id, "variation": 0, "trackEvents": false, "clauses": [
            {"attribute": attribute, "op": "in", "negate": false, "values": values}
        ]})
    };
    let mut state = json!({
        "key": flag.key, "version": 1, "on": true, "targets": [], "rules": [],
        "prerequisites": [], "fallthrough": {"variation": 0}, "offVariation": 1,
        "variations": [true, false], "salt": flag.key,
    });
    match &flag.shape {
        Shape::OnOff(on) => state["on"] = json!(on),
        Shape::Rollout => {
            state["fallthrough"] = json!({"rollout": {"variations": [
                {"variation": 0, "weight": 50_000}, {"variation": 1, "weight": 50_000}
            ]}});
        }
        Shape::Rules(lists) => {
            let rule = |(index, values): (usize, &Vec<String>)| {
                listed(format!("rule-{index}"), "country", values)
            };
            state["rules"] = lists.iter().enumerate().map(rule).collect();
            state["fallthrough"] = json!({"variation": 1});
        }
        Shape::AllowList(tenants) => {
            state["rules"] = json!([listed("listed".to_owned(), "tenant", tenants)]);
            state["fallthrough"] = json!({"variation": 1});
        }
        Shape::Prerequisites { flags, .. } => {
            let prerequisite = |key| json!({"key": key, "variation": 0});
            state["prerequisites"] = flags.iter().map(prerequisite).collect();
        }
        Shape::Variants => {
            let weight = |(index, (_, percent)): (usize, &(&str, u32))| json!({"variation": index, "weight": percent * 1_000});
            let weights: Vec<Value> = VARIANTS.iter().enumerate().map(weight).collect();
            state["fallthrough"] = json!({"rollout": {"variations": weights}});
            state["variations"] = VARIANTS.iter().map(|(name, _)| json!(name)).collect();
        }
    }
    state
}

/// Parses what a server sent, into what the SDK's store holds; it compiles nothing.
pub(crate) fn load(json: Vec<u8>) -> AllData<StorageItem<Flag>, StorageItem<Segment>> {
    let data: AllData<Flag, Segment> =
        serde_json::from_slice(&json).expect("LaunchDarkly reads it");
    data.into()
}

//! flags, through `flags_client::Client`: with typed keys, and with keys as text.

use std::hint::black_box;

use flags_client::{Client, Document, Entity, Flag, Value};
use flags_core::{AttributeValue, Ruleset};
use serde_json::json;

use crate::participant::Participant;
use crate::workload::{
    Definition, FIRST_TEXT, Facts, MISSING, Question, Row, Shape, VARIANTS, place,
};

/// A context as a service builds it: a user and a tenant with a country.
type RequestContext<'a> = [Entity<'a>; 2];

/// What both ways of asking share.
struct Service {
    client: Client,
    keys: Vec<&'static str>,
    facts: &'static [Facts],
    contexts: Vec<RequestContext<'static>>,
}

/// Asks with a [`Flag`], whose key was hashed when it was made.
pub(crate) struct Typed {
    service: Service,
    switches: Vec<Flag<bool>>,
    texts: Vec<Flag<&'static str>>,
    missing: Flag<bool>,
}

/// Asks with a `&str`.
pub(crate) struct ByName(Service);

impl Service {
    fn new(definitions: &[Definition], facts: &'static [Facts]) -> Self {
        let document: Document =
            serde_json::from_slice(&configuration(definitions)).expect("the document is one");
        let client = Client::fixed(&document);
        assert!(client.status().invalid.is_empty(), "{}", client.status());
        let keys = definitions.iter().map(|flag| &*flag.key.clone().leak()).collect();
        let attributes = |facts: &'static Facts| -> &'static [(&str, AttributeValue<'_>)] {
            Box::leak(Box::new([("country", facts.country.as_str().into())]))
        };
        let contexts = facts.iter().map(|facts| context(facts, attributes(facts))).collect();
        Self { client, keys, facts, contexts }
    }

    fn build_context(&self, question: Question) {
        let facts = &self.facts[question.user()];
        let attributes = [("country", facts.country.as_str().into())];
        black_box(&context(facts, &attributes));
    }

    /// The hashing that `contexts` hold ready for a row: none, they are borrowed text. When
    /// contexts learn to hash, what they hash goes here.
    fn ask_ahead(_row: Row, _questions: &[Question]) -> Option<u64> {
        None
    }
}

fn context<'a>(
    facts: &'a Facts,
    attributes: &'a [(&'a str, AttributeValue<'a>)],
) -> RequestContext<'a> {
    [Entity::user(&facts.user), Entity::tenant(&facts.tenant).with(attributes)]
}

impl Typed {
    pub(crate) fn new(definitions: &[Definition], facts: &'static [Facts]) -> Self {
        let service = Service::new(definitions, facts);
        let (switches, texts) = service.keys.split_at(FIRST_TEXT);
        Self {
            switches: switches.iter().map(|key| Flag::new(key, false)).collect(),
            texts: texts.iter().map(|key| Flag::new(key, "?")).collect(),
            missing: Flag::new(MISSING, true),
            service,
        }
    }
}

impl Participant for Typed {
    fn name(&self) -> &'static str {
        "flags, typed key"
    }

    fn switch(&self, question: Question) -> u64 {
        let Service { client, contexts, .. } = &self.service;
        client.get(&self.switches[question.flag()], &contexts[question.user()]).into()
    }

    fn text(&self, question: Question) -> u64 {
        let Service { client, contexts, .. } = &self.service;
        let flag = &self.texts[question.flag() - FIRST_TEXT];
        place(client.pinned().get(flag, &contexts[question.user()]).value)
    }

    fn missing(&self, question: Question) -> u64 {
        let Service { client, contexts, .. } = &self.service;
        client.get(&self.missing, &contexts[question.user()]).into()
    }

    fn build_context(&self, question: Question) {
        self.service.build_context(question);
    }

    /// All flags: one question after the other of one snapshot.
    fn everything(&self, user: usize) -> u64 {
        let Service { client, contexts, .. } = &self.service;
        let flags = client.pinned();
        let context = &contexts[user];
        let on = |flag| u64::from(black_box(flags.is_on(flag, context)));
        let text = |flag| place(black_box(flags.get(flag, context).value));
        self.switches.iter().map(on).sum::<u64>() + self.texts.iter().map(text).sum::<u64>()
    }

    fn ask_ahead(&self, row: Row, questions: &[Question]) -> Option<u64> {
        Service::ask_ahead(row, questions)
    }
}

impl ByName {
    pub(crate) fn new(definitions: &[Definition], facts: &'static [Facts]) -> Self {
        Self(Service::new(definitions, facts))
    }

    fn evaluate(&self, key: &str, user: usize) -> u64 {
        let Service { client, contexts, .. } = &self.0;
        number(client.pinned().evaluate(key, &contexts[user]).value)
    }
}

impl Participant for ByName {
    fn name(&self) -> &'static str {
        "flags, key as text"
    }

    fn switch(&self, question: Question) -> u64 {
        self.evaluate(self.0.keys[question.flag()], question.user())
    }

    fn text(&self, question: Question) -> u64 {
        self.evaluate(self.0.keys[question.flag()], question.user())
    }

    fn any(&self, question: Question) -> u64 {
        self.evaluate(self.0.keys[question.flag()], question.user())
    }

    fn missing(&self, question: Question) -> u64 {
        let Service { client, contexts, .. } = &self.0;
        let flags = client.pinned();
        flags.evaluate(MISSING, &contexts[question.user()]).value.map_or(1, |_| 0)
    }

    fn build_context(&self, question: Question) {
        self.0.build_context(question);
    }

    /// All flags, by the call that is made for it. Each answer comes with its key.
    fn everything(&self, user: usize) -> u64 {
        let Service { client, contexts, .. } = &self.0;
        let flags = client.pinned();
        let answers = flags.evaluate_all(&contexts[user]);
        answers.map(|(key, answer)| number(black_box((key, answer)).1.value)).sum()
    }

    fn ask_ahead(&self, row: Row, questions: &[Question]) -> Option<u64> {
        Service::ask_ahead(row, questions)
    }
}

fn number(value: Option<Value<'_>>) -> u64 {
    match value {
        Some(Value::Boolean(on)) => on.into(),
        Some(Value::String(text)) => place(text),
        _ => 255,
    }
}

/// The document that a flags server would send.
pub(crate) fn configuration(definitions: &[Definition]) -> Vec<u8> {
    let objects: Vec<_> = definitions.iter().map(object).collect();
    let document = json!({"epoch": "peers", "revision": 1, "objects": objects});
    serde_json::to_vec(&document).expect("JSON is written as JSON")
}

fn object(flag: &Definition) -> serde_json::Value {
    let mut state = json!({"on": true, "off_variant": "off", "fallthrough": {"variant": "on"}});
    match &flag.shape {
        Shape::OnOff(on) => state["on"] = json!(on),
        Shape::Rollout => {
            state["fallthrough"] = json!({"split": {"by": "user", "weights": [
                {"variant": "on", "weight": 50_000}, {"variant": "off", "weight": 50_000}
            ]}});
        }
        Shape::Rules(lists) => {
            let rule = |(index, values)| {
                json!({"id": format!("rule-{index}"), "serve": {"variant": "on"},
                       "when": {"attribute": "tenant.country", "op": "in", "values": values}})
            };
            state["rules"] = lists.iter().enumerate().map(rule).collect();
            state["fallthrough"] = json!({"variant": "off"});
        }
        Shape::AllowList(tenants) => {
            let tenants: std::collections::BTreeSet<_> = tenants.iter().collect();
            state["targets"] = json!([{"kind": "tenant", "keys": tenants, "variant": "on"}]);
            state["fallthrough"] = json!({"variant": "off"});
        }
        Shape::Prerequisites { flags, .. } => {
            let prerequisite = |key| json!({"flag": key, "variants": ["on"]});
            state["prerequisites"] = flags.iter().map(prerequisite).collect();
        }
        Shape::Variants => {
            let weight =
                |(name, percent): &(&str, u32)| json!({"variant": name, "weight": percent * 1_000});
            let weights: Vec<_> = VARIANTS.iter().map(weight).collect();
            state["off_variant"] = json!(VARIANTS[3].0);
            state["fallthrough"] = json!({"split": {"by": "user", "weights": weights}});
        }
    }
    let (kind, variants) = if matches!(flag.shape, Shape::Variants) {
        let variant = |(name, _): &(&str, u32)| json!({"name": name, "value": name});
        ("string", VARIANTS.iter().map(variant).collect())
    } else {
        ("boolean", json!([{"name": "on", "value": true}, {"name": "off", "value": false}]))
    };
    let definition = json!({"type": kind, "variants": variants, "state": state});
    json!({"kind": "flag", "key": flag.key, "version": 1, "definition": definition})
}

/// Parses and compiles what a server sent.
pub(crate) fn load(json: Vec<u8>) -> Ruleset {
    let document: Document = serde_json::from_slice(&json).expect("the document is one");
    let (ruleset, report) = Ruleset::compile(&document);
    assert!(report.is_clean(), "{report:?}");
    ruleset
}

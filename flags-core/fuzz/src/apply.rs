//! Changes of any form, one after the other.

use flags_core::{
    Change, Document, Epoch, JsonContext, KeysChange, MembersChange, Object, ObjectChange, Ruleset,
    Timestamp,
};
use serde_json::{Value, json};

use crate::cases::CONTEXT_KEYS;
use crate::conditions::truth_of;
use crate::contracts::FEATURES;
use crate::generator::{FLAGS, Generator, Manner};
use crate::hostile;

/// Definitions as no server writes them: with fields twice, under escaped names, or of other forms.
const STRANGE_SEGMENTS: [&str; 12] = [
    r#"{"kind": "tenant", "included": ["acme"], "included": ["globex"]}"#,
    r#"{"kind": "tenant", "\u0069ncluded": ["acme"], "included": ["globex"]}"#,
    r#"{"kind": "tenant", "\u0069ncluded": ["\u0061cme"]}"#,
    r#"{"kind": "tenant", "included": ["acme", "\u0061cme"]}"#,
    r#"{"kind": "tenant", "included": [ "acme" , "globex" ] , "later": {"x": 1, "x": 2}}"#,
    r#"{"kind": "tenant", "kind": "user"}"#,
    r#"{"kind": "tenant", "included": null, "excluded": ["acme"]}"#,
    r#"{"kind": "tenant", "included": {}}"#,
    r#"{"kind": "tenant", "excluded": ["", "\u0000"]}"#,
    r#"["tenant", ["acme"], ["globex"], null]"#,
    r#"{"kind": "tenant", "when": {"segment": "s1"}}"#,
    r#"{"kind": "tenant", "$serde_json::private::RawValue": "[1]"}"#,
];

/// Whatever the changes, a ruleset that applies them one by one answers as one that is compiled
/// from the document that they fold to, and so does one that gets them together; gaps and repeats
/// change neither. Every change reads back as it was written.
pub fn apply(bytes: &[u8]) {
    let mut generator = Generator::new(bytes, Manner::Wild);
    let contexts: Vec<JsonContext> =
        (0..3).filter_map(|_| JsonContext::read(&generator.context()).ok()).collect();
    let mut document = probes();
    let (mut ruleset, _) = Ruleset::compile(&document);
    let mut applied = Vec::new();
    for _ in 0..8 {
        let change = change(&mut generator, &document);
        reads_back(&change);
        let before = answers(&ruleset, &contexts);
        let revision = document.revision;
        let outcome = ruleset.apply(&change);
        assert_eq!(answers(&ruleset, &contexts), before, "the old ruleset stays as it is");
        match (outcome, document.fold([&change])) {
            (Err(gap), Err(other)) => {
                assert_eq!(gap, other);
                assert_eq!(document.revision, revision);
                assert_eq!(
                    gap.is_repeat(),
                    change.epoch == document.epoch && change.revision <= revision
                );
            }
            (Ok((next, _)), Ok(())) => {
                let (fresh, _) = Ruleset::compile(&document);
                assert_eq!(answers(&next, &contexts), answers(&fresh, &contexts), "{change:?}");
                assert_eq!(next.position(), fresh.position());
                ruleset = next;
                applied.push(change);
            }
            (outcome, fold) => panic!("one follows and the other does not: {outcome:?}, {fold:?}"),
        }
        if generator.is_exhausted() {
            break;
        }
    }
    let mut together = probes();
    together.fold(&applied).expect("each followed the one before");
    assert_eq!(objects(&together), objects(&document), "folded together as one by one");
}

const SEGMENTS: [&str; 3] = ["s0", "s1", "s2"];

/// Flags that tell what becomes of the segments, whatever the others ask for.
fn probes() -> Document {
    let mut document = Document::empty(Epoch::new("e1"));
    document.objects.extend(SEGMENTS.map(|segment| {
        let definition = truth_of(&json!({"segment": segment}));
        Object::new("flag", segment, 0, &definition).expect("JSON")
    }));
    document
}

fn change(generator: &mut Generator<'_>, document: &Document) -> Change {
    let mut change = Change {
        epoch: document.epoch.clone(),
        previous: document.revision,
        revision: document.revision.saturating_add(1 + generator.below(3) as u64),
        objects: Vec::new(),
    };
    match generator.below(24) {
        20 => change.previous = change.previous.wrapping_sub(1),
        21 => change.revision = change.previous,
        22 => change.epoch = Epoch::new("e2"),
        23 => change.revision = u64::MAX,
        _ => {}
    }
    let version = change.revision;
    for _ in 0..=generator.below(3) {
        let object = object_change(generator, version);
        change.objects.extend(object);
    }
    change
}

/// `None` where serde_json itself refuses to write it.
fn object_change(generator: &mut Generator<'_>, version: u64) -> Option<ObjectChange> {
    let (kind, key, needs, definition) = generator.object_of_any_kind();
    Some(match generator.below(8) {
        0..=2 => {
            let object = Object::new(kind, key, version, &definition).ok()?;
            ObjectChange::Upsert(Object { needs, ..object })
        }
        3 => {
            let text = generator.pick(&STRANGE_SEGMENTS).to_owned();
            let definition = serde_json::value::RawValue::from_string(text).expect("JSON");
            let (kind, key) = ("segment".to_owned(), generator.pick(&SEGMENTS[..2]).to_owned());
            ObjectChange::Upsert(Object { kind, key, version, needs, definition })
        }
        4 => ObjectChange::Delete { kind: kind.to_owned(), key: key.to_owned() },
        _ => {
            let mut list = || {
                let (mut add, remove) = (generator.context_keys(), generator.context_keys());
                if generator.one_in(12) {
                    add.push(hostile::text(generator.bytes()));
                }
                KeysChange { add, remove }
            };
            let (included, excluded) = (list(), list());
            let kind = if generator.one_in(20) { kind } else { "segment" }.to_owned();
            let key = generator.pick(&SEGMENTS).to_owned();
            ObjectChange::Members(MembersChange { kind, key, version, included, excluded })
        }
    })
}

/// Objects by what they say: in which order a definition has its fields is no matter.
fn objects(document: &Document) -> Vec<Value> {
    let objects = document.objects.iter().map(|object| {
        let text = object.definition.get();
        // What nests deeper than serde_json reads is kept as it stands.
        let definition = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        json!([object.kind, object.key, object.version, object.needs, definition])
    });
    objects.collect()
}

fn reads_back(change: &Change) {
    let text = serde_json::to_string(change).expect("JSON");
    // A definition that nests deeper than serde_json reads is written all the same.
    if let Ok(read) = serde_json::from_str::<Change>(&text) {
        assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
    }
}

/// Every answer that can be told apart, and every flag.
fn answers(ruleset: &Ruleset, contexts: &[JsonContext]) -> Value {
    let mut known: Vec<_> = ruleset
        .flags()
        .map(|(key, flag_type, version)| (key, flag_type.map(|t| t.to_string()), version))
        .collect();
    known.sort();
    let now = Timestamp::from_millis(1_767_225_600_000);
    let answers = contexts.iter().map(|context| {
        Value::Array(
            FLAGS
                .iter()
                .chain(&SEGMENTS)
                .map(|key| json!(ruleset.evaluate(*key, context, now)))
                .collect(),
        )
    });
    let tenants = CONTEXT_KEYS.iter().flat_map(|key| FEATURES.map(|feature| (*key, feature)));
    let granted = tenants.map(|(tenant, feature)| {
        let intervals = ruleset.entitlement(tenant, feature).intervals();
        let intervals =
            intervals.map(|(start, held)| json!([start.map(Timestamp::as_millis), held]));
        Value::Array(intervals.collect())
    });
    let (answers, granted): (Value, Value) = (answers.collect(), granted.collect());
    json!({"known": known, "answers": answers, "granted": granted})
}

//! Changes: incremental equals fresh, whatever the order; gaps and repeats change nothing.

#![cfg(test)]

use flags_core::{
    Change, Document, Entity, Epoch, JsonContext, KeysChange, MembersChange, Object, ObjectChange,
    Position, Ruleset, Timestamp,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_millis(0);

fn epoch() -> Epoch {
    Epoch::new("e1")
}

fn change(revision: u64, objects: Vec<ObjectChange>) -> Change {
    Change { epoch: epoch(), revision, previous: revision - 1, objects }
}

fn object(kind: &str, key: &str, version: u64, definition: &Value) -> Object {
    Object::new(kind, key, version, definition).unwrap()
}

/// What a random step does to one of a few objects that refer to each other.
#[derive(Debug, Clone)]
enum Step {
    Flag {
        key: u8,
        on: bool,
        prerequisite: Option<u8>,
        segment: Option<u8>,
        valid: bool,
    },
    Segment {
        key: u8,
        included: Vec<u8>,
        excluded: Vec<u8>,
        wrong: Option<u8>,
    },
    /// Keys of each list to add and to remove.
    Members {
        key: u8,
        lists: [[Vec<&'static str>; 2]; 2],
    },
    /// What is stored of a tenant: a number, and whether it is right.
    Tenant {
        key: u8,
        x: u8,
        wrong: Option<u8>,
    },
    DeleteFlag(u8),
    DeleteSegment(u8),
    DeleteTenant(u8),
    UnknownKind(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..5_u8;
    // Keys of contexts, and few that are none.
    let keys = || {
        let key = prop_oneof![
            12 => prop::sample::select(&["t0", "t1", "t2", "t3"][..]),
            1 => prop::sample::select(&["", "\u{7}"][..]),
        ];
        prop::collection::vec(key, 0..4)
    };
    let list = move || [keys(), keys()];
    prop_oneof![
        4 => (key.clone(), any::<bool>(), prop::option::of(key.clone()),
              prop::option::of(key.clone()), prop::bool::weighted(0.9))
            .prop_map(|(key, on, prerequisite, segment, valid)| Step::Flag {
                key, on, prerequisite, segment, valid
            }),
        2 => (key.clone(), prop::collection::vec(0..4_u8, 0..4), prop::collection::vec(0..4_u8, 0..2),
              prop::option::weighted(0.2, 0..5_u8))
            .prop_map(|(key, included, excluded, wrong)| Step::Segment {
                key, included, excluded, wrong
            }),
        4 => (key.clone(), [list(), list()]).prop_map(|(key, lists)| Step::Members { key, lists }),
        4 => (0..4_u8, 0..3_u8, prop::option::weighted(0.2, 0..3_u8))
            .prop_map(|(key, x, wrong)| Step::Tenant { key, x, wrong }),
        1 => (0..4_u8).prop_map(Step::DeleteTenant),
        1 => key.clone().prop_map(Step::DeleteFlag),
        1 => key.clone().prop_map(Step::DeleteSegment),
        1 => key.prop_map(Step::UnknownKind),
    ]
}

impl Step {
    fn change(&self, revision: u64) -> ObjectChange {
        match self {
            Self::Flag { key, on, prerequisite, segment, valid } => {
                let when = match segment {
                    Some(segment) => json!({"segment": format!("s{segment}")}),
                    None if *on => json!({"attribute": "tenant.x", "op": "gte", "values": [1]}),
                    None => json!({"attribute": "tenant.x", "op": "exists"}),
                };
                let prerequisites: Vec<Value> = prerequisite
                    .iter()
                    .filter(|other| *other != key)
                    .map(|other| json!({"flag": format!("f{other}"), "variants": ["on"]}))
                    .collect();
                ObjectChange::Upsert(object(
                    "flag",
                    &format!("f{key}"),
                    revision,
                    &json!({
                        "type": "boolean",
                        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
                        "state": {"on": on, "off_variant": if *valid { "off" } else { "none" },
                                  "prerequisites": prerequisites,
                                  "rules": [{"id": "r", "when": when, "serve": {"variant": "off"}}],
                                  "fallthrough": {"variant": "on"}},
                    }),
                ))
            }
            Self::Segment { key, included, excluded, wrong } => {
                let mut keys: Vec<String> = included.iter().map(|t| format!("t{t}")).collect();
                keys.sort();
                keys.dedup();
                keys.reverse();
                let excluded: Vec<String> =
                    excluded.iter().take(1).map(|t| format!("t{t}")).collect();
                let mut definition = json!({
                    "kind": "tenant", "included": keys, "excluded": excluded, "later": [1],
                });
                let mut needs = Vec::new();
                match wrong {
                    None => {}
                    Some(0) => definition["kind"] = json!("no kind"),
                    Some(1) => definition["included"] = json!(["t1", "t1"]),
                    Some(2) => definition["excluded"] = json!("t1"),
                    Some(3) => definition["included"] = json!([""]),
                    Some(_) => needs.push("time travel".to_owned()),
                }
                let segment = object("segment", &format!("s{key}"), revision, &definition);
                ObjectChange::Upsert(Object { needs, ..segment })
            }
            Self::Members { key, lists } => {
                let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
                let list = |[add, remove]: &[Vec<&str>; 2]| KeysChange {
                    add: keys(add),
                    remove: keys(remove),
                };
                let [included, excluded] = lists.each_ref().map(list);
                let (kind, key) = ("segment".to_owned(), format!("s{key}"));
                let version = revision;
                ObjectChange::Members(MembersChange { kind, key, version, included, excluded })
            }
            Self::Tenant { key, x, wrong } => {
                let mut definition = json!({"attributes": {"x": x, "later": ["a"]}, "later": 1});
                let mut needs = Vec::new();
                match wrong {
                    None => {}
                    Some(0) => definition["attributes"]["x"] = Value::Null,
                    Some(1) => definition["attributes"] = json!([]),
                    Some(_) => needs.push("time travel".to_owned()),
                }
                let tenant = object("tenant", &format!("t{key}"), revision, &definition);
                ObjectChange::Upsert(Object { needs, ..tenant })
            }
            Self::DeleteTenant(key) => {
                ObjectChange::Delete { kind: "tenant".into(), key: format!("t{key}") }
            }
            Self::DeleteFlag(key) => {
                ObjectChange::Delete { kind: "flag".into(), key: format!("f{key}") }
            }
            Self::DeleteSegment(key) => {
                ObjectChange::Delete { kind: "segment".into(), key: format!("s{key}") }
            }
            Self::UnknownKind(key) => {
                ObjectChange::Upsert(object("horoscope", &format!("f{key}"), revision, &json!({})))
            }
        }
    }
}

/// Every answer that can be told apart, as JSON.
fn answers(ruleset: &Ruleset) -> Vec<Value> {
    let mut answers = Vec::new();
    for flag in 0..5 {
        for tenant in 0..4 {
            let context = json!({"tenant": {"key": format!("t{tenant}"), "y": 1}});
            let context = JsonContext::read(&context).unwrap();
            let answer = ruleset.evaluate(&format!("f{flag}"), &context, NOW);
            answers.push(serde_json::to_value(answer).unwrap());
        }
    }
    let mut tenants: Vec<&str> = ruleset.tenants().collect();
    tenants.sort_unstable();
    answers.push(json!(tenants));
    answers
}

proptest! {
    #[test]
    fn incremental_equals_fresh(groups in prop::collection::vec(prop::collection::vec(step(), 1..4), 1..20)) {
        let mut document = Document::empty(epoch());
        let (mut ruleset, _) = Ruleset::compile(&document);
        let mut changes = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            let revision = index as u64 + 1;
            let change = change(revision, group.iter().map(|step| step.change(revision)).collect());
            let before = answers(&ruleset);
            let (next, _) = ruleset.apply(&change).unwrap();
            prop_assert_eq!(answers(&ruleset), before, "the old ruleset stays as it is");
            document.fold([&change]).unwrap();
            let (fresh, _) = Ruleset::compile(&document);
            prop_assert_eq!(answers(&next), answers(&fresh));
            prop_assert_eq!(next.position(), fresh.position());
            ruleset = next;
            changes.push(change);
        }
        // Together they come to the same as one by one.
        let mut together = Document::empty(epoch());
        together.fold(&changes).unwrap();
        let json = |document| serde_json::to_value(document).unwrap();
        prop_assert_eq!(json(&together), json(&document));
    }
}

/// Many tenants are one change, and those of before do not see it.
#[test]
fn many_tenants_come_and_go_in_one_change() {
    let acting = |index: usize| index.is_multiple_of(5);
    let rule = json!({"id": "r", "serve": {"variant": "on"},
                      "when": {"attribute": "tenant.x", "op": "equals", "values": ["b"]}});
    let flag = json!({
        "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "state": {"on": true, "off_variant": "off", "rules": [rule],
                  "fallthrough": {"variant": "off"}},
    });
    let tenant = |index: usize, x: &str| {
        let (key, definition) = (format!("tenant-{index}"), json!({"attributes": {"x": x}}));
        ObjectChange::Upsert(object("tenant", &key, 1, &definition))
    };
    let mut document = Document::empty(epoch());
    let first = (0..5_000).map(|index| tenant(index, "a"));
    let flag = ObjectChange::Upsert(object("flag", "f", 1, &flag));
    document.fold([&change(1, first.chain([flag]).collect())]).unwrap();
    let (before, _) = Ruleset::compile(&document);
    let second = (0..6_000).filter(|index| acting(*index)).map(|index| match index % 2 {
        0 => tenant(index, "b"),
        _ => ObjectChange::Delete { kind: "tenant".into(), key: format!("tenant-{index}") },
    });
    let (after, report) = before.apply(&change(2, second.collect())).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((before.tenants().len(), after.tenants().len()), (5_000, 4_600));
    for index in 0..6_000 {
        let key = format!("tenant-{index}");
        let context = Entity::tenant(&key);
        assert!(!before.evaluate("f", &context, NOW).is_true());
        let expected = acting(index) && index.is_multiple_of(2);
        assert_eq!(after.evaluate("f", &context, NOW).is_true(), expected, "{index}");
    }
}

fn members(key: &str, version: u64, included: Value, excluded: Value) -> ObjectChange {
    let change = json!({"kind": "segment", "key": key, "version": version,
                        "included": included, "excluded": excluded});
    ObjectChange::Members(serde_json::from_value(change).unwrap())
}

/// What a segment becomes, as an object in JSON.
fn folded(definition: &Value, change: ObjectChange) -> Value {
    let mut document = Document::empty(epoch());
    let upsert = ObjectChange::Upsert(object("segment", "s", 1, definition));
    document.fold([&self::change(1, vec![upsert]), &self::change(2, vec![change])]).unwrap();
    serde_json::to_value(&document.objects[0]).unwrap()
}

#[test]
fn members_are_added_and_removed_and_everything_else_stays() {
    let definition = json!({"kind": "tenant", "included": ["b", "a"], "excluded": ["x"],
                            "when": {"new_operator": 1.50}, "later": {"included": []}});
    let change = members("s", 2, json!({"add": ["a", "c"], "remove": ["b", "z", "x"]}), json!({}));
    let mut expected = definition.clone();
    expected["included"] = json!(["a", "c"]);
    let folded = folded(&definition, change);
    assert_eq!(folded["definition"], expected);
    assert_eq!(folded["version"], 2);
}

#[test]
fn a_key_that_is_added_and_removed_is_there() {
    let both = || json!({"add": ["a"], "remove": ["a"]});
    let folded = folded(&json!({"kind": "tenant"}), members("s", 2, both(), both()));
    let expected = json!({"kind": "tenant", "included": ["a"], "excluded": ["a"]});
    assert_eq!(folded["definition"], expected);
}

#[test]
fn lists_that_cannot_be_changed_are_broken_for_whoever_reads_them() {
    // Or else a later version that can read the rest would take the lists for those of now.
    for definition in [
        json!({"kind": "tenant", "included": ["a", "a"]}),
        json!({"kind": "tenant", "included": {"of": "another form"}}),
        json!("a segment"),
    ] {
        let change = members("s", 2, json!({"remove": ["a"]}), json!({}));
        assert_eq!(folded(&definition, change)["definition"], Value::Null, "{definition}");
    }
}

/// Serde reads a list as the fields of a struct. A ruleset did so and took changed members, where a
/// document that was changed in the same way became `null`.
#[test]
fn a_definition_written_as_a_list_is_broken() {
    let mut document = Document::empty(epoch());
    document.objects.push(object("segment", "s", 0, &json!(["tenant", ["acme"], [], null])));
    let (ruleset, report) = Ruleset::compile(&document);
    assert_eq!(report.invalid[0].diagnostics[0].code, "unreadable");
    let add = change(1, vec![members("s", 1, json!({"add": ["globex"]}), json!({}))]);
    let (_, report) = ruleset.apply(&add).unwrap();
    assert!(report.is_clean(), "what is broken stays so: {report:?}");
}

#[test]
fn a_segment_that_is_missing_or_broken_is_not_mended_by_its_members() {
    let mut document = Document::empty(epoch());
    document.revision = 1;
    document.objects.push(object("segment", "broken", 1, &json!({"kind": "no kind"})));
    let (ruleset, _) = Ruleset::compile(&document);
    let add = |key| members(key, 2, json!({"add": ["acme"]}), json!({}));
    let mut strange = add("broken");
    if let ObjectChange::Members(change) = &mut strange {
        change.kind = "horoscope".into();
    }
    let change = change(2, vec![add("broken"), add("missing"), strange]);
    let (_, report) = ruleset.apply(&change).unwrap();
    assert_eq!((report.invalid.len(), report.ignored), (0, 1));
    document.fold([&change]).unwrap();
    assert_eq!(document.objects.len(), 1);
}

#[test]
fn an_invalid_member_breaks_the_segment_and_is_reported() {
    let mut document = Document::empty(epoch());
    document.objects.push(object("segment", "s", 1, &json!({"kind": "tenant"})));
    let (ruleset, _) = Ruleset::compile(&document);
    let (_, report) = ruleset
        .apply(&change(1, vec![members("s", 2, json!({}), json!({"add": ["ok", "."]}))]))
        .unwrap();
    let [invalid] = &*report.invalid else { panic!("{report:?}") };
    assert_eq!((&*invalid.kind, &*invalid.key), ("segment", "s"));
    assert_eq!(invalid.diagnostics.len(), 1);
    assert_eq!(&*invalid.diagnostics[0].pointer, "/excluded");
    assert_eq!(&*invalid.diagnostics[0].code, "invalid_key");
}

#[test]
fn a_form_of_change_that_is_not_known_makes_the_change_unreadable() {
    let upsert = r#"{"upsert": {"kind": "flag", "key": "a", "version": 1, "definition": {}}}"#;
    let change = |object: &str| {
        let text = format!(
            r#"{{"epoch": "e1", "revision": 1, "previous": 0, "objects": [{upsert}, {object}]}}"#
        );
        serde_json::from_str::<Change>(&text)
    };
    assert!(change(upsert).is_ok());
    for unknown in [
        r#"{"rename": {"kind": "flag", "key": "a", "to": "b"}}"#,
        r#""clear""#,
        r#"{"delete": {"kind": "flag", "key": "a"}, "unless": 1}"#,
        "{}",
    ] {
        assert!(change(unknown).is_err(), "{unknown}");
    }
}

#[test]
fn gaps_and_repeats_change_nothing() {
    let (ruleset, _) = Ruleset::compile(&Document::empty(epoch()));
    let (ruleset, _) = ruleset.apply(&change(1, Vec::new())).unwrap();
    let repeat = ruleset.apply(&change(1, Vec::new())).unwrap_err();
    assert!(repeat.is_repeat());
    let gap = ruleset.apply(&change(3, Vec::new())).unwrap_err();
    assert!(!gap.is_repeat());
    assert_eq!(gap.to_string(), "change e1.3 follows revision 2, not e1.1");
    let mut other = change(2, Vec::new());
    other.epoch = Epoch::new("e2");
    assert!(!ruleset.apply(&other).unwrap_err().is_repeat());
    let mut backwards = change(1, Vec::new());
    backwards.previous = 1;
    assert!(ruleset.apply(&backwards).unwrap_err().is_repeat());
    assert_eq!(ruleset.revision(), 1);
}

#[test]
fn nothing_follows_what_was_never_loaded_but_the_first_change() {
    let nothing = Ruleset::default();
    assert!(nothing.apply(&change(2, Vec::new())).is_err());
    assert_eq!(nothing.apply(&change(1, Vec::new())).unwrap().0.revision(), 1);
}

#[test]
fn a_fold_stops_at_the_first_gap_and_keeps_what_came_before() {
    let mut document = Document::empty(epoch());
    let flag = object("flag", "a", 1, &json!({}));
    let first = change(1, vec![ObjectChange::Upsert(flag)]);
    let third = change(3, Vec::new());
    assert!(document.fold([&first, &third]).is_err());
    assert_eq!((document.revision, document.objects.len()), (1, 1));
}

#[test]
fn changes_read_back_as_they_were_written() {
    let text = r#"{"epoch":"e1","revision":58,"previous":57,"objects":[{"upsert":{"kind":"flag","key":"a","version":58,"needs":["x"],"definition":{"b": 1}}},{"delete":{"kind":"segment","key":"s"}},{"members":{"kind":"segment","key":"t","version":58,"included":{"add":["a"],"remove":["b"]}}},{"members":{"kind":"segment","key":"u","version":58,"excluded":{"remove":["b"]}}}]}"#;
    let change: Change = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&change).unwrap(), text);
}

#[test]
fn positions_are_an_epoch_and_a_revision() {
    for good in ["e.0", "a.b.17", "0192f0c1.18446744073709551615"] {
        assert_eq!(good.parse::<Position>().unwrap().to_string(), good);
    }
    for bad in ["", "17", ".17", "e.", "e.-1", "e.x", "e.18446744073709551616"] {
        assert!(bad.parse::<Position>().is_err(), "{bad}");
    }
}

#[test]
fn the_report_names_what_is_broken_and_counts_what_is_unknown() {
    let (ruleset, _) = Ruleset::compile(&Document::empty(epoch()));
    let broken = object("flag", "broken", 1, &json!({"type": "boolean"}));
    let strange = object("horoscope", "h", 1, &json!({}));
    let objects = vec![
        ObjectChange::Upsert(broken),
        ObjectChange::Upsert(strange),
        ObjectChange::Delete { kind: "horoscope".into(), key: "g".into() },
    ];
    let (next, report) = ruleset.apply(&change(1, objects)).unwrap();
    assert_eq!(report.ignored, 2);
    assert_eq!((&*report.invalid[0].kind, &*report.invalid[0].key), ("flag", "broken"));
    assert_eq!(report.invalid[0].diagnostics[0].code, "unreadable");
    assert_eq!(next.flags().collect::<Vec<_>>(), [("broken", None, 1)]);
}

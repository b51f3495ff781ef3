use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::budget::Budget;
use super::flag::{CROWDED, INVALID_CONTEXT_KEY, Refused, compile_keys};
use super::lists::compile_lists;
use super::{Linker, check_kind, condition::compile_condition};
use crate::condition::Condition;
use crate::definition::SegmentDefinition;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::key::is_context_key;
use crate::key_map::KeyMap;
use crate::members::{KeysChange, MembersChange};
use crate::ruleset::Members;

pub(crate) fn compile_segment(
    definition: &SegmentDefinition,
    linker: &mut dyn Linker,
) -> Result<Members, Vec<Diagnostic>> {
    let mut d = Diagnostics::default();
    check_kind(&definition.kind, &mut d);
    let included = d.at("included", |d| compile_members(&definition.included, d));
    let excluded = d.at("excluded", |d| compile_members(&definition.excluded, d));
    let when = d.at("when", |d| {
        let mut budget = Budget::of_a_segment();
        let when = definition.when.as_ref();
        let mut condition = when.map(|when| compile_condition(when, linker, &mut budget, d));
        compile_lists(condition.iter_mut(), d);
        if let Some(condition) = &condition {
            check_scope(condition, &definition.kind, d);
        }
        condition.map(Arc::new)
    });
    if d.is_clean() {
        Ok(Members { kind: (*definition.kind).into(), included, excluded, when })
    } else {
        Err(d.into_vec())
    }
}

fn compile_members(keys: &[String], d: &mut Diagnostics) -> KeyMap<()> {
    let mut members = KeyMap::with_capacity(keys.len());
    compile_keys(keys, d, |key| match members.is_crowded() {
        true => Err(Refused::Crowded),
        false => members.insert(key, ()).map_err(|()| Refused::Known),
    });
    members.shrink();
    members
}

/// The members after a change, which share with those before it what it leaves as it is.
pub(crate) fn change_members(
    members: &Members,
    change: &MembersChange,
) -> Result<Members, Vec<Diagnostic>> {
    let mut members = members.clone();
    let mut d = Diagnostics::default();
    d.at("included", |d| change_keys(&mut members.included, &change.included, d));
    d.at("excluded", |d| change_keys(&mut members.excluded, &change.excluded, d));
    if d.is_clean() { Ok(members) } else { Err(d.into_vec()) }
}

fn change_keys(keys: &mut KeyMap<()>, change: &KeysChange, d: &mut Diagnostics) {
    for key in &change.remove {
        keys.remove(key);
    }
    for key in &change.add {
        if is_context_key(key) {
            // One that is there stays there.
            let _ = keys.insert(key, ());
        } else {
            d.report("invalid_key", INVALID_CONTEXT_KEY);
        }
    }
    if keys.is_crowded() {
        d.report("crowded", CROWDED);
    }
}

/// A segment is a set of contexts of one kind: its conditions speak of that kind, and not of other
/// segments, which bounds the work of a membership test by the segment's own size.
fn check_scope(condition: &Condition, kind: &str, d: &mut Diagnostics) {
    match condition {
        Condition::All(conditions) => d.at("all", |d| check_each(conditions, kind, d)),
        Condition::Any(conditions) => d.at("any", |d| check_each(conditions, kind, d)),
        Condition::Not(condition) => d.at("not", |d| check_scope(condition, kind, d)),
        Condition::Segment { .. } => d.at("segment", |d| {
            d.report("nested_segment", "a segment does not refer to other segments");
        }),
        Condition::Attribute { path, .. } if *path.kind != *kind => d.at("attribute", |d| {
            d.report(
                "wrong_kind",
                format!("a segment of kind `{kind}` asks only for attributes of that kind"),
            );
        }),
        Condition::Attribute { .. } => {}
    }
}

fn check_each(conditions: &[Condition], kind: &str, d: &mut Diagnostics) {
    for (index, condition) in conditions.iter().enumerate() {
        d.at(index, |d| check_scope(condition, kind, d));
    }
}

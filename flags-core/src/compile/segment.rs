use alloc::vec::Vec;

use super::budget::Budget;
use super::flag::compile_keys;
use super::{Linker, check_kind, condition::compile_condition};
use crate::condition::Condition;
use crate::definition::SegmentDefinition;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::key_map::KeyMap;
use crate::ruleset::Members;

pub(crate) fn compile_segment(
    definition: &SegmentDefinition,
    linker: &mut dyn Linker,
) -> Result<Members, Vec<Diagnostic>> {
    let mut d = Diagnostics::default();
    check_kind(&definition.kind, &mut d);
    let mut included = KeyMap::with_capacity(definition.included.len());
    d.at("included", |d| compile_keys(&definition.included, &mut included, (), d));
    let mut excluded = KeyMap::with_capacity(definition.excluded.len());
    d.at("excluded", |d| compile_keys(&definition.excluded, &mut excluded, (), d));
    let when = d.at("when", |d| {
        let mut budget = Budget::of_a_segment();
        let when = definition.when.as_ref();
        let condition = when.map(|when| compile_condition(when, linker, &mut budget, d));
        if let Some(condition) = &condition {
            check_scope(condition, &definition.kind, d);
        }
        condition
    });
    if d.is_clean() {
        Ok(Members { kind: (*definition.kind).into(), included, excluded, when })
    } else {
        Err(d.into_vec())
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
                alloc::format!("a segment of kind `{kind}` asks only for attributes of that kind"),
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

//! Rules of a flag that ask, one after the other, whether an attribute is in this list or in that
//! one: such lists become one table that says of each value which of them it is in, so that one
//! look answers all of them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::condition::{AttributePath, Condition, OneOf, OneOfStrings, SharedList, Test};
use crate::key_map::{KeyTable, hash};

/// As many as a table has bits for each value; further lists stay by themselves.
const MAX_LISTS: usize = 64;

/// The lists of an object that ask for one attribute.
struct Lists<'c> {
    path: Arc<AttributePath>,
    of: Vec<&'c mut OneOfStrings>,
}

/// Puts the lists in `conditions`, all those of one object, together by their attribute.
pub(super) fn share_lists<'c>(conditions: impl Iterator<Item = &'c mut Condition>) {
    let mut all = Vec::new();
    for condition in conditions {
        collect(condition, &mut all);
    }
    for mut lists in all.into_iter().filter(|lists| lists.of.len() > 1) {
        let mut table = KeyTable::<u64>::default();
        for (bit, list) in lists.of.iter().enumerate() {
            if let OneOfStrings::Many(strings) = &**list {
                for (text, ()) in strings.iter() {
                    table.update(hash(text), text, |bits| bits | 1 << bit);
                }
            }
        }
        table.shrink();
        let table = Arc::new(table);
        for (bit, list) in (0..).zip(&mut lists.of) {
            **list = OneOfStrings::Shared(SharedList { table: Arc::clone(&table), bit });
        }
    }
}

/// Recursion is bounded by the depth that compiling allows.
fn collect<'c>(condition: &'c mut Condition, all: &mut Vec<Lists<'c>>) {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => {
            conditions.iter_mut().for_each(|condition| collect(condition, all));
        }
        Condition::Not(condition) => collect(condition, all),
        Condition::Attribute { path, test: Test::OneOf(OneOf { strings, .. }), .. }
            if matches!(strings, OneOfStrings::Many(_)) =>
        {
            let known = all
                .iter_mut()
                .find(|lists| Arc::ptr_eq(&lists.path, path) && lists.of.len() < MAX_LISTS);
            match known {
                Some(lists) => lists.of.push(strings),
                None => all.push(Lists { path: Arc::clone(path), of: Vec::from([strings]) }),
            }
        }
        Condition::Attribute { .. } | Condition::Segment { .. } => {}
    }
}

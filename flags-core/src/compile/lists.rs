//! Lists of values become tables.
//!
//! Rules of a flag that ask, one after the other, whether an attribute is in this list or in that
//! one: such lists become one table that says of each value which of them it is in, so that one
//! look answers all of them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::flag::CROWDED;
use crate::condition::{AttributePath, Condition, OneOf, OneOfStrings, SharedList, Test};
use crate::diagnostic::Diagnostics;
use crate::key_map::{KeyTable, hash};

/// As many as a table has bits for each value; further lists stay by themselves.
const MAX_LISTS: usize = 64;

/// The lists of an object that ask for one attribute.
struct Lists<'c> {
    path: Arc<AttributePath>,
    of: Vec<&'c mut OneOfStrings>,
}

/// Makes tables of the lists in `conditions`, all those of one object.
pub(super) fn compile_lists<'c>(
    conditions: impl Iterator<Item = &'c mut Condition>,
    d: &mut Diagnostics,
) {
    let mut all = Vec::new();
    for condition in conditions {
        collect(condition, &mut all);
    }
    for mut lists in all {
        let crowded = match &mut *lists.of {
            [list] => compile_list(list),
            lists => compile_shared(lists),
        };
        if crowded {
            d.report("crowded", CROWDED);
        }
    }
}

/// Says whether too many texts hash alike.
fn compile_list(list: &mut OneOfStrings) -> bool {
    let mut table = KeyTable::with_room_for(listed(list));
    for text in listed(list) {
        // A value that is there twice means what it means once.
        let _ = table.insert(hash(text), text, ());
        if table.is_crowded() {
            return true;
        }
    }
    table.shrink();
    *list = OneOfStrings::Many(Box::new(table));
    false
}

/// The same, of several lists.
fn compile_shared(lists: &mut [&mut OneOfStrings]) -> bool {
    let mut table = KeyTable::<u64>::with_room_for(lists.iter().flat_map(|list| listed(list)));
    for (bit, list) in lists.iter().enumerate() {
        for text in listed(list) {
            table.update(hash(text), text, |bits| bits | 1 << bit);
            if table.is_crowded() {
                return true;
            }
        }
    }
    table.shrink();
    let table = Arc::new(table);
    for (bit, list) in (0..).zip(lists) {
        **list = OneOfStrings::Shared(SharedList { table: Arc::clone(&table), bit });
    }
    false
}

fn listed(list: &OneOfStrings) -> impl Iterator<Item = &str> + Clone {
    let texts = match list {
        OneOfStrings::Listed(texts) => Some(texts.iter()),
        _ => None,
    };
    texts.into_iter().flatten()
}

/// Recursion is bounded by the depth that compiling allows.
fn collect<'c>(condition: &'c mut Condition, all: &mut Vec<Lists<'c>>) {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => {
            conditions.iter_mut().for_each(|condition| collect(condition, all));
        }
        Condition::Not(condition) => collect(condition, all),
        Condition::Attribute { path, test: Test::OneOf(OneOf { strings, .. }), .. }
            if matches!(strings, OneOfStrings::Listed(_)) =>
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

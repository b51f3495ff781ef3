use alloc::boxed::Box;
use alloc::format;

use super::budget::Budget;
use super::operator::{compile_test, searches};
use super::{Linker, attribute_path};
use crate::condition::Condition;
use crate::definition as said;
use crate::diagnostic::Diagnostics;
use crate::limits::MAX_CONDITION_DEPTH;

/// `budget` is that of the object which holds the condition.
pub(super) fn compile_condition(
    condition: &said::Condition,
    linker: &mut dyn Linker,
    budget: &mut Budget,
    d: &mut Diagnostics,
) -> Condition {
    compile_nested(condition, 0, linker, budget, d)
}

fn compile_nested(
    condition: &said::Condition,
    depth: usize,
    linker: &mut dyn Linker,
    budget: &mut Budget,
    d: &mut Diagnostics,
) -> Condition {
    budget.condition(d);
    match condition {
        said::Condition::All(conditions) => {
            Condition::All(d.at("all", |d| group(conditions, depth, linker, budget, d)))
        }
        said::Condition::Any(conditions) => {
            Condition::Any(d.at("any", |d| group(conditions, depth, linker, budget, d)))
        }
        said::Condition::Not(condition) => d.at("not", |d| {
            if too_deep(depth, d) {
                return Condition::All(Box::default());
            }
            Condition::Not(Box::new(compile_nested(condition, depth + 1, linker, budget, d)))
        }),
        said::Condition::Segment(key) => {
            d.at("segment", |d| budget.reference(d));
            Condition::Segment { slot: linker.segment(key), key: (**key).into() }
        }
        said::Condition::Attribute { attribute, op, values, ignore_case } => {
            if *ignore_case && !op.may_ignore_case() {
                d.at("ignore_case", |d| {
                    d.report("not_applicable", format!("`{op}` has no case to ignore"));
                });
            }
            Condition::Attribute {
                path: d.at("attribute", |d| attribute_path(attribute, false, linker, d)),
                test: d.at("values", |d| compile_test(*op, values, *ignore_case, budget, d)),
                // More of them than an object may have are refused.
                searches: searches(*op, values, *ignore_case).try_into().unwrap_or(u16::MAX),
            }
        }
    }
}

fn group(
    conditions: &[said::Condition],
    depth: usize,
    linker: &mut dyn Linker,
    budget: &mut Budget,
    d: &mut Diagnostics,
) -> Box<[Condition]> {
    if too_deep(depth, d) {
        return Box::default();
    }
    conditions
        .iter()
        .enumerate()
        .map(|(index, c)| d.at(index, |d| compile_nested(c, depth + 1, linker, budget, d)))
        .collect()
}

fn too_deep(depth: usize, d: &mut Diagnostics) -> bool {
    let too_deep = depth >= MAX_CONDITION_DEPTH;
    if too_deep {
        d.report("too_deep", format!("groups nest at most {MAX_CONDITION_DEPTH} deep"));
    }
    too_deep
}

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use serde_json::Value;

use super::flag::CROWDED;
use super::{Linker, attribute_path};
use crate::condition::{Comparison, Condition, Number, OneOf, Test, TextMatch};
use crate::definition as said;
use crate::definition::Operator;
use crate::diagnostic::Diagnostics;
use crate::limits::{MAX_CONDITION_DEPTH, MAX_TEXT_VALUES};

pub(super) fn compile_condition(
    condition: &said::Condition,
    linker: &mut dyn Linker,
    d: &mut Diagnostics,
) -> Condition {
    compile_nested(condition, 0, linker, d)
}

fn compile_nested(
    condition: &said::Condition,
    depth: usize,
    linker: &mut dyn Linker,
    d: &mut Diagnostics,
) -> Condition {
    let group = |conditions: &[said::Condition], linker: &mut dyn Linker, d: &mut Diagnostics| {
        if too_deep(depth, d) {
            return Box::default();
        }
        conditions
            .iter()
            .enumerate()
            .map(|(index, c)| d.at(index, |d| compile_nested(c, depth + 1, linker, d)))
            .collect()
    };
    match condition {
        said::Condition::All(conditions) => {
            Condition::All(d.at("all", |d| group(conditions, linker, d)))
        }
        said::Condition::Any(conditions) => {
            Condition::Any(d.at("any", |d| group(conditions, linker, d)))
        }
        said::Condition::Not(condition) => d.at("not", |d| {
            if too_deep(depth, d) {
                return Condition::All(Box::default());
            }
            Condition::Not(Box::new(compile_nested(condition, depth + 1, linker, d)))
        }),
        said::Condition::Segment(key) => {
            Condition::Segment { slot: linker.segment(key), key: (**key).into() }
        }
        said::Condition::Attribute { attribute, op, values } => Condition::Attribute {
            path: d.at("attribute", |d| attribute_path(attribute, false, linker, d)),
            test: d.at("values", |d| compile_test(*op, values, d)),
        },
    }
}

fn too_deep(depth: usize, d: &mut Diagnostics) -> bool {
    let too_deep = depth >= MAX_CONDITION_DEPTH;
    if too_deep {
        d.report("too_deep", format!("groups nest at most {MAX_CONDITION_DEPTH} deep"));
    }
    too_deep
}

fn compile_test(op: Operator, values: &[Value], d: &mut Diagnostics) -> Test {
    let fits = match op {
        Operator::Exists => values.is_empty(),
        Operator::Equals | Operator::Lt | Operator::Lte | Operator::Gt | Operator::Gte => {
            values.len() == 1
        }
        Operator::Between => values.len() == 2,
        Operator::In | Operator::StartsWith | Operator::EndsWith | Operator::Contains => {
            !values.is_empty()
        }
    };
    if !fits {
        let wanted = match op {
            Operator::Exists => "no values",
            Operator::Between => "two values",
            Operator::In | Operator::StartsWith | Operator::EndsWith | Operator::Contains => {
                "at least one value"
            }
            _ => "one value",
        };
        d.report("value_count", format!("`{op}` takes {wanted}, here are {}", values.len()));
    }
    match op {
        Operator::Exists => Test::Exists,
        Operator::Equals | Operator::In => Test::OneOf(one_of(op, values, d)),
        Operator::StartsWith => text(TextMatch::StartsWith, values, d),
        Operator::EndsWith => text(TextMatch::EndsWith, values, d),
        Operator::Contains => text(TextMatch::Contains, values, d),
        Operator::Lt => compare(Comparison::Lt, values, d),
        Operator::Lte => compare(Comparison::Lte, values, d),
        Operator::Gt => compare(Comparison::Gt, values, d),
        Operator::Gte => compare(Comparison::Gte, values, d),
        Operator::Between => between(values, d),
    }
}

fn one_of(op: Operator, values: &[Value], d: &mut Diagnostics) -> OneOf {
    let mut one_of = OneOf { equals: op == Operator::Equals, ..OneOf::default() };
    let mut numbers = Vec::new();
    for (index, value) in values.iter().enumerate() {
        d.at(index, |d| match value {
            Value::Bool(false) => one_of.booleans[0] = true,
            Value::Bool(true) => one_of.booleans[1] = true,
            Value::Number(_) => numbers.extend(number(value, d)),
            // A value that is there twice means what it means once.
            Value::String(text) => drop(one_of.strings.insert(text, ())),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                d.report("wrong_type", "expected a boolean, a number or a string");
            }
        });
    }
    if one_of.strings.is_crowded() {
        d.report("crowded", CROWDED);
    }
    one_of.strings.shrink();
    one_of.numbers = numbers.into();
    one_of
}

fn text(how: TextMatch, values: &[Value], d: &mut Diagnostics) -> Test {
    if values.len() > MAX_TEXT_VALUES {
        d.report("too_many", format!("this operator takes at most {MAX_TEXT_VALUES} values"));
    }
    let mut texts = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        match value.as_str() {
            Some(text) => texts.push(Box::from(text)),
            None => d.at(index, |d| d.report("wrong_type", "expected a string")),
        }
    }
    Test::Text { how, values: texts.into() }
}

fn compare(how: Comparison, values: &[Value], d: &mut Diagnostics) -> Test {
    Test::Compare { how, than: nth_number(values, 0, d) }
}

fn between(values: &[Value], d: &mut Diagnostics) -> Test {
    let (from, to) = (nth_number(values, 0, d), nth_number(values, 1, d));
    if values.len() == 2 && from.compare(to).is_gt() {
        d.report("out_of_range", "the first value is at most the second");
    }
    Test::Between { from, to }
}

fn nth_number(values: &[Value], index: usize, d: &mut Diagnostics) -> Number {
    values
        .get(index)
        .and_then(|value| d.at(index, |d| number(value, d)))
        .unwrap_or(Number::Integer(0))
}

fn number(value: &Value, d: &mut Diagnostics) -> Option<Number> {
    let number = match value {
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Some(Number::Integer(integer)),
            None => number.as_f64().filter(|_| !number.is_u64()).map(Number::Float),
        },
        _ => None,
    };
    if number.is_none() {
        d.report("wrong_type", "expected a number: an integer of 64 bits with sign, or a float");
    }
    number
}

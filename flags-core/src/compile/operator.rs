//! The values of an operator, checked and turned into what is compared with.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use serde_json::Value;

use super::budget::Budget;
use crate::condition::{
    Affixes, Comparison, End, FoldedSet, Instant, Needle, Networks, NotANetwork, NotAPattern,
    Number, OneOf, OneOfStrings, Parsed, Pattern, Side, Test, Version, read_network,
};
use crate::definition::{Operator, Values};
use crate::diagnostic::Diagnostics;
use crate::key_map::Keys;
use crate::limits::MAX_PATTERNS;
use crate::time::Timestamp;

/// Whether there are as many values as the operator takes.
fn check_count(op: Operator, count: usize, d: &mut Diagnostics) {
    let Values { least, most, .. } = op.values();
    let (fits, wanted) = match (least, most) {
        (0, 0) => (count == 0, "no values"),
        (1, 1) => (count == 1, "one value"),
        (2, 2) => (count == 2, "two values"),
        _ => (count > 0, "at least one value"),
    };
    if !fits {
        d.report("value_count", format!("`{op}` takes {wanted}, here are {count}"));
    } else if count > most {
        d.report("too_many", format!("`{op}` takes at most {most} values"));
    }
}

/// How often the test reads the whole of an attribute, character by character, at the worst.
pub(super) fn searches(op: Operator, values: &[Value], ignore_case: bool) -> usize {
    match op {
        Operator::Contains => values.len(),
        Operator::Matches => values.len().min(MAX_PATTERNS),
        Operator::SemverEq
        | Operator::SemverLt
        | Operator::SemverLte
        | Operator::SemverGt
        | Operator::SemverGte
        | Operator::InCidr => 1,
        _ => usize::from(ignore_case),
    }
}

pub(super) fn compile_test(
    op: Operator,
    values: &[Value],
    ignore_case: bool,
    budget: &mut Budget,
    d: &mut Diagnostics,
) -> Test {
    check_count(op, values.len(), d);
    budget.searches(searches(op, values, ignore_case), d);
    let affix =
        |end, d: &mut Diagnostics| Test::Affix(Affixes::new(end, ignore_case, &texts(values, d)));
    let compare = |how, d: &mut Diagnostics| Test::Compare { how, than: nth_number(values, 0, d) };
    match op {
        Operator::Exists => Test::Exists,
        Operator::Equals | Operator::In => Test::OneOf(one_of(op, values, ignore_case, d)),
        Operator::StartsWith => affix(End::Start, d),
        Operator::EndsWith => affix(End::Rear, d),
        Operator::Contains => contains(values, ignore_case, d),
        Operator::Lt => compare(Comparison::Lt, d),
        Operator::Lte => compare(Comparison::Lte, d),
        Operator::Gt => compare(Comparison::Gt, d),
        Operator::Gte => compare(Comparison::Gte, d),
        Operator::Between => between(values, d),
        Operator::Before => Test::Date { side: Side::Before, than: instant(values, d) },
        Operator::After => Test::Date { side: Side::After, than: instant(values, d) },
        Operator::SemverEq => version(Comparison::Eq, values, d),
        Operator::SemverLt => version(Comparison::Lt, values, d),
        Operator::SemverLte => version(Comparison::Lte, values, d),
        Operator::SemverGt => version(Comparison::Gt, values, d),
        Operator::SemverGte => version(Comparison::Gte, values, d),
        Operator::Matches => matches(values, budget, d),
        Operator::InCidr => Test::InCidr(Box::new(networks(values, d))),
    }
}

fn one_of(op: Operator, values: &[Value], ignore_case: bool, d: &mut Diagnostics) -> OneOf {
    let mut exact = Keys::with_room_for(values.iter().filter_map(Value::as_str));
    let mut folded = FoldedSet::default();
    let mut booleans = [false; 2];
    let mut numbers = Vec::new();
    for (index, value) in values.iter().enumerate() {
        d.at(index, |d| match value {
            Value::Bool(false) => booleans[0] = true,
            Value::Bool(true) => booleans[1] = true,
            Value::Number(_) => numbers.extend(number(value, d)),
            Value::String(text) if ignore_case => folded.insert(text),
            // A value that is there twice means what it means once.
            Value::String(text) => drop(exact.push(text)),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                d.report("wrong_type", "expected a boolean, a number or a string");
            }
        });
    }
    numbers.sort_by(|a, b| a.compare(*b));
    numbers.dedup_by(|a, b| a.compare(*b).is_eq());
    let strings = match exact.iter().take(2).count() {
        _ if ignore_case => OneOfStrings::Folded(Box::new(folded)),
        0 => OneOfStrings::None,
        1 => OneOfStrings::One(exact.iter().next().unwrap_or_default().into()),
        _ => OneOfStrings::Listed(Box::new(exact)),
    };
    OneOf { equals: op == Operator::Equals, strings, numbers: numbers.into(), booleans }
}

/// The values that are strings; what is wrong with the others is told.
fn texts<'v>(values: &'v [Value], d: &mut Diagnostics) -> Vec<&'v str> {
    let mut texts = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        texts.extend(d.at(index, |d| text(value, d)));
    }
    texts
}

fn text<'v>(value: &'v Value, d: &mut Diagnostics) -> Option<&'v str> {
    let text = value.as_str();
    if text.is_none() {
        d.report("wrong_type", "expected a string");
    }
    text
}

fn contains(values: &[Value], ignore_case: bool, d: &mut Diagnostics) -> Test {
    let texts = texts(values, d);
    if ignore_case {
        Test::ContainsFolded(texts.into_iter().map(Needle::new).collect())
    } else {
        Test::Contains(texts.into_iter().map(Box::from).collect())
    }
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

fn instant(values: &[Value], d: &mut Diagnostics) -> Instant {
    let Some(value) = values.first() else {
        return Instant::Now;
    };
    let (instant, code) = match value {
        Value::String(text) if text == "now" => (Some(Instant::Now), ""),
        Value::String(text) => (Timestamp::parse(text).map(Instant::At), "invalid_time"),
        value => {
            let millis = value.as_i64();
            (millis.map(Timestamp::from_millis).map(Instant::At), "wrong_type")
        }
    };
    instant.unwrap_or_else(|| {
        d.at(0, |d| {
            d.report(
                code,
                "expected RFC 3339, such as `2026-11-20T12:00:00Z`, `now`, or an integer, the \
                 milliseconds since 1970",
            );
        });
        Instant::Now
    })
}

fn version(how: Comparison, values: &[Value], d: &mut Diagnostics) -> Test {
    let written = values.first().and_then(|value| d.at(0, |d| text(value, d)));
    let version = written.and_then(Version::parse);
    if written.is_some() && version.is_none() {
        d.at(0, |d| {
            d.report("invalid_version", "expected a version, such as `1.4.0` or `2.0-rc.1`")
        });
    }
    Test::Version {
        how,
        than: Box::new(version.unwrap_or(Version::ZERO).to_owned()),
        written: written.unwrap_or_default().into(),
    }
}

fn matches(values: &[Value], budget: &mut Budget, d: &mut Diagnostics) -> Test {
    let mut patterns = Vec::with_capacity(values.len().min(MAX_PATTERNS));
    for (index, value) in values.iter().take(MAX_PATTERNS).enumerate() {
        d.at(index, |d| {
            if let Some(text) = text(value, d) {
                patterns.extend(pattern(text, budget, d));
            }
        });
    }
    Test::Matches(patterns.into())
}

fn pattern(text: &str, budget: &mut Budget, d: &mut Diagnostics) -> Option<Pattern> {
    let parsed = Parsed::new(text);
    let built = match parsed {
        Ok(parsed) if budget.has_room_for_patterns() => {
            let built = parsed.build();
            budget.pattern(built.as_ref().ok().map(Pattern::built_bytes), d);
            built
        }
        // What is wrong is told already; no more time goes into it.
        Ok(_) => return None,
        Err(refused) => Err(refused),
    };
    match built {
        Ok(pattern) => Some(pattern),
        Err(NotAPattern::Wrong(message)) => {
            d.report("invalid_pattern", message);
            None
        }
        Err(NotAPattern::TooLarge(message)) => {
            d.report("pattern_too_large", message);
            None
        }
    }
}

fn networks(values: &[Value], d: &mut Diagnostics) -> Networks {
    let mut networks = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        d.at(index, |d| match text(value, d).map(read_network) {
            None => {}
            Some(Ok(network)) => networks.push(network),
            Some(Err(NotANetwork::Unreadable)) => d.report(
                "invalid_network",
                "expected a network or an address, such as `10.0.0.0/8`, `2001:db8::/32`, `10.1.2.3`",
            ),
            Some(Err(NotANetwork::HostBits(network))) => d.report(
                "invalid_network",
                format!("the address has bits beyond the length: the network is `{network}`"),
            ),
        });
    }
    Networks::new(networks)
}

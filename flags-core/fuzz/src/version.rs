//! Versions against the crate semver, and against themselves.

use std::cmp::Ordering;

use flags_core::{AttributeValue, MAX_VERSION_BYTES};
use serde_json::json;

use crate::conditions::{Conditions, asks};
use crate::generator::{Generator, Manner};
use crate::split::split;

const OPERATORS: [&str; 5] = ["semver_eq", "semver_lt", "semver_lte", "semver_gt", "semver_gte"];

/// Any text is a version or not, to all operators and on both sides alike, as the grammar says;
/// versions have one order, which is that of the crate semver where that can read them.
pub fn version(bytes: &[u8]) {
    let texts = match bytes {
        // Put together of what versions are made of.
        [b'\0', rest @ ..] => {
            let mut generator = Generator::new(rest, Manner::Tame);
            std::array::from_fn(|_| generator.near_version().into())
        }
        texts => split::<3>(texts),
    };
    let texts = texts.each_ref().map(|text| &**text);
    let conditions = texts.iter().flat_map(|text| OPERATORS.map(|op| asks(op, json!([text]))));
    let conditions = Conditions::new(&conditions.collect::<Vec<_>>());
    let order = |found: usize, than: usize| order(&conditions, texts[found], than);
    for (a, text) in texts.iter().enumerate() {
        for (index, op) in OPERATORS.iter().enumerate() {
            let valid = conditions.is_valid(a * OPERATORS.len() + index);
            assert_eq!(valid, is_version(text), "{text:?} {op}");
        }
        for (b, other) in texts.iter().enumerate().filter(|(_, other)| is_version(other)) {
            let found = order(a, b);
            if !is_version(text) {
                assert_eq!(found, None, "{text:?} is not a version");
                continue;
            }
            assert_eq!(found, order(b, a).map(Ordering::reverse), "{text:?} and {other:?}");
            if let (Some(a), Some(b)) = (strict(text), strict(other)) {
                assert_eq!(found, Some(a.cmp_precedence(&b)), "{text:?} and {other:?}");
            }
        }
    }
    if texts.iter().all(|text| is_version(text)) {
        let (ab, bc) = (order(0, 1), order(1, 2));
        if ab == bc || bc == Some(Ordering::Equal) {
            assert_eq!(order(0, 2), ab, "{texts:?}");
        }
    }
}

/// The one order that all operators agree on, of an attribute and the value of some conditions.
fn order(conditions: &Conditions, found: &str, than: usize) -> Option<Ordering> {
    let truths: [Option<bool>; 5] = std::array::from_fn(|op| {
        conditions.truth(than * OPERATORS.len() + op, AttributeValue::String(found), 0)
    });
    match truths {
        [None, None, None, None, None] => None,
        [Some(true), Some(false), Some(true), Some(false), Some(true)] => Some(Ordering::Equal),
        [Some(false), Some(true), Some(true), Some(false), Some(false)] => Some(Ordering::Less),
        [Some(false), Some(false), Some(false), Some(true), Some(true)] => Some(Ordering::Greater),
        truths => panic!("{found:?}: {OPERATORS:?} are {truths:?}"),
    }
}

/// For the crate semver, which wants all three numbers.
fn strict(text: &str) -> Option<semver::Version> {
    let text = text.trim_start_matches(['v', 'V']);
    let (numbers, rest) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    let missing = ".0".repeat(2_usize.saturating_sub(numbers.matches('.').count()));
    semver::Version::parse(&format!("{numbers}{missing}{rest}")).ok()
}

/// The grammar, read from its end.
fn is_version(text: &str) -> bool {
    let are_identifiers = |text: &str| {
        text.split('.').all(|identifier| {
            !identifier.is_empty()
                && identifier.chars().all(|c| matches!(c, '0'..='9' | 'a'..='z' | 'A'..='Z' | '-'))
        })
    };
    let rest = text.strip_prefix('v').or(text.strip_prefix('V')).unwrap_or(text);
    let end = rest.find(['-', '+']).unwrap_or(rest.len());
    let (numbers, rest) = rest.split_at(end);
    let numbers: Vec<&str> = numbers.split('.').collect();
    let are_numbers = numbers.len() <= 3
        && numbers.iter().all(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
    let are_marked = match (rest.strip_prefix('-'), rest.strip_prefix('+')) {
        (Some(pre), _) => pre.splitn(2, '+').all(are_identifiers),
        (None, Some(build)) => are_identifiers(build),
        (None, None) => true,
    };
    text.len() <= MAX_VERSION_BYTES && are_numbers && are_marked
}

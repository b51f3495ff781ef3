use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::fold::{folded, to_folded};

/// The end of a text that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Start,
    Rear,
}

/// The values of `starts_with` or `ends_with`, of which a text has one or none: found by halving,
/// so that a long list costs little more than a short one.
#[derive(Debug)]
pub(crate) struct Affixes {
    pub(crate) end: End,
    pub(crate) ignore_case: bool,
    /// Read from their end, in order, and none of them the beginning of another: the only one that
    /// a text can have is the last that is not after it. Folded, where case is ignored.
    values: Box<[Box<str>]>,
}

impl Affixes {
    pub(crate) fn new(end: End, ignore_case: bool, values: &[&str]) -> Self {
        let as_compared =
            |text: &&str| if ignore_case { to_folded(text) } else { Box::from(*text) };
        let mut values: Vec<Box<str>> = values.iter().map(as_compared).collect();
        // In the order that they are searched by: backwards, bytes and characters differ in it.
        values.sort_by(|a, b| match (end, ignore_case) {
            (End::Start, _) => a.cmp(b),
            (End::Rear, false) => a.bytes().rev().cmp(b.bytes().rev()),
            (End::Rear, true) => a.chars().rev().cmp(b.chars().rev()),
        });
        values.dedup_by(|text, before| match end {
            End::Start => text.starts_with(&**before),
            End::Rear => text.ends_with(&**before),
        });
        Self { end, ignore_case, values: values.into() }
    }

    /// Without those that another one implies.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|value| &**value)
    }

    pub(super) fn has_one(&self, text: &str) -> bool {
        let values = &self.values;
        let found = match (self.end, self.ignore_case) {
            (End::Start, false) => values.binary_search_by(|v| begins(v.bytes(), text.bytes())),
            (End::Start, true) => values.binary_search_by(|v| {
                let (v, text) = without_ascii_in_front(v, text);
                begins(v.chars(), folded(text))
            }),
            (End::Rear, false) => {
                values.binary_search_by(|v| begins(v.bytes().rev(), text.bytes().rev()))
            }
            (End::Rear, true) => values.binary_search_by(|v| {
                let (v, text) = without_ascii_at_the_rear(v, text);
                begins(v.chars().rev(), folded(text).rev())
            }),
        };
        found.is_ok()
    }
}

/// Drops the ASCII in which both begin alike: most of a text goes the short way.
fn without_ascii_in_front<'t>(folded: &'t str, text: &'t str) -> (&'t str, &'t str) {
    let alike = count_alike(folded.bytes(), text.bytes());
    (folded.get(alike..).unwrap_or_default(), text.get(alike..).unwrap_or_default())
}

fn without_ascii_at_the_rear<'t>(folded: &'t str, text: &'t str) -> (&'t str, &'t str) {
    let alike = count_alike(folded.bytes().rev(), text.bytes().rev());
    let rest = |text: &'t str| text.get(..text.len() - alike).unwrap_or_default();
    (rest(folded), rest(text))
}

fn count_alike(folded: impl Iterator<Item = u8>, text: impl Iterator<Item = u8>) -> usize {
    let alike = |(a, b): &(u8, u8)| a.is_ascii() && *a == b.to_ascii_lowercase();
    folded.zip(text).take_while(alike).count()
}

/// Equal when `whole` begins with `part`, otherwise how `part` compares with it.
fn begins<T: Ord>(part: impl Iterator<Item = T>, mut whole: impl Iterator<Item = T>) -> Ordering {
    for expected in part {
        match whole.next().map(|found| expected.cmp(&found)) {
            Some(Ordering::Equal) => {}
            Some(different) => return different,
            None => return Ordering::Greater,
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn halving_finds_what_trying_each_would(
            values in prop::collection::vec("[abAöÖ€]{0,3}", 1..12),
            text in "[abAöÖ€]{0,5}",
        ) {
            let values: Vec<&str> = values.iter().map(|value| &**value).collect();
            let folded = to_folded(&text);
            let any = |holds: &dyn Fn(&str) -> bool| values.iter().any(|value| holds(value));
            for (end, ignore_case, expected) in [
                (End::Start, false, any(&|value| text.starts_with(value))),
                (End::Start, true, any(&|value| folded.starts_with(&*to_folded(value)))),
                (End::Rear, false, any(&|value| text.ends_with(value))),
                (End::Rear, true, any(&|value| folded.ends_with(&*to_folded(value)))),
            ] {
                let affixes = Affixes::new(end, ignore_case, &values);
                prop_assert_eq!(affixes.has_one(&text), expected, "{:?}", affixes);
            }
        }
    }
}

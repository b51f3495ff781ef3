//! The precedence of versions, of SemVer 2.0 and somewhat beyond: see docs/semantics.md.
//!
//! The crate `semver` allocates for long pre-releases, refuses `1.2`, and orders by the build too;
//! it is the oracle here.

use alloc::boxed::Box;
use core::cmp::Ordering;

use crate::limits::MAX_VERSION_BYTES;

/// A version without its build, borrowed from an attribute or owned by a condition.
#[derive(Debug)]
pub(crate) struct Version<T> {
    /// Digits without leading zeros; nothing is 0.
    numbers: [T; 3],
    /// Identifiers between dots; empty for a release.
    pre_release: T,
}

impl<'t> Version<&'t str> {
    pub(crate) const ZERO: Self = Self { numbers: [""; 3], pre_release: "" };

    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        if text.len() > MAX_VERSION_BYTES {
            return None;
        }
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (text, build) = split_off(text, '+');
        let (text, pre_release) = split_off(text, '-');
        let are_identifiers = |text: &str| {
            text.split('.').all(|identifier| {
                !identifier.is_empty()
                    && identifier.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
        };
        if ![build, pre_release].into_iter().flatten().all(are_identifiers) {
            return None;
        }
        let mut parts = text.splitn(3, '.');
        let mut numbers = [""; 3];
        for number in &mut numbers {
            match parts.next() {
                Some(part) if is_number(part) => *number = significant(part),
                Some(_) => return None,
                None => break,
            }
        }
        // The first part is there, if empty, and so is refused above.
        Some(Self { numbers, pre_release: pre_release.unwrap_or_default() })
    }

    pub(crate) fn to_owned(&self) -> Version<Box<str>> {
        Version { numbers: self.numbers.map(Box::from), pre_release: self.pre_release.into() }
    }
}

impl<T: AsRef<str>> Version<T> {
    /// How its precedence compares with another's.
    pub(crate) fn compare<U: AsRef<str>>(&self, other: &Version<U>) -> Ordering {
        let numbers = self.numbers.iter().zip(&other.numbers);
        numbers
            .map(|(a, b)| compare_numbers(a.as_ref(), b.as_ref()))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| {
                compare_pre_releases(self.pre_release.as_ref(), other.pre_release.as_ref())
            })
    }
}

/// What stands before the first `separator`, and what after it.
fn split_off(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn significant(digits: &str) -> &str {
    digits.trim_start_matches('0')
}

/// Of digits, however many.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn compare_pre_releases(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (is_number(a), is_number(b)) {
                (true, true) => compare_numbers(a, b),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => a.cmp(b),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn version(text: &str) -> Version<&str> {
        Version::parse(text).unwrap_or_else(|| panic!("{text} is a version"))
    }

    #[test]
    fn precedence_is_that_of_the_specification() {
        let ascending = [
            "0.0.0-0",
            "0",
            "0.0.1",
            "0.9.20",
            "0.10",
            "1.0.0-0",
            "1.0.0-9",
            "1.0.0-10",
            "1.0.0-99999999999999999999999999999999999999998",
            "1.0.0-99999999999999999999999999999999999999999",
            "1.0.0--",
            "1.0.0-0a",
            "1.0.0-A",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-beta.11.0",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1-pre",
            "2",
            "2026.1.5",
            "340282366920938463463374607431768211456",
            "340282366920938463463374607431768211457",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(version(a).compare(&version(b).to_owned()), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn what_means_the_same_is_equal() {
        for (a, b) in [
            ("1", "v1.0.0"),
            ("V1.2", "1.2.0+build.5"),
            ("1-beta", "1.0.0-beta"),
            ("1.2-rc.1+exp", "1.2.0-rc.1"),
            ("1+a-b", "1.0.0+a.b"),
            ("2026.01.05", "2026.1.5"),
            ("1.0.0-007", "1.0.0-7"),
            ("00", "0.0.0"),
        ] {
            assert_eq!(version(a).compare(&version(b)), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn everything_else_is_not_a_version() {
        for text in [
            "", "v", "vv1", " 1", "1 ", "1.", ".1", "1..2", "1.2.3.4", "1.2.3.", "1.x", "-1", "+1",
            "1-", "1+", "1-a..b", "1-.a", "1-a.", "1-a+", "1+a+b", "1-a_b", "1-ä", "1+ö", "１",
            "1,2", "latest", "1.-1", "^1.2", "=1.2.3", "1.2.*",
        ] {
            assert!(Version::parse(text).is_none(), "{text}");
        }
        assert!(Version::parse(&"1".repeat(256)).is_some());
        assert!(Version::parse(&"1".repeat(257)).is_none());
    }

    fn strict() -> impl Strategy<Value = String> {
        let number = "0|[1-9][0-9]{0,2}";
        let identifier = "0|[1-9][0-9]{0,2}|[0-9]{0,2}[a-cA-C-][0-9a-c-]{0,2}";
        let identifiers = || prop::collection::vec(identifier, 1..4).prop_map(|all| all.join("."));
        ((number, number, number), prop::option::of(identifiers()), prop::option::of(identifiers()))
            .prop_map(|((major, minor, patch), pre, build)| {
                let mark = |mark: char, text: Option<String>| {
                    text.map(|text| format!("{mark}{text}")).unwrap_or_default()
                };
                format!("{major}.{minor}.{patch}{}{}", mark('-', pre), mark('+', build))
            })
    }

    proptest! {
        #[test]
        fn the_crate_semver_agrees_on_strict_forms(a in strict(), b in strict()) {
            let oracle = |text: &str| ::semver::Version::parse(text).unwrap();
            let expected = oracle(&a).cmp_precedence(&oracle(&b));
            prop_assert_eq!(version(&a).compare(&version(&b)), expected);
            prop_assert_eq!(version(&a).to_owned().compare(&version(&b)), expected);
        }

        #[test]
        fn what_the_crate_semver_reads_is_a_version(text in "[v0-2.+-]{0,3}[0-2.ab+-]{0,8}") {
            let read = Version::parse(&text).is_some();
            prop_assert!(read || ::semver::Version::parse(&text).is_err(), "{}", text);
        }
    }
}

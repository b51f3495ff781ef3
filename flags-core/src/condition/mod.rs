//! Conditions and their one interpreter: three-valued, after Kleene.

mod cidr;
mod date;
mod fold;
mod number;
mod pattern;
mod semver;
mod subject;
mod text;

use alloc::boxed::Box;
use alloc::sync::Arc;

pub(crate) use cidr::{Networks, NotANetwork, read_network};
pub(crate) use date::{Instant, Side};
pub(crate) use fold::{FoldedSet, Needle};
pub(crate) use number::Number;
pub(crate) use pattern::{NotAPattern, Parsed, Pattern};
pub(crate) use semver::Version;
pub(crate) use subject::Subject;
pub(crate) use text::{Affixes, End};

use crate::context::AttributeValue;
use crate::definition::Operator;
use crate::key_map::{KeyTable, Keys, hash};
use crate::ruleset::{Slot, TENANT};
use crate::same::same;
use crate::time::Timestamp;

/// What a condition comes out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// An attribute or a kind is absent, or of a type that the operator does not apply to.
    Unknown,
}

impl Truth {
    /// `not`: unknown stays unknown.
    pub(crate) const fn negated(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

#[derive(Debug)]
pub(crate) enum Condition {
    All(Box<[Condition]>),
    Any(Box<[Condition]>),
    Not(Box<Condition>),
    Segment {
        slot: Slot,
        key: Box<str>,
    },
    Attribute {
        path: Arc<AttributePath>,
        test: Test,
        /// How often the test reads the whole of an attribute, at the worst.
        searches: u16,
    },
}

/// `<kind>.<name>`, split; `<kind>.key` is the key itself.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttributePath {
    pub(crate) kind: Box<str>,
    /// `None` for the key.
    pub(crate) name: Option<Box<str>>,
    /// What it is of a contract, if it is.
    pub(crate) derived: Option<Derived>,
}

/// An attribute of a tenant that comes from its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Derived {
    Plan,
    Addons,
    Features,
}

impl AttributePath {
    pub(crate) fn new(kind: &str, name: Option<&str>) -> Self {
        let derived = Derived::of(kind, name);
        Self { kind: kind.into(), name: name.map(Box::from), derived }
    }
}

impl Derived {
    pub(crate) fn of(kind: &str, name: Option<&str>) -> Option<Self> {
        match name {
            Some("$plan") if kind == TENANT => Some(Self::Plan),
            Some("$addons") if kind == TENANT => Some(Self::Addons),
            Some("$features") if kind == TENANT => Some(Self::Features),
            _ => None,
        }
    }
}

impl core::fmt::Display for AttributePath {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.kind, self.name.as_deref().unwrap_or("key"))
    }
}

/// What is asked of an attribute. Conditions are scanned one after the other: what is large is
/// boxed, so that the many small ones stay close together.
#[derive(Debug)]
pub(crate) enum Test {
    Exists,
    /// `equals` and `in`.
    OneOf(OneOf),
    /// `starts_with` and `ends_with`.
    Affix(Affixes),
    Contains(Box<[Box<str>]>),
    /// `contains`, ignoring case.
    ContainsFolded(Box<[Needle]>),
    Compare {
        how: Comparison,
        than: Number,
    },
    Between {
        from: Number,
        to: Number,
    },
    Date {
        side: Side,
        than: Instant,
    },
    Version {
        how: Comparison,
        than: Box<Version<Box<str>>>,
        written: Box<str>,
    },
    Matches(Box<[Pattern]>),
    InCidr(Box<Networks>),
}

/// The values of `equals` and `in` by their type: one that has none of an attribute's type does
/// not apply to it.
#[derive(Debug)]
pub(crate) struct OneOf {
    pub(crate) equals: bool,
    pub(crate) strings: OneOfStrings,
    /// Sorted, each once.
    pub(crate) numbers: Box<[Number]>,
    pub(crate) booleans: [bool; 2],
}

#[derive(Debug)]
pub(crate) enum OneOfStrings {
    None,
    One(Box<str>),
    /// As they were said; lists become tables once all those of the object are known.
    Listed(Box<Keys>),
    Many(Box<KeyTable<()>>),
    Shared(SharedList),
    Folded(Box<FoldedSet>),
}

/// One of several lists in a table that says of each text, bit by bit, which of them it is in.
#[derive(Debug)]
pub(crate) struct SharedList {
    pub(crate) table: Arc<KeyTable<u64>>,
    pub(crate) bit: u8,
}

/// What the first rules of a flag ask, where each asks for nothing but a list of one table: the
/// first of them for the list of the first bit, and so on.
#[derive(Debug)]
pub(crate) struct LeadingLists {
    pub(crate) path: Arc<AttributePath>,
    pub(crate) table: Arc<KeyTable<u64>>,
    /// At most as many as a table has bits.
    pub(crate) count: u8,
}

impl LeadingLists {
    /// `None` where trying the rules one after the other is as fast.
    pub(crate) fn of<'c>(conditions: impl Iterator<Item = &'c Condition>) -> Option<Self> {
        let lists = conditions.map_while(|condition| match condition {
            Condition::Attribute {
                path,
                test: Test::OneOf(OneOf { strings: OneOfStrings::Shared(list), .. }),
                ..
            } => Some((path, list)),
            _ => None,
        });
        let mut lists = lists.peekable();
        let (path, SharedList { table, .. }) = lists.peek().copied()?;
        let alike = |(bit, (_, list)): &(u8, (_, &SharedList))| {
            Arc::ptr_eq(&list.table, table) && list.bit == *bit
        };
        let count = (0..).zip(lists).take_while(alike).count() as u8;
        (count > 1).then(|| Self { path: Arc::clone(path), table: Arc::clone(table), count })
    }
}

impl SharedList {
    #[inline]
    fn is_in(&self, lists: u64) -> bool {
        lists >> self.bit & 1 == 1
    }

    fn contains(&self, text: &str) -> bool {
        self.table.get(hash(text), text).is_some_and(|lists| self.is_in(*lists))
    }

    /// In no particular order.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.table.iter().filter(|(_, lists)| self.is_in(**lists)).map(|(text, _)| text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Lt,
    Lte,
    Gt,
    Gte,
}

impl Comparison {
    fn holds(self, order: core::cmp::Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Lt => order.is_lt(),
            Self::Lte => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Gte => order.is_ge(),
        }
    }
}

impl Test {
    pub(crate) fn operator(&self) -> Operator {
        match self {
            Self::Exists => Operator::Exists,
            Self::OneOf(OneOf { equals: true, .. }) => Operator::Equals,
            Self::OneOf(_) => Operator::In,
            Self::Affix(Affixes { end: End::Start, .. }) => Operator::StartsWith,
            Self::Affix(Affixes { end: End::Rear, .. }) => Operator::EndsWith,
            Self::Contains(_) | Self::ContainsFolded(_) => Operator::Contains,
            Self::Compare { how, .. } => match how {
                Comparison::Eq => Operator::Equals,
                Comparison::Lt => Operator::Lt,
                Comparison::Lte => Operator::Lte,
                Comparison::Gt => Operator::Gt,
                Comparison::Gte => Operator::Gte,
            },
            Self::Between { .. } => Operator::Between,
            Self::Date { side: Side::Before, .. } => Operator::Before,
            Self::Date { side: Side::After, .. } => Operator::After,
            Self::Version { how, .. } => match how {
                Comparison::Eq => Operator::SemverEq,
                Comparison::Lt => Operator::SemverLt,
                Comparison::Lte => Operator::SemverLte,
                Comparison::Gt => Operator::SemverGt,
                Comparison::Gte => Operator::SemverGte,
            },
            Self::Matches(_) => Operator::Matches,
            Self::InCidr(_) => Operator::InCidr,
        }
    }

    pub(crate) fn ignores_case(&self) -> bool {
        match self {
            Self::OneOf(one_of) => matches!(one_of.strings, OneOfStrings::Folded(_)),
            Self::Affix(affixes) => affixes.ignore_case,
            Self::ContainsFolded(_) => true,
            _ => false,
        }
    }

    /// The one match over the operators.
    #[inline]
    pub(crate) fn holds(&self, subject: &Subject<'_>, now: impl Fn() -> Timestamp) -> Truth {
        match self {
            // By far the most common ones, without a call.
            Self::OneOf(one_of) => one_of.holds(subject),
            _ => self.holds_otherwise(subject, now),
        }
    }

    #[inline(never)]
    fn holds_otherwise(&self, subject: &Subject<'_>, now: impl Fn() -> Timestamp) -> Truth {
        let Some(value) = subject.value else {
            return match self {
                Self::Exists => Truth::False,
                _ => Truth::Unknown,
            };
        };
        match self {
            Self::Exists => Truth::True,
            Self::OneOf(values) => values.holds(subject),
            Self::Affix(affixes) => of_any_text(value, |text| affixes.has_one(text).into()),
            Self::Contains(values) => {
                of_any_text(value, |text| values.iter().any(|value| text.contains(&**value)).into())
            }
            Self::ContainsFolded(values) => {
                of_any_text(value, |text| values.iter().any(|value| value.is_in(text)).into())
            }
            Self::Compare { how, than } => Number::of(value)
                .map_or(Truth::Unknown, |number| how.holds(number.compare(*than)).into()),
            Self::Between { from, to } => Number::of(value).map_or(Truth::Unknown, |number| {
                (number.compare(*from).is_ge() && number.compare(*to).is_le()).into()
            }),
            Self::Date { side, than } => {
                date::of_instants(value, |instant| side.holds(instant, than.get(&now)))
            }
            Self::Version { how, than, .. } => of_any_text(value, |text| {
                Version::parse(text)
                    .map_or(Truth::Unknown, |version| how.holds(version.compare(than)).into())
            }),
            Self::Matches(patterns) => {
                of_any_text(value, |text| patterns.iter().any(|p| p.is_in(text)).into())
            }
            Self::InCidr(networks) => of_any_text(value, |text| {
                text.parse().map_or(Truth::Unknown, |address| networks.contain(address).into())
            }),
        }
    }
}

impl OneOf {
    #[inline]
    fn holds(&self, subject: &Subject<'_>) -> Truth {
        if let OneOfStrings::Shared(list) = &self.strings
            && let Some(lists) = subject.known_lists(&list.table)
        {
            return list.is_in(lists).into();
        }
        self.looked_up(subject)
    }

    #[inline(never)]
    fn looked_up(&self, subject: &Subject<'_>) -> Truth {
        match (subject.value, &self.strings) {
            (Some(AttributeValue::String(text)), OneOfStrings::Shared(list)) => {
                list.is_in(subject.lists(&list.table, text)).into()
            }
            (Some(AttributeValue::String(text)), OneOfStrings::Many(strings)) => {
                strings.get(subject.hash(text), text).is_some().into()
            }
            (Some(AttributeValue::String(text)), OneOfStrings::One(string)) => {
                same(string, text).into()
            }
            (Some(value), _) => self.holds_otherwise(value),
            (None, _) => Truth::Unknown,
        }
    }

    #[inline(never)]
    fn holds_otherwise(&self, value: AttributeValue<'_>) -> Truth {
        match value {
            AttributeValue::String(_) | AttributeValue::List(_) => match &self.strings {
                OneOfStrings::None => Truth::Unknown,
                OneOfStrings::One(string) => of_any_text(value, |text| same(string, text).into()),
                OneOfStrings::Many(strings) => {
                    of_any_text(value, |text| strings.get(hash(text), text).is_some().into())
                }
                OneOfStrings::Listed(texts) => {
                    of_any_text(value, |text| texts.iter().any(|t| same(t, text)).into())
                }
                OneOfStrings::Shared(list) => of_any_text(value, |text| list.contains(text).into()),
                OneOfStrings::Folded(strings) if strings.is_empty() => Truth::Unknown,
                OneOfStrings::Folded(strings) => {
                    of_any_text(value, |text| strings.contains(text).into())
                }
            },
            AttributeValue::Integer(_) | AttributeValue::Float(_) => {
                match Number::of(value).filter(|_| !self.numbers.is_empty()) {
                    None => Truth::Unknown,
                    Some(number) => Truth::from(
                        self.numbers.binary_search_by(|value| value.compare(number)).is_ok(),
                    ),
                }
            }
            AttributeValue::Boolean(value) => {
                let [no, yes] = self.booleans;
                match (no || yes, value) {
                    (false, _) => Truth::Unknown,
                    (true, true) => Truth::from(yes),
                    (true, false) => Truth::from(no),
                }
            }
        }
    }
}

/// A list is the `any` of its elements.
fn of_any_text(value: AttributeValue<'_>, truth: impl Fn(&str) -> Truth) -> Truth {
    match value {
        AttributeValue::String(text) => truth(text),
        AttributeValue::List(texts) => {
            let mut any = Truth::False;
            for text in texts.iter() {
                match truth(text) {
                    Truth::True => return Truth::True,
                    Truth::Unknown => any = Truth::Unknown,
                    Truth::False => {}
                }
            }
            any
        }
        _ => Truth::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_small() {
        assert!(size_of::<Test>() <= 56, "{} bytes", size_of::<Test>());
    }
}

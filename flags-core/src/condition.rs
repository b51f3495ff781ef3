//! Conditions and their one interpreter: three-valued, after Kleene.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cmp::Ordering;

use crate::context::AttributeValue;
use crate::definition::Operator;
use crate::key_map::KeyMap;
use crate::ruleset::Slot;

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
    Segment { slot: Slot, key: Box<str> },
    Attribute { path: Arc<AttributePath>, test: Test },
}

/// `<kind>.<name>`, split; `<kind>.key` is the key itself.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttributePath {
    pub(crate) kind: Box<str>,
    /// `None` for the key.
    pub(crate) name: Option<Box<str>>,
}

impl AttributePath {
    pub(crate) fn new(kind: &str, name: Option<&str>) -> Self {
        Self { kind: kind.into(), name: name.map(Box::from) }
    }
}

impl core::fmt::Display for AttributePath {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.kind, self.name.as_deref().unwrap_or("key"))
    }
}

/// What is asked of an attribute.
#[derive(Debug)]
pub(crate) enum Test {
    Exists,
    /// `equals` and `in`.
    OneOf(OneOf),
    Text {
        how: TextMatch,
        values: Box<[Box<str>]>,
    },
    Compare {
        how: Comparison,
        than: Number,
    },
    Between {
        from: Number,
        to: Number,
    },
}

/// The values of `equals` and `in` by their type: one that has none of an attribute's type does
/// not apply to it.
#[derive(Debug, Default)]
pub(crate) struct OneOf {
    pub(crate) equals: bool,
    pub(crate) strings: KeyMap<()>,
    pub(crate) numbers: Box<[Number]>,
    pub(crate) booleans: [bool; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextMatch {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Lt,
    Lte,
    Gt,
    Gte,
}

/// An integer or a finite float; they compare by value, exactly.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    fn of(value: AttributeValue<'_>) -> Option<Self> {
        match value {
            AttributeValue::Integer(value) => Some(Self::Integer(value)),
            AttributeValue::Float(value) => Some(Self::Float(value)),
            _ => None,
        }
    }

    /// Exactly, by value.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            // No NaN gets here: definitions are JSON, attributes are checked.
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Self::Integer(a), Self::Float(b)) => compare_exactly(a, b),
            (Self::Float(a), Self::Integer(b)) => compare_exactly(b, a).reverse(),
        }
    }
}

impl core::fmt::Display for Number {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
        }
    }
}

/// Compares without rounding the integer, as `a as f64` would from 2⁵³ on.
fn compare_exactly(a: i64, b: f64) -> Ordering {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if b >= TWO_TO_63 {
        return Ordering::Less;
    }
    if b < -TWO_TO_63 {
        return Ordering::Greater;
    }
    let whole = b as i64;
    a.cmp(&whole).then_with(|| {
        let fraction = b - whole as f64;
        0.0_f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal)
    })
}

impl Test {
    pub(crate) fn operator(&self) -> Operator {
        match self {
            Self::Exists => Operator::Exists,
            Self::OneOf(OneOf { equals: true, .. }) => Operator::Equals,
            Self::OneOf(_) => Operator::In,
            Self::Text { how: TextMatch::StartsWith, .. } => Operator::StartsWith,
            Self::Text { how: TextMatch::EndsWith, .. } => Operator::EndsWith,
            Self::Text { how: TextMatch::Contains, .. } => Operator::Contains,
            Self::Compare { how: Comparison::Lt, .. } => Operator::Lt,
            Self::Compare { how: Comparison::Lte, .. } => Operator::Lte,
            Self::Compare { how: Comparison::Gt, .. } => Operator::Gt,
            Self::Compare { how: Comparison::Gte, .. } => Operator::Gte,
            Self::Between { .. } => Operator::Between,
        }
    }

    /// The one match over the operators. `value` is what the context says, `None` if nothing.
    pub(crate) fn holds(&self, value: Option<AttributeValue<'_>>) -> Truth {
        let Some(value) = value else {
            return match self {
                Self::Exists => Truth::False,
                _ => Truth::Unknown,
            };
        };
        match self {
            Self::Exists => Truth::True,
            Self::OneOf(values) => values.holds(value),
            Self::Text { how, values } => of_any_text(value, |text| {
                values.iter().any(|value| match how {
                    TextMatch::StartsWith => text.starts_with(&**value),
                    TextMatch::EndsWith => text.ends_with(&**value),
                    TextMatch::Contains => text.contains(&**value),
                })
            }),
            Self::Compare { how, than } => match Number::of(value) {
                None => Truth::Unknown,
                Some(number) => {
                    let order = number.compare(*than);
                    Truth::from(match how {
                        Comparison::Lt => order.is_lt(),
                        Comparison::Lte => order.is_le(),
                        Comparison::Gt => order.is_gt(),
                        Comparison::Gte => order.is_ge(),
                    })
                }
            },
            Self::Between { from, to } => match Number::of(value) {
                None => Truth::Unknown,
                Some(number) => {
                    Truth::from(number.compare(*from).is_ge() && number.compare(*to).is_le())
                }
            },
        }
    }
}

impl OneOf {
    fn holds(&self, value: AttributeValue<'_>) -> Truth {
        match value {
            AttributeValue::String(_) | AttributeValue::List(_) => {
                if self.strings.len() == 0 {
                    return Truth::Unknown;
                }
                of_any_text(value, |text| self.strings.contains(text))
            }
            AttributeValue::Integer(_) | AttributeValue::Float(_) => {
                match Number::of(value).filter(|_| !self.numbers.is_empty()) {
                    None => Truth::Unknown,
                    Some(number) => {
                        Truth::from(self.numbers.iter().any(|value| number.compare(*value).is_eq()))
                    }
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

/// A list matches when one of its elements does.
fn of_any_text(value: AttributeValue<'_>, holds: impl Fn(&str) -> bool) -> Truth {
    match value {
        AttributeValue::String(text) => Truth::from(holds(text)),
        AttributeValue::List(texts) => Truth::from(texts.iter().any(holds)),
        _ => Truth::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_floats_compare_by_value_without_rounding() {
        let integer = Number::Integer;
        let float = Number::Float;
        for (a, b, expected) in [
            (integer(1), float(1.0), Ordering::Equal),
            (integer(1), float(1.5), Ordering::Less),
            (integer(-1), float(-1.5), Ordering::Greater),
            (integer((1 << 53) + 1), float(9_007_199_254_740_992.0), Ordering::Greater),
            (integer(i64::MAX), float(9_223_372_036_854_775_807.0), Ordering::Less),
            (integer(i64::MIN), float(-9_223_372_036_854_775_808.0), Ordering::Equal),
            (integer(i64::MIN), float(-1e300), Ordering::Greater),
            (integer(0), float(-0.0), Ordering::Equal),
            (integer(0), float(5e-324), Ordering::Less),
        ] {
            assert_eq!(a.compare(b), expected, "{a:?} {b:?}");
            assert_eq!(b.compare(a), expected.reverse(), "{b:?} {a:?}");
        }
    }
}

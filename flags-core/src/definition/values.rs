use super::Operator;
use crate::limits::{MAX_PATTERNS, MAX_TEXT_VALUES};

/// What an operator is compared with: how many values, and what they are.
///
/// ```
/// use flags_core::{Comparand, Operator};
///
/// let values = Operator::Between.values();
/// assert_eq!((values.least, values.most, values.of), (2, 2, Comparand::Number));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values {
    /// How many there are at least …
    pub least: usize,
    /// … and at most; `usize::MAX` where that is a matter of the whole flag or segment.
    pub most: usize,
    /// What each of them is.
    pub of: Comparand,
}

/// What a value of a condition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparand {
    /// A boolean, a number or a string.
    Scalar,
    /// A string.
    Text,
    /// A number.
    Number,
    /// An instant in RFC 3339 or in milliseconds since 1970, or `now`.
    Instant,
    /// A version.
    Version,
    /// A regular expression.
    Pattern,
    /// A network or an address.
    Network,
}

impl Operator {
    /// The values that a condition with this operator has.
    #[must_use]
    pub const fn values(self) -> Values {
        let (least, most) = match self {
            Self::Exists => (0, 0),
            Self::Equals
            | Self::Lt
            | Self::Lte
            | Self::Gt
            | Self::Gte
            | Self::Before
            | Self::After
            | Self::SemverEq
            | Self::SemverLt
            | Self::SemverLte
            | Self::SemverGt
            | Self::SemverGte => (1, 1),
            Self::Between => (2, 2),
            // How many values of `contains` there may be is a matter of the whole object.
            Self::In | Self::InCidr | Self::Contains => (1, usize::MAX),
            Self::StartsWith | Self::EndsWith => (1, MAX_TEXT_VALUES),
            Self::Matches => (1, MAX_PATTERNS),
        };
        let of = match self {
            Self::Exists | Self::Equals | Self::In => Comparand::Scalar,
            Self::StartsWith | Self::EndsWith | Self::Contains => Comparand::Text,
            Self::Lt | Self::Lte | Self::Gt | Self::Gte | Self::Between => Comparand::Number,
            Self::Before | Self::After => Comparand::Instant,
            Self::SemverEq
            | Self::SemverLt
            | Self::SemverLte
            | Self::SemverGt
            | Self::SemverGte => Comparand::Version,
            Self::Matches => Comparand::Pattern,
            Self::InCidr => Comparand::Network,
        };
        Values { least, most, of }
    }

    /// Whether its strings may be compared ignoring case.
    #[must_use]
    pub const fn may_ignore_case(self) -> bool {
        matches!(self, Self::Equals | Self::In | Self::StartsWith | Self::EndsWith | Self::Contains)
    }
}

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What must be true of a context: true, false or unknown, after Kleene's three-valued logic.
///
/// A rule matches only when its condition is true. Unknown is what an absent attribute gives, and the
/// `not` of it: [the patterns](crate::docs::patterns#unknown-is-not-false) say how to write *everybody
/// but*. In JSON the field that is there says which form it is.
///
/// ```
/// use flags_core::{Condition, Operator};
///
/// let large_in_europe: Condition = serde_json::from_str(r#"{"all": [
///     {"attribute": "tenant.region", "op": "in", "values": ["eu", "uk"]},
///     {"attribute": "tenant.seats", "op": "gte", "values": [100]},
///     {"not": {"segment": "trial-tenants"}}
/// ]}"#)?;
/// let Condition::All(conditions) = large_in_europe else { panic!() };
/// assert!(matches!(conditions[1], Condition::Attribute { op: Operator::Gte, .. }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum Condition {
    /// True when all of them are, also when there are none; false when one of them is; otherwise
    /// unknown.
    All(Vec<Condition>),
    /// True when one of them is; false when all of them are, also when there are none; otherwise
    /// unknown.
    Any(Vec<Condition>),
    /// True when it is false, false when it is true, and unknown when it is unknown.
    Not(Box<Condition>),
    /// Membership of a segment, by its key; unknown where the context has no key of the segment's
    /// kind, where the segment's own condition is unknown, and where there is no valid segment.
    Segment(String),
    /// An operator applied to one attribute.
    Attribute {
        /// `<kind>.<name>`, or `<kind>.key` for the key itself.
        attribute: String,
        /// What is asked of it.
        op: Operator,
        /// What it is compared with; how many depends on the operator.
        values: Vec<Value>,
        /// Whether strings compare after Unicode simple case folding; only for `equals`, `in`,
        /// `starts_with`, `ends_with` and `contains`.
        ignore_case: bool,
    },
}

/// What can be asked of an attribute.
///
/// But for `exists`, the outcome is unknown where the attribute is absent, or of a type or form that
/// the operator does not fit. A list of strings fits where a string does, and asks whether one of its
/// strings holds.
///
/// ```
/// use flags_core::Operator;
///
/// assert_eq!(Operator::SemverGte.name(), "semver_gte");
/// assert_eq!(serde_json::to_string(&Operator::InCidr)?, r#""in_cidr""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The attribute is there; never unknown. No values.
    Exists,
    /// Equal to the one value, a boolean, a number or a string.
    Equals,
    /// Equal to one of the values; unknown where none of them is of the attribute's type.
    In,
    /// A string that starts with one of the values.
    StartsWith,
    /// A string that ends with one of the values.
    EndsWith,
    /// A string that contains one of the values.
    Contains,
    /// A number below the one value.
    Lt,
    /// A number at most the one value.
    Lte,
    /// A number above the one value.
    Gt,
    /// A number at least the one value.
    Gte,
    /// A number from the first to the second value, both included.
    Between,
    /// An instant before the one value, not at it. Instants are RFC 3339 or milliseconds since 1970;
    /// as a value also `"now"`.
    Before,
    /// An instant after the one value, not at it.
    After,
    /// A version of the same precedence as the one value, by the rules of [SemVer 2.0].
    ///
    /// [SemVer 2.0]: https://semver.org/spec/v2.0.0.html
    SemverEq,
    /// A version below the one value.
    SemverLt,
    /// A version at most the one value.
    SemverLte,
    /// A version above the one value.
    SemverGt,
    /// A version at least the one value.
    SemverGte,
    /// A string in which one of the values, regular expressions, is found.
    Matches,
    /// An IP address in one of the values, which are networks.
    InCidr,
}

impl Operator {
    /// Every operator, in the order of the documentation: for an editor that offers them.
    pub const ALL: [Self; 20] = [
        Self::Exists,
        Self::Equals,
        Self::In,
        Self::StartsWith,
        Self::EndsWith,
        Self::Contains,
        Self::Lt,
        Self::Lte,
        Self::Gt,
        Self::Gte,
        Self::Between,
        Self::Before,
        Self::After,
        Self::SemverEq,
        Self::SemverLt,
        Self::SemverLte,
        Self::SemverGt,
        Self::SemverGte,
        Self::Matches,
        Self::InCidr,
    ];

    /// The name in JSON and in explanations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exists => "exists",
            Self::Equals => "equals",
            Self::In => "in",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::Contains => "contains",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Between => "between",
            Self::Before => "before",
            Self::After => "after",
            Self::SemverEq => "semver_eq",
            Self::SemverLt => "semver_lt",
            Self::SemverLte => "semver_lte",
            Self::SemverGt => "semver_gt",
            Self::SemverGte => "semver_gte",
            Self::Matches => "matches",
            Self::InCidr => "in_cidr",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The JSON form: which field is there says which condition it is.
#[derive(Default, Serialize, Deserialize)]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Vec<Condition>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    any: Option<Vec<Condition>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not: Option<Box<Condition>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<Operator>,
    #[serde(
        default,
        deserialize_with = "super::plain::values",
        skip_serializing_if = "Vec::is_empty"
    )]
    values: Vec<Value>,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    ignore_case: bool,
}

impl TryFrom<Fields> for Condition {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields { all, any, not, segment, attribute, op, values, ignore_case } = fields;
        match (all, any, not, segment, attribute) {
            (Some(conditions), None, None, None, None) => Ok(Self::All(conditions)),
            (None, Some(conditions), None, None, None) => Ok(Self::Any(conditions)),
            (None, None, Some(condition), None, None) => Ok(Self::Not(condition)),
            (None, None, None, Some(key), None) => Ok(Self::Segment(key)),
            (None, None, None, None, Some(attribute)) => Ok(Self::Attribute {
                attribute,
                op: op.ok_or("a condition on an attribute needs `op`")?,
                values,
                ignore_case,
            }),
            _ => Err("a condition has exactly one of `all`, `any`, `not`, `segment`, `attribute`"),
        }
    }
}

impl From<Condition> for Fields {
    fn from(condition: Condition) -> Self {
        let mut fields = Self::default();
        match condition {
            Condition::All(conditions) => fields.all = Some(conditions),
            Condition::Any(conditions) => fields.any = Some(conditions),
            Condition::Not(condition) => fields.not = Some(condition),
            Condition::Segment(key) => fields.segment = Some(key),
            Condition::Attribute { attribute, op, values, ignore_case } => {
                fields.attribute = Some(attribute);
                fields.op = Some(op);
                fields.values = values;
                fields.ignore_case = ignore_case;
            }
        }
        fields
    }
}

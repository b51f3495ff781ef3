use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What must be true of a context; three-valued, see docs/semantics.md.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum Condition {
    /// True when all of them are; true when empty.
    All(Vec<Condition>),
    /// True when one of them is; false when empty.
    Any(Vec<Condition>),
    /// True when it is false.
    Not(Box<Condition>),
    /// Membership of a segment, by its key.
    Segment(String),
    /// An operator applied to one attribute.
    Attribute {
        /// `<kind>.<name>`, or `<kind>.key` for the key itself.
        attribute: String,
        /// What is asked of it.
        op: Operator,
        /// What it is compared with; how many depends on the operator.
        values: Vec<Value>,
    },
}

/// What can be asked of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The attribute is there; never unknown. No values.
    Exists,
    /// Equal to the one value.
    Equals,
    /// Equal to one of the values.
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
}

impl Operator {
    /// Every operator, in the order of the documentation.
    pub const ALL: [Self; 11] = [
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
    ];

    /// The name in JSON.
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
}

impl TryFrom<Fields> for Condition {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields { all, any, not, segment, attribute, op, values } = fields;
        match (all, any, not, segment, attribute) {
            (Some(conditions), None, None, None, None) => Ok(Self::All(conditions)),
            (None, Some(conditions), None, None, None) => Ok(Self::Any(conditions)),
            (None, None, Some(condition), None, None) => Ok(Self::Not(condition)),
            (None, None, None, Some(key), None) => Ok(Self::Segment(key)),
            (None, None, None, None, Some(attribute)) => Ok(Self::Attribute {
                attribute,
                op: op.ok_or("a condition on an attribute needs `op`")?,
                values,
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
            Condition::Attribute { attribute, op, values } => {
                fields.attribute = Some(attribute);
                fields.op = Some(op);
                fields.values = values;
            }
        }
        fields
    }
}

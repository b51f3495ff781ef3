use core::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// How much of a feature a tenant may have. In JSON it is an integer or `"unlimited"`.
///
/// ```
/// use flags_core::Limit;
///
/// assert!(Limit::At(5) < Limit::Unlimited);
/// assert_eq!(serde_json::to_string(&[Limit::At(5), Limit::Unlimited])?, r#"[5,"unlimited"]"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// From 0 to 2⁶³ − 1.
    At(u64),
    /// As much as there is.
    Unlimited,
}

impl Limit {
    pub(crate) const MOST: u64 = i64::MAX.unsigned_abs();

    /// Reads what a definition says; `None` for what is no limit.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) if text == "unlimited" => Some(Self::Unlimited),
            _ => value.as_u64().filter(|limit| *limit <= Self::MOST).map(Self::At),
        }
    }

    /// The limit that a sum of integers comes to, within what a limit can be.
    pub(crate) fn of_sum(sum: i128) -> Self {
        let within = sum.clamp(0, i128::from(Self::MOST));
        Self::At(u64::try_from(within).unwrap_or(Self::MOST))
    }

    /// Whether so much is within it.
    pub(crate) fn holds(self, amount: u64) -> bool {
        match self {
            Self::At(limit) => amount <= limit,
            Self::Unlimited => true,
        }
    }

    /// What is left of it; never below 0.
    pub(crate) fn minus(self, used: u64) -> Self {
        match self {
            Self::At(limit) => Self::At(limit.saturating_sub(used)),
            Self::Unlimited => Self::Unlimited,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(limit) => write!(f, "{limit}"),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(limit) => serializer.serialize_u64(*limit),
            Self::Unlimited => serializer.serialize_str("unlimited"),
        }
    }
}

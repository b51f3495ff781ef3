use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::BlockEffect;

/// The type of what is granted of a feature; it never changes.
///
/// ```
/// use flags_core::FeatureType;
///
/// let read: FeatureType = serde_json::from_str(r#""limit""#)?;
/// assert_eq!((read, read.to_string().as_str()), (FeatureType::Limit, "limit"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureType {
    /// Granted or not.
    Boolean,
    /// An integer from 0 to 2⁶³ − 1, or unlimited.
    Limit,
    /// A set of options that the feature declares.
    Options,
    /// Any JSON value but `null`.
    Json,
}

impl FeatureType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Boolean, Self::Limit, Self::Options, Self::Json];

    /// How grants of a feature of this type may combine.
    ///
    /// ```
    /// use flags_core::{Combine, FeatureType};
    ///
    /// assert_eq!(FeatureType::Limit.combines(), [Combine::Max, Combine::Sum]);
    /// ```
    #[must_use]
    pub const fn combines(self) -> &'static [Combine] {
        match self {
            Self::Boolean => &[Combine::Any],
            Self::Limit => &[Combine::Max, Combine::Sum],
            Self::Options => &[Combine::Union],
            Self::Json => &[Combine::Priority],
        }
    }

    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Limit => "limit",
            Self::Options => "options",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for FeatureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How grants of one feature by a plan, a trial and add-ons become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// Of a boolean: one grant is enough.
    Any,
    /// Of a limit: the highest.
    Max,
    /// Of a limit: all together, an add-on's times its quantity.
    Sum,
    /// Of options: all of them.
    Union,
    /// Of JSON: that of the highest priority.
    Priority,
}

/// Something that is sold.
///
/// ```
/// use flags_core::FeatureDefinition;
///
/// let seats: FeatureDefinition = serde_json::from_str(
///     r#"{"type": "limit", "combine": "sum", "over_limit": {"policy": "read_only"}}"#,
/// )?;
/// assert!(flags_core::check_feature(&seats).is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureDefinition {
    /// What a grant is.
    #[serde(rename = "type")]
    pub feature_type: FeatureType,
    /// How grants become one value: one that is for the type.
    pub combine: Combine,
    /// What can be granted of a feature of the type `options`, in the order that values have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// What happens to those who use more than the limit; growth is blocked where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_limit: Option<OverLimit>,
}

/// What happens to a tenant that uses more of a feature than its limit, after a downgrade above all.
/// To use still more is refused in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverLimit {
    /// What holds after the grace.
    pub policy: OverLimitPolicy,
    /// How long the tenant keeps full access, in milliseconds from the downgrade.
    #[serde(default)]
    pub grace_ms: u64,
}

/// What [`OverLimit`] leaves of the access.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverLimitPolicy {
    /// All that is there may be used.
    #[default]
    BlockGrowth,
    /// All that is there may be read.
    ReadOnly,
    /// Nothing.
    None,
}

/// What is sold together, in versions that never change: a tenant stays on its version until it is
/// moved.
///
/// ```
/// use flags_core::PlanDefinition;
///
/// let pro: PlanDefinition = serde_json::from_str(r#"{"versions": [{
///     "version": 1, "grants": {"sso": true, "seats": 5}, "grace_ms": 604800000,
///     "fallback": {"plan": "free", "version": 1}
/// }]}"#)?;
/// assert!(flags_core::check_plan(&pro).is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanDefinition {
    /// In any order; a number occurs once.
    pub versions: Vec<PlanVersionDefinition>,
}

/// One version of a [`PlanDefinition`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanVersionDefinition {
    /// From 1 on.
    pub version: u32,
    /// What is granted, by the features' keys; [`check_grant`](crate::check_grant) says whether a
    /// value fits its feature.
    #[serde(default, deserialize_with = "crate::definition::plain::object")]
    pub grants: Map<String, Value>,
    /// Decides between grants of JSON: the highest.
    #[serde(default)]
    pub priority: u32,
    /// How long an unpaid invoice is waited for, in milliseconds.
    #[serde(default)]
    pub grace_ms: u64,
    /// What then holds.
    #[serde(default)]
    pub after_grace: BlockEffect,
    /// What holds after the end of the contract; nothing where it is absent.
    #[serde(default)]
    pub fallback: Option<PlanReference>,
}

/// A version of a plan, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReference {
    /// The plan's key.
    pub plan: String,
    /// Its version.
    pub version: u32,
}

/// More of something, which a tenant has in a quantity.
///
/// ```
/// use flags_core::AddonDefinition;
///
/// let seats: AddonDefinition = serde_json::from_str(r#"{"grants": {"seats": 10}}"#)?;
/// assert!(flags_core::check_addon(&seats).is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddonDefinition {
    /// What one of it grants, by the features' keys.
    #[serde(default, deserialize_with = "crate::definition::plain::object")]
    pub grants: Map<String, Value>,
    /// Decides between grants of JSON: the highest.
    #[serde(default)]
    pub priority: u32,
}

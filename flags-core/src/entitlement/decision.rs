use core::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};
use smol_str::SmolStr;

use super::definition::Lane;
use super::limit::Limit;
use super::option_set::OptionSet;
use crate::time::Timestamp;

/// What a tenant may do with a feature; more is greater.
///
/// ```
/// use flags_core::Access;
///
/// assert!(Access::None < Access::ReadOnly && Access::ReadOnly < Access::Full);
/// assert_eq!(Access::ReadOnly.name(), "read_only");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Nothing.
    None,
    /// Look at what is there.
    ReadOnly,
    /// Everything.
    Full,
}

impl Access {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ReadOnly => "read_only",
            Self::Full => "full",
        }
    }
}

/// What a contract grants of a feature at an instant, and why; borrowed from a
/// [`Timeline`](crate::Timeline).
///
/// As JSON it has the fields `access`, `value`, `reason`, `source` and `valid_until`; those of a
/// limit, `limit` and `remaining`; and `lane`, where it is blocked.
/// [`Catalogue::timeline`](crate::Catalogue::timeline) has an example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision<'r> {
    /// What the tenant may do.
    pub access: Access,
    /// What is granted; `None` without access, but for a limit that is reached.
    pub value: Option<Granted<'r>>,
    /// The value of a feature that is a limit.
    pub limit: Option<Limit>,
    /// What is left of the limit beside what is used, where that was asked for.
    pub remaining: Option<Limit>,
    /// Why.
    pub reason: EntitlementReason,
    /// Where the value comes from, or who denies.
    pub source: Option<EntitlementSource<'r>>,
    /// When the decision may be another one; `None` where no end of it is known.
    pub valid_until: Option<Timestamp>,
}

/// A value that a contract grants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Granted<'r> {
    /// Of a boolean feature, which is granted or not.
    Boolean,
    /// Of a limit.
    Limit(Limit),
    /// Of a feature with options.
    Options(GrantedOptions<'r>),
    /// Of a JSON feature.
    Json(&'r serde_json::Value),
}

/// The options that a contract grants.
#[derive(Debug, Clone, Copy)]
pub struct GrantedOptions<'r> {
    pub(super) declared: &'r [SmolStr],
    pub(super) set: &'r OptionSet,
}

impl<'r> GrantedOptions<'r> {
    /// The options in the order in which the feature declares them.
    pub fn iter(self) -> impl Iterator<Item = &'r str> {
        let Self { declared, set } = self;
        declared
            .iter()
            .enumerate()
            .filter(|(place, _)| set.contains(*place))
            .map(|(_, name)| &**name)
    }

    /// Whether an option is granted.
    #[must_use]
    pub fn contains(self, option: &str) -> bool {
        self.iter().any(|granted| granted == option)
    }
}

impl PartialEq for GrantedOptions<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// Why a decision is what it is. The list is closed: docs/semantics.md.
///
/// ```
/// use flags_core::{EntitlementReason, Lane};
///
/// assert_eq!(EntitlementReason::Blocked(Lane::Fraud).to_string(), "blocked");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntitlementReason {
    /// By a plan or an add-on.
    Granted,
    /// By a trial: without it, the value would be another one.
    Trial,
    /// An invoice is unpaid, and waited for.
    Grace,
    /// An override sets the value.
    OverrideSet,
    /// Overrides add to the value, or take from it.
    OverrideAdd,
    /// An override raises the limit.
    OverrideAtLeast,
    /// An override lowers the limit.
    OverrideAtMost,
    /// Nothing grants the feature.
    NotInPlan,
    /// An override denies it.
    Denied,
    /// As much as there may be is used, or more.
    LimitReached,
    /// A lane blocks the tenant.
    Blocked(Lane),
    /// The contract has ended.
    Expired,
    /// No such tenant is stored.
    TenantUnknown,
    /// There is no such feature.
    FeatureUnknown,
    /// The feature, or something that counts for it, cannot be read; or the feature is not a limit
    /// and one was asked for.
    FeatureInvalid,
    /// What is known is too old: given by clients alone, for features that say so.
    Stale,
}

impl EntitlementReason {
    /// The name in JSON, in metrics and in documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Trial => "trial",
            Self::Grace => "grace",
            Self::OverrideSet => "override_set",
            Self::OverrideAdd => "override_add",
            Self::OverrideAtLeast => "override_at_least",
            Self::OverrideAtMost => "override_at_most",
            Self::NotInPlan => "not_in_plan",
            Self::Denied => "denied",
            Self::LimitReached => "limit_reached",
            Self::Blocked(_) => "blocked",
            Self::Expired => "expired",
            Self::TenantUnknown => "tenant_unknown",
            Self::FeatureUnknown => "feature_unknown",
            Self::FeatureInvalid => "feature_invalid",
            Self::Stale => "stale",
        }
    }
}

impl fmt::Display for EntitlementReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a value comes from. In JSON it is `{plan, version}`, `{addon}` or `{override}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntitlementSource<'r> {
    /// A version of a plan: the tenant's, its fallback or a trial.
    Plan {
        /// The plan's key.
        plan: &'r str,
        /// The version.
        version: u32,
    },
    /// An add-on, by its key.
    Addon(&'r str),
    /// An override, by its id.
    Override(&'r str),
}

impl Serialize for Decision<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("access", self.access.name())?;
        map.serialize_entry("value", &self.value)?;
        if let Some(limit) = self.limit {
            map.serialize_entry("limit", &limit)?;
        }
        if let Some(remaining) = self.remaining {
            map.serialize_entry("remaining", &remaining)?;
        }
        map.serialize_entry("reason", self.reason.name())?;
        if let EntitlementReason::Blocked(lane) = self.reason {
            map.serialize_entry("lane", lane.name())?;
        }
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("valid_until", &self.valid_until.map(Text))?;
        map.end()
    }
}

/// An instant as people read it.
struct Text(Timestamp);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Granted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Boolean => serializer.serialize_bool(true),
            Self::Limit(limit) => limit.serialize(serializer),
            Self::Options(options) => serializer.collect_seq(options.iter()),
            Self::Json(value) => value.serialize(serializer),
        }
    }
}

impl Serialize for EntitlementSource<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Plan { plan, version } => {
                map.serialize_entry("plan", plan)?;
                map.serialize_entry("version", version)?;
            }
            Self::Addon(key) => map.serialize_entry("addon", key)?,
            Self::Override(id) => map.serialize_entry("override", id)?,
        }
        map.end()
    }
}

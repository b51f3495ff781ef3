//! What an answer is.

use core::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::entitlement::EntitlementReason;
use crate::revision::Revision;
use crate::value::Value;

/// An answer: which value, and why; borrowed from the ruleset.
///
/// As JSON it has the fields `value`, `variant`, `reason`, `version`, `revision`, and those of the
/// reason: `prerequisite`; `feature` and `entitlement`, the reason of the decision on it, with its
/// `lane` if there is one; `rule`; `split`, with a `bucket` or as `unit_missing`.
///
/// ```
/// use flags_core::{Ruleset, Timestamp};
///
/// let ruleset = Ruleset::default();
/// let evaluation = ruleset.evaluate("exports", &(), Timestamp::from_millis(0));
/// assert_eq!(
///     serde_json::to_string(&evaluation)?,
///     r#"{"value":null,"variant":null,"reason":"not_ready","version":0,"revision":0}"#,
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation<'r> {
    /// What the flag serves; `None` where the caller's own default holds.
    pub value: Option<Value<'r>>,
    /// The name of the variant served; `None` for the caller's default and for an override with a
    /// value that no variant has.
    pub variant: Option<&'r str>,
    /// Why.
    pub reason: Reason<'r>,
    /// The revision that last changed the flag; 0 where there is no such flag.
    pub version: Revision,
    /// The revision of the environment; 0 before the first snapshot.
    pub revision: Revision,
}

impl Evaluation<'_> {
    /// Whether it serves the boolean `true`.
    ///
    /// ```
    /// use flags_core::{Ruleset, Timestamp};
    ///
    /// let ruleset = Ruleset::default();
    /// let evaluation = ruleset.evaluate("exports", &(), Timestamp::from_millis(0));
    /// assert!(!evaluation.is_true());
    /// ```
    #[must_use]
    #[inline]
    pub fn is_true(&self) -> bool {
        self.value == Some(Value::Boolean(true))
    }
}

/// An answer with a value of the type that the code asked for. [`Ruleset::get`](crate::Ruleset::get)
/// has an example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer<'r, V> {
    /// What the flag serves, or the code's default.
    pub value: V,
    /// As in [`Evaluation::variant`]: `None` where the value is the code's default.
    pub variant: Option<&'r str>,
    /// Why.
    pub reason: Reason<'r>,
    /// As in [`Evaluation::version`].
    pub version: Revision,
    /// As in [`Evaluation::revision`].
    pub revision: Revision,
}

/// Why an answer is what it is. The list is closed: docs/semantics.md.
///
/// With the first four, the value is the caller's default; with all others the flag has served one of
/// its variants or an override.
///
/// ```
/// use flags_core::{Reason, Ruleset, Timestamp};
///
/// let ruleset = Ruleset::default();
/// let answer = ruleset.evaluate("exports", &(), Timestamp::from_millis(0));
/// assert_eq!(answer.reason, Reason::NotReady);
/// assert_eq!(answer.reason.to_string(), "not_ready");
/// assert_eq!(Reason::RuleMatch { rule: "eu", bucket: None }.name(), "rule_match");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason<'r> {
    /// There is no ruleset yet; the caller's default.
    NotReady,
    /// There is no such flag; the caller's default.
    FlagNotFound,
    /// The flag has another type than asked for, or the value that it serves is not of the type that
    /// the code [decodes](crate::Decoded) it into; the caller's default.
    TypeMismatch,
    /// The flag cannot be evaluated: it could not be compiled, or the answer would take more
    /// prerequisites or work [than one may](crate::docs::limitations#one-answer); the caller's
    /// default.
    FlagInvalid,
    /// A local override.
    Override,
    /// The flag is off; its off variant.
    Disabled,
    /// A prerequisite does not serve a variant that satisfies; the off variant.
    PrerequisiteFailed {
        /// The key of the prerequisite.
        flag: &'r str,
    },
    /// The tenant of the context is not entitled to the feature that the flag requires; the off
    /// variant.
    NotEntitled {
        /// The key of the feature.
        feature: &'r str,
        /// Why it is not: the reason of the decision.
        reason: EntitlementReason,
    },
    /// A key of the context is targeted.
    TargetMatch,
    /// A rule's conditions are true, and what it serves yields a variant.
    RuleMatch {
        /// The rule's id.
        rule: &'r str,
        /// The bucket, 0 to 99,999, where the rule serves a split or a ramp.
        bucket: Option<u32>,
    },
    /// Nothing else decided.
    Fallthrough {
        /// What the split or ramp came to, where the fallthrough is one.
        split: Option<SplitOutcome>,
    },
}

/// What a split or a ramp in the fallthrough came to.
///
/// ```
/// use flags_core::SplitOutcome;
///
/// assert_eq!(serde_json::to_string(&SplitOutcome::Bucket(7))?, r#"{"bucket":7}"#);
/// assert_eq!(serde_json::to_string(&SplitOutcome::UnitMissing)?, r#""unit_missing""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitOutcome {
    /// The bucket of the unit: 0 to 99,999.
    Bucket(u32),
    /// The context lacks the unit; the off variant is served.
    UnitMissing,
}

impl Reason<'_> {
    /// The name in JSON, in metrics and in documentation.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotReady => "not_ready",
            Self::FlagNotFound => "flag_not_found",
            Self::TypeMismatch => "type_mismatch",
            Self::FlagInvalid => "flag_invalid",
            Self::Override => "override",
            Self::Disabled => "disabled",
            Self::PrerequisiteFailed { .. } => "prerequisite_failed",
            Self::NotEntitled { .. } => "not_entitled",
            Self::TargetMatch => "target_match",
            Self::RuleMatch { .. } => "rule_match",
            Self::Fallthrough { .. } => "fallthrough",
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Evaluation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("value", &self.value)?;
        map.serialize_entry("variant", &self.variant)?;
        map.serialize_entry("reason", self.reason.name())?;
        match self.reason {
            Reason::PrerequisiteFailed { flag } => map.serialize_entry("prerequisite", flag)?,
            Reason::NotEntitled { feature, reason } => {
                map.serialize_entry("feature", feature)?;
                map.serialize_entry("entitlement", reason.name())?;
                if let EntitlementReason::Blocked(lane) = reason {
                    map.serialize_entry("lane", lane.name())?;
                }
            }
            Reason::RuleMatch { rule, bucket } => {
                map.serialize_entry("rule", rule)?;
                if let Some(bucket) = bucket {
                    map.serialize_entry("split", &SplitOutcome::Bucket(bucket))?;
                }
            }
            Reason::Fallthrough { split: Some(split) } => map.serialize_entry("split", &split)?,
            _ => {}
        }
        map.serialize_entry("version", &self.version)?;
        map.serialize_entry("revision", &self.revision)?;
        map.end()
    }
}

impl Serialize for SplitOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::UnitMissing => serializer.serialize_str("unit_missing"),
            Self::Bucket(bucket) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("bucket", bucket)?;
                map.end()
            }
        }
    }
}

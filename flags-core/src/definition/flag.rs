use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Condition, Serve};

/// The type of a flag's values; it never changes.
///
/// ```
/// use flags_core::FlagType;
///
/// let read: FlagType = serde_json::from_str(r#""json""#)?;
/// assert_eq!((read, read.to_string().as_str()), (FlagType::Json, "json"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlagType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A 64-bit signed integer.
    Integer,
    /// A finite 64-bit float; an integer is one up to 2⁵³ in absolute value.
    Float,
    /// Any JSON value.
    Json,
}

impl fmt::Display for FlagType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Json => "json",
        })
    }
}

/// A named value of a flag. Definitions, prerequisites and answers say the name; the value may
/// change.
///
/// ```
/// use flags_core::Variant;
///
/// let variant: Variant = serde_json::from_str(r#"{"name": "large", "value": 200}"#)?;
/// assert_eq!(variant.value, 200);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Unique within the flag.
    pub name: String,
    /// A value of the flag's type.
    #[serde(deserialize_with = "super::plain::value")]
    pub value: serde_json::Value,
}

/// A flag as an SDK sees it: its type and variants, and its state in one environment.
///
/// ```
/// use flags_core::FlagDefinition;
///
/// let flag: FlagDefinition = serde_json::from_str(r#"{
///     "type": "boolean",
///     "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
///     "state": {"on": false, "off_variant": "off", "fallthrough": {"variant": "on"}}
/// }"#)?;
/// assert!(flags_core::check_flag(&flag).is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagDefinition {
    /// The type of every variant's value.
    #[serde(rename = "type")]
    pub flag_type: FlagType,
    /// In the order they were created in.
    pub variants: Vec<Variant>,
    /// What is served to whom.
    pub state: FlagState,
}

/// What a flag serves to whom in one environment.
///
/// The order of evaluation is: off, prerequisites, what it requires, targets, rules, fallthrough. The
/// first that decides is the answer.
///
/// ```
/// use flags_core::{FlagState, Serve};
///
/// let state: FlagState = serde_json::from_str(r#"{
///     "on": true, "off_variant": "off",
///     "targets": [{"kind": "tenant", "keys": ["acme"], "variant": "on"}],
///     "fallthrough": {"variant": "off"}
/// }"#)?;
/// assert!(state.rules.is_empty() && state.salt.is_none());
/// assert_eq!(state.fallthrough, Serve::Variant("off".into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagState {
    /// Off serves `off_variant` to everyone.
    pub on: bool,
    /// What is served while the flag is off, a prerequisite fails, or the tenant lacks what is
    /// required.
    pub off_variant: String,
    /// What the tenant has to be entitled to. A definition with it
    /// [needs](crate::flag_needs) the capability `entitlements`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<Requires>,
    /// The default salt of this flag's splits; the flag's key where it is absent.
    #[serde(default)]
    pub salt: Option<String>,
    /// Flags that must serve one of the named variants first.
    #[serde(default)]
    pub prerequisites: Vec<Prerequisite>,
    /// Single contexts and what they get, in order.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// Conditions and what they serve, in order.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What everybody else gets.
    pub fallthrough: Serve,
}

/// Another flag and the variants of it that satisfy this one. One that is off, missing or invalid
/// never does, whatever its off variant is.
///
/// ```
/// use flags_core::Prerequisite;
///
/// let switch: Prerequisite = serde_json::from_str(r#"{"flag": "payments", "variants": ["on"]}"#)?;
/// assert_eq!(switch.flag, "payments");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prerequisite {
    /// The key of the other flag, of the same project.
    pub flag: String,
    /// Any of these will do.
    pub variants: Vec<String>,
}

/// A feature to which the tenant of the context has to be entitled: so a flag narrows what a contract
/// grants, and never widens it.
///
/// ```
/// use flags_core::Requires;
///
/// let export: Requires = serde_json::from_str(r#"{"feature": "export"}"#)?;
/// assert!(!export.write);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requires {
    /// The feature's key.
    pub feature: String,
    /// Whether read-only access is not enough.
    #[serde(default)]
    pub write: bool,
}

/// Single contexts of one kind that get one variant. Of several targets that hold a context, the
/// first decides; a key twice in the targets of one kind is refused.
///
/// ```
/// use flags_core::Target;
///
/// let first: Target = serde_json::from_str(
///     r#"{"kind": "tenant", "keys": ["acme", "globex"], "variant": "on"}"#,
/// )?;
/// assert_eq!(first.keys.len(), 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The kind that the keys belong to: `user`, `tenant` …
    pub kind: String,
    /// The contexts' keys.
    pub keys: Vec<String>,
    /// What they get.
    pub variant: String,
}

/// Conditions and what is served when they are true.
///
/// A rule that serves a split or a ramp goes on to the next one where the context lacks the unit, and a
/// split also where the bucket falls to an entry without a variant.
///
/// ```
/// use flags_core::{Condition, Rule};
///
/// let rule: Rule = serde_json::from_str(
///     r#"{"id": "beta", "when": {"segment": "beta-tenants"}, "serve": {"variant": "on"}}"#,
/// )?;
/// assert_eq!(rule.when, Condition::Segment("beta-tenants".into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Unique within the flag; kept for the rule's life, so that answers can name it.
    pub id: String,
    /// The rule matches only when this is *true*.
    pub when: Condition,
    /// What it then serves.
    pub serve: Serve,
}

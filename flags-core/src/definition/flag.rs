use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Condition, Serve};

/// The type of a flag's values; it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlagType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A 64-bit signed integer.
    Integer,
    /// A finite 64-bit float.
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

/// A named value of a flag.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlagState {
    /// Off serves `off_variant` to everyone.
    pub on: bool,
    /// What is served while the flag is off, or a prerequisite fails.
    pub off_variant: String,
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

/// Another flag and the variants of it that satisfy this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prerequisite {
    /// The key of the other flag, of the same project.
    pub flag: String,
    /// Any of these will do.
    pub variants: Vec<String>,
}

/// Single contexts of one kind that get one variant.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Unique within the flag; kept for the rule's life, so that answers can name it.
    pub id: String,
    /// The rule matches only when this is *true*.
    pub when: Condition,
    /// What it then serves.
    pub serve: Serve,
}

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// What a rule or the fallthrough serves. In JSON, an object with one of the fields `variant`, `split`
/// and `ramp`.
///
/// ```
/// use flags_core::Serve;
///
/// let serve: Serve = serde_json::from_str(r#"{"variant": "on"}"#)?;
/// assert_eq!(serve, Serve::Variant("on".into()));
/// assert!(serde_json::from_str::<Serve>(r#"{"percent": 5}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", rename_all = "snake_case")]
pub enum Serve {
    /// One variant, by name.
    Variant(String),
    /// A weighted choice by hashing one unit.
    Split(Split),
    /// A choice between two variants whose share grows with time.
    Ramp(Ramp),
}

/// The algorithm that turns a salt and a unit into a bucket: named in a definition, so that a later
/// one cannot move those who have a bucket already. [`Salt`](crate::Salt) has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Bucketing {
    /// `sip13-1`: SipHash-1-3 (Aumasson and Bernstein, *SipHash: a fast short-input PRF*, 2012), salted;
    /// docs/semantics.md has it step by step.
    #[default]
    #[serde(rename = "sip13-1")]
    Sip13V1,
}

/// A weighted choice by hashing one unit.
///
/// A unit's bucket, 0 to 99,999, falls into the first entry whose weight, with those before it, is
/// above the bucket. To move weight between two neighbours moves nobody else.
///
/// ```
/// use flags_core::Split;
///
/// let split: Split = serde_json::from_str(r#"{"by": "tenant", "weights": [
///     {"variant": "on", "weight": 5000}, {"weight": 95000}
/// ]}"#)?;
/// assert_eq!(split.weights.iter().map(|entry| entry.weight).sum::<u32>(), flags_core::TOTAL_WEIGHT);
/// assert_eq!(split.weights[1].variant, None); // in a rule: go on to the next one
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The version of the bucketing algorithm.
    #[serde(default)]
    pub bucketing: Bucketing,
    /// The unit: a kind (`tenant`, for its key) or an attribute (`user.email`).
    pub by: String,
    /// Overrides the flag's salt, for splits that several flags share.
    #[serde(default)]
    pub salt: Option<String>,
    /// In order; the weights add up to 100,000.
    pub weights: Vec<Weight>,
}

/// One entry of a [`Split`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    /// What this share gets; in a rule, absence means: go on to the next rule. In a fallthrough it is
    /// refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The share, in steps of 0.001 %.
    pub weight: u32,
}

/// A choice between two variants whose share grows linearly between two instants, counted in
/// milliseconds and rounded down to a step of 0.001 %.
///
/// ```
/// use flags_core::Ramp;
///
/// let ramp: Ramp = serde_json::from_str(r#"{
///     "by": "tenant", "variant": "on", "rest": "off", "from": 0, "to": 100000,
///     "start": "2026-11-20T00:00:00Z", "end": "2026-11-30T00:00:00Z"
/// }"#)?;
/// assert_eq!((ramp.from, ramp.to), (0, 100_000));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramp {
    /// The version of the bucketing algorithm.
    #[serde(default)]
    pub bucketing: Bucketing,
    /// The unit: a kind (`tenant`, for its key) or an attribute (`user.email`).
    pub by: String,
    /// Overrides the flag's salt.
    #[serde(default)]
    pub salt: Option<String>,
    /// The variant whose share grows.
    pub variant: String,
    /// What the others get.
    pub rest: String,
    /// The share of `variant` up to `start`, in steps of 0.001 %.
    pub from: u32,
    /// Its share from `end` on, in steps of 0.001 %; not below `from`.
    pub to: u32,
    /// RFC 3339.
    pub start: String,
    /// RFC 3339, after `start`.
    pub end: String,
}

/// The JSON form: which field is there says what is served. Fields that a newer server adds are
/// ignored here too, which serde's own form of an enum would refuse.
#[derive(Deserialize)]
struct Fields {
    variant: Option<String>,
    split: Option<Split>,
    ramp: Option<Ramp>,
}

impl TryFrom<Fields> for Serve {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        match fields {
            Fields { variant: Some(variant), split: None, ramp: None } => {
                Ok(Self::Variant(variant))
            }
            Fields { variant: None, split: Some(split), ramp: None } => Ok(Self::Split(split)),
            Fields { variant: None, split: None, ramp: Some(ramp) } => Ok(Self::Ramp(ramp)),
            _ => Err("what is served has exactly one of `variant`, `split`, `ramp`"),
        }
    }
}

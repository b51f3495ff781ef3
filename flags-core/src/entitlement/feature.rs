use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::Value;
use smol_str::SmolStr;

use super::definition::{Combine, FeatureDefinition, FeatureType, OverLimit};
use super::limit::Limit;
use super::option_set::OptionSet;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::key::is_key;
use crate::limits::{MAX_FEATURE_OPTIONS, MAX_GRACE_MS};

/// A feature, compiled.
#[derive(Debug)]
pub(crate) struct Feature {
    pub(crate) feature_type: FeatureType,
    pub(super) combine: Combine,
    pub(super) options: Box<[SmolStr]>,
    pub(super) over_limit: OverLimit,
}

/// What is granted of a feature.
#[derive(Debug, Clone)]
pub(super) enum Grant {
    Boolean,
    Limit(Limit),
    /// Large, and rare.
    Options(Arc<OptionSet>),
    Json(Arc<Value>),
}

impl PartialEq for Grant {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Boolean, Self::Boolean) => true,
            (Self::Limit(a), Self::Limit(b)) => a == b,
            (Self::Options(a), Self::Options(b)) => a == b,
            (Self::Json(a), Self::Json(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }
}

/// Everything that is wrong with a feature; empty for one that can be granted.
///
/// ```
/// use flags_core::{FeatureDefinition, check_feature};
///
/// let sso: FeatureDefinition = serde_json::from_str(r#"{"type": "boolean", "combine": "sum"}"#)?;
/// let problems = check_feature(&sso);
/// assert_eq!(problems[0].to_string(), "/combine: grants of a boolean combine by `any`");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn check_feature(definition: &FeatureDefinition) -> Vec<Diagnostic> {
    Feature::compile(definition).err().unwrap_or_default()
}

/// Everything that is wrong with `value` as a grant of a feature: by a plan, by an add-on, or by an
/// override that sets it. Pointers lead into `value`.
///
/// ```
/// use flags_core::{FeatureDefinition, check_grant};
/// use serde_json::json;
///
/// let regions: FeatureDefinition = serde_json::from_str(
///     r#"{"type": "options", "combine": "union", "options": ["eu", "us"]}"#,
/// )?;
/// assert!(check_grant(&regions, &json!(["us"])).is_empty());
/// let problems = check_grant(&regions, &json!(["us", "uk"]));
/// assert_eq!(problems[0].to_string(), "/1: the feature has no option `uk`");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn check_grant(feature: &FeatureDefinition, value: &Value) -> Vec<Diagnostic> {
    Feature::compile(feature)
        .and_then(|feature| feature.read_grant(&Arc::new(value.clone())))
        .err()
        .unwrap_or_default()
}

impl Feature {
    pub(super) fn compile(definition: &FeatureDefinition) -> Result<Self, Vec<Diagnostic>> {
        let mut d = Diagnostics::default();
        d.at("combine", |d| check_combine(definition, d));
        d.at("options", |d| check_options(definition, d));
        if let Some(over_limit) = definition.over_limit {
            d.at("over_limit", |d| {
                if definition.feature_type != FeatureType::Limit {
                    d.report("not_a_limit", "only a limit can be exceeded");
                }
                d.at("grace_ms", |d| check_grace(over_limit.grace_ms, d));
            });
        }
        let feature = Self {
            feature_type: definition.feature_type,
            combine: definition.combine,
            options: definition.options.iter().map(SmolStr::new).collect(),
            over_limit: definition.over_limit.unwrap_or_default(),
        };
        if d.is_clean() { Ok(feature) } else { Err(d.into_vec()) }
    }

    /// Reads a grant, or says everything that is wrong with it.
    pub(super) fn read_grant(&self, value: &Arc<Value>) -> Result<Grant, Vec<Diagnostic>> {
        let mut d = Diagnostics::default();
        let grant = match self.feature_type {
            FeatureType::Boolean => {
                (**value == Value::Bool(true)).then_some(Grant::Boolean).ok_or("`true`")
            }
            FeatureType::Limit => Limit::read(value).map(Grant::Limit).ok_or(A_LIMIT),
            FeatureType::Options => self
                .read_options(value, &mut d)
                .map(Arc::new)
                .map(Grant::Options)
                .ok_or("a list of options"),
            FeatureType::Json => (!value.is_null())
                .then(|| Grant::Json(Arc::clone(value)))
                .ok_or("a value that is not `null`"),
        };
        match grant {
            Ok(grant) if d.is_clean() => return Ok(grant),
            Ok(_) => {}
            Err(expected) => d.report(
                "wrong_type",
                format!("a grant of this feature, of type {}, is {expected}", self.feature_type),
            ),
        }
        Err(d.into_vec())
    }

    /// Reads a list of declared options; `None` for what is no list.
    pub(super) fn read_options(&self, value: &Value, d: &mut Diagnostics) -> Option<OptionSet> {
        let mut set = OptionSet::default();
        for (index, option) in value.as_array()?.iter().enumerate() {
            d.at(index, |d| {
                let Some(name) = option.as_str() else {
                    return d.report("wrong_type", "an option is a string");
                };
                match self.options.iter().position(|declared| declared == name) {
                    Some(place) if set.insert(place) => {}
                    Some(_) => d.report("duplicate", format!("`{}` is here twice", brief(name))),
                    None => d.report(
                        "unknown_option",
                        format!("the feature has no option `{}`", brief(name)),
                    ),
                }
            });
        }
        Some(set)
    }
}

/// What a limit is, in messages.
pub(super) const A_LIMIT: &str = "an integer from 0 to 9223372036854775807, or `unlimited`";

pub(super) fn brief(text: &str) -> String {
    text.chars().take(80).collect()
}

pub(super) fn check_grace(grace_ms: u64, d: &mut Diagnostics) {
    if grace_ms > MAX_GRACE_MS {
        d.report("out_of_range", format!("a grace is at most {MAX_GRACE_MS} ms, 3660 days"));
    }
}

fn check_combine(definition: &FeatureDefinition, d: &mut Diagnostics) {
    let names = match definition.feature_type {
        FeatureType::Boolean => "a boolean combine by `any`",
        FeatureType::Limit => "a limit combine by `max` or `sum`",
        FeatureType::Options => "options combine by `union`",
        FeatureType::Json => "JSON combine by `priority`",
    };
    if !definition.feature_type.combines().contains(&definition.combine) {
        d.report("wrong_combine", format!("grants of {names}"));
    }
}

fn check_options(definition: &FeatureDefinition, d: &mut Diagnostics) {
    let options = &definition.options;
    match (definition.feature_type, options.len()) {
        (FeatureType::Options, 0) => d.report("missing_field", "a feature of options has some"),
        (FeatureType::Options, 1..=MAX_FEATURE_OPTIONS) | (_, 0) => {}
        (FeatureType::Options, _) => {
            d.report("too_many", format!("a feature has at most {MAX_FEATURE_OPTIONS} options"));
        }
        _ => d.report("not_options", "only a feature of the type `options` has options"),
    }
    for (index, option) in options.iter().enumerate().take(MAX_FEATURE_OPTIONS) {
        d.at(index, |d| {
            if !is_key(option) {
                d.report("invalid_key", "an option follows the grammar of keys");
            } else if options.iter().take(index).any(|earlier| earlier == option) {
                d.report("duplicate", format!("there are two options `{option}`"));
            }
        });
    }
}

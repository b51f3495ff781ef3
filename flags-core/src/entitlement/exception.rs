use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::Value;
use smol_str::SmolStr;

use super::definition::{ContractOverride, FeatureDefinition, FeatureType, OverrideMode};
use super::feature::{A_LIMIT, Feature, Grant};
use super::limit::Limit;
use super::option_set::OptionSet;
use super::plan::check_key;
use super::window::Window;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::key::is_key;
use crate::text::Text;

/// An override of a contract, not yet known to fit its feature.
#[derive(Debug)]
pub(super) struct Exception {
    pub(super) id: SmolStr,
    pub(super) feature: SmolStr,
    pub(super) mode: OverrideMode,
    value: Arc<Value>,
    pub(super) window: Window,
}

/// What an override does to the value of its feature.
#[derive(Debug)]
pub(super) enum Effect {
    Deny,
    Set(Grant),
    AddAmount(i64),
    AddOptions(OptionSet),
    Remove(OptionSet),
    AtLeast(Limit),
    AtMost(Limit),
}

/// Everything that is wrong with the mode and the value of an override for its feature. Pointers
/// lead into the override.
///
/// ```
/// use flags_core::{ContractOverride, FeatureDefinition, check_override};
///
/// let sso: FeatureDefinition = serde_json::from_str(r#"{"type": "boolean", "combine": "any"}"#)?;
/// let more: ContractOverride =
///     serde_json::from_str(r#"{"id": "c-7", "feature": "sso", "mode": "add", "value": 1}"#)?;
/// let problems = check_override(&sso, &more);
/// assert_eq!((&*problems[0].pointer, &*problems[0].code), ("/mode", "wrong_mode"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn check_override(
    feature: &FeatureDefinition,
    definition: &ContractOverride,
) -> Vec<Diagnostic> {
    let mut d = Diagnostics::default();
    let exception = Exception::compile(definition, &mut d);
    if !d.is_clean() {
        return d.into_vec();
    }
    let effect = Feature::compile(feature).and_then(|feature| exception.effect_on(&feature));
    effect.err().unwrap_or_default()
}

impl Exception {
    pub(super) fn compile(said: &ContractOverride, d: &mut Diagnostics) -> Self {
        if !is_key(&said.id) {
            d.at("id", |d| {
                d.report("invalid_key", "an override's id follows the grammar of keys");
            });
        }
        d.at("feature", |d| check_key("a feature", &said.feature, d));
        let value = &said.value;
        let (fits, expected) = match said.mode {
            OverrideMode::Deny => (value.is_null(), "nothing: to deny has no value"),
            OverrideMode::Set => (!value.is_null(), "a grant of the feature"),
            OverrideMode::Add => (
                value.is_i64() || value.is_array(),
                "an integer within 64 bits, or a list of options",
            ),
            OverrideMode::Remove => (value.is_array(), "a list of options"),
            OverrideMode::AtLeast | OverrideMode::AtMost => (Limit::read(value).is_some(), A_LIMIT),
        };
        if !fits {
            d.at("value", |d| d.report("wrong_type", format!("expected {expected}")));
        }
        if let Some(contract) = &said.contract {
            d.at("contract", |d| check_reference(contract, d));
        }
        Self {
            id: SmolStr::new(&said.id),
            feature: SmolStr::new(&said.feature),
            mode: said.mode,
            value: Arc::new(said.value.clone()),
            window: Window::compile(said.start.as_deref(), said.end.as_deref(), d),
        }
    }

    /// What it does to the feature, or what is wrong with it for that.
    pub(super) fn effect_on(&self, feature: &Feature) -> Result<Effect, Vec<Diagnostic>> {
        let mut d = Diagnostics::default();
        let effect = match (self.mode, feature.feature_type) {
            (OverrideMode::Deny, _) => Some(Effect::Deny),
            (OverrideMode::Set, _) => d.at("value", |d| match feature.read_grant(&self.value) {
                Ok(grant) => Some(Effect::Set(grant)),
                Err(found) => {
                    d.extend(found);
                    None
                }
            }),
            (OverrideMode::Add, FeatureType::Limit) => self.value.as_i64().map(Effect::AddAmount),
            (OverrideMode::Add, FeatureType::Options) => {
                self.options(feature, &mut d).map(Effect::AddOptions)
            }
            (OverrideMode::Remove, FeatureType::Options) => {
                self.options(feature, &mut d).map(Effect::Remove)
            }
            (OverrideMode::AtLeast, FeatureType::Limit) => {
                Limit::read(&self.value).map(Effect::AtLeast)
            }
            (OverrideMode::AtMost, FeatureType::Limit) => {
                Limit::read(&self.value).map(Effect::AtMost)
            }
            (_, other) => {
                d.at("mode", |d| {
                    d.report(
                        "wrong_mode",
                        format!("a feature of type {other} has no such override"),
                    );
                });
                None
            }
        };
        match effect {
            Some(effect) if d.is_clean() => return Ok(effect),
            None if d.is_clean() => d.at("value", |d| {
                let expected =
                    format!("not a value for a feature of type {}", feature.feature_type);
                d.report("wrong_type", expected);
            }),
            _ => {}
        }
        Err(d.into_vec())
    }

    fn options(&self, feature: &Feature, d: &mut Diagnostics) -> Option<OptionSet> {
        d.at("value", |d| feature.read_options(&self.value, d))
    }
}

fn check_reference(text: &str, d: &mut Diagnostics) {
    if !Text::CONTRACT_REFERENCE.fits(text) {
        let most = Text::CONTRACT_REFERENCE.most_bytes();
        let text = format!("a reference is a line of 1 to {most} bytes");
        d.report("invalid_reference", text);
    }
}

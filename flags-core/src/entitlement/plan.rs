use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::{Map, Value};
use smol_str::SmolStr;

use super::definition::{
    AddonDefinition, BlockEffect, PlanDefinition, PlanReference, PlanVersionDefinition,
};
use super::feature::check_grace;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::key::is_key;
use crate::limits::{MAX_GRANTS, MAX_PLAN_VERSIONS};

/// A plan, compiled: its versions in order.
#[derive(Debug)]
pub(super) struct Plan {
    versions: Box<[PlanVersion]>,
}

#[derive(Debug)]
pub(super) struct PlanVersion {
    version: u32,
    pub(super) grants: Grants,
    pub(super) grace_ms: u64,
    pub(super) after_grace: BlockEffect,
    pub(super) fallback: Option<PlanId>,
}

/// A version of a plan, by names that a decision can lend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanId {
    pub(super) plan: SmolStr,
    pub(super) version: u32,
}

/// What a version of a plan or an add-on grants: by the features' keys, sorted, and not yet known to
/// fit them.
#[derive(Debug)]
pub(super) struct Grants {
    by_feature: Box<[(SmolStr, Arc<Value>)]>,
    pub(super) priority: u32,
}

/// Everything that is wrong with a plan by itself: whether its grants fit their features, and
/// whether there is such a fallback, is not looked at.
///
/// ```
/// use flags_core::{PlanDefinition, check_plan};
///
/// let plan: PlanDefinition = serde_json::from_str(
///     r#"{"versions": [{"version": 1}, {"version": 1, "grants": {"sso": null}}]}"#,
/// )?;
/// let problems = check_plan(&plan);
/// let at: Vec<_> = problems.iter().map(|d| (&*d.pointer, &*d.code)).collect();
/// assert_eq!(
///     at,
///     [("/versions/1/grants/sso", "wrong_type"), ("/versions/1/version", "duplicate")],
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn check_plan(definition: &PlanDefinition) -> Vec<Diagnostic> {
    Plan::compile(definition).err().unwrap_or_default()
}

/// Everything that is wrong with an add-on by itself, as [`check_plan`] says it of a plan.
///
/// ```
/// let addon = serde_json::from_str(r#"{"grants": {"a feature": true}}"#)?;
/// let problems = flags_core::check_addon(&addon);
/// assert_eq!((&*problems[0].pointer, &*problems[0].code), ("/grants/a feature", "invalid_key"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn check_addon(definition: &AddonDefinition) -> Vec<Diagnostic> {
    Grants::compile_addon(definition).err().unwrap_or_default()
}

impl Plan {
    pub(super) fn compile(definition: &PlanDefinition) -> Result<Self, Vec<Diagnostic>> {
        let mut d = Diagnostics::default();
        let said = &definition.versions;
        let mut versions: Vec<PlanVersion> = Vec::with_capacity(said.len());
        d.at("versions", |d| {
            if said.is_empty() {
                d.report("missing_field", "a plan has a version");
            }
            if said.len() > MAX_PLAN_VERSIONS {
                d.report("too_many", format!("a plan has at most {MAX_PLAN_VERSIONS} versions"));
            }
            for (index, said) in said.iter().enumerate().take(MAX_PLAN_VERSIONS) {
                d.at(index, |d| {
                    let compiled = PlanVersion::compile(said, d);
                    match versions.binary_search_by_key(&said.version, |known| known.version) {
                        Err(place) => versions.insert(place, compiled),
                        Ok(_) => d.at("version", |d| {
                            let text = format!("there are two versions {}", said.version);
                            d.report("duplicate", text);
                        }),
                    }
                });
            }
        });
        if d.is_clean() { Ok(Self { versions: versions.into() }) } else { Err(d.into_vec()) }
    }

    pub(super) fn version(&self, version: u32) -> Option<&PlanVersion> {
        let place = self.versions.binary_search_by_key(&version, |known| known.version).ok()?;
        self.versions.get(place)
    }
}

impl PlanVersion {
    fn compile(said: &PlanVersionDefinition, d: &mut Diagnostics) -> Self {
        d.at("version", |d| check_version(said.version, d));
        d.at("grace_ms", |d| check_grace(said.grace_ms, d));
        let fallback = said.fallback.as_ref();
        Self {
            version: said.version,
            grants: d.at("grants", |d| Grants::compile(&said.grants, said.priority, d)),
            grace_ms: said.grace_ms,
            after_grace: said.after_grace,
            fallback: d.at("fallback", |d| fallback.map(|said| PlanId::compile(said, d))),
        }
    }
}

impl PlanId {
    fn compile(said: &PlanReference, d: &mut Diagnostics) -> Self {
        d.at("plan", |d| check_key("a plan", &said.plan, d));
        d.at("version", |d| check_version(said.version, d));
        Self { plan: SmolStr::new(&said.plan), version: said.version }
    }
}

impl Grants {
    pub(super) fn compile_addon(definition: &AddonDefinition) -> Result<Self, Vec<Diagnostic>> {
        let mut d = Diagnostics::default();
        let grants = d.at("grants", |d| Self::compile(&definition.grants, definition.priority, d));
        if d.is_clean() { Ok(grants) } else { Err(d.into_vec()) }
    }

    fn compile(said: &Map<String, Value>, priority: u32, d: &mut Diagnostics) -> Self {
        if said.len() > MAX_GRANTS {
            d.report("too_many", format!("at most {MAX_GRANTS} features are granted at once"));
        }
        for (feature, value) in said.iter().take(MAX_GRANTS) {
            d.at(feature, |d| {
                check_key("a feature", feature, d);
                if value.is_null() {
                    d.report("wrong_type", "`null` grants nothing: leave the feature out");
                }
            });
        }
        let mut by_feature: Box<[_]> =
            said.iter().map(|(key, value)| (SmolStr::new(key), Arc::new(value.clone()))).collect();
        by_feature.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { by_feature, priority }
    }

    /// The keys of the features that are granted, sorted.
    pub(super) fn features(&self) -> impl Iterator<Item = &SmolStr> {
        self.by_feature.iter().map(|(feature, _)| feature)
    }

    pub(super) fn of(&self, feature: &str) -> Option<&Arc<Value>> {
        let place = self.by_feature.binary_search_by(|(known, _)| (**known).cmp(feature)).ok()?;
        self.by_feature.get(place).map(|(_, value)| value)
    }
}

pub(super) fn check_key(what: &str, key: &str, d: &mut Diagnostics) {
    if !is_key(key) {
        d.report("invalid_key", format!("the key of {what} follows the grammar of keys"));
    }
}

pub(super) fn check_version(version: u32, d: &mut Diagnostics) {
    if version == 0 {
        d.report("out_of_range", "versions of a plan begin at 1");
    }
}

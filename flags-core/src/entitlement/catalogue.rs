use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use smol_str::SmolStr;

use super::contract::Contract;
use super::decision::EntitlementReason;
use super::definition::{AddonDefinition, FeatureDefinition, FeatureType, PlanDefinition};
use super::feature::Feature;
use super::merge::merge;
use super::moments::Intervals;
use super::plan::{Grants, Plan, PlanId, PlanVersion};
use super::timeline::Timeline;
use crate::diagnostic::Diagnostic;
use crate::key_map::hash;
use crate::ruleset::{Slot, Slots};

/// What is sold: features, plans and add-ons by their keys, compiled.
///
/// A broken one is broken alone. A clone shares everything with its origin.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    features: Slots<Known>,
    plans: BTreeMap<SmolStr, Arc<Plan>>,
    addons: BTreeMap<SmolStr, Arc<Grants>>,
}

/// A feature that is there.
#[derive(Debug)]
struct Known {
    slot: Slot,
    /// `None` for one that cannot be read.
    feature: Option<Arc<Feature>>,
}

impl Catalogue {
    /// Puts a feature in, or another definition of it.
    ///
    /// # Errors
    /// Everything that is wrong with it; it is then an invalid feature, to which nobody has access.
    pub fn set_feature(
        &mut self,
        key: &str,
        definition: &FeatureDefinition,
    ) -> Result<(), Vec<Diagnostic>> {
        let (feature, outcome) = match Feature::compile(definition) {
            Ok(feature) => (Some(Arc::new(feature)), Ok(())),
            Err(found) => (None, Err(found)),
        };
        self.set_known(key, feature);
        outcome
    }

    /// Puts a plan in, or another definition of it.
    ///
    /// # Errors
    /// Everything that is wrong with it; it is then not there, and whoever has it has access to
    /// nothing.
    pub fn set_plan(
        &mut self,
        key: &str,
        definition: &PlanDefinition,
    ) -> Result<(), Vec<Diagnostic>> {
        set(&mut self.plans, key, Plan::compile(definition))
    }

    /// Puts an add-on in, or another definition of it.
    ///
    /// # Errors
    /// Everything that is wrong with it; it is then not there, and whoever has it has access to
    /// nothing.
    pub fn set_addon(
        &mut self,
        key: &str,
        definition: &AddonDefinition,
    ) -> Result<(), Vec<Diagnostic>> {
        set(&mut self.addons, key, Grants::compile_addon(definition))
    }

    /// A feature that cannot be read: it is there, and nobody has access to it.
    pub(crate) fn set_invalid_feature(&mut self, key: &str) {
        self.set_known(key, None);
    }

    fn set_known(&mut self, key: &str, feature: Option<Arc<Feature>>) {
        let slot = self.features.slot(key);
        self.features.set(key, Some(Known { slot, feature }));
    }

    /// Takes a feature out; nothing where there is none.
    pub fn remove_feature(&mut self, key: &str) {
        self.features.set(key, None);
    }

    /// Takes a plan out; nothing where there is none. Whoever has it has access to nothing.
    pub fn remove_plan(&mut self, key: &str) {
        self.plans.remove(key);
    }

    /// Takes an add-on out; nothing where there is none. Whoever has it has access to nothing.
    pub fn remove_addon(&mut self, key: &str) {
        self.addons.remove(key);
    }

    /// What a contract grants of a feature at every instant.
    ///
    /// ```
    /// use flags_core::{Access, Catalogue, Contract, EntitlementReason, Limit, Timestamp};
    /// use serde_json::{from_value, json};
    ///
    /// let mut catalogue = Catalogue::default();
    /// catalogue.set_feature("seats", &from_value(json!({"type": "limit", "combine": "sum"}))?).unwrap();
    /// catalogue.set_plan("pro", &from_value(json!({"versions": [{
    ///     "version": 1, "grants": {"seats": 5}
    /// }]}))?).unwrap();
    /// let contract = Contract::compile(&from_value(json!({
    ///     "plan": "pro", "plan_version": 1,
    ///     "overrides": [{"id": "c-7", "feature": "seats", "mode": "add", "value": 3,
    ///                    "end": "2027-01-01T00:00:00Z"}]
    /// }))?).unwrap();
    ///
    /// let timeline = catalogue.timeline(&contract, "seats");
    /// let end = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
    /// let before = timeline.check(Timestamp::from_millis(end.as_millis() - 1));
    /// assert_eq!((before.limit, before.reason), (Some(Limit::At(8)), EntitlementReason::OverrideAdd));
    /// assert_eq!(before.valid_until, Some(end));
    /// assert_eq!(timeline.check(end).limit, Some(Limit::At(5)));
    ///
    /// let sixth = timeline.check_limit(5, 1, end);
    /// assert_eq!((sixth.access, sixth.reason), (Access::None, EntitlementReason::LimitReached));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn timeline(&self, contract: &Contract, feature: &str) -> Timeline {
        match self.features.find_by_key(feature) {
            Some(Known { slot, feature: Some(compiled) }) => {
                let mut intervals = Intervals::default();
                merge(self, contract, feature, (*slot, compiled), &mut intervals);
                Timeline::new(Some(Arc::clone(compiled)), contract.plan_since, intervals)
            }
            Some(Known { feature: None, .. }) => Timeline::none(EntitlementReason::FeatureInvalid),
            None => Timeline::none(EntitlementReason::FeatureUnknown),
        }
    }

    /// Every feature that is there, in no particular order, and its type; no type for one that cannot
    /// be read.
    ///
    /// ```
    /// use flags_core::{Catalogue, FeatureType};
    ///
    /// let mut catalogue = Catalogue::default();
    /// let sso = serde_json::from_str(r#"{"type": "boolean", "combine": "any"}"#)?;
    /// catalogue.set_feature("sso", &sso).unwrap();
    /// assert!(catalogue.features().eq([("sso", Some(FeatureType::Boolean))]));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn features(&self) -> impl Iterator<Item = (&str, Option<FeatureType>)> {
        let features = self.features.iter();
        features.map(|(key, known)| (key, known.feature.as_ref().map(|f| f.feature_type)))
    }

    /// A feature by its key; an error says why nobody has access to it.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &str) -> Result<(Slot, &Feature), EntitlementReason> {
        let known = self.features.find(hash, key).ok_or(EntitlementReason::FeatureUnknown)?;
        let feature = known.feature.as_ref().ok_or(EntitlementReason::FeatureInvalid)?;
        Ok((known.slot, feature))
    }

    pub(super) fn valid_feature(&self, key: &str) -> Option<(Slot, &Feature)> {
        self.find(hash(key), key).ok()
    }

    pub(super) fn plan(&self, id: &PlanId) -> Option<&PlanVersion> {
        self.plans.get(&id.plan)?.version(id.version)
    }

    pub(super) fn addon(&self, key: &str) -> Option<&Grants> {
        self.addons.get(key).map(|grants| &**grants)
    }
}

fn set<T>(
    all: &mut BTreeMap<SmolStr, Arc<T>>,
    key: &str,
    compiled: Result<T, Vec<Diagnostic>>,
) -> Result<(), Vec<Diagnostic>> {
    match compiled {
        Ok(compiled) => drop(all.insert(SmolStr::new(key), Arc::new(compiled))),
        Err(found) => {
            all.remove(key);
            return Err(found);
        }
    }
    Ok(())
}

use std::collections::{BTreeMap, BTreeSet};

use flags_core::{
    AddonDefinition, Catalogue, Contract, ContractDefinition, FeatureDefinition, FeatureType,
    PlanDefinition, PlanVersionDefinition, Timeline,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::service::catalogue::{definition, not_found};
use crate::service::fault::Fault;
use crate::service::model::parse;
use crate::store::{Environment, ObjectKind, View};

/// What contracts grant of limits, by the documents that are stored: only those that they name are read, each
/// once, and of a plan only the versions that count are read through and compiled. On the writer that is what every write
/// before has led to, which a ruleset in memory may not yet be.
pub(crate) struct Shelf<'v> {
    view: &'v dyn View,
    environment: &'v Environment,
    catalogue: Catalogue,
    features: BTreeMap<String, FeatureDefinition>,
    plans: BTreeMap<String, StoredPlan>,
    addons: BTreeSet<String>,
}

/// A plan that was read.
#[derive(Default)]
struct StoredPlan {
    /// Each as it is stored, by its number; those that count are taken out of it once.
    versions: BTreeMap<u32, Box<RawValue>>,
    counting: BTreeMap<u32, PlanVersionDefinition>,
    /// Whether one more counts than the catalogue has.
    has_more: bool,
}

#[derive(Deserialize)]
struct Versions {
    versions: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Number {
    version: u32,
}

impl StoredPlan {
    fn read(document: &str) -> Result<Self, Fault> {
        let Versions { versions } = parse(document)?;
        let numbered = versions.into_iter().map(|version| {
            let Number { version: number } = parse(version.get())?;
            Ok((number, version))
        });
        Ok(Self { versions: numbered.collect::<Result<_, Fault>>()?, ..Self::default() })
    }

    /// A version that counts from now on, if there is one of that number.
    fn take(&mut self, number: u32) -> Result<Option<&PlanVersionDefinition>, Fault> {
        if let Some(version) = self.versions.remove(&number) {
            self.counting.insert(number, parse(version.get())?);
            self.has_more = true;
        }
        Ok(self.counting.get(&number))
    }
}

/// What a contract names, taken from the shelf.
pub(crate) struct Taken(Contract);

impl<'v> Shelf<'v> {
    pub(crate) fn new(view: &'v dyn View, environment: &'v Environment) -> Self {
        Self {
            view,
            environment,
            catalogue: Catalogue::default(),
            features: BTreeMap::new(),
            plans: BTreeMap::new(),
            addons: BTreeSet::new(),
        }
    }

    /// Takes what a contract names. Who asks for many takes all of them first.
    pub(crate) fn take(&mut self, contract: &ContractDefinition) -> Result<Taken, Fault> {
        self.take_plans(contract)?;
        for addon in &contract.addons {
            self.take_addon(&addon.addon)?;
        }
        let compiled = Contract::compile(contract);
        let compiled =
            compiled.map_err(|_| Fault::Internal("a stored contract cannot be compiled".into()))?;
        Ok(Taken(compiled))
    }

    /// What a contract grants of a limit at every instant, beside the limit's definition.
    ///
    /// # Errors
    /// When there is no such feature, or it is no limit.
    pub(crate) fn limit(
        &mut self,
        Taken(contract): &Taken,
        key: &str,
    ) -> Result<(Timeline, &FeatureDefinition), Fault> {
        self.take_feature(key)?;
        for (plan, stored) in self.plans.iter_mut().filter(|(_, stored)| stored.has_more) {
            let versions = stored.counting.values().cloned().collect();
            // What cannot be compiled is not there, as in a ruleset.
            let _ = self.catalogue.set_plan(plan, &PlanDefinition { versions });
            stored.has_more = false;
        }
        let timeline = self.catalogue.timeline(contract, key);
        let feature = self.features.get(key);
        Ok((timeline, feature.ok_or_else(|| Fault::Internal("a feature that was read".into()))?))
    }

    fn take_feature(&mut self, key: &str) -> Result<(), Fault> {
        if self.features.contains_key(key) {
            return Ok(());
        }
        let feature: Option<FeatureDefinition> = definition(self.view, self.environment.id, key)?;
        let feature =
            feature.ok_or_else(|| not_found::<FeatureDefinition>(self.environment, key))?;
        if feature.feature_type != FeatureType::Limit {
            let message = format!(
                "the feature `{key}` is of the type `{}`: only of a limit there is something to use",
                feature.feature_type
            );
            return Err(Fault::at("", "not_a_limit", message));
        }
        // What cannot be compiled is not there, as in a ruleset.
        let _ = self.catalogue.set_feature(key, &feature);
        self.features.insert(key.to_owned(), feature);
        Ok(())
    }

    fn take_addon(&mut self, key: &str) -> Result<(), Fault> {
        if !self.addons.insert(key.to_owned()) {
            return Ok(());
        }
        let sold: Option<AddonDefinition> = definition(self.view, self.environment.id, key)?;
        if let Some(sold) = sold {
            let _ = self.catalogue.set_addon(key, &sold);
        }
        Ok(())
    }

    /// The versions that the tenant has and tries, and the one that it falls back to, whose own fallback
    /// counts for nothing.
    fn take_plans(&mut self, contract: &ContractDefinition) -> Result<(), Fault> {
        if let Some(trial) = &contract.trial {
            self.plan(&trial.plan)?.take(trial.plan_version)?;
        }
        if let (Some(plan), Some(version)) = (&contract.plan, contract.plan_version) {
            let own = self.plan(plan)?.take(version)?;
            if let Some(fallback) = own.and_then(|version| version.fallback.clone()) {
                self.plan(&fallback.plan)?.take(fallback.version)?;
            }
        }
        Ok(())
    }

    fn plan(&mut self, key: &str) -> Result<&mut StoredPlan, Fault> {
        if !self.plans.contains_key(key) {
            let stored = self.view.object(self.environment.id, ObjectKind::Plan, key)?;
            let plan = stored.map(|stored| StoredPlan::read(&stored.document)).transpose()?;
            self.plans.insert(key.to_owned(), plan.unwrap_or_default());
        }
        self.plans.get_mut(key).ok_or_else(|| Fault::Internal("a plan that was read".into()))
    }
}

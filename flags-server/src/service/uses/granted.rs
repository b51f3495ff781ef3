use std::collections::BTreeSet;

use flags_core::{
    AddonDefinition, Catalogue, Contract, ContractDefinition, FeatureDefinition, FeatureType,
    PlanDefinition, Timeline,
};

use crate::service::catalogue::{definition, not_found};
use crate::service::fault::Fault;
use crate::store::{Environment, View};

/// What a contract grants of a limit, by the documents that are stored: only those that it names are read.
/// On the writer that is what every write before has led to, which a ruleset in memory may not yet be.
pub(super) fn granted(
    view: &dyn View,
    environment: &Environment,
    contract: &ContractDefinition,
    key: &str,
) -> Result<Timeline, Fault> {
    let feature: Option<FeatureDefinition> = definition(view, environment.id, key)?;
    let feature = feature.ok_or_else(|| not_found::<FeatureDefinition>(environment, key))?;
    if feature.feature_type != FeatureType::Limit {
        let message = format!(
            "the feature `{key}` is of the type `{}`: only of a limit there is something to use",
            feature.feature_type
        );
        return Err(Fault::at("", "not_a_limit", message));
    }
    let mut catalogue = Catalogue::default();
    // What cannot be compiled is not there, as in a ruleset.
    let _ = catalogue.set_feature(key, &feature);
    add_plans(&mut catalogue, view, environment, contract)?;
    for addon in &contract.addons {
        let sold: Option<AddonDefinition> = definition(view, environment.id, &addon.addon)?;
        if let Some(sold) = sold {
            let _ = catalogue.set_addon(&addon.addon, &sold);
        }
    }
    let contract = Contract::compile(contract)
        .map_err(|_| Fault::Internal("a stored contract cannot be compiled".into()))?;
    Ok(catalogue.timeline(&contract, key))
}

/// The tenant's plan and the trial's, with those that they fall back to.
fn add_plans(
    catalogue: &mut Catalogue,
    view: &dyn View,
    environment: &Environment,
    contract: &ContractDefinition,
) -> Result<(), Fault> {
    let named = contract.plan.iter().chain(contract.trial.iter().map(|trial| &trial.plan));
    let named: BTreeSet<String> = named.cloned().collect();
    let mut fallbacks = BTreeSet::new();
    for key in &named {
        let plan: Option<PlanDefinition> = definition(view, environment.id, key)?;
        if let Some(plan) = plan {
            let all = plan.versions.iter().filter_map(|version| version.fallback.as_ref());
            fallbacks.extend(all.map(|fallback| fallback.plan.clone()));
            let _ = catalogue.set_plan(key, &plan);
        }
    }
    // A fallback's own counts for nothing.
    for key in fallbacks.difference(&named) {
        let plan: Option<PlanDefinition> = definition(view, environment.id, key)?;
        if let Some(plan) = plan {
            let _ = catalogue.set_plan(key, &plan);
        }
    }
    Ok(())
}

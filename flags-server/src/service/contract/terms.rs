use flags_core::{ContractDefinition, Diagnostic, TenantDefinition, check_override};
use serde_json::{Map, Value};

use crate::service::catalogue::Needs;
use crate::service::fault::Fault;
use crate::store::{ObjectKind, TenantReference};

/// Which parts of a contract a body names; the others stay as they are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Named {
    plan: bool,
    addons: bool,
    trial: bool,
    subscription: bool,
    overrides: bool,
    blocks: bool,
}

impl Named {
    pub(crate) fn of(body: &Map<String, Value>) -> Self {
        let is_named = |name: &str| body.contains_key(name);
        Self {
            plan: is_named("plan") || is_named("plan_version"),
            addons: is_named("addons"),
            trial: is_named("trial"),
            subscription: is_named("subscription"),
            overrides: is_named("overrides"),
            blocks: is_named("blocks"),
        }
    }

    /// What is to be of a tenant where `said` is what a body says: with what is there, where it
    /// does not say. `now` is when a tenant comes to a plan that it did not have, unless that is
    /// said, too.
    pub(crate) fn merge(
        self,
        mut said: TenantDefinition,
        present: Option<&TenantDefinition>,
        now: &str,
    ) -> TenantDefinition {
        let none = ContractDefinition::default();
        let present = present.map_or(&none, |present| &present.contract);
        let contract = &mut said.contract;
        if !self.plan {
            contract.plan.clone_from(&present.plan);
            contract.plan_version = present.plan_version;
        }
        if !self.addons {
            contract.addons.clone_from(&present.addons);
        }
        if !self.trial {
            contract.trial.clone_from(&present.trial);
        }
        if !self.subscription {
            contract.subscription.clone_from(&present.subscription);
        }
        if !self.overrides {
            contract.overrides.clone_from(&present.overrides);
        }
        if !self.blocks {
            contract.blocks.clone_from(&present.blocks);
        }
        contract.overrides.sort_by(|a, b| a.id.cmp(&b.id));
        let is_same =
            (&contract.plan, contract.plan_version) == (&present.plan, present.plan_version);
        match (&contract.plan, &contract.plan_since) {
            (None, _) => contract.plan_since = None,
            (Some(_), Some(_)) => {}
            (Some(_), None) if is_same => contract.plan_since.clone_from(&present.plan_since),
            (Some(_), None) => contract.plan_since = Some(now.to_owned()),
        }
        said
    }
}

/// What a contract names of the catalogue.
pub(crate) fn references(contract: &ContractDefinition) -> Vec<TenantReference> {
    let plan = |key: &String, version, is_own| TenantReference {
        kind: ObjectKind::Plan,
        key: key.clone(),
        version,
        is_own,
    };
    let other =
        |kind, key: &String| TenantReference { kind, key: key.clone(), version: 0, is_own: false };
    let mut references = Vec::new();
    let own = contract.plan.iter().zip(contract.plan_version);
    references.extend(own.map(|(key, version)| plan(key, version, true)));
    let tried = contract.trial.iter();
    references.extend(tried.map(|trial| plan(&trial.plan, trial.plan_version, false)));
    references.extend(contract.addons.iter().map(|had| other(ObjectKind::Addon, &had.addon)));
    let features = contract.overrides.iter().map(|exception| &exception.feature);
    references.extend(features.map(|feature| other(ObjectKind::Feature, feature)));
    references.sort_unstable();
    // Who tries what it has, has it.
    references.dedup_by(|later, first| {
        let is_same =
            (later.kind, &later.key, later.version) == (first.kind, &first.key, first.version);
        first.is_own |= is_same && later.is_own;
        is_same
    });
    references
}

/// Everything that a contract names and that is not there, or that it does not fit; pointers lead
/// into the contract.
pub(crate) fn check_needs(
    contract: &ContractDefinition,
    needs: &mut Needs<'_>,
) -> Result<Vec<Diagnostic>, Fault> {
    let mut faults = Vec::new();
    if let (Some(plan), Some(version)) = (&contract.plan, contract.plan_version) {
        faults.extend(needs.version_fault(plan, version, ["/plan", "/plan_version"])?);
    }
    if let Some(trial) = &contract.trial {
        let at = ["/trial/plan", "/trial/plan_version"];
        faults.extend(needs.version_fault(&trial.plan, trial.plan_version, at)?);
    }
    for (index, had) in contract.addons.iter().enumerate() {
        faults.extend(needs.addon_fault(&had.addon, &format!("/addons/{index}/addon"))?);
    }
    for (index, exception) in contract.overrides.iter().enumerate() {
        let at = format!("/overrides/{index}");
        let found = match needs.feature(&exception.feature)? {
            Some(feature) => check_override(feature, exception),
            None => vec![needs.unknown("/feature", ObjectKind::Feature, &exception.feature)],
        };
        faults.extend(found.into_iter().map(|mut found| {
            found.pointer.insert_str(0, &at);
            found
        }));
    }
    Ok(faults)
}

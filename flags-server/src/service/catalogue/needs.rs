//! What the catalogue and contracts say of features, plans and add-ons: whether they are there.

use std::collections::BTreeSet;

use flags_core::{Diagnostic, FeatureDefinition, PlanDefinition};

use super::item::{Document, Item};
use super::sold::Sold;
use crate::service::fault::{Fault, diagnostic};
use crate::service::needs::{Found, has};
use crate::store::{Environment, EnvironmentId, ObjectKind, View};

/// Features, plans and add-ons that are named, as they are or will be. Each is looked up once, however
/// often it is.
pub(crate) struct Needs<'v> {
    environment: &'v str,
    features: Found<'v, Option<FeatureDefinition>>,
    /// The numbers of their versions.
    plans: Found<'v, Option<BTreeSet<u32>>>,
    addons: Found<'v, bool>,
}

impl<'v> Needs<'v> {
    pub(crate) fn new(view: &'v dyn View, environment: &'v Environment) -> Self {
        let Environment { id, key, .. } = environment;
        Self {
            environment: key,
            features: Found::new(move |key| definition(view, *id, key)),
            plans: Found::new(move |key| {
                let plan: Option<PlanDefinition> = definition(view, *id, key)?;
                Ok(plan.map(|plan| numbers(&plan)))
            }),
            addons: Found::new(move |key| has(view, *id, ObjectKind::Addon, key)),
        }
    }

    pub(super) fn feature_will_be(&mut self, key: &str, definition: FeatureDefinition) {
        self.features.known.insert(key.to_owned(), Some(definition));
    }

    pub(super) fn plan_will_be(&mut self, key: &str, definition: &PlanDefinition) {
        self.plans.known.insert(key.to_owned(), Some(numbers(definition)));
    }

    pub(super) fn addon_comes(&mut self, key: &str) {
        self.addons.known.insert(key.to_owned(), true);
    }

    pub(crate) fn feature(&mut self, key: &str) -> Result<Option<&FeatureDefinition>, Fault> {
        Ok(self.features.get(key)?.as_ref())
    }

    /// What is wrong with a version of a plan that is named: its key and its number stand at these
    /// two places.
    pub(crate) fn version_fault(
        &mut self,
        plan: &str,
        version: u32,
        [at_plan, at_version]: [&str; 2],
    ) -> Result<Option<Diagnostic>, Fault> {
        Ok(match self.plans.get(plan)? {
            None => Some(self.unknown(at_plan, ObjectKind::Plan, plan)),
            Some(versions) if versions.contains(&version) => None,
            Some(_) => {
                let message = format!("the plan `{plan}` has no version {version}");
                Some(diagnostic(at_version, "unknown_version", message))
            }
        })
    }

    pub(crate) fn addon_fault(&mut self, key: &str, at: &str) -> Result<Option<Diagnostic>, Fault> {
        let is_there = *self.addons.get(key)?;
        Ok((!is_there).then(|| self.unknown(at, ObjectKind::Addon, key)))
    }

    /// Says that something is not there.
    pub(crate) fn unknown(&self, at: &str, kind: ObjectKind, key: &str) -> Diagnostic {
        let noun = kind.noun();
        let message = format!("the environment `{}` has no {noun} `{key}`", self.environment);
        diagnostic(at, &format!("unknown_{}", kind.name()), message)
    }
}

fn numbers(plan: &PlanDefinition) -> BTreeSet<u32> {
    plan.versions.iter().map(|version| version.version).collect()
}

/// The definition of something, without what people call it; `None` where it is not there.
pub(crate) fn definition<D: Sold>(
    view: &dyn View,
    environment: EnvironmentId,
    key: &str,
) -> Result<Option<D>, Fault> {
    let object = view.object(environment, D::KIND, key)?;
    let item = object.map(Item::<D>::read).transpose()?;
    Ok(item.map(|Item { document: Document { definition, .. }, .. }| definition))
}

use alloc::sync::Arc;

use smol_str::SmolStr;

use super::catalogue::Catalogue;
use super::decision::EntitlementReason;
use super::definition::Combine;
use super::feature::{Feature, Grant};
use super::limit::Limit;
use super::option_set::OptionSet;
use super::plan::{Grants, PlanId};
use super::timeline::Source;

/// What a plan, a trial or an add-on grants of one feature.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) source: Source,
    pub(super) quantity: u32,
    pub(super) priority: u32,
    /// An error where it is not there, or does not fit the feature.
    pub(super) grant: Result<Option<Grant>, ()>,
}

impl Input {
    pub(super) fn of_plan(
        catalogue: &Catalogue,
        id: &PlanId,
        key: &str,
        feature: &Feature,
    ) -> Self {
        let grants = catalogue.plan(id).map(|version| &version.grants);
        Self::of(Source::Plan(id.clone()), 1, grants, key, feature)
    }

    pub(super) fn of_addon(
        catalogue: &Catalogue,
        (addon, quantity): &(SmolStr, u32),
        key: &str,
        feature: &Feature,
    ) -> Self {
        Self::of(Source::Addon(addon.clone()), *quantity, catalogue.addon(addon), key, feature)
    }

    fn of(
        source: Source,
        quantity: u32,
        grants: Option<&Grants>,
        key: &str,
        feature: &Feature,
    ) -> Self {
        let grant = grants.ok_or(()).and_then(|grants| {
            grants.of(key).map(|value| feature.read_grant(value)).transpose().map_err(drop)
        });
        let priority = grants.map_or(0, |grants| grants.priority);
        Self { source, quantity, priority, grant }
    }
}

/// What inputs, of which none is an error, grant together, whether that is by the trial among them,
/// and the source of it.
pub(super) fn granted<'i>(
    how: Combine,
    inputs: impl Iterator<Item = &'i Input> + Clone,
    trial: Option<&Input>,
) -> Option<(Grant, EntitlementReason, Source)> {
    let (value, source) = combine(how, inputs.clone())?;
    if let Some(trial) = trial {
        let others = inputs.filter(|input| !core::ptr::eq(*input, trial));
        if combine(how, others).is_none_or(|(without, _)| without != value) {
            return Some((value, EntitlementReason::Trial, trial.source.clone()));
        }
    }
    Some((value, EntitlementReason::Granted, source.clone()))
}

/// The value that inputs grant together, and the first of those that made it what it is.
///
/// They come in the order plan, trial, add-ons by key.
fn combine<'i>(
    how: Combine,
    inputs: impl Iterator<Item = &'i Input> + Clone,
) -> Option<(Grant, &'i Source)> {
    let granting = inputs.filter_map(|input| match &input.grant {
        Ok(Some(grant)) => Some((input, grant)),
        _ => None,
    });
    let first = granting.clone().next();
    // The first that made a difference, or else the first of all.
    let source = |did: &dyn Fn(&Grant) -> bool| {
        let (input, _) = granting.clone().find(|(_, grant)| did(grant)).or(first)?;
        Some(&input.source)
    };
    match how {
        Combine::Any => Some((Grant::Boolean, source(&|_| true)?)),
        Combine::Max => {
            let highest = granting.clone().filter_map(|(_, grant)| limit(grant)).max()?;
            let source = source(&|grant| limit(grant) == Some(highest))?;
            Some((Grant::Limit(highest), source))
        }
        Combine::Sum => {
            let mut sum: i128 = 0;
            let mut is_unlimited = false;
            for (input, grant) in granting.clone() {
                match limit(grant) {
                    Some(Limit::At(limit)) => sum += i128::from(limit) * i128::from(input.quantity),
                    _ => is_unlimited = true,
                }
            }
            let source = source(&|grant| match limit(grant) {
                Some(Limit::At(limit)) => limit > 0 && !is_unlimited,
                _ => true,
            })?;
            let sum = if is_unlimited { Limit::Unlimited } else { Limit::of_sum(sum) };
            Some((Grant::Limit(sum), source))
        }
        Combine::Union => {
            let sets = granting.clone().filter_map(|(_, grant)| options(grant));
            let all = sets.fold(OptionSet::default(), OptionSet::union);
            let source = source(&|grant| options(grant).is_some_and(|set| !set.is_empty()))?;
            Some((Grant::Options(Arc::new(all)), source))
        }
        Combine::Priority => {
            // The first of the highest: `max_by_key` would be the last.
            let highest = granting.clone().map(|(input, _)| input.priority).max()?;
            let (input, grant) = granting.clone().find(|(input, _)| input.priority == highest)?;
            Some((grant.clone(), &input.source))
        }
    }
}

fn limit(grant: &Grant) -> Option<Limit> {
    match grant {
        Grant::Limit(limit) => Some(*limit),
        _ => None,
    }
}

fn options(grant: &Grant) -> Option<&OptionSet> {
    match grant {
        Grant::Options(set) => Some(set),
        _ => None,
    }
}

//! The pure merge: everything that counts for one tenant and one feature becomes a timeline.
//!
//! The steps are those of docs/semantics.md, "What holds at an instant". What is said once is read
//! once ([`Inputs::gather`]); what holds between two boundaries is decided at the first of them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::catalogue::Catalogue;
use super::combine::{Input, combine};
use super::contract::Contract;
use super::decision::{Access, EntitlementReason};
use super::definition::{BlockEffect, Lane};
use super::exception::Effect;
use super::exceptions::{InForce, apply};
use super::feature::{Feature, Grant};
use super::plan::{Grants, PlanId, PlanVersion};
use super::timeline::{Source, State, Timeline};
use super::window::Window;

pub(super) fn merge(
    catalogue: &Catalogue,
    contract: &Contract,
    key: &str,
    feature: &Arc<Feature>,
) -> Timeline {
    let inputs = Inputs::gather(catalogue, contract, key, feature);
    let mut rest: Vec<(i64, State)> = Vec::new();
    let first = inputs.state_at(i64::MIN);
    for boundary in inputs.boundaries() {
        let state = inputs.state_at(boundary);
        if rest.last().map_or(&first, |(_, state)| state) != &state {
            rest.push((boundary, state));
        }
    }
    Timeline {
        feature: Some(Arc::clone(feature)),
        plan_since: contract.plan_since,
        first,
        rest: rest.into(),
    }
}

struct Inputs<'a> {
    feature: &'a Feature,
    contract: &'a Contract,
    /// The tenant's plan is named, and not there.
    plan_is_missing: bool,
    plan: Option<Input>,
    fallback: Option<Input>,
    trial: Option<(Input, Window)>,
    addons: Vec<Input>,
    /// From when on an unpaid invoice blocks, and what that leaves.
    grace_end: Option<(i64, BlockEffect)>,
    exceptions: Vec<(InForce<'a>, Window)>,
}

impl<'a> Inputs<'a> {
    fn gather(
        catalogue: &Catalogue,
        contract: &'a Contract,
        key: &str,
        feature: &'a Feature,
    ) -> Self {
        let of_plan = |id: &PlanId| {
            let grants = catalogue.plan(id).map(|version| &version.grants);
            input(Source::Plan(id.clone()), 1, grants, key, feature)
        };
        let plan = contract.plan.as_ref();
        let version = plan.and_then(|id| catalogue.plan(id));
        let fallback = version.and_then(|version| version.fallback.as_ref());
        let addons = contract.addons.iter().map(|(addon, quantity)| {
            let source = Source::Addon(addon.clone());
            input(source, *quantity, catalogue.addon(addon), key, feature)
        });
        let exceptions = contract.overrides_of(key).iter().map(|exception| {
            let effect = exception.effect_on(feature).ok();
            (InForce { id: &exception.id, effect }, exception.window)
        });
        Self {
            feature,
            contract,
            plan_is_missing: plan.is_some() && version.is_none(),
            plan: plan.map(of_plan),
            fallback: fallback.map(of_plan),
            trial: contract.trial.as_ref().map(|(id, window)| (of_plan(id), *window)),
            addons: addons.collect(),
            grace_end: contract.unpaid_since.map(|since| grace_end(since, version)),
            exceptions: exceptions.collect(),
        }
    }

    /// Every instant at which something may change, in order.
    fn boundaries(&self) -> Vec<i64> {
        let trial = self.trial.iter().map(|(_, window)| *window);
        let exceptions = self.exceptions.iter().map(|(_, window)| *window);
        let blocks = self.contract.blocks.iter().map(|block| block.window);
        let windows = trial.chain(exceptions).chain(blocks);
        let mut boundaries: Vec<i64> = windows.flat_map(Window::boundaries).collect();
        boundaries.extend(self.contract.unpaid_since);
        boundaries.extend(self.grace_end.map(|(end, _)| end));
        boundaries.extend(self.contract.ends_at);
        boundaries.sort_unstable();
        boundaries.dedup();
        boundaries
    }

    fn state_at(&self, instant: i64) -> State {
        let has_ended = self.contract.ends_at.is_some_and(|end| end <= instant);
        let is_now = |(_, window): &&(InForce<'a>, Window)| window.contains(instant);
        let exceptions: Vec<&InForce<'a>> =
            self.exceptions.iter().filter(is_now).map(|(exception, _)| exception).collect();
        let trial =
            self.trial.as_ref().filter(|(_, window)| window.contains(instant) && !has_ended);
        let trial = trial.map(|(input, _)| input);
        let plan = if has_ended { &self.fallback } else { &self.plan };
        let addons = if has_ended { &[][..] } else { &self.addons };
        let inputs = || plan.iter().chain(trial).chain(addons);

        let is_unreadable = self.plan_is_missing
            || inputs().any(|input| input.grant.is_err())
            || exceptions.iter().any(|exception| exception.effect.is_none());
        if is_unreadable {
            return State::without_access(EntitlementReason::FeatureInvalid);
        }
        let find = |wanted: fn(&Effect) -> bool| {
            exceptions.iter().find(|exception| exception.effect.as_ref().is_some_and(wanted))
        };
        let set = find(|effect| matches!(effect, Effect::Set(_)));
        if has_ended && self.fallback.is_none() && set.is_none() {
            return State::without_access(EntitlementReason::Expired);
        }
        let block = self.block_at(instant, has_ended);
        if let Some((BlockEffect::None, lane)) = block {
            return State::without_access(EntitlementReason::Blocked(lane));
        }
        if let Some(deny) = find(|effect| matches!(effect, Effect::Deny)) {
            let source = Some(Source::Override(deny.id.clone()));
            return State { source, ..State::without_access(EntitlementReason::Denied) };
        }

        let base = match set.map(|set| (set.id, &set.effect)) {
            Some((id, Some(Effect::Set(grant)))) => {
                let source = Source::Override(id.clone());
                Some((grant.clone(), EntitlementReason::OverrideSet, source))
            }
            _ => self.combined(inputs(), trial, self.is_grace_at(instant, has_ended)),
        };
        let Some((value, reason, source)) = apply(&exceptions, base) else {
            return State::without_access(EntitlementReason::NotInPlan);
        };
        let (access, reason) = match block {
            Some((_, lane)) => (Access::ReadOnly, EntitlementReason::Blocked(lane)),
            None => (Access::Full, reason),
        };
        State { access, value: Some(value), reason, source: Some(source) }
    }

    /// What plan, trial and add-ons grant together.
    fn combined<'i>(
        &self,
        inputs: impl Iterator<Item = &'i Input> + Clone,
        trial: Option<&Input>,
        is_grace: bool,
    ) -> Option<(Grant, EntitlementReason, Source)> {
        let how = self.feature.combine;
        let (value, source) = combine(how, inputs.clone())?;
        if let Some(trial) = trial {
            let others = inputs.filter(|input| !core::ptr::eq(*input, trial));
            if combine(how, others).is_none_or(|(without, _)| without != value) {
                return Some((value, EntitlementReason::Trial, trial.source.clone()));
            }
        }
        let reason = if is_grace { EntitlementReason::Grace } else { EntitlementReason::Granted };
        Some((value, reason, source.clone()))
    }

    fn is_grace_at(&self, instant: i64, has_ended: bool) -> bool {
        let (start, end) = (self.contract.unpaid_since, self.grace_end.map(|(end, _)| end));
        start.is_some() && Window { start, end }.contains(instant) && !has_ended
    }

    /// The strongest effect of all blocks, and the first lane that has it.
    fn block_at(&self, instant: i64, has_ended: bool) -> Option<(BlockEffect, Lane)> {
        let unpaid = self.grace_end.filter(|(end, _)| *end <= instant && !has_ended);
        let unpaid = unpaid.map(|(_, effect)| (effect, Lane::Billing));
        let blocks = self.contract.blocks.iter().filter(|block| block.window.contains(instant));
        blocks.map(|block| (block.effect, block.lane)).chain(unpaid).min()
    }
}

/// When the grace of an invoice is over, and what is left then.
fn grace_end(unpaid_since: i64, plan: Option<&PlanVersion>) -> (i64, BlockEffect) {
    let (grace_ms, effect) =
        plan.map_or((0, BlockEffect::None), |plan| (plan.grace_ms, plan.after_grace));
    (unpaid_since.saturating_add_unsigned(grace_ms), effect)
}

fn input(
    source: Source,
    quantity: u32,
    grants: Option<&Grants>,
    key: &str,
    feature: &Feature,
) -> Input {
    let grant = grants.ok_or(()).and_then(|grants| {
        grants.of(key).map(|value| feature.read_grant(value)).transpose().map_err(drop)
    });
    let priority = grants.map_or(0, |grants| grants.priority);
    Input { source, quantity, priority, grant }
}

//! The pure merge: everything that counts for one tenant and one feature becomes intervals.
//!
//! The steps are those of docs/semantics.md, "What holds at an instant". What is said once is read
//! once ([`Inputs::gather`]); what holds between two boundaries is decided at the first of them.

use alloc::vec::Vec;

use super::catalogue::Catalogue;
use super::combine::{Input, granted};
use super::contract::Contract;
use super::course::Course;
use super::decision::{Access, EntitlementReason};
use super::definition::BlockEffect;
use super::exception::Effect;
use super::exceptions::{InForce, apply};
use super::feature::Feature;
use super::moments::Intervals;
use super::timeline::{GrantedBy, Source, State};
use super::window::Window;
use crate::ruleset::Slot;

/// Adds what a contract grants of a feature over all of time; neighbours differ.
pub(super) fn merge(
    catalogue: &Catalogue,
    contract: &Contract,
    key: &str,
    (slot, feature): (Slot, &Feature),
    intervals: &mut Intervals,
) {
    let inputs = Inputs::gather(catalogue, contract, key, feature);
    for start in [i64::MIN].into_iter().chain(inputs.boundaries()) {
        intervals.push(start, slot, inputs.state_at(start));
    }
}

struct Inputs<'a> {
    feature: &'a Feature,
    course: Course<'a>,
    /// The tenant's plan is named, and not there.
    plan_is_missing: bool,
    plan: Option<Input>,
    fallback: Option<Input>,
    trial: Option<Input>,
    addons: Vec<Input>,
    exceptions: Vec<(InForce<'a>, Window)>,
}

impl<'a> Inputs<'a> {
    fn gather(
        catalogue: &Catalogue,
        contract: &'a Contract,
        key: &str,
        feature: &'a Feature,
    ) -> Self {
        let of_plan = |id| Input::of_plan(catalogue, id, key, feature);
        let plan = contract.plan.as_ref();
        let version = plan.and_then(|id| catalogue.plan(id));
        let fallback = version.and_then(|version| version.fallback.as_ref());
        let addons = contract.addons.iter();
        let exceptions = contract.overrides_of(key).iter().map(|exception| {
            let effect = exception.effect_on(feature).ok();
            (InForce { id: &exception.id, effect }, exception.window)
        });
        Self {
            feature,
            course: Course::of(catalogue, contract),
            plan_is_missing: plan.is_some() && version.is_none(),
            plan: plan.map(of_plan),
            fallback: fallback.map(of_plan),
            trial: contract.trial.as_ref().map(|(id, _)| of_plan(id)),
            addons: addons.map(|addon| Input::of_addon(catalogue, addon, key, feature)).collect(),
            exceptions: exceptions.collect(),
        }
    }

    /// Every instant at which something may change, in order.
    fn boundaries(&self) -> Vec<i64> {
        let mut boundaries = self.course.boundaries();
        boundaries.extend(self.exceptions.iter().flat_map(|(_, window)| window.boundaries()));
        boundaries.sort_unstable();
        boundaries.dedup();
        boundaries
    }

    fn state_at(&self, instant: i64) -> State {
        let now = self.course.at(instant);
        let is_now = |(_, window): &&(InForce<'a>, Window)| window.contains(instant);
        let exceptions: Vec<&InForce<'a>> =
            self.exceptions.iter().filter(is_now).map(|(exception, _)| exception).collect();
        let trial = self.trial.as_ref().filter(|_| now.is_trial);
        let plan = if now.has_ended { &self.fallback } else { &self.plan };
        let addons = if now.has_ended { &[][..] } else { &self.addons };
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
        if now.has_ended && self.fallback.is_none() && set.is_none() {
            return State::without_access(EntitlementReason::Expired);
        }
        if let Some((BlockEffect::None, lane)) = now.block {
            return State::without_access(EntitlementReason::Blocked(lane));
        }
        if let Some(deny) = find(|effect| matches!(effect, Effect::Deny)) {
            let source = Some(Source::Override(deny.id.clone()));
            let granted = GrantedBy { value: None, source };
            return State { granted, ..State::without_access(EntitlementReason::Denied) };
        }

        let base = match set.map(|set| (set.id, &set.effect)) {
            Some((id, Some(Effect::Set(grant)))) => {
                let source = Source::Override(id.clone());
                Some((grant.clone(), EntitlementReason::OverrideSet, source))
            }
            _ => granted(self.feature.combine, inputs(), trial).map(|(value, reason, source)| {
                match reason {
                    EntitlementReason::Granted if now.is_grace => {
                        (value, EntitlementReason::Grace, source)
                    }
                    _ => (value, reason, source),
                }
            }),
        };
        let Some((value, reason, source)) = apply(&exceptions, base) else {
            return State::without_access(EntitlementReason::NotInPlan);
        };
        let (access, reason) = match now.block {
            Some((_, lane)) => (Access::ReadOnly, EntitlementReason::Blocked(lane)),
            None => (Access::Full, reason),
        };
        State::with(access, reason, value, source)
    }
}

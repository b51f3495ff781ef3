use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::fmt::Write;

use smol_str::SmolStr;

use super::catalogue::Catalogue;
use super::combine::{Input, granted};
use super::decision::{Access, EntitlementReason};
use super::feature::Feature;
use super::plan::{Grants, PlanId};
use super::timeline::State;
use super::touched::Touched;
use crate::key_map::Length;
use crate::ruleset::Slot;

/// Which inputs count together, for however many tenants.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Inputs {
    pub(super) plan: Option<PlanId>,
    pub(super) trial: Option<PlanId>,
    pub(super) addons: Box<[(SmolStr, u32)]>,
    /// The fallback of the plan counts instead of it, and nothing else.
    pub(super) has_ended: bool,
}

impl Inputs {
    /// A text that no other inputs have.
    pub(super) fn name(&self) -> String {
        let Self { plan, trial, addons, has_ended } = self;
        // None of these signs is in a key.
        let mut name = String::from(if *has_ended { "!" } else { "" });
        for (sign, plan) in [("/", plan), ("+", trial)] {
            if let Some(PlanId { plan, version }) = plan {
                // To write into a string does not fail.
                let _ = write!(name, "{sign}{plan} {version}");
            }
        }
        for (addon, quantity) in addons {
            let _ = write!(name, "*{addon} {quantity}");
        }
        name
    }
}

/// What inputs grant together: step 5 of docs/semantics.md, "What holds at an instant", for every
/// feature.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) inputs: Inputs,
    /// The plan's fallback, where that counts.
    fallback: Option<PlanId>,
    /// What holds of the features that are not among the states.
    pub(super) others: Others,
    /// Of the first feature that has a state.
    first: u32,
    /// Where the states of features are, by their slots from the first on; 0 for one without.
    places: Box<[u16]>,
    states: Box<[State]>,
    /// The keys of the features to which it gives access, sorted, each after its length; `None` where
    /// they are those of the package without add-ons.
    pub(super) features: Option<Box<str>>,
    /// How many add-ons there are, and their keys, each after its length.
    pub(super) addons: Box<str>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Others {
    /// What the package without add-ons says, by its number.
    As(u32),
    NoAccess(EntitlementReason),
}

impl Package {
    /// One of which it is not known yet what it grants.
    pub(super) fn unknown(inputs: Inputs, others: Others) -> Self {
        Self {
            inputs,
            fallback: None,
            others,
            first: 0,
            places: [].into(),
            states: [].into(),
            features: None,
            addons: String::new().into(),
        }
    }

    /// The plan that counts.
    pub(super) fn plan(&self) -> Option<&SmolStr> {
        let plan = if self.inputs.has_ended { &self.fallback } else { &self.inputs.plan };
        plan.as_ref().map(|id| &id.plan)
    }

    /// What inputs grant by a catalogue; `base` is the package without add-ons, if there are any.
    pub(super) fn new(catalogue: &Catalogue, inputs: Inputs, base: Option<u32>) -> Self {
        let plan = inputs.plan.as_ref().map(|id| (id, catalogue.plan(id)));
        let fallback = match plan {
            Some((_, Some(version))) if inputs.has_ended => version.fallback.clone(),
            _ => None,
        };
        let counting = if inputs.has_ended { &fallback } else { &inputs.plan };
        let counting = Counting { catalogue, plan: counting, inputs: &inputs };
        let all_are_there =
            !matches!(plan, Some((_, None))) && counting.grants().all(|grants| grants.is_some());
        let others = match base {
            _ if !all_are_there => Others::NoAccess(EntitlementReason::FeatureInvalid),
            _ if inputs.has_ended && fallback.is_none() => {
                Others::NoAccess(EntitlementReason::Expired)
            }
            Some(base) => Others::As(base),
            None => Others::NoAccess(EntitlementReason::NotInPlan),
        };
        let states = if all_are_there { counting.states() } else { BTreeMap::new() };
        let features = match others {
            Others::As(_) if !counting.adds_a_feature() => None,
            Others::NoAccess(_) if states.is_empty() => Some(String::new().into()),
            _ => Some(counting.features()),
        };
        let mut addons = String::new();
        Length(inputs.addons.len()).write(&mut addons);
        inputs.addons.iter().for_each(|(addon, _)| Length::write_text(addon, &mut addons));
        let first = states.keys().next().copied().unwrap_or_default();
        let last = states.keys().next_back().map_or(first, |last| last + 1);
        let mut places = alloc::vec![0; (last - first) as usize];
        for (place, slot) in (1..).zip(states.keys()) {
            if let Some(of_slot) = places.get_mut((slot - first) as usize) {
                *of_slot = place;
            }
        }
        let (places, states) = (places.into(), states.into_values().collect());
        let addons = addons.into();
        Self { inputs, fallback, others, first, places, states, features, addons }
    }

    /// What it says of a feature itself.
    #[inline]
    pub(super) fn state(&self, slot: Slot) -> Option<&State> {
        let place = *self.places.get(slot.number().wrapping_sub(self.first) as usize)?;
        self.states.get(usize::from(place).wrapping_sub(1))
    }

    /// Whether what was touched can make it another one.
    pub(super) fn depends_on(&self, catalogue: &Catalogue, touched: &Touched) -> bool {
        let Inputs { plan, trial, addons, .. } = &self.inputs;
        let plans = [plan, trial, &self.fallback];
        if plans.into_iter().flatten().any(|id| touched.plans.contains(&id.plan))
            || addons.iter().any(|(addon, _)| touched.addons.contains(addon))
        {
            return true;
        }
        let counting = if self.inputs.has_ended { &self.fallback } else { plan };
        let counting = Counting { catalogue, plan: counting, inputs: &self.inputs };
        let grants_one =
            |grants: &Grants| touched.features.iter().any(|key| grants.of(key).is_some());
        !touched.features.is_empty() && counting.grants().flatten().any(grants_one)
    }
}

#[derive(Clone, Copy)]
struct Counting<'c> {
    catalogue: &'c Catalogue,
    /// The plan or the fallback.
    plan: &'c Option<PlanId>,
    inputs: &'c Inputs,
}

impl<'c> Counting<'c> {
    /// What each of the inputs grants; `None` for one that is not there.
    fn grants(&self) -> impl Iterator<Item = Option<&'c Grants>> {
        let Self { catalogue, plan, inputs } = *self;
        let plans = plan.iter().chain(&inputs.trial);
        let plans = plans.map(|id| catalogue.plan(id).map(|version| &version.grants));
        plans.chain(inputs.addons.iter().map(|(addon, _)| catalogue.addon(addon)))
    }

    /// Of each feature that is there, is valid and is granted: with add-ons, of those that they grant.
    fn states(&self) -> BTreeMap<u32, State> {
        let addons = self.inputs.addons.len();
        let skipped = if addons > 0 { self.grants().count() - addons } else { 0 };
        let keys: BTreeSet<&SmolStr> =
            self.grants().skip(skipped).flatten().flat_map(Grants::features).collect();
        let valid = keys.into_iter().filter_map(|key| {
            let (slot, feature) = self.catalogue.valid_feature(key)?;
            Some((slot.number(), self.state(key, feature)))
        });
        valid.collect()
    }

    /// Whether an add-on gives access to a feature that is not there without it, or takes that away by
    /// a grant that cannot be read.
    fn adds_a_feature(&self) -> bool {
        let without = Inputs { addons: [].into(), ..self.inputs.clone() };
        let without = Counting { inputs: &without, ..*self };
        let keys = self.inputs.addons.iter().filter_map(|(addon, _)| self.catalogue.addon(addon));
        keys.flat_map(Grants::features).any(|key| {
            let valid = self.catalogue.valid_feature(key);
            valid.is_some_and(|(_, feature)| {
                self.state(key, feature).access != without.state(key, feature).access
            })
        })
    }

    /// The keys of the features to which they give access, sorted, each after its length.
    fn features(&self) -> Box<str> {
        let keys: BTreeSet<&SmolStr> = self.grants().flatten().flat_map(Grants::features).collect();
        let mut features = String::new();
        for key in keys {
            if let Some((_, feature)) = self.catalogue.valid_feature(key)
                && self.state(key, feature).access > Access::None
            {
                Length::write_text(key, &mut features);
            }
        }
        features.into()
    }

    fn state(&self, key: &str, feature: &Feature) -> State {
        let of_plan = |id| Input::of_plan(self.catalogue, id, key, feature);
        let plan = self.plan.as_ref().map(of_plan);
        let trial = self.inputs.trial.as_ref().map(of_plan);
        let addons = self.inputs.addons.iter();
        let addons: Box<[Input]> =
            addons.map(|addon| Input::of_addon(self.catalogue, addon, key, feature)).collect();
        let inputs = || plan.iter().chain(&trial).chain(&addons);
        if inputs().any(|input| input.grant.is_err()) {
            return State::without_access(EntitlementReason::FeatureInvalid);
        }
        match granted(feature.combine, inputs(), trial.as_ref()) {
            Some((value, reason, source)) => State::with(Access::Full, reason, value, source),
            None => State::without_access(EntitlementReason::NotInPlan),
        }
    }
}

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use smol_str::SmolStr;

use super::catalogue::Catalogue;
use super::check::{Entitlement, PlanSince};
use super::contract::Contract;
use super::course::Course;
use super::decision::{Access, EntitlementReason};
use super::feature::Feature;
use super::feature_list::FeatureList;
use super::merge::merge;
use super::moments::{self, Intervals, Moment, Moments, place, stages};
use super::over_time::OverTime;
use super::package::{Inputs, Package};
use super::packages::Packages;
use super::stages::{PackageNumbers, stages_of};
use super::touched::Touched;
use crate::context::PackedStrings;
use crate::numbered::Numbered;
use crate::ruleset::Slot;

/// The contracts of all tenants, but for what each tenant's record says itself.
///
/// A clone shares everything; a change to a clone copies what it touches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contracts {
    packages: Packages,
    specials: Numbered<Special>,
}

/// Where the contract of one tenant is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// It is a package, at all times: its number.
    Package(u32),
    /// It is its own: the number of that.
    Special(u32),
    /// It cannot be read.
    Broken,
}

/// A contract in which time or an override plays a part.
#[derive(Debug, Clone)]
pub(super) struct Special {
    /// All that a check reads: the intervals of features that have overrides, by their slots, and
    /// then stages.
    moments: Arc<[Moment]>,
    rest: Arc<Rest>,
}

#[derive(Debug)]
struct Rest {
    contract: Arc<Contract>,
    packages: PackageNumbers,
    /// Features that there are and that have overrides, by their keys.
    overridden: Box<[(SmolStr, Slot)]>,
}

/// What counts for a tenant at an instant.
pub(crate) struct Standing<'r> {
    contracts: &'r Contracts,
    place: Place,
    package: &'r Package,
    is_blocked: bool,
    special: Option<&'r Special>,
    now: i64,
}

impl Contracts {
    /// Keeps a contract; what holds by it is known once it is [settled](Self::settle).
    pub(crate) fn insert(&mut self, contract: Contract, touched: &mut Touched) -> Place {
        let inputs = |trial: bool, has_ended: bool| Inputs {
            plan: contract.plan.clone(),
            trial: contract.trial.as_ref().filter(|_| trial).map(|(plan, _)| plan.clone()),
            addons: if has_ended { [].into() } else { contract.addons.clone() },
            has_ended,
        };
        let mut take = |inputs| self.packages.take(inputs, touched);
        let regular = take(inputs(false, false));
        if !contract.is_special() {
            return Place::Package(regular);
        }
        let with_trial = contract.trial.is_some().then(|| take(inputs(true, false)));
        let after_end = contract.ends_at.is_some().then(|| take(inputs(false, true)));
        let packages = PackageNumbers { regular, with_trial, after_end };
        let number = self.specials.insert(Special::unknown(contract, packages));
        touched.specials.insert(number);
        Place::Special(number)
    }

    /// Keeps a contract no more.
    pub(crate) fn remove(&mut self, place: Place) {
        match place {
            Place::Package(number) => self.packages.release(number),
            Place::Special(number) => {
                if let Some(special) = self.specials.remove(number) {
                    special.rest.packages.all().for_each(|number| self.packages.release(number));
                }
            }
            Place::Broken => {}
        }
    }

    /// Accounts for what was touched.
    pub(crate) fn settle(&mut self, catalogue: &Catalogue, touched: &Touched) {
        let packages = self.packages.settle(catalogue, touched);
        let mut numbers = touched.specials.clone();
        if touched.is_of_the_catalogue() {
            let depends = |special: &Special| {
                let Rest { contract, packages: counting, .. } = &*special.rest;
                counting.all().any(|number| packages.contains(&number))
                    || contract.overridden().any(|key| touched.features.contains(key))
            };
            let dependent = self.specials.iter().filter(|(_, special)| depends(special));
            numbers.extend(dependent.map(|(number, _)| number));
        }
        for number in numbers {
            // One that was new may be gone again.
            if let Some(special) = self.specials.get_mut(number) {
                *special = special.settled(catalogue);
            }
        }
    }

    /// What a tenant's contract grants of a feature.
    #[inline]
    pub(crate) fn entitlement<'r>(
        &'r self,
        place: Place,
        slot: Slot,
        feature: &'r Feature,
        plan_since: PlanSince<'r>,
    ) -> Entitlement<'r> {
        match place {
            Place::Package(number) => {
                let always = OverTime::Always(self.packages.said(number, slot));
                Entitlement::new(Some(feature), always, plan_since)
            }
            Place::Special(number) => self.special(number, slot, feature),
            Place::Broken => Entitlement::none(EntitlementReason::FeatureInvalid),
        }
    }

    /// What counts for a tenant at an instant, which is asked for only where it matters; `None` for a
    /// contract that cannot be read.
    pub(crate) fn standing(&self, at: Place, now: impl FnOnce() -> i64) -> Option<Standing<'_>> {
        let ((number, is_blocked), special, now) = match at {
            Place::Broken => return None,
            Place::Package(number) => ((number, false), None, 0),
            Place::Special(number) => {
                let special = self.specials.get(number)?;
                let (now, stages) = (now(), stages(&special.moments));
                (stages.get(place(stages, now))?.package(), Some(special), now)
            }
        };
        let package = self.packages.package(number)?;
        Some(Standing { contracts: self, place: at, package, is_blocked, special, now })
    }

    #[inline(never)]
    fn special<'r>(&'r self, number: u32, slot: Slot, feature: &'r Feature) -> Entitlement<'r> {
        let Some(special) = self.specials.get(number) else {
            return Entitlement::none(EntitlementReason::FeatureInvalid);
        };
        let intervals = moments::of(&special.moments, slot);
        let is_overridden = !intervals.is_empty();
        let moments = if is_overridden { intervals } else { stages(&special.moments) };
        let packages = Some((&self.packages, slot));
        let over_time = OverTime::Moments(Moments { moments, packages });
        Entitlement::new(Some(feature), over_time, PlanSince::Of(&special.rest.contract))
    }
}

impl<'r> Standing<'r> {
    /// The plan; the fallback after the end of the contract.
    pub(crate) fn plan(&self) -> Option<&'r str> {
        self.package.plan().map(SmolStr::as_str)
    }

    /// The add-ons by their keys.
    pub(crate) fn addons(&self) -> PackedStrings<'r> {
        PackedStrings::new(&self.package.addons)
    }

    /// The features to which the tenant has access.
    pub(crate) fn feature_list(&self) -> FeatureList<'r> {
        let Self { contracts, place, now, .. } = *self;
        FeatureList { contracts, now, place }
    }

    /// Those of the package, sorted, each after its length; and where there are some that have
    /// overrides: these decide there.
    pub(super) fn features(self) -> (&'r str, Option<&'r Special>) {
        let packages = &self.contracts.packages;
        let packed = if self.is_blocked { "" } else { packages.features(self.package) };
        (packed, self.special)
    }
}

impl Special {
    /// One of which nothing is known before it is settled.
    fn unknown(contract: Contract, packages: PackageNumbers) -> Self {
        let (contract, overridden) = (Arc::new(contract), Box::default());
        let rest = Arc::new(Rest { contract, packages, overridden });
        Self { moments: Arc::default(), rest }
    }

    fn settled(&self, catalogue: &Catalogue) -> Self {
        let Rest { contract, packages, .. } = &*self.rest;
        let overridden = contract.overridden().filter_map(|key| {
            let (slot, feature) = catalogue.valid_feature(key)?;
            Some((key, slot, feature))
        });
        let mut overridden: Vec<_> = overridden.collect();
        let keys = overridden.iter().map(|(key, slot, _)| ((*key).clone(), *slot)).collect();
        overridden.sort_unstable_by_key(|(_, slot, _)| *slot);
        let mut intervals = Intervals::default();
        for (key, slot, feature) in overridden {
            merge(catalogue, contract, key, (slot, feature), &mut intervals);
        }
        let stages = stages_of(&Course::of(catalogue, contract), *packages);
        let (contract, packages) = (Arc::clone(contract), *packages);
        let rest = Arc::new(Rest { contract, packages, overridden: keys });
        Self { moments: intervals.and(stages).into(), rest }
    }

    /// The features that there are and that have overrides, by their keys.
    pub(super) fn overridden(&self) -> impl Iterator<Item = &(SmolStr, Slot)> {
        self.rest.overridden.iter()
    }

    /// The access to a feature that has overrides.
    pub(super) fn access(&self, slot: Slot, now: i64) -> Access {
        let intervals = moments::of(&self.moments, slot);
        intervals.get(place(intervals, now)).map_or(Access::None, Moment::access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nobody_has_any_more_is_not_kept() {
        let mut contracts = Contracts::default();
        let mut touched = Touched::default();
        let mut places = Vec::new();
        for round in 0..300 {
            let mut contract = json!({"plan": "pro", "plan_version": 1 + round % 2,
                                      "addons": [{"addon": "seats", "quantity": 1 + round % 7}]});
            if round % 3 == 0 {
                let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
                contract["trial"] =
                    json!({"plan": "max", "plan_version": 1, "start": start, "end": end});
                contract["subscription"] = json!({"ends_at": end});
            }
            let contract = serde_json::from_value(contract).unwrap();
            places.push(contracts.insert(Contract::compile(&contract).unwrap(), &mut touched));
            if round % 4 == 3 {
                contracts.remove(places.swap_remove(round * 13 % places.len()));
            }
        }
        // Two versions with seven quantities and with none; of each the one with the trial; the ends.
        assert_eq!(contracts.packages.len(), 2 * (7 + 1) * 2 + 2);
        contracts.settle(&Catalogue::default(), &touched);
        places.into_iter().for_each(|place| contracts.remove(place));
        assert_eq!((contracts.packages.len(), contracts.specials.iter().count()), (0, 0));
    }
}

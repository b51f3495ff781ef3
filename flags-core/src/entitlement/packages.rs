use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use super::catalogue::Catalogue;
use super::decision::EntitlementReason;
use super::over_time::Said;
use super::package::{Inputs, Others, Package};
use super::touched::Touched;
use crate::key_map::KeyMap;
use crate::numbered::Numbered;
use crate::ruleset::Slot;

/// Everything that is sold in fact, by numbers. One that nobody has any more is not kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Packages {
    /// By the names of their inputs.
    numbers: KeyMap<u32>,
    all: Numbered<Used>,
}

#[derive(Debug, Clone)]
struct Used {
    package: Arc<Package>,
    /// How many tenants have it, and packages are made from it.
    users: u32,
}

impl Packages {
    /// The number of the package of these inputs, with one user more.
    pub(super) fn take(&mut self, inputs: Inputs, touched: &mut Touched) -> u32 {
        let name = inputs.name();
        if let Some(number) = self.numbers.get(&name).copied() {
            if let Some(used) = self.all.get_mut(number) {
                used.users += 1;
            }
            return number;
        }
        let others = if inputs.addons.is_empty() {
            Others::NoAccess(EntitlementReason::FeatureInvalid)
        } else {
            let without = Inputs { addons: [].into(), ..inputs.clone() };
            Others::As(self.take(without, touched))
        };
        let package = Arc::new(Package::unknown(inputs, others));
        let number = self.all.insert(Used { package, users: 1 });
        // It is not there.
        let _ = self.numbers.insert(&name, number);
        touched.packages.insert(number);
        number
    }

    /// A package has one user less.
    pub(super) fn release(&mut self, number: u32) {
        let Some(used) = self.all.get_mut(number) else { return };
        used.users -= 1;
        if used.users > 0 {
            return;
        }
        if let Some(Used { package, .. }) = self.all.remove(number) {
            self.numbers.remove(&package.inputs.name());
            if let Some(base) = self.base(&package.inputs) {
                self.release(base);
            }
        }
    }

    /// The package without add-ons of one with some.
    fn base(&self, inputs: &Inputs) -> Option<u32> {
        let without = Inputs { addons: [].into(), ..inputs.clone() };
        self.numbers.get(&without.name()).copied().filter(|_| !inputs.addons.is_empty())
    }

    /// Makes those anew that depend on what was touched: their numbers.
    pub(super) fn settle(&mut self, catalogue: &Catalogue, touched: &Touched) -> BTreeSet<u32> {
        let mut numbers = touched.packages.clone();
        if touched.is_of_the_catalogue() {
            let depends = |used: &Used| used.package.depends_on(catalogue, touched);
            numbers.extend(self.all.iter().filter(|(_, u)| depends(u)).map(|(number, _)| number));
        }
        for number in &numbers {
            // One that was new may be gone again.
            let Some(inputs) = self.all.get(*number).map(|used| used.package.inputs.clone()) else {
                continue;
            };
            let base = self.base(&inputs);
            if let Some(used) = self.all.get_mut(*number) {
                used.package = Arc::new(Package::new(catalogue, inputs, base));
            }
        }
        numbers
    }

    /// What a package says of a feature.
    #[inline]
    pub(super) fn said(&self, number: u32, slot: Slot) -> Said<'_> {
        let Some(package) = self.package(number) else {
            return Said::without_access(EntitlementReason::FeatureInvalid);
        };
        match (package.state(slot), package.others) {
            (Some(state), _) => state.lend(),
            (None, Others::NoAccess(reason)) => Said::without_access(reason),
            (None, Others::As(base)) => self.said_by_base(base, slot),
        }
    }

    /// A package that is made from none.
    fn said_by_base(&self, number: u32, slot: Slot) -> Said<'_> {
        let package = self.package(number);
        let reason = match package.map(|package| package.others) {
            Some(Others::NoAccess(reason)) => reason,
            _ => EntitlementReason::FeatureInvalid,
        };
        let state = package.and_then(|package| package.state(slot));
        state.map_or(Said::without_access(reason), |state| state.lend())
    }

    /// The features to which a package gives access, packed.
    pub(super) fn features<'r>(&'r self, package: &'r Package) -> &'r str {
        let base = || match package.others {
            Others::As(base) => self.package(base)?.features.as_deref(),
            Others::NoAccess(_) => None,
        };
        package.features.as_deref().or_else(base).unwrap_or_default()
    }

    #[inline]
    pub(super) fn package(&self, number: u32) -> Option<&Package> {
        self.all.get(number).map(|used| &*used.package)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.numbers.len(), self.all.iter().count());
        self.numbers.len()
    }
}

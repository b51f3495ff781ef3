use alloc::collections::BTreeSet;

use smol_str::SmolStr;

/// What has changed of a catalogue and of contracts, and is not accounted for yet.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) features: BTreeSet<SmolStr>,
    pub(crate) plans: BTreeSet<SmolStr>,
    pub(crate) addons: BTreeSet<SmolStr>,
    /// Numbers of packages that are new.
    pub(super) packages: BTreeSet<u32>,
    /// Numbers of special contracts that are new.
    pub(super) specials: BTreeSet<u32>,
}

impl Touched {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { features, plans, addons, packages, specials } = self;
        [features, plans, addons].iter().all(|keys| keys.is_empty())
            && packages.is_empty()
            && specials.is_empty()
    }

    /// Whether the catalogue is another one.
    pub(super) fn is_of_the_catalogue(&self) -> bool {
        let Self { features, plans, addons, .. } = self;
        [features, plans, addons].iter().any(|keys| !keys.is_empty())
    }
}

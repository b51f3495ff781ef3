use alloc::sync::Arc;

use super::contract::Contract;
use super::decision::{Decision, EntitlementReason};
use super::definition::FeatureType;
use super::feature::Feature;
use super::over_time::{OverTime, Said};
use crate::time::{Now, Timestamp};

/// What a tenant's contract grants of one feature, at any instant; borrowed from a
/// [`Ruleset`](crate::Ruleset), whose [`entitlement`](crate::Ruleset::entitlement) has an example.
#[derive(Debug, Clone, Copy)]
pub struct Entitlement<'r> {
    /// Absent where there is no such feature, or an invalid one.
    pub(super) feature: Option<&'r Feature>,
    pub(super) over_time: OverTime<'r>,
    pub(super) plan_since: PlanSince<'r>,
}

/// When the tenant came to its plan; few ask.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PlanSince<'r> {
    Known(Option<i64>),
    /// As the contract says it.
    Of(&'r Arc<Contract>),
    /// As it is stored, and what reads that.
    Stored(&'r str, fn(&str) -> Option<i64>),
}

impl PlanSince<'_> {
    pub(crate) fn instant(self) -> Option<i64> {
        match self {
            Self::Known(instant) => instant,
            Self::Of(contract) => contract.plan_since,
            Self::Stored(text, read) => read(text),
        }
    }
}

impl<'r> Entitlement<'r> {
    #[inline]
    pub(super) fn new(
        feature: Option<&'r Feature>,
        over_time: OverTime<'r>,
        plan_since: PlanSince<'r>,
    ) -> Self {
        Self { feature, over_time, plan_since }
    }

    /// No access at any time.
    pub(crate) fn none(reason: EntitlementReason) -> Self {
        let said = Said::without_access(reason);
        Self::new(None, OverTime::Always(said), PlanSince::Known(None))
    }

    /// The type of the feature; `None` where there is no such feature or no such tenant, or one of them
    /// cannot be read.
    ///
    /// ```
    /// use flags_core::Ruleset;
    ///
    /// assert_eq!(Ruleset::default().entitlement("acme", "sso").feature_type(), None);
    /// ```
    #[must_use]
    #[inline]
    pub fn feature_type(self) -> Option<FeatureType> {
        self.feature.map(|feature| feature.feature_type)
    }

    /// What holds at `now`, which is asked for only where the decision has a boundary.
    ///
    /// It allocates nothing.
    #[must_use]
    #[inline]
    pub fn check(self, now: impl Now) -> Decision<'r> {
        let (said, end) = self.over_time.at(|| now.now().as_millis());
        said.decision(self.feature, end)
    }

    /// Every interval in order: its start, absent of the first, and what holds in it, whose
    /// `valid_until` is its end. Neighbours differ.
    pub fn intervals(self) -> impl Iterator<Item = (Option<Timestamp>, Decision<'r>)> {
        let places = core::iter::successors(Some(0), move |place| self.over_time.next(*place));
        places.map(move |place| {
            let start = self.over_time.start(place).map(Timestamp::from_millis);
            (start, self.decision(place))
        })
    }

    /// What holds in an interval.
    pub(super) fn decision(self, place: usize) -> Decision<'r> {
        let end = self.over_time.next(place).and_then(|next| self.over_time.start(next));
        self.over_time.said(place).decision(self.feature, end)
    }
}

//! The one way from a feature and a tenant to a decision.

use flags_core::{Decision, Entitlement, EntitlementReason, FeatureType, Now};

use super::feature::{Feature, FeatureValue};
use super::stale::refused;
use crate::layer::Loaded;

/// What is asked of an entitlement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asking {
    /// What is granted.
    Value,
    /// Whether so much more may be had.
    Amount { used: u64, requested: u64 },
}

impl Asking {
    #[inline(always)]
    fn of<'r>(self, entitlement: Entitlement<'r>, now: impl Now) -> Decision<'r> {
        match self {
            Self::Value => entitlement.check(now),
            Self::Amount { used, requested } => entitlement.check_limit(used, requested, now),
        }
    }
}

impl Loaded {
    /// What holds for a tenant and a feature, by what is known and by how old that is.
    #[inline(always)]
    pub(crate) fn decide<T: FeatureValue>(
        &self,
        feature: &Feature<T>,
        tenant: &str,
        asking: Asking,
    ) -> Decision<'_> {
        let entitlement = self.ruleset.entitlement(tenant, feature.key);
        if feature.age.is_some() {
            return self.decide_by_age(feature, entitlement, asking);
        }
        self.of_the_type(feature, entitlement, asking.of(entitlement, self.time.clock.reader()))
    }

    /// An age is a boundary, so that the clock is read, once.
    #[inline(never)]
    fn decide_by_age<'r, T: FeatureValue>(
        &self,
        feature: &Feature<T>,
        entitlement: Entitlement<'r>,
        asking: Asking,
    ) -> Decision<'r> {
        let now = self.time.clock.now();
        let known = self.of_the_type(feature, entitlement, asking.of(entitlement, now));
        match feature.age {
            Some(age) if self.time.is_older_than(age.after, now) => age.then.judge(known, T::TYPE),
            _ => known,
        }
    }

    /// The decision, if the feature is of the type that the code says.
    #[inline(always)]
    fn of_the_type<'r, T: FeatureValue>(
        &self,
        feature: &Feature<T>,
        entitlement: Entitlement<'r>,
        decision: Decision<'r>,
    ) -> Decision<'r> {
        let found = entitlement.feature_type();
        // What is seldom so is not told the decision: that stays in registers.
        if found == Some(T::TYPE) || self.is_usable(feature, found, decision.reason) {
            return decision;
        }
        refused(decision, EntitlementReason::FeatureInvalid)
    }

    /// Whether a decision holds though the feature is not of the type that the code says; that is noted.
    #[cold]
    #[inline(never)]
    fn is_usable<T: FeatureValue>(
        &self,
        feature: &Feature<T>,
        found: Option<FeatureType>,
        reason: EntitlementReason,
    ) -> bool {
        if found.is_none() && reason != EntitlementReason::FeatureUnknown {
            // Of a tenant that is not stored, or invalid: the status has that.
            return true;
        }
        self.misuses.feature(feature.key, T::TYPE, found.is_none(), &self.ruleset);
        found.is_none()
    }
}

use super::check::Entitlement;
use super::decision::{Access, Decision, EntitlementReason};
use super::definition::{FeatureType, OverLimit, OverLimitPolicy};
use super::feature::{Feature, Grant};
use super::limit::Limit;
use crate::time::{Now, Timestamp};

impl<'r> Entitlement<'r> {
    /// Whether `requested` more of a limit may be had at `now` where `used` are there already.
    ///
    /// To request 0 asks whether what is there may be used: after a downgrade, that is what the
    /// feature's [`OverLimit`] says. A feature that is not a limit is denied.
    ///
    /// `now` is asked for at most once, and only where the decision has a boundary. It allocates
    /// nothing.
    #[must_use]
    #[inline]
    pub fn check_limit(self, used: u64, requested: u64, now: impl Now) -> Decision<'r> {
        let is_limit = |feature: &Feature| feature.feature_type == FeatureType::Limit;
        if !self.feature.is_none_or(is_limit) {
            let reason = EntitlementReason::FeatureInvalid;
            let remaining = Some(Limit::At(0));
            return Decision { remaining, ..Self::none(reason).decision(0) };
        }
        let now_ms = (!self.over_time.is_always()).then(|| now.now().as_millis());
        let place = now_ms.map_or(0, |now| self.over_time.place(now));
        let decision = self.decision(place);
        let Some(limit) = decision.limit.filter(|_| decision.access > Access::None) else {
            return Decision { remaining: Some(Limit::At(0)), ..decision };
        };
        let decision = Decision { remaining: Some(limit.minus(used)), ..decision };
        // Beyond 64 bits is beyond every limit, too.
        if limit.holds(used.saturating_add(requested)) {
            return decision;
        }
        if requested > 0 {
            return reached(decision, Access::None);
        }
        self.after_downgrade(decision, (place, used), now_ms, now)
    }

    /// Of few tenants, and so not where all others are decided.
    #[inline(never)]
    fn after_downgrade(
        self,
        decision: Decision<'r>,
        (place, used): (usize, u64),
        now_ms: Option<i64>,
        now: impl Now,
    ) -> Decision<'r> {
        let downgrade = self.downgrade(place, used);
        let now_ms = match now_ms {
            None if downgrade.plan_since.is_some() => now.now().as_millis(),
            known => known.unwrap_or_default(),
        };
        downgrade.leaves(decision, now_ms)
    }

    /// What the feature says of those who use more than their limit; the default of one that says nothing, or
    /// is not there.
    ///
    /// ```
    /// use flags_core::{OverLimitPolicy, Ruleset};
    ///
    /// let seats = Ruleset::default().entitlement("acme", "seats").over_limit();
    /// assert_eq!((seats.policy, seats.grace_ms), (OverLimitPolicy::BlockGrowth, 0));
    /// ```
    #[must_use]
    pub fn over_limit(self) -> OverLimit {
        self.feature.map_or_else(OverLimit::default, |feature| feature.over_limit)
    }

    fn downgrade(self, place: usize, used: u64) -> Downgrade {
        let policy = self.over_limit();
        // Another start of the plan begins the grace anew.
        let plan_since = self.plan_since.instant().filter(|_| policy.grace_ms > 0);
        Downgrade { policy, plan_since, since: self.below_since(place, used) }
    }

    /// Since when the limit is below `used` without a pause; `None` where that is always.
    fn below_since(self, place: usize, used: u64) -> Option<i64> {
        let is_below = |place: &usize| match self.over_time.said(*place).value() {
            Some(Grant::Limit(limit)) => !limit.holds(used),
            _ => true,
        };
        let first = (0..=place).rev().take_while(is_below).last();
        first.and_then(|first| self.over_time.start(first))
    }
}

/// A tenant uses more than its limit.
#[derive(Clone, Copy)]
struct Downgrade {
    policy: OverLimit,
    plan_since: Option<i64>,
    /// Since when it does, as far as its limit is known.
    since: Option<i64>,
}

impl OverLimitPolicy {
    /// The most access that it leaves after the grace.
    const fn leaves(self) -> Access {
        match self {
            Self::BlockGrowth => Access::Full,
            Self::ReadOnly => Access::ReadOnly,
            Self::None => Access::None,
        }
    }
}

impl Downgrade {
    /// When its grace is over, where it is not.
    fn grace_end(self, now: i64) -> Option<i64> {
        let grace_ms = i64::try_from(self.policy.grace_ms).unwrap_or(i64::MAX);
        let begun = self.plan_since.filter(|since| *since <= now);
        let downgrade = begun.max(self.since)?;
        Some(downgrade.saturating_add(grace_ms)).filter(|grace_end| now < *grace_end)
    }

    /// What is left of a decision.
    fn leaves(self, decision: Decision<'_>, now: i64) -> Decision<'_> {
        let end = decision.valid_until.map(Timestamp::as_millis);
        let to_come = self.plan_since.filter(|since| *since > now);
        let grace_end = self.grace_end(now);
        let left = match grace_end {
            Some(_) => Access::Full,
            None => self.policy.policy.leaves(),
        };
        let valid_until = [end, to_come, grace_end].into_iter().flatten().min();
        let decision =
            Decision { valid_until: valid_until.map(Timestamp::from_millis), ..decision };
        if left < decision.access || decision.access == Access::Full {
            reached(decision, left)
        } else {
            decision
        }
    }
}

fn reached(decision: Decision<'_>, access: Access) -> Decision<'_> {
    Decision { access, reason: EntitlementReason::LimitReached, ..decision }
}

use super::decision::{Access, Decision, EntitlementReason};
use super::definition::{FeatureType, OverLimit, OverLimitPolicy};
use super::feature::Grant;
use super::limit::Limit;
use super::timeline::Timeline;
use crate::time::{Now, Timestamp};

impl Timeline {
    /// Whether `requested` more of a limit may be had at `now` where `used` are there already.
    ///
    /// To request 0 asks whether what is there may be used: after a downgrade, that is what the
    /// feature's [`OverLimit`] says. A feature that is not a limit is denied.
    #[must_use]
    pub fn check_limit(&self, used: u64, requested: u64, now: impl Now) -> Decision<'_> {
        let (is_limit, policy) = self.feature.as_ref().map_or((true, OverLimit::default()), |f| {
            (f.feature_type == FeatureType::Limit, f.over_limit)
        });
        let grace_depends_on_time = policy.grace_ms > 0 && self.plan_since.is_some();
        let (place, now) = if self.rest.is_empty() && !grace_depends_on_time {
            (0, 0)
        } else {
            let now = now.now().as_millis();
            (self.place(now), now)
        };
        let decision = self.decision(place);
        let limit = match decision.limit {
            Some(limit) if decision.access > Access::None => limit,
            _ if is_limit => return Decision { remaining: Some(Limit::At(0)), ..decision },
            _ => {
                return Decision {
                    access: Access::None,
                    value: None,
                    limit: None,
                    remaining: Some(Limit::At(0)),
                    reason: EntitlementReason::FeatureInvalid,
                    source: None,
                    valid_until: None,
                };
            }
        };
        let decision = Decision { remaining: Some(limit.minus(used)), ..decision };
        // Beyond 64 bits is beyond every limit, too.
        if limit.holds(used.saturating_add(requested)) {
            return decision;
        }
        if requested > 0 {
            return reached(decision, Access::None);
        }
        self.over_limit(decision, policy, place, used, now)
    }

    /// What is left to a tenant that uses more than its limit.
    fn over_limit<'r>(
        &self,
        decision: Decision<'r>,
        policy: OverLimit,
        place: usize,
        used: u64,
        now: i64,
    ) -> Decision<'r> {
        let end = decision.valid_until.map(Timestamp::as_millis);
        let grace_ms = i64::try_from(policy.grace_ms).unwrap_or(i64::MAX);
        // A later start of the plan begins the grace anew.
        let plan_since = self.plan_since.filter(|_| grace_ms > 0);
        let begun = plan_since.filter(|since| *since <= now);
        let to_come = plan_since.filter(|since| *since > now);
        let downgrade = begun.max(self.below_since(place, used));
        let grace_end = downgrade
            .map(|downgrade| downgrade.saturating_add(grace_ms))
            .filter(|grace_end| now < *grace_end);
        let left = match policy.policy {
            _ if grace_end.is_some() => Access::Full,
            OverLimitPolicy::BlockGrowth => Access::Full,
            OverLimitPolicy::ReadOnly => Access::ReadOnly,
            OverLimitPolicy::None => Access::None,
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

    /// Since when the limit is below `used` without a pause; `None` where that is always.
    fn below_since(&self, place: usize, used: u64) -> Option<i64> {
        let is_below = |place: &usize| match self.state(*place).value {
            Some(Grant::Limit(limit)) => !limit.holds(used),
            _ => true,
        };
        let first = (0..=place).rev().take_while(is_below).last();
        first.and_then(|first| self.start(first))
    }
}

fn reached(decision: Decision<'_>, access: Access) -> Decision<'_> {
    Decision { access, reason: EntitlementReason::LimitReached, ..decision }
}

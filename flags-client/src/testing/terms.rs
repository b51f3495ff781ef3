//! What a tenant's contract says beside its plan.

use std::time::Duration;

use flags_core::{
    BlockDefinition, BlockEffect, ContractOverride, Lane, Limit, SubscriptionDefinition,
    SubscriptionState,
};

use super::clock::Instant;
use super::exception::TestOverride;
use super::package::TestPackage;
use super::tenant::TestTenant;
use crate::entitlement::{Feature, FeatureValue};

impl TestTenant {
    /// An invoice is unpaid since then. Unless a [grace](Self::grace) is given, access ends at once.
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    #[track_caller]
    pub fn past_due_since(self, at: impl Instant) -> Self {
        let unpaid_since = Some(at.timestamp().to_string());
        let state = SubscriptionState::PastDue;
        self.with(|tenant| {
            let subscription = tenant.contract.subscription.get_or_insert_with(active);
            *subscription = SubscriptionDefinition {
                state,
                unpaid_since,
                ends_at: subscription.ends_at.take(),
            };
        })
    }

    /// How long the plan waits for an unpaid invoice.
    pub fn grace(self, grace: Duration) -> Self {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.with(|tenant| tenant.grace_ms = grace_ms)
    }

    /// After the grace, the plan leaves read-only access.
    pub fn read_only_after_grace(self) -> Self {
        self.with(|tenant| tenant.after_grace = BlockEffect::ReadOnly)
    }

    /// The contract ends then, and nothing is left but a [fallback](Self::fallback).
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    #[track_caller]
    pub fn ends_at(self, at: impl Instant) -> Self {
        let ends_at = Some(at.timestamp().to_string());
        self.with(|tenant| {
            tenant.contract.subscription.get_or_insert_with(active).ends_at = ends_at;
        })
    }

    /// The plan is on trial until then, and there is none after it.
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    #[track_caller]
    pub fn trial_until(self, end: impl Instant) -> Self {
        let end = Some(end.timestamp().to_string());
        self.with(|tenant| (tenant.trial_end, tenant.trial) = (end, None))
    }

    /// An exception of the contract: at least so many until then.
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    #[track_caller]
    pub fn at_least_until(self, feature: &Feature<Limit>, limit: u64, end: impl Instant) -> Self {
        self.except(feature, TestOverride::at_least(limit).until(end))
    }

    /// An exception of the contract: not this feature.
    pub fn denied<T: FeatureValue>(self, feature: &Feature<T>) -> Self {
        self.except(feature, TestOverride::deny())
    }

    /// Somebody blocks the tenant: no access to anything.
    pub fn blocked(self, lane: Lane) -> Self {
        self.block(lane, BlockEffect::None, None)
    }

    /// Somebody blocks the tenant: read-only access to everything.
    pub fn read_only(self, lane: Lane) -> Self {
        self.block(lane, BlockEffect::ReadOnly, None)
    }

    /// Somebody blocks the tenant from one instant to another: no access to anything.
    ///
    /// # Panics
    /// If one is a text and not RFC 3339.
    ///
    /// ```
    /// use flags_client::testing::TestFlags;
    /// use flags_client::{Feature, Lane};
    ///
    /// const SSO: Feature = Feature::new("sso");
    ///
    /// let (start, end) = ("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z");
    /// let test = TestFlags::new()
    ///     .at(start)
    ///     .tenant("acme")
    ///     .feature(&SSO)
    ///     .blocked_between(Lane::Fraud, start, end);
    /// let flags = test.client();
    /// assert!(!flags.entitlement(&SSO, "acme").is_readable());
    /// test.clock().set(end);
    /// assert!(flags.entitlement(&SSO, "acme").is_allowed());
    /// ```
    #[track_caller]
    pub fn blocked_between(self, lane: Lane, start: impl Instant, end: impl Instant) -> Self {
        self.block(lane, BlockEffect::None, Some(window(start, end)))
    }

    /// Somebody blocks the tenant from one instant to another: read-only access to everything.
    ///
    /// # Panics
    /// If one is a text and not RFC 3339.
    ///
    /// ```
    /// use flags_client::testing::TestFlags;
    /// use flags_client::{Feature, Lane};
    ///
    /// const EXPORTS: Feature = Feature::new("exports");
    ///
    /// let test = TestFlags::new()
    ///     .at("2026-12-01T00:00:00Z")
    ///     .tenant("acme")
    ///     .feature(&EXPORTS)
    ///     .read_only_between(Lane::Legal, "2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z");
    /// let ruling = test.client().entitlement(&EXPORTS, "acme");
    /// assert!(ruling.is_readable() && !ruling.is_allowed());
    /// ```
    #[track_caller]
    pub fn read_only_between(self, lane: Lane, start: impl Instant, end: impl Instant) -> Self {
        self.block(lane, BlockEffect::ReadOnly, Some(window(start, end)))
    }

    /// The tenant has so many of an add-on. Tenants share add-ons: of one key, all grant the same.
    /// [`TestPackage`] has an example.
    ///
    /// # Panics
    /// If an add-on of this key grants something else, or the tenant has it already.
    #[track_caller]
    pub fn addon(mut self, addon: &TestPackage, quantity: u32) -> Self {
        self.flags.declare_package(addon);
        for other in &self.flags.tenants {
            let known = other.addons.iter().find(|(known, _)| known.key == addon.key);
            let is_same = known.is_none_or(|(known, _)| known == addon);
            assert!(is_same, "the add-on `{}` grants two different things", addon.key);
        }
        let has_it =
            self.flags.tenants.last().is_some_and(|tenant| {
                tenant.addons.iter().any(|(known, _)| known.key == addon.key)
            });
        assert!(!has_it, "the tenant has the add-on `{}` twice", addon.key);
        self.with(|tenant| tenant.addons.push((addon.clone(), quantity)))
    }

    /// The tenant tries another plan beside its own, from one instant to another.
    ///
    /// # Panics
    /// If one is a text and not RFC 3339.
    ///
    /// ```
    /// use flags_client::testing::{TestFlags, TestPackage};
    /// use flags_client::{Feature, Limit};
    ///
    /// const SSO: Feature = Feature::new("sso");
    /// const SEATS: Feature<Limit> = Feature::new("seats");
    ///
    /// let max = TestPackage::new("max").feature(&SSO);
    /// let (start, end) = ("2026-12-01T00:00:00Z", "2026-12-15T00:00:00Z");
    /// let test = TestFlags::new()
    ///     .at(start)
    ///     .tenant("acme")
    ///     .plan("pro")
    ///     .limit(&SEATS, 5)
    ///     .trial(&max, start, end);
    /// let flags = test.client();
    /// assert_eq!(flags.entitlement(&SSO, "acme").reason.name(), "trial");
    /// test.clock().set(end);
    /// assert_eq!(flags.entitlement(&SSO, "acme").reason.name(), "not_in_plan");
    /// assert!(flags.limit(&SEATS, "acme").check(4).is_allowed());
    /// ```
    #[track_caller]
    pub fn trial(mut self, plan: &TestPackage, start: impl Instant, end: impl Instant) -> Self {
        self.flags.declare_package(plan);
        let (start, end) = window(start, end);
        let trial = Some((plan.clone(), start, end));
        self.with(|tenant| (tenant.trial, tenant.trial_end) = (trial, None))
    }

    /// The customer has cancelled, and the contract ends then: as [`ends_at`](Self::ends_at), for what
    /// shows the state.
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    #[track_caller]
    pub fn cancelled(self, ends_at: impl Instant) -> Self {
        let (state, ends_at) =
            (SubscriptionState::Cancelled, Some(ends_at.timestamp().to_string()));
        self.with(|tenant| {
            let subscription = SubscriptionDefinition { state, unpaid_since: None, ends_at };
            tenant.contract.subscription = Some(subscription);
        })
    }

    /// What the plan leaves when the contract has ended; nothing unless said.
    ///
    /// ```
    /// use flags_client::testing::{TestFlags, TestPackage};
    /// use flags_client::{EntitlementSource, Feature, Limit};
    ///
    /// const SEATS: Feature<Limit> = Feature::new("seats");
    ///
    /// let free = TestPackage::new("free").limit(&SEATS, 1);
    /// let test = TestFlags::new()
    ///     .at("2027-01-01T00:00:00Z")
    ///     .tenant("acme")
    ///     .plan("pro")
    ///     .limit(&SEATS, 5)
    ///     .fallback(&free)
    ///     .cancelled("2027-01-01T00:00:00Z");
    /// let flags = test.client().snapshot();
    /// let seats = flags.entitlement(&SEATS, "acme");
    /// assert_eq!(seats.limit, Some(Limit::At(1)));
    /// assert_eq!(seats.source, Some(EntitlementSource::Plan { plan: "free", version: 1 }));
    /// ```
    pub fn fallback(mut self, plan: &TestPackage) -> Self {
        self.flags.declare_package(plan);
        let fallback = Some(plan.clone());
        self.with(|tenant| tenant.fallback = fallback)
    }

    /// When the tenant came to its plan, from which on [over-limit](Self::over_limit) grace counts;
    /// at the beginning of time unless said.
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    ///
    /// ```
    /// use flags_client::testing::{OverLimit, OverLimitPolicy, TestFlags};
    /// use flags_client::{Access, Feature, Limit};
    ///
    /// const SEATS: Feature<Limit> = Feature::new("seats");
    ///
    /// let after_a_minute = OverLimit { policy: OverLimitPolicy::ReadOnly, grace_ms: 60_000 };
    /// let test = TestFlags::new()
    ///     .at("2026-12-01T00:00:00Z")
    ///     .tenant("acme")
    ///     .limit(&SEATS, 5)
    ///     .over_limit(&SEATS, after_a_minute)
    ///     .on_plan_since("2026-12-01T00:00:00Z");
    /// let flags = test.client();
    /// assert!(flags.limit(&SEATS, "acme").standing(8).is_allowed());
    /// test.clock().set("2026-12-01T00:01:00Z");
    /// assert_eq!(flags.limit(&SEATS, "acme").standing(8).access, Access::ReadOnly);
    /// ```
    #[track_caller]
    pub fn on_plan_since(self, at: impl Instant) -> Self {
        let since = Some(at.timestamp().to_string());
        self.with(|tenant| tenant.contract.plan_since = since)
    }

    /// The priority of the plan, by which one of several JSON values is granted; 0 unless said.
    ///
    /// ```
    /// use flags_client::testing::{TestFlags, TestPackage};
    /// use flags_client::{Feature, Granted, Json};
    /// use serde_json::json;
    ///
    /// const THEME: Feature<Json> = Feature::new("theme");
    ///
    /// let brand = TestPackage::new("brand").json(&THEME, json!("own")).priority(1);
    /// let acme = TestFlags::new().tenant("acme").json(&THEME, json!("plain")).addon(&brand, 1);
    /// let flags = acme.priority(2).client().snapshot();
    /// let theme = flags.entitlement(&THEME, "acme");
    /// assert_eq!(theme.value, Some(Granted::Json(&json!("plain"))));
    /// ```
    pub fn priority(self, priority: u32) -> Self {
        self.with(|tenant| tenant.priority = priority)
    }

    /// An exception of the contract; [`TestOverride`] has an example.
    pub fn except<T: FeatureValue>(mut self, feature: &Feature<T>, over: TestOverride<T>) -> Self {
        self.flags.declare(feature.key(), T::TYPE);
        self.flags.declare_options(feature.key(), &over.value);
        self.with(|tenant| {
            let overrides = &mut tenant.contract.overrides;
            let id = format!("exception-{}", overrides.len() + 1);
            let (feature, contract) = (feature.key().to_owned(), None);
            let TestOverride { mode, value, start, end, .. } = over;
            overrides.push(ContractOverride { id, feature, mode, value, start, end, contract });
        })
    }

    fn block(self, lane: Lane, effect: BlockEffect, window: Option<(String, String)>) -> Self {
        let (start, end) = window.unzip();
        self.with(|tenant| {
            tenant.contract.blocks.push(BlockDefinition { lane, effect, start, end });
        })
    }
}

#[track_caller]
fn window(start: impl Instant, end: impl Instant) -> (String, String) {
    (start.timestamp().to_string(), end.timestamp().to_string())
}

fn active() -> SubscriptionDefinition {
    let state = SubscriptionState::Active;
    SubscriptionDefinition { state, unpaid_since: None, ends_at: None }
}

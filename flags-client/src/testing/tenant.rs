use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use flags_core::{
    BlockDefinition, BlockEffect, Combine, ContractDefinition, ContractOverride, FeatureDefinition,
    FeatureType, Lane, Limit, OverLimit, OverrideMode, OverrideValue, PlanVersionDefinition,
    SubscriptionDefinition, SubscriptionState, TenantDefinition, TrialDefinition,
};
use serde_json::{Map, Value};

use super::TestFlags;
use super::clock::Instant;
use crate::entitlement::{Feature, FeatureValue, Json, Options};

/// The plan of a tenant that is said to have something, and not by which plan.
const SOME_PLAN: &str = "some-plan";

/// A tenant of a test and the contract that it has: from [`TestFlags::tenant`].
///
/// What is said with it is about this tenant, up to the next one. It is also the [`TestFlags`]
/// itself, of which clients are made.
///
/// What a tenant is given belongs to its plan. Each tenant has a version of its plan of its own, so
/// that two tenants of the plan `pro` may have different limits in one test.
#[derive(Debug, Clone)]
#[must_use]
pub struct TestTenant {
    flags: TestFlags,
}

/// What is known of one tenant.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub(super) key: String,
    pub(super) plan: Option<String>,
    pub(super) grants: Map<String, Value>,
    grace_ms: u64,
    after_grace: BlockEffect,
    trial_end: Option<String>,
    contract: ContractDefinition,
    pub(super) used: BTreeMap<&'static str, u64>,
}

impl Tenant {
    pub(super) fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            plan: None,
            grants: Map::new(),
            grace_ms: 0,
            after_grace: BlockEffect::None,
            trial_end: None,
            contract: ContractDefinition::default(),
            used: BTreeMap::new(),
        }
    }

    /// The key of its plan.
    pub(super) fn plan(&self) -> &str {
        self.plan.as_deref().unwrap_or(SOME_PLAN)
    }

    /// Its version of its plan.
    pub(super) fn plan_version(&self, version: u32) -> PlanVersionDefinition {
        PlanVersionDefinition {
            version,
            grants: self.grants.clone(),
            priority: 0,
            grace_ms: self.grace_ms,
            after_grace: self.after_grace,
            fallback: None,
        }
    }

    pub(super) fn definition(&self, version: u32) -> TenantDefinition {
        let mut contract = self.contract.clone();
        let plan = self.plan().to_owned();
        match &self.trial_end {
            None => (contract.plan, contract.plan_version) = (Some(plan), Some(version)),
            Some(end) => {
                let start = "0000-01-01T00:00:00Z".to_owned();
                let end = end.clone();
                contract.trial = Some(TrialDefinition { plan, plan_version: version, start, end });
            }
        }
        TenantDefinition { attributes: Map::new(), contract }
    }
}

impl TestTenant {
    pub(super) fn new(flags: TestFlags) -> Self {
        Self { flags }
    }

    /// The key of its plan, for what shows where a value comes from.
    pub fn plan(self, key: &str) -> Self {
        self.with(|tenant| tenant.plan = Some(key.to_owned()))
    }

    /// The plan includes a feature.
    pub fn feature(self, feature: &Feature) -> Self {
        self.grants(feature, Value::Bool(true))
    }

    /// The plan includes so many.
    pub fn limit(self, feature: &Feature<Limit>, limit: u64) -> Self {
        self.grants(feature, limit.into())
    }

    /// The plan includes as many as there are.
    pub fn unlimited(self, feature: &Feature<Limit>) -> Self {
        self.grants(feature, "unlimited".into())
    }

    /// The plan includes these options.
    pub fn options(self, feature: &Feature<Options>, options: &[&str]) -> Self {
        let mut this = self.grants(feature, options.into());
        this.flags.declare_options(feature.key(), options);
        this
    }

    /// The plan includes a feature with this value.
    pub fn json(self, feature: &Feature<Json>, value: Value) -> Self {
        self.grants(feature, value)
    }

    /// The feature is sold, and the plan does not include it.
    pub fn without<T: FeatureValue>(mut self, feature: &Feature<T>) -> Self {
        self.flags.declare(feature);
        self.with(|tenant| {
            tenant.grants.remove(feature.key());
        })
    }

    /// What the tenant uses of a limit, for the service under test to ask:
    /// [`TestFlags::usage`].
    pub fn used(mut self, feature: &Feature<Limit>, used: u64) -> Self {
        self.flags.declare(feature);
        self.with(|tenant| {
            tenant.used.insert(feature.key(), used);
        })
    }

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

    /// The contract ends then.
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
        self.with(|tenant| tenant.trial_end = end)
    }

    /// An exception of the contract: at least so many until then.
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    #[track_caller]
    pub fn at_least_until(self, feature: &Feature<Limit>, limit: u64, end: impl Instant) -> Self {
        let end = Some(end.timestamp().to_string());
        self.exception(feature, OverrideMode::AtLeast, limit.into(), end)
    }

    /// An exception of the contract: not this feature.
    pub fn denied<T: FeatureValue>(self, feature: &Feature<T>) -> Self {
        self.exception(feature, OverrideMode::Deny, Value::Null, None)
    }

    /// Somebody blocks the tenant: no access to anything.
    pub fn blocked(self, lane: Lane) -> Self {
        self.block(lane, BlockEffect::None)
    }

    /// Somebody blocks the tenant: read-only access to everything.
    pub fn read_only(self, lane: Lane) -> Self {
        self.block(lane, BlockEffect::ReadOnly)
    }

    /// A feature as it is sold: what happens to those who use more than its limit.
    pub fn over_limit(mut self, feature: &Feature<Limit>, over_limit: OverLimit) -> Self {
        self.flags.declare(feature).over_limit = Some(over_limit);
        self
    }

    /// Another tenant; what is said next is about that one.
    pub fn tenant(self, key: &str) -> Self {
        self.flags.tenant(key)
    }

    /// A flag that serves this value to everybody: [`TestFlags::flag`].
    pub fn flag<T: OverrideValue>(
        mut self,
        flag: &flags_core::Flag<T>,
        value: T::Given<'_>,
    ) -> Self {
        self.flags = self.flags.flag(flag, value);
        self
    }

    fn grants<T: FeatureValue>(mut self, feature: &Feature<T>, grant: Value) -> Self {
        self.flags.declare(feature);
        self.with(|tenant| {
            tenant.grants.insert(feature.key().to_owned(), grant);
        })
    }

    fn exception<T: FeatureValue>(
        mut self,
        feature: &Feature<T>,
        mode: OverrideMode,
        value: Value,
        end: Option<String>,
    ) -> Self {
        self.flags.declare(feature);
        self.with(|tenant| {
            let overrides = &mut tenant.contract.overrides;
            let id = format!("exception-{}", overrides.len() + 1);
            let feature = feature.key().to_owned();
            let (start, contract) = (None, None);
            overrides.push(ContractOverride { id, feature, mode, value, start, end, contract });
        })
    }

    fn block(self, lane: Lane, effect: BlockEffect) -> Self {
        self.with(|tenant| {
            let block = BlockDefinition { lane, effect, start: None, end: None };
            tenant.contract.blocks.push(block);
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Tenant)) -> Self {
        if let Some(tenant) = self.flags.tenants.last_mut() {
            change(tenant);
        }
        self
    }
}

impl Deref for TestTenant {
    type Target = TestFlags;

    fn deref(&self) -> &TestFlags {
        &self.flags
    }
}

fn active() -> SubscriptionDefinition {
    let state = SubscriptionState::Active;
    SubscriptionDefinition { state, unpaid_since: None, ends_at: None }
}

/// A feature of this type, as it is sold unless something else is said.
pub(super) fn sold(feature_type: FeatureType) -> FeatureDefinition {
    let combine = match feature_type {
        FeatureType::Boolean => Combine::Any,
        FeatureType::Limit => Combine::Sum,
        FeatureType::Options => Combine::Union,
        FeatureType::Json => Combine::Priority,
    };
    FeatureDefinition { feature_type, combine, options: Vec::new(), over_limit: None }
}

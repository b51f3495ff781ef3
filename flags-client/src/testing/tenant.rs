use std::collections::BTreeMap;
use std::ops::Deref;

use flags_core::{
    AddonQuantity, BlockEffect, Combine, ContractDefinition, FeatureDefinition, FeatureType, Limit,
    OverLimit, OverrideValue, PlanDefinition, PlanReference, PlanVersionDefinition,
    TenantDefinition, TrialDefinition,
};
use serde_json::{Map, Value};

use super::TestFlags;
use super::package::TestPackage;
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
    pub(super) flags: TestFlags,
}

/// What is known of one tenant.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub(super) key: String,
    pub(super) plan: Option<String>,
    pub(super) grants: Map<String, Value>,
    pub(super) priority: u32,
    pub(super) grace_ms: u64,
    pub(super) after_grace: BlockEffect,
    /// The plan itself is on trial until then.
    pub(super) trial_end: Option<String>,
    /// Another plan is, from one instant to another.
    pub(super) trial: Option<(TestPackage, String, String)>,
    pub(super) fallback: Option<TestPackage>,
    pub(super) addons: Vec<(TestPackage, u32)>,
    /// Without what names plans and add-ons.
    pub(super) contract: ContractDefinition,
    pub(super) used: BTreeMap<&'static str, u64>,
}

impl Tenant {
    pub(super) fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            plan: None,
            grants: Map::new(),
            priority: 0,
            grace_ms: 0,
            after_grace: BlockEffect::None,
            trial_end: None,
            trial: None,
            fallback: None,
            addons: Vec::new(),
            contract: ContractDefinition::default(),
            used: BTreeMap::new(),
        }
    }

    /// The key of its plan.
    pub(super) fn plan(&self) -> &str {
        self.plan.as_deref().unwrap_or(SOME_PLAN)
    }

    /// Its version of its plan.
    fn plan_version(&self, version: u32, fallback: Option<PlanReference>) -> PlanVersionDefinition {
        PlanVersionDefinition {
            version,
            grants: self.grants.clone(),
            priority: self.priority,
            grace_ms: self.grace_ms,
            after_grace: self.after_grace,
            fallback,
        }
    }

    /// What is stored of it; what it names of plans is added to them.
    pub(super) fn definition(&self, plans: &mut Plans) -> TenantDefinition {
        let mut contract = self.contract.clone();
        let version_of = |package: &TestPackage, plans: &mut Plans| {
            plans.add(&package.key, |version| package.plan_version(version))
        };
        let fallback = self.fallback.as_ref().map(|fallback| version_of(fallback, plans));
        let PlanReference { plan, version } =
            plans.add(self.plan(), |version| self.plan_version(version, fallback));
        if let Some((package, start, end)) = &self.trial {
            let PlanReference { plan, version } = version_of(package, plans);
            let (start, end) = (start.clone(), end.clone());
            contract.trial = Some(TrialDefinition { plan, plan_version: version, start, end });
        }
        match &self.trial_end {
            None => (contract.plan, contract.plan_version) = (Some(plan), Some(version)),
            Some(end) => {
                let start = "0000-01-01T00:00:00Z".to_owned();
                let end = end.clone();
                contract.trial = Some(TrialDefinition { plan, plan_version: version, start, end });
            }
        }
        let addons = self.addons.iter();
        contract.addons = addons
            .map(|(package, quantity)| AddonQuantity {
                addon: package.key.clone(),
                quantity: *quantity,
            })
            .collect();
        TenantDefinition { attributes: Map::new(), contract }
    }
}

/// Plans by their keys, to which a version is added wherever one is named.
#[derive(Debug, Default)]
pub(super) struct Plans(pub(super) BTreeMap<String, PlanDefinition>);

impl Plans {
    fn add(
        &mut self,
        key: &str,
        version: impl FnOnce(u32) -> PlanVersionDefinition,
    ) -> PlanReference {
        let empty = || PlanDefinition { versions: Vec::new() };
        let versions = &mut self.0.entry(key.to_owned()).or_insert_with(empty).versions;
        let number = versions.last().map_or(1, |last| last.version + 1);
        versions.push(version(number));
        PlanReference { plan: key.to_owned(), version: number }
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
        self.grants(feature, options.into())
    }

    /// The plan includes a feature with this value.
    pub fn json(self, feature: &Feature<Json>, value: Value) -> Self {
        self.grants(feature, value)
    }

    /// The feature is sold, and the plan does not include it.
    pub fn without<T: FeatureValue>(mut self, feature: &Feature<T>) -> Self {
        self.flags.declare(feature.key(), T::TYPE);
        self.with(|tenant| {
            tenant.grants.remove(feature.key());
        })
    }

    /// What the tenant uses of a limit, for the service under test to ask:
    /// [`TestFlags::usage`].
    pub fn used(mut self, feature: &Feature<Limit>, used: u64) -> Self {
        self.flags.declare(feature.key(), FeatureType::Limit);
        self.with(|tenant| {
            tenant.used.insert(feature.key(), used);
        })
    }

    /// A feature as it is sold: what happens to those who use more than its limit.
    pub fn over_limit(mut self, feature: &Feature<Limit>, over_limit: OverLimit) -> Self {
        self.flags.declare(feature.key(), FeatureType::Limit).over_limit = Some(over_limit);
        self
    }

    /// A feature as it is sold: how grants of a plan, a trial and add-ons become one value. Of limits,
    /// those are added up unless said.
    ///
    /// ```
    /// use flags_client::testing::{Combine, TestFlags, TestPackage};
    /// use flags_client::{Feature, Limit};
    ///
    /// const FILE_SIZE: Feature<Limit> = Feature::new("file-size");
    ///
    /// let large = TestPackage::new("large-files").limit(&FILE_SIZE, 500);
    /// let test = TestFlags::new()
    ///     .tenant("acme")
    ///     .limit(&FILE_SIZE, 20)
    ///     .addon(&large, 3)
    ///     .combine(&FILE_SIZE, Combine::Max);
    /// assert_eq!(test.client().entitlement(&FILE_SIZE, "acme").limit, Some(Limit::At(500)));
    /// ```
    pub fn combine<T: FeatureValue>(mut self, feature: &Feature<T>, combine: Combine) -> Self {
        self.flags.declare(feature.key(), T::TYPE).combine = combine;
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
        self.flags.declare(feature.key(), T::TYPE);
        self.flags.declare_options(feature.key(), &grant);
        self.with(|tenant| {
            tenant.grants.insert(feature.key().to_owned(), grant);
        })
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Tenant)) -> Self {
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

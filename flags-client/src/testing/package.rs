use flags_core::{AddonDefinition, BlockEffect, FeatureType, Limit, PlanVersionDefinition};
use serde_json::{Map, Value};

use crate::entitlement::{Feature, FeatureValue, Json, Options};

/// What is sold together beside a tenant's own plan: an [add-on](super::TestTenant::addon), a plan
/// to [try](super::TestTenant::trial), or one to [fall back](super::TestTenant::fallback) to.
///
/// ```
/// use flags_client::testing::{TestFlags, TestPackage};
/// use flags_client::{Feature, Limit};
///
/// const SEATS: Feature<Limit> = Feature::new("seats");
///
/// let pack = TestPackage::new("seats-10").limit(&SEATS, 10);
/// let test = TestFlags::new().tenant("acme").plan("pro").limit(&SEATS, 5).addon(&pack, 2);
/// assert_eq!(test.client().entitlement(&SEATS, "acme").limit, Some(Limit::At(25)));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct TestPackage {
    pub(super) key: String,
    priority: u32,
    pub(super) grants: Vec<Grant>,
}

/// What is granted of one feature.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grant {
    pub(super) feature: &'static str,
    pub(super) feature_type: FeatureType,
    pub(super) value: Value,
}

impl TestPackage {
    /// A plan or an add-on of this key, which grants nothing yet.
    pub fn new(key: &str) -> Self {
        Self { key: key.to_owned(), priority: 0, grants: Vec::new() }
    }

    /// It includes a feature.
    pub fn feature(self, feature: &Feature) -> Self {
        self.grant(feature, true.into())
    }

    /// It includes so many.
    pub fn limit(self, feature: &Feature<Limit>, limit: u64) -> Self {
        self.grant(feature, limit.into())
    }

    /// It includes as many as there are.
    pub fn unlimited(self, feature: &Feature<Limit>) -> Self {
        self.grant(feature, "unlimited".into())
    }

    /// It includes these options.
    pub fn options(self, feature: &Feature<Options>, options: &[&str]) -> Self {
        self.grant(feature, options.into())
    }

    /// It includes a feature with this value.
    pub fn json(self, feature: &Feature<Json>, value: Value) -> Self {
        self.grant(feature, value)
    }

    /// Of several JSON values, that of the highest priority is granted; 0 unless said.
    ///
    /// ```
    /// use flags_client::testing::{TestFlags, TestPackage};
    /// use flags_client::{EntitlementSource, Feature, Json};
    /// use serde_json::json;
    ///
    /// const THEME: Feature<Json> = Feature::new("theme");
    ///
    /// let brand = TestPackage::new("brand").json(&THEME, json!("own")).priority(1);
    /// let test = TestFlags::new().tenant("acme").json(&THEME, json!("plain")).addon(&brand, 1);
    /// let flags = test.client().snapshot();
    /// let theme = flags.entitlement(&THEME, "acme");
    /// assert_eq!(theme.source, Some(EntitlementSource::Addon("brand")));
    /// ```
    pub fn priority(self, priority: u32) -> Self {
        Self { priority, ..self }
    }

    fn grant<T: FeatureValue>(mut self, feature: &Feature<T>, value: Value) -> Self {
        let (feature, feature_type) = (feature.key(), T::TYPE);
        self.grants.retain(|grant| grant.feature != feature);
        self.grants.push(Grant { feature, feature_type, value });
        self
    }

    fn granted(&self) -> Map<String, Value> {
        let grants = self.grants.iter();
        grants.map(|grant| (grant.feature.to_owned(), grant.value.clone())).collect()
    }

    pub(super) fn addon_definition(&self) -> AddonDefinition {
        AddonDefinition { grants: self.granted(), priority: self.priority }
    }

    pub(super) fn plan_version(&self, version: u32) -> PlanVersionDefinition {
        PlanVersionDefinition {
            version,
            grants: self.granted(),
            priority: self.priority,
            grace_ms: 0,
            after_grace: BlockEffect::None,
            fallback: None,
        }
    }
}

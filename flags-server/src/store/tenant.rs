//! What is stored of tenants.

use std::ops::RangeInclusive;

use flags_core::Revision;

use super::{EnvironmentId, ObjectKind, Page, StoreResult};

/// What is stored of a tenant, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredTenant {
    pub(crate) key: String,
    /// The revision that last changed it.
    pub(crate) version: Revision,
    /// A [`flags_core::TenantDefinition`].
    pub(crate) document: String,
    /// What people say of its contract, as JSON, where there is something: not for SDKs.
    pub(crate) notes: Option<String>,
}

impl StoredTenant {
    /// What it counts towards the limit of an environment.
    pub(crate) fn bytes(&self) -> usize {
        self.key.len() + self.document.len() + self.notes.as_ref().map_or(0, String::len)
    }
}

/// What the contract of a tenant names of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TenantReference {
    pub(crate) kind: ObjectKind,
    pub(crate) key: String,
    /// Of a plan; 0 of anything else.
    pub(crate) version: u32,
    /// Whether it is the plan that the tenant has, and not only one that it tries.
    pub(crate) is_own: bool,
}

/// Versions of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanVersions<'p> {
    pub(crate) plan: &'p str,
    pub(crate) versions: RangeInclusive<u32>,
}

/// How many tenants an environment stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TenantCounts {
    pub(crate) tenants: u64,
    /// Bytes of their keys, documents and notes.
    pub(crate) bytes: u64,
}

/// The stored tenants of an environment.
pub(crate) trait StoredTenants {
    /// Tenants of an environment.
    fn tenants(&self, environment: EnvironmentId, page: &Page) -> StoreResult<Vec<StoredTenant>>;

    fn tenant(&self, environment: EnvironmentId, key: &str) -> StoreResult<Option<StoredTenant>>;

    /// Those of whose contracts people have something to say: which have overrides.
    fn tenants_with_overrides(
        &self,
        environment: EnvironmentId,
        page: &Page,
    ) -> StoreResult<Vec<StoredTenant>>;

    /// Some tenants whose contracts name something of the catalogue, up to `limit`; of a plan those of
    /// one version, where one is given.
    fn tenants_that_name(
        &self,
        environment: EnvironmentId,
        of: (ObjectKind, &str, Option<u32>),
        limit: u32,
    ) -> StoreResult<Vec<String>>;

    /// Tenants that have one of these versions of a plan, and which, sorted by version and key, after one.
    fn tenants_on(
        &self,
        environment: EnvironmentId,
        of: &PlanVersions<'_>,
        after: Option<(u32, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<(u32, StoredTenant)>>;

    /// How many there are of these.
    fn count_on(&self, environment: EnvironmentId, of: &PlanVersions<'_>) -> StoreResult<u64>;

    /// What all tenants of an environment come to.
    fn tenant_counts(&self, environment: EnvironmentId) -> StoreResult<TenantCounts>;
}

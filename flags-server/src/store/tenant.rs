//! What is stored of tenants.

use flags_core::Revision;

use super::{EnvironmentId, Page, StoreResult};

/// What is stored of a tenant, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredTenant {
    pub(crate) key: String,
    /// The revision that last changed it.
    pub(crate) version: Revision,
    /// A [`flags_core::TenantDefinition`].
    pub(crate) document: String,
}

/// How many tenants an environment stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TenantCounts {
    pub(crate) tenants: u64,
    /// Bytes of their keys and documents.
    pub(crate) bytes: u64,
}

/// The stored tenants of an environment.
pub(crate) trait StoredTenants {
    /// Tenants of an environment.
    fn tenants(&self, environment: EnvironmentId, page: &Page) -> StoreResult<Vec<StoredTenant>>;

    fn tenant(&self, environment: EnvironmentId, key: &str) -> StoreResult<Option<StoredTenant>>;

    /// What all tenants of an environment come to.
    fn tenant_counts(&self, environment: EnvironmentId) -> StoreResult<TenantCounts>;
}

use flags_core::Revision;

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

//! What this version can evaluate beyond the first version of the format.

/// The capabilities that an object may list in `needs` and that this version has.
///
/// A definition that an older client would misread (a new operator, a new gate) names a capability
/// here; a client without it treats that object alone as invalid. The first version of the format
/// needs none.
///
/// `tenants` is to see the attributes of [stored tenants](crate::TenantDefinition), `entitlements` to
/// decide on their contracts: [`flag_needs`](crate::flag_needs) says which flags cannot do without.
///
/// ```
/// let needs = ["time-travel"];
/// let meets_them = needs.iter().all(|need| flags_core::CAPABILITIES.contains(need));
/// assert!(!meets_them);
/// ```
pub const CAPABILITIES: &[&str] = &["tenants", "entitlements"];

use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::entitlement::ContractDefinition;

/// What is stored about a tenant, by its key: attributes that rules may ask for without a service
/// sending them, and its contract.
///
/// Where the context names the tenant by key and does not say an attribute itself, the stored one
/// holds. Values are as in contexts: booleans, integers, floats, strings and lists of strings.
///
/// ```
/// use flags_core::TenantDefinition;
///
/// let acme: TenantDefinition = serde_json::from_str(
///     r#"{"attributes": {"country": "DE", "employees": 120, "regions": ["eu", "us"]}}"#,
/// )?;
/// assert!(flags_core::check_tenant(&acme).is_empty());
///
/// let globex: TenantDefinition = serde_json::from_str(
///     r#"{"attributes": {"country": "FR"}, "plan": "pro", "plan_version": 2}"#,
/// )?;
/// assert_eq!(globex.contract.plan.as_deref(), Some("pro"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TenantDefinition {
    /// By their names, without the kind: `country` is what rules call `tenant.country`.
    #[serde(default, deserialize_with = "super::plain::object")]
    pub attributes: Map<String, Value>,
    /// What it has bought; in JSON, its members stand beside `attributes`.
    #[serde(flatten)]
    pub contract: ContractDefinition,
}

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What one tenant has bought, and every exception that it was given.
///
/// Instants are RFC 3339. A window begins at its start and ends before its end.
///
/// ```
/// use flags_core::ContractDefinition;
///
/// let acme: ContractDefinition = serde_json::from_str(r#"{
///     "plan": "pro", "plan_version": 1,
///     "addons": [{"addon": "seats-10", "quantity": 2}],
///     "subscription": {"state": "past_due", "unpaid_since": "2026-11-20T12:00:00Z"},
///     "overrides": [{"id": "contract-7", "feature": "seats", "mode": "at_least", "value": 50,
///                    "end": "2027-01-01T00:00:00Z"}]
/// }"#)?;
/// assert!(flags_core::check_contract(&acme).is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContractDefinition {
    /// The key of the tenant's plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The version of the plan; there with `plan`, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_version: Option<u32>,
    /// When the tenant came to this version of this plan; over-limit grace counts from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_since: Option<String>,
    /// Each add-on once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addons: Vec<AddonQuantity>,
    /// Another plan to try, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialDefinition>,
    /// Whether it is paid for, and until when it is; active where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionDefinition>,
    /// Exceptions, in any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<ContractOverride>,
    /// What takes access away, in any order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<BlockDefinition>,
}

/// An add-on, and how many of it a tenant has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddonQuantity {
    /// The add-on's key.
    pub addon: String,
    /// From 1 to [`MAX_ADDON_QUANTITY`](crate::MAX_ADDON_QUANTITY).
    pub quantity: u32,
}

/// A plan that counts beside the tenant's own, in a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialDefinition {
    /// The plan's key.
    pub plan: String,
    /// The plan's version.
    pub plan_version: u32,
    /// When it begins.
    pub start: String,
    /// When it is over.
    pub end: String,
}

/// Whether a tenant pays, and until when its contract lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionDefinition {
    /// Active where it is absent.
    #[serde(default)]
    pub state: SubscriptionState,
    /// Since when an invoice is unpaid; there where the state is `past_due`, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpaid_since: Option<String>,
    /// From when on the plan's fallback holds; needed where the state is `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<String>,
}

/// How a subscription stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// Paid for.
    #[default]
    Active,
    /// An invoice is unpaid: the plan's grace runs, or is over.
    PastDue,
    /// It ends, or has ended.
    Cancelled,
}

/// An exception of a contract, for one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContractOverride {
    /// Names it in decisions; a tenant has it once.
    pub id: String,
    /// The feature's key.
    pub feature: String,
    /// What it does.
    pub mode: OverrideMode,
    /// What it does it with: absent under `deny`. [`check_override`](crate::check_override) says
    /// whether it fits the feature.
    #[serde(
        default,
        deserialize_with = "crate::definition::plain::value",
        skip_serializing_if = "Value::is_null"
    )]
    pub value: Value,
    /// When it begins; always there where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// When it is over; never where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Where it is agreed, for people: up to
    /// [`MAX_CONTRACT_REFERENCE_BYTES`](crate::MAX_CONTRACT_REFERENCE_BYTES) in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
}

/// What a [`ContractOverride`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideMode {
    /// No access.
    Deny,
    /// This value instead of what plan, trial and add-ons grant.
    Set,
    /// So much more of a limit, or less; options that come to the others.
    Add,
    /// Options that are taken away.
    Remove,
    /// A limit not below this.
    AtLeast,
    /// A limit not above this.
    AtMost,
}

/// Takes access to every feature away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDefinition {
    /// Who blocks.
    pub lane: Lane,
    /// What is left.
    pub effect: BlockEffect,
    /// When it begins; always there where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// When it is over; never where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// Who blocks a tenant: what one lane takes away, no other gives back.
///
/// ```
/// use flags_core::Lane;
///
/// assert_eq!(Lane::Fraud.name(), "fraud");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Unpaid.
    Billing,
    /// Suspected of fraud.
    Fraud,
    /// By a person's decision.
    Manual,
    /// By law.
    Legal,
}

impl Lane {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Fraud => "fraud",
            Self::Manual => "manual",
            Self::Legal => "legal",
        }
    }
}

/// What a block leaves of the access; the stronger is less.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum BlockEffect {
    /// Nothing.
    #[default]
    None,
    /// Reading.
    ReadOnly,
}

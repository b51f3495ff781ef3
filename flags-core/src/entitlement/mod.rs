//! Entitlements: what a tenant's contract grants of a feature, at any instant.

mod catalogue;
mod combine;
mod contract;
mod decision;
mod definition;
mod exception;
mod exceptions;
mod feature;
mod limit;
mod merge;
mod option_set;
mod over_limit;
mod plan;
mod timeline;
mod window;

pub use catalogue::Catalogue;
pub use contract::{Contract, check_contract};
pub use decision::{
    Access, Decision, EntitlementReason, EntitlementSource, Granted, GrantedOptions,
};
pub use definition::shape::{ADDON, CONTRACT, FEATURE, PLAN};
pub use definition::{
    AddonDefinition, AddonQuantity, BlockDefinition, BlockEffect, Combine, ContractDefinition,
    ContractOverride, FeatureDefinition, FeatureType, Lane, OverLimit, OverLimitPolicy,
    OverrideMode, PlanDefinition, PlanReference, PlanVersionDefinition, SubscriptionDefinition,
    SubscriptionState, TrialDefinition,
};
pub use exception::check_override;
pub use feature::{check_feature, check_grant};
pub use limit::Limit;
pub use plan::{check_addon, check_plan};
pub use timeline::Timeline;

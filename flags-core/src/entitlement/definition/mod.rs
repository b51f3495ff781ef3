//! What was said of the catalogue and of contracts: serde types, as written, not yet known to be
//! right.

mod catalogue;
mod contract;
pub(crate) mod shape;

pub use catalogue::{
    AddonDefinition, Combine, FeatureDefinition, FeatureType, OverLimit, OverLimitPolicy,
    PlanDefinition, PlanReference, PlanVersionDefinition,
};
pub use contract::{
    AddonQuantity, BlockDefinition, BlockEffect, ContractDefinition, ContractOverride, Lane,
    OverrideMode, SubscriptionDefinition, SubscriptionState, TrialDefinition,
};

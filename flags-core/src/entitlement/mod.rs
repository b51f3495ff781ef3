//! Entitlements: what a tenant's contract grants of a feature, at any instant.
//!
//! ```text
//!   definitions ──compile──▶ Catalogue ─┐
//!                            Contract  ─┴─merge──▶ Timeline ──check(now)──▶ Decision<'_>
//! ```
//!
//! A merge looks at everything that one tenant has for one feature, a few dozen things at most. A
//! check looks at what was worked out when the ruleset was made.
//!
//! # How a million tenants are stored
//!
//! A timeline for every tenant and feature would be a million times a hundred of them. A decision has
//! three parts, each of which belongs to somebody else ([`Contracts`]):
//!
//! - **A package** is a version of a plan, the trial's if one runs, and a set of add-ons with their
//!   quantities. It decides step 5, the combination, for every feature that they grant. There are as
//!   many as are sold in fact, hundreds, and a tenant names its own by number. One with add-ons says
//!   only what they change, and leaves the rest to the package without them. A changed plan makes its
//!   packages anew and touches no tenant.
//! - **Stages** are the steps 1 to 3, which are the same for all features of a tenant: up to this
//!   instant this package and no block, from then on that package. A tenant that pays, tries nothing
//!   and is not blocked has no stages, only its package.
//! - **Timelines** are there only for a feature of which a tenant has overrides. With the stages behind
//!   them they are one piece of memory, a line for each [moment](moments::Moment); the contract that
//!   they are made from lies elsewhere.
//!
//! A check finds the tenant's record ([`crate::ruleset`] keeps it). Most lead to a package, and there by
//! the feature's slot to a state: no search, no clock. Otherwise it goes to what is special about the
//! tenant, and searches the timeline of this feature, or the stages.
//!
//! What a change costs: a tenant, its record in one chunk of the table ([`crate::key_map`] shares the
//! others) and, if it is special, its stages and timelines. A plan, its packages, and the stages and
//! timelines of those special tenants that have it; to find these, each special tenant is looked at,
//! which takes a small part of what a merge does.

mod catalogue;
mod check;
mod combine;
mod contract;
mod contracts;
mod course;
mod decision;
mod definition;
mod exception;
mod exceptions;
mod feature;
mod feature_key;
mod feature_list;
mod limit;
mod merge;
mod moments;
mod option_set;
mod over_limit;
mod over_time;
mod package;
mod packages;
mod plan;
mod stages;
mod timeline;
mod touched;
mod window;

pub use catalogue::Catalogue;
pub use check::Entitlement;
pub(crate) use check::PlanSince;
pub use contract::{Contract, check_contract};
pub(crate) use contracts::{Contracts, Place};
pub use decision::{
    Access, Decision, EntitlementReason, EntitlementSource, Granted, GrantedOptions,
};
pub use definition::shape::{
    ADDON, BLOCK_FIELDS, CONTRACT, CONTRACT_FIELDS, FEATURE, OVERRIDE_FIELDS, PLAN, PLAN_VERSION,
};
pub use definition::{
    AddonDefinition, AddonQuantity, BlockDefinition, BlockEffect, Combine, ContractDefinition,
    ContractOverride, FeatureDefinition, FeatureType, Lane, OverLimit, OverLimitPolicy,
    OverrideMode, PlanDefinition, PlanReference, PlanVersionDefinition, SubscriptionDefinition,
    SubscriptionState, TrialDefinition,
};
pub use exception::check_override;
pub(crate) use feature::Feature;
pub use feature::{check_feature, check_grant};
pub use feature_key::FeatureKey;
pub use feature_list::FeatureList;
pub use limit::Limit;
pub use plan::{check_addon, check_plan};
pub use timeline::Timeline;
pub(crate) use touched::Touched;

//! Entitlements: what a tenant's contract grants of a feature, at any instant.
//!
//! ```text
//!   definitions ──compile──▶ Catalogue ─┐
//!                            Contract  ─┴─merge──▶ Timeline ──check(now)──▶ Decision<'_>
//! ```
//!
//! A merge looks at everything that one tenant has for one feature, a few dozen things at most. A
//! check looks at the timeline alone.
//!
//! # How a million tenants are to be stored
//!
//! Nothing stores timelines yet. A timeline for every tenant and feature would be a million times a
//! hundred of them; the budget is 200 bytes for a tenant, its key and its attributes included. What
//! makes that possible is that a decision has three parts, each of which belongs to somebody else:
//!
//! - **A package** is a version of a plan, with the trial's if one runs, and a set of add-ons with
//!   their quantities. It decides step 5, the combination, for every feature. There are as many as
//!   are sold in fact, hundreds, and a tenant names its own by a number of four bytes. A table from
//!   numbers to packages is in between, so that a changed plan makes its packages anew and touches no
//!   tenant.
//! - **Stages** are the steps 1 to 3, which are the same for all features of a tenant: up to this
//!   instant this package and no block, from then on that package, from then on nothing. A tenant that
//!   pays, tries nothing and is not blocked has no stages, only its package. The others have a short
//!   list of them, a start, a package and an effect each: about 24 bytes for each boundary.
//! - **Exceptions** are the steps 4, 6 and 7. Only a feature of which a tenant has overrides has a
//!   timeline of its own for that tenant, beside the contract's overrides that it is made from.
//!
//! A check finds the tenant's record. Without stages and exceptions, that is most often, it goes on to
//! the package and there by the feature's slot to a state: no search, no clock. With an override of
//! this feature it searches that timeline, otherwise the stages.
//!
//! 950,000 plain tenants then take the table's slot, the key, the four bytes and the attributes, as
//! stored tenants do today; 50,000 with two overrides each take some 700 bytes more, 35 MB. States lend
//! their values and names from the catalogue, and do not own them as timelines do now.
//!
//! What a change costs: a tenant, its record in one chunk of the table ([`crate::key_map`] shares the
//! others) and the timelines of its exceptions. A plan, its packages, and the timelines of those who
//! have it *and* exceptions: an index from plan to such tenants finds them, and 25,000 merges of some
//! microseconds are within the 250 ms, on the side of the writer; a reader goes on with the ruleset that
//! it has.

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
pub use definition::shape::{ADDON, CONTRACT, FEATURE, PLAN, PLAN_VERSION};
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

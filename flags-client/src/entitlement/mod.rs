//! What a tenant's contract grants: the core decides; here the answer becomes what a service does.
//!
//! ```text
//!   Feature, tenant ──core──▶ Decision ──age──▶ Ruling ──verdict──▶ Allowed | ReadOnly | Refused
//! ```

mod ask;
mod feature;
#[cfg(feature = "axum")]
mod guard;
mod limit_of;
mod refusal;
mod ruling;
mod stale;

pub(crate) use ask::Asking;
pub use feature::{Feature, FeatureValue, Json, Options};
#[cfg(feature = "axum")]
pub use guard::{Guard, GuardFuture, Guarded};
pub use limit_of::{Asked, LimitOf};
pub use refusal::{Refusal, Remedy};
pub use ruling::{Ruling, Verdict};
pub use stale::WhenStale;

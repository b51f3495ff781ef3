//! What was said: the serde types of the wire and of the HTTP API, exactly as written, not yet
//! known to be right.

mod condition;
mod flag;
pub(crate) mod plain;
mod segment;
mod serve;
pub(crate) mod shape;
mod tenant;

pub use condition::{Condition, Operator};
pub use flag::{
    FlagDefinition, FlagState, FlagType, Prerequisite, Requires, Rule, Target, Variant,
};
pub use plain::PlainJson;
pub use segment::SegmentDefinition;
pub use serve::{Bucketing, Ramp, Serve, Split, Weight};
pub use tenant::TenantDefinition;

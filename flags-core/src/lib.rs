//! The pure core of *flags*: definitions become an immutable ruleset, and a ruleset answers
//! questions without allocating, locking or asking anybody else.
//!
//! ```text
//!           parse               compile             ask
//!   JSON ──────────▶ Document ──────────▶ Ruleset ──────────▶ Evaluation<'_>
//!         may fail     Change    total,      Context, now      total, no allocation
//!                                reports
//! ```
//!
//! Data flows one way. Only parsing can fail. Compiling always gives a ruleset and reports what is
//! broken in it, object by object; evaluating always gives an answer and says why.
//!
//! ```
//! use flags_core::{Document, Entity, Flag, Ruleset, Timestamp};
//!
//! const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
//!
//! let document: Document = serde_json::from_str(r#"{
//!     "epoch": "0192f0c1", "revision": 7,
//!     "objects": [{"kind": "flag", "key": "new-checkout", "version": 7, "definition": {
//!         "type": "boolean",
//!         "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
//!         "state": {
//!             "on": true,
//!             "off_variant": "off",
//!             "targets": [{"kind": "tenant", "keys": ["acme"], "variant": "on"}],
//!             "fallthrough": {"split": {"by": "tenant", "weights": [
//!                 {"variant": "on", "weight": 5000}, {"variant": "off", "weight": 95000}
//!             ]}}
//!         }
//!     }}]
//! }"#)?;
//! let (ruleset, report) = Ruleset::compile(&document);
//! assert!(report.is_clean());
//!
//! let context = [Entity::user("u-17"), Entity::tenant("acme")];
//! let answer = ruleset.get(&NEW_CHECKOUT, &context, Timestamp::from_millis(0));
//! assert!(answer.value);
//! assert_eq!(answer.reason.name(), "target_match");
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! The core does no I/O, reads no clock, draws no random numbers, keeps no globals and takes no
//! locks: the context and the present instant are arguments. It is `no_std` with `alloc`.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bucket;
mod capability;
mod change;
mod compile;
mod condition;
mod context;
mod decoded;
mod decoders;
mod definition;
mod diagnostic;
mod evaluate;
mod evaluation;
mod explain;
mod flag;
mod key;
mod key_map;
mod limits;
mod members;
mod misfit;
mod observer;
mod outcome;
mod revision;
mod rfc3339;
mod ruleset;
mod same;
mod serve;
mod time;
mod value;

pub use bucket::Salt;
pub use capability::CAPABILITIES;
pub use change::{Change, Document, FLAG_KIND, Gap, Object, ObjectChange, SEGMENT_KIND};
pub use compile::{check_flag, check_segment, flag_references};
pub use context::derive::Context;
pub use context::{Attribute, AttributeValue, Context, ContextKey, Entity, JsonContext, Strings};
pub use decoded::Decoded;
pub use decoders::{Decoders, Undecodable};
pub use definition::shape::{FLAG, FLAG_STATE, FLAG_TYPE, Field, SEGMENT, Shape, VARIANTS};
pub use definition::{
    Bucketing, Condition, FlagDefinition, FlagState, FlagType, Operator, PlainJson, Prerequisite,
    Ramp, Rule, SegmentDefinition, Serve, Split, Target, Variant, Weight,
};
pub use diagnostic::Diagnostic;
pub use evaluation::{Answer, Evaluation, Reason, SplitOutcome};
pub use explain::{Explanation, Outcome, Question, Step};
pub use flag::{Flag, FlagKey, FlagValue, OverrideValue};
pub use key::{folded_key, is_context_key, is_key, is_variant_name};
pub use limits::{
    MAX_ATTRIBUTE_BYTES, MAX_CONDITION_DEPTH, MAX_CONDITIONS, MAX_CONTEXT_KEY_BYTES,
    MAX_DIAGNOSTICS, MAX_FLAGS_PER_ANSWER, MAX_KEY_BYTES, MAX_LIST_ELEMENTS, MAX_PATTERN_BYTES,
    MAX_PATTERNS, MAX_PREREQUISITE_DEPTH, MAX_PREREQUISITES, MAX_RULES, MAX_SEARCHES,
    MAX_SEGMENT_CONDITIONS, MAX_SEGMENT_REFERENCES, MAX_SEGMENT_SEARCHES, MAX_TEXT_VALUES,
    MAX_VARIANT_NAME_BYTES, MAX_VARIANTS, MAX_VERSION_BYTES, MAX_WORK_PER_ANSWER, TOTAL_WEIGHT,
};
pub use members::{KeysChange, MembersChange};
pub use misfit::Misfit;
pub use revision::{Epoch, Position, PositionError, Revision};
pub use ruleset::{InvalidObject, Override, References, Report, Ruleset};
pub use time::{Now, Timestamp};
pub use value::Value;

/// What the code that `#[derive(Context)]` writes needs besides; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::context::Lent;
}

/// The trait, and the derive that names `flags_client`, to be re-exported there under one name.
#[doc(hidden)]
pub mod __client {
    pub use crate::context::Context;
    pub use flags_core_derive::ClientContext as Context;
}

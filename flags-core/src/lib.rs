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
//! You compile the definitions of one environment into a [`Ruleset`], once for each snapshot that
//! arrives. You ask it for a flag, with a context and the present instant.
//!
//! Data flows one way. Only parsing can fail. Compiling always gives a ruleset and reports what is
//! broken in it, object by object; evaluating always gives an answer and says why.
//!
//! # A first flag
//!
//! This one is on for the tenant `acme`, and for 5 % of all other tenants:
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
//! # Contexts
//!
//! A context is what you know about a request: entities of some kinds (`user`, `tenant`, `device`
//! …), each with a key and attributes. Rules name an attribute as `<kind>.<name>`, and the key as
//! `<kind>.key`. There are three ways to have one, and none of them copies your data to ask:
//!
//! - [`Entity`], or an array of entities, made on the stack where you ask;
//! - a struct of your own with [`#[derive(Context)]`](macro@Context), lent by reference;
//! - [`JsonContext`], read and checked once, for tools and for evaluation on behalf of others.
//!
//! ```
//! use flags_core::{Context, Entity, JsonContext};
//!
//! let account = [("country", "DE".into()), ("seats", 120.into())];
//! let entities = [Entity::user("u-17"), Entity::tenant("acme").with(&account)];
//!
//! #[derive(Context)]
//! #[context(kind = "tenant")]
//! struct Account {
//!     #[context(key)]
//!     id: String,
//!     country: String,
//!     seats: u32,
//! }
//! let own = Account { id: "acme".into(), country: "DE".into(), seats: 120 };
//!
//! let json = serde_json::json!({"tenant": {"key": "acme", "country": "DE", "seats": 120}});
//! let read = JsonContext::read(&json).unwrap();
//!
//! for context in [&entities as &dyn Context, &own, &read] {
//!     assert_eq!(context.key("tenant"), Some("acme"));
//!     assert_eq!(context.attribute("tenant", "seats"), Some(120.into()));
//! }
//! ```
//!
//! What a context does not have is absent. A condition on it is *unknown*, not false, and a rule
//! matches only when its condition is true: [the patterns](docs::patterns#unknown-is-not-false)
//! say what follows from that.
//!
//! # Typed flags
//!
//! A [`Flag`] is a constant with a key, a type and a default. The default is the answer wherever the
//! rules have none: before the first snapshot, for a flag that is missing, broken, or of another
//! type. So [`Ruleset::get`] always has a value, and [`Answer::reason`] tells whose it is.
//!
//! | flag | answer |
//! |---|---|
//! | `Flag<bool>`, `Flag<i64>`, `Flag<f64>` | the value |
//! | `Flag<&str>` | `&str`, borrowed from the ruleset |
//! | `Flag<&serde_json::Value>` | `&serde_json::Value`, borrowed from the ruleset |
//! | `Flag<Decoded<T>>` | `&T`, decoded when the ruleset is compiled |
//!
//! The last is a JSON flag whose values are a type of yours. Register it with [`Decoders`]; each
//! variant is decoded once:
//!
//! ```
//! use flags_core::{Decoded, Decoders, Document, Entity, Flag, Ruleset, Timestamp};
//!
//! #[derive(serde::Deserialize)]
//! struct Limits {
//!     requests: u32,
//! }
//!
//! const LIMITS: Flag<Decoded<Limits>> = Flag::new("limits", Decoded(&Limits { requests: 10 }));
//!
//! let document: Document = serde_json::from_str(r#"{
//!     "epoch": "0192f0c1", "revision": 1,
//!     "objects": [{"kind": "flag", "key": "limits", "version": 1, "definition": {
//!         "type": "json",
//!         "variants": [{"name": "large", "value": {"requests": 500}}],
//!         "state": {"on": true, "off_variant": "large", "fallthrough": {"variant": "large"}}
//!     }}]
//! }"#)?;
//! let (ruleset, report) = Ruleset::compile_with(&document, &Decoders::new().with(&LIMITS));
//! assert!(report.is_clean());
//! let answer = ruleset.get(&LIMITS, &Entity::tenant("acme"), Timestamp::from_millis(0));
//! assert_eq!(answer.value.requests, 500);
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! [`Ruleset::misfit`] tells how a flag differs from what the code says, for a check at the start.
//! Where the code knows no type, [`Ruleset::evaluate`] takes a key and gives the value as it is.
//!
//! # All flags at once
//!
//! [`Ruleset::evaluate_all`] answers every flag for one context, for a page or for a remote caller.
//! It is an iterator, so nothing is collected that you do not collect. An [`Evaluation`] serialises.
//!
//! ```
//! # let compile = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compile.rs"));
//! # let state = |on| serde_json::json!({"on": on, "off_variant": "off", "fallthrough": {"variant": "on"}});
//! # let ruleset = compile(&[("exports", state(true)), ("search", state(false))]);
//! use flags_core::{Entity, Timestamp};
//!
//! let now = Timestamp::from_millis(0);
//! let mut on: Vec<&str> = Vec::new();
//! for (key, evaluation) in ruleset.evaluate_all(&Entity::tenant("acme"), now) {
//!     if evaluation.is_true() {
//!         on.push(key);
//!     }
//! }
//! assert_eq!(on, ["exports"]);
//! ```
//!
//! # Changes
//!
//! A ruleset never changes. [`Ruleset::apply`] makes the next one out of it and a [`Change`], and
//! shares with it what the change leaves as it is. A change names the revision that it starts from;
//! one that does not follow is a [`Gap`], and you need a new snapshot. A segment of a million keys
//! does not travel again for one key: a change carries the keys that came and went.
//!
//! ```
//! use flags_core::{Change, Document, Entity, Ruleset, Timestamp};
//!
//! let document: Document = serde_json::from_str(r#"{
//!     "epoch": "0192f0c1", "revision": 7,
//!     "objects": [
//!         {"kind": "segment", "key": "beta", "version": 3,
//!          "definition": {"kind": "tenant", "included": ["acme"]}},
//!         {"kind": "flag", "key": "exports", "version": 7, "definition": {
//!             "type": "boolean",
//!             "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
//!             "state": {
//!                 "on": true, "off_variant": "off", "fallthrough": {"variant": "off"},
//!                 "rules": [{"id": "beta", "when": {"segment": "beta"}, "serve": {"variant": "on"}}]
//!             }
//!         }}
//!     ]
//! }"#)?;
//! let (before, _) = Ruleset::compile(&document);
//!
//! let change: Change = serde_json::from_str(r#"{
//!     "epoch": "0192f0c1", "previous": 7, "revision": 8,
//!     "objects": [{"members": {"kind": "segment", "key": "beta", "version": 8,
//!                              "included": {"add": ["globex"], "remove": ["acme"]}}}]
//! }"#)?;
//! let (after, report) = before.apply(&change).unwrap();
//! assert!(report.is_clean());
//!
//! let has = |ruleset: &Ruleset, tenant| {
//!     ruleset.evaluate("exports", &Entity::tenant(tenant), Timestamp::from_millis(0)).is_true()
//! };
//! assert!(has(&before, "acme") && !has(&before, "globex"));
//! assert!(has(&after, "globex") && !has(&after, "acme"));
//! assert!(after.apply(&change).unwrap_err().is_repeat());
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # Explanations
//!
//! Every answer carries its [`Reason`]. [`Ruleset::explain`] evaluates in the same way and writes
//! every step down: a text for people, JSON for programs.
//!
//! ```
//! use flags_core::{Entity, Timestamp};
//!
//! # let compile = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compile.rs"));
//! # let ruleset = compile(&[("exports", serde_json::json!({
//! #     "on": true, "off_variant": "off", "fallthrough": {"variant": "off"},
//! #     "rules": [{"id": "large", "serve": {"variant": "on"},
//! #                "when": {"attribute": "tenant.seats", "op": "gte", "values": [100]}}]
//! # }))]);
//! let explanation = ruleset.explain("exports", &Entity::tenant("acme"), Timestamp::from_millis(0));
//! assert_eq!(explanation.to_string(), "\
//! exports serves `off`: fallthrough
//!   the flag is on: true
//!   rule `large`: no match
//!     tenant.seats gte [100], is not there: unknown
//!   fallthrough: `off`
//! ");
//! ```
//!
//! # Overrides
//!
//! A test needs no snapshot. [`Flag::to`] makes an [`Override`], and [`Ruleset::overriding`] a ruleset
//! in which the flag has that value, whether or not it is defined. Rulesets are values, so tests that
//! run at the same time cannot meet.
//!
//! ```
//! use flags_core::{Flag, Ruleset, Timestamp};
//!
//! const PAGE_SIZE: Flag<i64> = Flag::new("page-size", 50);
//!
//! let ruleset = Ruleset::default().overriding([&PAGE_SIZE.to(5)]);
//! assert_eq!(ruleset.get(&PAGE_SIZE, &(), Timestamp::from_millis(0)).value, 5);
//! ```
//!
//! # What it does not do
//!
//! The core does no I/O, reads no clock, draws no random numbers, keeps no globals and takes no
//! locks: the context and the present instant are arguments. It is `no_std` with `alloc`. A service
//! uses the crate `flags-client`, which keeps a ruleset fresh and re-exports what a service names.
//!
//! # Pages
//!
//! - [`docs::patterns`]: rollouts, holdouts, kill switches, tenants, time, tests, and how to write
//!   conditions that say what you mean.
//! - [`docs::performance`]: what an answer costs and why, what to do and what to avoid.
//! - [`docs::limitations`]: every limit with its unit, what is refused, what is not there.
//!
//! The rules themselves are written down in `docs/semantics.md` of the repository, for SDKs in any
//! language; cases as data are in `flags-core/testdata`.

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
pub mod docs;
mod entitlement;
mod evaluate;
mod evaluation;
mod explain;
mod flag;
mod json_text;
mod key;
mod key_map;
mod limits;
mod members;
mod misfit;
mod numbered;
mod observer;
mod outcome;
mod revision;
mod rfc3339;
mod ruleset;
mod same;
mod serve;
mod text;
mod time;
mod value;

pub use bucket::Salt;
pub use capability::CAPABILITIES;
pub use change::{
    ADDON_KIND, Change, Document, FEATURE_KIND, FLAG_KIND, Gap, Object, ObjectChange, PLAN_KIND,
    SEGMENT_KIND, TENANT_KIND,
};
pub use compile::{
    check_flag, check_segment, check_tenant, condition_needs, flag_needs, flag_references,
    unknown_variant,
};
pub use context::derive::Context;
pub use context::{
    Attribute, AttributeValue, Context, ContextKey, Entity, JsonContext, PackedStrings, Strings,
};
pub use decoded::Decoded;
pub use decoders::{Decoders, Undecodable};
pub use definition::shape::{
    CONDITION, FLAG, FLAG_STATE, FLAG_TYPE, Field, SEGMENT, SERVE, Shape, TENANT, VARIANTS,
};
pub use definition::{
    Bucketing, Comparand, Condition, FlagDefinition, FlagState, FlagType, Operator, PlainJson,
    Prerequisite, Ramp, Requires, Rule, SegmentDefinition, Serve, Split, Target, TenantDefinition,
    Values, Variant, Weight,
};
pub use diagnostic::Diagnostic;
pub use entitlement::{
    ADDON, Access, AddonDefinition, AddonQuantity, BLOCK_FIELDS, BlockDefinition, BlockEffect,
    CONTRACT, CONTRACT_FIELDS, Catalogue, Combine, Contract, ContractDefinition, ContractOverride,
    Decision, Entitlement, EntitlementReason, EntitlementSource, FEATURE, FeatureDefinition,
    FeatureKey, FeatureList, FeatureType, Granted, GrantedOptions, Lane, Limit, OVERRIDE_FIELDS,
    OverLimit, OverLimitPolicy, OverrideMode, PLAN, PLAN_VERSION, PlanDefinition, PlanReference,
    PlanVersionDefinition, SubscriptionDefinition, SubscriptionState, Timeline, TrialDefinition,
    check_addon, check_contract, check_feature, check_grant, check_override, check_plan,
};
pub use evaluation::{Answer, Evaluation, Reason, SplitOutcome};
pub use explain::{Explanation, Outcome, Question, Step};
pub use flag::{Flag, FlagKey, FlagValue, OverrideValue};
pub use key::{folded_key, is_context_key, is_key, is_variant_name};
pub use limits::{
    MAX_ADDON_QUANTITY, MAX_ATTRIBUTE_BYTES, MAX_CONDITION_DEPTH, MAX_CONDITIONS,
    MAX_CONTEXT_KEY_BYTES, MAX_CONTRACT_REFERENCE_BYTES, MAX_DIAGNOSTICS, MAX_FEATURE_OPTIONS,
    MAX_FLAGS_PER_ANSWER, MAX_GRACE_MS, MAX_GRANTS, MAX_KEY_BYTES, MAX_LIST_ELEMENTS,
    MAX_PATTERN_BYTES, MAX_PATTERNS, MAX_PLAN_VERSIONS, MAX_PREREQUISITE_DEPTH, MAX_PREREQUISITES,
    MAX_RULES, MAX_SEARCHES, MAX_SEGMENT_CONDITIONS, MAX_SEGMENT_REFERENCES, MAX_SEGMENT_SEARCHES,
    MAX_TENANT_ADDONS, MAX_TENANT_ATTRIBUTES, MAX_TENANT_BLOCKS, MAX_TENANT_BYTES,
    MAX_TENANT_OVERRIDES, MAX_TEXT_VALUES, MAX_VARIANT_NAME_BYTES, MAX_VARIANTS, MAX_VERSION_BYTES,
    MAX_WORK_PER_ANSWER, TOTAL_WEIGHT,
};
pub use members::{KeysChange, MembersChange};
pub use misfit::Misfit;
pub use revision::{Epoch, Position, PositionError, Revision};
pub use ruleset::{InvalidObject, Override, References, Report, Ruleset};
pub use text::Text;
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

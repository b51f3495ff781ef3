//! Turns a definition into its compiled form, or says everything that is wrong with it.
//!
//! Checking and compiling are one walk, so that what passes the check is what runs: there is no
//! second opinion on what is valid.

mod budget;
mod condition;
mod flag;
mod lists;
mod needs;
mod operator;
mod segment;
mod serve;
mod tenant;

pub(crate) use flag::compile_flag;
pub use flag::unknown_variant;
pub use needs::{condition_needs, flag_needs};
pub(crate) use segment::{change_members, compile_segment};
pub(crate) use serve::instant;
pub use tenant::check_tenant;
pub(crate) use tenant::compile_attributes;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::condition::AttributePath;
use crate::definition::{FlagDefinition, SegmentDefinition};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::key::is_kind;
use crate::limits::MAX_KEY_BYTES;
use crate::ruleset::{References, Slot};

/// Gives out the slots of the objects that a definition refers to.
pub(crate) trait Linker {
    fn flag(&mut self, key: &str) -> Slot;
    fn segment(&mut self, key: &str) -> Slot;
    fn path(&mut self, kind: &str, name: Option<&str>) -> Arc<AttributePath>;
}

/// Stands for the key of a flag, its default salt, where nothing is evaluated.
const NAMELESS: &str = "";

/// Everything that is wrong with a flag by itself; empty for a flag that will be evaluated.
///
/// Whether the flags and segments that it refers to exist is not looked at: see
/// [`flag_references`].
///
/// To check is to compile: what is refused here is what a [`Ruleset`](crate::Ruleset) reports as
/// invalid, with the same diagnostics. It costs as much.
///
/// ```
/// use flags_core::{FlagDefinition, check_flag};
///
/// let flag: FlagDefinition = serde_json::from_value(serde_json::json!({
///     "type": "boolean",
///     "variants": [{"name": "on", "value": true}, {"name": "off", "value": 0}],
///     "state": {"on": true, "off_variant": "off", "fallthrough": {"split": {"by": "tenant",
///         "weights": [{"variant": "on", "weight": 10}, {"variant": "off", "weight": 90}]}}},
/// }))?;
/// let found: Vec<_> = check_flag(&flag).iter().map(ToString::to_string).collect();
/// assert_eq!(found, [
///     "/variants/1/value: the value is not of the flag's type, boolean",
///     "/state/fallthrough/split/weights: the weights add up to 100, not to 100000 (1000 is 1 %)",
/// ]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn check_flag(definition: &FlagDefinition) -> Vec<Diagnostic> {
    compile_flag(NAMELESS, definition, &mut Recorder::default()).err().unwrap_or_default()
}

/// Everything that is wrong with a segment by itself; empty for one that will be evaluated.
///
/// ```
/// use flags_core::{SegmentDefinition, check_segment};
///
/// let segment: SegmentDefinition = serde_json::from_value(serde_json::json!({
///     "kind": "tenant",
///     "when": {"attribute": "user.email", "op": "ends_with", "values": ["@acme.example"]},
/// }))?;
/// let problems = check_segment(&segment);
/// assert_eq!((&*problems[0].pointer, &*problems[0].code), ("/when/attribute", "wrong_kind"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn check_segment(definition: &SegmentDefinition) -> Vec<Diagnostic> {
    compile_segment(definition, &mut Recorder::default()).err().unwrap_or_default()
}

/// Which flags, segments and features a flag refers to: whoever keeps definitions checks that they exist.
///
/// It takes invalid flags too, and tells what they refer to as far as they go.
///
/// ```
/// use flags_core::{FlagDefinition, flag_references};
///
/// let flag: FlagDefinition = serde_json::from_value(serde_json::json!({
///     "type": "boolean",
///     "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
///     "state": {
///         "on": true, "off_variant": "off", "fallthrough": {"variant": "off"},
///         "rules": [{"id": "beta", "when": {"segment": "beta-tenants"}, "serve": {"variant": "on"}}]
///     },
/// }))?;
/// assert_eq!(flag_references(&flag).segments, ["beta-tenants"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn flag_references(definition: &FlagDefinition) -> References {
    let mut recorder = Recorder::default();
    let _ = compile_flag(NAMELESS, definition, &mut recorder);
    References {
        flags: definition.state.prerequisites.clone(),
        segments: recorder.segments,
        features: definition.state.requires.iter().map(|said| said.feature.clone()).collect(),
    }
}

/// A linker for those who only want to know what would be linked.
#[derive(Default)]
struct Recorder {
    segments: Vec<alloc::string::String>,
}

impl Linker for Recorder {
    fn flag(&mut self, _key: &str) -> Slot {
        Slot::NOWHERE
    }

    fn segment(&mut self, key: &str) -> Slot {
        if !self.segments.iter().any(|known| known == key) {
            self.segments.push(key.into());
        }
        Slot::NOWHERE
    }

    fn path(&mut self, kind: &str, name: Option<&str>) -> Arc<AttributePath> {
        Arc::new(AttributePath::new(kind, name))
    }
}

/// Reads `<kind>.<name>`; `<kind>` alone too where `bare` allows it, for the key.
fn attribute_path(
    text: &str,
    bare: bool,
    linker: &mut dyn Linker,
    diagnostics: &mut Diagnostics,
) -> Arc<AttributePath> {
    let (kind, name) = match text.split_once('.') {
        Some((kind, name)) => (kind, Some(name)),
        None => (text, None),
    };
    let name_is_right = match name {
        Some(name) => (1..=MAX_KEY_BYTES).contains(&name.len()),
        None => bare,
    };
    if !is_kind(kind) || !name_is_right {
        diagnostics.report(
            "invalid_attribute",
            if bare {
                "expected a kind (`tenant`) or an attribute (`user.email`)"
            } else {
                "expected `<kind>.<name>`, such as `tenant.country` or `user.key`"
            },
        );
    }
    linker.path(kind, name.filter(|name| *name != "key"))
}

fn check_kind(kind: &str, diagnostics: &mut Diagnostics) {
    if !is_kind(kind) {
        diagnostics.at("kind", |d| {
            d.report(
                "invalid_kind",
                "a kind is letters, digits, `_` and `-`, such as `user` or `tenant`",
            );
        });
    }
}

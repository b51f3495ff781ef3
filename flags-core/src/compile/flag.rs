use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use smol_str::SmolStr;

use super::budget::Budget;
use super::lists::compile_lists;
use super::serve::{ServeIn, compile_serve};
use super::{Linker, check_kind, condition::compile_condition};
use crate::condition::LeadingLists;
use crate::definition as said;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::key::{is_context_key, is_key, is_variant_name};
use crate::key_map::{KeyTable, hash};
use crate::limits::{MAX_PREREQUISITES, MAX_RULES, MAX_VARIANTS};
use crate::ruleset::{
    FlagRules, Prerequisite, Questions, Requires, Rule, TargetEntry, Targets, VariantIndex,
    Variants,
};
use crate::value::OwnedValue;

/// Compiles a flag; `key` is its default salt.
pub(crate) fn compile_flag(
    key: &str,
    definition: &said::FlagDefinition,
    linker: &mut dyn Linker,
) -> Result<(Variants, FlagRules), Vec<Diagnostic>> {
    let mut d = Diagnostics::default();
    let variants = d.at("variants", |d| compile_variants(definition, d));
    let names = VariantNames { variants: &definition.variants };
    let state = &definition.state;
    let rules = d.at("state", |d| FlagRules {
        flag_type: definition.flag_type,
        on: state.on,
        off_variant: d.at("off_variant", |d| names.index(&state.off_variant, d)),
        questions: compile_questions(key, state, &names, linker, d).into_any(),
        fallthrough: d.at("fallthrough", |d| {
            let salt = state.salt.as_deref().unwrap_or(key);
            compile_serve(&state.fallthrough, salt, &names, ServeIn::Fallthrough, linker, d)
        }),
    });
    if d.is_clean() { Ok((variants, rules)) } else { Err(d.into_vec()) }
}

/// Resolves the names of variants to their places.
fn compile_questions(
    key: &str,
    state: &said::FlagState,
    names: &VariantNames<'_>,
    linker: &mut dyn Linker,
    d: &mut Diagnostics,
) -> Questions {
    let prerequisites =
        d.at("prerequisites", |d| compile_prerequisites(&state.prerequisites, linker, d));
    let requires = state.requires.as_ref();
    let requires = requires.map(|requires| d.at("requires", |d| compile_requires(requires, d)));
    let targets = d.at("targets", |d| compile_targets(&state.targets, names, d));
    let rules = d.at("rules", |d| compile_rules(key, state, names, linker, d));
    let leading_lists = LeadingLists::of(rules.iter().map(|rule| &rule.when));
    Questions { prerequisites, requires, targets, rules, leading_lists }
}

/// Of a flag with more variants, a message names the first ones.
const MAX_NAMED_VARIANTS: usize = 10;

pub(super) struct VariantNames<'a> {
    variants: &'a [said::Variant],
}

impl VariantNames<'_> {
    pub(super) fn index(&self, name: &str, d: &mut Diagnostics) -> VariantIndex {
        let place = self.variants.iter().position(|variant| variant.name == name);
        VariantIndex(place.and_then(|place| u8::try_from(place).ok()).unwrap_or_else(|| {
            d.report("unknown_variant", unknown_variant(self.variants, name));
            0
        }))
    }
}

/// What is said of a name that is none of a flag's variants.
///
/// ```
/// # use flags_core::{Variant, unknown_variant};
/// let variants = [("on", true), ("off", false)]
///     .map(|(name, value)| Variant { name: name.into(), value: value.into() });
/// let message = "the flag has no variant `onn`; its variants are `on`, `off`";
/// assert_eq!(unknown_variant(&variants, "onn"), message);
/// ```
#[must_use]
pub fn unknown_variant(variants: &[said::Variant], name: &str) -> String {
    let known = variants.iter().take(MAX_NAMED_VARIANTS).map(|v| format!("`{}`", v.name));
    let known: Vec<String> = known.collect();
    let more = if variants.len() > known.len() { ", …" } else { "" };
    format!("the flag has no variant `{name}`; its variants are {}{more}", known.join(", "))
}

fn compile_variants(definition: &said::FlagDefinition, d: &mut Diagnostics) -> Variants {
    if !(1..=MAX_VARIANTS).contains(&definition.variants.len()) {
        d.report("variant_count", format!("a flag has 1 to {MAX_VARIANTS} variants"));
    }
    let mut names = BTreeSet::new();
    let mut values = Vec::with_capacity(definition.variants.len());
    for (index, variant) in definition.variants.iter().enumerate() {
        d.at(index, |d| {
            d.at("name", |d| {
                if !is_variant_name(&variant.name) {
                    d.report(
                        "invalid_name",
                        "a variant name is 1 to 128 bytes without control characters, not `.` or \
                         `..`",
                    );
                } else if !names.insert(&*variant.name) {
                    d.report("duplicate", format!("there are two variants `{}`", variant.name));
                }
            });
            match OwnedValue::read(definition.flag_type, &variant.value) {
                Some(value) => values.push(value),
                None => d.at("value", |d| {
                    d.report(
                        "wrong_type",
                        format!("the value is not of the flag's type, {}", definition.flag_type),
                    );
                }),
            }
        });
    }
    let names = definition.variants.iter().map(|variant| SmolStr::new(&variant.name));
    Variants::new(values.into(), names.collect())
}

fn compile_prerequisites(
    prerequisites: &[said::Prerequisite],
    linker: &mut dyn Linker,
    d: &mut Diagnostics,
) -> Box<[Prerequisite]> {
    if prerequisites.len() > MAX_PREREQUISITES {
        d.report("too_many", format!("a flag has at most {MAX_PREREQUISITES} prerequisites"));
    }
    let mut flags = BTreeSet::new();
    let mut compiled = Vec::with_capacity(prerequisites.len());
    for (index, prerequisite) in prerequisites.iter().enumerate() {
        d.at(index, |d| {
            d.at("flag", |d| {
                if !flags.insert(&*prerequisite.flag) {
                    d.report(
                        "duplicate",
                        format!("`{}` is a prerequisite already", prerequisite.flag),
                    );
                }
            });
            if prerequisite.variants.is_empty() {
                d.at("variants", |d| {
                    d.report("empty", "name at least one variant that satisfies");
                });
            }
            compiled.push(Prerequisite {
                flag: linker.flag(&prerequisite.flag),
                key: SmolStr::new(&prerequisite.flag),
                variants: prerequisite.variants.iter().map(SmolStr::new).collect(),
            });
        });
    }
    compiled.into()
}

fn compile_requires(said: &said::Requires, d: &mut Diagnostics) -> Requires {
    if !is_key(&said.feature) {
        d.at("feature", |d| {
            d.report("invalid_key", "the key of a feature follows the grammar of keys");
        });
    }
    Requires { feature: SmolStr::new(&said.feature), hash: hash(&said.feature), write: said.write }
}

fn compile_targets(
    targets: &[said::Target],
    names: &VariantNames<'_>,
    d: &mut Diagnostics,
) -> Box<[Targets]> {
    let mut kinds: Vec<Targets> = Vec::new();
    for (place, target) in targets.iter().enumerate() {
        d.at(place, |d| {
            check_kind(&target.kind, d);
            let entry = TargetEntry {
                place: u32::try_from(place).unwrap_or(u32::MAX),
                variant: d.at("variant", |d| names.index(&target.variant, d)),
            };
            let known = kinds.iter().position(|known| *known.kind == *target.kind);
            let place = known.unwrap_or_else(|| {
                let keys = KeyTable::with_room_for(target.keys.iter().map(|key| &**key));
                kinds.push(Targets { kind: (*target.kind).into(), keys });
                kinds.len() - 1
            });
            let Some(kind) = kinds.get_mut(place) else {
                return;
            };
            d.at("keys", |d| {
                compile_keys(&target.keys, d, |key| match kind.keys.is_crowded() {
                    true => Err(Refused::Crowded),
                    false => kind.keys.insert(hash(key), key, entry).map_err(|_| Refused::Known),
                });
            });
        });
    }
    kinds.iter_mut().for_each(|kind| kind.keys.shrink());
    kinds.into()
}

pub(super) const CROWDED: &str =
    "many of these texts have the same hash: they were made to slow lookups down";

/// The grammar of the keys of contexts in words.
pub(super) const INVALID_CONTEXT_KEY: &str =
    "a key is 1 to 512 bytes without control characters, not `.` or `..`";

/// Why a set or a map of keys does not take another one.
pub(super) enum Refused {
    /// It is there already.
    Known,
    /// Too many keys in it hash alike: adding more of them would take ever longer.
    Crowded,
}

/// Adds keys that each occur once.
pub(super) fn compile_keys(
    keys: &[alloc::string::String],
    d: &mut Diagnostics,
    mut add: impl FnMut(&str) -> Result<(), Refused>,
) {
    for (index, key) in keys.iter().enumerate() {
        if !is_context_key(key) {
            d.at(index, |d| d.report("invalid_key", INVALID_CONTEXT_KEY));
            continue;
        }
        match add(key) {
            Ok(()) => {}
            Err(Refused::Known) => {
                d.at(index, |d| d.report("duplicate", format!("`{key}` is here twice")));
            }
            Err(Refused::Crowded) => return d.report("crowded", CROWDED),
        }
    }
}

fn compile_rules(
    key: &str,
    state: &said::FlagState,
    names: &VariantNames<'_>,
    linker: &mut dyn Linker,
    d: &mut Diagnostics,
) -> Box<[Rule]> {
    if state.rules.len() > MAX_RULES {
        d.report("too_many", format!("a flag has at most {MAX_RULES} rules"));
    }
    let salt = state.salt.as_deref().unwrap_or(key);
    let mut ids = BTreeSet::new();
    let mut budget = Budget::of_a_flag();
    let mut compiled = Vec::with_capacity(state.rules.len());
    for (index, rule) in state.rules.iter().enumerate() {
        d.at(index, |d| {
            d.at("id", |d| {
                if !is_key(&rule.id) {
                    d.report("invalid_key", "a rule's id follows the grammar of keys");
                } else if !ids.insert(&*rule.id) {
                    d.report("duplicate", format!("there are two rules `{}`", rule.id));
                }
            });
            compiled.push(Rule {
                id: SmolStr::new(&rule.id),
                when: d.at("when", |d| compile_condition(&rule.when, linker, &mut budget, d)),
                serve: d.at("serve", |d| {
                    compile_serve(&rule.serve, salt, names, ServeIn::Rule, linker, d)
                }),
            });
        });
    }
    compile_lists(compiled.iter_mut().map(|rule: &mut Rule| &mut rule.when), d);
    compiled.into()
}

//! The compiled form of flags and segments: everything resolved that can be before a question is
//! asked.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use smol_str::SmolStr;

use super::slots::Slot;
use super::variants::{VariantIndex, Variants};
use crate::condition::{Condition, LeadingLists};
use crate::definition::FlagType;
use crate::key_map::{KeyMap, KeyTable, Value};
use crate::outcome::{Outcome, Why};
use crate::revision::Revision;
use crate::serve::Serve;
use crate::value::OwnedValue;

#[derive(Debug)]
pub(crate) struct Flag {
    /// The outcome for every context, where there is one.
    pub(crate) settled: Option<Outcome>,
    /// `None` for a flag that cannot be evaluated.
    pub(crate) flag_type: Option<FlagType>,
    pub(crate) variants: Variants,
    pub(crate) body: FlagBody,
    pub(crate) version: Revision,
}

impl Flag {
    pub(crate) fn of_rules(version: Revision, variants: Variants, rules: FlagRules) -> Self {
        // Most flags of a grown system are off, or on for all.
        let settled = match &rules.fallthrough {
            _ if !rules.on => Some((rules.off_variant, Why::Disabled)),
            Serve::Variant(variant) if rules.questions.is_none() => {
                Some((*variant, Why::Fallthrough(None)))
            }
            _ => None,
        };
        let settled = settled.map(|(variant, why)| Outcome { variant: Some(variant), why });
        let flag_type = Some(rules.flag_type);
        Self { version, flag_type, settled, variants, body: FlagBody::Rules(rules) }
    }

    pub(crate) fn overridden(version: Revision, value: OwnedValue, name: Option<SmolStr>) -> Self {
        let flag_type = Some(value.as_ref().flag_type());
        let settled = Some(Outcome { variant: Some(VariantIndex::FIRST), why: Why::Override });
        let variants = Variants::new([value].into(), name.into_iter().collect());
        Self { version, flag_type, settled, variants, body: FlagBody::Overridden }
    }

    pub(crate) fn invalid(version: Revision) -> Self {
        let (variants, body) = (Variants::none(), FlagBody::Invalid);
        Self { version, flag_type: None, settled: None, variants, body }
    }

    /// What it asks before the fallthrough holds.
    pub(crate) fn questions(&self) -> Option<&Questions> {
        match &self.body {
            FlagBody::Rules(rules) => rules.questions.as_deref(),
            FlagBody::Invalid | FlagBody::Overridden => None,
        }
    }

    /// Whether the flag is of a type, and that is not the one asked for.
    #[inline]
    pub(crate) fn is_other_than(&self, asked: Option<FlagType>) -> bool {
        asked.is_some() && self.flag_type.is_some() && asked != self.flag_type
    }
}

#[derive(Debug)]
pub(crate) enum FlagBody {
    /// Could not be compiled: serves the caller's default.
    Invalid,
    /// A local override, its only variant; named, where the overridden flag has one of that value.
    Overridden,
    Rules(FlagRules),
}

#[derive(Debug)]
pub(crate) struct FlagRules {
    pub(crate) flag_type: FlagType,
    pub(crate) on: bool,
    pub(crate) off_variant: VariantIndex,
    /// What is asked before the fallthrough holds; elsewhere, because most flags of a grown system
    /// ask nothing, and memory that is not read costs no time.
    pub(crate) questions: Option<Box<Questions>>,
    pub(crate) fallthrough: Serve,
}

#[derive(Debug)]
pub(crate) struct Questions {
    pub(crate) prerequisites: Box<[Prerequisite]>,
    pub(crate) requires: Option<Requires>,
    pub(crate) targets: Box<[Targets]>,
    pub(crate) rules: Box<[Rule]>,
    pub(crate) leading_lists: Option<LeadingLists>,
}

impl Questions {
    /// `None` where there are none.
    pub(crate) fn into_any(self) -> Option<Box<Self>> {
        let none = self.prerequisites.is_empty()
            && self.requires.is_none()
            && self.targets.is_empty()
            && self.rules.is_empty();
        (!none).then(|| Box::new(self))
    }
}

#[derive(Debug)]
pub(crate) struct Prerequisite {
    pub(crate) flag: Slot,
    pub(crate) key: SmolStr,
    pub(crate) variants: Box<[SmolStr]>,
}

/// A feature that the tenant has to be entitled to.
#[derive(Debug)]
pub(crate) struct Requires {
    pub(crate) feature: SmolStr,
    /// Of the feature's key.
    pub(crate) hash: u64,
    pub(crate) write: bool,
}

/// All targets of one kind; `place` orders them against those of other kinds.
#[derive(Debug)]
pub(crate) struct Targets {
    pub(crate) kind: Box<str>,
    pub(crate) keys: KeyTable<TargetEntry>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetEntry {
    pub(crate) place: u32,
    pub(crate) variant: VariantIndex,
}

impl Value for TargetEntry {}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: SmolStr,
    pub(crate) when: Condition,
    pub(crate) serve: Serve,
}

#[derive(Debug)]
pub(crate) enum Segment {
    /// Could not be compiled: unknown for every context.
    Invalid,
    Members(Members),
}

/// A clone shares what a change of some keys leaves as it is.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    pub(crate) kind: Arc<str>,
    pub(crate) included: KeyMap<()>,
    pub(crate) excluded: KeyMap<()>,
    pub(crate) when: Option<Arc<Condition>>,
}

/// What an object refers to, for those who must keep references whole:
/// [`flag_references`](crate::flag_references).
///
/// ```
/// let none = flags_core::References::default();
/// assert!(none.flags.is_empty() && none.segments.is_empty() && none.features.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Prerequisites: the other flag and the variants of it that are named.
    pub flags: Vec<crate::Prerequisite>,
    /// Keys of segments, each once.
    pub segments: Vec<alloc::string::String>,
    /// Keys of features that are required.
    pub features: Vec<alloc::string::String>,
}

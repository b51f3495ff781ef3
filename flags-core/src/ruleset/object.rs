//! The compiled form of flags and segments: everything resolved that can be before a question is
//! asked.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::slots::Slot;
use crate::condition::Condition;
use crate::definition::FlagType;
use crate::key_map::{KeyMap, KeyTable};
use crate::outcome::{Outcome, Why};
use crate::revision::Revision;
use crate::serve::Serve;
use crate::value::OwnedValue;

/// The place of a variant in its flag's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VariantIndex(pub(crate) u16);

#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) version: Revision,
    /// `None` for a flag that cannot be evaluated.
    pub(crate) flag_type: Option<FlagType>,
    /// Known before anybody asks.
    settled: Option<Settled>,
    pub(crate) body: FlagBody,
}

impl Flag {
    pub(crate) fn new(version: Revision, body: FlagBody) -> Self {
        let flag_type = match &body {
            FlagBody::Invalid => None,
            FlagBody::Overridden(variant) => Some(variant.value.as_ref().flag_type()),
            FlagBody::Rules(rules) => Some(rules.flag_type),
        };
        let settled = match &body {
            FlagBody::Rules(rules) => rules.settled(),
            FlagBody::Invalid | FlagBody::Overridden(_) => None,
        };
        Self { version, flag_type, settled, body }
    }

    /// The outcome for every context, where there is one.
    #[inline]
    pub(crate) fn settled(&self) -> Option<Outcome<'_>> {
        let FlagBody::Rules(rules) = &self.body else {
            return None;
        };
        let (variant, why) = match self.settled? {
            Settled::Off => (rules.off_variant, Why::Disabled),
            Settled::Fallthrough(variant) => (variant, Why::Fallthrough(None)),
        };
        Some(Outcome { variant: rules.variant(variant), why })
    }

    /// Every value that it can serve.
    pub(crate) fn variants(&self) -> &[Variant] {
        match &self.body {
            FlagBody::Invalid => &[],
            FlagBody::Overridden(variant) => core::slice::from_ref(variant),
            FlagBody::Rules(rules) => &rules.variants,
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
    /// A local override; named, where the overridden flag has a variant of that value.
    Overridden(Variant),
    Rules(FlagRules),
}

#[derive(Debug)]
pub(crate) struct FlagRules {
    pub(crate) flag_type: FlagType,
    pub(crate) variants: Box<[Variant]>,
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
    pub(crate) targets: Box<[Targets]>,
    pub(crate) rules: Box<[Rule]>,
}

impl Questions {
    /// `None` where there are none.
    pub(crate) fn into_any(self) -> Option<Box<Self>> {
        let none =
            self.prerequisites.is_empty() && self.targets.is_empty() && self.rules.is_empty();
        (!none).then(|| Box::new(self))
    }
}

/// What a flag serves to everybody.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Settled {
    Off,
    Fallthrough(VariantIndex),
}

impl FlagRules {
    /// What this serves, if it is the same for every context: most flags of a grown system are
    /// off, or on for all.
    fn settled(&self) -> Option<Settled> {
        match &self.fallthrough {
            _ if !self.on => Some(Settled::Off),
            Serve::Variant(variant) if self.questions.is_none() => {
                Some(Settled::Fallthrough(*variant))
            }
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn variant(&self, index: VariantIndex) -> Option<&Variant> {
        self.variants.get(usize::from(index.0))
    }
}

#[derive(Debug)]
pub(crate) struct Variant {
    /// Every variant of a definition has one.
    pub(crate) name: Option<Box<str>>,
    pub(crate) value: OwnedValue,
}

#[derive(Debug)]
pub(crate) struct Prerequisite {
    pub(crate) flag: Slot,
    pub(crate) key: Box<str>,
    pub(crate) variants: Box<[Box<str>]>,
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

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Box<str>,
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
/// assert!(none.flags.is_empty() && none.segments.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Prerequisites: the other flag and the variants of it that are named.
    pub flags: Vec<crate::Prerequisite>,
    /// Keys of segments, each once.
    pub segments: Vec<alloc::string::String>,
}

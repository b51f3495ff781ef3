//! The compiled form of flags and segments: everything resolved that can be before a question is
//! asked.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::slots::Slot;
use crate::condition::Condition;
use crate::definition::FlagType;
use crate::key_map::KeyMap;
use crate::revision::Revision;
use crate::serve::Serve;
use crate::value::OwnedValue;

/// The place of a variant in its flag's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VariantIndex(pub(crate) u16);

#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) version: Revision,
    pub(crate) body: FlagBody,
}

#[derive(Debug)]
pub(crate) enum FlagBody {
    /// Could not be compiled: serves the caller's default.
    Invalid,
    /// A local override.
    Overridden(Overridden),
    Rules(FlagRules),
}

#[derive(Debug)]
pub(crate) struct Overridden {
    pub(crate) value: OwnedValue,
    /// The variant of the overridden flag that has this value.
    pub(crate) variant: Option<Box<str>>,
}

#[derive(Debug)]
pub(crate) struct FlagRules {
    pub(crate) flag_type: FlagType,
    pub(crate) variants: Box<[Variant]>,
    pub(crate) on: bool,
    pub(crate) off_variant: VariantIndex,
    pub(crate) prerequisites: Box<[Prerequisite]>,
    pub(crate) targets: Box<[Targets]>,
    pub(crate) rules: Box<[Rule]>,
    pub(crate) fallthrough: Serve,
}

impl FlagRules {
    #[inline]
    pub(crate) fn variant(&self, index: VariantIndex) -> Option<&Variant> {
        self.variants.get(usize::from(index.0))
    }
}

#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) name: Box<str>,
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
    pub(crate) keys: KeyMap<TargetEntry>,
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

/// What an object refers to, for those who must keep references whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Prerequisites: the other flag and the variants of it that are named.
    pub flags: Vec<crate::Prerequisite>,
    /// Keys of segments, each once.
    pub segments: Vec<alloc::string::String>,
}

//! What an evaluation came to, in as few words as the processor can pass around; the answers that
//! callers see are made of it where they are asked for.

use crate::evaluation::{Evaluation, Reason, SplitOutcome};
use crate::revision::Revision;
use crate::ruleset::{Flag, Prerequisite, Rule, Served};
use crate::value::OwnedValue;

/// What one flag serves, and why.
#[derive(Clone, Copy)]
pub(crate) struct Outcome<'r> {
    /// `None` for the caller's default.
    pub(crate) served: Option<Served<'r>>,
    pub(crate) why: Why<'r>,
}

/// [`Reason`], by reference to the rules.
#[derive(Clone, Copy)]
pub(crate) enum Why<'r> {
    NotReady,
    FlagNotFound,
    TypeMismatch,
    FlagInvalid,
    Override,
    Disabled,
    PrerequisiteFailed(&'r Prerequisite),
    TargetMatch,
    RuleMatch(&'r Rule, Option<u32>),
    Fallthrough(Option<SplitOutcome>),
}

/// What came of asking for a flag by its key.
pub(crate) struct Decision<'r> {
    pub(crate) flag: Option<&'r Flag>,
    pub(crate) outcome: Outcome<'r>,
}

impl<'r> Outcome<'r> {
    pub(crate) const fn default_because(why: Why<'r>) -> Self {
        Self { served: None, why }
    }
}

impl<'r> Why<'r> {
    #[inline(always)]
    pub(crate) fn reason(self) -> Reason<'r> {
        match self {
            Self::NotReady => Reason::NotReady,
            Self::FlagNotFound => Reason::FlagNotFound,
            Self::TypeMismatch => Reason::TypeMismatch,
            Self::FlagInvalid => Reason::FlagInvalid,
            Self::Override => Reason::Override,
            Self::Disabled => Reason::Disabled,
            Self::PrerequisiteFailed(prerequisite) => {
                Reason::PrerequisiteFailed { flag: &prerequisite.key }
            }
            Self::TargetMatch => Reason::TargetMatch,
            Self::RuleMatch(rule, bucket) => Reason::RuleMatch { rule: &rule.id, bucket },
            Self::Fallthrough(split) => Reason::Fallthrough { split },
        }
    }
}

impl<'r> Decision<'r> {
    /// The name of the variant served.
    #[inline]
    pub(crate) fn variant(&self) -> Option<&'r str> {
        self.outcome.served?.name()
    }

    #[inline]
    pub(crate) fn version(&self) -> Revision {
        self.flag.map_or(0, |flag| flag.version)
    }

    #[inline(always)]
    pub(crate) fn evaluation(self, revision: Revision) -> Evaluation<'r> {
        Evaluation {
            value: self.outcome.served.and_then(Served::value).map(OwnedValue::as_ref),
            variant: self.variant(),
            reason: self.outcome.why.reason(),
            version: self.version(),
            revision,
        }
    }
}

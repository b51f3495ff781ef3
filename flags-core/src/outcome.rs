//! What an evaluation came to, small enough for two registers; the answers that callers see are
//! made of it where they are asked for.

use crate::entitlement::EntitlementReason;
use crate::evaluation::{Evaluation, Reason, SplitOutcome};
use crate::revision::Revision;
use crate::ruleset::{Flag, Served, VariantIndex};
use crate::value::OwnedValue;

/// What one flag serves, and why; of that flag's variants, rules and prerequisites.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// `None` for the caller's default.
    pub(crate) variant: Option<VariantIndex>,
    pub(crate) why: Why,
}

/// [`Reason`], with places in the flag's lists.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why {
    NotReady,
    FlagNotFound,
    TypeMismatch,
    FlagInvalid,
    Override,
    Disabled,
    PrerequisiteFailed(u16),
    NotEntitled(EntitlementReason),
    TargetMatch,
    RuleMatch(u16, Option<u32>),
    Fallthrough(Option<SplitOutcome>),
}

/// What came of asking for a flag by its key.
#[derive(Clone, Copy)]
pub(crate) struct Decision<'r> {
    pub(crate) flag: Option<&'r Flag>,
    pub(crate) outcome: Outcome,
}

impl Outcome {
    pub(crate) const fn default_because(why: Why) -> Self {
        Self { variant: None, why }
    }
}

impl<'r> Decision<'r> {
    #[inline(always)]
    pub(crate) fn served(&self) -> Option<Served<'r>> {
        Some(self.flag?.variants.served(self.outcome.variant?))
    }

    /// The name of the variant served.
    #[inline]
    pub(crate) fn variant(&self) -> Option<&'r str> {
        self.served()?.name()
    }

    #[inline]
    pub(crate) fn version(&self) -> Revision {
        self.flag.map_or(0, |flag| flag.version)
    }

    #[inline(always)]
    pub(crate) fn reason(&self) -> Reason<'r> {
        match self.outcome.why {
            Why::NotReady => Reason::NotReady,
            Why::FlagNotFound => Reason::FlagNotFound,
            Why::TypeMismatch => Reason::TypeMismatch,
            Why::FlagInvalid => Reason::FlagInvalid,
            Why::Override => Reason::Override,
            Why::Disabled => Reason::Disabled,
            Why::PrerequisiteFailed(place) => {
                Reason::PrerequisiteFailed { flag: self.prerequisite(place) }
            }
            Why::NotEntitled(reason) => Reason::NotEntitled { feature: self.feature(), reason },
            Why::TargetMatch => Reason::TargetMatch,
            Why::RuleMatch(place, bucket) => Reason::RuleMatch { rule: self.rule(place), bucket },
            Why::Fallthrough(split) => Reason::Fallthrough { split },
        }
    }

    #[inline(always)]
    pub(crate) fn evaluation(self, revision: Revision) -> Evaluation<'r> {
        Evaluation {
            value: self.served().and_then(Served::value).map(OwnedValue::as_ref),
            variant: self.variant(),
            reason: self.reason(),
            version: self.version(),
            revision,
        }
    }

    /// The key of the prerequisite that the evaluator named.
    fn prerequisite(&self, place: u16) -> &'r str {
        let prerequisites = self.flag.and_then(Flag::questions).map(|asked| &asked.prerequisites);
        let named = prerequisites.and_then(|all| all.get(usize::from(place)));
        named.map(|prerequisite| &*prerequisite.key).unwrap_or_default()
    }

    /// The key of the feature that is required.
    #[cold]
    #[inline(never)]
    fn feature(&self) -> &'r str {
        let requires =
            self.flag.and_then(Flag::questions).and_then(|asked| asked.requires.as_ref());
        requires.map(|requires| &*requires.feature).unwrap_or_default()
    }

    /// The id of the rule that the evaluator named.
    fn rule(&self, place: u16) -> &'r str {
        let rules = self.flag.and_then(Flag::questions).map(|asked| &asked.rules);
        let named = rules.and_then(|all| all.get(usize::from(place)));
        named.map(|rule| &*rule.id).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_fits_into_two_registers() {
        assert!(size_of::<Outcome>() <= 16, "{} bytes", size_of::<Outcome>());
        assert!(size_of::<Result<Outcome, ()>>() <= 16);
    }
}

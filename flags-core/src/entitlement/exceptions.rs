//! What the overrides in force make of a value.

use alloc::sync::Arc;
use core::cmp::Reverse;

use smol_str::SmolStr;

use super::decision::EntitlementReason;
use super::exception::Effect;
use super::feature::Grant;
use super::limit::Limit;
use super::option_set::OptionSet;
use super::timeline::Source;

/// An override in its window.
#[derive(Debug)]
pub(super) struct InForce<'a> {
    pub(super) id: &'a SmolStr,
    /// Absent where it does not fit the feature.
    pub(super) effect: Option<Effect>,
}

type Reasoned = (Grant, EntitlementReason, Source);

/// The value after `add` and `remove`, `at_least` and `at_most`; what is left alone keeps its reason.
/// The overrides come in the order of their ids.
pub(super) fn apply(overrides: &[&InForce<'_>], base: Option<Reasoned>) -> Option<Reasoned> {
    let value = base.as_ref().map(|(value, ..)| value.clone());
    let base = add_amounts(overrides, value.as_ref())
        .or_else(|| change_options(overrides, value.as_ref()))
        .or(base);
    let base = at_least(overrides, base.as_ref()).or(base);
    at_most(overrides, base.as_ref()).or(base)
}

/// The other value that `add` makes of a limit, if it does.
fn add_amounts(overrides: &[&InForce<'_>], before: Option<&Grant>) -> Option<Reasoned> {
    let amounts = overrides.iter().filter_map(|exception| match exception.effect {
        Some(Effect::AddAmount(amount)) => Some((exception.id, amount)),
        _ => None,
    });
    let sum: i128 = amounts.clone().map(|(_, amount)| i128::from(amount)).sum();
    let before = match before {
        Some(Grant::Limit(Limit::At(limit))) => *limit,
        None if sum > 0 => 0,
        _ => return None,
    };
    let after = Limit::of_sum(i128::from(before) + sum);
    if after == Limit::At(before) {
        return None;
    }
    let mut did = amounts.filter(|(_, amount)| amount.signum() == sign(sum));
    let (id, _) = did.next()?;
    Some((Grant::Limit(after), EntitlementReason::OverrideAdd, Source::Override(id.clone())))
}

fn sign(sum: i128) -> i64 {
    if sum < 0 { -1 } else { 1 }
}

/// The other value that `add` and `remove` make of options, if they do.
fn change_options(overrides: &[&InForce<'_>], before: Option<&Grant>) -> Option<Reasoned> {
    let before = match before {
        Some(Grant::Options(set)) => **set,
        None => OptionSet::default(),
        Some(_) => return None,
    };
    let (mut added, mut removed) = (OptionSet::default(), OptionSet::default());
    for exception in overrides {
        match &exception.effect {
            Some(Effect::AddOptions(set)) => added = added.union(set),
            Some(Effect::Remove(set)) => removed = removed.union(set),
            _ => {}
        }
    }
    let after = before.union(&added).without(&removed);
    let (new, gone) = (after.without(&before), before.without(&after));
    let did = overrides.iter().find(|exception| match &exception.effect {
        Some(Effect::AddOptions(set)) => set.meets(&new),
        Some(Effect::Remove(set)) => set.meets(&gone),
        _ => false,
    })?;
    let source = Source::Override(did.id.clone());
    Some((Grant::Options(Arc::new(after)), EntitlementReason::OverrideAdd, source))
}

fn at_least(overrides: &[&InForce<'_>], before: Option<&Reasoned>) -> Option<Reasoned> {
    let bounds = overrides.iter().filter_map(|exception| match exception.effect {
        Some(Effect::AtLeast(limit)) => Some((limit, exception.id)),
        _ => None,
    });
    let (bound, id) = bounds.max_by_key(|(limit, id)| (*limit, Reverse(*id)))?;
    let is_below = limit_of(before).is_none_or(|limit| limit < bound);
    let source = Source::Override(id.clone());
    is_below.then_some((Grant::Limit(bound), EntitlementReason::OverrideAtLeast, source))
}

fn at_most(overrides: &[&InForce<'_>], before: Option<&Reasoned>) -> Option<Reasoned> {
    let bounds = overrides.iter().filter_map(|exception| match exception.effect {
        Some(Effect::AtMost(limit)) => Some((limit, exception.id)),
        _ => None,
    });
    let (bound, id) = bounds.min()?;
    let is_above = limit_of(before).is_some_and(|limit| limit > bound);
    let source = Source::Override(id.clone());
    is_above.then_some((Grant::Limit(bound), EntitlementReason::OverrideAtMost, source))
}

fn limit_of(value: Option<&Reasoned>) -> Option<Limit> {
    match value {
        Some((Grant::Limit(limit), ..)) => Some(*limit),
        _ => None,
    }
}

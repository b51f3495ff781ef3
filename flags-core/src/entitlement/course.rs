use alloc::vec::Vec;

use super::catalogue::Catalogue;
use super::contract::Contract;
use super::definition::{BlockEffect, Lane};
use super::plan::PlanVersion;
use super::window::Window;

/// What is the same for all features of a tenant, from one instant to the next: which inputs count,
/// and what blocks.
#[derive(Debug)]
pub(super) struct Course<'c> {
    contract: &'c Contract,
    /// From when on an unpaid invoice blocks, and what that leaves.
    grace_end: Option<(i64, BlockEffect)>,
}

/// What holds at an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// The contract has ended: the fallback counts instead of the plan, and nothing else.
    pub(super) has_ended: bool,
    /// The trial counts.
    pub(super) is_trial: bool,
    /// An invoice is unpaid, and waited for.
    pub(super) is_grace: bool,
    /// The strongest effect of all blocks, and the first lane that has it.
    pub(super) block: Option<(BlockEffect, Lane)>,
}

impl<'c> Course<'c> {
    pub(super) fn of(catalogue: &Catalogue, contract: &'c Contract) -> Self {
        let plan = contract.plan.as_ref().and_then(|plan| catalogue.plan(plan));
        Self { contract, grace_end: contract.unpaid_since.map(|since| grace_end(since, plan)) }
    }

    /// Every instant at which something may change, in any order.
    pub(super) fn boundaries(&self) -> Vec<i64> {
        let trial = self.contract.trial.iter().map(|(_, window)| *window);
        let blocks = self.contract.blocks.iter().map(|block| block.window);
        let mut boundaries: Vec<i64> = trial.chain(blocks).flat_map(Window::boundaries).collect();
        boundaries.extend(self.contract.unpaid_since);
        boundaries.extend(self.grace_end.map(|(end, _)| end));
        boundaries.extend(self.contract.ends_at);
        boundaries
    }

    pub(super) fn at(&self, instant: i64) -> Situation {
        let has_ended = self.contract.ends_at.is_some_and(|end| end <= instant);
        let is_trial =
            self.contract.trial.as_ref().is_some_and(|(_, window)| window.contains(instant));
        let (start, grace_end) = (self.contract.unpaid_since, self.grace_end);
        let grace = Window { start, end: grace_end.map(|(end, _)| end) };
        let unpaid = grace_end.filter(|(end, _)| *end <= instant && !has_ended);
        let unpaid = unpaid.map(|(_, effect)| (effect, Lane::Billing));
        let blocks = self.contract.blocks.iter().filter(|block| block.window.contains(instant));
        Situation {
            has_ended,
            is_trial: is_trial && !has_ended,
            is_grace: start.is_some() && grace.contains(instant) && !has_ended,
            block: blocks.map(|block| (block.effect, block.lane)).chain(unpaid).min(),
        }
    }
}

/// When the grace of an invoice is over, and what is left then.
fn grace_end(unpaid_since: i64, plan: Option<&PlanVersion>) -> (i64, BlockEffect) {
    let (grace_ms, effect) =
        plan.map_or((0, BlockEffect::None), |plan| (plan.grace_ms, plan.after_grace));
    (unpaid_since.saturating_add_unsigned(grace_ms), effect)
}

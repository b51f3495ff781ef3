//! What is the same for all features of a tenant, and is worked out once for all of them.

use alloc::vec::Vec;

use super::course::{Course, Situation};
use super::decision::{Access, EntitlementReason};
use super::definition::{BlockEffect, Lane};
use super::moments::Moment;
use super::over_time::Said;

/// What holds beside a package.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Besides {
    Nothing,
    Grace,
    ReadOnly(Lane),
    Blocked(Lane),
}

/// The packages of one tenant, by their numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackageNumbers {
    pub(super) regular: u32,
    pub(super) with_trial: Option<u32>,
    pub(super) after_end: Option<u32>,
}

impl PackageNumbers {
    pub(super) fn all(self) -> impl Iterator<Item = u32> {
        [self.regular].into_iter().chain(self.with_trial).chain(self.after_end)
    }

    fn at(self, now: Situation) -> u32 {
        let other = if now.has_ended {
            self.after_end
        } else if now.is_trial {
            self.with_trial
        } else {
            None
        };
        other.unwrap_or(self.regular)
    }
}

/// All of time in stages; neighbours differ.
pub(super) fn stages_of(course: &Course<'_>, packages: PackageNumbers) -> Vec<Moment> {
    let mut boundaries = course.boundaries();
    boundaries.push(i64::MIN);
    boundaries.sort_unstable();
    boundaries.dedup();
    let mut stages = Vec::with_capacity(boundaries.len());
    let mut before = None;
    for start in boundaries {
        let now = course.at(start);
        let besides = match now.block {
            Some((BlockEffect::None, lane)) => Besides::Blocked(lane),
            Some((BlockEffect::ReadOnly, lane)) => Besides::ReadOnly(lane),
            None if now.is_grace => Besides::Grace,
            None => Besides::Nothing,
        };
        let package = packages.at(now);
        if before.replace((package, besides)) != Some((package, besides)) {
            stages.push(Moment::stage(start, package, besides));
        }
    }
    stages
}

impl Besides {
    /// What is left of what a package says.
    pub(super) fn leaves(self, said: Said<'_>) -> Said<'_> {
        match (self, said.reason) {
            (_, EntitlementReason::FeatureInvalid | EntitlementReason::Expired) => said,
            (Self::Blocked(lane), _) => Said::without_access(EntitlementReason::Blocked(lane)),
            (Self::ReadOnly(lane), _) if said.value().is_some() => {
                let (access, reason) = (Access::ReadOnly, EntitlementReason::Blocked(lane));
                Said { access, reason, ..said }
            }
            (Self::Grace, EntitlementReason::Granted) => {
                Said { reason: EntitlementReason::Grace, ..said }
            }
            _ => said,
        }
    }
}

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::course::{Course, Situation};
use super::decision::{Access, EntitlementReason};
use super::definition::{BlockEffect, Lane};
use super::over_time::Said;
use super::packages::Packages;
use crate::ruleset::Slot;

/// From an instant on, for all features of a tenant alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stage {
    start: i64,
    /// The number of the package that counts.
    pub(super) package: u32,
    besides: Besides,
}

/// What holds beside a package.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Besides {
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
pub(super) fn stages(course: &Course<'_>, packages: PackageNumbers) -> Box<[Stage]> {
    let mut boundaries = course.boundaries();
    boundaries.push(i64::MIN);
    boundaries.sort_unstable();
    boundaries.dedup();
    let mut stages: Vec<Stage> = Vec::with_capacity(boundaries.len());
    for start in boundaries {
        let now = course.at(start);
        let besides = match now.block {
            Some((BlockEffect::None, lane)) => Besides::Blocked(lane),
            Some((BlockEffect::ReadOnly, lane)) => Besides::ReadOnly(lane),
            None if now.is_grace => Besides::Grace,
            None => Besides::Nothing,
        };
        let package = packages.at(now);
        if stages.last().is_none_or(|last| (last.package, last.besides) != (package, besides)) {
            stages.push(Stage { start, package, besides });
        }
    }
    stages.into()
}

impl Stage {
    /// Whether nothing is left of any package.
    pub(super) fn is_blocked(&self) -> bool {
        matches!(self.besides, Besides::Blocked(_))
    }
}

/// Which stage an instant is in.
pub(super) fn place(stages: &[Stage], instant: i64) -> usize {
    stages.partition_point(|stage| stage.start <= instant).saturating_sub(1)
}

impl Besides {
    /// What is left of what a package says.
    fn leaves(self, said: Said<'_>) -> Said<'_> {
        match (self, said.reason) {
            (_, EntitlementReason::FeatureInvalid | EntitlementReason::Expired) => said,
            (Self::Blocked(lane), _) => Said::without_access(EntitlementReason::Blocked(lane)),
            (Self::ReadOnly(lane), _) if said.value.is_some() => {
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

/// The stages of a tenant, asked for one feature. Neighbours may say the same of that.
#[derive(Clone, Copy)]
pub(super) struct Stages<'r> {
    pub(super) stages: &'r [Stage],
    pub(super) packages: &'r Packages,
    pub(super) slot: Slot,
}

impl fmt::Debug for Stages<'_> {
    /// Without the packages, which are those of all tenants.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stages).finish()
    }
}

impl<'r> Stages<'r> {
    /// Which of them an instant is in.
    pub(super) fn place(self, instant: i64) -> usize {
        place(self.stages, instant)
    }

    pub(super) fn said(self, place: usize) -> Said<'r> {
        match self.stages.get(place) {
            Some(stage) => stage.besides.leaves(self.packages.said(stage.package, self.slot)),
            None => Said::without_access(EntitlementReason::FeatureInvalid),
        }
    }

    pub(super) fn start(self, place: usize) -> Option<i64> {
        self.stages.get(place).filter(|_| place > 0).map(|stage| stage.start)
    }

    /// The next that says something else.
    pub(super) fn next(self, place: usize) -> Option<usize> {
        let said = self.said(place);
        (place + 1..self.stages.len()).find(|later| self.said(*later) != said)
    }

    /// Whether all of them say the same.
    pub(super) fn is_always(self) -> bool {
        self.next(0).is_none()
    }
}

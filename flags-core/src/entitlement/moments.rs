//! What holds from one instant to the next. What a check of one tenant reads lies together.

use alloc::vec::Vec;
use core::fmt;

use super::decision::{Access, EntitlementReason};
use super::over_time::Said;
use super::packages::Packages;
use super::stages::Besides;
use super::timeline::{GrantedBy, State};
use crate::ruleset::Slot;

/// Until the next one begins: one line of memory.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub(super) struct Moment {
    pub(super) start: i64,
    /// Of an interval the slot of its feature, of a stage its package.
    number: u32,
    what: What,
    /// In an interval.
    granted: GrantedBy,
}

const _: () = assert!(size_of::<Moment>() <= 64);

#[derive(Debug, Clone, Copy)]
enum What {
    /// Of one feature.
    Interval(Access, EntitlementReason),
    /// Of all features that have no intervals.
    Stage(Besides),
}

impl Moment {
    pub(super) fn stage(start: i64, package: u32, besides: Besides) -> Self {
        let granted = GrantedBy::default();
        Self { start, number: package, what: What::Stage(besides), granted }
    }

    fn interval(start: i64, slot: Slot, State { access, reason, granted }: State) -> Self {
        Self { start, number: slot.number(), what: What::Interval(access, reason), granted }
    }

    /// Moments are in the order of this: the intervals of each feature, and then the stages.
    fn owner(&self) -> u32 {
        match self.what {
            What::Interval(..) => self.number,
            What::Stage(_) => Slot::NOWHERE.number(),
        }
    }

    /// Of a stage: which package counts, and whether nothing is left of it.
    pub(super) fn package(&self) -> (u32, bool) {
        (self.number, matches!(self.what, What::Stage(Besides::Blocked(_))))
    }

    pub(super) fn access(&self) -> Access {
        match self.what {
            What::Interval(access, _) => access,
            What::Stage(_) => Access::None,
        }
    }
}

/// Intervals of features, each in the order of time.
#[derive(Default)]
pub(super) struct Intervals(Vec<Moment>);

impl Intervals {
    /// Adds what holds of a feature from an instant on, if it is something else than before.
    pub(super) fn push(&mut self, start: i64, slot: Slot, state: State) {
        let same = |last: &Moment| {
            matches!(last.what, What::Interval(access, reason)
                if (last.number, access, reason) == (slot.number(), state.access, state.reason))
                && last.granted == state.granted
        };
        if !self.0.last().is_some_and(same) {
            self.0.push(Moment::interval(start, slot, state));
        }
    }

    /// With stages behind them.
    pub(super) fn and(mut self, stages: impl IntoIterator<Item = Moment>) -> Vec<Moment> {
        self.0.extend(stages);
        self.0
    }
}

/// The intervals of a feature; none of one without.
#[inline]
pub(super) fn of(moments: &[Moment], slot: Slot) -> &[Moment] {
    let first = count(moments, |moment| moment.owner() < slot.number());
    let moments = moments.get(first..).unwrap_or_default();
    let count = count(moments, |moment| moment.owner() == slot.number());
    moments.get(..count).unwrap_or_default()
}

/// What has no intervals goes by these.
pub(super) fn stages(moments: &[Moment]) -> &[Moment] {
    of(moments, Slot::NOWHERE)
}

/// Which of them an instant is in.
#[inline]
pub(super) fn place(moments: &[Moment], instant: i64) -> usize {
    count(moments, |moment| moment.start <= instant).saturating_sub(1)
}

/// Of so many all that come first are read: that these lie one after the other is foreseen, and
/// memory does not have to be waited for at each of them.
const FEW: usize = 16;

/// How many of the first ones are so, and none behind them.
#[inline]
fn count(moments: &[Moment], is: impl Fn(&Moment) -> bool) -> usize {
    if moments.len() <= FEW {
        moments.iter().take_while(|moment| is(moment)).count()
    } else {
        moments.partition_point(is)
    }
}

/// Moments asked for one feature: its intervals, or all stages, of which neighbours may say the same
/// of it.
#[derive(Clone, Copy)]
pub(super) struct Moments<'r> {
    pub(super) moments: &'r [Moment],
    /// What stages are asked with.
    pub(super) packages: Option<(&'r Packages, Slot)>,
}

impl fmt::Debug for Moments<'_> {
    /// Without the packages, which are those of all tenants.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.moments).finish()
    }
}

impl<'r> Moments<'r> {
    #[inline]
    pub(super) fn said(self, place: usize) -> Said<'r> {
        match self.moments.get(place) {
            Some(Moment { what: What::Interval(access, reason), granted, .. }) => {
                Said { access: *access, reason: *reason, granted: Some(granted) }
            }
            Some(Moment { number, what: What::Stage(besides), .. }) => {
                self.said_by(*number, *besides)
            }
            None => Said::without_access(EntitlementReason::FeatureInvalid),
        }
    }

    #[inline(never)]
    fn said_by(self, package: u32, besides: Besides) -> Said<'r> {
        match self.packages {
            Some((packages, slot)) => besides.leaves(packages.said(package, slot)),
            None => Said::without_access(EntitlementReason::FeatureInvalid),
        }
    }

    /// When it begins; never, the first.
    #[inline]
    pub(super) fn start(self, place: usize) -> Option<i64> {
        self.moments.get(place).filter(|_| place > 0).map(|moment| moment.start)
    }

    /// The next that says something else.
    #[inline]
    pub(super) fn next(self, place: usize) -> Option<usize> {
        let next = place + 1;
        match self.moments.get(next)?.what {
            // Neighbours differ.
            What::Interval(..) => Some(next),
            What::Stage(_) => self.next_stage(place),
        }
    }

    #[inline(never)]
    fn next_stage(self, place: usize) -> Option<usize> {
        let said = self.said(place);
        (place + 1..self.moments.len()).find(|later| self.said(*later) != said)
    }
}

//! What is served, compiled: splits as prefix sums, ramps in integer arithmetic.

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::bucket::Salt;
use crate::condition::AttributePath;
use crate::limits::TOTAL_WEIGHT;
use crate::ruleset::VariantIndex;
use crate::time::Timestamp;

#[derive(Debug)]
pub(crate) enum Serve {
    Variant(VariantIndex),
    Split(Split),
}

/// A split or a ramp.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) unit: Unit,
    pub(crate) shares: Shares,
}

/// Where each share ends, and what it gets; `None` goes on to the next rule.
#[derive(Debug)]
pub(crate) enum Shares {
    /// Up to four in place: most splits are of two. Where there are fewer, the last ones are empty.
    Few {
        ends: [u32; 3],
        variants: [Option<VariantIndex>; 4],
    },
    Many(Box<[(u32, Option<VariantIndex>)]>),
    Ramp(Box<Ramp>),
}

#[derive(Debug)]
pub(crate) struct Ramp {
    pub(crate) variant: VariantIndex,
    pub(crate) rest: VariantIndex,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

/// The buckets from `from` up to, not including, `end`, and what they get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) from: u32,
    pub(crate) end: u32,
    /// `None` goes on to the next rule.
    pub(crate) variant: Option<VariantIndex>,
}

/// What is hashed, and with which salt.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) path: Arc<AttributePath>,
    pub(crate) salt: Salt,
}

impl Shares {
    /// Of shares whose ends do not fall; the last ends at the total.
    pub(crate) fn new(shares: &[(u32, Option<VariantIndex>)]) -> Self {
        let (mut ends, mut variants) = ([TOTAL_WEIGHT; 3], [None; 4]);
        if shares.len() > variants.len() {
            return Self::Many(shares.into());
        }
        for (place, (end, _)) in ends.iter_mut().zip(shares) {
            *place = *end;
        }
        for (place, (_, variant)) in variants.iter_mut().zip(shares) {
            *place = *variant;
        }
        Self::Few { ends, variants }
    }

    /// The share that holds `bucket`; of a ramp at `now`.
    ///
    /// Which it is no processor can foresee, so there is no branch on it.
    #[inline]
    pub(crate) fn choose(&self, bucket: u32, now: impl FnOnce() -> Timestamp) -> Share {
        match self {
            Self::Few { ends: [first, second, third], variants } => {
                let bounds = [0, *first, *second, *third, TOTAL_WEIGHT];
                let index: usize =
                    [first, second, third].iter().map(|end| usize::from(**end <= bucket)).sum();
                let at = |index| bounds.get(index).copied().unwrap_or(TOTAL_WEIGHT);
                let variant = variants.get(index).copied().flatten();
                Share { from: at(index), end: at(index + 1), variant }
            }
            Self::Many(shares) => choose_of_many(shares, bucket),
            Self::Ramp(ramp) => ramp.choose(bucket, now()),
        }
    }
}

#[inline]
fn choose_of_many(shares: &[(u32, Option<VariantIndex>)], bucket: u32) -> Share {
    let index: usize = shares.iter().map(|(end, _)| usize::from(*end <= bucket)).sum();
    let share_before = index.checked_sub(1).and_then(|index| shares.get(index));
    // Compiling demands that the shares end at the total, which is above every bucket.
    let (end, variant) = shares.get(index).copied().unwrap_or((TOTAL_WEIGHT, None));
    Share { from: share_before.map_or(0, |(end, _)| *end), end, variant }
}

impl Ramp {
    /// The share of `variant` at `now`, in steps of 0.001 %, rounded down.
    fn share(&self, now: Timestamp) -> u32 {
        let (start, end, now) = (self.start.as_millis(), self.end.as_millis(), now.as_millis());
        if now <= start {
            return self.from;
        }
        if now >= end {
            return self.to;
        }
        let length = i128::from(end) - i128::from(start);
        let passed = i128::from(now) - i128::from(start);
        let growth = (i128::from(self.to) - i128::from(self.from)) * passed / length;
        // `from` plus a part of `to - from`, both at most TOTAL_WEIGHT.
        (i128::from(self.from) + growth).clamp(0, i128::from(TOTAL_WEIGHT)) as u32
    }

    fn choose(&self, bucket: u32, now: Timestamp) -> Share {
        let share = self.share(now);
        if bucket < share {
            Share { from: 0, end: share, variant: Some(self.variant) }
        } else {
            Share { from: share, end: TOTAL_WEIGHT, variant: Some(self.rest) }
        }
    }
}

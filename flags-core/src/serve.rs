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
    Ramp(Ramp),
}

#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) unit: Unit,
    /// Where each share ends, and what it gets; `None` goes on to the next rule.
    pub(crate) shares: Box<[(u32, Option<VariantIndex>)]>,
}

#[derive(Debug)]
pub(crate) struct Ramp {
    pub(crate) unit: Unit,
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

impl Split {
    /// The share that holds `bucket`.
    #[inline]
    pub(crate) fn choose(&self, bucket: u32) -> Share {
        let mut from = 0;
        for (end, variant) in &self.shares {
            if bucket < *end {
                return Share { from, end: *end, variant: *variant };
            }
            from = *end;
        }
        // Compiling demands that the shares end at the total, which is above every bucket.
        Share { from, end: TOTAL_WEIGHT, variant: None }
    }
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

    /// The share that holds `bucket` at `now`.
    pub(crate) fn choose(&self, bucket: u32, now: Timestamp) -> Share {
        let share = self.share(now);
        if bucket < share {
            Share { from: 0, end: share, variant: Some(self.variant) }
        } else {
            Share { from: share, end: TOTAL_WEIGHT, variant: Some(self.rest) }
        }
    }
}

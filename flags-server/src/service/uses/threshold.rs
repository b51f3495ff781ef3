//! When a use comes to a share of its limit.

use flags_core::{Limit, Timestamp};

use super::Limited;
use crate::limits::{CROSSINGS_KEPT_MS, MAX_FORGOTTEN_CROSSINGS};
use crate::service::fault::Fault;
use crate::service::publish::Unit;
use crate::store::{Counter, Crossing, StoredUse};

/// Shares of a limit, in percent, the coming to which is reported.
pub(super) const THRESHOLDS: [u32; 3] = [80, 95, 100];

/// The highest threshold that a use is at; 0 below all of them.
pub(super) fn level(used: u64, limit: Limit) -> u32 {
    let Limit::At(limit) = limit else { return 0 };
    let is_at = |threshold: &&u32| {
        used > 0 && u128::from(used) * 100 >= u128::from(limit) * u128::from(**threshold)
    };
    THRESHOLDS.iter().rev().find(is_at).copied().unwrap_or_default()
}

/// Writes down each threshold that a use has come to since it was last looked at; and where it fell
/// below one, that it may come to it again. Without access there is no limit, and everything stays as
/// it was: who is let in again has come to nothing.
pub(super) fn observe(
    unit: &mut Unit<'_>,
    limited: &Limited,
    counter: Counter,
) -> Result<u64, Fault> {
    let Some(stored) = limited.used(unit.tx, counter)? else { return Ok(0) };
    let Some(limit) = limited.timeline.check(unit.now).limit else { return Ok(0) };
    let environment = limited.environment.id;
    let StoredUse { of, used, level: before, .. } = stored;
    let after = level(used, limit);
    if after == before {
        return Ok(0);
    }
    let mut crossings = 0;
    if let Limit::At(limit) = limit {
        let crossed =
            THRESHOLDS.iter().filter(|threshold| (before + 1..=after).contains(*threshold));
        for threshold in crossed {
            let (id, threshold, at) = (0, *threshold, unit.now);
            let crossing = Crossing { id, of: of.clone(), threshold, used, limit, at };
            unit.tx.add_crossing(environment, &crossing)?;
            crossings += 1;
        }
    }
    if crossings > 0 {
        let until = unit.now.as_millis().saturating_sub(CROSSINGS_KEPT_MS);
        unit.tx.forget_crossings(Timestamp::from_millis(until), MAX_FORGOTTEN_CROSSINGS)?;
    }
    unit.tx.set_level(environment, &of, after)?;
    Ok(crossings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_reached_at_its_share_and_not_before() {
        for (used, limit, expected) in [
            (0, 0, 0),
            (1, 0, 100),
            (0, 5, 0),
            (3, 5, 0),
            (4, 5, 80),
            (5, 5, 100),
            (9, 5, 100),
            (94, 100, 80),
            (95, 100, 95),
            (99, 100, 95),
            (800, 1_001, 0),
            (801, 1_001, 80),
            (i64::MAX.unsigned_abs() - 1, i64::MAX.unsigned_abs(), 95),
        ] {
            assert_eq!(level(used, Limit::At(limit)), expected, "{used} of {limit}");
        }
        assert_eq!(level(u64::MAX, Limit::Unlimited), 0);
    }
}

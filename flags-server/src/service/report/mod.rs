//! What somebody should look at, and how it is mended. Thresholds are in [`uses`](super::uses), which
//! writes them down.

mod asked;
pub(crate) mod disagreements;
mod mending;
pub(crate) mod over_limit;
pub(crate) mod overrides;
pub(crate) mod repair;

pub(crate) use self::asked::Kind;

use super::fault::Fault;
use super::tenants_alone::Stopped;
use crate::limits::REPORT_TIMEOUT;

/// Says why a report did not come to its end.
pub(crate) fn unfinished(stopped: Stopped) -> Fault {
    stopped.told("report_seconds", REPORT_TIMEOUT)
}

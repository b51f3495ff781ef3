//! Gauges: what products report that a tenant uses. The newest report holds, in whatever order they come.

use flags_core::{Field, Shape, Text, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::threshold::observe;
use super::{Limited, Path, Standing};
use crate::limits::MAX_USAGE_AHEAD_MS;
use crate::service::fault::{Fault, diagnostic};
use crate::service::publish::Unit;
use crate::service::received::all_right;
use crate::store::{Counter, StoredUse, View};

/// Most that can be used, as it is the highest limit.
const MOST_USED: u64 = i64::MAX.unsigned_abs();

/// What a product says.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Report {
    used: u64,
    at: String,
}

impl Report {
    /// The shape of a body.
    pub(crate) const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("used", &Shape::Within(0..=MOST_USED, &Shape::U64))
            .says("How much is used, up to 2⁶³−1."),
        Field::required("at", &Shape::Text(&Text::TIME))
            .says("When it was so, in RFC 3339; at most five minutes from now."),
    ]);
}

/// What a tenant uses of a feature, as the product says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Usage {
    #[serde(flatten)]
    standing: Standing,
    /// When it was so.
    #[schemars(extend("format" = "date-time"))]
    at: String,
    /// Whether this report holds now: not one that is no newer than what was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<bool>,
}

impl Usage {
    fn of(limited: &Limited, (used, at): (u64, Timestamp), now: Timestamp) -> Self {
        Self { standing: limited.standing(used, now), at: at.to_string(), applied: None }
    }
}

pub(crate) fn get(view: &dyn View, path: &Path, now: Timestamp) -> Result<Usage, Fault> {
    let limited = Limited::find(view, path)?;
    let stored = limited.used(view, Counter::Usage)?.ok_or_else(|| {
        let (tenant, feature) = (&limited.tenant, &limited.feature);
        Fault::NotFound(format!(
            "nobody has said how much of `{feature}` the tenant `{tenant}` uses"
        ))
    })?;
    Ok(Usage::of(&limited, (stored.used, stored.at), now))
}

/// Keeps a report, unless there is one that is as new.
pub(crate) fn put(unit: &mut Unit<'_>, path: &Path, report: &Report) -> Result<Usage, Fault> {
    let limited = Limited::find(unit.tx, path)?;
    let at = read(report, unit.now)?;
    let present = limited.used(unit.tx, Counter::Usage)?;
    if let Some(StoredUse { used, at: present, .. }) = present.filter(|present| present.at >= at) {
        let usage = Usage::of(&limited, (used, present), unit.now);
        return Ok(Usage { applied: Some(false), ..usage });
    }
    let of = [&*limited.tenant, &*limited.feature];
    unit.tx.put_usage(limited.environment.id, of, report.used, at)?;
    observe(unit, &limited, Counter::Usage)?;
    let usage = Usage::of(&limited, (report.used, at), unit.now);
    Ok(Usage { applied: Some(true), ..usage })
}

/// When a report is of.
fn read(report: &Report, now: Timestamp) -> Result<Timestamp, Fault> {
    let mut faults = Vec::new();
    if report.used > MOST_USED {
        let message = format!("it is at most {MOST_USED}");
        faults.push(diagnostic("/used", "out_of_range", message));
    }
    let at = Timestamp::parse(&report.at);
    match at {
        None => {
            let message = "expected a time such as `2027-01-31T12:00:00Z`";
            faults.push(diagnostic("/at", "invalid_time", message));
        }
        Some(at) if at.as_millis() > now.as_millis().saturating_add(MAX_USAGE_AHEAD_MS) => {
            let message = format!("it is at most {} s from now", MAX_USAGE_AHEAD_MS / 1_000);
            faults.push(diagnostic("/at", "in_the_future", message));
        }
        Some(_) => {}
    }
    all_right(faults)?;
    at.ok_or_else(|| Fault::Internal("a time that was read".into()))
}

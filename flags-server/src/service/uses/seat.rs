//! Seats: each is one user's, and there are no more of them than the contract grants when one is assigned.

use flags_core::{Access, Timestamp, is_context_key};
use serde_json::json;

use super::threshold::observe;
use super::{Limited, Path, Standing};
use crate::limits::MAX_SEATS;
use crate::service::fault::Fault;
use crate::service::model::Revisions;
use crate::service::publish::{Deed, Unit};
use crate::service::tenant::Tenant;
use crate::store::{Counter, Environment, Page, Project, StoredSeat, View};

/// What the audit log calls a seat; its key there is the user's.
pub(crate) const AUDIT_KIND: &str = "seat";

/// What came of assigning a seat.
pub(crate) struct Assigned {
    /// Whether the user did not have it.
    pub(crate) is_new: bool,
    pub(crate) standing: Standing,
}

/// Gives a user a seat, if the contract grants one more now; once, however often it is asked for.
pub(crate) fn assign(unit: &mut Unit<'_>, path: &Path, user: &str) -> Result<Assigned, Fault> {
    let limited = Limited::find(unit.tx, path)?;
    check_user(user)?;
    let used = limited.seats(unit.tx)?;
    let seat = [&*limited.tenant, &*limited.feature, user];
    let environment = limited.environment.id;
    if unit.tx.seat(environment, &limited.tenant, &limited.feature, user)?.is_some() {
        return Ok(Assigned { is_new: false, standing: limited.standing(used, unit.now) });
    }
    let decision = limited.timeline.check_limit(used, 1, unit.now);
    if decision.access != Access::Full {
        return Err(Fault::NoSeat(Box::new(Standing::of(used, &decision))));
    }
    if unit.tx.seat_count(environment)? >= MAX_SEATS {
        return Err(Fault::limit("seats", MAX_SEATS));
    }
    unit.tx.assign_seat(environment, seat, unit.now)?;
    observe(unit, &limited, Counter::Seats)?;
    record(unit, &limited, user, "seat.assign", (used, used + 1))?;
    Ok(Assigned { is_new: true, standing: limited.standing(used + 1, unit.now) })
}

fn check_user(user: &str) -> Result<(), Fault> {
    const INVALID: &str =
        "a user's key is 1 to 512 bytes without control characters, not `.` or `..`";
    if is_context_key(user) { Ok(()) } else { Err(Fault::at("", "invalid_key", INVALID)) }
}

/// Takes the seat of a user away, if there is one.
pub(crate) fn release(unit: &mut Unit<'_>, path: &Path, user: &str) -> Result<Standing, Fault> {
    let limited = Limited::find(unit.tx, path)?;
    check_user(user)?;
    let used = limited.seats(unit.tx)?;
    let environment = limited.environment.id;
    if unit.tx.seat(environment, &limited.tenant, &limited.feature, user)?.is_none() {
        return Ok(limited.standing(used, unit.now));
    }
    let seat = [&*limited.tenant, &*limited.feature, user];
    unit.tx.release_seat(environment, seat, unit.now)?;
    let left = used.saturating_sub(1);
    observe(unit, &limited, Counter::Seats)?;
    record(unit, &limited, user, "seat.release", (used, left))?;
    Ok(limited.standing(left, unit.now))
}

/// Takes all seats of a user away, as if there had been none: without a word of it.
pub(crate) fn release_all(
    unit: &mut Unit<'_>,
    (project, environment): (&Project, &Environment),
    user: &str,
) -> Result<(), Fault> {
    for (tenant, feature) in unit.tx.seats_of_user(environment.id, user)? {
        unit.tx.release_seat(environment.id, [&tenant, &feature, user], unit.now)?;
        let stored = unit.tx.tenant(environment.id, &tenant)?;
        let Some(tenant) = stored.as_ref().map(Tenant::read).transpose()? else { continue };
        let place = (project.clone(), environment.clone());
        let limited = Limited::of(unit.tx, place, &tenant, &feature)?;
        observe(unit, &limited, Counter::Seats)?;
    }
    Ok(())
}

/// The seats of a feature that a tenant has assigned, and how many there are.
pub(crate) fn list(
    view: &dyn View,
    path: &Path,
    page: &Page,
    now: Timestamp,
) -> Result<(Standing, Vec<StoredSeat>), Fault> {
    let limited = Limited::find(view, path)?;
    let seats = view.seats(limited.environment.id, &limited.tenant, &limited.feature, page)?;
    Ok((limited.standing(limited.seats(view)?, now), seats))
}

fn record(
    unit: &mut Unit<'_>,
    limited: &Limited,
    user: &str,
    action: &str,
    (before, after): (u64, u64),
) -> Result<(), Fault> {
    let Limited { tenant, feature, .. } = limited;
    let told = |used: u64| json!({"tenant": tenant, "feature": feature, "used": used});
    unit.record(&Deed {
        action,
        project: Some(&limited.project),
        environment: Some(&limited.environment),
        kind: AUDIT_KIND,
        key: user,
        before: Some(&told(before)),
        after: Some(&told(after)),
        revisions: &Revisions::new(),
    })
}

//! Seats of a key: those of the user, or of the users of the tenant.

use flags_core::TENANT_KIND;

use crate::service::fault::Fault;
use crate::service::publish::Unit;
use crate::service::redact::Subject;
use crate::service::uses::seat;
use crate::store::{Counter, Environment, EnvironmentId, Project, View};

/// How many there are.
pub(super) fn count(
    view: &dyn View,
    environment: EnvironmentId,
    subject: &Subject,
) -> Result<u64, Fault> {
    Ok(match &*subject.kind {
        USER_KIND => view.seats_of_user(environment, &subject.key)?.len() as u64,
        TENANT_KIND => {
            let uses = view.used_by(environment, &subject.key)?;
            uses.iter().filter(|of| of.of.counter == Counter::Seats).map(|of| of.used).sum()
        }
        _ => 0,
    })
}

/// The kind of context that has seats.
pub(super) const USER_KIND: &str = "user";

/// Takes a user's away; those of a tenant go with it.
pub(super) fn release(
    unit: &mut Unit<'_>,
    place: (&Project, &Environment),
    subject: &Subject,
) -> Result<(), Fault> {
    match &*subject.kind {
        USER_KIND => seat::release_all(unit, place, &subject.key),
        _ => Ok(()),
    }
}

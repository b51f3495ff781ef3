//! Who came to which threshold.

use std::time::Instant;

use flags_core::Limit;

use super::threshold::{level, observe};
use super::{Limited, Shelf};
use crate::limits::{REPORT_TIMEOUT, USES_PER_READ, USES_PER_WRITE};
use crate::live::LiveEnvironment;
use crate::service::fault::Fault;
use crate::service::publish::{Author, Unit};
use crate::service::report::unfinished;
use crate::service::tenant::Tenant;
use crate::service::tenants_alone::Stopped;
use crate::service::{Service, now, project};
use crate::store::{Counted, Crossing, StoredUse, View};

/// Looks at all uses of an environment: a contract, a plan or the time may have changed a limit. They are
/// compared with what is in force, beside the writer; those at another threshold than is stored are then
/// looked at again on the writer, by what is stored, a few at a time.
pub(crate) async fn refresh(
    service: &Service,
    live: &LiveEnvironment,
    project: &str,
    environment: &str,
) -> Result<(), Fault> {
    // It may take as long as a preview.
    let _place = service.enter_preview().await?;
    let deadline = Instant::now() + REPORT_TIMEOUT;
    let ruleset = live.ruleset();
    let mut after: Option<Counted> = None;
    loop {
        let (here, ruleset) = ((project.to_owned(), environment.to_owned()), ruleset.clone());
        let part = service.read(move |view| {
            let (_, environment) = project::find_environment(view, &here.0, &here.1)?;
            let uses = view.uses(environment.id, after.as_ref(), USES_PER_READ)?;
            let last = uses.last().map(|last| last.of.clone());
            let at = now();
            let limit =
                |of: &Counted| ruleset.entitlement(&of.tenant, &*of.feature).check(at).limit;
            let moved = |stored: &StoredUse| has_moved(stored, limit(&stored.of));
            let moved = uses.into_iter().filter(moved).map(|stored| stored.of);
            Ok((moved.collect::<Vec<_>>(), last))
        });
        let (moved, last) = part.await?;
        for part in moved.chunks(USES_PER_WRITE) {
            if Instant::now() >= deadline {
                return Err(unfinished(Stopped::TooLong));
            }
            let (here, part) = ((project.to_owned(), environment.to_owned()), part.to_vec());
            let look = service.write(Author::server(), move |unit| look_again(unit, &here, part));
            look.await?;
        }
        match last {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

/// What has gone meanwhile is passed over.
fn look_again(
    unit: &mut Unit<'_>,
    (project, environment): &(String, String),
    uses: Vec<Counted>,
) -> Result<(), Fault> {
    let (project, environment) = project::find_environment(unit.tx, project, environment)?;
    let mut shelf = Shelf::new(unit.tx, &environment);
    let mut found = Vec::new();
    for Counted { tenant, feature, counter } in uses {
        let Some(stored) = unit.tx.tenant(environment.id, &tenant)? else { continue };
        let taken = shelf.take(&Tenant::read(&stored)?.definition.contract)?;
        let timeline = match shelf.limit(&taken, &feature) {
            Ok((timeline, _)) => timeline,
            Err(Fault::NotFound(_) | Fault::Invalid(_)) => continue,
            Err(fault) => return Err(fault),
        };
        let (project, environment) = (project.clone(), environment.clone());
        found.push((Limited { project, environment, tenant, feature, timeline }, counter));
    }
    drop(shelf);
    for (limited, counter) in found {
        observe(unit, &limited, counter)?;
    }
    Ok(())
}

fn has_moved(stored: &StoredUse, limit: Option<Limit>) -> bool {
    limit.is_some_and(|limit| level(stored.used, limit) != stored.level)
}

/// What was crossed after one crossing, in order.
pub(crate) fn list(
    view: &dyn View,
    project: &str,
    environment: &str,
    after: u64,
    limit: u32,
) -> Result<Vec<Crossing>, Fault> {
    let (_, environment) = project::find_environment(view, project, environment)?;
    Ok(view.crossings(environment.id, after, limit)?)
}

//! Who came to which threshold.

use flags_core::Limit;

use super::threshold::{level, observe};
use super::{Limited, Path};
use crate::limits::{USES_PER_READ, USES_PER_WRITE};
use crate::live::LiveEnvironment;
use crate::service::fault::Fault;
use crate::service::publish::Author;
use crate::service::{Service, now, project, tenant};
use crate::store::{Counted, Crossing, StoredUse, View};

/// Looks at all uses of an environment: a contract, a plan or the time may have changed a limit. They are
/// compared with what is in force, beside the writer; those at another threshold than is stored are then
/// looked at again on the writer, by what is stored.
pub(crate) async fn refresh(
    service: &Service,
    live: &LiveEnvironment,
    project: &str,
    environment: &str,
) -> Result<(), Fault> {
    // It may take as long as a preview.
    let _place = service.enter_preview().await?;
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
            let (here, part) = ((project.to_owned(), environment.to_owned()), part.to_vec());
            let look = service.write(Author::server(), move |unit| {
                for Counted { tenant, feature, counter } in part {
                    let (project, environment) = here.clone();
                    let tenant = tenant::Path { project, environment, tenant };
                    match Limited::find(unit.tx, &Path { tenant, feature }) {
                        Ok(limited) => observe(unit, &limited, counter)?,
                        // It has gone meanwhile.
                        Err(Fault::NotFound(_) | Fault::Invalid(_)) => 0,
                        Err(fault) => return Err(fault),
                    };
                }
                Ok(())
            });
            look.await?;
        }
        match last {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
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

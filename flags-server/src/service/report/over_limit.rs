//! Who uses more than is granted now.

use std::sync::Arc;

use flags_core::{Ruleset, Timestamp};

use crate::limits::{MAX_USES_READ, USES_PER_READ};
use crate::service::fault::Fault;
use crate::service::uses::Over;
use crate::service::{Service, project};
use crate::store::{Counted, StoredUse};

/// A part of the list.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) found: Vec<Over>,
    /// After which use there may be more.
    pub(crate) next: Option<Counted>,
}

/// The first `limit` after a use, in their order, by a ruleset that is in force. It looks at
/// [`MAX_USES_READ`] uses at most, part by part.
pub(crate) async fn list(
    service: &Service,
    ruleset: &Arc<Ruleset>,
    (project, environment): (&str, &str),
    mut after: Option<Counted>,
    (limit, now): (usize, Timestamp),
) -> Result<Part, Fault> {
    let mut found = Vec::new();
    for _ in 0..MAX_USES_READ.div_ceil(USES_PER_READ) {
        let here = (project.to_owned(), environment.to_owned());
        let ruleset = Arc::clone(ruleset);
        let part = service.read(move |view| {
            let (_, environment) = project::find_environment(view, &here.0, &here.1)?;
            let uses = view.uses(environment.id, after.as_ref(), USES_PER_READ)?;
            let last = uses.last().map(|last| last.of.clone());
            let over = uses.into_iter().filter_map(|stored| {
                let over = look(&ruleset, &stored, now)?;
                Some((stored.of, over))
            });
            Ok((over.collect::<Vec<_>>(), last))
        });
        let (part, last) = part.await?;
        found.extend(part);
        if found.len() > limit {
            found.truncate(limit);
            let next = found.last().map(|(of, _): &(Counted, Over)| of.clone());
            return Ok(Part { found: overs(found), next });
        }
        after = last;
        if after.is_none() {
            break;
        }
    }
    Ok(Part { found: overs(found), next: after })
}

fn overs(found: Vec<(Counted, Over)>) -> Vec<Over> {
    found.into_iter().map(|(_, over)| over).collect()
}

fn look(ruleset: &Ruleset, stored: &StoredUse, now: Timestamp) -> Option<Over> {
    let entitlement = ruleset.entitlement(&stored.of.tenant, &*stored.of.feature);
    let decide = |at| entitlement.check_limit(stored.used, 0, at);
    Over::of(stored, entitlement.over_limit().policy, now, decide)
}

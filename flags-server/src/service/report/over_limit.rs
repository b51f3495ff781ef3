//! Who uses more than is granted now.

use std::sync::Arc;

use flags_core::{Access, OverLimitPolicy, Ruleset, Timestamp};

use crate::limits::{MAX_USES_READ, USES_PER_READ};
use crate::service::fault::Fault;
use crate::service::uses::Standing;
use crate::service::{Service, project};
use crate::store::Counted;

/// That a tenant does.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) of: Counted,
    pub(crate) standing: Standing,
    pub(crate) access: Access,
    pub(crate) policy: OverLimitPolicy,
    /// When the grace ends, where there is one and something ends with it.
    pub(crate) until: Option<Timestamp>,
}

/// A part of the list.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) found: Vec<Found>,
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
            let over =
                uses.into_iter().filter_map(|stored| look(&ruleset, stored.of, stored.used, now));
            Ok((over.collect::<Vec<_>>(), last))
        });
        let (part, last) = part.await?;
        found.extend(part);
        if found.len() > limit {
            found.truncate(limit);
            let next = found.last().map(|last| last.of.clone());
            return Ok(Part { found, next });
        }
        after = last;
        if after.is_none() {
            break;
        }
    }
    Ok(Part { found, next: after })
}

fn look(ruleset: &Ruleset, of: Counted, used: u64, now: Timestamp) -> Option<Found> {
    let entitlement = ruleset.entitlement(&of.tenant, &*of.feature);
    let decision = entitlement.check_limit(used, 0, now);
    let standing = Standing::of(used, &decision);
    let policy = entitlement.over_limit().policy;
    let until = entitlement.grace_until(used, now);
    let access = decision.access;
    standing.is_over().then_some(Found { of, standing, access, policy, until })
}

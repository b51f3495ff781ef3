//! What tenants use of their limits: seats that are assigned here, and what products report. It is outside of
//! revisions, the change log and the stream.

mod granted;
mod over;
pub(crate) mod report;
pub(crate) mod seat;
mod standing;
mod threshold;
pub(crate) mod usage;

pub(crate) use self::granted::Shelf;
pub(crate) use self::over::{Over, OverLimits, over_limits};
pub(crate) use self::standing::Standing;

use flags_core::{Timeline, Timestamp};

use super::fault::Fault;
use super::tenant::{self, Tenant};
use crate::store::{Counted, Counter, Environment, Project, StoredUse, View};

/// Where what a tenant uses of a feature is found.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) tenant: tenant::Path,
    pub(crate) feature: String,
}

/// A limit of a stored tenant: what its contract grants, by what is stored now.
pub(super) struct Limited {
    project: Project,
    environment: Environment,
    tenant: String,
    feature: String,
    timeline: Timeline,
}

impl Limited {
    /// # Errors
    /// When there is no such tenant or feature, or the feature is no limit.
    fn find(view: &dyn View, path: &Path) -> Result<Self, Fault> {
        let ((project, environment), tenant) = tenant::find(view, &path.tenant)?;
        Self::of(view, (project, environment), &tenant, &path.feature)
    }

    fn of(
        view: &dyn View,
        (project, environment): (Project, Environment),
        tenant: &Tenant,
        feature: &str,
    ) -> Result<Self, Fault> {
        let contract = &tenant.definition.contract;
        let mut shelf = Shelf::new(view, &environment);
        let taken = shelf.take(contract)?;
        let (timeline, _) = shelf.limit(&taken, feature)?;
        let (tenant, feature) = (tenant.key.clone(), feature.to_owned());
        Ok(Self { project, environment, tenant, feature, timeline })
    }

    fn counted(&self, counter: Counter) -> Counted {
        Counted { tenant: self.tenant.clone(), feature: self.feature.clone(), counter }
    }

    fn used(&self, view: &dyn View, counter: Counter) -> Result<Option<StoredUse>, Fault> {
        Ok(view.used(self.environment.id, &self.counted(counter))?)
    }

    fn seats(&self, view: &dyn View) -> Result<u64, Fault> {
        Ok(self.used(view, Counter::Seats)?.map_or(0, |stored| stored.used))
    }

    fn standing(&self, used: u64, now: Timestamp) -> Standing {
        Standing::of(used, &self.timeline.check_limit(used, 0, now))
    }
}

/// What a tenant uses of a feature now, by how that is known; nothing of what is not there, or no limit.
pub(crate) fn of_feature(
    view: &dyn View,
    path: &Path,
    now: Timestamp,
) -> Result<Vec<(Counter, Standing)>, Fault> {
    let limited = match Limited::find(view, path) {
        Ok(limited) => limited,
        Err(Fault::NotFound(_) | Fault::Invalid(_)) => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut found = Vec::new();
    for counter in [Counter::Seats, Counter::Usage] {
        if let Some(stored) = limited.used(view, counter)? {
            found.push((counter, limited.standing(stored.used, now)));
        }
    }
    Ok(found)
}

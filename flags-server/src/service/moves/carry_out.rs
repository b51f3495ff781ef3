use flags_core::{Revision, TENANT_KIND};
use serde_json::{Map, Value, json};

use super::{Course, Move};
use crate::limits::MAX_AUDITED_KEYS;
use crate::service::catalogue::{Needs, Path};
use crate::service::fault::Fault;
use crate::service::project;
use crate::service::publish::{Deed, Unit};
use crate::service::tenant::TenantsEdit;
use crate::service::uses::{OverLimits, over_limits};

/// What came of a move.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) moved: usize,
    /// Those who are still to be moved.
    pub(crate) remaining: u64,
    pub(crate) revision: Revision,
    /// What those who were moved use above their limits.
    pub(crate) over_limit: OverLimits,
}

/// Moves up to `limit` tenants: all of these or none, in one revision.
pub(crate) fn carry_out(
    unit: &mut Unit<'_>,
    path: &Path,
    wanted: &Move,
    limit: usize,
) -> Result<Moved, Fault> {
    let mut course = Course::find(unit.tx, path, wanted)?;
    let mut environment = course.environment.clone();
    let count = course.movers.count(unit.tx, &environment)?;
    let moving = course.movers.next(unit.tx, &environment, limit)?;
    let keys: Vec<String> = moving.iter().map(|stored| stored.key.clone()).collect();
    let moved = moving.into_iter().map(|stored| {
        let after = course.moved(&stored, unit.now)?;
        Ok((stored, after))
    });
    let tenants = moved.collect::<Result<_, Fault>>()?;
    let edit = {
        let mut needs = Needs::new(unit.tx, &course.environment);
        TenantsEdit::moving(&environment, &mut needs, tenants)?
    };
    if !edit.is_empty() {
        let revision = unit.publish(&mut environment, edit.edits().collect())?;
        unit.record(&Deed {
            action: "tenant.move",
            project: Some(&course.project),
            environment: Some(&environment),
            kind: TENANT_KIND,
            key: "",
            before: None,
            after: Some(&told(&course, &keys)),
            revisions: &project::at_revision(&environment, revision),
        })?;
    }
    let over_limit = over_limits(unit.tx, &environment, keys.iter().map(String::as_str), unit.now)?;
    let moved = keys.len();
    let remaining = count.saturating_sub(moved as u64);
    Ok(Moved { moved, remaining, revision: environment.revision, over_limit })
}

/// What the audit log says of it: there is no one key, and there may be many.
fn told(course: &Course, keys: &[String]) -> Value {
    let first: Vec<&String> = keys.iter().take(MAX_AUDITED_KEYS).collect();
    let mut from = Map::from_iter([("plan".to_owned(), json!(course.from.plan))]);
    from.extend(course.from.version.map(|version| ("version".to_owned(), json!(version))));
    let (plan, version) = &course.to;
    let to = json!({"plan": plan, "version": version});
    json!({"tenants": {"moved": keys.len(), "from": from, "to": to, "first": first}})
}

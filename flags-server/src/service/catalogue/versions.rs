//! The versions of a plan, which come and go one by one and never change.

use flags_core::{
    Diagnostic, MAX_PLAN_VERSIONS, PLAN_VERSION, PlanDefinition, PlanReference,
    PlanVersionDefinition,
};
use serde_json::{Value, json};

use super::item::{Item, Path};
use super::needs::Needs;
use super::sold::Sold;
use super::users::Users;
use super::verbs::{find, save};
use crate::service::fault::Fault;
use crate::service::model::json as to_json;
use crate::service::precondition::Precondition;
use crate::service::publish::Unit;
use crate::service::received::{Received, all_right};
use crate::service::sizes::check_document;
use crate::store::ObjectKind;

/// Adds the next version: what the body says, with the next number.
pub(crate) fn add(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Item<PlanDefinition>, Fault> {
    let (project, environment, before) = find::<PlanDefinition>(unit.tx, path)?;
    precondition.check(Some(before.version))?;
    let present = &before.document.definition.versions;
    let Some(next) = highest(present).checked_add(1) else {
        return Err(Fault::limit("plan_version_number", u32::MAX.into()));
    };
    let mut received = Received::new(body)?;
    if let Some(said) = received.members.insert("version".into(), json!(next))
        && said != json!(next)
    {
        received.report("/version", "immutable", format!("the next version is {next}"));
    }
    received.check(&PLAN_VERSION);
    let version: PlanVersionDefinition = received.read()?;
    if present.len() >= MAX_PLAN_VERSIONS {
        return Err(Fault::limit("plan_versions", MAX_PLAN_VERSIONS as u64));
    }
    // Alone: pointers lead into the body.
    let alone = PlanDefinition { versions: vec![version] };
    all_right(alone.check().into_iter().map(in_body).collect())?;
    let mut needs = Needs::new(unit.tx, &environment);
    let mut after = before.document.clone();
    after.definition.versions.extend(alone.versions.iter().cloned());
    after.definition.announce(&path.key, &mut needs);
    let faults = alone.faults(&mut needs)?;
    drop(needs);
    all_right(faults.into_iter().map(in_body).collect())?;
    check_document(&to_json(&after)?, "")?;
    save(unit, (project, environment), path.key.clone(), Some(before), after, "add_version")
}

/// Of the first version of a plan, without its place.
fn in_body(mut fault: Diagnostic) -> Diagnostic {
    if let Some(pointer) = fault.pointer.strip_prefix("/versions/0") {
        fault.pointer = pointer.to_owned();
    }
    fault
}

fn highest(versions: &[PlanVersionDefinition]) -> u32 {
    versions.iter().map(|version| version.version).max().unwrap_or(0)
}

/// Takes a version away that nobody has.
pub(crate) fn delete(
    unit: &mut Unit<'_>,
    path: &Path,
    version: &str,
    precondition: &Precondition,
) -> Result<Item<PlanDefinition>, Fault> {
    precondition.demand()?;
    let (project, environment, before) = find::<PlanDefinition>(unit.tx, path)?;
    let versions = &before.document.definition.versions;
    let is_it = |present: &&PlanVersionDefinition| present.version.to_string() == version;
    let Some(number) = versions.iter().find(is_it).map(|found| found.version) else {
        let message = format!("the plan `{}` has no version {version}", path.key);
        return Err(Fault::NotFound(message));
    };
    precondition.check(Some(before.version))?;
    if number == highest(versions) {
        let message = format!("version {number} is the highest: its number would be given again");
        return Err(Fault::InUse(message));
    }
    let mut users = Users::of_version(unit.tx, environment.id, &path.key, number)?;
    let falls_back = |version: &PlanVersionDefinition| {
        let own = PlanReference { plan: path.key.clone(), version: number };
        version.version != number && version.fallback.as_ref() == Some(&own)
    };
    if versions.iter().any(falls_back) {
        users.add(ObjectKind::Plan, &path.key);
    }
    users.refuse(&format!("version {number} of the plan `{}` cannot be deleted", path.key))?;
    let mut after = before.document.clone();
    after.definition.versions.retain(|present| present.version != number);
    save(unit, (project, environment), path.key.clone(), Some(before), after, "delete_version")
}

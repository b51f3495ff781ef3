//! Putting away what is no longer needed, and getting it back. Its key stays its own.

use serde_json::{Value, json};

use super::fault::Fault;
use super::flag::{self, first_object};
use super::model::{Flag, FlagDocument, Revisions, parse, revisions_of};
use super::precondition::Precondition;
use super::project;
use super::publish::{Deed, Edit, Effect, Unit};
use crate::store::{Environment, ObjectKind, Page, Project, StoredFlag, View};

/// Archives a flag that is off and needed nowhere: for SDKs it is gone.
pub(crate) fn archive_flag(
    unit: &mut Unit<'_>,
    project: &str,
    key: &str,
    precondition: &Precondition,
) -> Result<Flag, Fault> {
    let project = project::find(unit.tx, project)?;
    let (stored, document) = flag::find(unit.tx, project.id, key)?;
    precondition.check(Some(stored.version))?;
    let mut environments = unit.tx.environments(Some(project.id), &Page::ALL)?;
    if stored.archived_at.is_some() {
        return Ok(shown(stored, document, &environments));
    }
    let mut uses = Vec::new();
    for environment in &environments {
        uses.extend(uses_of(unit.tx, environment, key)?);
    }
    if !uses.is_empty() {
        return Err(Fault::InUse(format!("the flag `{key}` is {}", uses.join(", "))));
    }
    let archived_at = Some(unit.now);
    let stored = StoredFlag { version: stored.version + 1, archived_at, ..stored };
    unit.tx.put_flag(project.id, &stored)?;
    for environment in &mut environments {
        let edit = Edit::Delete { kind: ObjectKind::Flag, key: &stored.key };
        unit.publish(environment, vec![edit])?;
    }
    record_flag(unit, "flag.archive", &project, key, &revisions_of(&environments))?;
    Ok(shown(stored, document, &environments))
}

/// Brings an archived flag back, off and as new in every environment.
pub(crate) fn restore_flag(
    unit: &mut Unit<'_>,
    project: &str,
    key: &str,
    precondition: &Precondition,
) -> Result<Flag, Fault> {
    let project = project::find(unit.tx, project)?;
    let (stored, document) = flag::find(unit.tx, project.id, key)?;
    precondition.check(Some(stored.version))?;
    let mut environments = unit.tx.environments(Some(project.id), &Page::ALL)?;
    if stored.archived_at.is_none() {
        return Ok(shown(stored, document, &environments));
    }
    let stored = StoredFlag { version: stored.version + 1, archived_at: None, ..stored };
    unit.tx.put_flag(project.id, &stored)?;
    for environment in &mut environments {
        let edit = first_object(&stored.key, &document)?;
        unit.publish(environment, vec![edit])?;
    }
    record_flag(unit, "flag.restore", &project, key, &revisions_of(&environments))?;
    Ok(shown(stored, document, &environments))
}

/// Where a flag is on or needed.
fn uses_of(view: &dyn View, environment: &Environment, key: &str) -> Result<Vec<String>, Fault> {
    let Environment { id, key: place, .. } = environment;
    let mut uses = Vec::new();
    if let Some(object) = view.object(*id, ObjectKind::Flag, key)?
        && parse::<flags_core::FlagState>(&object.document)?.on
    {
        uses.push(format!("on in `{place}`"));
    }
    for referrer in view.referrers(*id, ObjectKind::Flag, key)? {
        uses.push(format!("a prerequisite of `{}` in `{place}`", referrer.key));
    }
    Ok(uses)
}

fn shown(stored: StoredFlag, document: FlagDocument, environments: &[Environment]) -> Flag {
    let StoredFlag { key, version, archived_at, .. } = stored;
    let revisions = Some(revisions_of(environments));
    Flag { key, shared: document.shared, version, archived_at, revisions }
}

fn record_flag(
    unit: &mut Unit<'_>,
    action: &str,
    project: &Project,
    key: &str,
    revisions: &Revisions,
) -> Result<(), Fault> {
    let (before, after) = archived(action == "flag.archive");
    unit.record(&Deed {
        action,
        project: Some(project),
        environment: None,
        kind: "flag",
        key,
        before: Some(&before),
        after: Some(&after),
        revisions,
    })
}

fn archived(archive: bool) -> (Value, Value) {
    (json!({"archived": !archive}), json!({"archived": archive}))
}

/// Archives a project with its environments, or brings it back.
pub(crate) fn project(unit: &mut Unit<'_>, key: &str, archive: bool) -> Result<Project, Fault> {
    let found = project::find_any(unit.tx, key)?;
    if found.archived_at.is_some() == archive {
        return Ok(found);
    }
    let found = Project { archived_at: archive.then_some(unit.now), ..found };
    unit.tx.archive_project(found.id, found.archived_at)?;
    for environment in unit.tx.environments(Some(found.id), &Page::ALL)? {
        let archived = archive || environment.archived_at.is_some();
        unit.effects.push(Effect::Archived { environment: environment.id, archived });
    }
    let (before, after) = archived(archive);
    unit.record(&Deed {
        action: if archive { "project.archive" } else { "project.restore" },
        project: Some(&found),
        environment: None,
        kind: "project",
        key: &found.key,
        before: Some(&before),
        after: Some(&after),
        revisions: &Revisions::new(),
    })?;
    Ok(found)
}

/// Archives an environment, or brings it back. Its definitions follow those of its project
/// meanwhile, unseen.
pub(crate) fn environment(
    unit: &mut Unit<'_>,
    project: &str,
    key: &str,
    archive: bool,
) -> Result<Environment, Fault> {
    let project = project::find(unit.tx, project)?;
    let found = project::find_any_environment(unit.tx, &project, key)?;
    if found.archived_at.is_some() == archive {
        return Ok(found);
    }
    let found = Environment { archived_at: archive.then_some(unit.now), ..found };
    unit.tx.archive_environment(found.id, found.archived_at)?;
    unit.effects.push(Effect::Archived { environment: found.id, archived: archive });
    let (before, after) = archived(archive);
    unit.record(&Deed {
        action: if archive { "environment.archive" } else { "environment.restore" },
        project: Some(&project),
        environment: Some(&found),
        kind: "environment",
        key: &found.key,
        before: Some(&before),
        after: Some(&after),
        revisions: &Revisions::new(),
    })?;
    Ok(found)
}

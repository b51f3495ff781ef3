//! Projects and their environments.

use flags_core::{Revision, folded_key, is_key};
use serde_json::{Value, json};

use super::fault::{Fault, diagnostic};
use super::flag::first_object;
use super::model::{FlagDocument, Revisions};
use super::publish::{Deed, Edit, Effect, Unit};
use super::received::{INVALID_KEY, all_right};
use super::text;
use crate::limits::{MAX_ENVIRONMENTS, MAX_PROJECTS};
use crate::store::{Environment, Page, Project, Reach, Scope, View};

/// The project `key`, archived or not.
pub(crate) fn find_any(view: &dyn View, key: &str) -> Result<Project, Fault> {
    view.project(key)?.ok_or_else(|| no_project(key))
}

/// The project `key`.
pub(crate) fn find(view: &dyn View, key: &str) -> Result<Project, Fault> {
    let project = find_any(view, key)?;
    match project.archived_at {
        None => Ok(project),
        Some(_) => Err(Fault::NotFound(format!("the project `{key}` is archived"))),
    }
}

/// Says that a project is not there, or not for who asks: one cannot tell which.
pub(crate) fn no_project(key: &str) -> Fault {
    Fault::NotFound(format!("there is no project `{key}`"))
}

/// The environment `key` of a project, archived or not.
pub(crate) fn find_any_environment(
    view: &dyn View,
    project: &Project,
    key: &str,
) -> Result<Environment, Fault> {
    view.environment(project.id, key)?.ok_or_else(|| no_environment(&project.key, key))
}

/// Says that an environment is not there, or not for who asks.
pub(crate) fn no_environment(project: &str, key: &str) -> Fault {
    Fault::NotFound(format!("the project `{project}` has no environment `{key}`"))
}

/// The environment `key` of the project `project`.
pub(crate) fn find_environment(
    view: &dyn View,
    project: &str,
    key: &str,
) -> Result<(Project, Environment), Fault> {
    let project = find(view, project)?;
    let environment = find_any_environment(view, &project, key)?;
    match environment.archived_at {
        None => Ok((project, environment)),
        Some(_) => Err(Fault::NotFound(format!("the environment `{key}` is archived"))),
    }
}

/// Refuses a key that is too like another one of its kind, and one too many of a kind.
pub(super) fn check_new(
    view: &dyn View,
    scope: Scope,
    key: &str,
    (limit, maximum): (&'static str, u64),
) -> Result<(), Fault> {
    if let Some(existing) = view.key_like(scope, &folded_key(key))? {
        return Err(Fault::KeyConflict { key: key.to_owned(), existing });
    }
    if view.count(scope)? >= maximum {
        return Err(Fault::limit(limit, maximum));
    }
    Ok(())
}

/// Refuses a key against the grammar and a name that is too long, or no line of text.
pub(super) fn check_names(key: Option<&str>, name: &str) -> Result<(), Fault> {
    let mut faults = Vec::new();
    if key.is_some_and(|key| !is_key(key)) {
        faults.push(diagnostic("/key", "invalid_key", INVALID_KEY));
    }
    faults.extend(text::faults("/name", "a name", &text::NAME, name));
    all_right(faults)
}

/// The projects of which something lies within `reach`.
pub(crate) fn list(view: &dyn View, reach: &Reach, page: &Page) -> Result<Vec<Project>, Fault> {
    if *reach == Reach::Everything {
        return Ok(view.projects(page)?);
    }
    let mut projects = view.projects(&page.whole())?;
    projects.retain(|project| reach.touches(&project.key));
    Ok(page.of(projects, |project| &project.key))
}

/// The environments of a project that lie within `reach`.
pub(crate) fn list_environments(
    view: &dyn View,
    project: &str,
    reach: &Reach,
    page: &Page,
) -> Result<Vec<Environment>, Fault> {
    let project = find(view, project)?;
    if reach.covers(&project.key, None) {
        return Ok(view.environments(Some(project.id), page)?);
    }
    let mut environments = view.environments(Some(project.id), &page.whole())?;
    environments.retain(|environment| reach.covers(&project.key, Some(&environment.key)));
    Ok(page.of(environments, |environment| &environment.key))
}

pub(crate) fn create(unit: &mut Unit<'_>, key: &str, name: &str) -> Result<Project, Fault> {
    check_names(Some(key), name)?;
    check_new(unit.tx, Scope::Projects, key, ("projects", MAX_PROJECTS))?;
    let id = unit.tx.insert_project(key, name, unit.now)?;
    let project = Project {
        id,
        key: key.to_owned(),
        name: name.to_owned(),
        created_at: unit.now,
        archived_at: None,
    };
    record(unit, "project.create", &project, None, None, &Revisions::new())?;
    Ok(project)
}

pub(crate) fn rename(unit: &mut Unit<'_>, key: &str, name: &str) -> Result<Project, Fault> {
    check_names(None, name)?;
    let mut project = find(unit.tx, key)?;
    if project.name != name {
        unit.tx.rename_project(project.id, name)?;
        let before = project_json(&project, None);
        project.name = name.to_owned();
        record(unit, "project.rename", &project, None, Some(&before), &Revisions::new())?;
    }
    Ok(project)
}

/// Creates an environment with every flag of the project, off.
pub(crate) fn create_environment(
    unit: &mut Unit<'_>,
    project: &str,
    key: &str,
    name: &str,
) -> Result<Environment, Fault> {
    check_names(Some(key), name)?;
    let project = find(unit.tx, project)?;
    let scope = Scope::Environments(project.id);
    check_new(unit.tx, scope, key, ("environments", MAX_ENVIRONMENTS))?;
    let id = unit.tx.insert_environment(project.id, key, name, unit.now)?;
    let mut environment = Environment {
        id,
        project: project.key.clone(),
        key: key.to_owned(),
        name: name.to_owned(),
        revision: 0,
        created_at: unit.now,
        archived_at: None,
    };
    unit.effects.push(Effect::Environment(environment.clone()));

    let mut flags = Vec::new();
    let present = Page { archived: false, ..Page::ALL };
    for stored in unit.tx.flags(project.id, &present)? {
        flags.push((FlagDocument::read(&stored)?, stored.key));
    }
    if !flags.is_empty() {
        let edits: Result<Vec<Edit<'_>>, Fault> =
            flags.iter().map(|(document, key)| first_object(key, document)).collect();
        unit.publish(&mut environment, edits?)?;
    }
    let revisions = revision_of(&environment);
    record(unit, "environment.create", &project, Some(&environment), None, &revisions)?;
    Ok(environment)
}

pub(crate) fn rename_environment(
    unit: &mut Unit<'_>,
    project: &str,
    key: &str,
    name: &str,
) -> Result<Environment, Fault> {
    check_names(None, name)?;
    let (project, mut environment) = find_environment(unit.tx, project, key)?;
    if environment.name != name {
        unit.tx.rename_environment(environment.id, name)?;
        let before = project_json(&project, Some(&environment));
        environment.name = name.to_owned();
        let (action, none) = ("environment.rename", Revisions::new());
        record(unit, action, &project, Some(&environment), Some(&before), &none)?;
    }
    Ok(environment)
}

fn revision_of(environment: &Environment) -> Revisions {
    std::iter::once((environment.key.clone(), environment.revision)).collect()
}

/// The revisions of a change in one environment.
pub(super) fn at_revision(environment: &Environment, revision: Revision) -> Revisions {
    std::iter::once((environment.key.clone(), revision)).collect()
}

fn project_json(project: &Project, environment: Option<&Environment>) -> Value {
    match environment {
        None => json!({"key": project.key, "name": project.name}),
        Some(environment) => json!({"key": environment.key, "name": environment.name}),
    }
}

fn record(
    unit: &mut Unit<'_>,
    action: &str,
    project: &Project,
    environment: Option<&Environment>,
    before: Option<&Value>,
    revisions: &Revisions,
) -> Result<(), Fault> {
    let after = project_json(project, environment);
    unit.record(&Deed {
        action,
        project: Some(project),
        environment,
        kind: if environment.is_some() { "environment" } else { "project" },
        key: environment.map_or(&project.key, |environment| &environment.key),
        before,
        after: Some(&after),
        revisions,
    })
}

use flags_core::Revision;
use serde_json::{Value, json};

use super::item::{Document, Item, Path, Presentation};
use super::needs::Needs;
use super::sold::Sold;
use super::users::Users;
use crate::service::fault::Fault;
use crate::service::precondition::Precondition;
use crate::service::project;
use crate::service::publish::{Deed, Edit, Unit};
use crate::service::received::{Received, all_right};
use crate::store::{Environment, Listed, Page, Project, Scope, View};

pub(crate) fn not_found<D: Sold>(environment: &Environment, key: &str) -> Fault {
    let (environment, kind) = (&environment.key, D::KIND.noun());
    Fault::NotFound(format!("the environment `{environment}` has no {kind} `{key}`"))
}

/// What is there of a path, and where.
pub(crate) fn find<D: Sold>(
    view: &dyn View,
    path: &Path,
) -> Result<(Project, Environment, Item<D>), Fault> {
    let (project, environment) = project::find_environment(view, &path.project, &path.environment)?;
    let object = view.object(environment.id, D::KIND, &path.key)?;
    let object = object.ok_or_else(|| not_found::<D>(&environment, &path.key))?;
    Ok((project, environment, Item::read(object)?))
}

pub(crate) fn get<D: Sold>(view: &dyn View, path: &Path) -> Result<Item<D>, Fault> {
    Ok(find(view, path)?.2)
}

pub(crate) fn list<D: Sold>(
    view: &dyn View,
    project: &str,
    environment: &str,
    page: &Page,
) -> Result<Listed<Item<D>>, Fault> {
    let (_, environment) = project::find_environment(view, project, environment)?;
    let objects = view.objects(environment.id, D::KIND, page)?;
    Listed::of(objects, page, |object| object.document.len()).try_map(Item::read)
}

/// What a body says.
pub(crate) fn read<D: Sold>(mut received: Received) -> Result<Document<D>, Fault> {
    let presentation = Presentation::take(&mut received);
    received.check(D::SHAPE);
    let definition: D = received.read()?;
    let mut faults = presentation.faults();
    faults.extend(definition.check());
    all_right(faults)?;
    Ok(Document { presentation, definition })
}

/// Creates one. `key` comes from the path where that names one.
pub(crate) fn create<D: Sold>(
    unit: &mut Unit<'_>,
    project: &str,
    environment: &str,
    key: Option<&str>,
    body: Value,
) -> Result<Item<D>, Fault> {
    let place = project::find_environment(unit.tx, project, environment)?;
    let mut received = Received::new(body)?;
    received.take_sent_back(None);
    let key = received.take_new_key(key);
    D::complete(&mut received);
    let document: Document<D> = read(received)?;
    let scope = Scope::Objects(place.1.id, D::KIND);
    project::check_new(unit.tx, scope, &key, D::LIMIT)?;
    save(unit, place, key, None, document, "create")
}

pub(crate) fn put<D: Sold>(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Item<D>, Fault> {
    precondition.demand()?;
    let (_, environment) = project::find_environment(unit.tx, &path.project, &path.environment)?;
    let present = unit.tx.object(environment.id, D::KIND, &path.key)?;
    if present.is_none() && *precondition == Precondition::Absent {
        return create(unit, &path.project, &path.environment, Some(&path.key), body);
    }
    change::<D>(unit, path, precondition, body, "put", |_, _| {})
}

pub(crate) fn patch<D: Sold>(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Item<D>, Fault> {
    precondition.demand()?;
    change::<D>(unit, path, precondition, body, "patch", |present, received| {
        received.merge_into(json!(present), D::PATCH);
    })
}

fn change<D: Sold>(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
    verb: &str,
    take_over: fn(&Document<D>, &mut Received),
) -> Result<Item<D>, Fault> {
    let (project, environment, before) = find::<D>(unit.tx, path)?;
    precondition.check(Some(before.version))?;
    let mut received = Received::new(body)?;
    received.take_sent_back(Some(before.version));
    received.take_immutable("key", &before.key);
    before.document.definition.keep(&mut received);
    take_over(&before.document, &mut received);
    let document: Document<D> = read(received)?;
    let (present, after) = (&before.document.definition, &document.definition);
    present.check_change(after, unit.tx, environment.id, &before.key)?;
    save(unit, (project, environment), path.key.clone(), Some(before), document, verb)
}

/// Writes what is right by itself.
pub(super) fn save<D: Sold>(
    unit: &mut Unit<'_>,
    (project, mut environment): (Project, Environment),
    key: String,
    before: Option<Item<D>>,
    document: Document<D>,
    verb: &str,
) -> Result<Item<D>, Fault> {
    if let Some(before) = before.as_ref().filter(|before| before.document == document) {
        let (version, revision) = (before.version, Some(environment.revision));
        return Ok(Item { key, document, version, revision });
    }
    if before.as_ref().is_none_or(|before| before.document.definition != document.definition) {
        let mut needs = Needs::new(unit.tx, &environment);
        document.definition.announce(&key, &mut needs);
        let faults = document.definition.faults(&mut needs)?;
        all_right(faults)?;
    }
    let revision = unit.publish(&mut environment, vec![document.edit(&key)?])?;
    record(unit, (&project, &environment), &key, before.as_ref(), Some(&document), verb)?;
    Ok(Item { key, document, version: revision, revision: Some(revision) })
}

fn record<D: Sold>(
    unit: &mut Unit<'_>,
    (project, environment): (&Project, &Environment),
    key: &str,
    before: Option<&Item<D>>,
    after: Option<&Document<D>>,
    verb: &str,
) -> Result<(), Fault> {
    let kind = D::KIND.name();
    unit.record(&Deed {
        action: &format!("{kind}.{verb}"),
        project: Some(project),
        environment: Some(environment),
        kind,
        key,
        before: before.map(|before| json!(before.document)).as_ref(),
        after: after.map(|after| json!(after)).as_ref(),
        revisions: &project::at_revision(environment, environment.revision),
    })
}

/// Deletes what nobody needs.
pub(crate) fn delete<D: Sold>(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
) -> Result<Revision, Fault> {
    precondition.demand()?;
    let (project, mut environment, before) = find::<D>(unit.tx, path)?;
    precondition.check(Some(before.version))?;
    let (kind, key) = (D::KIND, &*before.key);
    let users = Users::of(unit.tx, (environment.id, kind, key))?;
    users.refuse(&format!("the {} `{key}` cannot be deleted", kind.noun()))?;
    let revision = unit.publish(&mut environment, vec![Edit::Delete { kind, key }])?;
    record(unit, (&project, &environment), key, Some(&before), None, "delete")?;
    Ok(revision)
}

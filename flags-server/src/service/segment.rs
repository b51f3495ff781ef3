//! Segments of an environment.

use flags_core::{Field, Revision, SEGMENT, SegmentDefinition, Shape, check_segment};
use serde_json::{Value, json};

use super::fault::Fault;
use super::model::{Segment, json as to_json, parse};
use super::precondition::Precondition;
use super::project;
use super::publish::{Deed, Edit, Listed, Unit};
use super::received::{Received, all_right};
use crate::limits::{MAX_SEGMENT_MEMBERS, MAX_SEGMENTS};
use crate::store::{Environment, ObjectKind, Page, Project, Scope, StoredObject, View};

/// The members of a patch; their values are checked after merging.
static PATCH: Shape = Shape::Object(&[
    Field::optional("kind", &Shape::Any),
    Field::optional("included", &Shape::Any),
    Field::optional("excluded", &Shape::Any),
    Field::optional("when", &Shape::Any),
]);

/// Where a segment is found.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) project: String,
    pub(crate) environment: String,
    pub(crate) segment: String,
}

fn read(object: StoredObject) -> Result<Segment, Fault> {
    let definition = parse(&object.document)?;
    Ok(Segment { key: object.key, definition, version: object.version, revision: None })
}

fn not_found(environment: &Environment, key: &str) -> Fault {
    Fault::NotFound(format!("the environment `{}` has no segment `{key}`", environment.key))
}

pub(crate) fn get(view: &dyn View, path: &Path) -> Result<Segment, Fault> {
    let (_, environment) = project::find_environment(view, &path.project, &path.environment)?;
    let object = view.object(environment.id, ObjectKind::Segment, &path.segment)?;
    read(object.ok_or_else(|| not_found(&environment, &path.segment))?)
}

pub(crate) fn list(
    view: &dyn View,
    project: &str,
    environment: &str,
    page: &Page,
) -> Result<Vec<Segment>, Fault> {
    let (_, environment) = project::find_environment(view, project, environment)?;
    let objects = view.objects(environment.id, ObjectKind::Segment, page)?;
    objects.into_iter().map(read).collect()
}

/// Creates a segment. `key` comes from the path where that names one.
pub(crate) fn create(
    unit: &mut Unit<'_>,
    project: &str,
    environment: &str,
    key: Option<&str>,
    body: Value,
) -> Result<Segment, Fault> {
    let (project, environment) = project::find_environment(unit.tx, project, environment)?;
    let mut received = Received::new(body)?;
    received.take_sent_back(None);
    let key = received.take_new_key(key);
    received.check(&SEGMENT);
    let definition: SegmentDefinition = received.read()?;
    all_right(check_segment(&definition))?;
    let scope = Scope::Objects(environment.id, ObjectKind::Segment);
    project::check_new(unit.tx, scope, &key, ("segments", MAX_SEGMENTS))?;
    save(unit, &project, environment, &key, "segment.create", None, definition)
}

pub(crate) fn put(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Segment, Fault> {
    precondition.demand()?;
    let (_, environment) = project::find_environment(unit.tx, &path.project, &path.environment)?;
    let present = unit.tx.object(environment.id, ObjectKind::Segment, &path.segment)?;
    if present.is_none() && *precondition == Precondition::Absent {
        return create(unit, &path.project, &path.environment, Some(&path.segment), body);
    }
    change(unit, path, precondition, "segment.put", body, |_, _| ())
}

pub(crate) fn patch(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Segment, Fault> {
    precondition.demand()?;
    change(unit, path, precondition, "segment.patch", body, |present, received| {
        received.merge_into(json!(present), &PATCH);
    })
}

fn change(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    action: &str,
    body: Value,
    take_over: impl FnOnce(&SegmentDefinition, &mut Received),
) -> Result<Segment, Fault> {
    let (project, environment) =
        project::find_environment(unit.tx, &path.project, &path.environment)?;
    let object = unit.tx.object(environment.id, ObjectKind::Segment, &path.segment)?;
    let present = read(object.ok_or_else(|| not_found(&environment, &path.segment))?)?;
    precondition.check(Some(present.version))?;
    let mut received = Received::new(body)?;
    received.take_sent_back(Some(present.version));
    received.take_immutable("key", &present.key);
    take_over(&present.definition, &mut received);
    received.check(&SEGMENT);
    let definition: SegmentDefinition = received.read()?;
    if definition == present.definition {
        return Ok(Segment { revision: Some(environment.revision), ..present });
    }
    all_right(check_segment(&definition))?;
    let key = &present.key;
    save(unit, &project, environment, key, action, Some(&present.definition), definition)
}

fn listed(definition: &SegmentDefinition) -> Listed {
    let keys = || definition.included.iter().chain(&definition.excluded);
    Listed {
        keys: keys().count() as u64,
        // Each between quotes and followed by a comma.
        bytes: keys().map(|key| key.len() + 3).sum(),
    }
}

fn save(
    unit: &mut Unit<'_>,
    project: &Project,
    mut environment: Environment,
    key: &str,
    action: &str,
    before: Option<&SegmentDefinition>,
    after: SegmentDefinition,
) -> Result<Segment, Fault> {
    let others = unit
        .tx
        .members(environment.id)?
        .saturating_sub(before.map_or(0, |before| listed(before).keys));
    if others + listed(&after).keys > MAX_SEGMENT_MEMBERS {
        let maximum = MAX_SEGMENT_MEMBERS;
        return Err(Fault::LimitExceeded { limit: "segment_members", maximum });
    }
    let edit = Edit::Put {
        kind: ObjectKind::Segment,
        key,
        listed: listed(&after),
        document: to_json(&after)?,
        shared: None,
        references: Vec::new(),
        limited: true,
    };
    let revision = unit.publish(&mut environment, vec![edit])?;
    let (before, after_json) = (before.map(|before| json!(before)), json!(after));
    unit.record(&Deed {
        action,
        project: Some(project),
        environment: Some(&environment),
        kind: "segment",
        key,
        before: before.as_ref(),
        after: Some(&after_json),
        revisions: &project::at_revision(&environment, revision),
    })?;
    Ok(Segment {
        key: key.to_owned(),
        definition: after,
        version: revision,
        revision: Some(revision),
    })
}

/// Deletes a segment that no flag needs.
pub(crate) fn delete(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
) -> Result<Revision, Fault> {
    precondition.demand()?;
    let (project, mut environment) =
        project::find_environment(unit.tx, &path.project, &path.environment)?;
    let object = unit.tx.object(environment.id, ObjectKind::Segment, &path.segment)?;
    let present = read(object.ok_or_else(|| not_found(&environment, &path.segment))?)?;
    precondition.check(Some(present.version))?;
    let key = &*present.key;
    let referrers = unit.tx.referrers(environment.id, ObjectKind::Segment, key)?;
    if !referrers.is_empty() {
        let flags: Vec<String> =
            referrers.iter().map(|referrer| format!("`{}`", referrer.flag)).collect();
        return Err(Fault::InUse(format!(
            "the segment `{key}` is needed by the flags {}",
            flags.join(", ")
        )));
    }
    let edit = Edit::Delete { kind: ObjectKind::Segment, key };
    let revision = unit.publish(&mut environment, vec![edit])?;
    unit.record(&Deed {
        action: "segment.delete",
        project: Some(&project),
        environment: Some(&environment),
        kind: "segment",
        key,
        before: Some(&json!(present.definition)),
        after: None,
        revisions: &project::at_revision(&environment, revision),
    })?;
    Ok(revision)
}

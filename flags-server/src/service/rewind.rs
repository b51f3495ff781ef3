//! An environment as it was at an earlier revision, made its next one.

use std::collections::HashMap;

use flags_core::{
    FlagDefinition, FlagState, KeysChange, Object, Revision, SegmentDefinition, check_flag,
};
use serde_json::json;

use super::fault::{Fault, diagnostic};
use super::fold::fold;
use super::members::MembersEdit;
use super::model::{FlagDocument, SegmentDocument, json as to_json, parse};
use super::project;
use super::publish::{Deed, Edit, Unit};
use super::received::all_right;
use super::segment::difference;
use super::state::references;
use crate::store::{Environment, MemberList, ObjectKind, Page, Project};

/// Gives an environment the definitions that it had at the revision `to`, as a new revision: the log
/// stays as it is. Flags keep their shared definition, which belongs to all environments; those that
/// were not there yet are off.
///
/// # Errors
/// When there is no such revision, or a state of then does not fit the flag of today.
pub(crate) fn rewind(
    unit: &mut Unit<'_>,
    project: &str,
    environment: &str,
    to: Revision,
) -> Result<Revision, Fault> {
    let (project, mut environment) = project::find_environment(unit.tx, project, environment)?;
    if to > environment.revision {
        let (key, last) = (&environment.key, environment.revision);
        let message = format!("the environment `{key}` has no revision {to}, its last is {last}");
        return Err(Fault::NotFound(message));
    }
    let past = fold(unit.tx, &environment, to)?;
    let mut flags = HashMap::new();
    let mut segments = HashMap::new();
    for object in past.objects {
        match &*object.kind {
            kind if kind == ObjectKind::Flag.name() => flags.insert(object.key.clone(), object),
            kind if kind == ObjectKind::Segment.name() => {
                segments.insert(object.key.clone(), object)
            }
            _ => None,
        };
    }
    let flags = flags_then(unit, &project, &environment, &flags)?;
    let (segments, gone) = segments_then(unit, &environment, segments)?;

    // What refers comes after what it refers to, and what is referred to goes last.
    let mut edits = Vec::new();
    for (key, document, members) in &segments {
        edits.push(Edit::Segment { key, document, members });
    }
    for (key, document, state) in &flags {
        edits.push(Edit::Flag {
            key,
            document: to_json(state)?,
            shared: &document.shared,
            references: references(&document.shared.with_state(state.clone())),
            limited: false,
        });
    }
    for key in &gone {
        edits.push(Edit::Delete { kind: ObjectKind::Segment, key });
    }
    let from = environment.revision;
    if !edits.is_empty() {
        unit.publish(&mut environment, edits)?;
    }
    unit.record(&Deed {
        action: "environment.rewind",
        project: Some(&project),
        environment: Some(&environment),
        kind: "environment",
        key: &environment.key,
        before: Some(&json!({"revision": from})),
        after: Some(&json!({"as_of_revision": to})),
        revisions: &project::at_revision(&environment, environment.revision),
    })?;
    Ok(environment.revision)
}

type Flags = Vec<(String, FlagDocument, FlagState)>;

/// The flags whose state was another one.
fn flags_then(
    unit: &Unit<'_>,
    project: &Project,
    environment: &Environment,
    past: &HashMap<String, Object>,
) -> Result<Flags, Fault> {
    let mut documents = HashMap::new();
    for stored in unit.tx.flags(project.id, &Page::ALL)? {
        documents.insert(stored.key.clone(), FlagDocument::read(&stored)?);
    }
    let mut faults = Vec::new();
    let mut changed = Vec::new();
    for object in unit.tx.objects(environment.id, ObjectKind::Flag, &Page::ALL)? {
        let key = object.key;
        let document = documents.get(&key).ok_or_else(|| super::flag::not_found(&key))?;
        let state = match past.get(&key) {
            Some(object) => parse::<FlagDefinition>(object.definition.get())?.state,
            None => document.first_state(),
        };
        if parse::<FlagState>(&object.document).is_ok_and(|present| present == state) {
            continue;
        }
        let place = format!("/flags/{key}");
        for fault in check_flag(&document.shared.with_state(state.clone())) {
            faults.push(diagnostic(&place, &fault.code, fault.message));
        }
        for needed in &state.prerequisites {
            let variants = documents.get(&needed.flag).map(|flag| &flag.shared.variants);
            let has = |name: &String| variants.is_some_and(|v| v.iter().any(|v| v.name == *name));
            if let Some(name) = needed.variants.iter().find(|name| !has(name)) {
                let message = format!("the flag `{}` has no variant `{name}`", needed.flag);
                faults.push(diagnostic(&place, "unknown_variant", message));
            }
        }
        changed.push((key, document.clone(), state));
    }
    all_right(faults)?;
    Ok(changed)
}

type Segments = Vec<(String, SegmentDocument, MembersEdit)>;

/// The segments that were other ones, and those that were not there.
fn segments_then(
    unit: &Unit<'_>,
    environment: &Environment,
    mut past: HashMap<String, Object>,
) -> Result<(Segments, Vec<String>), Fault> {
    let (mut changed, mut gone) = (Vec::new(), Vec::new());
    for object in unit.tx.objects(environment.id, ObjectKind::Segment, &Page::ALL)? {
        let key = object.key;
        let Some(then) = past.remove(&key) else {
            gone.push(key);
            continue;
        };
        let then: SegmentDefinition = parse(then.definition.get())?;
        let change = |list, wanted: Vec<String>| -> Result<KeysChange, Fault> {
            difference(unit.tx, environment.id, &key, list, wanted)
        };
        let members = MembersEdit::sorted(
            change(MemberList::Included, then.included)?,
            change(MemberList::Excluded, then.excluded)?,
        );
        let document = SegmentDocument { kind: then.kind, when: then.when };
        let is_same = parse::<SegmentDocument>(&object.document).is_ok_and(|now| now == document);
        if !is_same || !members.is_empty() {
            changed.push((key, document, members));
        }
    }
    for (key, then) in past {
        let then: SegmentDefinition = parse(then.definition.get())?;
        let all = |add| KeysChange { add, remove: Vec::new() };
        let members = MembersEdit::sorted(all(then.included), all(then.excluded));
        changed.push((key, SegmentDocument { kind: then.kind, when: then.when }, members));
    }
    Ok((changed, gone))
}

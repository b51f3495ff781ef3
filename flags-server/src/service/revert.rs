//! Back to what was: as a new revision.

use std::collections::HashSet;

use flags_core::{Document, FlagDefinition, FlagState, Object, Revision, SegmentDefinition};

use super::catalogue::Sold;
use super::fault::Fault;
use super::fold::{fold, fold_object};
use super::model::parse;
use super::past::{self, Moment};
use super::plan::{Kept, Plan, Wanted, WantedFlag, WantedSegment, WantedSold};
use super::precondition::Precondition;
use super::publish::Unit;
use super::{flag, project, segment, state};
use crate::store::{Environment, EnvironmentId, ObjectKind, Page, View};

/// Refuses a revision that there has not been.
fn check(view: &dyn View, environment: &Environment, revision: Revision) -> Result<(), Fault> {
    match past::find(view, environment, Moment::Revision(revision)) {
        Err(Fault::NotFound(message)) => Err(Fault::at("/revision", "unknown_revision", message)),
        Err(fault) => Err(fault),
        Ok(_) => Ok(()),
    }
}

fn object_then(
    view: &dyn View,
    environment: &Environment,
    revision: Revision,
    (kind, key): (ObjectKind, &str),
) -> Result<Object, Fault> {
    check(view, environment, revision)?;
    fold_object(view, environment, revision, (kind, key))?.ok_or_else(|| {
        let message = format!("there was no {} `{key}` at revision {revision}", kind.name());
        Fault::at("/revision", "unknown_revision", message)
    })
}

/// The state of a flag at a revision.
pub(crate) fn flag_then(
    view: &dyn View,
    path: &state::Path,
    revision: Revision,
) -> Result<FlagState, Fault> {
    let (_, environment) = project::find_environment(view, &path.project, &path.environment)?;
    let of = (ObjectKind::Flag, &*path.flag);
    // A flag that is not there is told to be so, whatever the revision.
    view.object(environment.id, of.0, of.1)?.ok_or_else(|| flag::not_found(&path.flag))?;
    let object = object_then(view, &environment, revision, of)?;
    Ok(parse::<FlagDefinition>(object.definition.get())?.state)
}

/// Gives a flag that state; its shared definition stays, and has to have the variants.
pub(crate) fn plan_flag(
    view: &dyn View,
    path: &state::Path,
    precondition: &Precondition,
    state: FlagState,
) -> Result<Plan, Fault> {
    let place = project::find_environment(view, &path.project, &path.environment)?;
    let object = view.object(place.1.id, ObjectKind::Flag, &path.flag)?;
    let object = object.ok_or_else(|| flag::not_found(&path.flag))?;
    precondition.check(Some(object.version))?;
    let flag = WantedFlag { at: String::new(), key: object.key, state, new: None };
    Plan::new(view, place, Wanted { flags: vec![flag], ..Wanted::default() })
}

/// A segment at a revision, deleted since or not.
pub(crate) fn segment_then(
    view: &dyn View,
    path: &segment::Path,
    revision: Revision,
) -> Result<SegmentDefinition, Fault> {
    let (_, environment) = project::find_environment(view, &path.project, &path.environment)?;
    let of = (ObjectKind::Segment, &*path.segment);
    if view.object(environment.id, of.0, of.1)?.is_none()
        && view.revisions(environment.id, Some(of), None, 1)?.is_empty()
    {
        return Err(segment::not_found(&environment, &path.segment));
    }
    let object = object_then(view, &environment, revision, of)?;
    parse(object.definition.get())
}

/// Makes a segment what it was.
pub(crate) fn plan_segment(
    view: &dyn View,
    path: &segment::Path,
    precondition: &Precondition,
    definition: SegmentDefinition,
) -> Result<Plan, Fault> {
    let place = project::find_environment(view, &path.project, &path.environment)?;
    let object = view.object(place.1.id, ObjectKind::Segment, &path.segment)?;
    precondition.check(object.map(|object| object.version))?;
    let segment = WantedSegment { at: String::new(), key: path.segment.clone(), definition };
    Plan::new(view, place, Wanted { segments: vec![segment], ..Wanted::default() })
}

/// All definitions of an environment at a revision. Not its tenants, which stay as they are.
pub(crate) fn environment_then(
    view: &dyn View,
    project: &str,
    environment: &str,
    revision: Revision,
) -> Result<Document, Fault> {
    let (_, environment) = project::find_environment(view, project, environment)?;
    check(view, &environment, revision)?;
    fold(view, &environment, revision)
}

/// Gives all flags their states of then, and makes all segments what they were. Flags that came later
/// stay as they are, and what these need.
pub(crate) fn plan_environment(
    view: &dyn View,
    project: &str,
    environment: &str,
    precondition: &Precondition,
    (then, includes_catalogue): (&Document, bool),
) -> Result<Plan, Fault> {
    let place = project::find_environment(view, project, environment)?;
    let id = place.1.id;
    precondition.check(Some(place.1.revision))?;
    let mut wanted = Wanted::default();
    let mut kept = Vec::new();
    let (mut flags, mut segments) = (Vec::new(), Vec::new());
    for object in &then.objects {
        let (kind, keys) = match ObjectKind::of(&object.kind) {
            Some(ObjectKind::Flag) => (ObjectKind::Flag, &mut flags),
            Some(ObjectKind::Segment) => (ObjectKind::Segment, &mut segments),
            Some(ObjectKind::Feature | ObjectKind::Plan | ObjectKind::Addon) | None => continue,
        };
        let key = &object.key;
        keys.push(&**key);
        let present = view.object(id, kind, key)?;
        if present.as_ref().is_some_and(|present| present.version <= then.revision) {
            // Nothing has changed it since.
            continue;
        }
        let at = format!("/{}s/{key}", kind.name());
        match kind {
            ObjectKind::Flag if present.is_none() => {
                kept.push(Kept { kind, key: key.clone(), why: "archived" });
            }
            ObjectKind::Flag => {
                let state = parse::<FlagDefinition>(object.definition.get())?.state;
                wanted.flags.push(WantedFlag { at, key: key.clone(), state, new: None });
            }
            _ => {
                let definition = parse(object.definition.get())?;
                wanted.segments.push(WantedSegment { at, key: key.clone(), definition });
            }
        }
    }
    flags.sort_unstable();
    segments.sort_unstable();
    let later = |key: &str| flags.binary_search(&key).is_err();
    for object in view.objects(id, ObjectKind::Flag, &Page::ALL)? {
        if later(&object.key) {
            kept.push(Kept { kind: ObjectKind::Flag, key: object.key, why: "created_later" });
        }
    }
    for object in view.objects(id, ObjectKind::Segment, &Page::ALL)? {
        if segments.binary_search(&&*object.key).is_ok() {
            continue;
        }
        let needed = view.referrers(id, ObjectKind::Segment, &object.key)?;
        if needed.iter().any(|referrer| later(&referrer.key)) {
            kept.push(Kept { kind: ObjectKind::Segment, key: object.key, why: "needed" });
        } else {
            wanted.gone.push(object.key);
        }
    }
    if includes_catalogue {
        let sold = &mut wanted.sold;
        sold.features = sold_then(view, id, then, &mut kept)?;
        sold.plans = sold_then(view, id, then, &mut kept)?;
        sold.addons = sold_then(view, id, then, &mut kept)?;
    }
    Ok(Plan::new(view, place, wanted)?.keeping(kept))
}

/// What was of the catalogue, where it is not so still; what has come since stays.
fn sold_then<D: Sold>(
    view: &dyn View,
    environment: EnvironmentId,
    then: &Document,
    kept: &mut Vec<Kept>,
) -> Result<Vec<WantedSold<D>>, Fault> {
    let name = D::KIND.name();
    let mut wanted = Vec::new();
    let mut keys = HashSet::new();
    for object in then.objects.iter().filter(|object| object.kind == name) {
        let key = &object.key;
        keys.insert(&**key);
        let present = view.object(environment, D::KIND, key)?;
        if present.is_none_or(|present| present.version > then.revision) {
            let definition = parse(object.definition.get())?;
            let at = format!("/{name}s/{key}");
            wanted.push(WantedSold { at, key: key.clone(), presentation: None, definition });
        }
    }
    for object in view.objects(environment, D::KIND, &Page::ALL)? {
        if !keys.contains(&*object.key) {
            kept.push(Kept { kind: D::KIND, key: object.key, why: "created_later" });
        }
    }
    Ok(wanted)
}

/// Reverts a whole environment of a database that nobody else has yet, however much that changes;
/// gives the revision.
pub(crate) fn environment(
    unit: &mut Unit<'_>,
    project: &str,
    environment: &str,
    revision: Revision,
) -> Result<Revision, Fault> {
    let then = environment_then(unit.tx, project, environment, revision)?;
    let none = Precondition::None;
    let plan = plan_environment(unit.tx, project, environment, &none, (&then, false))?;
    Ok(plan.apply(unit, "environment.revert")?.revision)
}

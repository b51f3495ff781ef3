//! What is in one environment, put into another one of the same project.

use flags_core::{FlagState, SegmentDefinition};

use super::catalogue::{self, Document, Item, Sold};
use super::fault::Fault;
use super::model::{SegmentDocument, parse};
use super::plan::{Plan, Wanted, WantedSold};
use super::precondition::Precondition;
use super::{flag, project, revert, segment, state};
use crate::store::{Environment, MemberList, ObjectKind, Page, Reach, View};

/// Where it is copied from.
pub(crate) struct Source {
    pub(crate) environment: String,
    /// What may be seen by who asks.
    pub(crate) within: Reach,
}

/// The other environment; pointers lead into the body.
fn find(view: &dyn View, project: &str, to: &str, from: &Source) -> Result<Environment, Fault> {
    let Source { environment: from, within } = from;
    if to == from {
        return Err(Fault::at(
            "/from",
            "same_environment",
            "this is the environment itself: it is copied from another one",
        ));
    }
    let found = match within.covers(project, Some(from)) {
        true => project::find_environment(view, project, from),
        false => Err(project::no_environment(project, from)),
    };
    match found {
        Err(Fault::NotFound(message)) => Err(Fault::at("/from", "not_found", message)),
        found => Ok(found?.1),
    }
}

/// Gives a flag the state that it has in the environment `from`.
pub(crate) fn plan_flag(
    view: &dyn View,
    path: &state::Path,
    precondition: &Precondition,
    from: &Source,
) -> Result<Plan, Fault> {
    project::find_environment(view, &path.project, &path.environment)?;
    let source = find(view, &path.project, &path.environment, from)?;
    let object = view.object(source.id, ObjectKind::Flag, &path.flag)?;
    let object = object.ok_or_else(|| flag::not_found(&path.flag))?;
    let state: FlagState = parse(&object.document)?;
    revert::plan_flag(view, path, precondition, state)
}

/// Makes a segment what it is in the environment `from`; it may be new here.
pub(crate) fn plan_segment(
    view: &dyn View,
    path: &segment::Path,
    precondition: &Precondition,
    from: &Source,
) -> Result<Plan, Fault> {
    project::find_environment(view, &path.project, &path.environment)?;
    let source = find(view, &path.project, &path.environment, from)?;
    let object = view.object(source.id, ObjectKind::Segment, &path.segment)?;
    let object = object.ok_or_else(|| segment::not_found(&source, &path.segment))?;
    let SegmentDocument { kind, when } = parse(&object.document)?;
    let list = |list| view.members(source.id, &object.key, list, &Page::ALL);
    let (included, excluded) = (list(MemberList::Included)?, list(MemberList::Excluded)?);
    let definition = SegmentDefinition { kind, included, excluded, when };
    revert::plan_segment(view, path, precondition, definition)
}

/// Makes something of the catalogue what it is in the environment `from`; it may be new here.
pub(crate) fn plan_sold<D: Sold>(
    view: &dyn View,
    path: &catalogue::Path,
    precondition: &Precondition,
    from: &Source,
) -> Result<Plan, Fault> {
    let place = project::find_environment(view, &path.project, &path.environment)?;
    let source = find(view, &path.project, &path.environment, from)?;
    let object = view.object(source.id, D::KIND, &path.key)?;
    let object = object.ok_or_else(|| catalogue::not_found::<D>(&source, &path.key))?;
    let Item { key, document: Document { presentation, definition }, .. } = Item::read(object)?;
    let present = view.object(place.1.id, D::KIND, &key)?;
    precondition.check(present.map(|present| present.version))?;
    let presentation = Some(presentation);
    let item = WantedSold { at: String::new(), key, presentation, definition };
    let mut wanted = Wanted::default();
    D::want(item, &mut wanted.sold);
    Plan::new(view, place, wanted)
}

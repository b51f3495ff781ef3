//! Segments of an environment.

use std::collections::HashSet;

use flags_core::{
    Condition, Field, KeysChange, MembersChange, ObjectChange, Revision, SEGMENT, SEGMENT_KIND,
    SegmentDefinition, Shape, check_segment,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::Fault;
use super::member_lists::MemberLists;
use super::members::{MembersEdit, check_count, told};
use super::model::{Segment, SegmentDocument, json as to_json, parse, wire_segment};
use super::precondition::Precondition;
use super::project;
use super::publish::{Deed, Edit, Unit};
use super::received::{Received, all_right};
use super::sizes::{Sizes, check_document, wire_bytes};
use crate::limits::{MAX_DEFINITION_BYTES, MAX_SEGMENTS, MAX_SHOWN_MEMBERS};
use crate::store::{
    Environment, EnvironmentId, Listed, MemberCounts, MemberList, ObjectKind, Page, Project, Scope,
    StoredObject, View,
};

/// The members of a patch; their values are checked after merging.
static PATCH: Shape = Shape::Object(&[
    Field::optional("kind", &Shape::Any)
        .says("Whose keys the segment has, such as `tenant` or `user`."),
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

/// A segment as it is sent. A list that is not there stays as it is.
#[derive(Deserialize)]
struct Said {
    kind: String,
    included: Option<Vec<String>>,
    excluded: Option<Vec<String>>,
    when: Option<Condition>,
}

impl Said {
    /// Checks what is said.
    fn read(received: Received) -> Result<Self, Fault> {
        let Self { kind, included, excluded, when } = received.read()?;
        let named = (included.is_some(), excluded.is_some());
        let (included, excluded) = (included.unwrap_or_default(), excluded.unwrap_or_default());
        let definition = SegmentDefinition { kind, included, excluded, when };
        all_right(check_segment(&definition))?;
        let SegmentDefinition { kind, included, excluded, when } = definition;
        let (included, excluded) = (named.0.then_some(included), named.1.then_some(excluded));
        Ok(Self { kind, included, excluded, when })
    }
}

pub(super) fn not_found(environment: &Environment, segment: &str) -> Fault {
    let environment = &environment.key;
    Fault::NotFound(format!("the environment `{environment}` has no segment `{segment}`"))
}

/// The segment of a path as it is stored, and where.
pub(super) fn find(
    view: &dyn View,
    path: &Path,
) -> Result<(Project, Environment, StoredObject), Fault> {
    let (project, environment) = project::find_environment(view, &path.project, &path.environment)?;
    let object = view.object(environment.id, ObjectKind::Segment, &path.segment)?;
    let object = object.ok_or_else(|| not_found(&environment, &path.segment))?;
    Ok((project, environment, object))
}

/// A stored segment without its lists.
fn read(object: StoredObject) -> Result<Segment, Fault> {
    let StoredObject { key, version, members, document, .. } = object;
    let document = parse(&document)?;
    Ok(Segment { key, document, lists: None, members, version, revision: None })
}

/// A stored segment with its lists, if they are short: so that it can be sent back in one body.
pub(super) fn read_whole(
    view: &dyn View,
    environment: EnvironmentId,
    object: StoredObject,
) -> Result<Segment, Fault> {
    let MemberCounts { bytes, .. } = object.members;
    let keys = object.members.keys();
    // Each key between quotes and followed by a comma.
    let bytes = object.document.len() as u64 + bytes + 3 * keys;
    let mut segment = read(object)?;
    if keys <= MAX_SHOWN_MEMBERS && bytes <= MAX_DEFINITION_BYTES as u64 {
        let list = |list| view.members(environment, &segment.key, list, &Page::ALL);
        segment.lists = Some([list(MemberList::Included)?, list(MemberList::Excluded)?]);
    }
    Ok(segment)
}

pub(crate) fn get(view: &dyn View, path: &Path) -> Result<Segment, Fault> {
    let (_, environment, object) = find(view, path)?;
    read_whole(view, environment.id, object)
}

/// Segments without their lists.
pub(crate) fn list(
    view: &dyn View,
    project: &str,
    environment: &str,
    page: &Page,
) -> Result<Listed<Segment>, Fault> {
    let (_, environment) = project::find_environment(view, project, environment)?;
    let objects = view.objects(environment.id, ObjectKind::Segment, page)?;
    Listed::of(objects, page, |object| object.document.len()).try_map(read)
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
    take_counts(&mut received);
    let key = received.take_new_key(key);
    received.check(&SEGMENT);
    let Said { kind, included, excluded, when } = Said::read(received)?;
    let scope = Scope::Objects(environment.id, ObjectKind::Segment);
    project::check_new(unit.tx, scope, &key, ("segments", MAX_SEGMENTS))?;
    let all = |list: Option<Vec<String>>| KeysChange {
        add: list.unwrap_or_default(),
        remove: Vec::new(),
    };
    let members = MembersEdit::sorted(all(included), all(excluded));
    let document = SegmentDocument { kind, when };
    let place = Place { project, environment, key };
    place.save(unit, "segment.create", None, &document, &members)
}

/// The counts stand beside the lists for whoever reads, and may be sent back.
fn take_counts(received: &mut Received) {
    if let Some(counts) = received.members.remove("member_counts")
        && !counts.is_object()
    {
        received.report("/member_counts", "wrong_type", "expected an object");
    }
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
    wanted(unit.tx, path, precondition, body, as_sent)?.save(unit, "segment.put")
}

pub(crate) fn patch(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Segment, Fault> {
    precondition.demand()?;
    wanted(unit.tx, path, precondition, body, merged)?.save(unit, "segment.patch")
}

/// How a body of `PUT` is taken over …
pub(super) fn as_sent(_: &SegmentDocument, _: &mut Received) {}

/// … and one of `PATCH`.
pub(super) fn merged(present: &SegmentDocument, received: &mut Received) {
    // A list that is removed is empty, unlike one that is not named.
    for list in ["included", "excluded"] {
        if let Some(keys) = received.members.get_mut(list).filter(|keys| keys.is_null()) {
            *keys = json!([]);
        }
    }
    received.merge_into(json!(present), &PATCH);
}

/// What a segment that is there is to be.
pub(super) struct Wanted {
    place: Place,
    present: Segment,
    /// What it counts for now, without its keys.
    bytes: u64,
    document: SegmentDocument,
    members: MembersEdit,
}

pub(super) fn wanted(
    view: &dyn View,
    path: &Path,
    precondition: &Precondition,
    body: Value,
    take_over: fn(&SegmentDocument, &mut Received),
) -> Result<Wanted, Fault> {
    let (project, environment, object) = find(view, path)?;
    let bytes = object.bytes;
    let present = read_whole(view, environment.id, object)?;
    precondition.check(Some(present.version))?;
    let mut received = Received::new(body)?;
    received.take_sent_back(Some(present.version));
    take_counts(&mut received);
    received.take_immutable("key", &present.key);
    take_over(&present.document, &mut received);
    received.check(&SEGMENT);
    let Said { kind, included, excluded, when } = Said::read(received)?;
    let place = Place { project, environment, key: present.key.clone() };
    // So many go at least: what cannot be is told before the lists are read.
    let MemberCounts { included: i, excluded: e, .. } = present.members;
    let gone = |before: u64, wanted: &Option<Vec<String>>| match wanted {
        None => 0,
        Some(wanted) => usize::try_from(before).unwrap_or(usize::MAX).saturating_sub(wanted.len()),
    };
    check_count([("/included", gone(i, &included)), ("/excluded", gone(e, &excluded))])?;
    // A list that is not named stays as it is.
    let change = |list, wanted: Option<Vec<String>>| match wanted {
        None => Ok(KeysChange::default()),
        Some(wanted) => difference(view, place.environment.id, &place.key, list, wanted),
    };
    let members = MembersEdit::sorted(
        change(MemberList::Included, included)?,
        change(MemberList::Excluded, excluded)?,
    );
    let document = SegmentDocument { kind, when };
    Ok(Wanted { place, present, bytes, document, members })
}

impl Wanted {
    fn is_present(&self) -> bool {
        self.document == self.present.document && self.members.is_empty()
    }

    fn save(self, unit: &mut Unit<'_>, action: &str) -> Result<Segment, Fault> {
        if self.is_present() {
            let revision = Some(self.place.environment.revision);
            return Ok(Segment { revision, ..self.present });
        }
        let Self { place, present, document, members, .. } = self;
        place.save(unit, action, Some(&present), &document, &members)
    }

    /// What [`save`](Self::save) would publish; nothing where it is the present segment.
    pub(super) fn proposed(self, view: &dyn View) -> Result<Option<ObjectChange>, Fault> {
        if self.is_present() {
            return Ok(None);
        }
        let Self { place: Place { environment, key, .. }, present, bytes, document, members } =
            self;
        members.check_counts()?;
        check_document(&to_json(&document)?, "")?;
        let version = environment.revision + 1;
        let bare = wire_segment(&key, version, &document, MemberLists::default())?;
        let counts = (present.members, members.applied_to(present.members));
        Sizes::check_replaced(view, environment.id, (bytes, wire_bytes(&bare)), counts)?;
        // Its keys are not read where they stay and nothing else does not.
        if document == present.document {
            let (kind, MembersEdit { included, excluded }) = (SEGMENT_KIND.to_owned(), members);
            let change = MembersChange { kind, key, version, included, excluded };
            return Ok(Some(ObjectChange::Members(change)));
        }
        let lists = MemberLists::after(view, environment.id, &key, &members)?;
        Ok(Some(ObjectChange::Upsert(wire_segment(&key, version, &document, lists)?)))
    }
}

/// A segment's place, where it may not be yet.
struct Place {
    project: Project,
    environment: Environment,
    key: String,
}

/// What has to change for a list to be `wanted`.
pub(super) fn difference(
    view: &dyn View,
    environment: EnvironmentId,
    segment: &str,
    list: MemberList,
    wanted: Vec<String>,
) -> Result<KeysChange, Fault> {
    let present = view.members(environment, segment, list, &Page::ALL)?;
    let (new, old): (HashSet<&String>, HashSet<&String>) =
        (wanted.iter().collect(), present.iter().collect());
    let remove = present.iter().filter(|key| !new.contains(key)).cloned().collect();
    let add = wanted.iter().filter(|key| !old.contains(key)).cloned().collect();
    Ok(KeysChange { add, remove })
}

impl Place {
    fn save(
        mut self,
        unit: &mut Unit<'_>,
        action: &str,
        before: Option<&Segment>,
        document: &SegmentDocument,
        members: &MembersEdit,
    ) -> Result<Segment, Fault> {
        members.check_counts()?;
        // What travels is the lesser: what came and went, or everything.
        let alone = before.is_some_and(|before| {
            before.document == *document && members.is_less_than_all_of(&before.members)
        });
        let environment = &mut self.environment;
        if alone {
            unit.publish_members(environment, &self.key, members)?;
        } else {
            let edit = Edit::Segment { key: &self.key, document, members };
            unit.publish(environment, vec![edit])?;
        }
        let revision = environment.revision;
        let written = unit.tx.object(environment.id, ObjectKind::Segment, &self.key)?;
        let written = written.ok_or_else(|| Fault::Internal("it was not written".into()))?;
        let after = read_whole(unit.tx, environment.id, written)?;
        unit.record(&Deed {
            action,
            project: Some(&self.project),
            environment: Some(&self.environment),
            kind: "segment",
            key: &self.key,
            before: before.map(shown).as_ref(),
            after: Some(&with_changed(shown(&after), members)),
            revisions: &project::at_revision(&self.environment, revision),
        })?;
        Ok(Segment { revision: Some(revision), ..after })
    }
}

/// What the audit log says of a segment: its keys where they are few.
pub(super) fn shown(segment: &Segment) -> Value {
    let mut shown = json!(segment.document);
    if let Some(members) = shown.as_object_mut() {
        members.insert("member_counts".into(), counts_json(&segment.members));
        if let Some([included, excluded]) = &segment.lists {
            members.insert("included".into(), json!(included));
            members.insert("excluded".into(), json!(excluded));
        }
    }
    shown
}

/// Beside it, what came and went: it may not be seen in the lists.
pub(super) fn with_changed(mut shown: Value, members: &MembersEdit) -> Value {
    if let Some(shown) = shown.as_object_mut() {
        let changed =
            json!({"included": told(&members.included), "excluded": told(&members.excluded)});
        shown.insert("changed".into(), changed);
    }
    shown
}

pub(super) fn counts_json(counts: &MemberCounts) -> Value {
    json!({"included": counts.included, "excluded": counts.excluded})
}

/// Deletes a segment that no flag needs.
pub(crate) fn delete(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
) -> Result<Revision, Fault> {
    precondition.demand()?;
    let (project, mut environment, object) = find(unit.tx, path)?;
    let present = read_whole(unit.tx, environment.id, object)?;
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
        before: Some(&shown(&present)),
        after: None,
        revisions: &project::at_revision(&environment, revision),
    })?;
    Ok(revision)
}

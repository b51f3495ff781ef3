//! Several objects of an environment changed at once: checked as a whole, told before, and made
//! one revision.

use std::collections::{BTreeMap, HashSet};

use flags_core::{
    Diagnostic, FlagState, MAX_DIAGNOSTICS, Revision, SegmentDefinition, check_flag, check_segment,
};
use serde_json::{Value, json};

use super::fault::{Fault, diagnostic};
use super::flag::{self, first_object};
use super::history::{Touched, tell};
use super::members::MembersEdit;
use super::model::{FlagDocument, Revisions, Segment, SegmentDocument, json as to_json, parse};
use super::prerequisites::Prerequisites;
use super::publish::{Deed, Edit, Unit};
use super::received::all_right;
use super::segment::{difference, read_whole, shown, with_changed};
use super::state::{references, segments_of};
use super::{project, state};
use crate::limits::{
    MAX_FLAGS, MAX_MEMBERS_PER_REQUEST, MAX_SEGMENTS, MAX_SHOWN_MEMBERS, MAX_SHOWN_OBJECTS,
};
use crate::store::{
    Environment, MemberCounts, MemberList, ObjectKind, Page, Project, Scope, StoredFlag, View,
};

/// What some objects of an environment are to be; the others stay as they are.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) flags: Vec<WantedFlag>,
    pub(crate) segments: Vec<WantedSegment>,
    /// Segments that are to go.
    pub(crate) gone: Vec<String>,
}

/// A flag as it is to be.
#[derive(Debug)]
pub(crate) struct WantedFlag {
    /// Where the state stands in the request: what pointers begin with.
    pub(crate) at: String,
    pub(crate) key: String,
    pub(crate) state: FlagState,
    /// For a flag that is not there yet.
    pub(crate) new: Option<FlagDocument>,
}

/// A segment as it is to be, and where it stands in the request.
#[derive(Debug)]
pub(crate) struct WantedSegment {
    pub(crate) at: String,
    pub(crate) key: String,
    pub(crate) definition: SegmentDefinition,
}

/// What will be done: everything that differs from what is there, and nothing that breaks it.
#[derive(Debug)]
pub(crate) struct Plan {
    project: Project,
    environment: Environment,
    flags: Vec<PlannedFlag>,
    segments: Vec<PlannedSegment>,
    deleted: Vec<Segment>,
    kept: Vec<Kept>,
}

/// Something that stays as it is, though it might be expected to change.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) kind: ObjectKind,
    pub(crate) key: String,
    pub(crate) why: &'static str,
}

#[derive(Debug)]
struct PlannedFlag {
    key: String,
    document: FlagDocument,
    /// `None` for a flag that is created.
    before: Option<FlagState>,
    after: FlagState,
}

#[derive(Debug)]
struct PlannedSegment {
    before: Option<Segment>,
    after: Segment,
    members: MembersEdit,
}

/// What was done, or would be.
#[derive(Debug)]
pub(crate) struct Done {
    /// The present one where nothing was done.
    pub(crate) revision: Revision,
    /// Of all environments that changed; only flags that are created change others.
    pub(crate) revisions: Revisions,
    /// The first of the objects.
    pub(crate) objects: Vec<Touched>,
    pub(crate) objects_count: u64,
    pub(crate) kept: Vec<Kept>,
}

impl Plan {
    /// # Errors
    /// Everything that would be wrong, with pointers into the request.
    pub(crate) fn new(
        view: &dyn View,
        (project, environment): (Project, Environment),
        wanted: Wanted,
    ) -> Result<Self, Fault> {
        let mut plan = Self {
            project,
            environment,
            flags: Vec::new(),
            segments: Vec::new(),
            deleted: Vec::new(),
            kept: Vec::new(),
        };
        let mut faults = Vec::new();
        let mut places = BTreeMap::new();
        plan.add_segments(view, wanted.segments, &mut faults)?;
        plan.add_flags(view, wanted.flags, &mut faults, &mut places)?;
        all_right(faults)?;
        let mut faults = Vec::new();
        plan.check_references(view, &places, &wanted.gone, &mut faults)?;
        all_right(faults)?;
        plan.check_cycles(view, &places)?;
        plan.add_deleted(view, wanted.gone)?;
        plan.check_limits(view)?;
        Ok(plan)
    }

    /// The same, with what it leaves alone.
    pub(crate) fn keeping(self, kept: Vec<Kept>) -> Self {
        Self { kept, ..self }
    }

    fn add_segments(
        &mut self,
        view: &dyn View,
        wanted: Vec<WantedSegment>,
        faults: &mut Vec<Diagnostic>,
    ) -> Result<(), Fault> {
        let environment = self.environment.id;
        for WantedSegment { at, key, definition } in wanted {
            let found = check_segment(&definition);
            if !found.is_empty() {
                faults.extend(found.into_iter().map(|found| below(&at, found)));
                continue;
            }
            let present = view.object(environment, ObjectKind::Segment, &key)?;
            let before =
                present.map(|present| read_whole(view, environment, present)).transpose()?;
            if before.is_none()
                && let Some(existing) = view.key_like(
                    Scope::Objects(environment, ObjectKind::Segment),
                    &flags_core::folded_key(&key),
                )?
            {
                let message = format!("`{key}` is too like the segment `{existing}`");
                faults.push(diagnostic(&at, "key_conflict", message));
                continue;
            }
            let SegmentDefinition { kind, included, excluded, when } = definition;
            let counts = count(&included, &excluded);
            let few = counts.keys() <= MAX_SHOWN_MEMBERS;
            let lists = few.then(|| [sorted(&included), sorted(&excluded)]);
            let list = |list, keys| difference(view, environment, &key, list, Some(keys));
            let members = MembersEdit::sorted(
                list(MemberList::Included, included)?,
                list(MemberList::Excluded, excluded)?,
            );
            let document = SegmentDocument { kind, when };
            if before.as_ref().is_some_and(|before| before.document == document)
                && members.is_empty()
            {
                continue;
            }
            let version = self.environment.revision + 1;
            let after = Segment { key, document, lists, members: counts, version, revision: None };
            self.segments.push(PlannedSegment { before, after, members });
        }
        Ok(())
    }

    fn add_flags(
        &mut self,
        view: &dyn View,
        wanted: Vec<WantedFlag>,
        faults: &mut Vec<Diagnostic>,
        places: &mut BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        for WantedFlag { at, key, state, new } in wanted {
            let (document, before) = match new {
                Some(document) => (document, None),
                None => {
                    let (_, document) = flag::find(view, self.project.id, &key)?;
                    let object = view.object(self.environment.id, ObjectKind::Flag, &key)?;
                    let object = object.ok_or_else(|| flag::not_found(&key))?;
                    (document, Some(parse::<FlagState>(&object.document)?))
                }
            };
            if before.as_ref() == Some(&state) {
                continue;
            }
            for mut found in check_flag(&document.shared.with_state(state.clone())) {
                // What is not in the state is beside it.
                let beside = at.strip_suffix("/state").unwrap_or(&at);
                let (at, pointer) = match found.pointer.strip_prefix("/state") {
                    Some(pointer) => (&*at, pointer.to_owned()),
                    None => (beside, found.pointer),
                };
                found.pointer = pointer;
                if faults.len() < MAX_DIAGNOSTICS {
                    faults.push(below(at, found));
                }
            }
            places.insert(key.clone(), at);
            self.flags.push(PlannedFlag { key, document, before, after: state });
        }
        Ok(())
    }

    /// Whether all that the flags need will be there.
    fn check_references(
        &self,
        view: &dyn View,
        places: &BTreeMap<String, String>,
        gone: &[String],
        faults: &mut Vec<Diagnostic>,
    ) -> Result<(), Fault> {
        let coming: HashSet<&str> =
            self.segments.iter().map(|segment| &*segment.after.key).collect();
        let gone: HashSet<&str> = gone.iter().map(|key| &**key).collect();
        let new: BTreeMap<&str, &FlagDocument> = self
            .flags
            .iter()
            .filter(|flag| flag.before.is_none())
            .map(|flag| (&*flag.key, &flag.document))
            .collect();
        let at = |flag: &PlannedFlag| places.get(&flag.key).cloned().unwrap_or_default();
        for flag in &self.flags {
            let at = at(flag);
            let mut found = Vec::new();
            let known = |key: &str| new.get(key).map(|document| document.shared.variants.clone());
            state::check_prerequisites(view, self.project.id, &flag.after, &known, &mut found)?;
            let mut named = Vec::new();
            for (index, rule) in flag.after.rules.iter().enumerate() {
                segments_of(&rule.when, &format!("/rules/{index}/when"), &mut named);
            }
            for (pointer, key) in named {
                let there = coming.contains(key)
                    || (!gone.contains(key) && state::has_segment(view, self.environment.id, key)?);
                if !there {
                    let environment = &self.environment.key;
                    let message = format!("the environment `{environment}` has no segment `{key}`");
                    found.push(diagnostic(&pointer, "unknown_segment", message));
                }
            }
            if faults.len() < MAX_DIAGNOSTICS {
                faults.extend(found.into_iter().map(|found| below(&at, found)));
            }
        }
        let planned: HashSet<&str> = self.flags.iter().map(|flag| &*flag.key).collect();
        for key in gone {
            for referrer in view.referrers(self.environment.id, ObjectKind::Segment, key)? {
                if !planned.contains(&*referrer.flag) {
                    let flag = &referrer.flag;
                    let message = format!("the segment `{key}` is needed by the flag `{flag}`");
                    return Err(Fault::InUse(message));
                }
            }
        }
        Ok(())
    }

    /// Orders the flags so that each comes after those that it needs.
    fn check_cycles(
        &mut self,
        view: &dyn View,
        places: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        let changes = |flag: &PlannedFlag| match &flag.before {
            None => !flag.after.prerequisites.is_empty(),
            Some(before) => before.prerequisites != flag.after.prerequisites,
        };
        if !self.flags.iter().any(changes) {
            return Ok(());
        }
        let mut graph = Prerequisites::new(view.prerequisites(self.environment.id)?);
        for flag in &self.flags {
            let keys = flag.after.prerequisites.iter();
            graph.set(&flag.key, keys.map(|prerequisite| prerequisite.flag.clone()).collect());
        }
        let order = graph.order().map_err(|violation| {
            let at = places.get(violation.flag()).map_or("", String::as_str);
            violation.at(&format!("{at}/prerequisites"))
        })?;
        let order: BTreeMap<&str, usize> =
            order.iter().enumerate().map(|(index, key)| (&**key, index)).collect();
        // Those without any prerequisites, and that are none, are not in it.
        self.flags.sort_by_key(|flag| order.get(&*flag.key).copied());
        Ok(())
    }

    fn add_deleted(&mut self, view: &dyn View, gone: Vec<String>) -> Result<(), Fault> {
        for key in gone {
            if let Some(object) = view.object(self.environment.id, ObjectKind::Segment, &key)? {
                self.deleted.push(read_whole(view, self.environment.id, object)?);
            }
        }
        Ok(())
    }

    fn check_limits(&self, view: &dyn View) -> Result<(), Fault> {
        let limit = |limit, maximum, there: u64, more: usize, fewer: usize| {
            let after = (there + more as u64).saturating_sub(fewer as u64);
            let fault = Fault::LimitExceeded { limit, maximum };
            if more > 0 && after > maximum { Err(fault) } else { Ok(()) }
        };
        let new = self.flags.iter().filter(|flag| flag.before.is_none()).count();
        let there = view.count(Scope::Flags(self.project.id))?;
        limit("flags", MAX_FLAGS, there, new, 0)?;
        let new = self.segments.iter().filter(|segment| segment.before.is_none()).count();
        let there = view.count(Scope::Objects(self.environment.id, ObjectKind::Segment))?;
        limit("segments", MAX_SEGMENTS, there, new, self.deleted.len())?;
        let lists = self.segments.iter().flat_map(|s| [&s.members.included, &s.members.excluded]);
        let keys: usize = lists.map(|keys| keys.add.len() + keys.remove.len()).sum();
        limit("members_per_request", MAX_MEMBERS_PER_REQUEST, 0, keys, 0)
    }

    fn is_empty(&self) -> bool {
        self.flags.is_empty() && self.segments.is_empty() && self.deleted.is_empty()
    }

    /// What it would do.
    pub(crate) fn told(&self) -> Done {
        let mut objects = Vec::new();
        for (kind, key, before, after) in self.documents().take(MAX_SHOWN_OBJECTS as usize) {
            let change = tell(kind, before, after);
            objects.push(Touched { kind: kind.to_owned(), key: key.to_owned(), change });
        }
        let count = self.flags.len() + self.segments.len() + self.deleted.len();
        Done {
            revision: self.environment.revision,
            revisions: Revisions::new(),
            objects,
            objects_count: count as u64,
            kept: self.kept.clone(),
        }
    }

    /// Each object with what the audit log says of it, before and after.
    fn documents(&self) -> impl Iterator<Item = (&str, &str, Option<Value>, Option<Value>)> {
        let flags = self.flags.iter().map(|flag| {
            let before = flag.before.as_ref().map(|before| json!(before));
            ("flag_state", &*flag.key, before, Some(json!(flag.after)))
        });
        let segments = self.segments.iter().map(|segment| {
            let after = with_changed(shown(&segment.after), &segment.members);
            ("segment", &*segment.after.key, segment.before.as_ref().map(shown), Some(after))
        });
        let deleted = self
            .deleted
            .iter()
            .map(|segment| ("segment", &*segment.key, Some(shown(segment)), None));
        flags.chain(segments).chain(deleted)
    }

    /// Does it, as one revision.
    pub(crate) fn apply(mut self, unit: &mut Unit<'_>, action: &str) -> Result<Done, Fault> {
        let mut done = self.told();
        if self.is_empty() {
            done.revisions = project::at_revision(&self.environment, self.environment.revision);
            return Ok(done);
        }
        done.revisions = self.create_flags(unit)?;
        let mut edits = Vec::new();
        // In this order, whatever is needed is there.
        for PlannedSegment { before, after, members } in &self.segments {
            let Segment { key, document, .. } = after;
            let alone = before.as_ref().is_some_and(|before| {
                before.document == *document && members.is_less_than_all_of(&before.members)
            });
            edits.push(match alone {
                true => Edit::Members { key, members },
                false => Edit::Segment { key, document, members },
            });
        }
        for flag in &self.flags {
            let definition = flag.document.shared.with_state(flag.after.clone());
            edits.push(Edit::Flag {
                key: &flag.key,
                document: to_json(&definition.state)?,
                shared: &flag.document.shared,
                references: references(&definition),
                limited: true,
            });
        }
        let delete = |segment| Edit::Delete { kind: ObjectKind::Segment, key: segment };
        edits.extend(self.deleted.iter().map(|segment| delete(&*segment.key)));
        done.revision = unit.publish(&mut self.environment, edits)?;
        let revisions = project::at_revision(&self.environment, done.revision);
        done.revisions.extend(revisions.clone());
        for (kind, key, before, after) in self.documents() {
            unit.record(&Deed {
                action,
                project: Some(&self.project),
                environment: Some(&self.environment),
                kind,
                key,
                before: before.as_ref(),
                after: after.as_ref(),
                revisions: &revisions,
            })?;
        }
        Ok(done)
    }

    /// Flags that are new are new in every environment, off in the others.
    fn create_flags(&self, unit: &mut Unit<'_>) -> Result<Revisions, Fault> {
        let mut revisions = Revisions::new();
        let new: Vec<&PlannedFlag> =
            self.flags.iter().filter(|flag| flag.before.is_none()).collect();
        if new.is_empty() {
            return Ok(revisions);
        }
        for flag in &new {
            let document = flag::stored_json(&flag.document)?;
            let stored =
                StoredFlag { key: flag.key.clone(), version: 1, document, archived_at: None };
            unit.tx.put_flag(self.project.id, &stored)?;
        }
        for mut other in unit.tx.environments(Some(self.project.id), &Page::ALL)? {
            if other.id == self.environment.id {
                continue;
            }
            let edits: Result<Vec<Edit<'_>>, Fault> =
                new.iter().map(|flag| first_object(&flag.key, &flag.document)).collect();
            let revision = unit.publish(&mut other, edits?)?;
            revisions.insert(other.key, revision);
        }
        let mut all = revisions.clone();
        all.insert(self.environment.key.clone(), self.environment.revision + 1);
        for flag in &new {
            unit.record(&Deed {
                action: "flag.create",
                project: Some(&self.project),
                environment: None,
                kind: "flag",
                key: &flag.key,
                before: None,
                after: Some(&json!(flag.document.shared)),
                revisions: &all,
            })?;
        }
        Ok(revisions)
    }
}

/// A fault of an object at its place in the request.
fn below(at: &str, found: Diagnostic) -> Diagnostic {
    Diagnostic { pointer: format!("{at}{}", found.pointer), ..found }
}

fn sorted(keys: &[String]) -> Vec<String> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys
}

fn count(included: &[String], excluded: &[String]) -> MemberCounts {
    let bytes = |keys: &[String]| keys.iter().map(|key| key.len() as u64).sum::<u64>();
    MemberCounts {
        included: included.len() as u64,
        excluded: excluded.len() as u64,
        bytes: bytes(included) + bytes(excluded),
    }
}

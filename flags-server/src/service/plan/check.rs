use std::collections::{BTreeMap, HashSet};

use flags_core::{
    Diagnostic, FlagState, MAX_DIAGNOSTICS, SegmentDefinition, check_flag, check_segment,
    folded_key,
};

use super::{Plan, PlannedFlag, PlannedSegment, Wanted, WantedFlag, WantedSegment};
use crate::limits::{MAX_FLAGS, MAX_SEGMENTS, MAX_SHOWN_MEMBERS};
use crate::service::fault::{Fault, diagnostic};
use crate::service::flag;
use crate::service::member_lists::MemberLists;
use crate::service::members::{MembersEdit, check_count};
use crate::service::model::{Segment, SegmentDocument, json, parse, wire_flag, wire_segment};
use crate::service::needs::Needs;
use crate::service::prerequisites::Prerequisites;
use crate::service::received::all_right;
use crate::service::segment::{difference, read_whole};
use crate::service::sizes::{Sizes, check_document, wire_bytes};
use crate::service::tenant::TenantsEdit;
use crate::store::{Environment, MemberCounts, MemberList, ObjectKind, Page, Project, Scope, View};

impl Plan {
    /// # Errors
    /// Everything that would be wrong, with pointers into the request.
    pub(crate) fn new(
        view: &dyn View,
        (project, environment): (Project, Environment),
        wanted: Wanted,
    ) -> Result<Self, Fault> {
        let sizes = Sizes::of(view, environment.id)?;
        let mut plan = Self {
            project,
            environment,
            flags: Vec::new(),
            segments: Vec::new(),
            deleted: Vec::new(),
            tenants: TenantsEdit::default(),
            kept: Vec::new(),
            sizes: (sizes.clone(), sizes),
            elsewhere: 0,
        };
        let mut faults = Vec::new();
        plan.add_segments(view, wanted.segments, &wanted.gone, &mut faults)?;
        plan.add_flags(view, wanted.flags, &mut faults)?;
        all_right(faults)?;
        plan.check_references(view, &wanted.gone)?;
        plan.check_cycles(view)?;
        plan.add_deleted(view, wanted.gone)?;
        plan.tenants = TenantsEdit::of(view, plan.environment.id, &wanted.tenants)?;
        plan.tenants.add_to(&mut plan.sizes.1);
        plan.check_limits(view)?;
        Ok(plan)
    }

    fn add_segments(
        &mut self,
        view: &dyn View,
        wanted: Vec<WantedSegment>,
        gone: &[String],
        faults: &mut Vec<Diagnostic>,
    ) -> Result<(), Fault> {
        let environment = self.environment.id;
        for WantedSegment { at, key, definition } in wanted {
            if faults.len() >= MAX_DIAGNOSTICS {
                break;
            }
            let found = check_segment(&definition);
            if !found.is_empty() {
                faults.extend(found.into_iter().map(|found| below(&at, found)));
                continue;
            }
            let present = view.object(environment, ObjectKind::Segment, &key)?;
            let bytes = present.as_ref().map_or(0, |present| present.bytes);
            let before =
                present.map(|present| read_whole(view, environment, present)).transpose()?;
            if before.is_none()
                && let Some(existing) = view
                    .key_like(Scope::Objects(environment, ObjectKind::Segment), &folded_key(&key))?
                && !gone.contains(&existing)
            {
                let message = format!("`{key}` is too like the segment `{existing}`");
                faults.push(diagnostic(&at, "key_conflict", message));
                continue;
            }
            let SegmentDefinition { kind, included, excluded, when } = definition;
            let counts = count(&included, &excluded);
            let few = counts.keys() <= MAX_SHOWN_MEMBERS;
            let lists = few.then(|| [sorted(&included), sorted(&excluded)]);
            let list = |list, keys| difference(view, environment, &key, list, keys);
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
            check_document(&json(&document)?, &at)?;
            let wire = wire_segment(&key, version, &document, MemberLists::default())?;
            let present = before.as_ref().map(|before| before.members).unwrap_or_default();
            self.sizes.1.replace((bytes, wire_bytes(&wire)), (present, counts));
            let after = Segment { key, document, lists, members: counts, version, revision: None };
            self.segments.push(PlannedSegment { at, before, after, members });
        }
        Ok(())
    }

    fn add_flags(
        &mut self,
        view: &dyn View,
        wanted: Vec<WantedFlag>,
        faults: &mut Vec<Diagnostic>,
    ) -> Result<(), Fault> {
        for WantedFlag { at, key, state, new } in wanted {
            if faults.len() >= MAX_DIAGNOSTICS {
                break;
            }
            let (document, before, bytes) = match new {
                Some(document) => (document, None, 0),
                None => {
                    let (_, document) = flag::find(view, self.project.id, &key)?;
                    let object = view.object(self.environment.id, ObjectKind::Flag, &key)?;
                    let object = object.ok_or_else(|| flag::not_found(&key))?;
                    (document, Some(parse::<FlagState>(&object.document)?), object.bytes)
                }
            };
            if before.as_ref() == Some(&state) {
                continue;
            }
            // What is not in the state is beside it.
            let beside = at.strip_suffix("/state").unwrap_or(&at);
            for mut found in check_flag(&document.shared.with_state(state.clone())) {
                let (at, pointer) = match found.pointer.strip_prefix("/state") {
                    Some(pointer) => (&*at, pointer.to_owned()),
                    None => (beside, found.pointer),
                };
                found.pointer = pointer;
                faults.push(below(at, found));
            }
            let text = json(&state)?;
            check_document(&text, &at)?;
            let of = |text: &str| wire_flag(&key, 0, text, &document.shared);
            self.sizes.1.replace((bytes, wire_bytes(&of(&text)?)), Default::default());
            if before.is_none() {
                flag::stored_json(&document).map_err(|fault| fault.below(beside))?;
                let first = of(&json(&document.first_state())?)?;
                self.elsewhere += wire_bytes(&first);
            }
            self.flags.push(PlannedFlag { at, key, document, before, after: state });
        }
        Ok(())
    }

    /// Whether all that the flags need will be there.
    fn check_references(&self, view: &dyn View, gone: &[String]) -> Result<(), Fault> {
        let mut needs = Needs::new(view, self.project.id, &self.environment);
        for key in gone {
            needs.segment_will_be(key, false);
        }
        for segment in &self.segments {
            needs.segment_will_be(&segment.after.key, true);
        }
        for flag in self.flags.iter().filter(|flag| flag.before.is_none()) {
            let variants = flag.document.shared.variants.iter();
            needs.flag_comes(&flag.key, variants.map(|variant| variant.name.clone()));
        }
        let mut faults = Vec::new();
        for flag in &self.flags {
            let found = needs.faults(&flag.after)?;
            faults.extend(found.into_iter().map(|found| below(&flag.at, found)));
            if faults.len() >= MAX_DIAGNOSTICS {
                break;
            }
        }
        all_right(faults)?;
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
    fn check_cycles(&mut self, view: &dyn View) -> Result<(), Fault> {
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
            let of = self.flags.iter().find(|flag| flag.key == violation.flag());
            let at = of.map_or("", |flag| &flag.at);
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
                let gone = (object.members, MemberCounts::default());
                self.sizes.1.replace((object.bytes, 0), gone);
                self.deleted.push(read_whole(view, self.environment.id, object)?);
            }
        }
        Ok(())
    }

    fn check_limits(&self, view: &dyn View) -> Result<(), Fault> {
        let limit = |limit, maximum, there: u64, more: usize, fewer: usize| {
            let after = (there + more as u64).saturating_sub(fewer as u64);
            let fault = Fault::limit(limit, maximum);
            if more > 0 && after > maximum { Err(fault) } else { Ok(()) }
        };
        let new = self.flags.iter().filter(|flag| flag.before.is_none()).count();
        let there = view.count(Scope::Flags(self.project.id))?;
        limit("flags", MAX_FLAGS, there, new, 0)?;
        let new = self.segments.iter().filter(|segment| segment.before.is_none()).count();
        let there = view.count(Scope::Objects(self.environment.id, ObjectKind::Segment))?;
        limit("segments", MAX_SEGMENTS, there, new, self.deleted.len())?;
        let (before, after) = &self.sizes;
        Sizes::check_growth(before, after)?;
        if self.elsewhere > 0 {
            for other in view.environments(Some(self.project.id), &Page::ALL)? {
                if other.id != self.environment.id {
                    let before = Sizes::of(view, other.id)?;
                    let mut after = before.clone();
                    after.definition_bytes += self.elsewhere;
                    Sizes::check_growth(&before, &after)?;
                }
            }
        }
        Ok(())
    }

    /// Refuses more than one request may do, while others wait.
    pub(crate) fn check_size(&self) -> Result<(), Fault> {
        let count = |segment: &PlannedSegment| segment.members.counts().into_iter().sum();
        check_count(self.segments.iter().map(|segment| (&*segment.at, count(segment))))
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

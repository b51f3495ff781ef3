use std::collections::{BTreeMap, HashSet};

use flags_core::{
    Diagnostic, FlagState, MAX_DIAGNOSTICS, SegmentDefinition, check_flag, check_segment,
    folded_key,
};

use super::{Plan, PlannedFlag, PlannedSegment, Wanted, WantedFlag, WantedSegment};
use crate::limits::{MAX_FLAGS, MAX_MEMBERS_PER_REQUEST, MAX_SEGMENTS, MAX_SHOWN_MEMBERS};
use crate::service::fault::{Fault, diagnostic};
use crate::service::flag;
use crate::service::members::MembersEdit;
use crate::service::model::{FlagDocument, Segment, SegmentDocument, parse};
use crate::service::prerequisites::Prerequisites;
use crate::service::received::all_right;
use crate::service::segment::{difference, read_whole};
use crate::service::state::{self, segments_of};
use crate::service::tenant::TenantsEdit;
use crate::store::{Environment, MemberCounts, MemberList, ObjectKind, Project, Scope, View};

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
            tenants: TenantsEdit::default(),
            kept: Vec::new(),
        };
        let mut faults = Vec::new();
        let mut places = BTreeMap::new();
        plan.add_segments(view, wanted.segments, &wanted.gone, &mut faults)?;
        plan.add_flags(view, wanted.flags, &mut faults, &mut places)?;
        all_right(faults)?;
        let mut faults = Vec::new();
        plan.check_references(view, &places, &wanted.gone, &mut faults)?;
        all_right(faults)?;
        plan.check_cycles(view, &places)?;
        plan.add_deleted(view, wanted.gone)?;
        plan.tenants = TenantsEdit::of(view, plan.environment.id, &wanted.tenants)?;
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
            let found = check_segment(&definition);
            if !found.is_empty() {
                faults.extend(found.into_iter().map(|found| below(&at, found)));
                continue;
            }
            let present = view.object(environment, ObjectKind::Segment, &key)?;
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
        limit("segments", MAX_SEGMENTS, there, new, self.deleted.len())
    }

    /// Refuses more than one request may do, while others wait.
    pub(crate) fn check_size(&self) -> Result<(), Fault> {
        let lists = self.segments.iter().flat_map(|s| [&s.members.included, &s.members.excluded]);
        let keys: usize = lists.map(|keys| keys.add.len() + keys.remove.len()).sum();
        let (limit, maximum) = ("members_per_request", MAX_MEMBERS_PER_REQUEST);
        if keys as u64 > maximum { Err(Fault::LimitExceeded { limit, maximum }) } else { Ok(()) }
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

use std::collections::HashSet;

use flags_core::folded_key;
use serde_json::json;

use super::{Done, Plan, PlannedFlag, PlannedSegment};
use crate::service::catalogue::PlannedSold;
use crate::service::fault::Fault;
use crate::service::flag::{self, first_object};
use crate::service::model::{Revisions, Segment, json as to_json};
use crate::service::project;
use crate::service::publish::{Deed, Edit, Unit};
use crate::service::state::references;
use crate::store::{ObjectKind, Page, StoredFlag};

impl Plan {
    /// Does it, as one revision.
    pub(crate) fn apply(mut self, unit: &mut Unit<'_>, action: &str) -> Result<Done, Fault> {
        let mut done = self.told();
        if self.is_empty() {
            done.revisions = project::at_revision(&self.environment, self.environment.revision);
            return Ok(done);
        }
        done.revisions = self.create_flags(unit)?;
        // In this order, whatever is needed is there; what makes room for a key like its own goes
        // before that.
        let delete = |segment| Edit::Delete { kind: ObjectKind::Segment, key: segment };
        let come: HashSet<String> =
            self.segments.iter().map(|segment| folded_key(&segment.after.key)).collect();
        let (first, last): (Vec<&Segment>, Vec<&Segment>) =
            self.deleted.iter().partition(|segment| come.contains(&folded_key(&segment.key)));
        if !first.is_empty() || self.sold.iter().any(PlannedSold::needs_its_kind) {
            unit.tx.defer_references()?;
        }
        let mut edits: Vec<Edit<'_>> = self.sold.iter().map(PlannedSold::edit).collect();
        edits.extend(first.into_iter().map(|segment| delete(&*segment.key)));
        for PlannedSegment { before, after, members, .. } in &self.segments {
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
        edits.extend(last.into_iter().map(|segment| delete(&*segment.key)));
        edits.extend(self.tenants.edits());
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

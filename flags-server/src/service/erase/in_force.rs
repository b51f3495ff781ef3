//! What names a key now.

use flags_core::{FlagState, KeysChange, TENANT_KIND};
use serde_json::Value;

use super::Touched;
use crate::service::fault::Fault;
use crate::service::flag;
use crate::service::members::MembersEdit;
use crate::service::model::{FlagDocument, SegmentDocument, json as to_json, parse};
use crate::service::publish::Edit;
use crate::service::redact::Subject;
use crate::service::state::references;
use crate::store::{Environment, MemberList, ObjectKind, Page, Project, View};

/// What names the key now, with the key taken out.
pub(super) struct InForce {
    flags: Vec<(String, FlagDocument, FlagState)>,
    segments: Vec<(String, SegmentDocument, MembersEdit)>,
    /// The key of what is stored of the tenant.
    tenant: Option<String>,
}

impl InForce {
    pub(super) fn find(
        view: &dyn View,
        project: &Project,
        environment: &Environment,
        subject: &Subject,
    ) -> Result<Self, Fault> {
        let literal = subject.literal();
        let stored = match &*subject.kind {
            TENANT_KIND => view.tenant(environment.id, &subject.key)?,
            _ => None,
        };
        let tenant = stored.map(|tenant| tenant.key);
        let mut found = Self { flags: Vec::new(), segments: Vec::new(), tenant };
        for object in view.objects(environment.id, ObjectKind::Flag, &Page::ALL)? {
            if !object.document.contains(&literal) {
                continue;
            }
            let mut state: Value = parse(&object.document)?;
            if subject.redact_state(&mut state) {
                let shared = view.flag(project.id, &object.key)?;
                let shared = shared.ok_or_else(|| flag::not_found(&object.key))?;
                let state = parse(&state.to_string())?;
                found.flags.push((object.key, FlagDocument::read(&shared)?, state));
            }
        }
        let key = std::slice::from_ref(&subject.key);
        for object in view.objects(environment.id, ObjectKind::Segment, &Page::ALL)? {
            let mut definition: Value = parse(&object.document)?;
            let is_named =
                object.document.contains(&literal) && subject.redact_segment(&mut definition, None);
            let document: SegmentDocument = parse(&definition.to_string())?;
            let gone = |list| -> Result<KeysChange, Fault> {
                let is_member = document.kind == subject.kind
                    && view.has_members(environment.id, &object.key, list, key)?;
                let remove = if is_member { key.to_vec() } else { Vec::new() };
                Ok(KeysChange { add: Vec::new(), remove })
            };
            let (included, excluded) = (gone(MemberList::Included)?, gone(MemberList::Excluded)?);
            let members = MembersEdit::sorted(included, excluded);
            if is_named || !members.is_empty() {
                found.segments.push((object.key, document, members));
            }
        }
        Ok(found)
    }

    pub(super) fn edits(&self) -> Result<Vec<Edit<'_>>, Fault> {
        let mut edits = Vec::new();
        for (key, document, state) in &self.flags {
            edits.push(Edit::Flag {
                key,
                document: to_json(state)?,
                shared: &document.shared,
                references: references(&document.shared.with_state(state.clone())),
                limited: false,
            });
        }
        for (key, document, members) in &self.segments {
            edits.push(Edit::Segment { key, document, members });
        }
        edits.extend(self.tenant.iter().map(|key| Edit::Tenant { key, stored: None }));
        Ok(edits)
    }

    pub(super) fn touched(&self, environment: &Environment) -> Touched {
        Touched {
            project: environment.project.clone(),
            environment: environment.key.clone(),
            flags: self.flags.iter().map(|(key, ..)| key.clone()).collect(),
            segments: self.segments.iter().map(|(key, ..)| key.clone()).collect(),
            tenant: self.tenant.is_some(),
            seats: 0,
            revision: environment.revision,
            changes: 0,
            scheduled: 0,
            cancelled: Vec::new(),
        }
    }
}

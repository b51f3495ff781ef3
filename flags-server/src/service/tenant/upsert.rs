//! Many tenants at once.

use std::collections::HashSet;

use flags_core::{
    Diagnostic, Field, MAX_DIAGNOSTICS, Revision, Shape, TENANT_KIND, Timestamp, check_tenant,
    is_context_key,
};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::shape::UPSERTS;
use super::{INVALID_KEY, Said, Tenant, TenantsEdit, WantedTenant};
use crate::limits::MAX_TENANTS_PER_REQUEST;
use crate::service::catalogue::Needs;
use crate::service::contract::{Note, Notes};
use crate::service::fault::{Fault, diagnostic};
use crate::service::project;
use crate::service::publish::{Deed, Unit};
use crate::service::received::all_right;
use crate::service::uses::{OverLimits, over_limits};

/// What a tenant is to be.
#[derive(Debug, Clone)]
pub(crate) struct Upsert {
    key: String,
    said: Said,
    /// What is said of its overrides, where these are named.
    notes: Notes,
}

impl<'de> Deserialize<'de> for Upsert {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Map::deserialize(deserializer)?;
        let Some(Value::String(key)) = members.remove("key") else {
            return Err(D::Error::missing_field("key"));
        };
        let notes = Note::take_all(&mut members).map_err(D::Error::custom)?;
        let said = Said::new(members).map_err(D::Error::custom)?;
        Ok(Self { key, said, notes })
    }
}

impl Upsert {
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// What is to be, where `before` is what there is. `version` is the revision that makes it so.
    pub(super) fn onto(
        &self,
        at: String,
        before: Option<&Tenant>,
        version: Revision,
        now: Timestamp,
    ) -> WantedTenant {
        let present = before.map(|before| &before.definition);
        let definition = self.said.clone().onto(present, now);
        let mut notes = Notes::new();
        for exception in &definition.contract.overrides {
            let id = &exception.id;
            let there = before.and_then(|before| before.noted(id));
            let note = match (self.notes.get(id), there) {
                (None, there) => there.map(|there| there.note),
                (Some(said), Some(there))
                    if there.definition == *exception && said.says_the_same(&there.note) =>
                {
                    Some(there.note)
                }
                (Some(said), _) => Some(Note { version, ..said.clone() }),
            };
            notes.extend(note.map(|note| (id.clone(), note)));
        }
        WantedTenant { at, key: self.key.clone(), definition, notes }
    }
}

/// Everything that is wrong with tenants, up to [`MAX_DIAGNOSTICS`]; in the body they are `tenants`.
pub(crate) fn check(upserts: &[Upsert]) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    let mut faults: Vec<Diagnostic> = Vec::new();
    for (index, Upsert { key, said, notes }) in upserts.iter().enumerate() {
        let at = format!("/tenants/{index}");
        if !is_context_key(key) {
            faults.push(diagnostic(&format!("{at}/key"), "invalid_key", INVALID_KEY));
        } else if !seen.insert(key) {
            let message = format!("`{key}` is here twice");
            faults.push(diagnostic(&format!("{at}/key"), "duplicate", message));
        }
        let mut found = check_tenant(&said.definition);
        for (index, exception) in said.definition.contract.overrides.iter().enumerate() {
            let noted = notes.get(&exception.id).map(|note| note.faults(exception));
            found.extend(noted.into_iter().flatten().map(|mut found| {
                found.pointer.insert_str(0, &format!("/overrides/{index}"));
                found
            }));
        }
        faults.extend(found.into_iter().map(|mut found| {
            found.pointer.insert_str(0, &at);
            found
        }));
        if faults.len() >= MAX_DIAGNOSTICS {
            faults.truncate(MAX_DIAGNOSTICS);
            break;
        }
    }
    faults
}

/// What many tenants are to be.
#[derive(Debug, Deserialize)]
pub(crate) struct Upserts {
    tenants: Vec<Upsert>,
}

impl Upserts {
    /// The shape of a body.
    pub(crate) const SHAPE: &'static Shape =
        &Shape::Object(&[Field::required("tenants", &UPSERTS)
            .says("The tenants; what is not named of a contract stays.")]);

    /// Checks what was asked for.
    ///
    /// # Errors
    /// Everything that is wrong, up to [`MAX_DIAGNOSTICS`].
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.tenants.len() > MAX_TENANTS_PER_REQUEST {
            return Err(Fault::limit("tenants_per_request", MAX_TENANTS_PER_REQUEST as u64));
        }
        all_right(check(&self.tenants))
    }
}

/// What came of many tenants.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Upserted {
    pub(crate) created: usize,
    pub(crate) updated: usize,
    pub(crate) unchanged: usize,
    pub(crate) revision: Revision,
    /// What they use above their limits.
    pub(crate) over_limit: OverLimits,
}

/// Creates and replaces many tenants: all of them or none, in one revision.
pub(crate) fn upsert(
    unit: &mut Unit<'_>,
    project: &str,
    environment: &str,
    upserts: &Upserts,
) -> Result<Upserted, Fault> {
    let (project, mut environment) = project::find_environment(unit.tx, project, environment)?;
    let edit = {
        let mut needs = Needs::new(unit.tx, &environment);
        TenantsEdit::of(unit.tx, &environment, &mut needs, &upserts.tenants, unit.now)?
    };
    if !edit.is_empty() {
        let revision = unit.publish(&mut environment, edit.edits().collect())?;
        unit.record(&Deed {
            action: "tenant.upsert",
            project: Some(&project),
            environment: Some(&environment),
            kind: TENANT_KIND,
            key: "",
            before: None,
            after: Some(&edit.told()),
            revisions: &project::at_revision(&environment, revision),
        })?;
    }
    let (created, updated, unchanged) = edit.counts();
    let keys = upserts.tenants.iter().map(Upsert::key);
    let over_limit = over_limits(unit.tx, &environment, keys, unit.now)?;
    let revision = environment.revision;
    Ok(Upserted { created, updated, unchanged, revision, over_limit })
}

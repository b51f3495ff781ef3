//! An override that several tenants are given alike.

use flags_core::{
    ContractDefinition, ContractOverride, Diagnostic, MAX_TENANT_OVERRIDES, Revision, Timestamp,
    check_contract,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::check_needs;
use super::note::Note;
use super::overrides::read;
use crate::service::catalogue::Needs;
use crate::service::fault::Fault;
use crate::service::publish::Author;
use crate::service::received::{Received, all_right};
use crate::service::tenant::Tenant;

/// What it is, but for its id.
pub(crate) struct Exception {
    definition: ContractOverride,
    note: Note,
}

/// Until it has one of its own.
const NO_ID: &str = "new";

impl Exception {
    /// What a body says of it. `version` is the revision that is to be made.
    ///
    /// # Errors
    /// Everything that is wrong with it for whomever; pointers lead into the body.
    pub(crate) fn read(
        mut members: Map<String, Value>,
        feature: &str,
        needs: &mut Needs<'_>,
        (author, now, version): (&Author, Timestamp, Revision),
    ) -> Result<Self, Fault> {
        members.insert("id".into(), json!(NO_ID));
        members.insert("feature".into(), json!(feature));
        let received = Received::new(members.into())?;
        let (definition, note) = read(received, (author, now, version))?;
        let alone =
            ContractDefinition { overrides: vec![definition.clone()], ..Default::default() };
        let in_body = |faults: Vec<Diagnostic>| {
            let place = |mut fault: Diagnostic| {
                if let Some(pointer) = fault.pointer.strip_prefix("/overrides/0") {
                    fault.pointer = pointer.to_owned();
                }
                fault
            };
            all_right(faults.into_iter().map(place).collect())
        };
        in_body(check_contract(&alone))?;
        in_body(check_needs(&alone, needs)?)?;
        Ok(Self { definition, note })
    }

    /// A tenant with one more exception like this, which has an id of its own.
    ///
    /// # Errors
    /// When that does not go together with the others that it has.
    pub(crate) fn given_to(&self, tenant: &Tenant) -> Result<Tenant, Fault> {
        let mut after = tenant.clone();
        let overrides = &mut after.definition.contract.overrides;
        if overrides.len() >= MAX_TENANT_OVERRIDES {
            return Err(Fault::limit_at("", "overrides_per_tenant", MAX_TENANT_OVERRIDES as u64));
        }
        let id = Uuid::now_v7().simple().to_string();
        overrides.push(ContractOverride { id: id.clone(), ..self.definition.clone() });
        let faults = check_contract(&after.definition.contract).into_iter();
        all_right(faults.map(|fault| Diagnostic { pointer: String::new(), ..fault }).collect())?;
        after.definition.contract.overrides.sort_by(|a, b| a.id.cmp(&b.id));
        after.notes.insert(id, self.note.clone());
        Ok(after)
    }

    /// What the audit log says of it.
    pub(crate) fn told(&self) -> Value {
        let Note { reason, review_at, .. } = &self.note;
        let mut told = json!(self.definition);
        if let Value::Object(members) = &mut told {
            members.remove("id");
            members.insert("reason".into(), json!(reason));
            members.insert("review_at".into(), json!(review_at));
        }
        told
    }
}

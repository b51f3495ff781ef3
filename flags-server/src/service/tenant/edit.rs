use flags_core::{Diagnostic, MAX_DIAGNOSTICS, TenantDefinition, Timestamp};
use serde_json::{Value, json};

use super::{Tenant, Upsert};
use crate::limits::MAX_AUDITED_KEYS;
use crate::service::catalogue::Needs;
use crate::service::contract::{Notes, check_needs, references};
use crate::service::fault::Fault;
use crate::service::model::json as to_json;
use crate::service::publish::Edit;
use crate::service::received::all_right;
use crate::service::sizes::Sizes;
use crate::store::{Environment, StoredTenant, TenantReference, View};

/// What a tenant is to be, and where that stands in the request.
#[derive(Debug, Clone)]
pub(crate) struct WantedTenant {
    pub(crate) at: String,
    pub(crate) key: String,
    pub(crate) definition: TenantDefinition,
    pub(crate) notes: Notes,
}

/// How tenants become what they are to be: those that are so already are not in it.
#[derive(Debug, Default)]
pub(crate) struct TenantsEdit {
    changed: Vec<Changed>,
    created: usize,
    unchanged: usize,
    /// Bytes of what will be stored, and of what was instead of it.
    bytes: (u64, u64),
}

#[derive(Debug)]
struct Changed {
    /// With the version of the revision that is to be made.
    stored: StoredTenant,
    references: Vec<TenantReference>,
}

impl TenantsEdit {
    /// # Errors
    /// Everything that the contracts name and that is not there.
    pub(crate) fn new(
        view: &dyn View,
        environment: &Environment,
        needs: &mut Needs<'_>,
        wanted: WantedTenant,
    ) -> Result<Self, Fault> {
        Self::all(view, environment, needs, vec![wanted])
    }

    /// The same of several.
    pub(crate) fn all(
        view: &dyn View,
        environment: &Environment,
        needs: &mut Needs<'_>,
        wanted: Vec<WantedTenant>,
    ) -> Result<Self, Fault> {
        let (mut edit, mut faults) = (Self::default(), Vec::new());
        for wanted in wanted {
            let present = view.tenant(environment.id, &wanted.key)?;
            edit.add(environment, needs, present.as_ref(), wanted, &mut faults)?;
        }
        all_right(faults)?;
        Ok(edit)
    }

    /// What is said of tenants, put onto what there is of them.
    pub(crate) fn of(
        view: &dyn View,
        environment: &Environment,
        needs: &mut Needs<'_>,
        upserts: &[Upsert],
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let (mut edit, mut faults) = (Self::default(), Vec::new());
        for (index, upsert) in upserts.iter().enumerate() {
            let present = view.tenant(environment.id, upsert.key())?;
            let before = present.as_ref().map(Tenant::read).transpose()?;
            let at = format!("/tenants/{index}");
            let wanted = upsert.onto(at, before.as_ref(), environment.revision + 1, now);
            edit.add(environment, needs, present.as_ref(), wanted, &mut faults)?;
            if faults.len() >= MAX_DIAGNOSTICS {
                break;
            }
        }
        all_right(faults)?;
        Ok(edit)
    }

    /// Tenants that have other contracts than are stored.
    pub(crate) fn moving(
        environment: &Environment,
        needs: &mut Needs<'_>,
        tenants: Vec<(StoredTenant, Tenant)>,
    ) -> Result<Self, Fault> {
        let (mut edit, mut faults) = (Self::default(), Vec::new());
        for (present, Tenant { key, definition, notes, .. }) in tenants {
            let wanted = WantedTenant { at: String::new(), key, definition, notes };
            edit.add(environment, needs, Some(&present), wanted, &mut faults)?;
        }
        all_right(faults)?;
        Ok(edit)
    }

    fn add(
        &mut self,
        environment: &Environment,
        needs: &mut Needs<'_>,
        present: Option<&StoredTenant>,
        wanted: WantedTenant,
        faults: &mut Vec<Diagnostic>,
    ) -> Result<(), Fault> {
        let WantedTenant { at, key, definition, notes } = wanted;
        let document = to_json(&definition)?;
        let notes = (!notes.is_empty()).then(|| to_json(&notes)).transpose()?;
        let is_same =
            |present: &&StoredTenant| (&present.document, &present.notes) == (&document, &notes);
        if present.filter(is_same).is_some() {
            self.unchanged += 1;
            return Ok(());
        }
        for mut found in check_needs(&definition.contract, needs)? {
            found.pointer.insert_str(0, &at);
            faults.push(found);
        }
        match present {
            Some(present) => self.bytes.1 += present.bytes() as u64,
            None => self.created += 1,
        }
        let stored = StoredTenant { key, version: environment.revision + 1, document, notes };
        self.bytes.0 += stored.bytes() as u64;
        self.changed.push(Changed { stored, references: references(&definition.contract) });
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    pub(crate) fn edits(&self) -> impl Iterator<Item = Edit<'_>> {
        self.changed.iter().map(|Changed { stored, references }| Edit::Tenant {
            key: &stored.key,
            stored: Some((stored, references)),
        })
    }

    /// What the tenants of an environment come to with it.
    pub(in crate::service) fn add_to(&self, sizes: &mut Sizes) {
        sizes.tenants += self.created as u64;
        sizes.tenant_bytes = (sizes.tenant_bytes + self.bytes.0).saturating_sub(self.bytes.1);
    }

    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.created, self.changed.len() - self.created, self.unchanged)
    }

    /// What the audit log says of it: there is no one key, and there may be many.
    pub(crate) fn told(&self) -> Value {
        let keys = self.changed.iter().map(|changed| &changed.stored.key);
        let first: Vec<&String> = keys.take(MAX_AUDITED_KEYS).collect();
        let (created, updated, _) = self.counts();
        json!({"tenants": {"created": created, "updated": updated, "first": first}})
    }
}

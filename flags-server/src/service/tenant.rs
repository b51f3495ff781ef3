//! Stored tenants of an environment.

use std::collections::HashSet;

use flags_core::{
    Diagnostic, Field, MAX_DIAGNOSTICS, Object, ObjectChange, Revision, Shape, TENANT, TENANT_KIND,
    TenantDefinition, check_tenant, is_context_key,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fault::{Fault, diagnostic};
use super::model::{json as to_json, parse};
use super::precondition::Precondition;
use super::project;
use super::publish::{Deed, Unit};
use super::received::{Received, all_right};
use crate::limits::{
    MAX_AUDITED_KEYS, MAX_STORED_TENANT_BYTES, MAX_TENANTS, MAX_TENANTS_PER_REQUEST,
};
use crate::store::{Environment, Page, Project, StoredTenant, View};

/// The members of a patch; the attributes are checked after merging.
static PATCH: Shape =
    Shape::Object(&[Field::optional("attributes", &Shape::Nullable(&Shape::Members))]);

const INVALID_KEY: &str =
    "a tenant's key is 1 to 512 bytes without control characters, not `.` or `..`";

/// Where a tenant is found.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) project: String,
    pub(crate) environment: String,
    pub(crate) tenant: String,
}

/// A tenant with its version and, after a write, the revision of the environment.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) key: String,
    pub(crate) definition: TenantDefinition,
    pub(crate) version: Revision,
    pub(crate) revision: Option<Revision>,
}

/// What many tenants are to be.
#[derive(Debug, Deserialize)]
pub(crate) struct Upserts {
    tenants: Vec<Upsert>,
}

#[derive(Debug, Deserialize)]
struct Upsert {
    key: String,
    #[serde(flatten)]
    definition: TenantDefinition,
}

impl Upserts {
    /// The shape of a body.
    pub(crate) const SHAPE: &'static Shape = &Shape::Object(&[Field::required(
        "tenants",
        &Shape::List(&Shape::Object(&[
            Field::required("key", &Shape::String),
            Field::optional("attributes", &Shape::Members),
        ])),
    )]);

    /// Checks what was asked for.
    ///
    /// # Errors
    /// Everything that is wrong, up to [`MAX_DIAGNOSTICS`].
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.tenants.len() > MAX_TENANTS_PER_REQUEST {
            let maximum = MAX_TENANTS_PER_REQUEST as u64;
            return Err(Fault::LimitExceeded { limit: "tenants_per_request", maximum });
        }
        let mut seen = HashSet::new();
        let mut faults: Vec<Diagnostic> = Vec::new();
        for (index, Upsert { key, definition }) in self.tenants.iter().enumerate() {
            let at = format!("/tenants/{index}");
            if !is_context_key(key) {
                faults.push(diagnostic(&format!("{at}/key"), "invalid_key", INVALID_KEY));
            } else if !seen.insert(key) {
                let message = format!("`{key}` is here twice");
                faults.push(diagnostic(&format!("{at}/key"), "duplicate", message));
            }
            faults.extend(check_tenant(definition).into_iter().map(|mut found| {
                found.pointer.insert_str(0, &at);
                found
            }));
            faults.truncate(MAX_DIAGNOSTICS);
        }
        all_right(faults)
    }
}

/// What came of many tenants.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Upserted {
    pub(crate) created: usize,
    pub(crate) updated: usize,
    pub(crate) unchanged: usize,
    pub(crate) revision: Revision,
}

/// A tenant in the form that SDKs get.
pub(super) fn wire(stored: StoredTenant) -> Result<Object, Fault> {
    let StoredTenant { key, version, document } = stored;
    let definition = RawValue::from_string(document);
    let definition = definition.map_err(|error| Fault::Internal(error.to_string()))?;
    Ok(Object { kind: TENANT_KIND.into(), key, version, needs: Vec::new(), definition })
}

/// The tenant of a path as it is stored, and where.
fn find(view: &dyn View, path: &Path) -> Result<(Project, Environment, StoredTenant), Fault> {
    let (project, environment) = project::find_environment(view, &path.project, &path.environment)?;
    let stored = view.tenant(environment.id, &path.tenant)?.ok_or_else(|| {
        let (environment, tenant) = (&environment.key, &path.tenant);
        Fault::NotFound(format!("the environment `{environment}` stores no tenant `{tenant}`"))
    })?;
    Ok((project, environment, stored))
}

fn read(stored: &StoredTenant) -> Result<Tenant, Fault> {
    let StoredTenant { key, version, document } = stored;
    let definition = parse(document)?;
    Ok(Tenant { key: key.clone(), definition, version: *version, revision: None })
}

pub(crate) fn get(view: &dyn View, path: &Path) -> Result<Tenant, Fault> {
    let (_, _, stored) = find(view, path)?;
    read(&stored)
}

pub(crate) fn list(
    view: &dyn View,
    project: &str,
    environment: &str,
    page: &Page,
) -> Result<Vec<Tenant>, Fault> {
    let (_, environment) = project::find_environment(view, project, environment)?;
    view.tenants(environment.id, page)?.iter().map(read).collect()
}

pub(crate) fn put(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Tenant, Fault> {
    precondition.demand()?;
    let (project, environment) =
        project::find_environment(unit.tx, &path.project, &path.environment)?;
    let present = unit.tx.tenant(environment.id, &path.tenant)?;
    let before = match &present {
        None if *precondition == Precondition::Absent => None,
        _ => {
            let (_, _, stored) = find(unit.tx, path)?;
            precondition.check(Some(stored.version))?;
            Some(read(&stored)?)
        }
    };
    let mut received = Received::new(body)?;
    received.take_sent_back(before.as_ref().map(|before| before.version));
    received.take_immutable("key", &path.tenant);
    if before.is_none() && !is_context_key(&path.tenant) {
        received.report("", "invalid_key", INVALID_KEY);
    }
    received.check(&TENANT);
    let definition = received.read()?;
    save(unit, (project, environment), &path.tenant, before, definition, "tenant.put")
}

/// Replaces the attributes that the body names, one by one; `null` removes one.
pub(crate) fn patch(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Tenant, Fault> {
    precondition.demand()?;
    let (project, environment, stored) = find(unit.tx, path)?;
    precondition.check(Some(stored.version))?;
    let before = read(&stored)?;
    let mut received = Received::new(body)?;
    received.take_sent_back(Some(before.version));
    received.take_immutable("key", &path.tenant);
    received.check(&PATCH);
    all_right(std::mem::take(&mut received.faults))?;
    let mut definition = before.definition.clone();
    match received.members.remove("attributes") {
        Some(Value::Object(attributes)) => {
            for (name, value) in attributes {
                match value {
                    Value::Null => drop(definition.attributes.remove(&name)),
                    value => drop(definition.attributes.insert(name, value)),
                }
            }
        }
        Some(_) => definition.attributes.clear(),
        None => {}
    }
    save(unit, (project, environment), &path.tenant, Some(before), definition, "tenant.patch")
}

fn save(
    unit: &mut Unit<'_>,
    (project, mut environment): (Project, Environment),
    key: &str,
    before: Option<Tenant>,
    definition: TenantDefinition,
    action: &str,
) -> Result<Tenant, Fault> {
    all_right(check_tenant(&definition))?;
    let upserted = unit.publish_tenants(&mut environment, [(key, &definition)])?;
    let version = match &before {
        Some(before) if upserted.unchanged > 0 => before.version,
        _ => {
            unit.record(&Deed {
                action,
                project: Some(&project),
                environment: Some(&environment),
                kind: TENANT_KIND,
                key,
                before: before.map(|before| json!(before.definition)).as_ref(),
                after: Some(&json!(definition)),
                revisions: &project::at_revision(&environment, upserted.revision),
            })?;
            upserted.revision
        }
    };
    Ok(Tenant { key: key.to_owned(), definition, version, revision: Some(upserted.revision) })
}

/// Creates and replaces many tenants: all of them or none, in one revision.
pub(crate) fn upsert(
    unit: &mut Unit<'_>,
    project: &str,
    environment: &str,
    upserts: &Upserts,
) -> Result<Upserted, Fault> {
    let (project, mut environment) = project::find_environment(unit.tx, project, environment)?;
    let tenants = upserts.tenants.iter().map(|upsert| (&*upsert.key, &upsert.definition));
    let upserted = unit.publish_tenants(&mut environment, tenants)?;
    if upserted.created + upserted.updated > 0 {
        let keys: Vec<&str> = upserts.tenants.iter().map(|upsert| &*upsert.key).collect();
        let first = keys.get(..MAX_AUDITED_KEYS).unwrap_or(&keys);
        let Upserted { created, updated, unchanged, revision } = upserted;
        unit.record(&Deed {
            action: "tenant.upsert",
            project: Some(&project),
            environment: Some(&environment),
            kind: TENANT_KIND,
            // Of many there is no one key.
            key: "",
            before: None,
            after: Some(&json!({"created": created, "updated": updated, "unchanged": unchanged,
                                "first": first})),
            revisions: &project::at_revision(&environment, revision),
        })?;
    }
    Ok(upserted)
}

pub(crate) fn delete(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
) -> Result<Revision, Fault> {
    precondition.demand()?;
    let (project, mut environment, stored) = find(unit.tx, path)?;
    precondition.check(Some(stored.version))?;
    unit.tx.delete_tenant(environment.id, &stored.key)?;
    let gone = ObjectChange::Delete { kind: TENANT_KIND.into(), key: stored.key.clone() };
    let revision = unit.append(&mut environment, vec![gone])?;
    unit.record(&Deed {
        action: "tenant.delete",
        project: Some(&project),
        environment: Some(&environment),
        kind: TENANT_KIND,
        key: &stored.key,
        before: Some(&json!(read(&stored)?.definition)),
        after: None,
        revisions: &project::at_revision(&environment, revision),
    })?;
    Ok(revision)
}

impl Unit<'_> {
    /// Stores tenants in one revision; none, where everything is so already.
    fn publish_tenants<'a>(
        &mut self,
        environment: &mut Environment,
        tenants: impl IntoIterator<Item = (&'a str, &'a TenantDefinition)>,
    ) -> Result<Upserted, Fault> {
        let (id, version) = (environment.id, environment.revision + 1);
        let before = self.tx.tenant_counts(id)?;
        let mut upserted = Upserted::default();
        let mut objects = Vec::new();
        for (key, definition) in tenants {
            let document = to_json(definition)?;
            match self.tx.tenant(id, key)? {
                Some(present) if present.document == document => {
                    upserted.unchanged += 1;
                    continue;
                }
                Some(_) => upserted.updated += 1,
                None => upserted.created += 1,
            }
            let tenant = StoredTenant { key: key.to_owned(), version, document };
            self.tx.put_tenant(id, &tenant)?;
            objects.push(ObjectChange::Upsert(wire(tenant)?));
        }
        let after = self.tx.tenant_counts(id)?;
        for (limit, maximum, before, after) in [
            ("tenants", MAX_TENANTS, before.tenants, after.tenants),
            ("tenant_bytes", MAX_STORED_TENANT_BYTES, before.bytes, after.bytes),
        ] {
            if after > maximum && after > before {
                return Err(Fault::LimitExceeded { limit, maximum });
            }
        }
        if !objects.is_empty() {
            self.append(environment, objects)?;
        }
        Ok(Upserted { revision: environment.revision, ..upserted })
    }
}

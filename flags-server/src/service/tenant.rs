//! Stored tenants of an environment.

use std::collections::HashSet;

use flags_core::{
    Diagnostic, Field, MAX_DIAGNOSTICS, Object, Revision, Shape, TENANT_KIND, TenantDefinition,
    Text, check_tenant, is_context_key,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fault::{Fault, diagnostic};
use super::model::{json as to_json, parse};
use super::precondition::Precondition;
use super::project;
use super::publish::{Deed, Edit, Unit};
use super::received::{Received, all_right};
use super::sizes::Sizes;
use crate::limits::{MAX_AUDITED_KEYS, MAX_TENANTS_PER_REQUEST};
use crate::store::{Environment, EnvironmentId, Listed, Page, Project, StoredTenant, View};

/// What the API takes and shows of a tenant.
pub(crate) static ATTRIBUTES: Shape =
    Shape::Object(&[Field::optional("attributes", &Shape::Attributes).says(
        "What is known of the tenant: names with booleans, numbers, strings or lists of strings.",
    )]);

/// The members of a patch; the attributes are checked after merging.
static PATCH: Shape =
    Shape::Object(&[Field::optional("attributes", &Shape::Nullable(&Shape::Attributes))
        .says("What is known of the tenant; `null` takes one away.")]);

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

/// What a tenant is to be.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Upsert {
    key: String,
    #[serde(flatten)]
    definition: TenantDefinition,
}

/// The shape of a list of these.
pub(super) static UPSERTS: Shape = Shape::List(&Shape::Object(&[
    Field::required("key", &Shape::Text(&Text::CONTEXT_KEY))
        .says("The key of the tenant, as services name it."),
    Field::optional("attributes", &Shape::Attributes),
]));

/// Everything that is wrong with tenants, up to [`MAX_DIAGNOSTICS`]; in the body they are `tenants`.
pub(super) fn check(upserts: &[Upsert]) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    let mut faults: Vec<Diagnostic> = Vec::new();
    for (index, Upsert { key, definition }) in upserts.iter().enumerate() {
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
        if faults.len() >= MAX_DIAGNOSTICS {
            faults.truncate(MAX_DIAGNOSTICS);
            break;
        }
    }
    faults
}

static SOME: Shape = Shape::Within(0..=MAX_TENANTS_PER_REQUEST as u64, &UPSERTS);

/// What many tenants are to be.
#[derive(Debug, Deserialize)]
pub(crate) struct Upserts {
    tenants: Vec<Upsert>,
}

impl Upserts {
    /// The shape of a body.
    pub(crate) const SHAPE: &'static Shape =
        &Shape::Object(&[Field::required("tenants", &SOME).says("The tenants, each as a whole.")]);

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
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Upserted {
    pub(crate) created: usize,
    pub(crate) updated: usize,
    pub(crate) unchanged: usize,
    pub(crate) revision: Revision,
}

/// How tenants become what they are to be: those that are so already are not in it.
#[derive(Debug, Default)]
pub(super) struct TenantsEdit {
    /// Keys, and what is to be stored.
    changed: Vec<(String, String)>,
    created: usize,
    unchanged: usize,
    /// Bytes of what will be stored, and of what was instead of it.
    bytes: (u64, u64),
}

impl TenantsEdit {
    pub(super) fn new<'a>(
        view: &dyn View,
        environment: EnvironmentId,
        tenants: impl IntoIterator<Item = (&'a str, &'a TenantDefinition)>,
    ) -> Result<Self, Fault> {
        let mut edit = Self::default();
        for (key, definition) in tenants {
            let document = to_json(definition)?;
            match view.tenant(environment, key)? {
                Some(present) if present.document == document => {
                    edit.unchanged += 1;
                    continue;
                }
                Some(present) => edit.bytes.1 += present.document.len() as u64,
                None => {
                    edit.created += 1;
                    edit.bytes.0 += key.len() as u64;
                }
            }
            edit.bytes.0 += document.len() as u64;
            edit.changed.push((key.to_owned(), document));
        }
        Ok(edit)
    }

    pub(super) fn of(
        view: &dyn View,
        environment: EnvironmentId,
        upserts: &[Upsert],
    ) -> Result<Self, Fault> {
        let tenants = upserts.iter().map(|upsert| (&*upsert.key, &upsert.definition));
        Self::new(view, environment, tenants)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    pub(super) fn edits(&self) -> impl Iterator<Item = Edit<'_>> {
        self.changed.iter().map(|(key, document)| Edit::Tenant { key, document: Some(document) })
    }

    /// What the tenants of an environment come to with it.
    pub(super) fn add_to(&self, sizes: &mut Sizes) {
        sizes.tenants += self.created as u64;
        sizes.tenant_bytes = (sizes.tenant_bytes + self.bytes.0).saturating_sub(self.bytes.1);
    }

    fn updated(&self) -> usize {
        self.changed.len() - self.created
    }

    /// What the audit log says of it: there is no one key, and there may be many.
    pub(super) fn told(&self) -> Value {
        let keys = self.changed.iter().map(|(key, _)| key);
        let first: Vec<&String> = keys.take(MAX_AUDITED_KEYS).collect();
        json!({"tenants": {"created": self.created, "updated": self.updated(), "first": first}})
    }
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
) -> Result<Listed<Tenant>, Fault> {
    let (_, environment) = project::find_environment(view, project, environment)?;
    let found = view.tenants(environment.id, page)?;
    Listed::of(found, page, |stored| stored.document.len()).try_map(|stored| read(&stored))
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
    received.check(&ATTRIBUTES);
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
    let edit = TenantsEdit::new(unit.tx, environment.id, [(key, &definition)])?;
    let (key, revision) = (key.to_owned(), environment.revision);
    if let Some(before) = before.as_ref().filter(|_| edit.is_empty()) {
        let version = before.version;
        return Ok(Tenant { key, definition, version, revision: Some(revision) });
    }
    let revision = unit.publish(&mut environment, edit.edits().collect())?;
    unit.record(&Deed {
        action,
        project: Some(&project),
        environment: Some(&environment),
        kind: TENANT_KIND,
        key: &key,
        before: before.map(|before| json!(before.definition)).as_ref(),
        after: Some(&json!(definition)),
        revisions: &project::at_revision(&environment, revision),
    })?;
    Ok(Tenant { key, definition, version: revision, revision: Some(revision) })
}

/// Creates and replaces many tenants: all of them or none, in one revision.
pub(crate) fn upsert(
    unit: &mut Unit<'_>,
    project: &str,
    environment: &str,
    upserts: &Upserts,
) -> Result<Upserted, Fault> {
    let (project, mut environment) = project::find_environment(unit.tx, project, environment)?;
    let edit = TenantsEdit::of(unit.tx, environment.id, &upserts.tenants)?;
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
    let (updated, revision) = (edit.updated(), environment.revision);
    Ok(Upserted { created: edit.created, updated, unchanged: edit.unchanged, revision })
}

pub(crate) fn delete(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
) -> Result<Revision, Fault> {
    precondition.demand()?;
    let (project, mut environment, stored) = find(unit.tx, path)?;
    precondition.check(Some(stored.version))?;
    let gone = Edit::Tenant { key: &stored.key, document: None };
    let revision = unit.publish(&mut environment, vec![gone])?;
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

//! Stored tenants of an environment.

mod edit;
mod said;
pub(crate) mod shape;
mod upsert;

pub(crate) use self::edit::{TenantsEdit, WantedTenant};
pub(crate) use self::said::Said;
pub(super) use self::upsert::check;
pub(crate) use self::upsert::{Upsert, Upserted, Upserts, upsert};

use flags_core::{Object, Revision, TENANT_KIND, TenantDefinition, check_tenant, is_context_key};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::catalogue::Needs;
use super::contract::{NotedOverride, Notes};
use super::fault::Fault;
use super::model::parse;
use super::precondition::Precondition;
use super::project;
use super::publish::{Deed, Edit, Unit};
use super::received::{Received, all_right};
use super::uses::{Over, over_limits};
use crate::store::{Counter, Environment, Listed, Page, Project, StoredTenant, StoredUse, View};

pub(super) const INVALID_KEY: &str =
    "a tenant's key is 1 to 512 bytes without control characters, not `.` or `..`";

/// Where a tenant is found.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) project: String,
    pub(crate) environment: String,
    pub(crate) tenant: String,
}

/// The project and the environment of a tenant.
pub(super) type Place = (Project, Environment);

/// A tenant with its version and, after a write, the revision of the environment.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) key: String,
    pub(crate) definition: TenantDefinition,
    pub(crate) notes: Notes,
    pub(crate) version: Revision,
    pub(crate) revision: Option<Revision>,
    /// What it uses above its limits, after a write.
    pub(crate) over_limit: Vec<Over>,
}

/// What came of writing a tenant.
pub(crate) struct Written {
    pub(crate) revision: Revision,
    pub(crate) over_limit: Vec<Over>,
}

impl Tenant {
    pub(crate) fn read(stored: &StoredTenant) -> Result<Self, Fault> {
        let StoredTenant { key, version, document, notes } = stored;
        let notes = notes.as_deref().map(parse).transpose()?.unwrap_or_default();
        let (definition, version) = (parse(document)?, *version);
        let (key, over_limit) = (key.clone(), Vec::new());
        Ok(Self { key, definition, notes, version, revision: None, over_limit })
    }

    /// One of its overrides, with what people say of it.
    pub(crate) fn noted(&self, id: &str) -> Option<NotedOverride> {
        let definition = self.definition.contract.overrides.iter().find(|found| found.id == id)?;
        let note = self.notes.get(id)?.clone();
        Some(NotedOverride { definition: definition.clone(), note })
    }

    /// What an export has of it: what holds anywhere.
    pub(crate) fn exported(&self) -> Value {
        let mut shown = self.shown();
        let overrides = shown.get_mut("overrides").and_then(Value::as_array_mut);
        for exception in overrides.into_iter().flatten().filter_map(Value::as_object_mut) {
            exception.remove("version");
        }
        shown
    }

    /// What the audit log says of it.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = json!(self.definition);
        if let Some(overrides) = shown.get_mut("overrides") {
            let ids = self.definition.contract.overrides.iter().map(|found| &found.id);
            *overrides = ids.map(|id| json!(self.noted(id))).collect();
        }
        shown
    }
}

/// A tenant in the form that SDKs get.
pub(super) fn wire(stored: StoredTenant) -> Result<Object, Fault> {
    let StoredTenant { key, version, document, .. } = stored;
    let definition = RawValue::from_string(document);
    let definition = definition.map_err(|error| Fault::Internal(error.to_string()))?;
    Ok(Object { kind: TENANT_KIND.into(), key, version, needs: Vec::new(), definition })
}

/// The tenant of a path, and where it is.
pub(super) fn find(view: &dyn View, path: &Path) -> Result<(Place, Tenant), Fault> {
    let (project, environment) = project::find_environment(view, &path.project, &path.environment)?;
    let stored = view.tenant(environment.id, &path.tenant)?.ok_or_else(|| {
        let (environment, tenant) = (&environment.key, &path.tenant);
        Fault::NotFound(format!("the environment `{environment}` stores no tenant `{tenant}`"))
    })?;
    Ok(((project, environment), Tenant::read(&stored)?))
}

pub(crate) fn get(view: &dyn View, path: &Path) -> Result<Tenant, Fault> {
    Ok(find(view, path)?.1)
}

pub(crate) fn list(
    view: &dyn View,
    project: &str,
    environment: &str,
    page: &Page,
) -> Result<Listed<Tenant>, Fault> {
    let (_, environment) = project::find_environment(view, project, environment)?;
    let found = view.tenants(environment.id, page)?;
    Listed::of(found, page, StoredTenant::bytes).try_map(|stored| Tenant::read(&stored))
}

pub(crate) fn put(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Tenant, Fault> {
    precondition.demand()?;
    let place = project::find_environment(unit.tx, &path.project, &path.environment)?;
    let present = unit.tx.tenant(place.1.id, &path.tenant)?;
    let before = match present {
        None if *precondition == Precondition::Absent => None,
        _ => {
            let (_, before) = find(unit.tx, path)?;
            precondition.check(Some(before.version))?;
            Some(before)
        }
    };
    let mut received = Received::new(body)?;
    if before.is_none() && !is_context_key(&path.tenant) {
        received.report("", "invalid_key", INVALID_KEY);
    }
    let said = Said::read(received, &path.tenant, before.as_ref())?;
    save(unit, place, path, before, said, "tenant.put")
}

/// Replaces the attributes that the body names, one by one; `null` removes one.
pub(crate) fn patch(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Tenant, Fault> {
    precondition.demand()?;
    let (place, before) = find(unit.tx, path)?;
    precondition.check(Some(before.version))?;
    let mut received = Received::new(body)?;
    let attributes = received.members.remove("attributes");
    if attributes.as_ref().is_some_and(|said| !said.is_object() && !said.is_null()) {
        received.report("/attributes", "wrong_type", "expected an object, or `null`");
    }
    let mut said = Said::read(received, &path.tenant, Some(&before))?;
    let merged = &mut said.definition.attributes;
    match attributes {
        Some(Value::Object(attributes)) => {
            merged.clone_from(&before.definition.attributes);
            for (name, value) in attributes {
                match value {
                    Value::Null => drop(merged.remove(&name)),
                    value => drop(merged.insert(name, value)),
                }
            }
        }
        Some(_) => {}
        None => merged.clone_from(&before.definition.attributes),
    }
    save(unit, place, path, Some(before), said, "tenant.patch")
}

fn save(
    unit: &mut Unit<'_>,
    place: Place,
    path: &Path,
    before: Option<Tenant>,
    said: Said,
    action: &str,
) -> Result<Tenant, Fault> {
    let present = before.as_ref().map(|before| &before.definition);
    let definition = said.onto(present, unit.now);
    all_right(check_tenant(&definition))?;
    let notes = before.as_ref().map(|before| before.notes.clone()).unwrap_or_default();
    let (key, version) = (path.tenant.clone(), before.as_ref().map_or(0, |before| before.version));
    let (revision, over_limit) = (None, Vec::new());
    let mut after = Tenant { key, definition, notes, version, revision, over_limit };
    let latest = place.1.revision;
    let Written { revision, over_limit } = write(unit, place, before, after.clone(), action)?;
    if revision != latest {
        after.version = revision;
    }
    Ok(Tenant { revision: Some(revision), over_limit, ..after })
}

/// Writes a tenant that is right by itself, if it is another one than before; gives the revision of
/// the environment, and what the tenant then uses above its limits.
pub(super) fn write(
    unit: &mut Unit<'_>,
    (project, mut environment): Place,
    before: Option<Tenant>,
    after: Tenant,
    action: &str,
) -> Result<Written, Fault> {
    let shown = after.shown();
    let Tenant { key, definition, notes, .. } = after;
    let wanted = WantedTenant { at: String::new(), key, definition, notes };
    let key = wanted.key.clone();
    let here = environment.clone();
    let edit = TenantsEdit::new(unit.tx, &here, &mut Needs::new(unit.tx, &here), wanted)?;
    if !edit.is_empty() {
        let revision = unit.publish(&mut environment, edit.edits().collect())?;
        unit.record(&Deed {
            action,
            project: Some(&project),
            environment: Some(&environment),
            kind: TENANT_KIND,
            key: &key,
            before: before.map(|before| before.shown()).as_ref(),
            after: Some(&shown),
            revisions: &project::at_revision(&environment, revision),
        })?;
    }
    let over_limit = over_limits(unit.tx, &environment, [&*key], unit.now)?.of_one();
    Ok(Written { revision: environment.revision, over_limit })
}

pub(crate) fn delete(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
) -> Result<Revision, Fault> {
    precondition.demand()?;
    let ((project, mut environment), before) = find(unit.tx, path)?;
    precondition.check(Some(before.version))?;
    let uses = unit.tx.used_by(environment.id, &before.key)?;
    let gone = Edit::Tenant { key: &before.key, stored: None };
    let revision = unit.publish(&mut environment, vec![gone])?;
    unit.record(&Deed {
        action: "tenant.delete",
        project: Some(&project),
        environment: Some(&environment),
        kind: TENANT_KIND,
        key: &before.key,
        before: Some(&with_uses(before.shown(), &uses)),
        after: None,
        revisions: &project::at_revision(&environment, revision),
    })?;
    Ok(revision)
}

/// With how many seats went, and how many reports of what was used.
fn with_uses(mut shown: Value, uses: &[StoredUse]) -> Value {
    let of = |counter| uses.iter().filter(move |stored| stored.of.counter == counter);
    let seats: u64 = of(Counter::Seats).map(|stored| stored.used).sum();
    for (name, count) in [("seats", seats), ("usage", of(Counter::Usage).count() as u64)] {
        if let Some(members) = shown.as_object_mut().filter(|_| count > 0) {
            members.insert(name.to_owned(), count.into());
        }
    }
    shown
}

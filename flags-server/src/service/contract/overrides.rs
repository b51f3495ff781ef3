//! Overrides, written one by one.

use flags_core::{
    ContractOverride, Diagnostic, MAX_TENANT_OVERRIDES, Revision, Timestamp, check_contract,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::note::{Actor, Note, NotedOverride};
use crate::service::catalogue::Needs;
use crate::service::contract::check_needs;
use crate::service::fault::Fault;
use crate::service::precondition::Precondition;
use crate::service::publish::{Author, Unit};
use crate::service::received::{Received, all_right};
use crate::service::tenant::shape::NEW_OVERRIDE;
use crate::service::tenant::{self, Tenant, Written, write};
use crate::service::uses::{Over, over_limits};
use crate::store::{Page, View};

/// Where an override is found.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) tenant: tenant::Path,
    pub(crate) id: String,
}

/// An override and, after a write, the revision of the environment.
#[derive(Debug, Clone)]
pub(crate) struct Override {
    pub(crate) noted: NotedOverride,
    pub(crate) revision: Option<Revision>,
    /// What the tenant uses above its limits, after a write.
    pub(crate) over_limit: Vec<Over>,
}

impl Override {
    fn read(noted: NotedOverride) -> Self {
        Self { noted, revision: None, over_limit: Vec::new() }
    }
}

fn not_found(tenant: &Tenant, id: &str) -> Fault {
    Fault::NotFound(format!("the tenant `{}` has no override `{id}`", tenant.key))
}

/// All overrides of a tenant, by id.
pub(crate) fn list(
    view: &dyn View,
    path: &tenant::Path,
    page: &Page,
) -> Result<Vec<Override>, Fault> {
    let tenant = tenant::get(view, path)?;
    let ids: Vec<&String> = tenant.definition.contract.overrides.iter().map(|o| &o.id).collect();
    let ids = page.of(ids, |id| id);
    let found = ids.into_iter().filter_map(|id| tenant.noted(id));
    Ok(found.map(Override::read).collect())
}

pub(crate) fn get(view: &dyn View, path: &Path) -> Result<Override, Fault> {
    let tenant = tenant::get(view, &path.tenant)?;
    let noted = tenant.noted(&path.id).ok_or_else(|| not_found(&tenant, &path.id))?;
    Ok(Override::read(noted))
}

/// Makes an override. `id` comes from the path where that names one, from the body, or is made up.
pub(crate) fn create(
    unit: &mut Unit<'_>,
    path: &tenant::Path,
    id: Option<&str>,
    body: Value,
) -> Result<Override, Fault> {
    let (place, before) = tenant::find(unit.tx, path)?;
    let mut received = Received::new(body)?;
    take_sent_back(&mut received, None);
    if let Some(id) = id {
        received.take_immutable("id", id);
        received.members.insert("id".into(), json!(id));
    } else if !received.members.contains_key("id") {
        received.members.insert("id".into(), json!(Uuid::now_v7().simple().to_string()));
    }
    let said = (unit.author, unit.now, place.1.revision + 1);
    let (definition, said) = read(received, said)?;
    if before.noted(&definition.id).is_some() {
        let (key, existing) = (definition.id.clone(), definition.id);
        return Err(Fault::KeyConflict { key, existing });
    }
    if before.definition.contract.overrides.len() >= MAX_TENANT_OVERRIDES {
        return Err(Fault::limit("overrides_per_tenant", MAX_TENANT_OVERRIDES as u64));
    }
    save(unit, place, before, definition, said, "tenant.create_override")
}

/// Replaces an override, or makes it.
pub(crate) fn put(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    body: Value,
) -> Result<Override, Fault> {
    precondition.demand()?;
    let (place, before) = tenant::find(unit.tx, &path.tenant)?;
    let Some(present) = before.noted(&path.id) else {
        return match precondition {
            Precondition::Absent => create(unit, &path.tenant, Some(&path.id), body),
            _ => Err(not_found(&before, &path.id)),
        };
    };
    precondition.check(Some(present.note.version))?;
    let mut received = Received::new(body)?;
    take_sent_back(&mut received, Some(&present.note));
    received.take_immutable("id", &path.id);
    received.members.insert("id".into(), json!(path.id));
    let said = (unit.author, unit.now, place.1.revision + 1);
    let (definition, mut note) = read(received, said)?;
    note.created_at.clone_from(&present.note.created_at);
    if note.says_the_same(&present.note) && definition == present.definition {
        let tenant = [&*before.key];
        let over_limit = over_limits(unit.tx, &place.1, tenant, unit.now)?.of_one();
        return Ok(Override { noted: present, revision: Some(place.1.revision), over_limit });
    }
    save(unit, place, before, definition, note, "tenant.put_override")
}

/// Takes an override away.
pub(crate) fn delete(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
) -> Result<Written, Fault> {
    precondition.demand()?;
    let (place, before) = tenant::find(unit.tx, &path.tenant)?;
    let present = before.noted(&path.id).ok_or_else(|| not_found(&before, &path.id))?;
    precondition.check(Some(present.note.version))?;
    let mut after = before.clone();
    after.definition.contract.overrides.retain(|found| found.id != path.id);
    after.notes.remove(&path.id);
    write(unit, place, Some(before), after, "tenant.delete_override")
}

/// Takes out what an answer carries besides.
fn take_sent_back(received: &mut Received, present: Option<&Note>) {
    received.take_sent_back(present.map(|note| note.version));
    received.take_list("over_limit");
    if let Some(note) = present {
        received.take_immutable("created_at", &note.created_at);
        received.members.remove("actor");
    }
}

/// What a body says; pointers lead into it.
pub(super) fn read(
    mut received: Received,
    (author, now, version): (&Author, Timestamp, Revision),
) -> Result<(ContractOverride, Note), Fault> {
    received.check(&NEW_OVERRIDE);
    let mut text = |name: &str| match received.members.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (reason, review_at) = (text("reason").unwrap_or_default(), text("review_at"));
    let definition: ContractOverride = received.read()?;
    let (id, name) = (author.actor.clone(), author.actor_name.clone());
    let created_at = now.to_string();
    let note = Note { reason, actor: Actor { id, name }, created_at, review_at, version };
    all_right(note.faults(&definition))?;
    Ok((definition, note))
}

fn save(
    unit: &mut Unit<'_>,
    place: tenant::Place,
    before: Tenant,
    definition: ContractOverride,
    note: Note,
    action: &str,
) -> Result<Override, Fault> {
    let mut after = before.clone();
    let overrides = &mut after.definition.contract.overrides;
    overrides.retain(|found| found.id != definition.id);
    // Last: what is wrong is told of it, and not of another one.
    let at = format!("/overrides/{}", overrides.len());
    overrides.push(definition.clone());
    let in_body = |faults: Vec<Diagnostic>| {
        let place = |mut fault: Diagnostic| {
            if let Some(pointer) = fault.pointer.strip_prefix(&at) {
                fault.pointer = pointer.to_owned();
            }
            fault
        };
        all_right(faults.into_iter().map(place).collect())
    };
    in_body(check_contract(&after.definition.contract))?;
    let mut needs = Needs::new(unit.tx, &place.1);
    let faults = check_needs(&after.definition.contract, &mut needs)?;
    drop(needs);
    in_body(faults)?;
    after.definition.contract.overrides.sort_by(|a, b| a.id.cmp(&b.id));
    after.notes.insert(definition.id.clone(), note.clone());
    let Written { revision, over_limit } = write(unit, place, Some(before), after, action)?;
    let noted = NotedOverride { definition, note };
    Ok(Override { noted, revision: Some(revision), over_limit })
}

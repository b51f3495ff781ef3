//! A whole environment in the form that SDKs get.

use std::collections::HashMap;

use flags_core::{Document, Object, Position, TENANT_KIND};
use serde_json::Value;

use super::catalogue;
use super::fault::Fault;
use super::member_lists::MemberLists;
use super::model::{FlagDocument, parse, wire_flag, wire_segment};
use crate::store::{Environment, EnvironmentId, ObjectKind, Page, StoredObject, Tenants, View};

/// The definitions of an environment at the revision that the view shows.
///
/// One that cannot be read is there without its definition: clients treat it alone as invalid.
pub(crate) fn read(
    view: &dyn View,
    environment: &Environment,
    tenants: Tenants,
) -> Result<Document, Fault> {
    let project = super::project::find_any(view, &environment.project)?;
    let mut flags = HashMap::new();
    for stored in view.flags(project.id, &Page::ALL)? {
        match FlagDocument::read(&stored) {
            Ok(document) => drop(flags.insert(stored.key, document.shared)),
            Err(fault) => log_unreadable(environment, "flag", &stored.key, &fault),
        }
    }
    let mut lists = MemberLists::of_all(view, environment.id)?;
    let mut objects = Vec::new();
    for kind in ObjectKind::ALL {
        for StoredObject { key, version, document, .. } in
            view.objects(environment.id, kind, &Page::ALL)?
        {
            let wire = match kind {
                ObjectKind::Flag => flags
                    .get(&key)
                    .ok_or_else(|| Fault::Internal("it has no shared definition".into()))
                    .and_then(|shared| wire_flag(&key, version, &document, shared)),
                ObjectKind::Segment => parse(&document).and_then(|document| {
                    let lists = lists.remove(&key).unwrap_or_default();
                    wire_segment(&key, version, &document, lists)
                }),
                ObjectKind::Feature | ObjectKind::Plan | ObjectKind::Addon => {
                    catalogue::wire(kind, &key, version, &document)
                }
            };
            let wire = wire.or_else(|fault| {
                log_unreadable(environment, kind.name(), &key, &fault);
                Object::new(kind.name(), &key, version, &Value::Null)
                    .map_err(|error| Fault::Internal(error.to_string()))
            });
            objects.push(wire?);
        }
    }
    if tenants.shows(TENANT_KIND) {
        for tenant in view.tenants(environment.id, &Page::ALL)? {
            objects.push(super::tenant::wire(tenant)?);
        }
    }
    Ok(Document { epoch: view.epoch()?, revision: environment.revision, objects })
}

fn log_unreadable(environment: &Environment, kind: &str, key: &str, fault: &Fault) {
    let (environment, cause) = (&*environment.key, fault.logged());
    tracing::error!(environment, kind, key, cause, "a stored definition cannot be read");
}

/// The same as JSON, and where it stands, by the environment's number.
pub(crate) fn encode(
    view: &dyn View,
    id: EnvironmentId,
    tenants: Tenants,
) -> Result<(Position, Vec<u8>), Fault> {
    let environments = view.environments(None, &Page::ALL)?;
    let environment = environments.into_iter().find(|environment| environment.id == id);
    let environment =
        environment.ok_or_else(|| Fault::NotFound("there is no such environment".into()))?;
    let document = read(view, &environment, tenants)?;
    let json = serde_json::to_vec(&document).map_err(|error| Fault::Internal(error.to_string()))?;
    Ok((document.position(), json))
}

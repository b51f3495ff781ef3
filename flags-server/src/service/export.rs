//! A whole environment as one document that can be imported.

use std::io::{self, Write};

use flags_core::{FlagState, TenantDefinition};
use schemars::JsonSchema;
use serde::Serialize;

use super::fault::Fault;
use super::model::{FlagDocument, SegmentDocument, SharedFlag, parse};
use crate::limits::{EXPORT_ITEMS_PER_READ, EXPORT_OBJECTS_PER_READ};
use crate::schema;
use crate::store::{
    Environment, MemberList, ObjectKind, Page, Project, StoreError, StoreResult, StoredFlag,
    StoredObject, StoredTenant, View,
};

/// What an export says of its form.
pub(crate) const FORMAT: u64 = 1;

/// The document, which is written piece by piece: known by its schema.
#[derive(JsonSchema)]
#[schemars(rename = "Export")]
#[expect(dead_code, reason = "it is never in memory as a whole")]
pub(crate) struct Exported<'a> {
    format: u64,
    project: &'a str,
    environment: &'a str,
    revision: u64,
    flags: Vec<ExportedFlag<'a>>,
    segments: Vec<ExportedSegment<'a>>,
    tenants: Vec<ExportedTenant<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct ExportedFlag<'a> {
    key: &'a str,
    #[serde(flatten)]
    shared: &'a SharedFlag,
    #[schemars(schema_with = "schema::flag_state")]
    state: FlagState,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "its lists are never in memory as a whole")]
struct ExportedSegment<'a> {
    key: &'a str,
    #[serde(flatten)]
    #[schemars(schema_with = "schema::segment")]
    definition: (),
}

#[derive(Serialize, JsonSchema)]
struct ExportedTenant<'a> {
    key: &'a str,
    #[serde(flatten)]
    #[schemars(schema_with = "schema::tenant")]
    definition: TenantDefinition,
}

/// Writes an environment, a few definitions in memory at a time.
pub(crate) fn write(
    view: &dyn View,
    project: &Project,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    write!(out, "{{\"format\":{FORMAT},\"project\":").map_err(broken)?;
    put(out, &project.key)?;
    text(out, ",\"environment\":")?;
    put(out, &environment.key)?;
    write!(out, ",\"revision\":{},\"flags\":[", environment.revision).map_err(broken)?;
    flags(view, project, environment, out)?;
    text(out, "],\"segments\":[")?;
    segments(view, environment, out)?;
    text(out, "],\"tenants\":[")?;
    tenants(view, environment, out)?;
    text(out, "]}\n")
}

/// Writes the items of a list, a few in memory at a time.
fn list<T>(
    out: &mut dyn Write,
    limit: u32,
    read: impl Fn(&Page) -> StoreResult<Vec<T>>,
    key: impl Fn(&T) -> &str,
    write: impl Fn(&mut dyn Write, &T) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut page = Page { limit, archived: false, ..Page::ALL };
    loop {
        let items = read(&page)?;
        for (index, item) in items.iter().enumerate() {
            if index > 0 || page.after.is_some() {
                text(out, ",")?;
            }
            write(out, item)?;
        }
        match items.last() {
            Some(last) if items.len() as u64 == u64::from(page.limit) => {
                page.after = Some(key(last).to_owned());
            }
            _ => return Ok(()),
        }
    }
}

fn flags(
    view: &dyn View,
    project: &Project,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let read = |page: &Page| {
        // Every flag that is not archived has a state: the two lists have the same keys.
        let flags = view.flags(project.id, page)?;
        let states = view.objects(environment.id, ObjectKind::Flag, page)?;
        Ok(flags.into_iter().zip(states).collect())
    };
    let write = |out: &mut dyn Write, (flag, state): &(StoredFlag, StoredObject)| {
        let FlagDocument { shared, .. } = FlagDocument::read(flag)?;
        let state = parse(&state.document)?;
        put(out, &ExportedFlag { key: &flag.key, shared: &shared, state })
    };
    list(out, EXPORT_OBJECTS_PER_READ, read, |(flag, _)| &flag.key, write)
}

fn segments(view: &dyn View, environment: &Environment, out: &mut dyn Write) -> Result<(), Fault> {
    let read = |page: &Page| view.objects(environment.id, ObjectKind::Segment, page);
    let write = |out: &mut dyn Write, segment: &StoredObject| {
        let SegmentDocument { kind, when } = parse(&segment.document)?;
        text(out, "{\"key\":")?;
        put(out, &segment.key)?;
        text(out, ",\"kind\":")?;
        put(out, &kind)?;
        text(out, ",\"when\":")?;
        put(out, &when)?;
        for (name, which) in
            [("included", MemberList::Included), ("excluded", MemberList::Excluded)]
        {
            write!(out, ",\"{name}\":[").map_err(broken)?;
            let read = |page: &Page| view.members(environment.id, &segment.key, which, page);
            list(out, EXPORT_ITEMS_PER_READ, read, |key| key, |out, key| put(out, key))?;
            text(out, "]")?;
        }
        text(out, "}")
    };
    list(out, EXPORT_OBJECTS_PER_READ, read, |segment| &segment.key, write)
}

fn tenants(view: &dyn View, environment: &Environment, out: &mut dyn Write) -> Result<(), Fault> {
    let read = |page: &Page| view.tenants(environment.id, page);
    let write = |out: &mut dyn Write, tenant: &StoredTenant| {
        let definition = parse(&tenant.document)?;
        put(out, &ExportedTenant { key: &tenant.key, definition })
    };
    list(out, EXPORT_ITEMS_PER_READ, read, |tenant| &tenant.key, write)
}

fn put(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Fault> {
    serde_json::to_writer(out, value).map_err(|error| StoreError::new(error).into())
}

fn text(out: &mut dyn Write, text: &str) -> Result<(), Fault> {
    out.write_all(text.as_bytes()).map_err(broken)
}

/// Whoever reads has gone away, or reads too slowly.
fn broken(error: io::Error) -> Fault {
    StoreError::new(error).into()
}

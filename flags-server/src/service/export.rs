//! A whole environment as one document that can be imported.

use std::io::{self, Write};

use flags_core::FlagState;
use serde::Serialize;

use super::fault::Fault;
use super::model::{FlagDocument, SegmentDocument, SharedFlag, parse};
use crate::limits::EXPORT_ITEMS_PER_READ;
use crate::store::{Environment, MemberList, ObjectKind, Page, Project, StoreError, View};

/// What an export says of its form.
pub(crate) const FORMAT: u64 = 1;

#[derive(Serialize)]
struct ExportedFlag<'a> {
    key: &'a str,
    #[serde(flatten)]
    shared: &'a SharedFlag,
    state: FlagState,
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
    text(out, "]}\n")
}

fn flags(
    view: &dyn View,
    project: &Project,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let mut page = Page { after: None, limit: EXPORT_ITEMS_PER_READ, archived: false };
    loop {
        // Every flag that is not archived has a state: the two lists have the same keys.
        let flags = view.flags(project.id, &page)?;
        let states = view.objects(environment.id, ObjectKind::Flag, &page)?;
        for (index, (flag, state)) in flags.iter().zip(&states).enumerate() {
            if index > 0 || page.after.is_some() {
                text(out, ",")?;
            }
            let FlagDocument { shared, .. } = FlagDocument::read(flag)?;
            let state = parse(&state.document)?;
            put(out, &ExportedFlag { key: &flag.key, shared: &shared, state })?;
        }
        match flags.last() {
            Some(last) if flags.len() as u64 == u64::from(page.limit) => {
                page.after = Some(last.key.clone());
            }
            _ => return Ok(()),
        }
    }
}

fn segments(view: &dyn View, environment: &Environment, out: &mut dyn Write) -> Result<(), Fault> {
    let mut page = Page { after: None, limit: EXPORT_ITEMS_PER_READ, archived: true };
    loop {
        let segments = view.objects(environment.id, ObjectKind::Segment, &page)?;
        for (index, segment) in segments.iter().enumerate() {
            if index > 0 || page.after.is_some() {
                text(out, ",")?;
            }
            let SegmentDocument { kind, when } = parse(&segment.document)?;
            text(out, "{\"key\":")?;
            put(out, &segment.key)?;
            text(out, ",\"kind\":")?;
            put(out, &kind)?;
            text(out, ",\"when\":")?;
            put(out, &when)?;
            for (name, list) in
                [("included", MemberList::Included), ("excluded", MemberList::Excluded)]
            {
                write!(out, ",\"{name}\":[").map_err(broken)?;
                members(view, environment, &segment.key, list, out)?;
                text(out, "]")?;
            }
            text(out, "}")?;
        }
        match segments.last() {
            Some(last) if segments.len() as u64 == u64::from(page.limit) => {
                page.after = Some(last.key.clone());
            }
            _ => return Ok(()),
        }
    }
}

fn members(
    view: &dyn View,
    environment: &Environment,
    segment: &str,
    list: MemberList,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let mut page = Page { after: None, limit: EXPORT_ITEMS_PER_READ, archived: true };
    loop {
        let mut keys = view.members(environment.id, segment, list, &page)?;
        for (index, key) in keys.iter().enumerate() {
            if index > 0 || page.after.is_some() {
                text(out, ",")?;
            }
            put(out, key)?;
        }
        match keys.pop() {
            Some(last) if keys.len() as u64 + 1 == u64::from(page.limit) => page.after = Some(last),
            _ => return Ok(()),
        }
    }
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

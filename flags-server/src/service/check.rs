//! Whether a database is whole: what it says twice has to agree.

use std::collections::{BTreeMap, HashSet};

use flags_core::{Document, Object};
use serde::Serialize;
use serde_json::Value;

use super::document;
use super::fault::Fault;
use super::fold::fold;
use super::project;
use crate::limits::{AUDIT_ROWS_PER_READ, MAX_FINDINGS};
use crate::store::chain::{AuditRow, ChainHead};
use crate::store::{Damage, Environment, ObjectKind, Page, Tenants, View};

/// What a check came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    pub(crate) environments: usize,
    /// Changes of all logs together.
    pub(crate) changes: u64,
    pub(crate) audit_rows: i64,
    /// The hash of the last row of the audit log, in hexadecimal digits; empty where there is none.
    pub(crate) audit_head: String,
    /// What is wrong; the first [`MAX_FINDINGS`].
    pub(crate) findings: Vec<Finding>,
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Such as `environment default/production` or `audit row 17`.
    pub(crate) place: String,
    pub(crate) message: String,
}

impl From<Damage> for Finding {
    fn from(Damage { place, message }: Damage) -> Self {
        Self { place, message }
    }
}

impl Report {
    fn find(&mut self, place: impl Into<String>, message: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { place: place.into(), message: message.into() });
        }
    }
}

/// Checks everything that a view shows; `progress` hears what is being looked at.
pub(crate) fn check(view: &dyn View, progress: &mut dyn FnMut(&str)) -> Result<Report, Fault> {
    let mut report = Report::default();
    progress("the file");
    for damage in view.damage()? {
        report.find(damage.place, damage.message);
    }
    for environment in view.environments(None, &Page::ALL)? {
        let place = format!("environment {}/{}", environment.project, environment.key);
        progress(&place);
        report.environments += 1;
        report.changes += environment.revision;
        if let Err(fault) = check_environment(view, &environment, &place, &mut report) {
            match fault {
                Fault::Internal(message) => report.find(place, message),
                Fault::Store(error) => report.find(place, error.to_string()),
                fault => return Err(fault),
            }
        }
    }
    progress("the audit log");
    check_audit(view, &mut report)?;
    Ok(report)
}

fn check_environment(
    view: &dyn View,
    environment: &Environment,
    place: &str,
    report: &mut Report,
) -> Result<(), Fault> {
    let later = view.changes(environment.id, environment.revision, 1, 1)?;
    if let Some(later) = later.first() {
        let (last, revision) = (later.revision, environment.revision);
        report.find(place, format!("the log has revision {last}, the state ends at {revision}"));
    }
    let folded = fold(view, environment, environment.revision)?;
    let state = document::read(view, environment, Tenants::All)?;
    compare(place, &state, &folded, report);
    check_flags(view, environment, &state, place, report)
}

/// Each flag of the project has a state, unless it is archived.
fn check_flags(
    view: &dyn View,
    environment: &Environment,
    state: &Document,
    place: &str,
    report: &mut Report,
) -> Result<(), Fault> {
    let project = project::find_any(view, &environment.project)?;
    let flags = state.objects.iter().filter(|object| object.kind == ObjectKind::Flag.name());
    let mut there: HashSet<&str> = flags.map(|object| &*object.key).collect();
    for flag in view.flags(project.id, &Page::ALL)? {
        match (there.remove(&*flag.key), flag.archived_at) {
            (false, None) => report.find(place, format!("the flag `{}` has no state", flag.key)),
            (true, Some(_)) => {
                report.find(place, format!("the flag `{}` is archived and in force", flag.key));
            }
            (true, None) | (false, Some(_)) => {}
        }
    }
    for key in there {
        report.find(place, format!("the flag `{key}` has no shared definition"));
    }
    Ok(())
}

/// Tells where the state is not what the log adds up to.
fn compare(place: &str, state: &Document, folded: &Document, report: &mut Report) {
    let by_key = |document: &'_ Document| -> BTreeMap<(String, String), Object> {
        let objects = document.objects.iter();
        objects.map(|object| ((object.kind.clone(), object.key.clone()), object.clone())).collect()
    };
    let mut logged = by_key(folded);
    for ((kind, key), object) in by_key(state) {
        match logged.remove(&(kind.clone(), key.clone())) {
            None => report.find(place, format!("the {kind} `{key}` is not in the change log")),
            Some(other) if !same(&object, &other) => {
                report.find(place, format!("the {kind} `{key}` is not what its change log says"));
            }
            Some(_) => {}
        }
    }
    for (kind, key) in logged.into_keys() {
        report.find(place, format!("the {kind} `{key}` of the change log is missing"));
    }
}

fn same(one: &Object, other: &Object) -> bool {
    let value = |object: &Object| serde_json::from_str::<Value>(object.definition.get()).ok();
    one.version == other.version
        && (one.definition.get() == other.definition.get() || value(one) == value(other))
}

fn check_audit(view: &dyn View, report: &mut Report) -> Result<(), Fault> {
    let anchor = view.audit_anchor()?;
    let mut head = anchor;
    let mut cut_off = 0;
    loop {
        let rows = view.audit_rows(head.id, AUDIT_ROWS_PER_READ)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            for message in head.follow(&row).err().into_iter().flatten() {
                report.find(format!("audit row {}", row.id), message);
            }
            check_erased(view, &row, &anchor, report)?;
            if row.action == super::prune::ACTION {
                cut_off = super::prune::audit_through(&row);
            }
        }
    }
    if cut_off != anchor.id {
        let message = format!(
            "its rows up to {} are gone, the last time that it was cut was up to {cut_off}",
            anchor.id
        );
        report.find("audit log", message);
    }
    report.audit_rows = head.id;
    if head.id > 0 {
        report.audit_head = head.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    }
    Ok(())
}

/// What is erased has to say by which row, and that row to be an erasure.
fn check_erased(
    view: &dyn View,
    row: &AuditRow,
    anchor: &ChainHead,
    report: &mut Report,
) -> Result<(), Fault> {
    let Some(seals) = &row.seals else { return Ok(()) };
    let named: BTreeMap<String, i64> = match &row.erased {
        None => BTreeMap::new(),
        Some(erased) => serde_json::from_str(erased).unwrap_or_default(),
    };
    for part in seals.erased() {
        let by = named.get(part).copied();
        if by.is_some_and(|by| (1..=anchor.id).contains(&by)) {
            continue;
        }
        let erasing = match by {
            Some(by) => view.audit_rows(by - 1, 1)?.pop().filter(|row| row.id == by),
            None => None,
        };
        if erasing.is_none_or(|row| row.action != super::erase::ACTION) {
            let place = format!("audit row {}", row.id);
            report.find(place, format!("`{part}` is gone, and no erasure took it"));
        }
    }
    Ok(())
}

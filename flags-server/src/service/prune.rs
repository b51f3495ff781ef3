//! Retention: the beginnings of the logs are replaced by what they add up to, and scheduled changes
//! that have ended go.

use std::collections::BTreeMap;

use flags_core::{Revision, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::fault::Fault;
use super::fold::{beginning, fold};
use super::model::{Revisions, json as to_json};
use super::publish::{Deed, Unit};
use crate::store::chain::AuditRow;
use crate::store::{Checkpoint, Page, View};

/// What the audit log calls it.
pub(crate) const ACTION: &str = "prune";

/// How much of the logs is to go; nothing of one where there is no time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) history_before: Option<Timestamp>,
    pub(crate) audit_before: Option<Timestamp>,
    pub(crate) schedule_before: Option<Timestamp>,
}

/// What was cut off, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// The last revision of each environment, by `project/environment`, that is in its log no more.
    pub(crate) changes_through: BTreeMap<String, Revision>,
    /// The last row that is in the audit log no more; 0 where all are there.
    pub(crate) audit_through: i64,
    /// How many scheduled changes had ended.
    pub(crate) scheduled: u64,
}

/// What a cut would leave; `progress` hears what is being looked at.
pub(crate) fn look(
    view: &dyn View,
    cut: &Cut,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, Fault> {
    let mut report = Report { audit_through: view.audit_anchor()?.id, ..Report::default() };
    for environment in view.environments(None, &Page::ALL)? {
        let place = format!("{}/{}", environment.project, environment.key);
        progress(&place);
        let begins = beginning(view, &environment)?.revision;
        let through = match cut.history_before {
            Some(at) => view.revision_before(environment.id, at)?.max(begins),
            None => begins,
        };
        report.changes_through.insert(place, through);
    }
    if let Some(at) = cut.audit_before {
        report.audit_through = report.audit_through.max(view.audit_before(at)?.id);
    }
    if let Some(at) = cut.schedule_before {
        report.scheduled = view.ended_scheduled(at)?;
    }
    Ok(report)
}

/// Cuts, and writes down how much; the chain of the audit log covers that.
pub(crate) fn prune(
    unit: &mut Unit<'_>,
    cut: &Cut,
    progress: &mut dyn FnMut(&str),
) -> Result<Report, Fault> {
    let report = look(unit.tx, cut, progress)?;
    for environment in unit.tx.environments(None, &Page::ALL)? {
        let begins = beginning(unit.tx, &environment)?.revision;
        let place = format!("{}/{}", environment.project, environment.key);
        let through = report.changes_through.get(&place).copied().unwrap_or(begins);
        if through > begins {
            progress(&format!("{place}: adding up"));
            let document = to_json(&fold(unit.tx, &environment, through)?)?;
            let checkpoint = Checkpoint { revision: through, document };
            unit.tx.put_checkpoint(environment.id, &checkpoint)?;
        }
    }
    progress("the audit log");
    if let Some(at) = cut.schedule_before {
        unit.tx.cut_schedule(at)?;
    }
    let anchor = unit.tx.audit_anchor()?;
    let through = match cut.audit_before {
        Some(at) => unit.tx.audit_before(at)?,
        None => anchor,
    };
    // First: it is never cut off itself.
    unit.record(&Deed {
        action: ACTION,
        project: None,
        environment: None,
        kind: "database",
        key: "",
        before: None,
        after: Some(&json!(report)),
        revisions: &Revisions::new(),
    })?;
    if through.id > anchor.id {
        unit.tx.cut_audit(&through)?;
    }
    Ok(report)
}

/// The last row that was cut off, by what was written down of it.
pub(crate) fn audit_through(row: &AuditRow) -> i64 {
    let [.., after] = &row.parts;
    let told = after.as_deref().and_then(|after| serde_json::from_str::<Value>(after).ok());
    told.and_then(|told| told.get("audit_through")?.as_i64()).unwrap_or_default()
}

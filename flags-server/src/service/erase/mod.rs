//! Erasing a user's or a tenant's key: from what is in force and what is scheduled, from the change
//! log, from the audit log. The one exception to both logs' being append-only, described in ADR 21.
//!
//! What is in force is changed in one operation, and the logs are rewritten in parts, so that other
//! writes go on in between. Each part leaves the state as the fold of the log, and the audit log
//! chained. An erasure that was interrupted is asked for again.

mod audit;
mod change_log;
mod in_force;
mod seats;

use flags_core::{Revision, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::change_log::{LogScan, redact_checkpoint};
use self::in_force::InForce;
use super::fault::{Fault, diagnostic};
use super::model::Revisions;
use super::publish::{Author, Deed, Effect, Unit};
use super::received::all_right;
use super::redact::{MARKER, Subject};
use super::{Service, idempotency, project, schedule};
use crate::store::{Environment, Page, Project, View};

/// What the audit log calls the beginning of an erasure; erased parts name such a row.
pub(crate) const ACTION: &str = "erase";

/// Keys that can go: what stands in their place is none.
pub(crate) const ERASABLE: Text = Text::CONTEXT_KEY.except(&[".", "..", MARKER]);

/// Whose key is to go, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Erasure {
    pub(crate) subject: Subject,
    /// All projects where there is none.
    pub(crate) project: Option<String>,
}

impl Erasure {
    /// # Errors
    /// When there can be no such kind or key; pointers lead into `{kind, key}`.
    pub(crate) fn new(kind: String, key: String, project: Option<String>) -> Result<Self, Fault> {
        let mut faults = Vec::new();
        if !Text::KEY.fits(&kind) {
            let message = "a kind of context, such as `user` or `tenant`";
            faults.push(diagnostic("/kind", "invalid_key", message));
        }
        if !ERASABLE.fits(&key) {
            let message = "a key is 1 to 512 bytes without control characters";
            faults.push(diagnostic("/key", "invalid_key", message));
        }
        all_right(faults)?;
        Ok(Self { subject: Subject { kind, key }, project })
    }
}

/// What was erased, or would be. A server of another version may tell less of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Erased")]
pub(crate) struct Report {
    pub(crate) dry_run: bool,
    pub(crate) environments: Vec<Touched>,
    /// Rows of the audit log.
    pub(crate) audit_rows: u64,
    /// Stored answers to requests with an `Idempotency-Key`.
    pub(crate) answers: u64,
}

/// What was erased in one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "ErasedFrom")]
pub(crate) struct Touched {
    pub(crate) project: String,
    pub(crate) environment: String,
    /// Keys of flags that named it.
    pub(crate) flags: Vec<String>,
    /// Keys of segments that named it.
    pub(crate) segments: Vec<String>,
    /// Whether a tenant was stored by it.
    pub(crate) tenant: bool,
    /// How many seats it had: the user's, or all of the tenant.
    pub(crate) seats: u64,
    /// The revision at which it was in force no more.
    pub(crate) revision: Revision,
    /// Entries of the change log that named it.
    pub(crate) changes: u64,
    /// How many scheduled changes named it, whatever became of them.
    pub(crate) scheduled: u64,
    /// The ids of those that were cancelled, because they were about nobody else.
    pub(crate) cancelled: Vec<String>,
}

/// Erases a key everywhere; `progress` hears what is being looked at.
pub(crate) async fn erase(
    service: &Service,
    mut author: Author,
    erasure: Erasure,
    progress: fn(&str),
) -> Result<Report, Fault> {
    let redacted = author.reason.as_deref().and_then(|text| erasure.subject.redact_text(text));
    author.reason = redacted.or(author.reason);
    let begun = erasure.clone();
    let (row, found) = service.write(author.clone(), move |unit| begin(unit, &begun)).await?;
    let mut report = Report::default();
    for (mut scan, mut touched) in found {
        while !scan.is_done() {
            progress(&scan.told());
            let subject = erasure.subject.clone();
            let part = service.write(author.clone(), move |unit| {
                let rewritten = scan.next(unit.tx, &subject)?;
                for change in &rewritten {
                    unit.tx.rewrite_change(scan.environment.id, change)?;
                }
                if !rewritten.is_empty() {
                    unit.effects.push(Effect::Rewritten(scan.environment.id));
                }
                let others = rewritten.iter().filter(|change| !scan.is_own(change));
                let count = others.count() as u64;
                Ok((scan, count))
            });
            let count;
            (scan, count) = part.await?;
            touched.changes += count;
        }
        touched.add(
            schedule::erase::all(service, &author, &scan.environment, &erasure.subject).await?,
        );
        report.environments.push(touched);
    }
    let mut after = 0;
    loop {
        progress(&format!("the audit log, after row {after}"));
        let erasure = erasure.clone();
        let part = service.write(author.clone(), move |unit| {
            let (last, rows) = audit::scan(unit.tx, after, &erasure, row)?;
            for row in &rows {
                unit.tx.erase_audit(row.id, &row.parts, &row.seals, &row.erased)?;
            }
            Ok((last, rows.len() as u64))
        });
        let (last, count) = part.await?;
        report.audit_rows += count;
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    report.answers = idempotency::erase(service, &author, &erasure.subject).await?;
    service.forget_past().await;
    let (kind, told) = (erasure.subject.kind, json!({"by": row, "audit_rows": report.audit_rows}));
    service.write(author, move |unit| record(unit, "erase.finish", &kind, &told)).await?;
    report.environments.retain(Touched::is_any);
    Ok(report)
}

impl Touched {
    fn is_any(&self) -> bool {
        let in_force = !self.flags.is_empty() || !self.segments.is_empty() || self.tenant;
        in_force || self.seats > 0 || self.changes > 0 || self.scheduled > 0
    }

    fn add(&mut self, reached: schedule::erase::Reached) {
        self.scheduled += reached.count;
        self.cancelled.extend(reached.cancelled);
    }
}

/// Everything that an erasure would touch; `progress` hears what is being looked at.
///
/// # Errors
/// When the store fails, or there is no such project.
pub(crate) fn look(
    view: &dyn View,
    erasure: &Erasure,
    progress: fn(&str),
) -> Result<Report, Fault> {
    let answers = idempotency::look(view, &erasure.subject)?;
    let mut report = Report { dry_run: true, answers, ..Report::default() };
    for (project, environment) in places(view, erasure)? {
        let found = InForce::find(view, &project, &environment, &erasure.subject)?;
        let mut touched = found.touched(&environment);
        let checkpoint = redact_checkpoint(view, &environment, &erasure.subject)?;
        touched.changes += u64::from(checkpoint.is_some());
        touched.seats = seats::count(view, environment.id, &erasure.subject)?;
        touched.add(schedule::erase::look(view, &environment, &erasure.subject)?);
        let mut scan = LogScan::new(view, environment, None)?;
        while !scan.is_done() {
            progress(&scan.told());
            touched.changes += scan.next(view, &erasure.subject)?.len() as u64;
        }
        report.environments.extend(Some(touched).filter(Touched::is_any));
    }
    progress("the audit log");
    let mut after = Some(0);
    while let Some(row) = after {
        let (last, rows) = audit::scan(view, row, erasure, 0)?;
        report.audit_rows += rows.len() as u64;
        after = last;
    }
    Ok(report)
}

fn places(view: &dyn View, erasure: &Erasure) -> Result<Vec<(Project, Environment)>, Fault> {
    let projects = match &erasure.project {
        Some(key) => vec![project::find_any(view, key)?],
        None => view.projects(&Page::ALL)?,
    };
    let mut places = Vec::new();
    for project in projects {
        for environment in view.environments(Some(project.id), &Page::ALL)? {
            places.push((project.clone(), environment));
        }
    }
    Ok(places)
}

/// Takes the key out of everything in force, and writes down that it was.
fn begin(unit: &mut Unit<'_>, erasure: &Erasure) -> Result<(i64, Vec<(LogScan, Touched)>), Fault> {
    let mut all = Vec::new();
    let mut changed = Vec::new();
    for (project, mut environment) in places(unit.tx, erasure)? {
        let found = InForce::find(unit.tx, &project, &environment, &erasure.subject)?;
        let seats = seats::count(unit.tx, environment.id, &erasure.subject)?;
        seats::release(unit, (&project, &environment), &erasure.subject)?;
        let edits = found.edits()?;
        let mut own = None;
        if !edits.is_empty() {
            // Whole definitions: who has an older revision must not need what is erased.
            own = Some(unit.publish(&mut environment, edits)?);
        }
        if own.is_some() || seats > 0 {
            changed.push((project.clone(), environment.clone(), own, seats));
        }
        let mut touched = Touched { seats, ..found.touched(&environment) };
        if let Some(checkpoint) = redact_checkpoint(unit.tx, &environment, &erasure.subject)? {
            unit.tx.put_checkpoint(environment.id, &checkpoint)?;
            touched.changes += 1;
        }
        // In the same transaction: it would bring the key back.
        let place = (&project, &environment);
        touched.add(schedule::erase::open(unit, place, &erasure.subject)?);
        all.push((LogScan::new(unit.tx, environment, own)?, touched));
    }
    let row = unit.record_row(&Deed {
        action: ACTION,
        project: None,
        environment: None,
        kind: &erasure.subject.kind,
        key: MARKER,
        before: None,
        after: Some(&json!({"project": erasure.project})),
        revisions: &Revisions::new(),
    })?;
    for (project, environment, own, seats) in &changed {
        let revisions = own.map(|revision| project::at_revision(environment, revision));
        unit.record(&Deed {
            action: "environment.erase",
            project: Some(project),
            environment: Some(environment),
            kind: "environment",
            key: &environment.key,
            before: None,
            after: (*seats > 0).then(|| json!({"seats": seats})).as_ref(),
            revisions: &revisions.unwrap_or_default(),
        })?;
    }
    Ok((row, all))
}

fn record(unit: &mut Unit<'_>, action: &str, kind: &str, told: &Value) -> Result<(), Fault> {
    unit.record(&Deed {
        action,
        project: None,
        environment: None,
        kind,
        key: MARKER,
        before: None,
        after: Some(told),
        revisions: &Revisions::new(),
    })
}

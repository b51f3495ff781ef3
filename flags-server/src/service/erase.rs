//! Erasing a user's or a tenant's key: from what is in force and what is scheduled, from the change
//! log, from the audit log. The one exception to both logs' being append-only, described in ADR 21.
//!
//! What is in force is changed in one operation, and the logs are rewritten in parts, so that other
//! writes go on in between. Each part leaves the state as the fold of the log, and the audit log
//! chained. An erasure that was interrupted is asked for again.

use std::collections::{BTreeMap, HashMap};

use flags_core::{
    Change, Document, FlagState, KeysChange, Object, ObjectChange, Revision, SEGMENT_KIND,
    TENANT_KIND, is_context_key, is_key,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fault::{Fault, diagnostic};
use super::members::MembersEdit;
use super::model::{FlagDocument, Revisions, SegmentDocument, json as to_json, parse};
use super::publish::{Author, Deed, Edit, Effect, Unit};
use super::received::all_right;
use super::redact::{MARKER, Subject};
use super::state::references;
use super::{Service, fold, idempotency, project, schedule};
use crate::limits::{AUDIT_ROWS_PER_READ, CHANGES_PER_FOLD, ERASED_BYTES_PER_WRITE};
use crate::store::chain::{AuditRow, ERASED, PARTS, Parts, Seals};
use crate::store::{
    Checkpoint, Environment, LoggedChange, MemberList, ObjectKind, Page, Project, View,
};

/// What the audit log calls the beginning of an erasure; erased parts name such a row.
pub(crate) const ACTION: &str = "erase";

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
        if !is_key(&kind) {
            let message = "a kind of context, such as `user` or `tenant`";
            faults.push(diagnostic("/kind", "invalid_key", message));
        }
        if !is_context_key(&key) || key == MARKER {
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
            let (last, rows) = scan_audit(unit.tx, after, &erasure, row)?;
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
        in_force || self.changes > 0 || self.scheduled > 0
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
        let (last, rows) = scan_audit(view, row, erasure, 0)?;
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
        let edits = found.edits()?;
        let mut own = None;
        if !edits.is_empty() {
            // Whole definitions: who has an older revision must not need what is erased.
            own = Some(unit.publish(&mut environment, edits)?);
            changed.push((project.clone(), environment.clone()));
        }
        let mut touched = found.touched(&environment);
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
    for (project, environment) in &changed {
        unit.record(&Deed {
            action: "environment.erase",
            project: Some(project),
            environment: Some(environment),
            kind: "environment",
            key: &environment.key,
            before: None,
            after: None,
            revisions: &project::at_revision(environment, environment.revision),
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

/// What names the key now, with the key taken out.
struct InForce {
    flags: Vec<(String, FlagDocument, FlagState)>,
    segments: Vec<(String, SegmentDocument, MembersEdit)>,
    /// The key of what is stored of the tenant.
    tenant: Option<String>,
}

impl InForce {
    fn find(
        view: &dyn View,
        project: &Project,
        environment: &Environment,
        subject: &Subject,
    ) -> Result<Self, Fault> {
        let literal = subject.literal();
        let stored = match &*subject.kind {
            TENANT_KIND => view.tenant(environment.id, &subject.key)?,
            _ => None,
        };
        let tenant = stored.map(|tenant| tenant.key);
        let mut found = Self { flags: Vec::new(), segments: Vec::new(), tenant };
        for object in view.objects(environment.id, ObjectKind::Flag, &Page::ALL)? {
            if !object.document.contains(&literal) {
                continue;
            }
            let mut state: Value = parse(&object.document)?;
            if subject.redact_state(&mut state) {
                let shared = view.flag(project.id, &object.key)?;
                let shared = shared.ok_or_else(|| super::flag::not_found(&object.key))?;
                let state = parse(&state.to_string())?;
                found.flags.push((object.key, FlagDocument::read(&shared)?, state));
            }
        }
        let key = std::slice::from_ref(&subject.key);
        for object in view.objects(environment.id, ObjectKind::Segment, &Page::ALL)? {
            let mut definition: Value = parse(&object.document)?;
            let is_named =
                object.document.contains(&literal) && subject.redact_segment(&mut definition, None);
            let document: SegmentDocument = parse(&definition.to_string())?;
            let gone = |list| -> Result<KeysChange, Fault> {
                let is_member = document.kind == subject.kind
                    && view.has_members(environment.id, &object.key, list, key)?;
                let remove = if is_member { key.to_vec() } else { Vec::new() };
                Ok(KeysChange { add: Vec::new(), remove })
            };
            let (included, excluded) = (gone(MemberList::Included)?, gone(MemberList::Excluded)?);
            let members = MembersEdit::sorted(included, excluded);
            if is_named || !members.is_empty() {
                found.segments.push((object.key, document, members));
            }
        }
        Ok(found)
    }

    fn edits(&self) -> Result<Vec<Edit<'_>>, Fault> {
        let mut edits = Vec::new();
        for (key, document, state) in &self.flags {
            edits.push(Edit::Flag {
                key,
                document: to_json(state)?,
                shared: &document.shared,
                references: references(&document.shared.with_state(state.clone())),
                limited: false,
            });
        }
        for (key, document, members) in &self.segments {
            edits.push(Edit::Segment { key, document, members });
        }
        edits.extend(self.tenant.iter().map(|key| Edit::Tenant { key, document: None }));
        Ok(edits)
    }

    fn touched(&self, environment: &Environment) -> Touched {
        Touched {
            project: environment.project.clone(),
            environment: environment.key.clone(),
            flags: self.flags.iter().map(|(key, ..)| key.clone()).collect(),
            segments: self.segments.iter().map(|(key, ..)| key.clone()).collect(),
            tenant: self.tenant.is_some(),
            revision: environment.revision,
            changes: 0,
            scheduled: 0,
            cancelled: Vec::new(),
        }
    }
}

/// Goes through a change log from its beginning, in parts.
struct LogScan {
    environment: Environment,
    after: Revision,
    /// The revision that the erasure itself made, if it made one.
    own: Option<Revision>,
    /// Of each segment, whose keys it lists; a change of its members alone does not say.
    kinds: HashMap<String, String>,
}

impl LogScan {
    fn new(
        view: &dyn View,
        environment: Environment,
        own: Option<Revision>,
    ) -> Result<Self, Fault> {
        let beginning = fold::beginning(view, &environment)?;
        let mut kinds = HashMap::new();
        for object in &beginning.objects {
            kinds.extend(kind_of(object));
        }
        Ok(Self { environment, after: beginning.revision, own, kinds })
    }

    /// Where it is.
    fn told(&self) -> String {
        let Environment { project, key, revision, .. } = &self.environment;
        format!("{project}/{key}: revision {} of {revision}", self.after)
    }

    fn is_own(&self, change: &LoggedChange) -> bool {
        self.own == Some(change.revision)
    }

    fn is_done(&self) -> bool {
        self.after >= self.environment.revision
    }

    /// The entries of the next part that name the key, with it taken out.
    fn next(&mut self, view: &dyn View, subject: &Subject) -> Result<Vec<LoggedChange>, Fault> {
        let literal = subject.literal();
        let bytes = ERASED_BYTES_PER_WRITE;
        let logged = view.changes(self.environment.id, self.after, CHANGES_PER_FOLD, bytes)?;
        if logged.is_empty() {
            return Err(fold::damaged(self.after + 1, "it is not there"));
        }
        let mut rewritten = Vec::new();
        for logged in logged {
            self.after = logged.revision;
            let names_it = logged.change.contains(&literal);
            if !names_it && !logged.change.contains("\"included\"") {
                continue;
            }
            let mut change = fold::read(&logged)?;
            // Who has what was stored of a tenant can then no longer be told that it is gone.
            let resets = logged.resets || change.objects.iter().any(|o| deletes(o, subject));
            if self.redact(&mut change, subject, names_it)? {
                let change = to_json(&change)?;
                rewritten.push(LoggedChange { change, resets, ..logged });
            }
        }
        Ok(rewritten)
    }

    fn redact(
        &mut self,
        change: &mut Change,
        subject: &Subject,
        names_it: bool,
    ) -> Result<bool, Fault> {
        let before = change.objects.len();
        change.objects.retain(|object| match object {
            ObjectChange::Upsert(object) => !is_stored(object, subject),
            ObjectChange::Delete { .. } => !deletes(object, subject),
            ObjectChange::Members(_) => true,
        });
        let mut touched = change.objects.len() < before;
        for object in &mut change.objects {
            match object {
                ObjectChange::Upsert(object) => {
                    self.kinds.extend(kind_of(object));
                    if names_it {
                        touched |= redact_object(object, subject)?;
                    }
                }
                ObjectChange::Members(change) => {
                    if self.kinds.get(&change.key) == Some(&subject.kind) {
                        touched |= subject.remove_from(&mut change.included);
                        touched |= subject.remove_from(&mut change.excluded);
                    }
                }
                ObjectChange::Delete { .. } => {}
            }
        }
        Ok(touched)
    }
}

/// Whether an object is what is stored of the tenant whose key goes.
fn is_stored(object: &Object, subject: &Subject) -> bool {
    object.kind == TENANT_KIND && subject.is_tenant(&object.key)
}

/// Whether it deletes what was stored of the tenant whose key goes.
fn deletes(change: &ObjectChange, subject: &Subject) -> bool {
    match change {
        ObjectChange::Delete { kind, key } => kind == TENANT_KIND && subject.is_tenant(key),
        ObjectChange::Upsert(_) | ObjectChange::Members(_) => false,
    }
}

/// The key of a segment, and whose keys it lists.
fn kind_of(object: &Object) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Kind {
        kind: String,
    }

    let kind: Option<Kind> = match object.kind == SEGMENT_KIND {
        true => serde_json::from_str(object.definition.get()).ok(),
        false => None,
    };
    kind.map(|Kind { kind }| (object.key.clone(), kind))
}

/// The checkpoint of a change log without the key, where that is in it.
fn redact_checkpoint(
    view: &dyn View,
    environment: &Environment,
    subject: &Subject,
) -> Result<Option<Checkpoint>, Fault> {
    let literal = subject.literal();
    let Some(checkpoint) = view.checkpoint(environment.id)? else { return Ok(None) };
    if !checkpoint.document.contains(&literal) {
        return Ok(None);
    }
    let mut document: Document = parse(&checkpoint.document)?;
    let before = document.objects.len();
    document.objects.retain(|object| !is_stored(object, subject));
    let mut touched = document.objects.len() < before;
    for object in &mut document.objects {
        touched |= redact_object(object, subject)?;
    }
    let redacted = Checkpoint { document: to_json(&document)?, ..checkpoint };
    Ok(touched.then_some(redacted))
}

/// Takes the key out of a definition; whether it was there.
fn redact_object(object: &mut Object, subject: &Subject) -> Result<bool, Fault> {
    let text = object.definition.get();
    if !text.contains(&subject.literal()) {
        return Ok(false);
    }
    let mut definition: Value = parse(text)?;
    let touched = subject.redact_definition(&object.kind, &mut definition);
    if touched {
        object.definition = parse(&definition.to_string())?;
    }
    Ok(touched)
}

/// What is left of a row of the audit log.
struct Redacted {
    id: i64,
    parts: Parts<String>,
    seals: Seals,
    erased: String,
}

/// The rows after `after` that name the key, with it taken out, and the last one that was looked at;
/// `None` at the end.
fn scan_audit(
    view: &dyn View,
    after: i64,
    erasure: &Erasure,
    by: i64,
) -> Result<(Option<i64>, Vec<Redacted>), Fault> {
    let rows = view.audit_rows(after, AUDIT_ROWS_PER_READ)?;
    let last = rows.last().map(|row| row.id);
    let mut redacted = Vec::new();
    for row in rows {
        if erasure.project.is_some() && row.project.is_some() && row.project != erasure.project {
            continue;
        }
        redacted.extend(redact_row(row, &erasure.subject, by)?);
    }
    Ok((last, redacted))
}

fn redact_row(row: AuditRow, subject: &Subject, by: i64) -> Result<Option<Redacted>, Fault> {
    let literal = subject.literal();
    let AuditRow { id, parts, seals, erased, object_kind, .. } = row;
    let Some(mut seals) = seals else { return Ok(None) };
    let mut erased: BTreeMap<String, i64> = match erased {
        Some(erased) => parse(&erased)?,
        None => BTreeMap::new(),
    };
    let gone = Value::from(MARKER).to_string();
    let is_scheduled = object_kind == schedule::AUDIT_KIND;
    let names_it = |text: &str| match is_scheduled {
        // Whose problem has sentences.
        true => text.contains(&subject.text()),
        false => text.contains(&literal),
    };
    let document = |text: String| -> (String, bool) {
        if !names_it(&text) {
            return (text, false);
        }
        let Ok(mut value) = serde_json::from_str::<Value>(&text) else {
            // Whatever it is, it names the key.
            return (gone.clone(), true);
        };
        let touched = subject.redact_audited(&object_kind, &mut value);
        (if touched { value.to_string() } else { text }, touched)
    };
    let [key, reason, before, after] = parts;
    let is_tenant = object_kind == TENANT_KIND;
    let is_subject = is_tenant && key.as_deref().is_some_and(|key| subject.is_tenant(key));
    let key = if is_subject { (Some(MARKER.to_owned()), true) } else { (key, false) };
    let reason = match reason.as_deref().and_then(|reason| subject.redact_text(reason)) {
        Some(redacted) => (Some(redacted), true),
        None => (reason, false),
    };
    let optional = |text: Option<String>| match text.map(document) {
        // Whatever was stored of the tenant.
        Some((text, _)) if is_subject && text != gone => (Some(gone.clone()), true),
        Some((text, touched)) => (Some(text), touched),
        None => (None, false),
    };
    let parts = [key, reason, optional(before), optional(after)];
    for ((name, salt), (_, touched)) in PARTS.iter().zip(&mut seals.salts).zip(&parts) {
        if *touched {
            *salt = ERASED;
            erased.entry((*name).to_owned()).or_insert(by);
        }
    }
    if !parts.iter().any(|(_, touched)| *touched) {
        return Ok(None);
    }
    let parts = parts.map(|(text, _)| text);
    Ok(Some(Redacted { id, parts, seals, erased: to_json(&erased)? }))
}

//! A key in the audit log.

use std::collections::BTreeMap;

use flags_core::TENANT_KIND;
use serde_json::Value;

use super::Erasure;
use super::seats::USER_KIND;
use crate::limits::AUDIT_ROWS_PER_READ;
use crate::service::fault::Fault;
use crate::service::model::{json as to_json, parse};
use crate::service::redact::{MARKER, Subject};
use crate::service::schedule;
use crate::service::uses::seat;
use crate::store::View;
use crate::store::chain::{AuditRow, ERASED, PARTS, Parts, Seals};

/// What is left of a row of the audit log.
pub(super) struct Redacted {
    pub(super) id: i64,
    pub(super) parts: Parts<String>,
    pub(super) seals: Seals,
    pub(super) erased: String,
}

/// The rows after `after` that name the key, with it taken out, and the last one that was looked at;
/// `None` at the end.
pub(super) fn scan(
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
    let is_user = object_kind == seat::AUDIT_KIND
        && subject.kind == USER_KIND
        && key.as_deref() == Some(&*subject.key);
    let key = if is_subject || is_user { (Some(MARKER.to_owned()), true) } else { (key, false) };
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

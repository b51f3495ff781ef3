//! Erasing a key from scheduled changes: first from those that are still to be made, then from what
//! is kept of the others.

use serde_json::{Value, json};

use super::{ended, record};
use crate::limits::SCHEDULED_PER_ERASURE_WRITE;
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::model::{SegmentDocument, parse};
use crate::service::project;
use crate::service::publish::{Author, Unit};
use crate::service::redact::{MARKER, Subject};
use crate::store::{Environment, ObjectKind, Project, ScheduleState, ScheduledChange, View};

/// Scheduled changes that an erasure touched, or would.
#[derive(Debug, Default)]
pub(in crate::service) struct Reached {
    pub(in crate::service) count: u64,
    /// The ids of those that are not made any more.
    pub(in crate::service) cancelled: Vec<String>,
}

impl Extend<Erased> for Reached {
    fn extend<T: IntoIterator<Item = Erased>>(&mut self, all: T) {
        for erased in all {
            self.count += 1;
            self.cancelled.extend(erased.is_pointless.then_some(erased.change.id));
        }
    }
}

/// What would be touched.
pub(in crate::service) fn look(
    view: &dyn View,
    environment: &Environment,
    subject: &Subject,
) -> Result<Reached, Fault> {
    let mut reached = Reached::default();
    let mut after = String::new();
    loop {
        let page = page(view, environment, subject, None, &after)?;
        let Some(last) = page.last() else { return Ok(reached) };
        after.clone_from(&last.id);
        for change in page {
            reached.extend(Erased::of(view, change, subject)?);
        }
    }
}

/// Takes the key out of what is still to be made; that is bounded.
pub(in crate::service) fn open(
    unit: &mut Unit<'_>,
    place: (&Project, &Environment),
    subject: &Subject,
) -> Result<Reached, Fault> {
    let mut reached = Reached::default();
    let mut after = String::new();
    loop {
        let page = page(unit.tx, place.1, subject, Some(ScheduleState::Open), &after)?;
        let Some(last) = page.last() else { return Ok(reached) };
        after.clone_from(&last.id);
        for change in page {
            reached.extend(erase(unit, place, change, subject)?);
        }
    }
}

/// Takes the key out of everything that is scheduled, in parts. They are looked for beside the
/// writer: most name nobody.
pub(in crate::service) async fn all(
    service: &Service,
    author: &Author,
    environment: &Environment,
    subject: &Subject,
) -> Result<Reached, Fault> {
    let mut reached = Reached::default();
    let mut after = String::new();
    loop {
        let (place, key) = (environment.clone(), subject.clone());
        let look = move |view: &dyn View| page(view, &place, &key, None, &after);
        let ids: Vec<_> = service.read(look).await?.into_iter().map(|change| change.id).collect();
        let Some(last) = ids.last() else { return Ok(reached) };
        after = last.clone();
        let (environment, subject) = (environment.clone(), subject.clone());
        let part = service.write(author.clone(), move |unit| {
            let project = project::find_any(unit.tx, &environment.project)?;
            let mut part = Vec::new();
            for id in ids {
                if let Some(change) = unit.tx.scheduled(environment.id, &id)? {
                    part.extend(erase(unit, (&project, &environment), change, &subject)?);
                }
            }
            Ok(part)
        });
        reached.extend(part.await?);
    }
}

/// The next ones that may name the key.
fn page(
    view: &dyn View,
    environment: &Environment,
    subject: &Subject,
    state: Option<ScheduleState>,
    after: &str,
) -> Result<Vec<ScheduledChange>, Fault> {
    let limit = SCHEDULED_PER_ERASURE_WRITE;
    Ok(view.scheduled_with(environment.id, &subject.key, state, after, limit)?)
}

fn erase(
    unit: &mut Unit<'_>,
    place: (&Project, &Environment),
    change: ScheduledChange,
    subject: &Subject,
) -> Result<Option<Erased>, Fault> {
    let Some(mut erased) = Erased::of(unit.tx, change, subject)? else { return Ok(None) };
    // The log of what was done does not get the key either.
    let before = erased.change.clone();
    if erased.is_pointless {
        erased.change = ended(unit, &before, ScheduleState::Cancelled);
        let detail = "whom this change was about was erased, and nothing else was left of it";
        erased.change.problem = Some(json!({"code": "erased", "detail": detail}).to_string());
    } else if before.state == ScheduleState::Open {
        erased.change.version += 1;
    }
    unit.tx.put_scheduled(&erased.change)?;
    if before.state == ScheduleState::Open {
        let action = if erased.is_pointless { "schedule.cancel" } else { "schedule.erase" };
        record(unit, action, place, Some(&before), &erased.change)?;
    }
    Ok(Some(erased))
}

/// A scheduled change without the key.
struct Erased {
    change: ScheduledChange,
    /// Whether it is still to be made, and would be about nobody.
    is_pointless: bool,
}

impl Erased {
    /// `None` where it does not name the key.
    fn of(
        view: &dyn View,
        mut change: ScheduledChange,
        subject: &Subject,
    ) -> Result<Option<Self>, Fault> {
        let reason = change.reason.as_deref().and_then(|reason| subject.redact_text(reason));
        let problem = change.problem.as_deref().and_then(|text| {
            let mut problem: Value = serde_json::from_str(text).ok()?;
            subject.redact_problem(&mut problem).then(|| problem.to_string())
        });
        let body = body(view, &change, subject)?;
        if reason.is_none() && problem.is_none() && body.is_none() {
            return Ok(None);
        }
        let is_open = change.state == ScheduleState::Open;
        let is_pointless = is_open && body.as_ref().is_some_and(is_about_nobody);
        change.reason = reason.or(change.reason);
        change.problem = problem.or(change.problem);
        change.body = body.map(|body| body.to_string()).or(change.body);
        Ok(Some(Self { change, is_pointless }))
    }
}

/// The body without the key, where that is in it.
fn body(
    view: &dyn View,
    change: &ScheduledChange,
    subject: &Subject,
) -> Result<Option<Value>, Fault> {
    let Some(text) = change.body.as_deref().filter(|text| text.contains(&subject.literal())) else {
        return Ok(None);
    };
    let Ok(mut body) = serde_json::from_str::<Value>(text) else {
        // Whatever it is, it names the key.
        return Ok(Some(MARKER.into()));
    };
    // Whose keys the lists have, where the body does not say.
    let segment = match change.action.starts_with("segment.") {
        true => view.object(change.environment, ObjectKind::Segment, &change.key)?,
        false => None,
    };
    let segment = segment.map(|segment| parse::<SegmentDocument>(&segment.document)).transpose()?;
    let kind = segment.as_ref().map(|segment| &*segment.kind);
    Ok(subject.redact_scheduled(&change.action, &mut body, kind).then_some(body))
}

/// Whether a change consists of lists, and all of them are empty.
fn is_about_nobody(body: &Value) -> bool {
    fn is_empty(value: &Value) -> bool {
        match value {
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.values().all(is_empty),
            _ => false,
        }
    }
    body.as_object().is_some_and(|members| {
        let is_list = |name: &str| matches!(name, "targets" | "included" | "excluded");
        members.iter().all(|(name, value)| is_list(name) && is_empty(value))
    })
}

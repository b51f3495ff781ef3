//! Making scheduled changes when their time comes, each of them once.

use std::sync::Arc;
use std::time::Duration;

use flags_core::Timestamp;
use serde_json::Value;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Later, ended, save};
use crate::limits::{SCHEDULE_LOOK_INTERVAL, SCHEDULE_RETRY};
use crate::service::fault::Fault;
use crate::service::project;
use crate::service::publish::{Author, Unit};
use crate::service::{Service, now};
use crate::store::{NextChange, ScheduleState, ScheduledChange, StoredToken};

/// With this begins, in the audit log, what stands for the id of a request where a scheduled change
/// was made; no request has such an id.
pub(crate) const REQUEST_OF_SCHEDULE: &str = "schedule/";

/// Puts what went wrong into words, for whoever looks later: `{code, detail, …}`.
pub(crate) type Tell = fn(Fault) -> Value;

/// Makes what is due already, in order of time.
pub(crate) async fn catch_up(service: &Service, tell: Tell) {
    loop {
        match make_what_is_due(service, tell).await {
            Ok(Some(at)) if at <= now() => {}
            Ok(_) => return,
            Err(fault) => return not_made(fault, tell),
        }
    }
}

/// Makes each change when it is due, until `stop`.
pub(crate) async fn run(service: Arc<Service>, tell: Tell, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let wait = match make_what_is_due(&service, tell).await {
            Ok(None) => SCHEDULE_LOOK_INTERVAL,
            Ok(Some(at)) => {
                let millis = at.as_millis().saturating_sub(now().as_millis());
                Duration::from_millis(millis.try_into().unwrap_or_default())
            }
            Err(fault) => {
                not_made(fault, tell);
                SCHEDULE_RETRY
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = service.scheduled.notified() => {}
            () = sleep(wait.min(SCHEDULE_LOOK_INTERVAL)) => {}
        }
    }
}

/// Makes the change that is due next, if one is: only then is there anything to write. Gives when the
/// next one is.
async fn make_what_is_due(service: &Service, tell: Tell) -> Result<Option<Timestamp>, Fault> {
    let next = service.read(|view| Ok(view.next_scheduled()?.map(|next| next.change.at))).await?;
    match next {
        Some(at) if at <= now() => {
            let (ended, next) =
                service.write(Author::server(), move |unit| make_next(unit, tell)).await?;
            if let Some(Ended { at, is_done }) = ended {
                let late = now().as_millis().saturating_sub(at.as_millis());
                let late = Duration::from_millis(late.try_into().unwrap_or_default());
                service.metrics.schedule_ended(is_done, late);
            }
            Ok(next)
        }
        later => Ok(later),
    }
}

fn not_made(fault: Fault, tell: Tell) {
    let cause = fault.logged();
    let problem = tell(fault);
    tracing::warn!(code = code(&problem), cause, "what is scheduled is tried again later");
}

/// What the log says of what went wrong. The rest stands with the change: it may name whom that is
/// about.
fn code(problem: &Value) -> Option<&str> {
    problem.get("code").and_then(Value::as_str)
}

/// A change whose time came.
struct Ended {
    at: Timestamp,
    is_done: bool,
}

/// Makes the change that is due next, if one is; gives what became of it, and when the next one after
/// it is. The change and the note that it is made are one transaction.
///
/// # Errors
/// When the store fails; nothing is written then.
fn make_next(unit: &mut Unit<'_>, tell: Tell) -> Result<(Option<Ended>, Option<Timestamp>), Fault> {
    let mut ended_one = None;
    if let Some(next) = unit.tx.next_scheduled()?.filter(|next| next.change.at <= unit.now) {
        let after = match make(unit, &next) {
            Ok(revision) => {
                ScheduledChange { revision, ..ended(unit, &next.change, ScheduleState::Done) }
            }
            // Not the change's fault: it is made when the store works again.
            Err(Fault::Store(error)) if !error.is_damage() => return Err(error.into()),
            Err(fault) => {
                let problem = tell(readable(fault));
                let code = code(&problem);
                tracing::warn!(schedule = next.change.id, code, "a scheduled change failed");
                ScheduledChange {
                    problem: Some(problem.to_string()),
                    ..ended(unit, &next.change, ScheduleState::Failed)
                }
            }
        };
        let is_done = after.state == ScheduleState::Done;
        let action = if is_done { "schedule.done" } else { "schedule.fail" };
        let project = project::find_any(unit.tx, &next.project)?;
        let environment = project::find_any_environment(unit.tx, &project, &next.environment)?;
        save(unit, action, (&project, &environment), Some(&next.change), &after)?;
        ended_one = Some(Ended { at: next.change.at, is_done });
    }
    Ok((ended_one, unit.tx.next_scheduled()?.map(|next| next.change.at)))
}

/// What cannot be read will not be by trying again.
fn readable(fault: Fault) -> Fault {
    match fault {
        Fault::Store(error) => Fault::Internal(error.to_string()),
        fault => fault,
    }
}

/// Makes a change for its author; gives the revision that it made, if it made one.
fn make(unit: &mut Unit<'_>, next: &NextChange) -> Result<Option<u64>, Fault> {
    let NextChange { project, environment, change } = next;
    // Whoever revokes a token takes back what it was trusted with; one that has merely expired does
    // not open anything any more, but what was asked for with it in time stands.
    let trusted = |token: StoredToken| token.revoked_at.is_none();
    if !unit.tx.token(&change.actor)?.is_some_and(trusted) {
        return Err(Fault::AuthorRevoked);
    }
    let author = Author {
        actor: change.actor.clone(),
        actor_name: change.actor_name.clone(),
        request_id: format!("{REQUEST_OF_SCHEDULE}{}", change.id),
        reason: change.reason.clone(),
    };
    let before = revision(unit, project, environment)?;
    let later = Later::of(change)?;
    unit.run_for(&author, true, |unit| {
        later.make(unit, project, environment).map_err(|fault| fault.below("/change"))
    })?;
    let after = revision(unit, project, environment)?;
    Ok((after > before).then_some(after))
}

fn revision(unit: &Unit<'_>, project: &str, environment: &str) -> Result<u64, Fault> {
    let (_, environment) = project::find_environment(unit.tx, project, environment)?;
    Ok(environment.revision)
}

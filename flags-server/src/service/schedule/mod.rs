//! Changes that are to be made at a time: scheduled, edited, cancelled, and [made](run).

mod change;
pub(super) mod erase;
pub(crate) mod run;

use flags_core::{Diagnostic, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::change::{CHANGE, Later};
use super::fault::{Fault, diagnostic};
use super::model::{Revisions, parse};
use super::precondition::Precondition;
use super::project;
use super::publish::{Deed, Effect, Unit};
use super::received::all_right;
use crate::limits::{MAX_SCHEDULE_AHEAD_MS, MAX_SCHEDULED, MAX_SCHEDULED_BYTES};
use crate::store::{Environment, Project, ScheduleFilter, ScheduleState, ScheduledChange, View};

/// What the audit log calls a scheduled change.
pub(super) const AUDIT_KIND: &str = "schedule";

/// Where scheduled changes are found.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) project: String,
    pub(crate) environment: String,
}

/// What is asked for; what is not there stays as it is.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) at: Option<String>,
    pub(crate) change: Option<Value>,
}

fn find(
    view: &dyn View,
    place: &Place,
    id: &str,
) -> Result<(Project, Environment, ScheduledChange), Fault> {
    let (project, environment) =
        project::find_environment(view, &place.project, &place.environment)?;
    let change = view.scheduled(environment.id, id)?;
    let change =
        change.ok_or_else(|| Fault::NotFound(format!("there is no scheduled change `{id}`")))?;
    Ok((project, environment, change))
}

pub(crate) fn get(view: &dyn View, place: &Place, id: &str) -> Result<ScheduledChange, Fault> {
    find(view, place, id).map(|(_, _, change)| change)
}

/// Those of an environment in order of time, without their bodies.
pub(crate) fn list(
    view: &dyn View,
    place: &Place,
    filter: &ScheduleFilter,
) -> Result<Vec<ScheduledChange>, Fault> {
    let (_, environment) = project::find_environment(view, &place.project, &place.environment)?;
    Ok(view.schedule(environment.id, filter)?)
}

/// Schedules a change that could be made now.
pub(crate) fn create(
    unit: &mut Unit<'_>,
    place: &Place,
    asked: Asked,
) -> Result<ScheduledChange, Fault> {
    let (project, environment) =
        project::find_environment(unit.tx, &place.project, &place.environment)?;
    let mut faults = Vec::new();
    let at = asked.at.as_deref().and_then(|at| time(at, unit.now, &mut faults));
    let later = tried(unit, place, asked.change.unwrap_or_default(), &mut faults)?;
    all_right(faults)?;
    let (Some(at), Some(later)) = (at, later) else {
        return Err(Fault::Internal("a schedule without a time or a change".into()));
    };
    let mut change = ScheduledChange {
        id: Uuid::now_v7().simple().to_string(),
        environment: environment.id,
        at,
        state: ScheduleState::Open,
        version: 1,
        action: String::new(),
        key: String::new(),
        if_version: None,
        body: None,
        actor: unit.author.actor.clone(),
        actor_name: unit.author.actor_name.clone(),
        reason: unit.author.reason.clone(),
        created_at: unit.now,
        ended_at: None,
        revision: None,
        problem: None,
    };
    later.put_into(&mut change)?;
    save(unit, "schedule.create", (&project, &environment), None, &change)?;
    Ok(change)
}

/// Gives an open change another time, or makes it another one. Whoever does that is its author
/// from now on.
pub(crate) fn edit(
    unit: &mut Unit<'_>,
    place: &Place,
    id: &str,
    precondition: &Precondition,
    asked: Asked,
) -> Result<ScheduledChange, Fault> {
    precondition.demand()?;
    let (project, environment, before) = find(unit.tx, place, id)?;
    precondition.check(Some(before.version))?;
    open(&before)?;
    let mut faults = Vec::new();
    let at = asked.at.as_deref().and_then(|at| time(at, unit.now, &mut faults));
    let later = match asked.change {
        Some(said) => tried(unit, place, said, &mut faults)?,
        None => None,
    };
    all_right(faults)?;
    let mut after = before.clone();
    after.at = at.unwrap_or(before.at);
    if let Some(later) = later {
        later.put_into(&mut after)?;
    }
    if after == before {
        return Ok(before);
    }
    after.version += 1;
    after.actor.clone_from(&unit.author.actor);
    after.actor_name.clone_from(&unit.author.actor_name);
    after.reason = unit.author.reason.clone().or(after.reason);
    save(unit, "schedule.edit", (&project, &environment), Some(&before), &after)?;
    Ok(after)
}

/// Cancels an open change; one that is cancelled stays so.
pub(crate) fn cancel(
    unit: &mut Unit<'_>,
    place: &Place,
    id: &str,
    precondition: &Precondition,
) -> Result<ScheduledChange, Fault> {
    let (project, environment, before) = find(unit.tx, place, id)?;
    precondition.check(Some(before.version))?;
    if before.state == ScheduleState::Cancelled {
        return Ok(before);
    }
    open(&before)?;
    let after = ended(unit, &before, ScheduleState::Cancelled);
    save(unit, "schedule.cancel", (&project, &environment), Some(&before), &after)?;
    Ok(after)
}

fn open(change: &ScheduledChange) -> Result<(), Fault> {
    match change.state {
        ScheduleState::Open => Ok(()),
        state => Err(Fault::ScheduleEnded(state.name())),
    }
}

fn ended(unit: &Unit<'_>, before: &ScheduledChange, state: ScheduleState) -> ScheduledChange {
    let (version, ended_at) = (before.version + 1, Some(unit.now));
    ScheduledChange { state, version, ended_at, ..before.clone() }
}

/// When it is to be made.
fn time(said: &str, now: Timestamp, faults: &mut Vec<Diagnostic>) -> Option<Timestamp> {
    let mut report = |code, message: &str| faults.push(diagnostic("/at", code, message));
    let Some(at) = Timestamp::parse(said) else {
        report("invalid_time", "expected a time such as `2027-01-31T12:00:00Z`");
        return None;
    };
    if at <= now {
        report("in_the_past", "this time has passed");
    } else if at.as_millis() > now.as_millis().saturating_add(MAX_SCHEDULE_AHEAD_MS) {
        report("too_far", "a change is scheduled at most a year ahead");
    }
    Some(at)
}

/// A change that could be made now: its verb runs, and is undone.
fn tried(
    unit: &mut Unit<'_>,
    place: &Place,
    said: Value,
    faults: &mut Vec<Diagnostic>,
) -> Result<Option<Later>, Fault> {
    let made = Later::read(said).and_then(|later| {
        let (made, author) = (later.clone(), unit.author);
        unit.run_for(author, false, |unit| made.make(unit, &place.project, &place.environment))?;
        Ok(later)
    });
    let fault = match made {
        Ok(later) => return Ok(Some(later)),
        Err(Fault::NotFound(message)) => Fault::at("/key", "not_found", message),
        Err(Fault::VersionMismatch { current }) => {
            let message = match current {
                Some(current) => format!("the current version is {current}"),
                None => "there is nothing here yet".to_owned(),
            };
            Fault::at("/if_version", "version_mismatch", message)
        }
        Err(fault) => fault,
    };
    match fault.below("/change") {
        Fault::Invalid(found) => {
            faults.extend(found);
            Ok(None)
        }
        fault => Err(fault),
    }
}

/// Writes a change with its entry in the audit log.
fn save(
    unit: &mut Unit<'_>,
    action: &str,
    (project, environment): (&Project, &Environment),
    before: Option<&ScheduledChange>,
    after: &ScheduledChange,
) -> Result<(), Fault> {
    unit.tx.put_scheduled(after)?;
    if after.state == ScheduleState::Open {
        let (count, bytes) = unit.tx.open_scheduled(environment.id)?;
        for (limit, maximum, there) in
            [("scheduled", MAX_SCHEDULED, count), ("scheduled_bytes", MAX_SCHEDULED_BYTES, bytes)]
        {
            if there > maximum {
                return Err(Fault::limit(limit, maximum));
            }
        }
        unit.effects.push(Effect::Scheduled);
    }
    record(unit, action, (project, environment), before, after)
}

fn record(
    unit: &mut Unit<'_>,
    action: &str,
    (project, environment): (&Project, &Environment),
    before: Option<&ScheduledChange>,
    after: &ScheduledChange,
) -> Result<(), Fault> {
    let before = before.map(described);
    unit.record(&Deed {
        action,
        project: Some(project),
        environment: Some(environment),
        kind: AUDIT_KIND,
        key: &after.id,
        before: before.as_ref(),
        after: Some(&described(after)),
        // The revision that it makes is that of the change itself.
        revisions: &Revisions::new(),
    })
}

/// What the audit log tells of a scheduled change; of one that cannot be read, that it was there.
fn described(change: &ScheduledChange) -> Value {
    json!({
        "at": change.at.to_string(),
        "state": change.state.name(),
        "change": Later::of(change).ok(),
        "actor": change.actor,
        "revision": change.revision,
        "problem": change.problem.as_deref().and_then(|problem| parse::<Value>(problem).ok()),
    })
}

//! What is asked of a token that is to be created, and whether it can be had.

use flags_core::{Diagnostic, Timestamp};
use serde::Deserialize;

use super::fault::{Fault, diagnostic};
use super::project::{find, find_environment, no_environment, no_project};
use super::received::all_right;
use crate::limits::MAX_TOKEN_PLACES;
use crate::store::{Environment, Grant, Place, Reach, Role, Tenants, TokenKind, View};

/// What is asked for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct NewToken {
    pub(super) name: String,
    kind: NewTokenKind,
    role: Option<Role>,
    scope: Option<Vec<NewPlace>>,
    project: Option<String>,
    environment: Option<String>,
    tenants: Option<Tenants>,
    expires_at: Option<String>,
}

/// The kind of a token that is to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NewTokenKind {
    Sdk,
    Personal,
    Service,
}

/// A project, or an environment of it, that a token is to be limited to.
#[derive(Debug, Clone, Deserialize)]
struct NewPlace {
    project: String,
    environment: Option<String>,
}

/// The project of an SDK token that names none.
const DEFAULT_PROJECT: &str = "default";

impl NewToken {
    /// What the token is for, the environment of an SDK token by its keys, and when it expires.
    /// It lies within the reach of who asks; pointers lead into the body.
    pub(super) fn resolve(
        &self,
        view: &dyn View,
        within: &Reach,
        now: Timestamp,
    ) -> Result<(TokenKind, Option<Place>, Option<Timestamp>), Fault> {
        let mut faults = Vec::new();
        let expires_at = expiry(self, now, &mut faults);
        let (kind, environment) = match self.kind {
            NewTokenKind::Sdk => sdk(view, within, self, &mut faults)?,
            NewTokenKind::Personal => {
                (grant(view, within, self, &mut faults)?.map(TokenKind::Personal), None)
            }
            NewTokenKind::Service => {
                (grant(view, within, self, &mut faults)?.map(TokenKind::Service), None)
            }
        };
        all_right(faults)?;
        let kind = kind.ok_or_else(|| Fault::Internal("a token of no kind".into()))?;
        Ok((kind, environment, expires_at))
    }
}

fn expiry(new: &NewToken, now: Timestamp, faults: &mut Vec<Diagnostic>) -> Option<Timestamp> {
    let expires_at = Timestamp::parse(new.expires_at.as_ref()?);
    match expires_at {
        None => {
            let message = "expected a time such as `2027-01-31T12:00:00Z`";
            faults.push(diagnostic("/expires_at", "invalid_time", message));
        }
        Some(end) if end <= now => {
            faults.push(diagnostic("/expires_at", "in_the_past", "this time has passed"));
        }
        Some(_) => {}
    }
    expires_at
}

/// Refuses members of the body that tokens of this kind do not have.
fn refuse(faults: &mut Vec<Diagnostic>, members: &[(&str, bool)], message: &str) {
    let said = members.iter().filter(|(_, said)| *said);
    faults.extend(said.map(|(pointer, _)| diagnostic(pointer, "unknown_field", message)));
}

/// What an SDK token is for; pointers lead into the body.
fn sdk(
    view: &dyn View,
    within: &Reach,
    new: &NewToken,
    faults: &mut Vec<Diagnostic>,
) -> Result<(Option<TokenKind>, Option<Place>), Fault> {
    let others = [("/role", new.role.is_some()), ("/scope", new.scope.is_some())];
    refuse(faults, &others, "an sdk token reads the rules of one environment");
    let Some(key) = &new.environment else {
        let message = "`environment` is missing: an sdk token is for one environment";
        faults.push(diagnostic("", "missing_field", message));
        return Ok((None, None));
    };
    let project = new.project.clone().unwrap_or_else(|| DEFAULT_PROJECT.to_owned());
    let place = Place { project, environment: Some(key.clone()) };
    let environment = check(view, within, &place, "", faults)?;
    let kind = environment.map(|e| TokenKind::Sdk(e.id, new.tenants.unwrap_or_default()));
    Ok((kind, Some(place)))
}

/// What a token may do in the admin API; pointers lead into the body.
fn grant(
    view: &dyn View,
    within: &Reach,
    new: &NewToken,
    faults: &mut Vec<Diagnostic>,
) -> Result<Option<Grant>, Fault> {
    let others = [
        ("/project", new.project.is_some()),
        ("/environment", new.environment.is_some()),
        ("/tenants", new.tenants.is_some()),
    ];
    refuse(faults, &others, "this token is limited by `scope`");
    if new.role.is_none() {
        let message = "`role` is missing: \"viewer\", \"editor\" or \"admin\"";
        faults.push(diagnostic("", "missing_field", message));
    }
    let reach = match &new.scope {
        None => {
            if *within != Reach::Everything {
                let message = "your own token is limited: say which projects or environments \
                               the new one is for";
                faults.push(diagnostic(
                    "",
                    "missing_field",
                    format!("`scope` is missing: {message}"),
                ));
            }
            Reach::Everything
        }
        Some(scope) if scope.is_empty() || scope.len() > MAX_TOKEN_PLACES => {
            let message = format!("a scope has 1 to {MAX_TOKEN_PLACES} places, or is not there");
            faults.push(diagnostic("/scope", "limit_exceeded", message));
            Reach::Only(Vec::new())
        }
        Some(scope) => {
            let mut places: Vec<Place> = Vec::new();
            for (number, NewPlace { project, environment }) in scope.iter().enumerate() {
                let place = Place { project: project.clone(), environment: environment.clone() };
                let pointer = format!("/scope/{number}");
                check(view, within, &place, &pointer, faults)?;
                if places.contains(&place) {
                    faults.push(diagnostic(&pointer, "duplicate", "this place is there twice"));
                }
                places.push(place);
            }
            places.sort();
            Reach::Only(places)
        }
    };
    Ok(new.role.map(|role| Grant { role, reach }))
}

/// The environment of a place, if it is one. What lies out of reach is as if it were not there.
fn check(
    view: &dyn View,
    within: &Reach,
    place: &Place,
    pointer: &str,
    faults: &mut Vec<Diagnostic>,
) -> Result<Option<Environment>, Fault> {
    let Place { project, environment } = place;
    let mut not_found = |member: &str, fault: Fault| match fault {
        Fault::NotFound(message) => {
            faults.push(diagnostic(&format!("{pointer}/{member}"), "not_found", message));
            Ok(None)
        }
        other => Err(other),
    };
    if !within.touches(project) {
        return not_found("project", no_project(project));
    }
    if let Err(fault) = find(view, project) {
        return not_found("project", fault);
    }
    let Some(key) = environment else {
        if !within.covers(project, None) {
            let message = format!("your own token is for environments of `{project}`: name one");
            return not_found("environment", Fault::NotFound(message));
        }
        return Ok(None);
    };
    if !within.covers(project, Some(key)) {
        return not_found("environment", no_environment(project, key));
    }
    match find_environment(view, project, key) {
        Ok((_, environment)) => Ok(Some(environment)),
        Err(fault) => not_found("environment", fault),
    }
}

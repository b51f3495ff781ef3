//! Tokens: who may ask.

use flags_core::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fault::{Fault, diagnostic};
use super::model::Revisions;
use super::project::{check_names, find, find_environment};
use super::publish::{Deed, Effect, Unit};
use super::received::all_right;
use crate::access::{generate_secret, hash};
use crate::limits::MAX_TOKENS;
use crate::store::{Environment, Page, Project, StoredToken, TokenKind, View};

/// A token, and the environment that it is for by its keys.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) stored: StoredToken,
    /// Project and environment.
    pub(crate) environment: Option<(String, String)>,
}

/// What is asked for.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct NewToken {
    pub(crate) name: String,
    pub(crate) kind: NewTokenKind,
    pub(crate) project: Option<String>,
    pub(crate) environment: Option<String>,
}

/// The kind of a token that is to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NewTokenKind {
    Admin,
    Sdk,
}

/// The project of a token that names none.
const DEFAULT_PROJECT: &str = "default";

/// Creates a token; the secret is told once and never again.
pub(crate) fn create(unit: &mut Unit<'_>, new: NewToken) -> Result<(Token, String), Fault> {
    check_names(None, &new.name)?;
    let place = match new.kind {
        NewTokenKind::Admin => {
            let mut faults = Vec::new();
            for (pointer, said) in [("/project", &new.project), ("/environment", &new.environment)]
            {
                if said.is_some() {
                    let message = "an admin token is for all projects and environments";
                    faults.push(diagnostic(pointer, "unknown_field", message));
                }
            }
            all_right(faults)?;
            None
        }
        NewTokenKind::Sdk => Some(sdk_place(unit.tx, &new)?),
    };
    let live = unit.tx.tokens(&Page::ALL)?.iter().filter(|t| t.revoked_at.is_none()).count();
    if live as u64 >= MAX_TOKENS {
        return Err(Fault::LimitExceeded { limit: "tokens", maximum: MAX_TOKENS });
    }
    let kind = match &place {
        None => TokenKind::Admin,
        Some((_, environment)) => TokenKind::Sdk(environment.id),
    };
    let secret = generate_secret(kind).map_err(|error| Fault::Internal(error.to_string()))?;
    let stored = new_token(&new.name, kind, &secret, unit.now);
    unit.tx.insert_token(&stored)?;
    unit.effects.push(Effect::TokenAdded(stored.clone()));
    let environment = place.map(|(project, environment)| (project.key, environment.key));
    let token = Token { stored, environment };
    record(unit, "token.create", &token)?;
    Ok((token, secret))
}

/// The environment of an SDK token; pointers lead into the body.
fn sdk_place(view: &dyn View, new: &NewToken) -> Result<(Project, Environment), Fault> {
    let Some(environment) = &new.environment else {
        let message = "`environment` is missing: an sdk token is for one environment";
        return Err(Fault::at("", "missing_field", message));
    };
    let in_body = |pointer: &'static str| {
        move |fault: Fault| match fault {
            Fault::NotFound(message) => Fault::at(pointer, "not_found", message),
            other => other,
        }
    };
    let project = new.project.as_deref().unwrap_or(DEFAULT_PROJECT);
    find(view, project).map_err(in_body("/project"))?;
    find_environment(view, project, environment).map_err(in_body("/environment"))
}

pub(crate) fn list(view: &dyn View, page: &Page) -> Result<Vec<Token>, Fault> {
    let environments = view.environments(None, &Page::ALL)?;
    let tokens = view.tokens(page)?;
    Ok(tokens.into_iter().map(|stored| with_environment(stored, &environments)).collect())
}

fn with_environment(stored: StoredToken, environments: &[Environment]) -> Token {
    let environment = match stored.kind {
        TokenKind::Admin => None,
        TokenKind::Sdk(id) => environments.iter().find(|environment| environment.id == id),
    };
    let environment = environment.map(|e| (e.project.clone(), e.key.clone()));
    Token { stored, environment }
}

/// Revokes a token; its open streams end.
pub(crate) fn revoke(unit: &mut Unit<'_>, id: &str) -> Result<Token, Fault> {
    let stored = unit.tx.token(id)?;
    let stored = stored.ok_or_else(|| Fault::NotFound(format!("there is no token `{id}`")))?;
    let mut token = with_environment(stored, &unit.tx.environments(None, &Page::ALL)?);
    if token.stored.revoked_at.is_some() {
        return Ok(token);
    }
    if token.stored.kind == TokenKind::Admin {
        let tokens = unit.tx.tokens(&Page::ALL)?;
        let other = |t: &StoredToken| {
            t.kind == TokenKind::Admin && t.revoked_at.is_none() && t.id != token.stored.id
        };
        if !tokens.iter().any(other) {
            return Err(Fault::LastAdminToken);
        }
    }
    unit.tx.revoke_token(id, unit.now)?;
    unit.effects.push(Effect::TokenRevoked { id: id.to_owned() });
    token.stored.revoked_at = Some(unit.now);
    record(unit, "token.revoke", &token)?;
    Ok(token)
}

fn record(unit: &mut Unit<'_>, action: &str, token: &Token) -> Result<(), Fault> {
    let described: Value = json!({
        "name": token.stored.name,
        "kind": token.stored.kind.name(),
        "project": token.environment.as_ref().map(|(project, _)| project),
        "environment": token.environment.as_ref().map(|(_, environment)| environment),
    });
    let revoked = token.stored.revoked_at.is_some();
    unit.record(&Deed {
        action,
        project: None,
        environment: None,
        kind: "token",
        key: &token.stored.id,
        before: revoked.then_some(&described),
        after: (!revoked).then_some(&described),
        revisions: &Revisions::new(),
    })
}

/// A token that is not stored yet.
pub(crate) fn new_token(name: &str, kind: TokenKind, secret: &str, now: Timestamp) -> StoredToken {
    StoredToken {
        id: Uuid::now_v7().simple().to_string(),
        name: name.to_owned(),
        kind,
        hash: hash(secret),
        created_at: now,
        revoked_at: None,
    }
}

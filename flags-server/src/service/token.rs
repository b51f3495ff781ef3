//! Tokens: who may ask.

use flags_core::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fault::Fault;
use super::model::Revisions;
use super::new_token::NewToken;
use super::project::check_names;
use super::publish::{Deed, Effect, Unit};
use crate::access::generate_secret;
use crate::limits::{MAX_OVERLAP_SECONDS, MAX_TOKEN_SECRETS, MAX_TOKENS};
use crate::store::{
    Environment, Grant, Page, Place, Reach, StoredSecret, StoredToken, TokenKind, View,
};

/// A token, and the environment that it is for by its keys.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) stored: StoredToken,
    /// Of an SDK token.
    pub(crate) environment: Option<Place>,
}

impl Token {
    /// What it is for. An SDK token without an environment is for nothing.
    fn reach(&self) -> Reach {
        match self.stored.kind.grant() {
            Some(grant) => grant.reach.clone(),
            None => Reach::Only(self.environment.iter().cloned().collect()),
        }
    }
}

/// Creates a token within the reach of who asks; the secret is told once and never again.
pub(crate) fn create(
    unit: &mut Unit<'_>,
    within: &Reach,
    new: NewToken,
) -> Result<(Token, String), Fault> {
    check_names(None, &new.name)?;
    let (kind, environment, expires_at) = new.resolve(unit.tx, within, unit.now)?;
    if unit.tx.live_tokens(unit.now)? >= MAX_TOKENS {
        return Err(Fault::limit("tokens", MAX_TOKENS));
    }
    let secret = new_secret(&kind)?;
    let stored = StoredToken { expires_at, ..new_token(&new.name, kind, &secret, unit.now) };
    unit.tx.insert_token(&stored)?;
    unit.effects.push(Effect::Token(stored.clone()));
    let token = Token { stored, environment };
    record(unit, "token.create", &token, None, Some(&described(&token)))?;
    Ok((token, secret))
}

/// The tokens within the reach of who asks.
pub(crate) fn list(view: &dyn View, within: &Reach, page: &Page) -> Result<Vec<Token>, Fault> {
    let environments = view.environments(None, &Page::ALL)?;
    let show = |stored| with_environment(stored, &environments);
    if *within == Reach::Everything {
        return Ok(view.tokens(page)?.into_iter().map(show).collect());
    }
    let mut tokens: Vec<Token> = view.tokens(&Page::ALL)?.into_iter().map(show).collect();
    tokens.retain(|token| within.contains(&token.reach()));
    Ok(page.of(tokens, |token| &token.stored.id))
}

/// A token within the reach of who asks; any other is as if it were not there.
pub(crate) fn get(view: &dyn View, within: &Reach, id: &str) -> Result<Token, Fault> {
    let environments = view.environments(None, &Page::ALL)?;
    let token = view.token(id)?.map(|stored| with_environment(stored, &environments));
    let token = token.filter(|token| within.contains(&token.reach()));
    // Not told which: somebody may have taken the secret for the id.
    token.ok_or_else(|| Fault::NotFound("there is no such token".into()))
}

fn with_environment(stored: StoredToken, environments: &[Environment]) -> Token {
    let environment = match stored.kind {
        TokenKind::Sdk(id, _) => environments.iter().find(|environment| environment.id == id),
        TokenKind::Personal(_) | TokenKind::Service(_) => None,
    };
    let environment =
        environment.map(|e| Place { project: e.project.clone(), environment: Some(e.key.clone()) });
    Token { stored, environment }
}

/// Gives a token another secret, which is told once. The earlier ones end after the overlap, or
/// when they would have ended anyway.
pub(crate) fn rotate(
    unit: &mut Unit<'_>,
    within: &Reach,
    id: &str,
    overlap_seconds: u32,
) -> Result<(Token, String), Fault> {
    let mut token = get(unit.tx, within, id)?;
    if !token.stored.is_live(unit.now) {
        return Err(Fault::TokenEnded);
    }
    if overlap_seconds > MAX_OVERLAP_SECONDS {
        let message = format!("an overlap has at most {MAX_OVERLAP_SECONDS} seconds");
        return Err(Fault::at("/overlap_seconds", "limit_exceeded", message));
    }
    let before = described(&token);
    let end = unit.now.as_millis().saturating_add(i64::from(overlap_seconds) * 1_000);
    let end = Timestamp::from_millis(end);
    let secrets = &mut token.stored.secrets;
    for secret in &mut *secrets {
        secret.ends_at = Some(secret.ends_at.map_or(end, |earlier| earlier.min(end)));
    }
    secrets.retain(|secret| secret.ends_at.is_some_and(|end| unit.now < end));
    if secrets.len() >= MAX_TOKEN_SECRETS {
        let (limit, maximum) = ("token_secrets", MAX_TOKEN_SECRETS as u64);
        return Err(Fault::limit(limit, maximum));
    }
    let secret = new_secret(&token.stored.kind)?;
    secrets.insert(0, StoredSecret::lasting(&secret));
    unit.tx.put_secrets(id, secrets)?;
    unit.effects.push(Effect::Token(token.stored.clone()));
    record(unit, "token.rotate", &token, Some(&before), Some(&described(&token)))?;
    Ok((token, secret))
}

/// Revokes a token; its open streams end.
pub(crate) fn revoke(unit: &mut Unit<'_>, within: &Reach, id: &str) -> Result<Token, Fault> {
    let mut token = get(unit.tx, within, id)?;
    if token.stored.revoked_at.is_some() {
        return Ok(token);
    }
    let is_admin = |t: &StoredToken| t.kind.grant().is_some_and(Grant::is_unlimited_admin);
    if is_admin(&token.stored) {
        // One that expires does not count: nobody would be left some day.
        let lasts = |t: &StoredToken| t.revoked_at.is_none() && t.expires_at.is_none();
        let other = |t: &StoredToken| is_admin(t) && lasts(t) && t.id != token.stored.id;
        if !unit.tx.tokens(&Page::ALL)?.iter().any(other) {
            return Err(Fault::LastAdminToken);
        }
    }
    unit.tx.revoke_token(id, unit.now)?;
    unit.effects.push(Effect::TokenRevoked { id: id.to_owned() });
    token.stored.revoked_at = Some(unit.now);
    record(unit, "token.revoke", &token, Some(&described(&token)), None)?;
    Ok(token)
}

/// What the audit log tells of a token.
fn described(token: &Token) -> Value {
    let Token { stored, environment } = token;
    let grant = stored.kind.grant();
    let tenants = match stored.kind {
        TokenKind::Sdk(_, tenants) => Some(tenants.name()),
        TokenKind::Personal(_) | TokenKind::Service(_) => None,
    };
    json!({
        "name": stored.name,
        "kind": stored.kind.name(),
        "role": grant.map(|grant| grant.role.name()),
        "scope": grant.and_then(|grant| scope(&grant.reach)),
        "project": environment.as_ref().map(|place| &place.project),
        "environment": environment.as_ref().and_then(|place| place.environment.as_ref()),
        "tenants": tenants,
        "expires_at": stored.expires_at.map(|at| at.to_string()),
        "overlap_ends_at": overlap_end(stored).map(|at| at.to_string()),
    })
}

/// A reach as it is shown; `None` where it is everything.
pub(crate) fn scope(reach: &Reach) -> Option<Value> {
    match reach {
        Reach::Everything => None,
        Reach::Only(places) => Some(places.iter().map(shown_place).collect()),
    }
}

fn shown_place(place: &Place) -> Value {
    match &place.environment {
        None => json!({"project": place.project}),
        Some(environment) => json!({"project": place.project, "environment": environment}),
    }
}

/// When the last of the secrets that were replaced ends.
pub(crate) fn overlap_end(token: &StoredToken) -> Option<Timestamp> {
    token.secrets.iter().filter_map(|secret| secret.ends_at).max()
}

fn record(
    unit: &mut Unit<'_>,
    action: &str,
    token: &Token,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Result<(), Fault> {
    unit.record(&Deed {
        action,
        project: None,
        environment: None,
        kind: "token",
        key: &token.stored.id,
        before,
        after,
        revisions: &Revisions::new(),
    })
}

fn new_secret(kind: &TokenKind) -> Result<String, Fault> {
    generate_secret(kind).map_err(|error| Fault::Internal(error.to_string()))
}

/// A token that is not stored yet.
pub(crate) fn new_token(name: &str, kind: TokenKind, secret: &str, now: Timestamp) -> StoredToken {
    StoredToken {
        id: Uuid::now_v7().simple().to_string(),
        name: name.to_owned(),
        kind,
        secrets: vec![StoredSecret::lasting(secret)],
        created_at: now,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

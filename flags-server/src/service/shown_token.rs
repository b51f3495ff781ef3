//! What is told of a token.

use flags_core::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::token::{Token, overlap_end, scope};
use crate::store::TokenKind;

/// A token as it is shown, by the API and by commands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(crate) struct Shown {
    id: String,
    name: String,
    #[schemars(extend("enum" = ["sdk", "personal", "service"]))]
    kind: &'static str,
    #[serde(flatten)]
    of_kind: OfKind,
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    #[schemars(extend("format" = "date-time"))]
    expires_at: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    revoked_at: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    last_used_at: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    overlap_ends_at: Option<String>,
    /// The secret, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl Shown {
    /// With the secret.
    pub(crate) fn once(token: Token, secret: String) -> Self {
        Self { token: Some(secret), ..token.into() }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum OfKind {
    Sdk { project: Option<String>, environment: Option<String>, tenants: &'static str },
    Admin { role: &'static str, scope: Option<Value> },
}

impl From<Token> for Shown {
    fn from(token: Token) -> Self {
        let Token { stored, environment } = token;
        let of_kind = match &stored.kind {
            TokenKind::Sdk(_, tenants) => {
                let (project, environment) =
                    environment.map(|place| (place.project, place.environment)).unzip();
                OfKind::Sdk { project, environment: environment.flatten(), tenants: tenants.name() }
            }
            TokenKind::Personal(grant) | TokenKind::Service(grant) => {
                OfKind::Admin { role: grant.role.name(), scope: scope(&grant.reach) }
            }
        };
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            overlap_ends_at: text(overlap_end(&stored)),
            id: stored.id,
            name: stored.name,
            kind: stored.kind.name(),
            of_kind,
            created_at: stored.created_at.to_string(),
            expires_at: text(stored.expires_at),
            revoked_at: text(stored.revoked_at),
            last_used_at: text(stored.last_used_at),
            token: None,
        }
    }
}

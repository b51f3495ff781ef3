//! The one place where access is checked.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::trace::Trail;
use crate::access::Access;
use crate::service::Service;
use crate::store::TokenKind;

/// Who may use a path.
#[derive(Clone, Copy)]
enum Rule {
    Everybody,
    Admin,
    Sdk,
}

/// What a path needs, by its beginning. A path that is not here is refused, whatever route there
/// may be for it.
const RULES: [(&str, Rule); 5] = [
    ("/livez", Rule::Everybody),
    ("/readyz", Rule::Everybody),
    ("/metrics", Rule::Admin),
    ("/api/v1/", Rule::Admin),
    ("/sdk/v1/", Rule::Sdk),
];

/// The layer in front of all routes; puts the [`Access`] of the token among the request's
/// extensions.
pub(super) async fn check(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let rule = RULES.iter().find(|(prefix, _)| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || prefix.ends_with('/'))
    });
    let rule = match rule {
        None => return Problem::not_found("there is no such route").into_response(),
        Some((_, Rule::Everybody)) => return next.run(request).await,
        Some((_, rule)) => *rule,
    };
    let access = bearer(request.headers()).and_then(|secret| service.tokens.find(secret));
    let Some(access) = access else {
        return Problem::unauthenticated().into_response();
    };
    Trail::authenticated(&request, &access.id);
    let allowed = matches!(
        (rule, access.kind),
        (Rule::Admin, TokenKind::Admin) | (Rule::Sdk, TokenKind::Sdk(_))
    );
    if !allowed {
        let detail = match rule {
            Rule::Sdk => "this needs an sdk token",
            Rule::Admin | Rule::Everybody => "this needs an admin token",
        };
        return Problem::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response();
    }
    request.extensions_mut().insert(access);
    next.run(request).await
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The token that [`check`] let in.
pub(super) struct Authorized(pub(super) Arc<Access>);

impl<S: Sync> FromRequestParts<S> for Authorized {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let access = parts.extensions.get::<Arc<Access>>().cloned();
        access.map(Self).ok_or_else(|| Problem::internal("a route without a check of access"))
    }
}

//! The one place where access is checked.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;

use super::openapi::{Describes, Operation};
use super::problem::Problem;
use super::rate::{refused, tell};
use super::routes::{Declared, Needs, Within};
use super::trace::Trail;
use crate::access::Access;
use crate::quota::AddressMeters;
use crate::service::{Lane, Service, now, project};
use crate::store::{Grant, Reach};

/// What access is checked with.
pub(super) struct Guard {
    pub(super) service: Arc<Service>,
    pub(super) declared: Declared,
    /// Of requests without a valid token.
    pub(super) failed: AddressMeters,
}

/// The layer in front of all routes; puts the [`Access`] of the token among the request's
/// extensions. A request to what was not declared goes no further than this.
pub(super) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let needs = parts.extensions.get::<MatchedPath>();
    let needs = needs.and_then(|path| guard.declared.needs(path.as_str(), &parts.method));
    if needs == Some(Needs::Nothing) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let secret = bearer(&parts.headers);
    let Some(access) = secret.and_then(|secret| guard.service.tokens.find(secret, now())) else {
        return guard.unauthenticated(&parts);
    };
    Trail::authenticated(&parts.extensions, &access.token.id);
    let reading = access.token.meter.count();
    let mut response = match reading.refused_for {
        Some(wait) => refused(&reading, wait),
        None => guard.admit(needs, access, parts, body, next).await,
    };
    tell(&reading, response.headers_mut());
    response
}

impl Guard {
    /// Counted for the address: whoever has a valid token is not hindered by it.
    fn unauthenticated(&self, parts: &Parts) -> Response {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        let Some(reading) = self.failed.of(address).map(|meter| meter.count()) else {
            return Problem::unauthenticated().into_response();
        };
        let mut response = match reading.refused_for {
            Some(wait) => refused(&reading, wait),
            None => Problem::unauthenticated().into_response(),
        };
        tell(&reading, response.headers_mut());
        response
    }

    /// Lets a request with a valid token in, if that is for what the request needs.
    async fn admit(
        &self,
        needs: Option<Needs>,
        access: Arc<Access>,
        mut parts: Parts,
        body: Body,
        next: Next,
    ) -> Response {
        let lane = match allow(needs, &access, &mut parts).await {
            Ok(lane) => lane,
            Err(problem) => return problem.into_response(),
        };
        // First: who asks a lot waits for themselves, and not in the way of others.
        let turn = access.token.begin_request().await;
        let permit = match self.service.enter(lane).await {
            Ok(permit) => permit,
            Err(fault) => return Problem::from(fault).into_response(),
        };
        let places = Places(Arc::new(Mutex::new(vec![turn, Some(permit)])));
        parts.extensions.insert(access);
        parts.extensions.insert(places.clone());
        let response = next.run(Request::from_parts(parts, body)).await;
        places.give_back();
        response
    }
}

/// The places of a request among those that are worked on.
#[derive(Clone)]
pub(super) struct Places(Arc<Mutex<Vec<Option<OwnedSemaphorePermit>>>>);

impl Places {
    /// Others may have them: this one is done, or does nothing but wait from now on.
    pub(super) fn give_back(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Whether a token is for what a request needs. What lies out of its reach is as if it were not
/// there; for what lies within and needs more than its role, it is told so.
async fn allow(needs: Option<Needs>, access: &Access, parts: &mut Parts) -> Result<Lane, Problem> {
    let (role, within) = match needs {
        None => return Err(Problem::not_found("there is no such route")),
        Some(Needs::Nothing) => return Ok(Lane::Health),
        Some(Needs::Sdk) => {
            return match access.token.kind.grant() {
                None => Ok(Lane::Sdk),
                Some(_) => Err(Problem::forbidden("this needs an sdk token")),
            };
        }
        Some(Needs::Role(role, within)) => (role, within),
    };
    let Some(Grant { role: given, reach }) = access.token.kind.grant() else {
        return Err(Problem::forbidden("this needs a personal or service token"));
    };
    if !matches!(within, Within::Everything | Within::Anything) {
        let params = RawPathParams::from_request_parts(parts, &()).await;
        let params = params.map_err(|rejection| Problem::not_found(rejection.body_text()))?;
        let param = |name| params.iter().find(|(found, _)| *found == name).map(|(_, value)| value);
        let Some(p) = param("p") else {
            return Err(Problem::internal("a route of a project without one in its path"));
        };
        if !reach.touches(p) {
            return Err(project::no_project(p).into());
        }
        match (within, param("e")) {
            (Within::Environment, Some(e)) if reach.covers(p, Some(e)) => {}
            (Within::Environment, Some(e)) => return Err(project::no_environment(p, e).into()),
            (Within::Environment, None) => {
                return Err(Problem::internal("a route of an environment without one in its path"));
            }
            (Within::Project, _) if !reach.covers(p, None) => {
                return Err(Problem::forbidden("this needs a token for the whole project"));
            }
            _ => {}
        }
    }
    if within == Within::Everything && *reach != Reach::Everything {
        return Err(Problem::forbidden("this needs a token that is not limited to projects"));
    }
    if *given < role {
        let (role, given) = (role.name(), given.name());
        return Err(Problem::forbidden(format!(
            "this needs the role {role}; the token has {given}"
        )));
    }
    Ok(Lane::Admin)
}

/// The secret, if there is one and no other: of two, a proxy may have looked at the other one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
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

/// What the token that [`check`] let in is for, in the admin API.
pub(super) struct Reaching(pub(super) Reach);

impl<S: Sync> FromRequestParts<S> for Reaching {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Authorized(access) = Authorized::from_request_parts(parts, state).await?;
        let grant = access.token.kind.grant().cloned();
        let grant = grant.ok_or_else(|| Problem::internal("a token that reaches nothing"))?;
        Ok(Self(grant.reach))
    }
}

impl Describes for Reaching {
    fn describe(_: &mut Operation<'_>) {}
}

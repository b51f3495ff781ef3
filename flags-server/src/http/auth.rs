//! The one place where access is checked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use tokio::sync::OwnedSemaphorePermit;

use super::client_address::client_address;
use super::openapi::{Describes, Operation};
use super::problem::Problem;
use super::rate::{refused, tell};
use super::routes::{Declared, Needs, Within};
use super::trace::Trail;
use crate::access::Access;
use crate::quota::AddressMeters;
use crate::service::{Fault, Lane, Service, now, project};
use crate::store::{Grant, Reach, Role};

/// What access is checked with.
pub(super) struct Guard {
    pub(super) service: Arc<Service>,
    pub(super) declared: Declared,
    /// Of requests without a valid token.
    pub(super) failed: AddressMeters,
    pub(super) trusted_proxies: Vec<IpNet>,
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
        let address = client_address(parts, &self.trusted_proxies);
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
        let places = Places(Arc::new(Held {
            service: Arc::clone(&self.service),
            access: Arc::clone(&access),
            lane,
            places: Mutex::default(),
            body: Mutex::default(),
        }));
        // Whoever reads a body takes the places after it: they are not for waiting for a client.
        let has_body = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
        if !has_body && let Err(problem) = places.take().await {
            return problem.into_response();
        }
        parts.extensions.insert(access);
        parts.extensions.insert(places.clone());
        let response = next.run(Request::from_parts(parts, body)).await;
        places.give_back();
        response
    }
}

/// The places of a request among those that are worked on, and the room that its body takes.
#[derive(Clone)]
pub(super) struct Places(Arc<Held>);

struct Held {
    service: Arc<Service>,
    access: Arc<Access>,
    lane: Lane,
    places: Mutex<Vec<OwnedSemaphorePermit>>,
    body: Mutex<Vec<OwnedSemaphorePermit>>,
}

impl Places {
    /// Of a request with this token.
    #[cfg(test)]
    pub(super) fn of(secret: &str, service: &Arc<Service>) -> Self {
        let (service, access) = (Arc::clone(service), service.tokens.find(secret, now()).unwrap());
        let (places, body) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Held { service, access, lane: Lane::Writes, places, body }))
    }

    /// Waits until the request may be worked on.
    pub(super) async fn take(&self) -> Result<(), Problem> {
        let Held { service, access, lane, .. } = &*self.0;
        // First: who asks a lot waits for themselves, and not in the way of others.
        let turn = access.token.begin_request().await;
        let mut places = service.enter(*lane).await?;
        places.extend(turn);
        *lock(&self.0.places) = places;
        Ok(())
    }

    /// Makes room for more bytes of the body.
    pub(super) fn make_room(&self, bytes: usize) -> Result<(), Problem> {
        let Held { service, access, .. } = &*self.0;
        let bytes = u32::try_from(bytes).map_err(|_| Fault::Busy)?;
        let of_token = access.token.body_room(bytes).ok_or(Fault::Busy)?;
        let of_all = service.body_room(bytes).ok_or(Fault::Busy)?;
        lock(&self.0.body).extend([of_token, of_all]);
        Ok(())
    }

    /// Others may have them: this one is done, or does nothing but wait from now on.
    pub(super) fn give_back(&self) {
        lock(&self.0.places).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Sync> FromRequestParts<S> for Places {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let places = parts.extensions.get::<Self>().cloned();
        places.ok_or_else(|| Problem::internal("a route without a check of access"))
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
            (Within::Project, Some(e)) if !reach.covers(p, Some(e)) => {
                return Err(project::no_environment(p, e).into());
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
    let reads = role == Role::Viewer || matches!(parts.method, Method::GET | Method::HEAD);
    Ok(if reads { Lane::Admin } else { Lane::Writes })
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

impl Describes for Places {
    fn describe(_: &mut Operation<'_>) {}
}

impl Describes for Reaching {
    fn describe(_: &mut Operation<'_>) {}
}

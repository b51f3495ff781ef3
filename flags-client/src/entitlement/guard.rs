//! Routes that a contract must grant: a layer for axum.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use flags_core::EntitlementReason;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::feature::{Feature, FeatureValue};
use super::refusal::Refusal;
use super::ruling::{Ruling, Verdict};
use crate::client::Client;

/// A layer for axum that lets requests through whose tenant has a feature, and answers the others
/// with the [`Refusal`].
///
/// Who the tenant is, a function of the service finds in the request: in an extension that the
/// layer which authenticates has left there, above all. A request without a tenant is refused as
/// `tenant_unknown`. With read-only access, requests with safe methods come through (`GET`, `HEAD`,
/// `OPTIONS`, `TRACE`), as those must not change anything. Of a limit, the guard asks whether it is
/// above 0; the service itself asks whether there is [room](crate::Client::limit).
///
/// ```
/// use axum::{Router, http::request::Parts, routing::get};
/// use flags_client::{Client, Feature, Guard};
///
/// const SSO: Feature = Feature::new("sso");
///
/// /// Left in the request by the layer that authenticates.
/// #[derive(Clone)]
/// struct Account {
///     tenant: String,
/// }
///
/// fn router(flags: &Client) -> Router {
///     let sso = Guard::new(flags, &SSO, |request: &Parts| {
///         request.extensions.get::<Account>().map(|account| account.tenant.as_str().into())
///     });
///     Router::new()
///         .route("/sso", get(|| async { "single sign-on" }))
///         .route_layer(sso)
///         .route("/profile", get(|| async { "for everybody" }))
/// }
/// # router(&Client::empty());
/// ```
///
/// A handler that asks for itself returns the refusal: it is a response.
pub struct Guard<T, F> {
    client: Client,
    feature: Feature<T>,
    tenant: F,
}

impl<T, F> Guard<T, F>
where
    T: FeatureValue,
    F: Fn(&Parts) -> Option<Cow<'_, str>>,
{
    /// A guard that asks `client` for `feature` of the tenant that `tenant` finds.
    #[must_use]
    pub fn new(client: &Client, feature: &Feature<T>, tenant: F) -> Self {
        Self { client: client.clone(), feature: *feature, tenant }
    }

    fn judge(&self, request: &Parts) -> Result<(), Refusal> {
        let ruling = match (self.tenant)(request) {
            Some(tenant) => self.client.entitlement(&self.feature, &tenant),
            None => Ruling::without_access(self.feature.key(), EntitlementReason::TenantUnknown),
        };
        match ruling.verdict() {
            Verdict::Allowed => Ok(()),
            Verdict::ReadOnly(_) if request.method.is_safe() => Ok(()),
            Verdict::ReadOnly(refusal) | Verdict::Refused(refusal) => Err(refusal),
        }
    }
}

impl<T, F: Clone> Clone for Guard<T, F> {
    fn clone(&self) -> Self {
        let Self { client, feature, tenant } = self;
        Self { client: client.clone(), feature: *feature, tenant: tenant.clone() }
    }
}

impl<T, F> fmt::Debug for Guard<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("feature", &self.feature).finish_non_exhaustive()
    }
}

impl<S, T, F: Clone> Layer<S> for Guard<T, F> {
    type Service = Guarded<S, T, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded { guard: self.clone(), inner }
    }
}

/// A service behind a [`Guard`].
pub struct Guarded<S, T, F> {
    guard: Guard<T, F>,
    inner: S,
}

impl<S: Clone, T, F: Clone> Clone for Guarded<S, T, F> {
    fn clone(&self) -> Self {
        Self { guard: self.guard.clone(), inner: self.inner.clone() }
    }
}

impl<S, T, F> fmt::Debug for Guarded<S, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl<S, T, F, B> Service<Request<B>> for Guarded<S, T, F>
where
    S: Service<Request<B>, Response = Response>,
    T: FeatureValue,
    F: Fn(&Parts) -> Option<Cow<'_, str>>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = GuardFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        match self.guard.judge(&parts) {
            Ok(()) => GuardFuture::Let { inner: self.inner.call(Request::from_parts(parts, body)) },
            Err(refusal) => GuardFuture::Refused { refusal },
        }
    }
}

pin_project! {
    /// The answer of what is behind a [`Guard`], or the refusal.
    #[project = Projected]
    #[derive(Debug)]
    pub enum GuardFuture<A> {
        #[doc(hidden)]
        Let { #[pin] inner: A },
        #[doc(hidden)]
        Refused { refusal: Refusal },
    }
}

impl<A, E> Future for GuardFuture<A>
where
    A: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projected::Let { inner } => inner.poll(cx),
            Projected::Refused { refusal } => Poll::Ready(Ok(refusal.into_response())),
        }
    }
}

impl IntoResponse for Refusal {
    /// The problem, as `application/problem+json`.
    fn into_response(self) -> Response {
        // Strings and numbers can be written.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::FORBIDDEN);
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

//! HTTP: the routes, and what requests and answers look like. HTTP's types end here.

mod audit;
mod auth;
mod body;
mod docs;
mod environment;
mod erasure;
mod evaluate;
mod export;
mod flag;
mod health;
mod history;
mod list;
mod members;
mod metrics;
mod openapi;
mod path;
mod plan;
mod post;
mod preview;
mod problem;
mod project;
mod propagation;
mod rate;
mod request;
mod routes;
mod schedule;
mod sdk_snapshot;
mod sdk_stream;
mod sdk_telemetry;
mod segment;
mod state;
mod stream_life;
mod table;
mod tenant;
mod token;
mod trace;
mod write;

#[cfg(test)]
mod access_tests;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;

use self::auth::Guard;
use self::problem::Problem;
use self::routes::Routes;
use self::table::routes;
use crate::quota::AddressMeters;
use crate::service::{Fault, Service, panic_message};

/// Everything that the server answers.
pub(crate) fn router(service: Arc<Service>) -> Router {
    guard(routes(), service)
}

/// What every route has around it; the last layer is the outermost one.
fn guard(routes: Routes, service: Arc<Service>) -> Router {
    let Routes { router, declared, .. } = routes;
    let quota = service.tokens.quotas().failed_authentications_per_minute;
    let failed = AddressMeters::new("failed-authentication", quota);
    let guard = Arc::new(Guard { service: Arc::clone(&service), declared, failed });
    router
        .layer(from_fn_with_state(guard, auth::check))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(&service), request::around))
        .with_state(service)
}

/// What went wrong with something that nobody waited for.
pub(crate) fn tell(fault: Fault) -> Value {
    Problem::from(fault).told()
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    Problem::internal(panic_message(&*panic)).into_response()
}

#[cfg(test)]
mod tests {
    use super::routes::{Needs, get};
    use super::*;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

    async fn get_problem(router: Router, path: &str) -> (StatusCode, Value) {
        let request = Request::get(path).header("x-request-id", "r-1").body(Body::empty());
        let response = router.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["instance"], "r-1");
        (status, body)
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_that_does_not_tell_why() {
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = crate::service::tests::start(&dir);
        async fn boom() -> Response {
            panic!("a secret")
        }
        let routes =
            Routes::default().route("/livez", [get(Needs::Nothing, boom).says::<String>("")]);
        let router = guard(routes, service);
        let (status, body) = get_problem(router, "/livez").await;
        assert_eq!((status.as_u16(), &body["code"]), (500, &"internal".into()));
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    /// Whoever gets around the declarations gets no further than anybody.
    #[tokio::test]
    async fn a_route_that_access_was_forgotten_for_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = crate::service::tests::start(&dir);
        let mut routes = Routes::default();
        routes.router = routes.router.route("/forgotten", axum::routing::get(health::live));
        let router = guard(routes, service);
        let (status, body) = get_problem(router.clone(), "/forgotten").await;
        assert_eq!((status.as_u16(), &body["code"]), (401, &"unauthenticated".into()));
        let request = Request::get("/forgotten").header("authorization", "Bearer secret");
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 404);
    }

    #[tokio::test]
    async fn a_stopping_server_is_not_ready() {
        let dir = tempfile::tempdir().unwrap();
        let stop = CancellationToken::new();
        let (service, _) = crate::service::tests::start_until(&dir, stop.clone());
        stop.cancel();
        let (status, body) = get_problem(router(service), "/readyz").await;
        assert_eq!((status.as_u16(), &body["code"]), (503, &"not_ready".into()));
        assert_eq!(body["detail"], "the server is stopping");
    }
}

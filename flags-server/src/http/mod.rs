//! HTTP: the routes, and what requests and answers look like. HTTP's types end here.

mod auth;
mod body;
mod environment;
mod evaluate;
mod flag;
mod health;
mod list;
mod members;
mod path;
mod preview;
mod problem;
mod project;
mod request;
mod sdk_snapshot;
mod sdk_stream;
mod segment;
mod state;
mod tenant;
mod token;
mod write;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;

use self::problem::Problem;
use crate::service::{Service, panic_message};

/// Everything that the server answers.
pub(crate) fn router(service: Arc<Service>) -> Router {
    let projects = Router::new()
        .route("/api/v1/projects", get(project::list).post(project::create))
        .route("/api/v1/projects/{p}", get(project::get).patch(project::rename))
        .route(
            "/api/v1/projects/{p}/environments",
            get(environment::list).post(environment::create),
        )
        .route(
            "/api/v1/projects/{p}/environments/{e}",
            get(environment::get).patch(environment::rename),
        )
        .route("/api/v1/projects/{p}/flags", get(flag::list).post(flag::create))
        .route(
            "/api/v1/projects/{p}/flags/{flag}",
            get(flag::get).put(flag::put).patch(flag::patch),
        );
    // All of these are below one environment.
    let at = |rest: &str| format!("/api/v1/projects/{{p}}/environments/{{e}}{rest}");
    let states = Router::new()
        .route(&at("/flags"), get(state::list))
        .route(&at("/flags/{flag}"), get(state::get).put(state::put).patch(state::patch))
        .route(&at("/flags/{flag}/on"), post(state::on))
        .route(&at("/flags/{flag}/off"), post(state::off))
        .route(&at("/flags/{flag}/rollout"), post(state::rollout))
        .route(&at("/flags/{flag}/tenants/{tenant}"), put(state::target).delete(state::untarget));
    let segments = Router::new()
        .route(&at("/segments"), get(segment::list).post(segment::create))
        .route(
            &at("/segments/{segment}"),
            get(segment::get).put(segment::put).patch(segment::patch).delete(segment::delete),
        )
        .route(&at("/segments/{segment}/members"), get(members::list).post(members::change))
        .route(&at("/tenants"), get(tenant::list).post(tenant::upsert))
        .route(
            &at("/tenants/{tenant}"),
            get(tenant::get).put(tenant::put).patch(tenant::patch).delete(tenant::delete),
        )
        .route(&at("/preview"), post(preview::summary))
        .route(&at("/preview/tenants"), post(preview::tenants))
        .route(&at("/evaluate"), post(evaluate::evaluate))
        .route(&at("/explain"), post(evaluate::explain));
    let others = Router::new()
        .route("/api/v1/tokens", get(token::list).post(token::create))
        .route("/api/v1/tokens/{id}", delete(token::revoke))
        .route("/sdk/v1/snapshot", get(sdk_snapshot::get))
        .route("/sdk/v1/stream", get(sdk_stream::get))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready));
    guard(projects.merge(states).merge(segments).merge(others), service)
}

/// What every route has around it; the last layer is the outermost one.
fn guard(routes: Router<Arc<Service>>, service: Arc<Service>) -> Router {
    routes
        .layer(from_fn_with_state(Arc::clone(&service), auth::check))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(request::around))
        .with_state(service)
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    Problem::internal(panic_message(&*panic)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use serde_json::Value;
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
        let router = guard(Router::new().route("/livez", get(boom)), service);
        let (status, body) = get_problem(router, "/livez").await;
        assert_eq!((status.as_u16(), &body["code"]), (500, &"internal".into()));
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn a_route_that_access_was_forgotten_for_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = crate::service::tests::start(&dir);
        let router = guard(Router::new().route("/metrics", get(health::live)), service);
        let (status, body) = get_problem(router, "/metrics").await;
        assert_eq!((status.as_u16(), &body["code"]), (404, &"not_found".into()));
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

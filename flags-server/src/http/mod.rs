//! HTTP: the routes, and what requests and answers look like. HTTP's types end here.

mod auth;
mod body;
mod environment;
mod evaluate;
mod flag;
mod health;
mod list;
mod path;
mod problem;
mod project;
mod request;
mod sdk_snapshot;
mod sdk_stream;
mod segment;
mod state;
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
        .route(&at("/evaluate"), post(evaluate::evaluate))
        .route(&at("/explain"), post(evaluate::explain));
    let others = Router::new()
        .route("/api/v1/tokens", get(token::list).post(token::create))
        .route("/api/v1/tokens/{id}", delete(token::revoke))
        .route("/sdk/v1/snapshot", get(sdk_snapshot::get))
        .route("/sdk/v1/stream", get(sdk_stream::get))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready));
    // The last layer is the outermost one.
    projects
        .merge(states)
        .merge(segments)
        .merge(others)
        .layer(from_fn_with_state(Arc::clone(&service), auth::check))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(request::around))
        .with_state(service)
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    Problem::internal(panic_message(&*panic)).into_response()
}

//! `/livez` and `/readyz`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::problem::Problem;
use crate::service::{Lane, Service};

/// What there is to say where all is well.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Fine {
    status: &'static str,
}

pub(super) async fn live() -> Response {
    Json(Fine { status: "ok" }).into_response()
}

pub(super) async fn ready(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    if service.is_stopping() {
        return Err(Problem::not_ready("the server is stopping"));
    }
    if !service.is_writing() {
        return Err(Problem::not_ready("the writer is not running"));
    }
    if service.read_in(Lane::Health, |view| Ok(view.epoch()?)).await.is_err() {
        return Err(Problem::not_ready("the database cannot be read"));
    }
    if let Some(fault) = service.write_fault().await {
        return Err(Problem::not_ready(&fault));
    }
    Ok(live().await)
}

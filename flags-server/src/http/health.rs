//! `/livez` and `/readyz`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::problem::Problem;
use crate::service::{Lane, Service};

pub(super) async fn live() -> Response {
    Json(json!({"status": "ok"})).into_response()
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

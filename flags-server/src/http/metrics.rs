//! `/metrics`

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus::TEXT_FORMAT;

use super::problem::Problem;
use crate::service::Service;

pub(super) async fn get(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let text = service.metrics_text().await?;
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}

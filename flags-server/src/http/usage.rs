//! `/api/v1/projects/{p}/environments/{e}/tenants/{tenant}/usage/{feature}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use flags_core::Shape;

use super::body::{Checked, Shaped};
use super::problem::Problem;
use super::seat::{Quadruple, path};
use crate::service::uses::usage::{self, Report};
use crate::service::{Author, Service, Unit, now};

impl Shaped for Report {
    const SHAPE: &'static Shape = Self::SHAPE;
    const EXAMPLE: &'static str = r#"{"used": 812, "at": "2026-11-21T09:41:07Z"}"#;
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    keys: Quadruple,
) -> Result<Response, Problem> {
    let path = path(keys);
    let usage = service.read(move |view| usage::get(view, &path, now())).await?;
    Ok(Json(usage).into_response())
}

pub(super) async fn put(
    State(service): State<Arc<Service>>,
    keys: Quadruple,
    author: Author,
    Checked(report): Checked<Report>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let put = move |unit: &mut Unit<'_>| usage::put(unit, &path, &report);
    Ok(Json(service.write(author, put).await?).into_response())
}

//! `/api/v1/erasures`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use flags_core::{Field, Shape, Text};
use serde::Deserialize;

use super::body::{Checked, Shaped};
use super::problem::Problem;
pub(super) use crate::service::erase::Report;
use crate::service::erase::{ERASABLE, Erasure, erase, look};
use crate::service::{Author, Service};

#[derive(Deserialize)]
pub(super) struct Wanted {
    kind: String,
    key: String,
    project: Option<String>,
    dry_run: Option<bool>,
}

impl Shaped for Wanted {
    const EXAMPLE: &'static str = r#"{"kind": "user", "key": "ada@example.com", "dry_run": true}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("kind", &Shape::Text(&Text::KEY))
            .says("Whose key it is, such as `user` or `tenant`."),
        Field::required("key", &Shape::Text(&ERASABLE)).says("The key that is to go."),
        Field::optional("project", &Shape::Nullable(&Shape::Text(&Text::KEY)))
            .says("One project; all of them where it is left out."),
        Field::optional("dry_run", &Shape::Boolean).says("Whether only to tell what would go."),
    ]);
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    author: Author,
    Checked(wanted): Checked<Wanted>,
) -> Result<Response, Problem> {
    let erasure = Erasure::new(wanted.kind, wanted.key, wanted.project)?;
    let dry_run = wanted.dry_run.unwrap_or_default();
    if dry_run {
        let report = service.read(move |view| look(view, &erasure, |_| ())).await?;
        return Ok(Json(report).into_response());
    }
    // By itself: it goes on when the client goes away.
    let erased = tokio::spawn(async move { erase(&service, author, erasure, |_| ()).await });
    let report = erased.await.map_err(|error| Problem::internal(error.to_string()))??;
    Ok(Json(report).into_response())
}

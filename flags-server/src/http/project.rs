//! `/api/v1/projects`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use flags_core::{Field, Shape, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::Reaching;
use super::body::{Checked, Nothing, Shaped};
use super::list::Archivable;
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use crate::service::text::NAME;
use crate::service::{Author, Service, Unit, archive, project};
use crate::store::Project;

/// What creates a project or an environment.
#[derive(Deserialize)]
pub(super) struct Create {
    pub(super) key: String,
    pub(super) name: Option<String>,
}

impl Shaped for Create {
    const EXAMPLE: &'static str = r#"{"key": "shop", "name": "The shop"}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("key", &Shape::Text(&Text::KEY)).says(
            "The key, which never changes: it stands in addresses and in what services are told.",
        ),
        Field::optional("name", &Shape::Nullable(&Shape::Text(&NAME)))
            .says("What people call it; the key where it is left out."),
    ]);
}

/// What renames one.
#[derive(Deserialize)]
pub(super) struct Rename {
    pub(super) name: String,
}

impl Shaped for Rename {
    const EXAMPLE: &'static str = r#"{"name": "The shop"}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[Field::required("name", &Shape::Text(&NAME))]);
}

/// A project.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Project")]
pub(super) struct Shown {
    key: String,
    name: String,
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    archived_at: Option<String>,
}

fn show(project: Project) -> Shown {
    let created_at = project.created_at.to_string();
    let archived_at = project.archived_at.map(|at| at.to_string());
    Shown { key: project.key, name: project.name, created_at, archived_at }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Reaching(reach): Reaching,
    Archivable(query): Archivable,
) -> Result<Response, Problem> {
    let page = query.page();
    let projects = service.read(move |view| project::list(view, &reach, &page)).await?;
    Ok(query.answer(projects, |project| &project.key, show))
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    post: Post,
    Checked(body): Checked<Create>,
) -> Result<Response, Problem> {
    let create = move |unit: &mut Unit<'_>| {
        let name = body.name.as_deref().unwrap_or(&body.key);
        project::create(unit, &body.key, name)
    };
    let answer = |project: Project| {
        let location = [(LOCATION, format!("/api/v1/projects/{}", project.key))];
        (StatusCode::CREATED, location, Json(show(project))).into_response()
    };
    post.run(&service, create, answer).await
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    Keys(key): Keys<String>,
) -> Result<Response, Problem> {
    let project = service.read(move |view| project::find_any(view, &key)).await?;
    Ok(Json(show(project)).into_response())
}

pub(super) async fn rename(
    State(service): State<Arc<Service>>,
    Keys(key): Keys<String>,
    author: Author,
    Checked(body): Checked<Rename>,
) -> Result<Response, Problem> {
    let project = service.write(author, move |unit| project::rename(unit, &key, &body.name));
    Ok(Json(show(project.await?)).into_response())
}

pub(super) async fn archive(
    service: State<Arc<Service>>,
    keys: Keys<String>,
    post: Post,
    _: Nothing,
) -> Result<Response, Problem> {
    put_away(service, keys, post, true).await
}

pub(super) async fn restore(
    service: State<Arc<Service>>,
    keys: Keys<String>,
    post: Post,
    _: Nothing,
) -> Result<Response, Problem> {
    put_away(service, keys, post, false).await
}

async fn put_away(
    State(service): State<Arc<Service>>,
    Keys(key): Keys<String>,
    post: Post,
    archive: bool,
) -> Result<Response, Problem> {
    let verb = move |unit: &mut Unit<'_>| archive::project(unit, &key, archive);
    post.run(&service, verb, |project| Json(show(project)).into_response()).await
}

//! `/api/v1/projects/{p}/flags`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use flags_core::{FLAG_TYPE, Text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::body::{Definition, Form, Nothing};
use super::list::Archivable;
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use super::write::etag;
use crate::schema::{Body, of_shape, text, with_values};
use crate::service::model::{Flag, Revisions, SharedFlag};
use crate::service::{Author, Precondition, Service, Unit, archive, flag};

/// What environments share of a flag.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Flag")]
pub(super) struct Shown {
    key: String,
    #[serde(flatten)]
    shared: SharedFlag,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    archived_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revisions: Option<Revisions>,
}

/// A flag that is to be created.
pub(super) struct New;

/// One that is to be what a body says, and may be there already.
pub(super) struct Whole;

/// Members of one.
pub(super) struct Patch;

impl Form for New {
    const NAME: &'static str = "NewFlag";
    const EXAMPLE: &'static str = r#"{"key": "new-checkout", "type": "boolean",
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "off_variant": "off", "fallthrough": "on", "name": "New checkout", "owner": "payments",
        "tags": ["checkout"], "permanent": false, "expiry": "2027-03-01T00:00:00Z"}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let body = Body::of(&flag::CREATE, generator).with("key", text(&Text::KEY)).requires("key");
        begins(body.sent_back_as_new())
    }
}

impl Form for Whole {
    const NAME: &'static str = "WholeFlag";
    const EXAMPLE: &'static str = r#"{
        "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
        "name": "New checkout", "owner": "payments", "tags": ["checkout"]}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        // What creates one says more than what replaces it.
        let key = text(&Text::KEY);
        let create = Body::of(&flag::CREATE, generator).with("key", key.clone());
        let flag_type = of_shape(&FLAG_TYPE, generator);
        let update = Body::of(&flag::UPDATE, generator).with("key", key).with("type", flag_type);
        json_schema!({"anyOf": [update.sent_back().schema(), begins(create.sent_back_as_new())]})
    }
}

impl Form for Patch {
    const NAME: &'static str = "FlagPatch";
    const EXAMPLE: &'static str = r#"{"owner": "payments", "expiry": null}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let flag_type = of_shape(&FLAG_TYPE, generator);
        let patch = Body::of(&flag::UPDATE, generator).patch();
        patch.with("key", text(&Text::KEY)).with("type", flag_type).sent_back().schema()
    }
}

/// What creates a flag says with which variants it begins, unless it is only on or off.
fn begins(body: Body) -> Schema {
    with_values(body.schema(), &["variants", "off_variant", "fallthrough"], true)
}

fn show(flag: Flag) -> Shown {
    let Flag { key, shared, version, archived_at, revisions } = flag;
    let archived_at = archived_at.map(|at| at.to_string());
    Shown { key, shared, version, archived_at, revisions }
}

fn answer(flag: Flag) -> Response {
    (etag(flag.version), Json(show(flag))).into_response()
}

fn created(project: &str, flag: Flag) -> Response {
    let location = [(LOCATION, format!("/api/v1/projects/{project}/flags/{}", flag.key))];
    (StatusCode::CREATED, location, answer(flag)).into_response()
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Keys(project): Keys<String>,
    Archivable(query): Archivable,
) -> Result<Response, Problem> {
    let page = query.page();
    let flags = service.read(move |view| flag::list(view, &project, &page)).await?;
    Ok(query.answer(flags, |flag| &flag.key, show))
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    Keys(project): Keys<String>,
    post: Post,
    Definition(body, ..): Definition<New>,
) -> Result<Response, Problem> {
    let key = project.clone();
    let create = move |unit: &mut Unit<'_>| flag::create(unit, &key, None, body);
    post.run(&service, create, move |flag| created(&project, flag)).await
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
) -> Result<Response, Problem> {
    Ok(answer(service.read(move |view| flag::get(view, &project, &key)).await?))
}

pub(super) async fn put(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
    precondition: Precondition,
    author: Author,
    Definition(body, ..): Definition<Whole>,
) -> Result<Response, Problem> {
    let creates = precondition == Precondition::Absent;
    let of = project.clone();
    let flag =
        service.write(author, move |unit| flag::put(unit, &of, &key, &precondition, body)).await?;
    Ok(if creates { created(&project, flag) } else { answer(flag) })
}

pub(super) async fn patch(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
    precondition: Precondition,
    author: Author,
    Definition(body, ..): Definition<Patch>,
) -> Result<Response, Problem> {
    let flag =
        service.write(author, move |unit| flag::patch(unit, &project, &key, &precondition, body));
    Ok(answer(flag.await?))
}

pub(super) async fn archive(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
    precondition: Precondition,
    post: Post,
    _: Nothing,
) -> Result<Response, Problem> {
    let archive =
        move |unit: &mut Unit<'_>| archive::archive_flag(unit, &project, &key, &precondition);
    post.run(&service, archive, answer).await
}

pub(super) async fn restore(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
    precondition: Precondition,
    post: Post,
    _: Nothing,
) -> Result<Response, Problem> {
    let restore =
        move |unit: &mut Unit<'_>| archive::restore_flag(unit, &project, &key, &precondition);
    post.run(&service, restore, answer).await
}

//! `/api/v1/projects/{p}/environments/{e}/segments`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use flags_core::{SEGMENT, Text};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::json;

use super::body::{Definition, Form, Nothing};
use super::list::ListQuery;
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use super::write::{Deleted, etag};
use crate::schema::{Body, text};
use crate::service::model::{Segment, SegmentDocument};
use crate::service::segment::{self, Path};
use crate::service::{Author, Precondition, Service, Unit};
use crate::store::MemberCounts;

pub(super) type Triple = Keys<(String, String, String)>;

/// A segment; without its lists where they are long.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Segment")]
pub(super) struct Shown {
    key: String,
    #[serde(flatten)]
    document: SegmentDocument,
    #[serde(flatten)]
    lists: Option<Lists>,
    member_counts: Counts,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MemberLists")]
struct Lists {
    included: Vec<String>,
    excluded: Vec<String>,
}

/// How many keys the lists have, also where they are too long to be shown.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MemberCounts")]
pub(super) struct Counts {
    included: u64,
    excluded: u64,
}

impl From<MemberCounts> for Counts {
    fn from(counts: MemberCounts) -> Self {
        let MemberCounts { included, excluded, .. } = counts;
        Self { included, excluded }
    }
}

/// A segment that is to be created.
pub(super) struct New;

/// One that is to be what a body says, and may be there already.
pub(super) struct Whole;

/// Members of one.
pub(super) struct Patch;

fn named(body: Body) -> Body {
    body.with("key", text(&Text::KEY)).with("member_counts", json!({"type": "object"}))
}

impl Form for New {
    const NAME: &'static str = "NewSegment";
    const EXAMPLE: &'static str = r#"{"key": "beta-tenants", "kind": "tenant", "included": ["acme"],
        "when": {"attribute": "tenant.plan", "op": "equals", "values": ["pro"]}}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        named(Body::of(&SEGMENT, generator)).requires("key").sent_back_as_new().schema()
    }
}

impl Form for Whole {
    const NAME: &'static str = "WholeSegment";
    const EXAMPLE: &'static str =
        r#"{"kind": "tenant", "included": ["acme"], "excluded": [], "when": null}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        named(Body::of(&SEGMENT, generator)).sent_back().schema()
    }
}

impl Form for Patch {
    const NAME: &'static str = "SegmentPatch";
    const EXAMPLE: &'static str = r#"{"included": ["acme", "globex"]}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        named(Body::of(&SEGMENT, generator).patch()).sent_back().schema()
    }
}

fn show(segment: Segment) -> Shown {
    let Segment { key, document, lists, members, version, revision } = segment;
    let lists = lists.map(|[included, excluded]| Lists { included, excluded });
    Shown { key, document, lists, member_counts: members.into(), version, revision }
}

fn answer(segment: Segment) -> Response {
    (etag(segment.version), Json(show(segment))).into_response()
}

fn created(project: &str, environment: &str, segment: Segment) -> Response {
    let key = &segment.key;
    let path = format!("/api/v1/projects/{project}/environments/{environment}/segments/{key}");
    (StatusCode::CREATED, [(LOCATION, path)], answer(segment)).into_response()
}

pub(super) fn path(Keys((project, environment, segment)): Triple) -> Path {
    Path { project, environment, segment }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    query: ListQuery,
) -> Result<Response, Problem> {
    let page = query.page();
    let segments = service.read(move |view| segment::list(view, &project, &environment, &page));
    Ok(query.answer(segments.await?, |segment| &segment.key, show))
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    post: Post,
    Definition(body, ..): Definition<New>,
) -> Result<Response, Problem> {
    let (p, e) = (project.clone(), environment.clone());
    let create = move |unit: &mut Unit<'_>| segment::create(unit, &p, &e, None, body);
    post.run(&service, create, move |segment| created(&project, &environment, segment)).await
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    keys: Triple,
) -> Result<Response, Problem> {
    let path = path(keys);
    Ok(answer(service.read(move |view| segment::get(view, &path)).await?))
}

pub(super) async fn put(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    Definition(body, ..): Definition<Whole>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let creates = precondition == Precondition::Absent;
    let (project, environment) = (path.project.clone(), path.environment.clone());
    let segment =
        service.write(author, move |unit| segment::put(unit, &path, &precondition, body)).await?;
    Ok(if creates { created(&project, &environment, segment) } else { answer(segment) })
}

pub(super) async fn patch(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    Definition(body, ..): Definition<Patch>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let segment =
        service.write(author, move |unit| segment::patch(unit, &path, &precondition, body)).await?;
    Ok(answer(segment))
}

pub(super) async fn delete(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    let path = path(keys);
    let revision =
        service.write(author, move |unit| segment::delete(unit, &path, &precondition)).await?;
    Ok(Json(Deleted { revision }).into_response())
}

//! `/api/v1/projects/{p}/environments/{e}/tenants/{tenant}/overrides` and `…/blocks`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use flags_core::{BlockDefinition, Text};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;

use super::body::{Checked, Definition, Form, Nothing, Shaped};
use super::list::ListQuery;
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use super::tenant::{Triple, path as tenant_path};
use super::write::etag;
use crate::schema::{self, Body, text, with_modes};
use crate::service::contract::NotedOverride;
use crate::service::contract::blocks::{self, Block, Blocks};
use crate::service::contract::overrides::{self, Override, Path};
use crate::service::tenant::shape::NEW_OVERRIDE;
use crate::service::tenant::{Path as TenantPath, Written};
use crate::service::uses::Over;
use crate::service::{Author, Precondition, Service, Unit};

type Quadruple = Keys<(String, String, String, String)>;

/// An exception of a contract.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Override")]
pub(super) struct Shown {
    #[serde(flatten)]
    #[schemars(schema_with = "schema::noted_override")]
    noted: NotedOverride,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// After a write: what the tenant uses above its limits, where there is something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    over_limit: Vec<Over>,
}

/// What there is to say of an override that is gone.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeletedOverride")]
pub(super) struct Deleted {
    revision: u64,
    /// What the tenant now uses above its limits, where there is something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    over_limit: Vec<Over>,
}

/// What takes a tenant's access away.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Blocks")]
pub(super) struct ShownBlocks {
    #[schemars(schema_with = "schema::blocks")]
    blocks: Vec<BlockDefinition>,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// After a write: what the tenant uses above its limits, where there is something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    over_limit: Vec<Over>,
}

/// An override that is to be made.
pub(super) struct New;

/// One that is to be what a body says, and may be there already.
pub(super) struct Whole;

impl Form for New {
    const NAME: &'static str = "NewOverride";
    const EXAMPLE: &'static str = r#"{"feature": "seats", "mode": "at_least", "value": 50,
        "end": "2027-01-01T00:00:00Z", "contract": "order 4711", "reason": "signed before the price change"}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let body = Body::of(&NEW_OVERRIDE, generator).may_lack("id");
        let body = body.with("over_limit", json_schema!({"type": "array"}));
        with_modes(body.sent_back_as_new().schema())
    }
}

impl Form for Whole {
    const NAME: &'static str = "WholeOverride";
    const EXAMPLE: &'static str = r#"{"feature": "seats", "mode": "at_least", "value": 60,
        "review_at": "2027-06-01T00:00:00Z", "reason": "they stay"}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let body = Body::of(&NEW_OVERRIDE, generator).may_lack("id").sent_back();
        let body = body.with("created_at", text(&Text::TIME)).with("actor", Value::Bool(true));
        let body = body.with("over_limit", json_schema!({"type": "array"}));
        with_modes(body.schema())
    }
}

impl Shaped for Block {
    const SHAPE: &'static flags_core::Shape = Self::SHAPE;
    const EXAMPLE: &'static str = r#"{"effect": "read_only"}"#;
}

fn show(found: Override) -> Shown {
    let Override { noted, revision, over_limit } = found;
    Shown { noted, revision, over_limit }
}

fn answer(found: Override) -> Response {
    (etag(found.noted.note.version), Json(show(found))).into_response()
}

fn created(TenantPath { project, environment, tenant }: &TenantPath, made: Override) -> Response {
    let tenant = utf8_percent_encode(tenant, NON_ALPHANUMERIC);
    let (at, id) = (
        format!("/api/v1/projects/{project}/environments/{environment}/tenants/{tenant}"),
        &made.noted.definition.id,
    );
    (StatusCode::CREATED, [(LOCATION, format!("{at}/overrides/{id}"))], answer(made))
        .into_response()
}

fn path(Keys((project, environment, tenant, id)): Quadruple) -> Path {
    Path { tenant: TenantPath { project, environment, tenant }, id }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    keys: Triple,
    query: ListQuery,
) -> Result<Response, Problem> {
    let (path, page) = (tenant_path(keys), query.page());
    let found = service.read(move |view| overrides::list(view, &path, &page)).await?;
    Ok(query.answer(found, |found| &found.noted.definition.id, show))
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    keys: Triple,
    post: Post,
    Definition(body, ..): Definition<New>,
) -> Result<Response, Problem> {
    let path = tenant_path(keys);
    let of = path.clone();
    let create = move |unit: &mut Unit<'_>| overrides::create(unit, &of, None, body);
    post.run(&service, create, move |made| created(&path, made)).await
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    keys: Quadruple,
) -> Result<Response, Problem> {
    let path = path(keys);
    Ok(answer(service.read(move |view| overrides::get(view, &path)).await?))
}

pub(super) async fn put(
    State(service): State<Arc<Service>>,
    keys: Quadruple,
    precondition: Precondition,
    author: Author,
    Definition(body, ..): Definition<Whole>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let (creates, tenant) = (precondition == Precondition::Absent, path.tenant.clone());
    let put = move |unit: &mut Unit<'_>| overrides::put(unit, &path, &precondition, body);
    let found = service.write(author, put).await?;
    Ok(if creates { created(&tenant, found) } else { answer(found) })
}

pub(super) async fn delete(
    State(service): State<Arc<Service>>,
    keys: Quadruple,
    precondition: Precondition,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    let path = path(keys);
    let delete = move |unit: &mut Unit<'_>| overrides::delete(unit, &path, &precondition);
    let Written { revision, over_limit } = service.write(author, delete).await?;
    Ok(Json(Deleted { revision, over_limit }).into_response())
}

fn show_blocks(found: Blocks) -> Response {
    let Blocks { blocks, version, revision, over_limit } = found;
    (etag(version), Json(ShownBlocks { blocks, version, revision, over_limit })).into_response()
}

pub(super) async fn list_blocks(
    State(service): State<Arc<Service>>,
    keys: Triple,
) -> Result<Response, Problem> {
    let path = tenant_path(keys);
    Ok(show_blocks(service.read(move |view| blocks::list(view, &path)).await?))
}

pub(super) async fn block(
    State(service): State<Arc<Service>>,
    Keys((project, environment, tenant, lane)): Quadruple,
    precondition: Precondition,
    author: Author,
    Checked(block): Checked<Block>,
) -> Result<Response, Problem> {
    let path = TenantPath { project, environment, tenant };
    let set =
        move |unit: &mut Unit<'_>| blocks::set(unit, &path, &lane, &precondition, Some(block));
    Ok(show_blocks(service.write(author, set).await?))
}

pub(super) async fn unblock(
    State(service): State<Arc<Service>>,
    Keys((project, environment, tenant, lane)): Quadruple,
    precondition: Precondition,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    let path = TenantPath { project, environment, tenant };
    let set = move |unit: &mut Unit<'_>| blocks::set(unit, &path, &lane, &precondition, None);
    Ok(show_blocks(service.write(author, set).await?))
}

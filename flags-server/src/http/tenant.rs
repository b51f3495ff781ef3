//! `/api/v1/projects/{p}/environments/{e}/tenants`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use flags_core::{TenantDefinition, Text};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::body::{Bulk, Definition, Form, Nothing, check, parse};
use super::list::ListQuery;
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use super::write::{Deleted, etag};
use crate::schema::{self, Body, of_shape, patched_attributes, text};
use crate::service::tenant::shape::WHOLE;
use crate::service::tenant::{self, Path, Tenant, Upserts};
use crate::service::uses::Over;
use crate::service::{Author, Precondition, Service, Unit};

pub(super) type Triple = Keys<(String, String, String)>;

/// What is stored of a tenant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tenant")]
pub(super) struct Shown {
    key: String,
    #[serde(flatten)]
    #[schemars(schema_with = "schema::tenant")]
    definition: TenantDefinition,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// After a write: what the tenant uses above its limits, where there is something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    over_limit: Vec<Over>,
}

/// What came of storing many.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StoredTenants")]
pub(super) struct ShownUpserts {
    created: usize,
    updated: usize,
    unchanged: usize,
    revision: u64,
    /// What these tenants use above their limits, where there is something: the first 100.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    over_limit: Vec<Over>,
    /// How much there is of it; `null` where more is used than one request looks at.
    #[serde(skip_serializing_if = "Option::is_none")]
    over_limit_total: Option<Option<u64>>,
}

/// A tenant that is to be what a body says.
pub(super) struct Whole;

/// Attributes of one.
pub(super) struct Patch;

impl Form for Whole {
    const NAME: &'static str = "WholeTenant";
    const EXAMPLE: &'static str = r#"{"attributes": {"country": "DE", "employees": 120}, "plan": "pro", "plan_version": 3,
        "addons": [{"addon": "seats-10", "quantity": 2}]}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        sent_back(Body::of(&WHOLE, generator))
    }
}

impl Form for Patch {
    const NAME: &'static str = "TenantPatch";
    const EXAMPLE: &'static str = r#"{"attributes": {"country": "FR", "trial": null}}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let body = Body::of(&WHOLE, generator).patch();
        sent_back(body.with("attributes", patched_attributes()))
    }
}

impl Form for Upserts {
    const NAME: &'static str = "TenantsUpsert";
    const EXAMPLE: &'static str = r#"{"tenants": [{"key": "acme", "attributes": {"country": "DE"}, "plan": "pro", "plan_version": 3}]}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        of_shape(Self::SHAPE, generator)
    }
}

fn sent_back(body: Body) -> Schema {
    body.with("key", text(&Text::CONTEXT_KEY))
        .with("plan_since", text(&Text::TIME))
        .with("over_limit", json_schema!({"type": "array"}))
        .sent_back()
        .schema()
}

/// Overrides and blocks have routes of their own.
fn show(tenant: Tenant) -> Shown {
    let Tenant { key, mut definition, version, revision, over_limit, .. } = tenant;
    definition.contract.overrides.clear();
    definition.contract.blocks.clear();
    Shown { key, definition, version, revision, over_limit }
}

fn answer(tenant: Tenant) -> Response {
    (etag(tenant.version), Json(show(tenant))).into_response()
}

pub(super) fn path(Keys((project, environment, tenant)): Triple) -> Path {
    Path { project, environment, tenant }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    query: ListQuery,
) -> Result<Response, Problem> {
    let page = query.page();
    let tenants = service.read(move |view| tenant::list(view, &project, &environment, &page));
    Ok(query.answer(tenants.await?, |tenant| &tenant.key, show))
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    keys: Triple,
) -> Result<Response, Problem> {
    let path = path(keys);
    Ok(answer(service.read(move |view| tenant::get(view, &path)).await?))
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
    // A key of a context may have any characters.
    let place = format!(
        "/api/v1/projects/{}/environments/{}/tenants/{}",
        path.project,
        path.environment,
        utf8_percent_encode(&path.tenant, NON_ALPHANUMERIC)
    );
    let tenant =
        service.write(author, move |unit| tenant::put(unit, &path, &precondition, body)).await?;
    if creates {
        return Ok((StatusCode::CREATED, [(LOCATION, place)], answer(tenant)).into_response());
    }
    Ok(answer(tenant))
}

pub(super) async fn patch(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    Definition(body, ..): Definition<Patch>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let tenant =
        service.write(author, move |unit| tenant::patch(unit, &path, &precondition, body)).await?;
    Ok(answer(tenant))
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
        service.write(author, move |unit| tenant::delete(unit, &path, &precondition)).await?;
    Ok(Json(Deleted { revision }).into_response())
}

pub(super) async fn upsert(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    post: Post,
    Bulk(body, ..): Bulk<Upserts>,
) -> Result<Response, Problem> {
    let upserts = service.compute(move || read(&body)).await??;
    let verb = move |unit: &mut Unit<'_>| tenant::upsert(unit, &project, &environment, &upserts);
    let answer = |upserted| {
        let tenant::Upserted { created, updated, unchanged, revision, over_limit } = upserted;
        let over_limit_total = Some(over_limit.known_total()).filter(|known| *known != Some(0));
        let over_limit = over_limit.first;
        let shown =
            ShownUpserts { created, updated, unchanged, revision, over_limit, over_limit_total };
        Json(shown).into_response()
    };
    post.run(&service, verb, answer).await
}

fn read(body: &[u8]) -> Result<Upserts, Problem> {
    let value = parse(body)?;
    check(Upserts::SHAPE, &value)?;
    let upserts: Upserts =
        serde_json::from_value(value).map_err(|error| Problem::internal(error.to_string()))?;
    upserts.check()?;
    Ok(upserts)
}

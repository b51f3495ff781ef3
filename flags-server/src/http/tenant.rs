//! `/api/v1/projects/{p}/environments/{e}/tenants`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use flags_core::TenantDefinition;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::json;

use super::body::{Bulk, Definition, Nothing, check, parse};
use super::list::ListQuery;
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use super::write::etag;
use crate::service::tenant::{self, Path, Tenant, Upserts};
use crate::service::{Author, Precondition, Service, Unit};

type Triple = Keys<(String, String, String)>;

#[derive(Serialize)]
struct Shown {
    key: String,
    #[serde(flatten)]
    definition: TenantDefinition,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

fn show(tenant: Tenant) -> Shown {
    let Tenant { key, definition, version, revision } = tenant;
    Shown { key, definition, version, revision }
}

fn answer(tenant: Tenant) -> Response {
    (etag(tenant.version), Json(show(tenant))).into_response()
}

fn path(Keys((project, environment, tenant)): Triple) -> Path {
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
    Definition(body): Definition,
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
    Definition(body): Definition,
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
    Ok(Json(json!({ "revision": revision })).into_response())
}

pub(super) async fn upsert(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    post: Post,
    Bulk(body): Bulk,
) -> Result<Response, Problem> {
    let upserts = service.compute(move || read(&body)).await??;
    let verb = move |unit: &mut Unit<'_>| tenant::upsert(unit, &project, &environment, &upserts);
    let answer = |upserted| {
        let tenant::Upserted { created, updated, unchanged, revision } = upserted;
        Json(json!({"created": created, "updated": updated, "unchanged": unchanged,
                    "revision": revision}))
        .into_response()
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

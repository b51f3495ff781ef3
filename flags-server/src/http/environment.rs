//! `/api/v1/projects/{p}/environments`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use flags_core::{Epoch, MAX_PLAN_VERSIONS, MAX_RULES, MAX_TENANT_OVERRIDES};
use schemars::JsonSchema;
use serde::Serialize;

use super::auth::Reaching;
use super::body::{Checked, Nothing};
use super::list::Archivable;
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use super::project::{Create, Rename};
use crate::limits::{
    MAX_ADDONS, MAX_BODY_BYTES, MAX_BULK_BODY_BYTES, MAX_DEFINITION_BYTES, MAX_ENVIRONMENT_BYTES,
    MAX_FEATURES, MAX_FLAGS, MAX_IMPORTED_TENANTS, MAX_MEMBERS_PER_REQUEST, MAX_SCHEDULED,
    MAX_SCHEDULED_BYTES, MAX_SEATS, MAX_SEGMENT_MEMBER_BYTES, MAX_SEGMENT_MEMBERS, MAX_SEGMENTS,
    MAX_SOLD_PLANS, MAX_STORED_TENANT_BYTES, MAX_TENANTS, MAX_TENANTS_PER_REQUEST,
};
use crate::quota::Quotas;
use crate::service::{Author, Service, Unit, archive, project};
use crate::store::Environment;

/// An environment.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Environment")]
pub(super) struct Shown {
    key: String,
    name: String,
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    archived_at: Option<String>,
    revision: u64,
    #[schemars(with = "String")]
    epoch: Epoch,
    limits: Limits,
}

/// How much an environment and its requests may hold.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EnvironmentLimits")]
struct Limits {
    flags: u64,
    segments: u64,
    features: u64,
    plans: u64,
    plan_versions: usize,
    addons: u64,
    overrides_per_tenant: usize,
    segment_members: u64,
    segment_member_bytes: u64,
    members_per_request: u64,
    tenants: u64,
    /// Seats of all tenants and features together.
    seats: u64,
    tenant_bytes: u64,
    tenants_per_request: usize,
    imported_tenants: u64,
    rules_per_flag: usize,
    definition_bytes: usize,
    environment_bytes: u64,
    scheduled: u64,
    scheduled_bytes: u64,
    body_bytes: usize,
    bulk_body_bytes: usize,
    // These are settings of the server.
    admin_requests_per_minute: u32,
    sdk_requests_per_minute: u32,
    failed_authentications_per_minute: u32,
    streams_per_token: u32,
}

fn limits(quotas: &Quotas) -> Limits {
    Limits {
        flags: MAX_FLAGS,
        segments: MAX_SEGMENTS,
        features: MAX_FEATURES,
        plans: MAX_SOLD_PLANS,
        plan_versions: MAX_PLAN_VERSIONS,
        addons: MAX_ADDONS,
        overrides_per_tenant: MAX_TENANT_OVERRIDES,
        segment_members: MAX_SEGMENT_MEMBERS,
        segment_member_bytes: MAX_SEGMENT_MEMBER_BYTES,
        members_per_request: MAX_MEMBERS_PER_REQUEST,
        tenants: MAX_TENANTS,
        seats: MAX_SEATS,
        tenant_bytes: MAX_STORED_TENANT_BYTES,
        tenants_per_request: MAX_TENANTS_PER_REQUEST,
        imported_tenants: MAX_IMPORTED_TENANTS,
        rules_per_flag: MAX_RULES,
        definition_bytes: MAX_DEFINITION_BYTES,
        environment_bytes: MAX_ENVIRONMENT_BYTES,
        scheduled: MAX_SCHEDULED,
        scheduled_bytes: MAX_SCHEDULED_BYTES,
        body_bytes: MAX_BODY_BYTES,
        bulk_body_bytes: MAX_BULK_BODY_BYTES,
        admin_requests_per_minute: quotas.admin_requests_per_minute.get(),
        sdk_requests_per_minute: quotas.sdk_requests_per_minute.get(),
        failed_authentications_per_minute: quotas.failed_authentications_per_minute.get(),
        streams_per_token: quotas.streams_per_token,
    }
}

fn show(environment: Environment, service: &Service) -> Shown {
    Shown {
        key: environment.key,
        name: environment.name,
        created_at: environment.created_at.to_string(),
        archived_at: environment.archived_at.map(|at| at.to_string()),
        revision: environment.revision,
        epoch: service.live.epoch().clone(),
        limits: limits(service.tokens.quotas()),
    }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Keys(key): Keys<String>,
    Reaching(reach): Reaching,
    Archivable(query): Archivable,
) -> Result<Response, Problem> {
    let page = query.page();
    let environments =
        service.read(move |view| project::list_environments(view, &key, &reach, &page)).await?;
    Ok(query.answer(environments, |found| &found.key, |found| show(found, &service)))
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    Keys(project): Keys<String>,
    post: Post,
    Checked(body): Checked<Create>,
) -> Result<Response, Problem> {
    let create = move |unit: &mut Unit<'_>| {
        let name = body.name.as_deref().unwrap_or(&body.key);
        project::create_environment(unit, &project, &body.key, name)
    };
    let shows = Arc::clone(&service);
    let answer = move |created: Environment| {
        let path = format!("/api/v1/projects/{}/environments/{}", created.project, created.key);
        let shown = Json(show(created, &shows));
        (StatusCode::CREATED, [(LOCATION, path)], shown).into_response()
    };
    post.run(&service, create, answer).await
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
) -> Result<Response, Problem> {
    let found = service.read(move |view| {
        let project = project::find(view, &project)?;
        project::find_any_environment(view, &project, &key)
    });
    Ok(Json(show(found.await?, &service)).into_response())
}

pub(super) async fn rename(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
    author: Author,
    Checked(body): Checked<Rename>,
) -> Result<Response, Problem> {
    let renamed = service
        .write(author, move |unit| project::rename_environment(unit, &project, &key, &body.name));
    Ok(Json(show(renamed.await?, &service)).into_response())
}

pub(super) async fn archive(
    service: State<Arc<Service>>,
    keys: Keys<(String, String)>,
    post: Post,
    _: Nothing,
) -> Result<Response, Problem> {
    put_away(service, keys, post, true).await
}

pub(super) async fn restore(
    service: State<Arc<Service>>,
    keys: Keys<(String, String)>,
    post: Post,
    _: Nothing,
) -> Result<Response, Problem> {
    put_away(service, keys, post, false).await
}

async fn put_away(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
    post: Post,
    archive: bool,
) -> Result<Response, Problem> {
    let verb = move |unit: &mut Unit<'_>| archive::environment(unit, &project, &key, archive);
    let shows = Arc::clone(&service);
    post.run(&service, verb, move |found| Json(show(found, &shows)).into_response()).await
}

//! `/api/v1/projects/{p}/environments/{e}/flags`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use flags_core::{FLAG_STATE, Field, FlagState, FlagType, Shape, Text};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::body::{Checked, Definition, Form, Nothing, Shaped};
use super::list::ListQuery;
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use super::write::etag;
use crate::schema::{self, Body};
use crate::service::model::State as Found;
use crate::service::rollout::{ROLLOUT, Rollout, roll_out};
use crate::service::state::{self, Path};
use crate::service::target::target_tenant;
use crate::service::{Author, Precondition, Service, Unit};

type Triple = Keys<(String, String, String)>;

/// What a flag serves to whom in one environment.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "State")]
pub(super) struct Shown {
    #[serde(flatten)]
    #[schemars(schema_with = "schema::flag_state")]
    state: FlagState,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<Vec<&'static str>>,
}

/// A flag with its state in one environment.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ListedState")]
pub(super) struct Listed {
    key: String,
    #[serde(rename = "type")]
    #[schemars(schema_with = "schema::flag_type")]
    flag_type: FlagType,
    state: Shown,
}

/// A state that is to be what a body says.
pub(super) struct Whole;

/// Members of one.
pub(super) struct Patch;

impl Form for Whole {
    const NAME: &'static str = "WholeState";
    const EXAMPLE: &'static str = r#"{"on": true, "off_variant": "off",
        "prerequisites": [{"flag": "payments-v2", "variants": ["on"]}],
        "targets": [{"kind": "tenant", "keys": ["acme"], "variant": "on"}],
        "rules": [{"id": "eu-pro", "when": {"all": [
            {"attribute": "tenant.country", "op": "in", "values": ["DE", "FR"]},
            {"segment": "beta-tenants"}]},
            "serve": {"split": {"by": "tenant", "weights": [
                {"variant": "on", "weight": 5000}, {"weight": 95000}]}}}],
        "fallthrough": {"variant": "off"}}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Body::of(&FLAG_STATE, generator).rules_without_ids().sent_back().schema()
    }
}

impl Form for Patch {
    const NAME: &'static str = "StatePatch";
    const EXAMPLE: &'static str = r#"{"fallthrough": {"variant": "on"}}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Body::of(&FLAG_STATE, generator).rules_without_ids().patch().sent_back().schema()
    }
}

fn show(found: Found) -> Shown {
    let Found { state, version, revision } = found;
    Shown { state, version, revision, warnings: None }
}

fn answer(found: Found) -> Response {
    (etag(found.version), Json(show(found))).into_response()
}

fn path(Keys((project, environment, flag)): Triple) -> Path {
    Path { project, environment, flag }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    query: ListQuery,
) -> Result<Response, Problem> {
    let page = query.page();
    let states = service.read(move |view| state::list(view, &project, &environment, &page)).await?;
    Ok(query.answer(
        states,
        |(flag, ..)| &flag.key,
        |(flag, document, found)| Listed {
            key: flag.key,
            flag_type: document.shared.flag_type,
            state: show(found),
        },
    ))
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    keys: Triple,
) -> Result<Response, Problem> {
    let path = path(keys);
    Ok(answer(service.read(move |view| state::get(view, &path)).await?))
}

pub(super) async fn put(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    Definition(body, ..): Definition<Whole>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let written =
        service.write(author, move |unit| state::put(unit, &path, &precondition, body)).await?;
    Ok(answer(written))
}

pub(super) async fn patch(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    Definition(body, ..): Definition<Patch>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let written =
        service.write(author, move |unit| state::patch(unit, &path, &precondition, body)).await?;
    Ok(answer(written))
}

pub(super) async fn on(
    service: State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    post: Post,
    _: Nothing,
) -> Result<Response, Problem> {
    switch(service, keys, precondition, post, true).await
}

pub(super) async fn off(
    service: State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    post: Post,
    _: Nothing,
) -> Result<Response, Problem> {
    switch(service, keys, precondition, post, false).await
}

async fn switch(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    post: Post,
    on: bool,
) -> Result<Response, Problem> {
    let path = path(keys);
    let switch = move |unit: &mut Unit<'_>| state::switch(unit, &path, &precondition, on);
    post.run(&service, switch, answer).await
}

impl Shaped for Rollout {
    const EXAMPLE: &'static str = r#"{"variant": "on", "percent": 12.5, "by": "tenant"}"#;
    const SHAPE: &'static Shape = &ROLLOUT;
}

pub(super) async fn rollout(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    post: Post,
    Checked(body): Checked<Rollout>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let roll_out = move |unit: &mut Unit<'_>| roll_out(unit, &path, &precondition, body);
    post.run(&service, roll_out, answer).await
}

#[derive(Deserialize)]
pub(super) struct TenantVariant {
    variant: String,
}

impl Shaped for TenantVariant {
    const EXAMPLE: &'static str = r#"{"variant": "on"}"#;
    const SHAPE: &'static Shape =
        &Shape::Object(&[Field::required("variant", &Shape::Text(&Text::VARIANT_NAME))
            .says("The variant that the tenant gets.")]);
}

type Quadruple = Keys<(String, String, String, String)>;

pub(super) async fn target(
    service: State<Arc<Service>>,
    keys: Quadruple,
    precondition: Precondition,
    author: Author,
    Checked(body): Checked<TenantVariant>,
) -> Result<Response, Problem> {
    retarget(service, keys, precondition, author, Some(body.variant)).await
}

pub(super) async fn untarget(
    service: State<Arc<Service>>,
    keys: Quadruple,
    precondition: Precondition,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    retarget(service, keys, precondition, author, None).await
}

async fn retarget(
    State(service): State<Arc<Service>>,
    Keys((project, environment, flag, tenant)): Quadruple,
    precondition: Precondition,
    author: Author,
    variant: Option<String>,
) -> Result<Response, Problem> {
    let path = Path { project, environment, flag };
    let written = service.write(author, move |unit| {
        target_tenant(unit, &path, &precondition, &tenant, variant.as_deref())
    });
    let mut shown = show(written.await?);
    // A flag that is off serves its off variant to everyone, targeted or not.
    shown.warnings = Some(if shown.state.on { Vec::new() } else { vec!["flag_off"] });
    Ok((etag(shown.version), Json(shown)).into_response())
}

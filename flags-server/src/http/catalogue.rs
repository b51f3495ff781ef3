//! `/api/v1/projects/{p}/environments/{e}/features`, `…/plans` and `…/addons`

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use flags_core::{AddonDefinition, FeatureDefinition, PLAN_VERSION, PlanDefinition};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::body::{Definition, Form, Nothing};
use super::list::ListQuery;
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use super::write::{Deleted, etag};
use crate::schema::{self, Body};
use crate::service::catalogue::{self, Document, Item, Path, Sold, versions};
use crate::service::{Author, Precondition, Service, Unit};

pub(super) type Triple = Keys<(String, String, String)>;

/// What the document calls something of the catalogue, and its bodies.
pub(super) trait Named: Sold {
    /// What stands in paths.
    const PLURAL: &'static str;
    /// The name of each body, and one such as JSON.
    const NEW: (&'static str, &'static str);
    const WHOLE: (&'static str, &'static str);
    const PATCHED: (&'static str, &'static str);

    /// What of its members need not be there in a new one …
    fn of_new(body: Body) -> Body {
        body
    }

    /// … and in one that is there.
    fn of_whole(body: Body) -> Body {
        body
    }

    /// What its members let each other have.
    fn of_all(schema: Schema) -> Schema {
        schema
    }
}

impl Named for FeatureDefinition {
    const PLURAL: &'static str = "features";
    const NEW: (&'static str, &'static str) = (
        "NewFeature",
        r#"{"key": "seats", "name": "Seats", "type": "limit", "combine": "sum",
        "over_limit": {"policy": "read_only", "grace_ms": 1209600000}}"#,
    );
    const WHOLE: (&'static str, &'static str) =
        ("WholeFeature", r#"{"name": "Seats", "type": "limit", "combine": "max"}"#);
    const PATCHED: (&'static str, &'static str) =
        ("FeaturePatch", r#"{"name": "Users", "over_limit": null}"#);

    fn of_all(schema: Schema) -> Schema {
        schema::with_types(schema)
    }
}

impl Named for PlanDefinition {
    const PLURAL: &'static str = "plans";
    const NEW: (&'static str, &'static str) = (
        "NewPlan",
        r#"{"key": "pro", "name": "Pro", "versions": [{"grants": {"sso": true, "seats": 5},
        "grace_ms": 604800000, "after_grace": "read_only", "fallback": {"plan": "free", "version": 1}}]}"#,
    );
    const WHOLE: (&'static str, &'static str) = ("WholePlan", r#"{"name": "Professional"}"#);
    const PATCHED: (&'static str, &'static str) =
        ("PlanPatch", r#"{"description": "For small teams."}"#);

    fn of_new(body: Body) -> Body {
        body.versions_without_numbers()
    }

    fn of_whole(body: Body) -> Body {
        body.may_lack("versions").versions_without_numbers()
    }
}

impl Named for AddonDefinition {
    const PLURAL: &'static str = "addons";
    const NEW: (&'static str, &'static str) =
        ("NewAddon", r#"{"key": "seats-10", "name": "Ten more seats", "grants": {"seats": 10}}"#);
    const WHOLE: (&'static str, &'static str) =
        ("WholeAddon", r#"{"name": "Ten more seats", "grants": {"seats": 10}, "priority": 1}"#);
    const PATCHED: (&'static str, &'static str) = ("AddonPatch", r#"{"grants": {"seats": 12}}"#);
}

/// Something of the catalogue.
#[derive(Serialize)]
pub(super) struct Shown<D> {
    key: String,
    #[serde(flatten)]
    document: Document<D>,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

impl<D: Named> JsonSchema for Shown<D> {
    fn schema_name() -> Cow<'static, str> {
        D::NAME.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let number = json_schema!({"type": "integer", "minimum": 0, "format": "uint64"});
        let body = schema::sold(D::SHAPE, generator);
        let body = body.with("version", number.clone()).with("revision", number);
        body.requires("version").schema()
    }
}

/// One that is to be created.
pub(super) struct New<D>(PhantomData<D>);

/// One that is to be what a body says, and may be there already.
pub(super) struct Whole<D>(PhantomData<D>);

/// Members of one.
pub(super) struct Patch<D>(PhantomData<D>);

/// A version of a plan that is to be added.
pub(super) struct NewVersion;

impl<D: Named> Form for New<D> {
    const NAME: &'static str = D::NEW.0;
    const EXAMPLE: &'static str = D::NEW.1;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let body = D::of_new(Body::of(D::SHAPE, generator)).presented();
        D::of_all(body.sent_back_as_new().requires("key").schema())
    }
}

impl<D: Named> Form for Whole<D> {
    const NAME: &'static str = D::WHOLE.0;
    const EXAMPLE: &'static str = D::WHOLE.1;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let body = D::of_whole(Body::of(D::SHAPE, generator)).presented();
        D::of_all(body.sent_back().schema())
    }
}

impl<D: Named> Form for Patch<D> {
    const NAME: &'static str = D::PATCHED.0;
    const EXAMPLE: &'static str = D::PATCHED.1;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Body::of(D::SHAPE, generator).patch().presented().sent_back().schema()
    }
}

impl Form for NewVersion {
    const NAME: &'static str = "NewPlanVersion";
    const EXAMPLE: &'static str =
        r#"{"grants": {"sso": true, "seats": 10}, "grace_ms": 604800000, "fallback": null}"#;

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Body::of(&PLAN_VERSION, generator).may_lack("version").schema()
    }
}

fn show<D>(item: Item<D>) -> Shown<D> {
    let Item { key, document, version, revision } = item;
    Shown { key, document, version, revision }
}

fn answer<D: Sold>(item: Item<D>) -> Response {
    (etag(item.version), Json(show(item))).into_response()
}

fn created<D: Named>(project: &str, environment: &str, item: Item<D>) -> Response {
    let (plural, key) = (D::PLURAL, &item.key);
    let path = format!("/api/v1/projects/{project}/environments/{environment}/{plural}/{key}");
    (StatusCode::CREATED, [(LOCATION, path)], answer(item)).into_response()
}

pub(super) fn path(Keys((project, environment, key)): Triple) -> Path {
    Path { project, environment, key }
}

pub(super) async fn list<D: Named>(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    query: ListQuery,
) -> Result<Response, Problem> {
    let page = query.page();
    let read = move |view: &dyn crate::store::View| {
        catalogue::list::<D>(view, &project, &environment, &page)
    };
    Ok(query.answer(service.read(read).await?, |item| &item.key, show))
}

pub(super) async fn create<D: Named>(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    post: Post,
    Definition(body, ..): Definition<New<D>>,
) -> Result<Response, Problem> {
    let (p, e) = (project.clone(), environment.clone());
    let create = move |unit: &mut Unit<'_>| catalogue::create::<D>(unit, &p, &e, None, body);
    post.run(&service, create, move |item| created(&project, &environment, item)).await
}

pub(super) async fn get<D: Named>(
    State(service): State<Arc<Service>>,
    keys: Triple,
) -> Result<Response, Problem> {
    let path = path(keys);
    Ok(answer(service.read(move |view| catalogue::get::<D>(view, &path)).await?))
}

pub(super) async fn put<D: Named>(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    Definition(body, ..): Definition<Whole<D>>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let creates = precondition == Precondition::Absent;
    let (project, environment) = (path.project.clone(), path.environment.clone());
    let put = move |unit: &mut Unit<'_>| catalogue::put::<D>(unit, &path, &precondition, body);
    let item = service.write(author, put).await?;
    Ok(if creates { created(&project, &environment, item) } else { answer(item) })
}

pub(super) async fn patch<D: Named>(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    Definition(body, ..): Definition<Patch<D>>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let patch = move |unit: &mut Unit<'_>| catalogue::patch::<D>(unit, &path, &precondition, body);
    Ok(answer(service.write(author, patch).await?))
}

pub(super) async fn delete<D: Named>(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    let path = path(keys);
    let delete = move |unit: &mut Unit<'_>| catalogue::delete::<D>(unit, &path, &precondition);
    let revision = service.write(author, delete).await?;
    Ok(Json(Deleted { revision }).into_response())
}

pub(super) async fn add_version(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    post: Post,
    Definition(body, ..): Definition<NewVersion>,
) -> Result<Response, Problem> {
    let path = path(keys);
    let add = move |unit: &mut Unit<'_>| versions::add(unit, &path, &precondition, body);
    post.run(&service, add, answer).await
}

pub(super) async fn delete_version(
    State(service): State<Arc<Service>>,
    Keys((project, environment, key, version)): Keys<(String, String, String, String)>,
    precondition: Precondition,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    let path = Path { project, environment, key };
    let delete = move |unit: &mut Unit<'_>| versions::delete(unit, &path, &version, &precondition);
    Ok(answer(service.write(author, delete).await?))
}

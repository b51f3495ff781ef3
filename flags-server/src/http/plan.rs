//! Writes of several things at once, which can be tried without doing them: `…/revert`, `…/copy`
//! and `…/import`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use flags_core::{Document, Field, FlagState, SegmentDefinition, Shape, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::Reaching;
use super::body::{Checked, Shaped};
use super::history::ShownObject;
use super::openapi::{Describes, Operation};
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use crate::service::copy::Source;
use crate::service::model::Revisions;
use crate::service::plan::{Done, Plan, Prepared, Scale};
use crate::service::{Fault, Precondition, Service, Unit, copy, revert, segment, state};
use crate::store::View;

/// A write that can be tried; before [`Post`] among a handler's arguments.
pub(super) struct DryRun(pub(super) bool);

/// Put among the extensions of a request whose handler knows of `dry_run`: with any other one, it
/// would be done in earnest.
#[derive(Clone)]
pub(super) struct KnowsDryRun;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DryRunQuery {
    /// Does nothing, and answers the same.
    #[serde(default)]
    dry_run: bool,
    #[serde(default, rename = "reason")]
    #[schemars(skip)]
    _reason: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for DryRun {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(query) = Query::<DryRunQuery>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::query_rejected(&rejection))?;
        parts.extensions.insert(KnowsDryRun);
        Ok(Self(query.dry_run))
    }
}

/// What was done, or would be.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Planned")]
pub(super) struct Shown {
    dry_run: bool,
    revision: u64,
    #[serde(skip_serializing_if = "Revisions::is_empty")]
    revisions: Revisions,
    objects: Vec<ShownObject>,
    objects_count: u64,
    kept: Vec<ShownKept>,
}

impl Describes for DryRun {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<DryRunQuery>();
    }
}

/// Something that stays as it is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Kept")]
struct ShownKept {
    kind: &'static str,
    key: String,
    why: &'static str,
}

fn show(done: Done, dry_run: bool) -> Response {
    let Done { revision, revisions, objects, objects_count, kept } = done;
    let objects = objects.into_iter().map(ShownObject::from).collect();
    let kept = kept.into_iter();
    let kept = kept.map(|kept| ShownKept { kind: kept.kind.name(), key: kept.key, why: kept.why });
    let kept = kept.collect();
    Json(Shown { dry_run, revision, revisions, objects, objects_count, kept }).into_response()
}

/// Makes a plan for an environment, and carries it out unless it is only to be told. The plan is made
/// away from the writer thread, which makes another one only where the environment has changed.
pub(super) async fn carry_out(
    service: &Service,
    Of { project, environment, scale }: Of,
    DryRun(dry_run): DryRun,
    post: Post,
    action: &'static str,
    plan: impl Fn(&dyn View) -> Result<Plan, Fault> + Send + Sync + 'static,
) -> Result<Response, Problem> {
    let plan = Arc::new(move |view: &dyn View| -> Result<Plan, Fault> {
        let plan = plan(view)?;
        plan.check_size()?;
        Ok(plan)
    });
    let first = Arc::clone(&plan);
    if dry_run {
        let told = service.plan(scale, move |view| Ok(first(view)?.told())).await?;
        return Ok(show(told, true));
    }
    let (p, e) = (project.clone(), environment.clone());
    let prepare = move |view: &dyn View| Ok(Prepared::new(view, (&p, &e), &*first));
    let prepared = service.plan(scale, prepare).await?;
    let verb = move |unit: &mut Unit<'_>| {
        let plan = prepared.present(unit.tx, (&project, &environment), &*plan)?;
        plan.apply(unit, action)
    };
    post.run(service, verb, |done| show(done, false)).await
}

/// Which environment a plan is for, and how much of it.
pub(super) struct Of {
    pub(super) project: String,
    pub(super) environment: String,
    pub(super) scale: Scale,
}

impl Of {
    fn flag(path: &state::Path) -> Self {
        let (project, environment) = (path.project.clone(), path.environment.clone());
        Self { project, environment, scale: Scale::Flag }
    }

    fn segment(path: &segment::Path) -> Self {
        let (project, environment) = (path.project.clone(), path.environment.clone());
        Self { project, environment, scale: Scale::Large }
    }
}

/// Makes a plan with what was, which is read away from the writer thread, and carries it out.
async fn go_back<T: Send + Sync + 'static>(
    service: &Service,
    of: Of,
    dry_run: DryRun,
    post: Post,
    action: &'static str,
    then: impl FnOnce(&dyn View) -> Result<T, Fault> + Send + 'static,
    plan: impl Fn(&dyn View, &T) -> Result<Plan, Fault> + Send + Sync + 'static,
) -> Result<Response, Problem> {
    // What was may be cut off by now, or of a flag that is archived.
    if !dry_run.0
        && let Some(answer) = post.answered(service).await?
    {
        return Ok(answer);
    }
    let then = service.read_log(then).await?;
    carry_out(service, of, dry_run, post, action, move |view: &dyn View| plan(view, &then)).await
}

#[derive(Deserialize)]
pub(super) struct Revert {
    revision: u64,
}

impl Shaped for Revert {
    const EXAMPLE: &'static str = r#"{"revision": 57}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("revision", &Shape::U64).says("The revision to go back to.")
    ]);
}

#[derive(Deserialize)]
pub(super) struct Copy {
    from: String,
}

impl Shaped for Copy {
    const EXAMPLE: &'static str = r#"{"from": "development"}"#;
    const SHAPE: &'static Shape =
        &Shape::Object(&[Field::required("from", &Shape::Text(&Text::KEY))
            .says("The environment that it is copied from.")]);
}

type Triple = Keys<(String, String, String)>;

pub(super) async fn revert_environment(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    precondition: Precondition,
    dry_run: DryRun,
    post: Post,
    Checked(Revert { revision }): Checked<Revert>,
) -> Result<Response, Problem> {
    let (p, e) = (project.clone(), environment.clone());
    let then = move |view: &dyn View| revert::environment_then(view, &p, &e, revision);
    let (p, e) = (project.clone(), environment.clone());
    let of = Of { project, environment, scale: Scale::Large };
    let plan = move |view: &dyn View, then: &Document| {
        revert::plan_environment(view, &p, &e, &precondition, then)
    };
    go_back(&service, of, dry_run, post, "environment.revert", then, plan).await
}

pub(super) async fn revert_flag(
    State(service): State<Arc<Service>>,
    Keys((project, environment, flag)): Triple,
    precondition: Precondition,
    dry_run: DryRun,
    post: Post,
    Checked(Revert { revision }): Checked<Revert>,
) -> Result<Response, Problem> {
    let path = state::Path { project, environment, flag };
    let of = path.clone();
    let then = move |view: &dyn View| revert::flag_then(view, &of, revision);
    let of = Of::flag(&path);
    let plan = move |view: &dyn View, then: &FlagState| {
        revert::plan_flag(view, &path, &precondition, then.clone())
    };
    go_back(&service, of, dry_run, post, "flag_state.revert", then, plan).await
}

pub(super) async fn revert_segment(
    State(service): State<Arc<Service>>,
    Keys((project, environment, segment)): Triple,
    precondition: Precondition,
    dry_run: DryRun,
    post: Post,
    Checked(Revert { revision }): Checked<Revert>,
) -> Result<Response, Problem> {
    let path = segment::Path { project, environment, segment };
    let of = path.clone();
    let then = move |view: &dyn View| revert::segment_then(view, &of, revision);
    let of = Of::segment(&path);
    let plan = move |view: &dyn View, then: &SegmentDefinition| {
        revert::plan_segment(view, &path, &precondition, then.clone())
    };
    go_back(&service, of, dry_run, post, "segment.revert", then, plan).await
}

pub(super) async fn copy_flag(
    State(service): State<Arc<Service>>,
    Keys((project, environment, flag)): Triple,
    precondition: Precondition,
    dry_run: DryRun,
    Reaching(within): Reaching,
    post: Post,
    Checked(Copy { from }): Checked<Copy>,
) -> Result<Response, Problem> {
    let path = state::Path { project, environment, flag };
    let from = Source { environment: from, within };
    let of = Of::flag(&path);
    let plan = move |view: &dyn View| copy::plan_flag(view, &path, &precondition, &from);
    carry_out(&service, of, dry_run, post, "flag_state.copy", plan).await
}

pub(super) async fn copy_segment(
    State(service): State<Arc<Service>>,
    Keys((project, environment, segment)): Triple,
    precondition: Precondition,
    dry_run: DryRun,
    Reaching(within): Reaching,
    post: Post,
    Checked(Copy { from }): Checked<Copy>,
) -> Result<Response, Problem> {
    let path = segment::Path { project, environment, segment };
    let from = Source { environment: from, within };
    let of = Of::segment(&path);
    let plan = move |view: &dyn View| copy::plan_segment(view, &path, &precondition, &from);
    carry_out(&service, of, dry_run, post, "segment.copy", plan).await
}

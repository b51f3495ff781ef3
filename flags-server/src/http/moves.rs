//! `/api/v1/projects/{p}/environments/{e}/plans/{plan}/move`

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use flags_core::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::{Checked, Shaped};
use super::catalogue::{Triple, path};
use super::openapi::{Describes, Operation};
use super::plan::KnowsDryRun;
use super::post::Post;
use super::preview::Caller;
use super::problem::Problem;
use crate::limits::MAX_TENANTS_PER_REQUEST;
use crate::service::moves::Move;
use crate::service::moves::carry_out::{Moved, carry_out};
use crate::service::moves::effects::{Effects, FeatureEffects, effects};
use crate::service::uses::{Over, OverLimits};
use crate::service::{Service, Unit, now};

impl Shaped for Move {
    const SHAPE: &'static Shape = Self::SHAPE;
    const EXAMPLE: &'static str =
        r#"{"from_version": 1, "to": {"version": 2}, "tenants": ["acme", "globex"]}"#;
}

/// Whether it is only tried, and of how many tenants it is to be; before [`Post`] among a handler's arguments.
pub(super) struct How {
    dry_run: bool,
    limit: usize,
}

/// Put among the extensions of a request whose handler knows of `limit`.
#[derive(Clone)]
pub(super) struct KnowsLimit;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HowQuery {
    /// Does nothing, and says what would become of everybody who would be moved.
    #[serde(default)]
    dry_run: bool,
    /// How many tenants are moved at most; 1,000 where it is left out.
    #[schemars(range(min = 1, max = MAX_TENANTS_PER_REQUEST))]
    limit: Option<usize>,
    #[serde(default, rename = "reason")]
    #[schemars(skip)]
    _reason: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for How {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(HowQuery { dry_run, limit, .. }) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::query_rejected(&rejection))?;
        let limit = limit.unwrap_or(MAX_TENANTS_PER_REQUEST);
        if !(1..=MAX_TENANTS_PER_REQUEST).contains(&limit) {
            return Err(Problem::query(format!("`limit` is 1 to {MAX_TENANTS_PER_REQUEST}")));
        }
        parts.extensions.insert(KnowsDryRun);
        parts.extensions.insert(KnowsLimit);
        Ok(Self { dry_run, limit })
    }
}

impl Describes for How {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<HowQuery>();
    }
}

/// What came of a move, or would come of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Move")]
#[serde(untagged)]
pub(super) enum Shown {
    Done(Done),
    Tried(Tried),
}

/// What came of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MovedTenants")]
pub(super) struct Done {
    dry_run: bool,
    /// How many were moved.
    moved: usize,
    /// How many are still to be moved.
    remaining: u64,
    revision: u64,
    /// What those who were moved use above their limits: the first 100.
    over_limit: Vec<Over>,
    /// How much there is of it; `null` where more is used than one request looks at.
    over_limit_total: Option<u64>,
}

/// What would come of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MovePreview")]
pub(super) struct Tried {
    dry_run: bool,
    revision: u64,
    /// How many would be moved.
    tenants: u64,
    features: Vec<MovedFeature>,
    /// What they would use above their limits: the first 100.
    over_limit: Vec<Over>,
    /// How much there would be of it.
    over_limit_total: u64,
}

/// What would become of one feature.
#[derive(Serialize, JsonSchema)]
struct MovedFeature {
    feature: String,
    changed: u64,
    unchanged: u64,
    transitions: Vec<MovedFeatureTransition>,
}

/// Tenants to whom the move does the same.
#[derive(Serialize, JsonSchema)]
struct MovedFeatureTransition {
    /// What it does to what they have of the feature.
    #[schemars(extend("enum" = ["gains", "more", "other", "less", "loses", "same"]))]
    effect: &'static str,
    tenants: u64,
    examples: Vec<Arc<str>>,
}

pub(super) async fn plan(
    State(service): State<Arc<Service>>,
    keys: Triple,
    How { dry_run, limit }: How,
    post: Post,
    Checked(wanted): Checked<Move>,
) -> Result<Response, Problem> {
    let path = path(keys);
    if !dry_run {
        let verb = move |unit: &mut Unit<'_>| carry_out(unit, &path, &wanted, limit);
        return post.run(&service, verb, done).await;
    }
    let place = service.enter_preview().await?;
    let caller = Caller::default();
    let gone = Arc::clone(&caller.gone);
    let read = service.read_at(place, move |view| effects(view, &path, &wanted, now(), &gone));
    Ok(tried(read.await?))
}

fn done(Moved { moved, remaining, revision, over_limit }: Moved) -> Response {
    let (over_limit_total, over_limit) = (over_limit.known_total(), over_limit.first);
    let dry_run = false;
    let done = Done { dry_run, moved, remaining, revision, over_limit, over_limit_total };
    Json(Shown::Done(done)).into_response()
}

fn tried(Effects { revision, tenants, features, over_limit }: Effects) -> Response {
    let OverLimits { first: over_limit, total: over_limit_total, .. } = over_limit;
    let (dry_run, features) = (true, features.into_iter().map(show).collect());
    let tried = Tried { dry_run, revision, tenants, features, over_limit, over_limit_total };
    Json(Shown::Tried(tried)).into_response()
}

fn show(FeatureEffects { feature, effects }: FeatureEffects) -> MovedFeature {
    let (mut changed, mut unchanged) = (0, 0);
    let transitions = effects.into_iter().map(|(effect, seen)| {
        *(if effect.changes() { &mut changed } else { &mut unchanged }) += seen.tenants;
        let (tenants, examples) = (seen.tenants, seen.examples.into_sorted_vec());
        MovedFeatureTransition { effect: effect.name(), tenants, examples }
    });
    let transitions = transitions.collect();
    MovedFeature { feature, changed, unchanged, transitions }
}

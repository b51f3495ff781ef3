//! `/api/v1/projects/{p}/environments/{e}/schedule`

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use flags_core::{Field, Shape, Text, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::body::{Checked, Nothing, Shaped, form};
use super::history::Actor;
use super::list::ListQuery;
use super::openapi::{Describes, Operation};
use super::path::Keys;
use super::post::Post;
use super::problem::Problem;
use super::write::etag;
use super::{segment, state};
use crate::limits::MAX_PAGE_ITEMS;
use crate::schema::{self, Body, named, of_shape};
use crate::service::members::MembersEdit;
use crate::service::rollout::ROLLOUT;
use crate::service::schedule::{self, Asked, CHANGE, Later, Place};
use crate::service::{Author, Fault, Precondition, Service, Unit};
use crate::store::{ScheduleFilter, ScheduleState, ScheduledChange};

#[derive(Deserialize)]
pub(super) struct Create {
    at: String,
    change: Value,
}

impl Shaped for Create {
    const EXAMPLE: &'static str = r#"{"at": "2026-11-27T09:00:00Z", "change": {
        "action": "flag_state.rollout", "key": "new-checkout", "body": {"variant": "on", "percent": 50}}}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("at", &Shape::Text(&Text::TIME)).says("When, in RFC 3339."),
        Field::required("change", &Shape::Any).says("What is to be done then."),
    ]);

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let change = change(generator);
        Body::of(Self::SHAPE, generator).with("change", change).schema()
    }
}

#[derive(Deserialize)]
pub(super) struct Edit {
    at: Option<String>,
    #[serde(default, deserialize_with = "said")]
    change: Option<Value>,
}

/// What is said is there, `null` too: it is refused, and not taken for nothing.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Shaped for Edit {
    const EXAMPLE: &'static str = r#"{"at": "2026-11-28T09:00:00Z"}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::optional("at", &Shape::Text(&Text::TIME))
            .says("When, in RFC 3339; as before where it is left out."),
        Field::optional("change", &Shape::Any)
            .says("What is to be done then; as before where it is left out."),
    ]);

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let change = change(generator);
        Body::of(Self::SHAPE, generator).with("change", change).schema()
    }
}

/// A change with the body that its action takes.
fn change(generator: &mut SchemaGenerator) -> Schema {
    named("ChangeToSchedule", generator, |generator| {
        let nothing = of_shape(&Shape::Object(&[]), generator);
        let rollout = of_shape(&ROLLOUT, generator);
        let ways = [
            (&["flag_state.on", "flag_state.off"][..], nothing, false),
            (&["flag_state.rollout"], rollout, true),
            (&["flag_state.patch"], form::<state::Patch>(generator), true),
            (&["flag_state.put"], form::<state::Whole>(generator), true),
            (&["segment.patch"], form::<segment::Patch>(generator), true),
            (&["segment.put"], form::<segment::Whole>(generator), true),
            (&["segment.members"], form::<MembersEdit>(generator), true),
        ];
        let ways = ways.map(|(actions, body, is_needed)| {
            let change = Body::of(&CHANGE, generator).with("action", json!({"enum": actions}));
            let change = change.with("body", body);
            if is_needed { change.requires("body") } else { change }.schema()
        });
        json_schema!({"oneOf": ways})
    })
}

/// A change that is made at a time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ScheduledChange")]
pub(super) struct Shown {
    id: String,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    #[schemars(extend("enum" = ["open", "done", "failed", "cancelled"]))]
    state: &'static str,
    change: Later,
    actor: Actor,
    reason: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    #[schemars(extend("format" = "date-time"))]
    ended_at: Option<String>,
    revision: Option<u64>,
    problem: Option<Value>,
    version: u64,
}

fn show(change: ScheduledChange) -> Result<Shown, Fault> {
    let later = Later::of(&change)?;
    let problem = change.problem.as_deref().map(serde_json::from_str).transpose();
    Ok(Shown {
        change: later,
        id: change.id,
        at: change.at.to_string(),
        state: change.state.name(),
        actor: Actor { id: change.actor, name: Some(change.actor_name) },
        reason: change.reason,
        created_at: change.created_at.to_string(),
        ended_at: change.ended_at.map(|at| at.to_string()),
        revision: change.revision,
        problem: problem.map_err(|error| Fault::Internal(error.to_string()))?,
        version: change.version,
    })
}

fn answer((version, shown): (u64, Shown)) -> Response {
    (etag(version), Json(shown)).into_response()
}

/// With what makes its `ETag`.
fn shown(change: ScheduledChange) -> Result<(u64, Shown), Fault> {
    Ok((change.version, show(change)?))
}

fn place(Keys((project, environment)): Keys<(String, String)>) -> Place {
    Place { project, environment }
}

type Triple = Keys<(String, String, String)>;

fn one(Keys((project, environment, id)): Triple) -> (Place, String) {
    (Place { project, environment }, id)
}

/// Which scheduled changes are asked for, and which page of them.
pub(super) struct ScheduleQuery {
    state: Option<ScheduleState>,
    after: Option<(Timestamp, String)>,
    query: ListQuery,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Those of one state: `open`, `done`, `failed` or `cancelled`.
    #[schemars(extend("enum" = ["open", "done", "failed", "cancelled"]))]
    state: Option<String>,
    /// How many items a page has at most.
    #[schemars(range(min = 1, max = MAX_PAGE_ITEMS))]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[schemars(regex(pattern = schema::CURSOR))]
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ScheduleQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(Said { state: said, limit, cursor }) =
            Query::<Said>::from_request_parts(parts, state)
                .await
                .map_err(|rejection| Problem::query_rejected(&rejection))?;
        let state = said.map(|said| {
            ScheduleState::of(&said)
                .ok_or_else(|| Problem::query("`state` is `open`, `done`, `failed` or `cancelled`"))
        });
        let query = ListQuery::filtered(parts, limit, cursor)?;
        let after = query.text().map(|cursor| {
            position(cursor)
                .ok_or_else(|| Problem::query("`cursor` is not one that this list gave"))
        });
        Ok(Self { state: state.transpose()?, after: after.transpose()?, query })
    }
}

impl Describes for ScheduleQuery {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<Said>();
    }
}

/// Where a page begins, as its cursor says it.
fn position(cursor: &str) -> Option<(Timestamp, String)> {
    let (at, id) = cursor.split_once('.')?;
    Some((Timestamp::from_millis(at.parse().ok()?), id.to_owned()))
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    keys: Keys<(String, String)>,
    ScheduleQuery { state, after, query }: ScheduleQuery,
) -> Result<Response, Problem> {
    let place = place(keys);
    let filter = ScheduleFilter { state, after, limit: query.limit() + 1 };
    let mut found = service.read(move |view| schedule::list(view, &place, &filter)).await?;
    let more = found.len() > query.limit() as usize;
    found.truncate(query.limit() as usize);
    let last = found.last().filter(|_| more);
    let next = last.map(|last| format!("{}.{}", last.at.as_millis(), last.id));
    let items = found.into_iter().map(show).collect::<Result<_, Fault>>()?;
    Ok(query.part::<Shown>(items, next.as_deref()))
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    keys: Keys<(String, String)>,
    post: Post,
    Checked(Create { at, change }): Checked<Create>,
) -> Result<Response, Problem> {
    let place = place(keys);
    let Place { project, environment } = place.clone();
    let asked = Asked { at: Some(at), change: Some(change) };
    let create = move |unit: &mut Unit<'_>| schedule::create(unit, &place, asked).and_then(shown);
    let created = move |(version, shown): (u64, Shown)| {
        let id = &shown.id;
        let path = format!("/api/v1/projects/{project}/environments/{environment}/schedule/{id}");
        (StatusCode::CREATED, [(LOCATION, path)], answer((version, shown))).into_response()
    };
    post.run(&service, create, created).await
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    keys: Triple,
) -> Result<Response, Problem> {
    let (place, id) = one(keys);
    let found = service.read(move |view| schedule::get(view, &place, &id).and_then(shown));
    Ok(answer(found.await?))
}

pub(super) async fn edit(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    Checked(Edit { at, change }): Checked<Edit>,
) -> Result<Response, Problem> {
    let (place, id) = one(keys);
    let asked = Asked { at, change };
    let edit = move |unit: &mut Unit<'_>| {
        schedule::edit(unit, &place, &id, &precondition, asked).and_then(shown)
    };
    Ok(answer(service.write(author, edit).await?))
}

pub(super) async fn cancel(
    State(service): State<Arc<Service>>,
    keys: Triple,
    precondition: Precondition,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    let (place, id) = one(keys);
    let cancel = move |unit: &mut Unit<'_>| {
        schedule::cancel(unit, &place, &id, &precondition).and_then(shown)
    };
    Ok(answer(service.write(author, cancel).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_says_what_its_body_is() {
        let mut generator = schema::generator();
        change(&mut generator);
        let ways = generator.definitions()["ChangeToSchedule"]["oneOf"].as_array().unwrap();
        let actions = ways.iter().flat_map(|way| way["properties"]["action"]["enum"].as_array());
        let mut actions: Vec<&str> = actions.flatten().filter_map(Value::as_str).collect();
        let Shape::Object(fields) = &CHANGE else { panic!() };
        let Shape::Word(words) = fields[0].shape() else { panic!() };
        let mut words = words.to_vec();
        words.sort_unstable();
        actions.sort_unstable();
        assert_eq!(actions, words);
    }
}

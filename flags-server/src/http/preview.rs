//! `/api/v1/projects/{p}/environments/{e}/preview` and `…/preview/tenants`

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flags_core::{Field, Shape, Text};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::{Checked, Shaped, form};
use super::evaluate::live;
use super::openapi::{Describes, Operation};
use super::path::Keys;
use super::problem::Problem;
use crate::limits::{DEFAULT_PAGE_ITEMS, MAX_FLAGS, MAX_PAGE_ITEMS};
use crate::schema::{self, Body, named, of_shape};
use crate::service::preview::{
    Affected, Effects, How, Preview, Transition, Write, affected, proposed,
};
use crate::service::rollout::{ROLLOUT, Rollout};
use crate::service::{Fault, Service, now, segment, state};

/// What is proposed, as the body of the write itself would be.
#[derive(Deserialize)]
pub(super) struct Proposal {
    flag: Option<String>,
    segment: Option<String>,
    /// As PUT would have it.
    put: Option<Value>,
    /// As PATCH would have it.
    patch: Option<Value>,
    /// As the verb `rollout` of a flag would have it.
    rollout: Option<Rollout>,
    /// Of the flags whose answers it may alter, these alone.
    flags: Option<Vec<String>>,
}

impl Shaped for Proposal {
    const EXAMPLE: &'static str =
        r#"{"flag": "new-checkout", "patch": {"fallthrough": {"variant": "on"}}}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::optional("flag", &Shape::Text(&Text::KEY))
            .says("The key of the flag that would be changed."),
        Field::optional("segment", &Shape::Text(&Text::KEY))
            .says("The key of the segment that would be changed, instead of a flag."),
        Field::optional("put", &Shape::Any).says("What would be there instead, as a whole."),
        Field::optional("patch", &Shape::Any).says("What would be changed of it."),
        Field::optional("rollout", &ROLLOUT).says("What the verb `rollout` would be told."),
        Field::optional("flags", &Shape::Within(0..=MAX_FLAGS, &Shape::List(&Shape::String)))
            .says("The flags that are looked at; all that are affected where it is left out."),
    ]);

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        named("Proposal", generator, |generator| {
            let ways = [
                ("flag", "put", form::<crate::http::state::Whole>(generator)),
                ("flag", "patch", form::<crate::http::state::Patch>(generator)),
                ("flag", "rollout", of_shape(&ROLLOUT, generator)),
                ("segment", "put", form::<crate::http::segment::Whole>(generator)),
                ("segment", "patch", form::<crate::http::segment::Patch>(generator)),
            ];
            let ways = ways.map(|(object, how, body)| {
                let way = Body::of(Self::SHAPE, generator).with(how, body);
                way.only(&[object, how, "flags"]).requires(object).requires(how).schema()
            });
            json_schema!({"oneOf": ways})
        })
    }
}

impl Proposal {
    fn take(self, project: &str, environment: &str) -> Result<Write, Problem> {
        let (project, environment) = (project.to_owned(), environment.to_owned());
        let how = match (self.put, self.patch) {
            (Some(body), None) => Some(How::Put(body)),
            (None, Some(body)) => Some(How::Patch(body)),
            (None, None) => None,
            _ => return Err(one_of("`put`, `patch` and `rollout`")),
        };
        match (self.flag, self.segment, how, self.rollout) {
            (Some(flag), None, Some(how), None) => {
                Ok(Write::Flag(state::Path { project, environment, flag }, how))
            }
            (Some(flag), None, None, Some(rollout)) => {
                Ok(Write::Rollout(state::Path { project, environment, flag }, rollout))
            }
            (None, Some(segment), Some(how), None) => {
                Ok(Write::Segment(segment::Path { project, environment, segment }, how))
            }
            (Some(_), None, ..) => Err(one_of("`put`, `patch` and `rollout`")),
            (None, Some(_), ..) => Err(one_of("`put` and `patch`")),
            _ => Err(one_of("`flag` and `segment`")),
        }
    }
}

fn one_of(names: &str) -> Problem {
    Fault::at("", "missing_field", format!("one of {names} is needed here, and only one")).into()
}

/// A preview is refused by what is there where the write would be, and where a list began with
/// another revision.
pub(super) struct MayConflict;

impl<S: Sync> FromRequestParts<S> for MayConflict {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl Describes for MayConflict {
    fn describe(operation: &mut Operation<'_>) {
        operation.may_be_refused([409]);
    }
}

/// Tells a computation, when it is dropped, that nobody waits for it any more.
#[derive(Default)]
pub(super) struct Caller {
    pub(super) gone: Arc<AtomicBool>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// Finds out what is proposed, and lets `answer` say what would come of it.
async fn preview(
    service: &Service,
    Keys((project, environment)): Keys<(String, String)>,
    mut proposal: Proposal,
    answer: impl FnOnce(&Preview, &AtomicBool) -> Result<Response, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let live = live(service, &project, &environment)?;
    let only = proposal.flags.take();
    if only.as_ref().is_some_and(|only| only.len() as u64 > MAX_FLAGS) {
        let message = format!("there are at most {MAX_FLAGS} flags");
        return Err(Fault::at("/flags", "too_many", message).into());
    }
    let write = proposal.take(&project, &environment)?;
    // From the beginning: one that waits keeps nothing but its proposal.
    let place = service.enter_preview().await?;
    let id = live.id;
    let (object, flags) = service
        .read(move |view| {
            let object = proposed(view, write)?;
            let mut flags = affected(view, id, object.as_ref())?;
            if let Some(only) = only {
                let only: HashSet<String> = only.into_iter().collect();
                flags.retain(|flag| only.contains(flag));
            }
            Ok((object, flags))
        })
        .await?;
    let (before, epoch) = (live.ruleset(), service.live.epoch().clone());
    let caller = Caller::default();
    let gone = Arc::clone(&caller.gone);
    let answered = service.compute_at(place, move || {
        let preview = Preview::new(before, epoch, object, flags.into_iter().collect(), now())?;
        answer(&preview, &gone)
    });
    answered.await?
}

/// What a change would do.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Preview")]
pub(super) struct Shown<'p> {
    revision: u64,
    tenants: usize,
    flags: Vec<ShownFlag<'p>>,
}

/// What it would do to the answers of one flag.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PreviewedFlag")]
struct ShownFlag<'p> {
    flag: &'p str,
    changed: usize,
    unchanged: usize,
    transitions: Vec<ShownTransition<'p>>,
    dependent: Dependent<'p>,
}

/// Those whose answers depend on more than the tenant, apart.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DependentTenants")]
struct Dependent<'p> {
    tenants: usize,
    transitions: Vec<ShownTransition<'p>>,
}

/// Tenants that get one variant before, and one after.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Transition")]
struct ShownTransition<'p> {
    from: Option<&'p str>,
    to: Option<&'p str>,
    tenants: usize,
    examples: Vec<&'p str>,
}

fn show(effects: Effects<'_>) -> ShownFlag<'_> {
    let mut shown = ShownFlag {
        flag: effects.flag,
        changed: 0,
        unchanged: 0,
        transitions: Vec::new(),
        dependent: Dependent { tenants: 0, transitions: Vec::new() },
    };
    for (Transition { from, to, dependent }, seen) in effects.transitions {
        let (tenants, examples) = (seen.tenants, seen.examples.into_sorted_vec());
        let transition = ShownTransition { from, to, tenants, examples };
        if dependent {
            shown.dependent.tenants += tenants;
            shown.dependent.transitions.push(transition);
        } else {
            *(if from == to { &mut shown.unchanged } else { &mut shown.changed }) += tenants;
            shown.transitions.push(transition);
        }
    }
    shown
}

pub(super) async fn summary(
    State(service): State<Arc<Service>>,
    keys: Keys<(String, String)>,
    _: MayConflict,
    Checked(proposal): Checked<Proposal>,
) -> Result<Response, Problem> {
    let answer = |preview: &Preview, gone: &AtomicBool| {
        let flags = preview.effects(gone).map_err(Fault::from)?.into_iter().map(show).collect();
        let (revision, tenants) = (preview.revision(), preview.tenants());
        Ok(Json(Shown { revision, tenants, flags }).into_response())
    };
    preview(&service, keys, proposal, answer).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// How many items a page has at most.
    #[schemars(range(min = 1, max = MAX_PAGE_ITEMS))]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[schemars(regex(pattern = schema::CURSOR))]
    cursor: Option<String>,
}

/// Where a list goes on; bound to the revision that it began with.
#[derive(Serialize, Deserialize)]
struct Cursor {
    revision: u64,
    flag: String,
    tenant: String,
}

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    fn write(&self) -> Result<String, Problem> {
        let json = serde_json::to_vec(self);
        let json = json.map_err(|error| Problem::internal(error.to_string()))?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }
}

/// A page of the tenants that it would do something to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PreviewPage")]
pub(super) struct Page<'p> {
    revision: u64,
    items: Vec<Item<'p>>,
    next_cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChangedTenant")]
struct Item<'p> {
    flag: &'p str,
    tenant: &'p str,
    from: Option<&'p str>,
    to: Option<&'p str>,
    dependent: bool,
}

fn page(
    preview: &Preview,
    after: Option<&Cursor>,
    limit: usize,
    gone: &AtomicBool,
) -> Result<Response, Problem> {
    let revision = preview.revision();
    if let Some(began) = after.map(|cursor| cursor.revision).filter(|began| *began != revision) {
        return Err(Fault::RevisionChanged { began, revision }.into());
    }
    let after = after.map(|cursor| (&*cursor.flag, &*cursor.tenant));
    // One more tells whether there is a next page.
    let mut found = preview.changed(after, limit + 1, gone).map_err(Fault::from)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| {
        let (flag, tenant) = (last.flag.to_owned(), last.tenant.to_owned());
        Cursor { revision, flag, tenant }.write()
    });
    let items = found.into_iter().map(|Affected { flag, tenant, transition }| {
        let Transition { from, to, dependent } = transition;
        Item { flag, tenant, from, to, dependent }
    });
    let items = items.collect();
    let next_cursor = next_cursor.transpose()?;
    Ok(Json(Page { revision, items, next_cursor }).into_response())
}

pub(super) async fn tenants(
    State(service): State<Arc<Service>>,
    keys: Keys<(String, String)>,
    _: MayConflict,
    query: Result<Query<PageQuery>, axum::extract::rejection::QueryRejection>,
    Checked(proposal): Checked<Proposal>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::query_rejected(&rejection))?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE_ITEMS);
    if !(1..=MAX_PAGE_ITEMS).contains(&limit) {
        return Err(Problem::query(format!("`limit` is 1 to {MAX_PAGE_ITEMS}")));
    }
    let unread = || Problem::query("`cursor` is not one that a preview gave");
    let after = query.cursor.map(|text| Cursor::read(&text).ok_or_else(unread)).transpose()?;
    let answer = move |preview: &Preview, gone: &AtomicBool| {
        page(preview, after.as_ref(), limit as usize, gone)
    };
    preview(&service, keys, proposal, answer).await
}

//! `…/history`: revisions, the newest first, with what each of them changed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::list::ListQuery;
use super::path::Keys;
use super::problem::Problem;
use crate::service::Service;
use crate::service::catalogue::Sold;
use crate::service::diff::Difference;
use crate::service::history::{Entry, Subject, Told, Touched, history};
use crate::store::ObjectKind;

/// What one revision changed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RevisionEntry")]
pub(super) struct Shown {
    revision: u64,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    actor: Actor,
    reason: Option<String>,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    objects: Vec<ShownObject>,
    objects_count: u64,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Actor {
    pub(super) id: String,
    pub(super) name: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChangedObject")]
pub(super) struct ShownObject {
    kind: String,
    key: String,
    #[serde(flatten)]
    change: ShownChange,
}

/// A change of one object, for people and for programs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ObjectChange")]
pub(super) struct ShownChange {
    summary: String,
    diff: Vec<Difference>,
    /// Whether `diff` has everything.
    complete: bool,
}

impl From<Told> for ShownChange {
    fn from(told: Told) -> Self {
        let Told { summary, differences } = told;
        Self { summary, diff: differences.found, complete: differences.complete }
    }
}

impl From<Touched> for ShownObject {
    fn from(touched: Touched) -> Self {
        let Touched { kind, key, change } = touched;
        Self { kind, key, change: change.into() }
    }
}

fn show(entry: Entry) -> Shown {
    let Entry { revision, at, actor: (id, name), reason, action, .. } = entry;
    let Entry { schedule, objects, objects_count, .. } = entry;
    Shown {
        revision,
        at: at.to_string(),
        actor: Actor { id, name },
        reason,
        action,
        schedule,
        objects: objects.into_iter().map(ShownObject::from).collect(),
        objects_count,
    }
}

pub(super) async fn of_environment(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    query: ListQuery,
) -> Result<Response, Problem> {
    answer(&service, Subject { project, environment, object: None }, query).await
}

pub(super) async fn of_flag(
    State(service): State<Arc<Service>>,
    Keys((project, environment, flag)): Keys<(String, String, String)>,
    query: ListQuery,
) -> Result<Response, Problem> {
    let object = Some((ObjectKind::Flag, flag));
    answer(&service, Subject { project, environment, object }, query).await
}

pub(super) async fn of_segment(
    State(service): State<Arc<Service>>,
    Keys((project, environment, segment)): Keys<(String, String, String)>,
    query: ListQuery,
) -> Result<Response, Problem> {
    let object = Some((ObjectKind::Segment, segment));
    answer(&service, Subject { project, environment, object }, query).await
}

pub(super) async fn of_sold<D: Sold>(
    State(service): State<Arc<Service>>,
    Keys((project, environment, key)): Keys<(String, String, String)>,
    query: ListQuery,
) -> Result<Response, Problem> {
    let object = Some((D::KIND, key));
    answer(&service, Subject { project, environment, object }, query).await
}

async fn answer(
    service: &Service,
    subject: Subject,
    query: ListQuery,
) -> Result<Response, Problem> {
    let (before, limit) = (query.number()?, query.limit());
    let part = service.read(move |view| history(view, &subject, before, limit)).await?;
    let last = part.items.last().filter(|_| part.more);
    let next = last.map(|last| last.revision.to_string());
    Ok(query.part(part.items.into_iter().map(show).collect(), next.as_deref()))
}

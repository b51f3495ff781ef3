//! `/api/v1/audit`

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::Response;
use flags_core::{Text, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::auth::Reaching;
use super::history::{Actor, ShownChange};
use super::list::ListQuery;
use super::openapi::{Describes, Operation};
use super::problem::Problem;
use crate::limits::MAX_PAGE_ITEMS;
use crate::schema;
use crate::service::Service;
use crate::service::audit::{ACTION, search};
use crate::service::history::Told;
use crate::store::{AuditFilter, AuditPosition, AuditRecord};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Key of a project.
    project: Option<String>,
    /// Key of an environment of that project.
    environment: Option<String>,
    /// Id of a token, `server` or `operator`.
    #[schemars(regex(pattern = ACTOR.pattern()))]
    actor: Option<String>,
    /// Such as `flag_state.off`.
    #[schemars(regex(pattern = ACTION.pattern()))]
    action: Option<String>,
    /// A key, or its kind and its key, such as `flag/new-checkout`.
    object: Option<String>,
    /// From this time on.
    #[schemars(extend("format" = "date-time"))]
    from: Option<String>,
    /// Before this time.
    #[schemars(extend("format" = "date-time"))]
    to: Option<String>,
    /// How many items a page has at most.
    #[schemars(range(min = 1, max = MAX_PAGE_ITEMS))]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[schemars(regex(pattern = schema::CURSOR))]
    cursor: Option<String>,
}

/// What is looked for, and which page of it.
pub(super) struct AuditQuery {
    filter: AuditFilter,
    query: ListQuery,
}

impl<S: Send + Sync> FromRequestParts<S> for AuditQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(said) = Query::<Said>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::query_rejected(&rejection))?;
        let Said { project, environment, actor, action, object, from, to, limit, cursor } = said;
        if environment.is_some() && project.is_none() {
            return Err(Problem::query("an `environment` is found by its `project`"));
        }
        // A name, or a verb alone, would find nothing and look like an answer.
        if actor.as_deref().is_some_and(|actor| !ACTOR.fits(actor)) {
            let detail =
                "`actor` is the id of a token, as `actor.id` in a history, `server` or `operator`";
            return Err(Problem::query(detail));
        }
        if action.as_deref().is_some_and(|action| !ACTION.fits(action)) {
            return Err(Problem::query("`action` is such as `flag_state.off`"));
        }
        let instant = |name: &str, said: Option<String>| -> Result<Option<Timestamp>, Problem> {
            let read = |said: String| {
                Timestamp::parse(&said).ok_or_else(|| {
                    Problem::query(format!("`{name}` is a time such as `2027-01-31T12:00:00Z`"))
                })
            };
            said.map(read).transpose()
        };
        let (from, to) = (instant("from", from)?, instant("to", to)?);
        let query = ListQuery::filtered(parts, limit, cursor)?;
        let cursor = query.text().map(|cursor| {
            position(cursor)
                .ok_or_else(|| Problem::query("`cursor` is not one that this list gave"))
        });
        // Entries have numbers from 1 up: none of that instant is before 0.
        let end = to.map(|at| AuditPosition { at, id: 0 });
        let none = AuditFilter::default();
        let filter = AuditFilter {
            object: object.map(|object| match object.split_once('/') {
                Some((kind, key)) => (Some(kind.to_owned()), key.to_owned()),
                None => (None, object),
            }),
            from: from.unwrap_or(none.from),
            before: cursor.transpose()?.or(end).unwrap_or(none.before),
            project,
            environment,
            actor,
            action,
            reach: none.reach,
        };
        Ok(Self { filter, query })
    }
}

impl Describes for AuditQuery {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<Said>();
    }
}

/// The id of somebody who acts.
pub(super) const ACTOR: Text = Text::new(is_actor, "^([0-9a-f]{32}|server|operator)$");

fn is_actor(id: &str) -> bool {
    let is_id = Uuid::try_parse(id).is_ok_and(|uuid| uuid.simple().to_string() == id);
    is_id || id == "server" || id == "operator"
}

/// Where a page begins, as its cursor says it.
fn position(cursor: &str) -> Option<AuditPosition> {
    let (at, id) = cursor.split_once('.')?;
    let id: u64 = id.parse().ok().filter(|id| i64::try_from(*id).is_ok())?;
    Some(AuditPosition { at: Timestamp::from_millis(at.parse().ok()?), id })
}

/// Something that was written.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
pub(super) struct Shown {
    id: u64,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    actor: Actor,
    request_id: String,
    action: String,
    project: Option<String>,
    environment: Option<String>,
    object: Object,
    reason: Option<String>,
    revisions: Value,
    #[serde(flatten)]
    change: ShownChange,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditedObject")]
struct Object {
    kind: String,
    key: String,
}

fn show((record, told): (AuditRecord, Told)) -> Shown {
    Shown {
        id: record.id,
        at: record.at.to_string(),
        actor: Actor { id: record.actor, name: record.actor_name },
        request_id: record.request_id,
        action: record.action,
        project: record.project,
        environment: record.environment,
        object: Object { kind: record.object_kind, key: record.object_key },
        reason: record.reason,
        // Written by this server; what is damaged hides nothing else.
        revisions: serde_json::from_str(&record.revisions).unwrap_or_default(),
        change: told.into(),
    }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Reaching(reach): Reaching,
    AuditQuery { filter, query }: AuditQuery,
) -> Result<Response, Problem> {
    let filter = AuditFilter { reach, ..filter };
    let limit = query.limit();
    let found = service.read(move |view| search(view, &filter, limit)).await?;
    let next = found.next.map(|next| format!("{}.{}", next.at.as_millis(), next.id));
    Ok(query.part(found.entries.into_iter().map(show).collect(), next.as_deref()))
}

//! `/api/v1/projects/{p}/environments/{e}/reports/overrides`

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::Response;
use flags_core::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{read_cursor, write_cursor};
use crate::http::evaluate::live;
use crate::http::list::ListQuery;
use crate::http::openapi::{Describes, Operation};
use crate::http::path::Keys;
use crate::http::problem::Problem;
use crate::limits::{DEFAULT_DUE_DAYS, MAX_DUE_DAYS, MAX_PAGE_ITEMS};
use crate::schema;
use crate::service::contract::NotedOverride;
use crate::service::report::overrides::{self, Due, Found, Key, Which};
use crate::service::{Service, now};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Which overrides are asked for.
pub(in crate::http) struct Listing {
    due: Option<Due>,
    within_days: u32,
    query: ListQuery,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    /// For this alone.
    due: Option<Due>,
    /// How many days ahead is looked; 30 unless said.
    #[schemars(range(max = MAX_DUE_DAYS))]
    within_days: Option<u32>,
    /// How many items a page has at most.
    #[schemars(range(min = 1, max = MAX_PAGE_ITEMS))]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[schemars(regex(pattern = schema::CURSOR))]
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Listing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(Said { due, within_days, limit, cursor }) =
            Query::from_request_parts(parts, state)
                .await
                .map_err(|rejection| Problem::query_rejected(&rejection))?;
        let within_days = within_days.unwrap_or(DEFAULT_DUE_DAYS);
        if within_days > MAX_DUE_DAYS {
            return Err(Problem::query(format!("`within_days` is 0 to {MAX_DUE_DAYS}")));
        }
        Ok(Self { due, within_days, query: ListQuery::filtered(parts, limit, cursor)? })
    }
}

impl Describes for Listing {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<Said>();
    }
}

/// An override that is due.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DueOverride")]
pub(in crate::http) struct Shown {
    tenant: String,
    /// For what it is due.
    due: Due,
    /// When.
    #[schemars(extend("format" = "date-time"))]
    due_at: String,
    /// Whether that was already.
    overdue: bool,
    #[serde(flatten)]
    #[schemars(schema_with = "schema::noted_override")]
    noted: NotedOverride,
}

pub(in crate::http) async fn list(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    Listing { due, within_days, query }: Listing,
) -> Result<Response, Problem> {
    live(&service, &project, &environment)?;
    let now = now();
    let until = now.as_millis().saturating_add(i64::from(within_days) * DAY_MS);
    let (until, after, limit) =
        (Timestamp::from_millis(until), read_cursor(&query)?, query.limit() as usize);
    // One more tells whether there is a next page.
    let which = Which { due, now, until, after, limit: limit + 1 };
    let mut found = overrides::list(&service, (&project, &environment), which).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| write_cursor(&last.key)).transpose()?;
    let show = |Found { key: Key { at, tenant, due, .. }, noted }| {
        let overdue = at <= now.as_millis();
        let due_at = Timestamp::from_millis(at).to_string();
        Shown { tenant, due, due_at, overdue, noted }
    };
    Ok(query.part(found.into_iter().map(show).collect(), next.as_deref()))
}

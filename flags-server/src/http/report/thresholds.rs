//! `/api/v1/projects/{p}/environments/{e}/reports/thresholds`

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::evaluate::live;
use crate::http::list::ListQuery;
use crate::http::openapi::{Describes, Operation};
use crate::http::path::Keys;
use crate::http::problem::Problem;
use crate::limits::MAX_PAGE_ITEMS;
use crate::schema;
use crate::service::Service;
use crate::service::uses::report;
use crate::store::Crossing;

/// That a tenant came to a threshold of a limit.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ThresholdCrossing")]
pub(in crate::http) struct Shown {
    /// Higher than that of every earlier one.
    id: u64,
    tenant: String,
    feature: String,
    /// How it is known what is used: `seats` or `usage`.
    counter: &'static str,
    /// The share of the limit, in percent: 80, 95 or 100.
    threshold: u32,
    /// How much was used then.
    used: u64,
    /// The limit then.
    limit: u64,
    /// When it was found.
    #[schemars(extend("format" = "date-time"))]
    at: String,
}

/// After which crossing to go on.
pub(in crate::http) struct After {
    after: u64,
    query: ListQuery,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Only crossings after the one of this number.
    after: Option<u64>,
    /// How many items a page has at most.
    #[schemars(range(min = 1, max = MAX_PAGE_ITEMS))]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[schemars(regex(pattern = schema::CURSOR))]
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for After {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(Said { after, limit, cursor }) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::query_rejected(&rejection))?;
        let query = ListQuery::filtered(parts, limit, cursor)?;
        let after = query.number()?.or(after).unwrap_or_default();
        // The store counts as far.
        let after = after.min(i64::MAX.unsigned_abs());
        Ok(Self { after, query })
    }
}

impl Describes for After {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<Said>();
    }
}

pub(in crate::http) async fn list(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    After { after, query }: After,
) -> Result<Response, Problem> {
    let live = live(&service, &project, &environment)?;
    if query.is_first() {
        report::refresh(&service, &live, &project, &environment).await?;
    }
    let limit = query.limit();
    let read = service.read(move |view| {
        report::list(view, &project, &environment, after, limit.saturating_add(1))
    });
    let mut found: Vec<Crossing> = read.await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(query.part(found.into_iter().map(show).collect(), next.as_deref()))
}

fn show(crossing: Crossing) -> Shown {
    let Crossing { id, of, threshold, used, limit, at } = crossing;
    let (counter, at) = (of.counter.name(), at.to_string());
    Shown { id, tenant: of.tenant, feature: of.feature, counter, threshold, used, limit, at }
}

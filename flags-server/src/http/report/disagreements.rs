//! `/api/v1/projects/{p}/environments/{e}/reports/disagreements` and `…/disagreements/tenants`

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use flags_core::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{read_cursor, write_cursor};
use crate::http::evaluate::live;
use crate::http::list::{ListQuery, Summed};
use crate::http::openapi::{Describes, Operation};
use crate::http::path::Keys;
use crate::http::preview::Caller;
use crate::http::problem::Problem;
use crate::limits::MAX_PAGE_ITEMS;
use crate::schema;
use crate::service::report::Kind;
use crate::service::report::disagreements::{Found, OfFlag, Report, Which};
use crate::service::{Fault, Service, now};

/// Which disagreements are asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct WhichQuery {
    /// Of this flag alone.
    flag: Option<String>,
    /// Of this kind alone.
    kind: Option<Kind>,
}

/// The same for a list of them.
pub(in crate::http) struct Listing {
    which: Which,
    query: ListQuery,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListingQuery {
    /// Of this flag alone.
    flag: Option<String>,
    /// Of this kind alone.
    kind: Option<Kind>,
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
        let Query(said) = Query::<ListingQuery>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::query_rejected(&rejection))?;
        let ListingQuery { flag, kind, limit, cursor } = said;
        let query = ListQuery::filtered(parts, limit, cursor)?;
        Ok(Self { which: Which { flag, kind }, query })
    }
}

impl Describes for Listing {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<ListingQuery>();
    }
}

/// What disagreements come to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Disagreements")]
pub(in crate::http) struct Shown<'r> {
    #[serde(flatten)]
    of: Of,
    /// How many tenants are stored.
    tenants: usize,
    /// Those that require a feature, sorted by key.
    flags: Vec<OfFlag<'r>>,
}

/// What a report is of.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub(in crate::http) struct Of {
    /// The revision that it is of.
    revision: u64,
    /// The instant that it is of.
    #[schemars(extend("format" = "date-time"))]
    at: String,
}

impl Of {
    fn report(report: &Report) -> Self {
        Self { revision: report.revision(), at: report.at().to_string() }
    }
}

/// A page of them.
pub(in crate::http) type Page<'r> = Summed<Of, Found<'r>>;

/// Where a list goes on; bound to the revision that it began with, and to its instant.
#[derive(Serialize, Deserialize)]
struct Cursor {
    revision: u64,
    /// In milliseconds.
    at: i64,
    flag: String,
    tenant: String,
}

/// Lets `answer` say what is found, away from the threads that answer requests.
async fn report(
    service: &Arc<Service>,
    (project, environment): (String, String),
    (which, at): (Which, Timestamp),
    answer: impl FnOnce(&Report, &AtomicBool) -> Result<Response, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let live = live(service, &project, &environment)?;
    let place = service.enter_preview().await?;
    let ruleset = live.ruleset();
    let report = service
        .read(move |view| Report::new(view, ruleset, (&project, &environment), which, at))
        .await?;
    let caller = Caller::default();
    let gone = Arc::clone(&caller.gone);
    service.compute_at(place, move || answer(&report, &gone)).await?
}

pub(in crate::http) async fn sums(
    State(service): State<Arc<Service>>,
    Keys(path): Keys<(String, String)>,
    query: Result<Query<WhichQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(WhichQuery { flag, kind }) =
        query.map_err(|rejection| Problem::query_rejected(&rejection))?;
    let answer = |report: &Report, gone: &AtomicBool| {
        let (of, tenants, flags) = (Of::report(report), report.tenants(), report.sums(gone)?);
        Ok(Json(Shown { of, tenants, flags }).into_response())
    };
    report(&service, path, (Which { flag, kind }, now()), answer).await
}

pub(in crate::http) async fn tenants(
    State(service): State<Arc<Service>>,
    Keys(path): Keys<(String, String)>,
    Listing { which, query }: Listing,
) -> Result<Response, Problem> {
    let after: Option<Cursor> = read_cursor(&query)?;
    let at = after.as_ref().map_or_else(now, |after| Timestamp::from_millis(after.at));
    let answer = move |report: &Report, gone: &AtomicBool| {
        let revision = report.revision();
        if let Some(began) = after.as_ref().map(|after| after.revision)
            && began != revision
        {
            return Err(Fault::RevisionChanged { began, revision }.into());
        }
        let after = after.as_ref().map(|after| (&*after.flag, &*after.tenant));
        let limit = query.limit() as usize;
        // One more tells whether there is a next page.
        let mut found = report.list(after, limit + 1, gone)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let at = report.at().as_millis();
        let next = found.last().filter(|_| more).map(|Found { flag, tenant, .. }| {
            let (flag, tenant) = (flag.clone(), (*tenant).to_owned());
            write_cursor(&Cursor { revision, at, flag, tenant })
        });
        Ok(query.part_with(Of::report(report), found, next.transpose()?.as_deref()))
    };
    report(&service, path, (which, at), answer).await
}

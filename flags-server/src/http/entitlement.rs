//! `/api/v1/projects/{p}/environments/{e}/tenants/{tenant}/entitlements`: what a tenant is entitled
//! to, and why.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use flags_core::{Decision, Ruleset, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evaluate::live;
use super::list::ListQuery;
use super::openapi::{Describes, Operation};
use super::path::Keys;
use super::problem::Problem;
use super::tenant::Triple;
use crate::limits::MAX_PAGE_ITEMS;
use crate::schema;
use crate::service::past::Moment;
use crate::service::tenant::Path as TenantPath;
use crate::service::uses::{self, Standing};
use crate::service::{Service, now};
use crate::store::Counter;

/// What holds of a feature at a time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FeatureDecision")]
pub(super) struct Listed<'r> {
    feature: &'r str,
    #[serde(flatten)]
    #[schemars(schema_with = "schema::decision")]
    decision: Decision<'r>,
}

/// What a tenant is entitled to of one feature, and why: at a time, and over all of time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Entitlement")]
pub(super) struct Shown<'r> {
    tenant: &'r str,
    feature: &'r str,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    revision: u64,
    #[schemars(schema_with = "schema::decision")]
    decision: Decision<'r>,
    timeline: Vec<Interval<'r>>,
    /// How many seats are assigned now, where there are some and no other time is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    seats: Option<Standing>,
    /// What the product says is used now, where it does and no other time is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Standing>,
}

/// What holds from a time on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EntitlementInterval")]
struct Interval<'r> {
    /// When it begins; null where it always has.
    #[schemars(extend("format" = "date-time"))]
    from: Option<String>,
    #[serde(flatten)]
    #[schemars(schema_with = "schema::decision")]
    decision: Decision<'r>,
}

/// The time that is asked for; now where none is.
pub(super) struct At(Option<Timestamp>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AtQuery {
    /// Any time, as RFC 3339 writes it; now where it is left out.
    #[schemars(extend("format" = "date-time"))]
    at: Option<String>,
}

/// The same for a list.
pub(super) struct AtList {
    at: At,
    query: ListQuery,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AtListQuery {
    /// Any time, as RFC 3339 writes it; now where it is left out.
    #[schemars(extend("format" = "date-time"))]
    at: Option<String>,
    /// How many items a page has at most.
    #[schemars(range(min = 1, max = MAX_PAGE_ITEMS))]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[schemars(regex(pattern = schema::CURSOR))]
    cursor: Option<String>,
}

impl At {
    fn read(said: Option<String>) -> Result<Self, Problem> {
        let read = |said: String| {
            let unread = || Problem::query("`at` is a time such as `2027-01-31T12:00:00Z`");
            Timestamp::parse(&said).ok_or_else(unread)
        };
        Ok(Self(said.map(read).transpose()?))
    }

    /// What decides then, and when that is.
    async fn ruleset(
        self,
        service: &Service,
        project: &str,
        environment: &str,
    ) -> Result<(Arc<Ruleset>, Timestamp), Problem> {
        let present = now();
        match self.0 {
            // With what was stored then.
            Some(at) if at < present => {
                Ok(service.past(project, environment, Moment::At(at)).await?)
            }
            at => Ok((live(service, project, environment)?.ruleset(), at.unwrap_or(present))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for At {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(AtQuery { at }) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::query_rejected(&rejection))?;
        Self::read(at)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AtList {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(AtListQuery { at, limit, cursor }) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::query_rejected(&rejection))?;
        Ok(Self { at: At::read(at)?, query: ListQuery::filtered(parts, limit, cursor)? })
    }
}

impl Describes for At {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<AtQuery>();
    }
}

impl Describes for AtList {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<AtListQuery>();
    }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Keys((project, environment, tenant)): Triple,
    AtList { at, query }: AtList,
) -> Result<Response, Problem> {
    let (ruleset, at) = at.ruleset(&service, &project, &environment).await?;
    let mut features: Vec<&str> = ruleset.catalogue().features().map(|(key, _)| key).collect();
    features.sort_unstable();
    let page = query.page();
    let decide =
        |feature| Listed { feature, decision: ruleset.entitlement(&tenant, feature).check(at) };
    let found: Vec<&str> = page.of(features, |key| key);
    Ok(query.answer(found, |key| key, decide))
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    Keys((project, environment, tenant, feature)): Keys<(String, String, String, String)>,
    at: At,
) -> Result<Response, Problem> {
    let is_present = at.0.is_none();
    let (ruleset, at) = at.ruleset(&service, &project, &environment).await?;
    let uses = match is_present {
        true => {
            let tenant = TenantPath { project, environment, tenant: tenant.clone() };
            let path = uses::Path { tenant, feature: feature.clone() };
            service.read(move |view| uses::of_feature(view, &path, at)).await?
        }
        false => Vec::new(),
    };
    let use_of = |counter| uses.iter().find(|(found, _)| *found == counter);
    let entitlement = ruleset.entitlement(&tenant, &*feature);
    let timeline = entitlement
        .intervals()
        .map(|(from, decision)| Interval { from: from.map(|from| from.to_string()), decision });
    let shown = Shown {
        tenant: &tenant,
        feature: &feature,
        at: at.to_string(),
        revision: ruleset.revision(),
        decision: entitlement.check(at),
        timeline: timeline.collect(),
        seats: use_of(Counter::Seats).map(|(_, standing)| standing.clone()),
        usage: use_of(Counter::Usage).map(|(_, standing)| standing.clone()),
    };
    Ok(Json(shown).into_response())
}

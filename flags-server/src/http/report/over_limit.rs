//! `/api/v1/projects/{p}/environments/{e}/reports/over-limit`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use flags_core::OverLimitPolicy;
use schemars::{JsonSchema, json_schema};
use serde::Serialize;

use super::{read_cursor, write_cursor};
use crate::http::evaluate::live;
use crate::http::list::ListQuery;
use crate::http::path::Keys;
use crate::http::problem::Problem;
use crate::service::report::over_limit::{self, Found, Part};
use crate::service::uses::Standing;
use crate::service::{Service, now};
use crate::store::{Counted, Counter};

/// A tenant that uses more than is granted now.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OverLimitTenant")]
pub(in crate::http) struct Shown {
    tenant: String,
    feature: String,
    /// How it is known what is used: `seats` or `usage`.
    counter: &'static str,
    #[serde(flatten)]
    standing: Standing,
    #[schemars(schema_with = "access")]
    access: &'static str,
    /// What the feature says of those who use more than their limit.
    #[schemars(schema_with = "policy")]
    policy: OverLimitPolicy,
    /// When the grace ends that leaves the access as it is; null where there is none.
    #[schemars(extend("format" = "date-time"))]
    until: Option<String>,
}

fn access(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    json_schema!({"enum": ["full", "read_only", "none"]})
}

fn policy(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    json_schema!({"enum": ["block_growth", "read_only", "none"]})
}

fn show(Found { of, standing, access, policy, until }: Found) -> Shown {
    let Counted { tenant, feature, counter } = of;
    let (counter, access) = (counter.name(), access.name());
    let until = until.map(|until| until.to_string());
    Shown { tenant, feature, counter, standing, access, policy, until }
}

pub(in crate::http) async fn list(
    State(service): State<Arc<Service>>,
    Keys((project, environment)): Keys<(String, String)>,
    query: ListQuery,
) -> Result<Response, Problem> {
    let live = live(&service, &project, &environment)?;
    let after: Option<(String, String, String)> = read_cursor(&query)?;
    let after = after.map(|(tenant, feature, counter)| -> Result<Counted, Problem> {
        let unread = || Problem::query("`cursor` is not one that this list gave");
        Ok(Counted { tenant, feature, counter: Counter::of(&counter).ok_or_else(unread)? })
    });
    let (after, limit) = (after.transpose()?, query.limit() as usize);
    let (ruleset, path) = (live.ruleset(), (&*project, &*environment));
    let Part { found, next } =
        over_limit::list(&service, &ruleset, path, after, (limit, now())).await?;
    let next = next.map(|next| write_cursor(&(next.tenant, next.feature, next.counter.name())));
    let next = next.transpose()?;
    Ok(query.part(found.into_iter().map(show).collect(), next.as_deref()))
}

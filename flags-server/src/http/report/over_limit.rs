//! `/api/v1/projects/{p}/environments/{e}/reports/over-limit`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::{read_cursor, write_cursor};
use crate::http::evaluate::live;
use crate::http::list::ListQuery;
use crate::http::path::Keys;
use crate::http::problem::Problem;
use crate::service::report::over_limit::{self, Part};
use crate::service::{Service, now};
use crate::store::{Counted, Counter};

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
    Ok(query.part(found, next.as_deref()))
}

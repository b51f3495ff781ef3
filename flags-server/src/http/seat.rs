//! `/api/v1/projects/{p}/environments/{e}/tenants/{tenant}/seats/{feature}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Serialize;

use super::body::Nothing;
use super::list::ListQuery;
use super::path::Keys;
use super::problem::Problem;
use crate::service::tenant::Path as TenantPath;
use crate::service::uses::seat::{self, Assigned};
use crate::service::uses::{Path, Standing};
use crate::service::{Author, Service, Unit, now};
use crate::store::StoredSeat;

pub(super) type Quadruple = Keys<(String, String, String, String)>;
type OfUser = Keys<(String, String, String, String, String)>;

/// Who has a seat.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Seat")]
pub(super) struct Shown {
    /// The user's key.
    user: String,
    /// When it was assigned.
    #[schemars(extend("format" = "date-time"))]
    assigned_at: String,
}

pub(super) fn path(Keys((project, environment, tenant, feature)): Quadruple) -> Path {
    Path { tenant: TenantPath { project, environment, tenant }, feature }
}

fn of_user(Keys((project, environment, tenant, feature, user)): OfUser) -> (Path, String) {
    (path(Keys((project, environment, tenant, feature))), user)
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    keys: Quadruple,
    query: ListQuery,
) -> Result<Response, Problem> {
    let (path, page) = (path(keys), query.page());
    let read = service.read(move |view| seat::list(view, &path, &page, now()));
    let (standing, seats) = read.await?;
    let show = |StoredSeat { user, assigned_at }| {
        let assigned_at = assigned_at.to_string();
        Shown { user, assigned_at }
    };
    Ok(query.answer_with(standing, seats, |seat| &seat.user, show))
}

pub(super) async fn assign(
    State(service): State<Arc<Service>>,
    keys: OfUser,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    let (path, user) = of_user(keys);
    let place = place(&path, &user);
    let assign = move |unit: &mut Unit<'_>| seat::assign(unit, &path, &user);
    let Assigned { is_new, standing } = service.write(author, assign).await?;
    Ok(match is_new {
        true => (StatusCode::CREATED, [(LOCATION, place)], Json(standing)).into_response(),
        false => Json(standing).into_response(),
    })
}

fn place(Path { tenant, feature }: &Path, user: &str) -> String {
    let TenantPath { project, environment, tenant } = tenant;
    // A key of a context may have any characters.
    let [tenant, user] = [tenant, user].map(|key| utf8_percent_encode(key, NON_ALPHANUMERIC));
    format!(
        "/api/v1/projects/{project}/environments/{environment}/tenants/{tenant}/seats/{feature}/{user}"
    )
}

pub(super) async fn release(
    State(service): State<Arc<Service>>,
    keys: OfUser,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    let (path, user) = of_user(keys);
    let release = move |unit: &mut Unit<'_>| seat::release(unit, &path, &user);
    let standing: Standing = service.write(author, release).await?;
    Ok(Json(standing).into_response())
}

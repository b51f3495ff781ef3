//! `/api/v1/tokens`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::response::{IntoResponse, Response};
use flags_core::{Field, Shape};
use serde::Serialize;

use super::body::{Checked, Nothing, Shaped};
use super::list::ListQuery;
use super::path::Keys;
use super::post::{Answered, Post};
use super::problem::Problem;
use crate::service::token::{self, NewToken, Token};
use crate::service::{Author, Service, Unit};

impl Shaped for NewToken {
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("name", &Shape::String),
        Field::required(
            "kind",
            &Shape::Word("\"admin\" or \"sdk\"", |word| matches!(word, "admin" | "sdk")),
        ),
        Field::optional("project", &Shape::Nullable(&Shape::String)),
        Field::optional("environment", &Shape::Nullable(&Shape::String)),
    ]);
}

#[derive(Serialize)]
struct Shown {
    id: String,
    name: String,
    kind: &'static str,
    project: Option<String>,
    environment: Option<String>,
    created_at: String,
    revoked_at: Option<String>,
    /// The secret, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

fn show(token: Token) -> Shown {
    let Token { stored, environment } = token;
    let (project, environment) = environment.unzip();
    Shown {
        id: stored.id,
        name: stored.name,
        kind: stored.kind.name(),
        project,
        environment,
        created_at: stored.created_at.to_string(),
        revoked_at: stored.revoked_at.map(|at| at.to_string()),
        token: None,
    }
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    query: ListQuery,
) -> Result<Response, Problem> {
    let page = query.page();
    let tokens = service.read(move |view| token::list(view, &page)).await?;
    Ok(query.answer(tokens, |token| &token.stored.id, show))
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    post: Post,
    Checked(body): Checked<NewToken>,
) -> Result<Response, Problem> {
    let create = move |unit: &mut Unit<'_>| token::create(unit, body);
    let answer = |(token, secret): (Token, String)| {
        // The secret is not kept for whoever asks again.
        let again = created(show(token.clone()));
        Answered::once(created(Shown { token: Some(secret), ..show(token) }), again)
    };
    post.run(&service, create, answer).await
}

fn created(shown: Shown) -> Response {
    let location = format!("/api/v1/tokens/{}", shown.id);
    let headers = [(LOCATION, location), (CACHE_CONTROL, "no-store".to_owned())];
    (StatusCode::CREATED, headers, Json(shown)).into_response()
}

pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    Keys(id): Keys<String>,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    let token = service.write(author, move |unit| token::revoke(unit, &id)).await?;
    Ok(Json(show(token)).into_response())
}

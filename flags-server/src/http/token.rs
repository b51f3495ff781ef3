//! `/api/v1/tokens`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use flags_core::{Field, Shape, Text};
use schemars::{Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::Reaching;
use super::body::{Checked, Nothing, Shaped};
use super::list::ListQuery;
use super::path::Keys;
use super::post::{Answered, Post};
use super::problem::Problem;
use crate::limits::{MAX_OVERLAP_SECONDS, MAX_TOKEN_PLACES};
use crate::schema::of_shape;
use crate::service::new_token::NewToken;
pub(super) use crate::service::shown_token::Shown;
use crate::service::text::NAME;
use crate::service::token::{self, Token};
use crate::service::{Author, Service, Unit};

impl Shaped for NewToken {
    const EXAMPLE: &'static str = r#"{"name": "release bot", "kind": "service", "role": "editor",
        "scope": [{"project": "default", "environment": "production"}, {"project": "shop"}],
        "expires_at": "2027-12-31T23:59:59Z"}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("name", &Shape::Text(&NAME))
            .says("What people call it; it stands in the audit log."),
        Field::required("kind", &Shape::Word(&["sdk", "personal", "service"]))
            .says("What it is for: an SDK, a person, or a program."),
        Field::optional("role", &Shape::Nullable(&Shape::Word(&["viewer", "editor", "admin"])))
            .says("What it may, of persons and programs."),
        Field::optional("scope", &Shape::Nullable(&SCOPE))
            .says("Where it may; everywhere where it is left out."),
        Field::optional("project", &Shape::Nullable(&Shape::Text(&Text::KEY)))
            .says("Of an SDK: its project, `default` where it is left out."),
        Field::optional("environment", &Shape::Nullable(&Shape::Text(&Text::KEY)))
            .says("Of an SDK: its environment."),
        Field::optional("tenants", &Shape::Nullable(&Shape::Word(&["all", "none"])))
            .says("Of an SDK: whether it sees the stored tenants."),
        Field::optional("expires_at", &Shape::Nullable(&Shape::Text(&Text::TIME)))
            .says("From when on it opens nothing, in RFC 3339."),
    ]);

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = of_shape(Self::SHAPE, generator);
        let more = json!({
            "if": {"properties": {"kind": {"const": "sdk"}}},
            "then": {
                "properties": {
                    "environment": {"type": "string"},
                    "role": {"type": "null", "description": "Of an SDK, none."},
                    "scope": {"type": "null", "description": "Of an SDK, none."},
                },
                "required": ["environment"],
            },
            "else": {
                "properties": {
                    "role": {"type": "string"}, "project": {"type": "null"},
                    "environment": {"type": "null"}, "tenants": {"type": "null"},
                },
                "required": ["role"],
            },
        });
        if let (Some(schema), Value::Object(more)) = (schema.as_object_mut(), more) {
            schema.extend(more);
        }
        schema
    }
}

const SCOPE: Shape = Shape::Within(1..=MAX_TOKEN_PLACES as u64, &Shape::List(PLACE));

const PLACE: &Shape = &Shape::Object(&[
    Field::required("project", &Shape::Text(&Text::KEY)).says("A project."),
    Field::optional("environment", &Shape::Nullable(&Shape::Text(&Text::KEY)))
        .says("One environment of it; all of them where it is left out."),
]);

/// What replaces a secret.
#[derive(Deserialize)]
pub(super) struct Rotate {
    overlap_seconds: u32,
}

const OVERLAP: Shape = Shape::Within(0..=MAX_OVERLAP_SECONDS as u64, &Shape::U32);

impl Shaped for Rotate {
    const EXAMPLE: &'static str = r#"{"overlap_seconds": 3600}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[Field::required("overlap_seconds", &OVERLAP)
        .says("How long the secret of before works on; 0 ends it at once.")]);
}

/// A token, as an answer that nobody keeps.
type Fresh = ([(HeaderName, &'static str); 1], Json<Shown>);

/// An answer with a secret, which is not kept for whoever asks again.
fn told_once(token: Token, secret: String, respond: impl Fn(Fresh) -> Response) -> Answered {
    let fresh = |shown| ([(CACHE_CONTROL, "no-store")], Json(shown));
    let again = respond(fresh(token.clone().into()));
    Answered::once(respond(fresh(Shown::once(token, secret))), again)
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Reaching(reach): Reaching,
    query: ListQuery,
) -> Result<Response, Problem> {
    let page = query.page();
    let tokens = service.read(move |view| token::list(view, &reach, &page)).await?;
    Ok(query.answer(tokens, |token| &token.stored.id, Shown::from))
}

pub(super) async fn create(
    State(service): State<Arc<Service>>,
    Reaching(reach): Reaching,
    post: Post,
    Checked(body): Checked<NewToken>,
) -> Result<Response, Problem> {
    let create = move |unit: &mut Unit<'_>| token::create(unit, &reach, body);
    let answer = |(token, secret): (Token, String)| {
        let location = format!("/api/v1/tokens/{}", token.stored.id);
        told_once(token, secret, move |shown| {
            (StatusCode::CREATED, [(LOCATION, location.clone())], shown).into_response()
        })
    };
    post.run(&service, create, answer).await
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    Keys(id): Keys<String>,
    Reaching(reach): Reaching,
) -> Result<Response, Problem> {
    let token = service.read(move |view| token::get(view, &reach, &id)).await?;
    Ok(Json(Shown::from(token)).into_response())
}

pub(super) async fn rotate(
    State(service): State<Arc<Service>>,
    Keys(id): Keys<String>,
    Reaching(reach): Reaching,
    post: Post,
    Checked(Rotate { overlap_seconds }): Checked<Rotate>,
) -> Result<Response, Problem> {
    let rotate = move |unit: &mut Unit<'_>| token::rotate(unit, &reach, &id, overlap_seconds);
    let answer = |(token, secret)| told_once(token, secret, IntoResponse::into_response);
    post.run(&service, rotate, answer).await
}

pub(super) async fn revoke(
    State(service): State<Arc<Service>>,
    Keys(id): Keys<String>,
    Reaching(reach): Reaching,
    author: Author,
    _: Nothing,
) -> Result<Response, Problem> {
    let token = service.write(author, move |unit| token::revoke(unit, &reach, &id)).await?;
    Ok(Json(Shown::from(token)).into_response())
}

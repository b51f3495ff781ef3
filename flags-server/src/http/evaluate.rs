//! `/api/v1/projects/{p}/environments/{e}/evaluate` and `…/explain`: what a service would see.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use flags_core::{Evaluation, Explanation, Field, JsonContext, Ruleset, Shape, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::{Checked, Shaped};
use super::openapi::{Describes, Operation};
use super::path::Keys;
use super::problem::Problem;
use crate::live::LiveEnvironment;
use crate::schema::{self, Body};
use crate::service::past::Moment;
use crate::service::{Service, now};

#[derive(Deserialize)]
pub(super) struct Evaluate {
    context: Value,
    flag: Option<String>,
}

impl Shaped for Evaluate {
    const EXAMPLE: &'static str = r#"{"flag": "new-checkout",
        "context": {"user": {"key": "u-17"}, "tenant": {"key": "acme"}}}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("context", &Shape::Any).says("Who asks: kinds with a `key` and attributes, such as `{\"tenant\": {\"key\": \"acme\"}}`."),
        Field::optional("flag", &Shape::String).says("The key of a flag; all flags where it is left out."),
    ]);

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Body::of(Self::SHAPE, generator).with("context", schema::context()).schema()
    }
}

#[derive(Deserialize)]
pub(super) struct Explain {
    context: Value,
    flag: String,
}

impl Shaped for Explain {
    const EXAMPLE: &'static str = r#"{"flag": "new-checkout",
        "context": {"user": {"key": "u-17"}, "tenant": {"key": "acme"}}}"#;
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("context", &Shape::Any).says("Who asks: kinds with a `key` and attributes, such as `{\"tenant\": {\"key\": \"acme\"}}`."),
        Field::required("flag", &Shape::String).says("The key of a flag."),
    ]);

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Body::of(Self::SHAPE, generator).with("context", schema::context()).schema()
    }
}

/// The answer of a flag.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Answer")]
pub(super) struct Answer<'r> {
    flag: &'r str,
    #[serde(flatten)]
    #[schemars(schema_with = "schema::evaluation")]
    evaluation: Evaluation<'r>,
}

/// The answers of all flags, sorted by key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Answers")]
pub(super) struct Answers<'r> {
    answers: Vec<Answer<'r>>,
}

/// What [`evaluate`] answers.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum Answered<'r> {
    One(Answer<'r>),
    All(Answers<'r>),
}

/// The answer of a flag, with every step to it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Explanation")]
pub(super) struct Explained<'r> {
    #[serde(flatten)]
    #[schemars(schema_with = "schema::explanation")]
    explanation: Explanation<'r>,
    text: String,
}

/// The environment that is asked, unless it is archived.
pub(super) fn live(
    service: &Service,
    project: &str,
    key: &str,
) -> Result<Arc<LiveEnvironment>, Problem> {
    let live = service.live.by_key(project, key).filter(|live| !live.is_archived());
    live.ok_or_else(|| {
        Problem::not_found(format!("there is no environment `{key}` of a project `{project}`"))
    })
}

/// The moment that is asked for; the present where none is.
pub(super) struct When(Option<Moment>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhenQuery {
    /// With the definitions of this revision.
    revision: Option<u64>,
    /// With the definitions of that time, as RFC 3339 writes it.
    #[schemars(extend("format" = "date-time"))]
    at: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for When {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(query) = Query::<WhenQuery>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::query_rejected(&rejection))?;
        match query {
            WhenQuery { revision: None, at: None } => Ok(Self(None)),
            WhenQuery { revision: Some(revision), at: None } => {
                Ok(Self(Some(Moment::Revision(revision))))
            }
            WhenQuery { revision: None, at: Some(at) } => {
                let at = Timestamp::parse(&at).ok_or_else(|| {
                    Problem::query("`at` is a time such as `2027-01-31T12:00:00Z`")
                })?;
                if at > now() {
                    return Err(Problem::query(
                        "`at` is in the future: nobody knows its definitions",
                    ));
                }
                Ok(Self(Some(Moment::At(at))))
            }
            _ => Err(Problem::query("`revision` and `at` are two ways to say the same thing")),
        }
    }
}

impl Describes for When {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<WhenQuery>();
    }
}

/// The definitions of a moment, and when that was; `None` for those of the present.
async fn definitions(
    service: &Service,
    project: &str,
    key: &str,
    moment: Option<Moment>,
) -> Result<(Arc<Ruleset>, Option<Timestamp>), Problem> {
    let Some(moment) = moment else {
        return Ok((live(service, project, key)?.ruleset(), None));
    };
    let (ruleset, at) = service.past(project, key, moment).await?;
    Ok((ruleset, Some(at)))
}

fn context(body: &Value) -> Result<JsonContext, Problem> {
    JsonContext::read(body).map_err(|mut errors| {
        for error in &mut errors {
            error.pointer.insert_str(0, "/context");
        }
        Problem::invalid(errors)
    })
}

pub(super) async fn evaluate(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
    When(moment): When,
    Checked(body): Checked<Evaluate>,
) -> Result<Response, Problem> {
    let (ruleset, at) = definitions(&service, &project, &key, moment).await?;
    let now = move || at.unwrap_or_else(now);
    let context = context(&body.context)?;
    let answered = service.compute(move || {
        if let Some(flag) = body.flag {
            let evaluation = ruleset.evaluate(&*flag, &context, now);
            return Json(Answered::One(Answer { flag: &flag, evaluation })).into_response();
        }
        let answers = ruleset.evaluate_all(&context, now);
        let mut answers: Vec<_> =
            answers.map(|(flag, evaluation)| Answer { flag, evaluation }).collect();
        answers.sort_unstable_by_key(|answer| answer.flag);
        Json(Answered::All(Answers { answers })).into_response()
    });
    Ok(answered.await?)
}

/// Whether the caller asks for text, as somebody who reads does.
pub(super) struct WantsText(bool);

impl<S: Sync> FromRequestParts<S> for WantsText {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(wants_text(&parts.headers)))
    }
}

impl Describes for WantsText {
    // Which media types there are to choose from, the answer says.
    fn describe(_: &mut Operation<'_>) {}
}

fn wants_text(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let types = accepted.flat_map(|accept| accept.split(','));
    let mut names = types.map(|one| one.split(';').next().unwrap_or_default().trim());
    // Whoever names both means the one that comes first.
    let first = names.find(|name| matches!(*name, "text/plain" | "application/json"));
    first == Some("text/plain")
}

pub(super) async fn explain(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
    When(moment): When,
    WantsText(wants_text): WantsText,
    Checked(body): Checked<Explain>,
) -> Result<Response, Problem> {
    let (ruleset, at) = definitions(&service, &project, &key, moment).await?;
    let now = move || at.unwrap_or_else(now);
    let context = context(&body.context)?;
    let answered = service.compute(move || {
        let explanation = ruleset.explain(&*body.flag, &context, now);
        let text = explanation.to_string();
        if wants_text {
            return text.into_response();
        }
        Json(Explained { explanation, text }).into_response()
    });
    Ok(answered.await?)
}

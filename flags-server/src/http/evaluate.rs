//! `/api/v1/projects/{p}/environments/{e}/evaluate` and `…/explain`: what a service would see.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use flags_core::{Evaluation, Explanation, Field, JsonContext, Shape};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::body::{Checked, Shaped};
use super::path::Keys;
use super::problem::Problem;
use crate::live::LiveEnvironment;
use crate::service::{Service, now};

#[derive(Deserialize)]
pub(super) struct Evaluate {
    context: Value,
    flag: Option<String>,
}

impl Shaped for Evaluate {
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("context", &Shape::Any),
        Field::optional("flag", &Shape::String),
    ]);
}

#[derive(Deserialize)]
pub(super) struct Explain {
    context: Value,
    flag: String,
}

impl Shaped for Explain {
    const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("context", &Shape::Any),
        Field::required("flag", &Shape::String),
    ]);
}

#[derive(Serialize)]
struct Answer<'r> {
    flag: &'r str,
    #[serde(flatten)]
    evaluation: Evaluation<'r>,
}

#[derive(Serialize)]
struct Answers<'r> {
    answers: Vec<Answer<'r>>,
}

#[derive(Serialize)]
struct Explained<'r> {
    #[serde(flatten)]
    explanation: Explanation<'r>,
    text: String,
}

pub(super) fn live(
    service: &Service,
    project: &str,
    key: &str,
) -> Result<Arc<LiveEnvironment>, Problem> {
    service.live.by_key(project, key).ok_or_else(|| {
        Problem::not_found(format!("there is no environment `{key}` of a project `{project}`"))
    })
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
    Checked(body): Checked<Evaluate>,
) -> Result<Response, Problem> {
    let ruleset = live(&service, &project, &key)?.ruleset();
    let context = context(&body.context)?;
    let answered = service.compute(move || {
        if let Some(flag) = body.flag {
            let evaluation = ruleset.evaluate(&*flag, &context, now);
            return Json(Answer { flag: &flag, evaluation }).into_response();
        }
        let answers = ruleset.evaluate_all(&context, now);
        let mut answers: Vec<_> =
            answers.map(|(flag, evaluation)| Answer { flag, evaluation }).collect();
        answers.sort_unstable_by_key(|answer| answer.flag);
        Json(Answers { answers }).into_response()
    });
    Ok(answered.await?)
}

pub(super) async fn explain(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
    Checked(body): Checked<Explain>,
) -> Result<Response, Problem> {
    let ruleset = live(&service, &project, &key)?.ruleset();
    let context = context(&body.context)?;
    let answered = service.compute(move || {
        let explanation = ruleset.explain(&*body.flag, &context, now);
        let text = explanation.to_string();
        Json(Explained { explanation, text }).into_response()
    });
    Ok(answered.await?)
}

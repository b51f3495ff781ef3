//! `/sdk/v1/telemetry`: what instances have applied.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use flags_core::{Diagnostic, Epoch, Field, Revision, Shape, Text};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::body::TelemetryBody;
use super::openapi::{Describes, Operation};
use super::problem::Problem;
use super::sdk_stream::SdkAccess;
use crate::limits::{
    MAX_APPLIED, MAX_APPLIED_AGE_MS, MAX_INSTANCE_NAME_BYTES, MAX_TELEMETRY_BYTES,
};
use crate::live::About;
use crate::schema::of_shape;
use crate::service::{Service, now};

/// By which an instance says on its stream who it is.
pub(super) static INSTANCE: HeaderName = HeaderName::from_static("flags-instance");

/// Over how many milliseconds it is to spread its receipts, as the stream's answer says it.
pub(super) static RECEIPT_WINDOW: HeaderName = HeaderName::from_static("flags-receipt-window-ms");

#[derive(Deserialize)]
pub(super) struct Telemetry {
    instance: String,
    app: Option<String>,
    sdk: Option<Sdk>,
    epoch: Option<Epoch>,
    #[serde(default)]
    applied: Vec<Applied>,
}

#[derive(Deserialize)]
struct Sdk {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Applied {
    revision: Revision,
    age_ms: u64,
}

const SHAPE: &Shape = &Shape::Object(&[
    Field::required("instance", &NAME)
        .says("Which instance speaks; it makes up its name at its start."),
    Field::optional("app", &Shape::Nullable(&NAME)).says("The program that it is in."),
    Field::optional(
        "sdk",
        &Shape::Nullable(&Shape::Object(&[
            Field::required("name", &NAME).says("The name of the SDK."),
            Field::required("version", &NAME).says("Its version."),
        ])),
    )
    .says("What it speaks with."),
    Field::optional("epoch", &Shape::String).says("Of which history the revisions are."),
    Field::optional(
        "applied",
        &Shape::Within(
            0..=MAX_APPLIED as u64,
            &Shape::List(&Shape::Object(&[
                Field::required("revision", &Shape::U64).says("The revision."),
                Field::required("age_ms", &Shape::U64).says("How long ago it came into force."),
            ])),
        ),
    )
    .says("Which revisions came into force."),
]);

/// Over how long the instance is to spread what it says.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct Window {
    window_ms: u64,
}

impl Describes for TelemetryBody {
    fn describe(operation: &mut Operation<'_>) {
        let mut schema = of_shape(SHAPE, operation.generator).to_value();
        open(&mut schema);
        // What the shape does not say.
        let said = json!({
            "if": {"required": ["applied"], "properties": {"applied": {"minItems": 1}}},
            "then": {"required": ["epoch"]},
        });
        merge(&mut schema, said);
        let schema = Schema::try_from(schema).unwrap_or_default();
        let example = r#"{"instance": "9f0c2b7a41d35e86", "app": "shop",
            "sdk": {"name": "flags-client", "version": "0.1.0"}, 
            "epoch": "0192f0c1a2b37c4d8e9fa0b1c2d3e4f5",
            "applied": [{"revision": 57, "age_ms": 812}]}"#;
        operation.body(MAX_TELEMETRY_BYTES, schema, example);
    }
}

/// What a later SDK says besides is left out, everywhere.
fn open(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.remove("additionalProperties");
            members.values_mut().for_each(open);
        }
        Value::Array(parts) => parts.iter_mut().for_each(open),
        _ => {}
    }
}

/// Says more of a schema, member by member.
fn merge(schema: &mut Value, more: Value) {
    match (schema, more) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, more) in more {
                merge(members.entry(name).or_insert(Value::Null), more);
            }
        }
        (schema, more) => *schema = more,
    }
}

impl Telemetry {
    /// What a later SDK says besides is left out.
    fn read(body: Value) -> Result<Self, Problem> {
        let mut errors = SHAPE.check(&body);
        errors.retain(|error| error.code != "unknown_field");
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
        let telemetry: Self = serde_json::from_value(body).map_err(|error| {
            // Behind more unknown fields than are reported.
            Problem::invalid(vec![diagnostic("", "wrong_type", error.to_string())])
        })?;
        let errors = telemetry.faults();
        if errors.is_empty() { Ok(telemetry) } else { Err(Problem::invalid(errors)) }
    }

    fn faults(&self) -> Vec<Diagnostic> {
        let sdk = self.sdk.as_ref();
        let names = [
            ("/instance", Some(&self.instance)),
            ("/app", self.app.as_ref()),
            ("/sdk/name", sdk.map(|sdk| &sdk.name)),
            ("/sdk/version", sdk.map(|sdk| &sdk.version)),
        ];
        let wrong = names
            .into_iter()
            .filter(|(_, name)| name.is_some_and(|name| !INSTANCE_NAME.fits(name)));
        let mut errors: Vec<_> =
            wrong.map(|(pointer, _)| diagnostic(pointer, "invalid_name", name_rule())).collect();
        if self.applied.len() > MAX_APPLIED {
            let message = format!("at most {MAX_APPLIED} revisions are told at once");
            errors.push(diagnostic("/applied", "too_many", message));
        }
        if self.epoch.is_none() && !self.applied.is_empty() {
            let message = "`epoch` is needed to say what was applied";
            errors.push(diagnostic("", "missing_field", message));
        }
        errors
    }
}

fn diagnostic(pointer: &str, code: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic { pointer: pointer.into(), code: code.into(), message: message.into() }
}

/// The name of an instance, an app or an SDK.
pub(super) const INSTANCE_NAME: Text = Text::new(
    |name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:/+@".contains(&byte)),
    "^[A-Za-z0-9._:/+@-]*$",
)
.bytes(1, MAX_INSTANCE_NAME_BYTES);

const NAME: Shape = Shape::Text(&INSTANCE_NAME);

fn name_rule() -> String {
    format!("a name here has 1 to {MAX_INSTANCE_NAME_BYTES} letters, digits and `._-:/+@`")
}

/// Who a stream says its instance is.
pub(super) fn instance_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(sent) = headers.get(&INSTANCE) else {
        return Ok(None);
    };
    let name = sent.to_str().ok().filter(|name| INSTANCE_NAME.fits(name));
    name.map(Some).ok_or_else(|| Problem::header(format!("`Flags-Instance`: {}", name_rule())))
}

pub(super) async fn post(
    State(service): State<Arc<Service>>,
    SdkAccess { environment, .. }: SdkAccess,
    TelemetryBody(body): TelemetryBody,
) -> Result<Response, Problem> {
    let Telemetry { instance, app, sdk, epoch, applied } = Telemetry::read(body)?;
    // What an instance has of another history says nothing here.
    let ours = epoch.as_ref() == Some(service.live.epoch());
    let present = environment.revision();
    let applied = if ours { applied } else { Vec::new() };
    if let Some(index) = applied.iter().position(|applied| applied.revision > present) {
        let message = format!("there is no such revision yet: the present one is {present}");
        let pointer = format!("/applied/{index}/revision");
        return Err(Problem::invalid(vec![diagnostic(&pointer, "unknown_revision", message)]));
    }
    let applied: Vec<_> = applied
        .into_iter()
        .map(|Applied { revision, age_ms }| {
            (revision, Duration::from_millis(age_ms.min(MAX_APPLIED_AGE_MS)))
        })
        .collect();
    let (sdk_name, sdk_version) = sdk.map(|sdk| (sdk.name, sdk.version)).unzip();
    let about = About { app, sdk_name, sdk_version };
    for delay in environment.acknowledge(&instance, about, &applied, now()) {
        service.metrics.propagated(&environment.project, &environment.key, delay);
    }
    let window = environment.receipt_window().as_millis();
    Ok(Json(Window { window_ms: u64::try_from(window).unwrap_or(u64::MAX) }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_visible() {
        for name in ["a", "pod-7f.eu:8080", &"x".repeat(64)] {
            assert!(INSTANCE_NAME.fits(name), "{name}");
        }
        for name in ["", "a b", "ä", "a\n", "\"", "{", &"x".repeat(65)] {
            assert!(!INSTANCE_NAME.fits(name), "{name}");
        }
    }
}

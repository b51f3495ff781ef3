//! The body of a request.

use std::sync::{Arc, OnceLock};

use std::marker::PhantomData;

use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use flags_core::{PlainJson, Shape};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::openapi::{Describes, Operation};
use super::problem::Problem;
use crate::limits::{BODY_TIMEOUT, MAX_BODY_BYTES, MAX_BULK_BODY_BYTES, MAX_TELEMETRY_BYTES};
use crate::schema::{named, of_shape};

/// A body with a fixed shape.
pub(super) trait Shaped: DeserializeOwned {
    const SHAPE: &'static Shape;

    /// One such body, as JSON, for the document.
    const EXAMPLE: &'static str;
}

/// What a body must look like that is checked behind its handler.
pub(super) trait Form {
    /// What the document calls it.
    const NAME: &'static str;

    /// One such body, as JSON.
    const EXAMPLE: &'static str;

    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// A definition, as JSON; what it must look like depends on what is there.
pub(super) struct Definition<F>(pub(super) Value, pub(super) PhantomData<F>);

/// A body that has its shape.
pub(super) struct Checked<T>(pub(super) T);

/// A body of a route that takes many things at once, unread: reading it takes its time.
pub(super) struct Bulk<F>(pub(super) Bytes, pub(super) PhantomData<F>);

/// What an SDK tells of itself, as JSON.
pub(super) struct TelemetryBody(pub(super) Value);

/// A body that says nothing: none, or an object without members.
pub(super) struct Nothing;

impl<S: Sync, F> FromRequest<S> for Definition<F> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let value = parse(&read(request, MAX_BODY_BYTES).await?)?;
        Ok(Self(value, PhantomData))
    }
}

impl<S: Sync, T: Shaped> FromRequest<S> for Checked<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let value = parse(&read(request, MAX_BODY_BYTES).await?)?;
        check(T::SHAPE, &value)?;
        let misfit = |error: serde_json::Error| Problem::internal(error.to_string());
        serde_json::from_value(value).map(Self).map_err(misfit)
    }
}

impl<S: Sync, F> FromRequest<S> for Bulk<F> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read(request, MAX_BULK_BODY_BYTES).await?;
        Ok(Self(bytes, PhantomData))
    }
}

impl<S: Sync> FromRequest<S> for TelemetryBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        parse(&read(request, MAX_TELEMETRY_BYTES).await?).map(Self)
    }
}

impl<S: Sync> FromRequest<S> for Nothing {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read(request, MAX_BODY_BYTES).await?;
        if !bytes.trim_ascii().is_empty() {
            check(&Shape::Object(&[]), &parse(&bytes)?)?;
        }
        Ok(Self)
    }
}

impl<F: Form> Describes for Definition<F> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = named(F::NAME, operation.generator, F::schema);
        operation.body(MAX_BODY_BYTES, schema, F::EXAMPLE);
    }
}

impl<T: Shaped> Describes for Checked<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = of_shape(T::SHAPE, operation.generator);
        operation.body(MAX_BODY_BYTES, schema, T::EXAMPLE);
    }
}

impl<F: Form> Describes for Bulk<F> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = named(F::NAME, operation.generator, F::schema);
        operation.body(MAX_BULK_BODY_BYTES, schema, F::EXAMPLE);
    }
}

impl Describes for Nothing {
    fn describe(operation: &mut Operation<'_>) {
        let schema = of_shape(&Shape::Object(&[]), operation.generator);
        operation.body(MAX_BODY_BYTES, schema, "{}");
        operation.may_have_no_body();
    }
}

pub(super) fn check(shape: &Shape, value: &Value) -> Result<(), Problem> {
    let errors = shape.check(value);
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let plain: Result<PlainJson, _> = serde_json::from_slice(bytes);
    plain.map(|PlainJson(value)| value).map_err(|error| {
        let detail = format!("the body is not JSON that can be read: {error}");
        Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
    })
}

fn too_large(maximum: usize) -> Problem {
    let detail = format!("a body of this route has at most {maximum} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

/// The digest of a request's body once that is read, for whoever put it among the extensions.
#[derive(Debug, Clone, Default)]
pub(super) struct BodyDigest(Arc<OnceLock<[u8; 32]>>);

impl BodyDigest {
    /// That of no bytes where no body was read.
    pub(super) fn get(&self) -> [u8; 32] {
        self.0.get().copied().unwrap_or_else(|| Sha256::digest(b"").into())
    }
}

async fn read(request: Request, maximum: usize) -> Result<Bytes, Problem> {
    let digest = request.extensions().get::<BodyDigest>().cloned();
    let bytes = collect(request, maximum).await?;
    if let Some(BodyDigest(digest)) = digest {
        digest.get_or_init(|| Sha256::digest(&bytes).into());
    }
    Ok(bytes)
}

async fn collect(request: Request, maximum: usize) -> Result<Bytes, Problem> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > maximum as u64) {
        return Err(too_large(maximum));
    }
    let body: HttpBody = request.into_body();
    let body = Limited::new(body, maximum).collect();
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(maximum)),
        Ok(Err(error)) => {
            let detail = format!("the body did not arrive: {error}");
            Err(Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", detail))
        }
        Err(_) => {
            let detail = format!("the body took longer than {} s", BODY_TIMEOUT.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up_on() {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let request = Request::new(HttpBody::from_stream(never));
        let begin = tokio::time::Instant::now();
        let problem = read(request, MAX_BODY_BYTES).await.unwrap_err();
        assert_eq!(problem.into_response().status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(begin.elapsed().as_secs(), BODY_TIMEOUT.as_secs());
    }
}

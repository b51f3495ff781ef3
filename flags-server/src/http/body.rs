//! The body of a request.

use std::sync::{Arc, OnceLock};

use std::marker::PhantomData;

use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use flags_core::{PlainJson, Shape};
use http_body_util::BodyExt;
use schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::auth::Places;
use super::openapi::{Describes, Operation};
use super::problem::Problem;
use crate::limits::{
    BODY_TIMEOUT, FREE_BODY_BYTES, MAX_BODY_BYTES, MAX_BULK_BODY_BYTES, MAX_TELEMETRY_BYTES,
};
use crate::schema::{named, of_shape};

/// A body with a fixed shape.
pub(super) trait Shaped: DeserializeOwned {
    const SHAPE: &'static Shape;

    /// One such body, as JSON, for the document.
    const EXAMPLE: &'static str;

    /// What the document says of it; more than its shape, where the shape is not all that is checked.
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        of_shape(Self::SHAPE, generator)
    }
}

/// What a body must look like that is checked behind its handler.
pub(super) trait Form {
    /// What the document calls it.
    const NAME: &'static str;

    /// One such body, as JSON.
    const EXAMPLE: &'static str;

    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// A reference to a form.
pub(super) fn form<F: Form>(generator: &mut SchemaGenerator) -> Schema {
    named(F::NAME, generator, F::schema)
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
        let schema = form::<F>(operation.generator);
        operation.body(MAX_BODY_BYTES, schema, F::EXAMPLE);
    }
}

impl<T: Shaped> Describes for Checked<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = T::schema(operation.generator);
        operation.body(MAX_BODY_BYTES, schema, T::EXAMPLE);
    }
}

impl<F: Form> Describes for Bulk<F> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = form::<F>(operation.generator);
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

/// Reads the body; from then on the request has its places among those that are worked on.
async fn read(request: Request, maximum: usize) -> Result<Bytes, Problem> {
    let digest = request.extensions().get::<BodyDigest>().cloned();
    let places = request.extensions().get::<Places>().cloned();
    let places = places.ok_or_else(|| Problem::internal("a route without a check of access"))?;
    let bytes = collect(request, maximum, &places).await?;
    places.take().await?;
    if let Some(BodyDigest(digest)) = digest {
        digest.get_or_init(|| Sha256::digest(&bytes).into());
    }
    Ok(bytes)
}

async fn collect(request: Request, maximum: usize, places: &Places) -> Result<Bytes, Problem> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > maximum as u64) {
        return Err(too_large(maximum));
    }
    let body = gather(request.into_body(), maximum, places);
    tokio::time::timeout(BODY_TIMEOUT, body).await.unwrap_or_else(|_| {
        let detail = format!("the body took longer than {} s", BODY_TIMEOUT.as_secs());
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail))
    })
}

/// Makes room for what arrived, not for what is said to come: who says much takes nothing by that.
async fn gather(mut body: HttpBody, maximum: usize, places: &Places) -> Result<Bytes, Problem> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let detail = format!("the body did not arrive: {error}");
            Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", detail)
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let before = bytes.len().max(FREE_BODY_BYTES);
        let after = bytes.len() + data.len();
        if after > maximum {
            return Err(too_large(maximum));
        }
        if after > before {
            places.make_room(after - before)?;
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_BODIES_BYTES_PER_TOKEN;
    use axum::response::IntoResponse;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up_on() {
        let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let mut request = Request::new(HttpBody::from_stream(never));
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = crate::service::tests::start(&dir);
        request.extensions_mut().insert(Places::of("secret", &service));
        let begin = tokio::time::Instant::now();
        let problem = read(request, MAX_BODY_BYTES).await.unwrap_err();
        assert_eq!(problem.into_response().status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(begin.elapsed().as_secs(), BODY_TIMEOUT.as_secs());
    }

    #[tokio::test]
    async fn bodies_are_bounded_together_and_small_ones_always_fit() {
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = crate::service::tests::start(&dir);
        let places = || Places::of("secret", &service);
        let read = async |bytes: usize| {
            let body = futures_util::stream::iter([Ok::<_, std::io::Error>(vec![b' '; bytes])]);
            let mut request = Request::new(HttpBody::from_stream(body));
            request.extensions_mut().insert(places());
            read(request, MAX_BULK_BODY_BYTES).await
        };
        let other = places();
        other.make_room(MAX_BODIES_BYTES_PER_TOKEN).unwrap();
        let problem = read(FREE_BODY_BYTES + 1).await.unwrap_err().into_response();
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(problem.headers().contains_key("retry-after"));
        assert_eq!(read(FREE_BODY_BYTES).await.unwrap().len(), FREE_BODY_BYTES);
        drop(other);
        assert_eq!(read(FREE_BODY_BYTES + 1).await.unwrap().len(), FREE_BODY_BYTES + 1);
    }
}

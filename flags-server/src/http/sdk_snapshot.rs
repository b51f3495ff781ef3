//! `/sdk/v1/snapshot`

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flags_core::Position;
use schemars::{JsonSchema, json_schema};

use super::openapi::{Describes, Operation};
use super::problem::Problem;
use super::sdk_stream::SdkAccess;
use crate::live::Encoding;
use crate::schema;
use crate::service::{Lane, Service, document};

/// All definitions of an environment.
#[derive(JsonSchema)]
pub(super) struct Snapshot(#[schemars(schema_with = "schema::document")] ());

/// Headers that say what the client has and reads.
pub(super) struct Negotiated(pub(super) HeaderMap);

impl<S: Sync> FromRequestParts<S> for Negotiated {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.clone()))
    }
}

impl Describes for Negotiated {
    fn describe(operation: &mut Operation<'_>) {
        let text = json_schema!({"type": "string"});
        operation.header("If-None-Match", "`ETag`s of answers that the client has.", &text);
        operation.header("Accept-Encoding", "`zstd` and `gzip` are known.", &text);
    }
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    SdkAccess { environment, tenants, .. }: SdkAccess,
    Negotiated(headers): Negotiated,
) -> Result<Response, Problem> {
    let known = known_revision(&headers, service.live.epoch().as_str());
    // A revision that there has not been yet cannot be what the client has.
    let known = known.filter(|known| *known <= environment.revision());
    if let Some(revision) = known.filter(|known| *known == environment.revision()) {
        let position = Position { epoch: service.live.epoch().clone(), revision };
        return Ok(not_modified(&position));
    }
    let id = environment.id;
    let read = service.read_in(Lane::Sdk, move |view| document::encode(view, id, tenants));
    let snapshot = environment.snapshot(tenants, known, read).await?;
    let encoding = negotiate(&headers);
    let bytes = snapshot.bytes(encoding).await;
    let bytes = bytes.map_err(|error| Problem::internal(error.to_string()))?;
    let mut response = (cached(&snapshot.position), bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.extend(content_encoding(encoding).map(|name| (CONTENT_ENCODING, name)));
    Ok(response)
}

/// What is said of a body in such a form.
pub(super) fn content_encoding(encoding: Encoding) -> Option<HeaderValue> {
    match encoding {
        Encoding::Identity => None,
        Encoding::Gzip => Some(HeaderValue::from_static("gzip")),
        Encoding::Zstd => Some(HeaderValue::from_static("zstd")),
    }
}

fn cached(position: &Position) -> [(HeaderName, String); 3] {
    [
        (ETAG, format!("\"{position}\"")),
        (VARY, "accept-encoding".to_owned()),
        (CACHE_CONTROL, "private, no-cache".to_owned()),
    ]
}

fn not_modified(position: &Position) -> Response {
    (StatusCode::NOT_MODIFIED, cached(position)).into_response()
}

/// The latest revision of this epoch that the client says it has.
fn known_revision(headers: &HeaderMap, epoch: &str) -> Option<u64> {
    let tags = headers.get(IF_NONE_MATCH)?.to_str().ok()?;
    let position = |tag: &str| {
        let tag = tag.trim();
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag.strip_prefix('"')?.strip_suffix('"')?.parse::<Position>().ok()
    };
    let positions = tags.split(',').filter_map(position);
    positions.filter(|p| p.epoch.as_str() == epoch).map(|p| p.revision).max()
}

/// The smallest form that the client takes.
pub(super) fn negotiate(headers: &HeaderMap) -> Encoding {
    let accepted = headers.get_all(ACCEPT_ENCODING);
    let accepted: Vec<&str> = accepted.iter().filter_map(|value| value.to_str().ok()).collect();
    let weight = |name: &str| {
        let mut any = 0.0;
        for entry in accepted.iter().flat_map(|value| value.split(',')) {
            let (coding, parameters) = entry.split_once(';').unwrap_or((entry, ""));
            let parameters = parameters.trim().to_ascii_lowercase();
            let quality = parameters.strip_prefix("q=");
            let quality = quality.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            match coding.trim() {
                coding if coding.eq_ignore_ascii_case(name) => return quality,
                "*" => any = quality,
                _ => {}
            }
        }
        any
    };
    let (zstd, gzip): (f32, f32) = (weight("zstd"), weight("gzip"));
    if zstd > 0.0 && zstd >= gzip {
        Encoding::Zstd
    } else if gzip > 0.0 {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn the_smallest_form_that_is_accepted() {
        for (accept, encoding) in [
            ("", Encoding::Identity),
            ("identity", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("GZIP, deflate", Encoding::Gzip),
            ("gzip, zstd", Encoding::Zstd),
            ("gzip;q=1.0, zstd;q=0.5", Encoding::Gzip),
            ("gzip, zstd;q=0", Encoding::Gzip),
            ("gzip; Q=0", Encoding::Identity),
            ("*", Encoding::Zstd),
            ("*;q=0, gzip", Encoding::Gzip),
            ("gzip;q=nonsense", Encoding::Identity),
        ] {
            assert_eq!(negotiate(&with(ACCEPT_ENCODING, accept)), encoding, "{accept}");
        }
        assert_eq!(negotiate(&HeaderMap::new()), Encoding::Identity);
    }

    #[test]
    fn revisions_are_known_by_tags_of_the_same_epoch() {
        for (tags, known) in [
            ("\"e.7\"", Some(7)),
            ("W/\"e.7\"", Some(7)),
            ("\"e.3\", \"e.5\", \"f.9\"", Some(5)),
            ("\"f.7\"", None),
            ("*", None),
            ("e.7", None),
        ] {
            assert_eq!(known_revision(&with(IF_NONE_MATCH, tags), "e"), known, "{tags}");
        }
    }
}

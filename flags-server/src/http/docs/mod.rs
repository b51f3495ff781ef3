//! `/docs`: the document of the API as a page for people. It is made of that document alone, needs
//! nothing from elsewhere, and has no scripts.

mod curl;
mod operation;
mod page;
mod shape;

use std::io;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use super::openapi;
use super::problem::Problem;
use super::sdk_snapshot::{Negotiated, content_encoding, negotiate};
use crate::live::Encoding;

/// The page in each form, and what is said with it.
struct Kept {
    plain: Bytes,
    gzip: Bytes,
    zstd: Bytes,
    tag: String,
    policy: String,
}

pub(super) async fn get(Negotiated(asked): Negotiated) -> Result<Response, Problem> {
    static KEPT: OnceCell<Kept> = OnceCell::const_new();
    // Takes its time, once: not on a thread that answers requests.
    let made = KEPT.get_or_try_init(|| async {
        spawn_blocking(make).await.map_err(io::Error::other).flatten()
    });
    let kept = made.await.map_err(|error| Problem::internal(error.to_string()))?;
    let headers = [
        (ETAG, &*kept.tag),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept-encoding"),
        (CONTENT_SECURITY_POLICY, &*kept.policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    if has(&asked, &kept.tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let encoding = negotiate(&asked);
    let bytes = match encoding {
        Encoding::Identity => &kept.plain,
        Encoding::Gzip => &kept.gzip,
        Encoding::Zstd => &kept.zstd,
    };
    let mut response = (headers, bytes.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.extend(content_encoding(encoding).map(|name| (CONTENT_ENCODING, name)));
    Ok(response)
}

fn make() -> io::Result<Kept> {
    let html = page::page(&openapi::document(&super::routes())).into_string();
    let html = Bytes::from(html);
    Ok(Kept {
        tag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&html))),
        // Were there a mistake in the escaping, what gets in could still do nothing.
        policy: format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            STANDARD.encode(Sha256::digest(page::STYLE))
        ),
        gzip: Encoding::Gzip.pack(&html)?,
        zstd: Encoding::Zstd.pack(&html)?,
        plain: html,
    })
}

/// Whether the client says that it has what this is the tag of.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let mut known = known.flat_map(|tags| tags.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// A text that is a member of a part of the document; empty where there is none.
fn text<'a>(part: &'a Value, name: &str) -> &'a str {
    part.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The members of a part of the document, by their names.
fn members<'a>(part: &'a Value, name: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let members = part.get(name).and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, member)| (&**name, member))
}

/// The entries of a list that is a member of a part of the document.
fn entries<'a>(part: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    part.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// What a reference stands for, or else the part itself.
fn resolved<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    let place = text(part, "$ref").strip_prefix('#').filter(|place| !place.is_empty());
    place.and_then(|place| document.pointer(place)).unwrap_or(part)
}

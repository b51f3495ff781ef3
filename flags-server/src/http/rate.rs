//! What answers say of quotas: `RateLimit` and `RateLimit-Policy` as in
//! draft-ietf-httpapi-ratelimit-headers-10, and `Retry-After`.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::limits::STREAM_RETRY_SECONDS;
use crate::quota::{Reading, WINDOW_SECONDS};

static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Says where a quota stands.
pub(super) fn tell(reading: &Reading, headers: &mut HeaderMap) {
    let Reading { name, quota, remaining, .. } = reading;
    let policy = format!("\"{name}\";q={quota};w={WINDOW_SECONDS}");
    let state = format!("\"{name}\";r={remaining};t={}", reading.full_after_seconds());
    for (header, value) in [(&RATELIMIT_POLICY, policy), (&RATELIMIT, state)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(header.clone(), value);
        }
    }
}

/// The answer to a request that is one too many.
pub(super) fn refused(reading: &Reading, wait: Duration) -> Response {
    let Reading { name, quota, .. } = reading;
    let detail = format!("the quota `{name}` of {quota} requests in {WINDOW_SECONDS} s is spent");
    // In whole seconds, and never too early.
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    too_many("rate_limited", detail, u64::try_from(seconds).unwrap_or(WINDOW_SECONDS))
}

/// The answer to a stream that is one too many.
pub(super) fn too_many_streams(maximum: u32) -> Response {
    let detail = format!("this token has {maximum} open streams, which is the limit");
    too_many("too_many_streams", detail, STREAM_RETRY_SECONDS)
}

fn too_many(code: &'static str, detail: String, retry_after_seconds: u64) -> Response {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail);
    let mut response = problem.into_response();
    response.headers_mut().insert(RETRY_AFTER, retry_after_seconds.into());
    response
}

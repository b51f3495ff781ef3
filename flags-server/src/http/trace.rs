//! What finds the lines of one request in the logs, here and elsewhere.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use schemars::json_schema;

use super::openapi::{Describes, Operation};

const TRACEPARENT: &str = "traceparent";

/// Goes with a request as one of its extensions.
#[derive(Debug, Clone, Default)]
pub(super) struct Trail {
    pub(super) request_id: Arc<str>,
    /// Of the caller's trace, where its `traceparent` says one.
    pub(super) trace_id: Option<Arc<str>>,
    actor: Arc<OnceLock<String>>,
}

impl Trail {
    pub(super) fn of(request_id: &str, headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(TRACEPARENT).iter();
        let only = sent.next().filter(|_| sent.next().is_none());
        let trace_id = only.and_then(|value| trace_id(value.to_str().ok()?)).map(Arc::from);
        Self { request_id: request_id.into(), trace_id, actor: Arc::default() }
    }

    /// Notes whose request it is: the id of a token.
    pub(super) fn authenticated(extensions: &Extensions, id: &str) {
        if let Some(trail) = extensions.get::<Self>() {
            let _ = trail.actor.set(id.to_owned());
        }
    }

    /// The id of its token, once that was found to be valid.
    pub(super) fn actor(&self) -> Option<&str> {
        self.actor.get().map(String::as_str)
    }
}

impl<S: Sync> FromRequestParts<S> for Trail {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

impl Describes for Trail {
    fn describe(operation: &mut Operation<'_>) {
        let schema = json_schema!({"type": "string"});
        operation.header("traceparent", "The caller's trace, for the log.", &schema);
    }
}

/// The trace id of a `traceparent` (W3C Trace Context, level 1): version, trace id, parent id and
/// flags, in lower-case hexadecimal. A later version may go on after a further `-`.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.trim_matches([' ', '\t']).splitn(5, '-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |part: &str| part.bytes().all(|b| b == b'0');
    let whole = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    let ends_right = version != "00" || parts.next().is_none();
    (whole && version != "ff" && ends_right && !is_zero(trace) && !is_zero(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_trace_is_known_by_a_whole_traceparent() {
        for (sent, known) in [
            (format!("00-{TRACE}-00f067aa0ba902b7-01"), true),
            (format!("00-{TRACE}-00f067aa0ba902b7-00"), true),
            (format!(" 00-{TRACE}-00f067aa0ba902b7-01\t"), true),
            (format!("00-{TRACE}-00f067aa0ba902b7-01-more"), false),
            (format!("cc-{TRACE}-00f067aa0ba902b7-01-more"), true),
            (format!("cc-{TRACE}-00f067aa0ba902b7-01"), true),
            (format!("ff-{TRACE}-00f067aa0ba902b7-01"), false),
            (format!("0-{TRACE}-00f067aa0ba902b7-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), false),
            (format!("00-{TRACE}x-00f067aa0ba902b7-01"), false),
            (format!("00-{TRACE}-00f067aa0ba902b-01"), false),
            (format!("00-{TRACE}-00f067aa0ba902b7-0g"), false),
            (format!("00-{TRACE}-00f067aa0ba902b7"), false),
            (String::new(), false),
            ("----".into(), false),
        ] {
            assert_eq!(trace_id(&sent), known.then_some(TRACE), "{sent}");
        }
    }

    #[test]
    fn two_of_them_are_none() {
        let mut headers = HeaderMap::new();
        let value = format!("00-{TRACE}-00f067aa0ba902b7-01");
        headers.append(TRACEPARENT, value.parse().unwrap());
        assert_eq!(Trail::of("r", &headers).trace_id.as_deref(), Some(TRACE));
        headers.append(TRACEPARENT, value.parse().unwrap());
        assert_eq!(Trail::of("r", &headers).trace_id, None);
    }
}

//! Around every request: its id, its line in the log, and the form of its errors.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use super::problem::render;
use crate::limits::MAX_REQUEST_ID_BYTES;
use crate::metrics::{Answered, Area};
use crate::service::Service;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, its client's or made up.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

impl RequestId {
    fn of(request: &Request) -> Self {
        let sent = request.headers().get(&X_REQUEST_ID).and_then(|value| value.to_str().ok());
        let usable = |id: &&str| {
            (1..=MAX_REQUEST_ID_BYTES).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic())
        };
        match sent.filter(usable) {
            Some(id) => Self(id.to_owned()),
            None => Self(Uuid::now_v7().simple().to_string()),
        }
    }
}

fn area(route: &str) -> Area {
    if route == "/sdk/v1/stream" {
        Area::Stream
    } else if route.starts_with("/sdk/") {
        Area::Sdk
    } else if route.starts_with("/api/") {
        Area::Admin
    } else {
        Area::Other
    }
}

/// The outermost layer.
pub(super) async fn around(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Response {
    let begin = Instant::now();
    let id = RequestId::of(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let area = area(route);
    let under_way = service.metrics.begin(area);
    request.extensions_mut().insert(id.clone());

    let (mut response, cause) = render(next.run(request).await, &id.0);

    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(X_REQUEST_ID.clone(), value);
    }
    let status = response.status().as_u16();
    let time = begin.elapsed();
    drop(under_way);
    service.metrics.answered(&Answered { area, method: method.as_str(), route, status, time });
    let duration_ms = time.as_secs_f64() * 1_000.0;
    let request_id = &*id.0;
    if let Some(cause) = cause {
        tracing::error!(request_id, %method, route, status, duration_ms, cause, "request failed");
    } else if matches!(route, "/livez" | "/readyz" | "/metrics") {
        tracing::debug!(request_id, %method, route, status, duration_ms, "request");
    } else {
        tracing::info!(request_id, %method, route, status, duration_ms, "request");
    }
    response
}

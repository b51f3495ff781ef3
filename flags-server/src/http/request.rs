//! Around every request: its id, its line in the log, and the form of its errors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use super::problem::render;
use super::trace::Trail;
use crate::limits::MAX_REQUEST_ID_BYTES;
use crate::metrics::{Answered, Area};
use crate::service::Service;
use crate::service::schedule::run::REQUEST_OF_SCHEDULE;

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
                // So the audit log names a scheduled change, and no request.
                && !id.starts_with(REQUEST_OF_SCHEDULE)
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
    } else if route.ends_with("/propagation/{revision}") {
        // It waits because it is asked to: no measure of how fast the server is.
        Area::Wait
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
    let trail = Trail::of(&id.0, request.headers());
    request.extensions_mut().insert(trail.clone());
    request.extensions_mut().insert(id.clone());

    let (mut response, cause) = render(next.run(request).await, &id.0);

    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(X_REQUEST_ID.clone(), value);
    }
    let status = response.status().as_u16();
    let time = begin.elapsed();
    drop(under_way);
    service.metrics.answered(&Answered { area, method: method.as_str(), route, status, time });
    let line = Line { trail: &trail, method: &method, route, status, time };
    // A stream has no length; it says how much it was when it ends.
    line.log(response.body().size_hint().exact(), cause.as_deref());
    response
}

/// What the log says of a request.
struct Line<'r> {
    trail: &'r Trail,
    method: &'r Method,
    route: &'r str,
    status: u16,
    time: Duration,
}

impl Line<'_> {
    fn log(&self, bytes: Option<u64>, cause: Option<&str>) {
        let Self { trail, method, route, status, time } = *self;
        let duration_ms = time.as_secs_f64() * 1_000.0;
        let request_id = &*trail.request_id;
        let (trace_id, actor) = (trail.trace_id.as_deref(), trail.actor());
        macro_rules! line {
            ($level:ident, $what:literal $(, $more:ident)?) => {
                tracing::$level!(
                    request_id, trace_id, actor, %method, route, status, duration_ms, bytes,
                    $($more,)? $what
                )
            };
        }
        if let Some(cause) = cause {
            line!(error, "request failed", cause);
        } else if matches!(route, "/livez" | "/readyz" | "/metrics") {
            line!(debug, "request");
        } else {
            line!(info, "request");
        }
    }
}

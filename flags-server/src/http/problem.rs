//! What every error looks like: `application/problem+json` of RFC 9457.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flags_core::{Diagnostic, MAX_DIAGNOSTICS};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::limits::RETRY_AFTER_SECONDS;
use crate::schema;
use crate::service::{Fault, diagnostic};
use crate::store::Obstacle;

/// An error on its way out. It gets its body, with the id of the request, in [`render`].
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<Diagnostic>,
    /// Further members.
    members: Map<String, Value>,
    /// For the log alone.
    cause: Option<String>,
}

/// Why a request was refused; some codes have further members.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Members<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'a str,
    status: u16,
    /// In words.
    detail: &'a str,
    /// The id of the request.
    instance: &'a str,
    /// Which kind of problem.
    code: &'a str,
    /// What is wrong with the body, and where.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(schema_with = "schema::diagnostics")]
    errors: &'a [Diagnostic],
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            members: Map::new(),
            cause: None,
        }
    }

    /// A query parameter that is not understood.
    pub(super) fn query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_query", detail)
    }

    /// Query parameters that cannot be read.
    pub(super) fn query_rejected(rejection: &QueryRejection) -> Self {
        // serde's sentence names the parameter; what axum puts before it says nothing more.
        let text = rejection.body_text();
        Self::query(text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text))
    }

    /// A header that is not understood.
    pub(super) fn header(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_header", detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(super) fn unauthenticated() -> Self {
        let detail = "a valid token is needed, as in `Authorization: Bearer <token>`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// A mistake of the server's own.
    pub(super) fn internal(cause: impl Into<String>) -> Self {
        let detail = "the server made a mistake; its log says more under the request's id";
        let problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail);
        Self { cause: Some(cause.into()), ..problem }
    }

    /// A method that a route does not have, beside those that it has.
    pub(super) fn method_not_allowed(allowed: &str) -> Self {
        let detail = format!("this route has no such method, only {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// What the framework answered by itself.
    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found("there is no such route"),
            status if status.is_server_error() => Self::internal("a bare status"),
            status => Self::new(status, "bad_request", "the request cannot be understood"),
        }
    }

    fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn invalid(mut errors: Vec<Diagnostic>) -> Self {
        // These have a name of their own in the API. `too_many` is how the core calls a limit.
        let named = [
            ("cycle", "cycle"),
            ("immutable", "immutable"),
            ("limit_exceeded", "limit_exceeded"),
            ("too_many", "limit_exceeded"),
        ];
        // Where people look for it first.
        for error in &mut errors {
            if error.code == "unknown_field" && error.pointer == "/reason" {
                error.message.push_str("; a reason stands in the address: `?reason=…`");
            }
        }
        let found = |code: &str| errors.iter().any(|error| error.code == code);
        let code = named.into_iter().find(|(code, _)| found(code)).map(|(_, name)| name);
        let detail = match &*errors {
            [error] => error.to_string(),
            errors if errors.len() >= MAX_DIAGNOSTICS => {
                format!("{MAX_DIAGNOSTICS} problems or more, see `errors` for the first")
            }
            errors => format!("{} problems, see `errors`", errors.len()),
        };
        errors.truncate(MAX_DIAGNOSTICS);
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self { errors, ..Self::new(status, code.unwrap_or("invalid"), detail) }
    }

    /// What went wrong, for whoever asks later: `{code, detail, errors?}`, and further members.
    pub(crate) fn told(self) -> Value {
        let mut told = self.members;
        told.insert("code".to_owned(), self.code.into());
        told.insert("detail".to_owned(), self.detail.into());
        if !self.errors.is_empty() {
            told.insert("errors".to_owned(), json!(self.errors));
        }
        Value::Object(told)
    }

    fn unavailable(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    pub(super) fn not_ready(detail: &str) -> Self {
        Self::unavailable("not_ready", detail)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotFound(detail) => Self::not_found(detail),
            Fault::KeyConflict { key, existing } => Self::new(
                StatusCode::CONFLICT,
                "key_conflict",
                if key == existing {
                    format!("`{key}` exists already")
                } else {
                    format!("`{key}` differs from `{existing}` only in case or in `.`, `-`, `_`")
                },
            ),
            Fault::InUse(detail) => Self::new(StatusCode::CONFLICT, "in_use", detail),
            Fault::RolloutConflict(detail) => {
                Self::new(StatusCode::CONFLICT, "rollout_conflict", detail)
            }
            Fault::RevisionChanged { began, revision } => {
                let detail = format!(
                    "the list began at revision {began}, and the environment is at {revision}: \
                     begin anew"
                );
                Self::new(StatusCode::CONFLICT, "revision_changed", detail)
                    .member("revision", revision)
            }
            Fault::LastAdminToken => Self::new(
                StatusCode::CONFLICT,
                "last_admin_token",
                "this is the last admin token that is not limited and does not expire: without \
                 it nobody could create another one",
            ),
            Fault::TokenEnded => Self::new(
                StatusCode::CONFLICT,
                "token_ended",
                "this token was revoked or has expired; create another one",
            ),
            Fault::ScheduleEnded(state) => Self::new(
                StatusCode::CONFLICT,
                "schedule_ended",
                format!("this scheduled change is {state}, and does not change any more"),
            ),
            Fault::NoSeat(standing) => {
                let code = if standing.is_reached() { "limit_reached" } else { "not_entitled" };
                let problem = Self::new(StatusCode::CONFLICT, code, standing.told());
                Self { members: standing.members(), ..problem }
            }
            Fault::PreconditionRequired => Self::new(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition_required",
                "say which version this changes with `If-Match: \"<version>\"`",
            ),
            Fault::VersionMismatch { current } => {
                let detail = match current {
                    Some(current) => format!(
                        "this was changed meanwhile: the current version is {current}; read it again"
                    ),
                    None => "there is nothing here yet".to_owned(),
                };
                Self::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail)
                    .member("current_version", current)
            }
            Fault::Archived(detail) => Self::new(StatusCode::CONFLICT, "archived", detail),
            Fault::IdempotencyKeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "this `Idempotency-Key` was sent before, with another request: each one needs a new key",
            ),
            Fault::Revoked => Self::unauthenticated(),
            Fault::AuthorRevoked => Self::new(
                StatusCode::CONFLICT,
                "author_revoked",
                "the token of who scheduled this was revoked",
            ),
            Fault::Invalid(errors) => Self::invalid(errors),
            Fault::LimitExceeded { limit, maximum, at } => {
                let (code, detail) =
                    ("limit_exceeded", format!("the limit `{limit}` is {maximum}"));
                let errors = at.map(|at| diagnostic(&at, code, &*detail)).into_iter().collect();
                let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
                Self { errors, ..problem }.member("limit", limit).member("maximum", maximum)
            }
            Fault::Busy => Self::unavailable("busy", "too much is waiting already; try again"),
            Fault::Stopping => Self::unavailable("stopping", "the server is stopping; try again"),
            Fault::Store(error) => {
                let what = error.obstacle().map_or("the database failed", Obstacle::sentence);
                let detail = format!("{what}, and nothing was written; try again");
                let problem = Self::unavailable("storage_failed", &detail);
                Self { cause: Some(error.logged()), ..problem }
            }
            Fault::Internal(cause) => Self::internal(cause),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS.into());
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives an error its body, whoever made it; the second half is the cause for the log.
pub(super) fn render(response: Response, request_id: &str) -> (Response, Option<String>) {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return (response, None);
    }
    let (mut parts, _) = response.into_parts();
    let problem = parts.extensions.remove::<Problem>();
    let problem = problem.unwrap_or_else(|| Problem::of_status(status));
    let body = serde_json::to_vec(&Members {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail: &problem.detail,
        instance: request_id,
        code: problem.code,
        errors: &problem.errors,
        members: &problem.members,
    });
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    // A tree of strings and numbers can be written.
    (Response::from_parts(parts, Body::from(body.unwrap_or_default())), problem.cause)
}

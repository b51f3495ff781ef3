//! What writes have in common.

use axum::extract::{FromRequestParts, Query};
use axum::http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};

use super::auth::Authorized;
use super::moves::KnowsLimit;
use super::openapi::{Describes, Operation};
use super::plan::{KnowsDryRun, KnowsInclude};
use super::problem::Problem;
use super::request::RequestId;
use crate::limits::MAX_REASON_BYTES;
use crate::service::text::REASON;
use crate::service::{Author, Precondition};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteQuery {
    /// Why, for the audit log: without control characters.
    #[schemars(length(max = REASON.most_bytes()), regex(pattern = REASON.pattern()))]
    reason: Option<String>,
    #[schemars(skip)]
    dry_run: Option<bool>,
    #[schemars(skip)]
    include: Option<String>,
    #[schemars(skip)]
    limit: Option<String>,
}

/// What there is to say of something that is gone.
#[derive(Serialize, JsonSchema)]
pub(super) struct Deleted {
    pub(super) revision: u64,
}

impl<S: Send + Sync> FromRequestParts<S> for Author {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Authorized(access) = Authorized::from_request_parts(parts, state).await?;
        let Query(query) = Query::<WriteQuery>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::query_rejected(&rejection))?;
        if query.dry_run.is_some() && parts.extensions.get::<KnowsDryRun>().is_none() {
            return Err(Problem::query("this route has no `dry_run`"));
        }
        if query.include.is_some() && parts.extensions.get::<KnowsInclude>().is_none() {
            return Err(Problem::query("this route has no `include`"));
        }
        if query.limit.is_some() && parts.extensions.get::<KnowsLimit>().is_none() {
            return Err(Problem::query("this route has no `limit`"));
        }
        let reason = query.reason.as_deref().unwrap_or_default();
        if reason.len() > MAX_REASON_BYTES {
            return Err(Problem::query(format!("`reason` has at most {MAX_REASON_BYTES} bytes")));
        }
        if !REASON.has_form(reason) {
            return Err(Problem::query("`reason` has control characters"));
        }
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
        Ok(Self {
            actor: access.token.id.clone(),
            actor_name: access.token.name.clone(),
            request_id: request_id.unwrap_or_default(),
            reason: query.reason.filter(|reason| !reason.is_empty()),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let if_match = header(&parts.headers, &IF_MATCH)?;
        let if_none_match = header(&parts.headers, &IF_NONE_MATCH)?;
        match (if_match, if_none_match) {
            (None, None) => Ok(Self::None),
            (Some("*"), None) => Ok(Self::Exists),
            (Some(tags), None) => versions(tags).map(Self::Version).ok_or_else(|| {
                Problem::header("`If-Match` is `\"<version>\"`, a number in quotes, or `*`")
            }),
            (None, Some("*")) => Ok(Self::Absent),
            (_, Some(_)) => Err(Problem::header("a write has `If-Match` or `If-None-Match: *`")),
        }
    }
}

impl Describes for Author {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<WriteQuery>();
        // What depends on what else there is, on limits too. What is in whose way, the table says.
        operation.may_be_refused([422]);
    }
}

impl Describes for Precondition {
    fn describe(operation: &mut Operation<'_>) {
        let tag = r#""(0|[1-9][0-9]{0,18})""#;
        let pattern = format!("^(\\*|{tag}( *, *{tag})*)$");
        let tags = json_schema!({"type": "string", "pattern": pattern});
        let description = "The version that this changes, in quotes, or `*` for any.";
        operation.header("If-Match", description, &tags);
        operation.header("If-None-Match", "`*`: there is none yet.", &json_schema!({"const": "*"}));
        operation.may_be_refused([412, 428]);
    }
}

/// A header that is there at most once.
pub(super) fn header<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, Problem> {
    let text = |value: &'h HeaderValue| {
        value.to_str().map(str::trim).map_err(|_| Problem::header(format!("`{name}` is not text")))
    };
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(text).transpose()?;
    match values.next() {
        None => Ok(value),
        Some(_) => Err(Problem::header(format!("`{name}` is there more than once"))),
    }
}

/// The versions of a list of entity tags.
fn versions(tags: &str) -> Option<Vec<u64>> {
    let version = |tag: &str| {
        let digits = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
        let version: u64 = digits.parse().ok()?;
        // In the one form in which it is given out.
        (version.to_string() == digits).then_some(version)
    };
    tags.split(',').map(version).collect()
}

/// The header that names a version.
pub(super) fn etag(version: u64) -> [(HeaderName, String); 1] {
    [(ETAG, format!("\"{version}\""))]
}

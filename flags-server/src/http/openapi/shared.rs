//! Parts of the document that operations refer to: refusals, and headers of answers.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::http::problem::Members;

/// How a request may be refused: the status, the name of the response, and the codes.
const REFUSALS: [(u16, &str, &str); 13] = [
    (
        400,
        "BadRequest",
        "`malformed_json`, `incomplete_body`, `invalid_query` or `invalid_header`.",
    ),
    (401, "Unauthenticated", "`unauthenticated`: no valid token."),
    (
        403,
        "Forbidden",
        "`forbidden`: a token of another kind, or a role or a scope that is not enough.",
    ),
    (404, "NotFound", "`not_found`: it is not there, or out of the token's scope."),
    (408, "RequestTimeout", "`request_timeout`: the body did not arrive in time."),
    (
        409,
        "Conflict",
        "`key_conflict`, `in_use`, `archived`, `rollout_conflict`, `last_admin_token`, \
         `token_ended`, `schedule_ended` or `revision_changed`.",
    ),
    (
        412,
        "VersionMismatch",
        "`version_mismatch`: it was changed meanwhile; `current_version` is the present one.",
    ),
    (413, "BodyTooLarge", "`body_too_large`."),
    (
        422,
        "Invalid",
        "`invalid`, or `cycle`, `immutable` or `limit_exceeded` where one of `errors` is that; \
         `idempotency_key_reused`.",
    ),
    (428, "PreconditionRequired", "`precondition_required`: say which version this changes."),
    (
        429,
        "TooManyRequests",
        "`rate_limited` or `too_many_streams`; `Retry-After` says when to come back.",
    ),
    (500, "Internal", "`internal`: a mistake of the server's own."),
    (
        503,
        "Unavailable",
        "`busy`, `stopping`, `storage_failed` or `not_ready`; `Retry-After` says when to come back.",
    ),
];

/// Parts that several operations have.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) parameters: Map<String, Value>,
}

impl Shared {
    /// A reference to a parameter; what is called as another one is stands for itself.
    pub(super) fn parameter(&mut self, parameter: Value) -> Value {
        let text = |name: &str| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{}.{}", text("in"), text("name"));
        let reference = json!({"$ref": format!("#/components/parameters/{name}")});
        match self.parameters.get(&name) {
            Some(known) if *known != parameter => parameter,
            Some(_) => reference,
            None => {
                self.parameters.insert(name, parameter);
                reference
            }
        }
    }
}

/// A reference to how a request is refused with this status.
pub(super) fn refusal(status: u16) -> Value {
    let name = REFUSALS.iter().find(|(known, ..)| *known == status).map_or("", |(_, name, _)| name);
    json!({"$ref": format!("#/components/responses/{name}")})
}

/// A reference to a header of answers.
pub(super) fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

pub(super) fn refusals(generator: &mut SchemaGenerator) -> Value {
    let problem = generator.subschema_for::<Members<'_>>();
    let mut refusals = Map::new();
    for (status, name, codes) in REFUSALS {
        let of_all = ["X-Request-Id", "RateLimit", "RateLimit-Policy"];
        let mut headers: Map<String, Value> =
            of_all.iter().map(|name| ((*name).to_owned(), header(name))).collect();
        match status {
            401 => headers.insert("WWW-Authenticate".to_owned(), header("WWW-Authenticate")),
            429 | 503 => headers.insert("Retry-After".to_owned(), header("Retry-After")),
            _ => None,
        };
        let refusal = json!({
            "description": codes,
            "headers": headers,
            "content": {"application/problem+json": {"schema": problem}},
        });
        refusals.insert(name.to_owned(), refusal);
    }
    refusals.into()
}

/// What answers say besides their bodies.
pub(super) fn headers() -> Value {
    let text = |required: bool, description: &str| json!({"required": required, "description": description, "schema": {"type": "string"}});
    let number = |description: &str| {
        let schema = json!({"type": "integer", "minimum": 0});
        json!({"required": true, "description": description, "schema": schema})
    };
    json!({
        "ETag": text(true, "The version in quotes, for `If-Match`; of a snapshot, its position; of a page, what it says, hashed."),
        "Location": text(true, "The path of what is new."),
        "Link": text(false, "The next page, with `rel=\"next\"`, while there is more."),
        "Idempotency-Replayed": text(false, "`true` where this is the stored answer to an earlier request with the same key."),
        "RateLimit": text(false, "Where the quota stands, as in draft-ietf-httpapi-ratelimit-headers-10."),
        "RateLimit-Policy": text(false, "The quota, as in draft-ietf-httpapi-ratelimit-headers-10."),
        "X-Request-Id": text(true, "The request's own, or one that was made up."),
        "WWW-Authenticate": text(false, "`Bearer`."),
        "Retry-After": number("In so many seconds."),
        "Flags-Receipt-Window-Ms": number("Over how many milliseconds instances are to spread their receipts."),
    })
}

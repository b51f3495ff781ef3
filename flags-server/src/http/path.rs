//! The keys in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use flags_core::Text;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::openapi::{Describes, Operation};
use super::problem::Problem;
use crate::schema::text;

/// The keys in a path, percent-decoded. What cannot be decoded names nothing.
pub(super) struct Keys<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Keys<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(keys)) => Ok(Self(keys)),
            Err(rejection) => Err(Problem::not_found(rejection.body_text())),
        }
    }
}

impl<T> Describes for Keys<T> {
    fn describe(operation: &mut Operation<'_>) {
        // Which ones there are, the path itself says.
        operation.may_be_refused([404]);
    }
}

/// What the document says of the parameters of a path.
pub(super) fn parameters(path: &str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let id = || json!("0192f0c1a2b37c4d8e9fa0b1c2d3e4f5");
    names.map(move |name| {
        let key = json!(text(&Text::KEY));
        let (description, schema, example) = match name {
            "p" => ("Key of the project.", key, json!("default")),
            "e" => ("Key of the environment.", key, json!("production")),
            "flag" => ("Key of the flag.", key, json!("new-checkout")),
            "segment" => ("Key of the segment.", key, json!("beta-tenants")),
            "feature" => ("Key of the feature.", key, json!("seats")),
            "plan" => ("Key of the plan.", key, json!("pro")),
            "addon" => ("Key of the add-on.", key, json!("seats-10")),
            "override" => ("Id of the override.", key, json!("c-7")),
            "lane" => (
                "Who blocks.",
                json!({"enum": ["billing", "fraud", "manual", "legal"]}),
                json!("fraud"),
            ),
            "version" => (
                "Number of the version.",
                json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
                json!(1),
            ),
            "tenant" => ("Key of the tenant.", json!(text(&Text::CONTEXT_KEY)), json!("acme")),
            "user" => ("Key of the user.", json!(text(&Text::CONTEXT_KEY)), json!("u-17")),
            "revision" => ("A revision.", json!({"type": "integer", "minimum": 0}), json!(57)),
            "schedule" => ("Id of the scheduled change.", json!({"type": "string"}), id()),
            _ => ("The id.", json!({"type": "string"}), id()),
        };
        json!({
            "name": name, "in": "path", "required": true,
            "description": description, "schema": schema, "example": example,
        })
    })
}

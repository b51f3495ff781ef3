//! The keys in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use flags_core::{MAX_CONTEXT_KEY_BYTES, MAX_KEY_BYTES};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::openapi::{Describes, Operation};
use super::problem::Problem;
use crate::schema::PRINTABLE;

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
    names.map(|name| {
        let key = json!({
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$",
            "maxLength": MAX_KEY_BYTES,
        });
        let of = |example: &str| with_example(key.clone(), example);
        let (description, schema) = match name {
            "p" => ("Key of the project.", of("default")),
            "e" => ("Key of the environment.", of("production")),
            "flag" => ("Key of the flag.", of("new-checkout")),
            "segment" => ("Key of the segment.", of("beta-tenants")),
            "tenant" => {
                let key = json!({
                    "type": "string",
                    "pattern": PRINTABLE,
                    "minLength": 1,
                    "maxLength": MAX_CONTEXT_KEY_BYTES,
                });
                ("Key of the tenant.", with_example(key, "acme"))
            }
            "revision" => ("A revision.", json!({"type": "integer", "minimum": 0})),
            "schedule" => ("Id of the scheduled change.", json!({"type": "string"})),
            _ => ("The id.", json!({"type": "string"})),
        };
        json!({
            "name": name, "in": "path", "required": true,
            "description": description, "schema": schema,
        })
    })
}

fn with_example(mut schema: Value, example: &str) -> Value {
    if let Value::Object(schema) = &mut schema {
        schema.insert("examples".to_owned(), json!([example]));
    }
    schema
}

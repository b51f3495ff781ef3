use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;

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

//! What a route answers: said beside its handler.

use axum::http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::http::list::List;
use crate::http::routes::{Allowed, Handled};

/// What is said of a route besides what its handler's arguments say.
pub(in crate::http) struct Answer {
    pub(super) summary: &'static str,
    pub(super) media: &'static str,
    pub(super) or_text: bool,
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
    pub(super) statuses: Vec<u16>,
    /// Of those that the document describes.
    pub(super) headers: Vec<&'static str>,
    pub(super) is_list: bool,
    pub(super) demands_version: bool,
    pub(super) refusals: Vec<u16>,
}

impl Handled {
    /// It answers 200 with a `T`.
    pub(in crate::http) fn says<T: JsonSchema>(self, summary: &'static str) -> Allowed {
        self.answers(Answer {
            summary,
            media: "application/json",
            or_text: false,
            schema: SchemaGenerator::subschema_for::<T>,
            statuses: vec![200],
            headers: Vec::new(),
            is_list: false,
            demands_version: true,
            refusals: Vec::new(),
        })
    }

    /// It answers 201 with a `T` that is new.
    pub(in crate::http) fn creates<T: JsonSchema>(self, summary: &'static str) -> Allowed {
        let mut allowed = self.says::<T>(summary);
        allowed.answer.statuses = vec![201];
        allowed
    }

    /// It answers with a page of a list of `T`.
    pub(in crate::http) fn lists<T: JsonSchema>(self, summary: &'static str) -> Allowed {
        let mut allowed = self.says::<List<T>>(summary).with_header("Link");
        allowed.answer.is_list = true;
        allowed
    }

    /// It answers 200 with text of some kind.
    pub(in crate::http) fn writes(self, media: &'static str, summary: &'static str) -> Allowed {
        let mut allowed = self.says::<String>(summary);
        allowed.answer.media = media;
        allowed
    }
}

impl Allowed {
    /// Its answer has the version as `ETag`.
    pub(in crate::http) fn with_etag(self) -> Self {
        self.with_header("ETag")
    }

    pub(in crate::http) fn with_header(mut self, name: &'static str) -> Self {
        self.answer.headers.push(name);
        self
    }

    /// It answers 201 where it creates.
    pub(in crate::http) fn or_creates(self) -> Self {
        self.or(201)
    }

    /// It answers with text whoever asks for that.
    pub(in crate::http) fn or_text(mut self) -> Self {
        self.answer.or_text = true;
        self
    }

    /// It may also refuse for what its handler's arguments do not know of.
    pub(in crate::http) fn or_refuses(mut self, status: u16) -> Self {
        self.answer.refusals.push(status);
        self
    }

    /// It answers 304 to who has what there is.
    pub(in crate::http) fn or_is_not_modified(self) -> Self {
        self.or(304)
    }

    /// It does without the version that it changes, though its method is one of those that do not.
    pub(in crate::http) fn demands_no_version(mut self) -> Self {
        self.answer.demands_version = false;
        self
    }

    fn or(mut self, status: u16) -> Self {
        self.answer.statuses.push(status);
        self
    }
}

/// What a code generator may call it: the method and what it is about, such as
/// `list_environment_flags`.
pub(super) fn operation_id(method: &Method, path: &str, is_list: bool) -> String {
    let verb = if is_list && *method == Method::GET {
        "list".to_owned()
    } else {
        method.as_str().to_ascii_lowercase()
    };
    let path = path.trim_start_matches("/api/v1/").replace("sdk/v1", "sdk");
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let mut words = vec![verb];
    for (index, segment) in segments.iter().enumerate() {
        let of_one = segments.get(index + 1).is_some_and(|next| next.starts_with('{'));
        // An environment is of a project: nobody needs to be told.
        let is_known = *segment == "projects" && path.contains("/environments/{e}");
        if segment.starts_with('{') || is_known {
            continue;
        }
        let word = segment.trim_end_matches(".json");
        words.push(if of_one { word.trim_end_matches('s').to_owned() } else { word.to_owned() });
    }
    words.join("_").replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_called_by_what_they_do() {
        for (method, path, is_list, name) in [
            (Method::GET, "/api/v1/projects", true, "list_projects"),
            (Method::GET, "/api/v1/projects/{p}", false, "get_project"),
            (Method::POST, "/api/v1/projects/{p}/archive", false, "post_project_archive"),
            (
                Method::GET,
                "/api/v1/projects/{p}/environments/{e}/flags/{flag}/history",
                true,
                "list_environment_flag_history",
            ),
            (
                Method::PUT,
                "/api/v1/projects/{p}/environments/{e}/flags/{flag}",
                false,
                "put_environment_flag",
            ),
            (
                Method::GET,
                "/api/v1/projects/{p}/environments/{e}/reports/over-limit",
                true,
                "list_environment_reports_over_limit",
            ),
            (Method::GET, "/openapi.json", false, "get_openapi"),
            (Method::GET, "/sdk/v1/snapshot", false, "get_sdk_snapshot"),
        ] {
            assert_eq!(operation_id(&method, path, is_list), name);
        }
    }
}

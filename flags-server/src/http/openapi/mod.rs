//! The API as a document: OpenAPI 3.1, made of the routes as they are declared. `GET /openapi.json`
//! answers it, and docs/openapi.json is a copy.

mod answer;
mod operation;
mod shared;
#[cfg(test)]
mod texts;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

pub(super) use self::answer::Answer;
use self::answer::operation_id;
pub(super) use self::operation::{Arguments, Describes, Operation};
use self::shared::{Shared, header, headers, refusal, refusals};
use super::path;
use super::routes::{Needs, Route, Routes, Within};
use crate::schema;

/// What an OpenAPI document is, is said elsewhere.
pub(super) type Document = Map<String, Value>;

pub(super) async fn get() -> Response {
    // Whoever asks gets it without a token: it is made once, and short.
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| document(&super::routes()).to_string().into());
    ([(CONTENT_TYPE, "application/json")], TEXT.clone()).into_response()
}

pub(super) fn document(routes: &Routes) -> Value {
    let mut generator = schema::generator();
    let mut shared = Shared::default();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in &routes.list {
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = operation(route, &mut generator, &mut shared);
        paths.entry(&route.path).or_default().insert(method, operation);
    }
    let responses = refusals(&mut generator);
    let tags = routes.tags.iter().map(|(name, about)| json!({"name": name, "description": about}));
    let tags: Vec<Value> = tags.collect();
    let mut schemas = Value::Object(generator.take_definitions(false));
    schema::as_written(&mut schemas);
    for (name, schema) in schemas.as_object_mut().into_iter().flatten() {
        schema::explain(name, schema);
    }
    let mut paths = json!(paths);
    schema::explain("", &mut paths);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "flags-server",
            "description": "Feature flags: the admin API under `/api/v1`, and the SDK protocol under \
                            `/sdk/v1`. docs/protocol.md says what is behind it. Answers may get \
                            further members; bodies of requests take none but these.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "parameters": shared.parameters,
            "headers": headers(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator, shared: &mut Shared) -> Value {
    let Route { path, tag, method, needs, answer, .. } = route;
    let mut takes = Operation::new(generator);
    (route.takes)(&mut takes);
    takes.may_be_refused([500, 503]);
    takes.may_be_refused(answer.refusals.iter().copied());
    let (role, access) = access(*needs);
    let is_open = *needs == Needs::Nothing;
    if !is_open {
        takes.may_be_refused([401, 403, 429]);
        takes.answers_with("RateLimit");
        takes.answers_with("RateLimit-Policy");
    }
    takes.answers_with("X-Request-Id");
    // Verbs honour a version, and what says what something is to be demands one.
    if *method == Method::POST || !answer.demands_version {
        takes.refusals.remove(&428);
    }
    // Nor is it said of what must be there already that there is none yet.
    if takes.refusals.contains(&428) && !answer.statuses.contains(&201) {
        takes.demands_version();
    }
    let Operation { generator, parameters, body, refusals, headers: common } = takes;

    let mut responses = Map::new();
    let schema = (answer.schema)(generator);
    for status in &answer.statuses {
        let named = common.iter().chain(&answer.headers).copied();
        let named = named.chain((*status == 201).then_some("Location"));
        let headers: Map<String, Value> =
            named.map(|name| (name.to_owned(), header(name))).collect();
        let description = match status {
            201 => "Created.",
            304 => "Nothing new.",
            _ => "Done.",
        };
        let mut response = json!({"description": description, "headers": headers});
        if let (Some(response), true) = (response.as_object_mut(), *status != 304) {
            // The schema of a stream would be that of each event.
            let is_stream = answer.media == "text/event-stream";
            let of_body = if is_stream { json!({}) } else { json!({"schema": schema}) };
            let mut content = json!({answer.media: of_body});
            if let (Some(content), true) = (content.as_object_mut(), answer.or_text) {
                content.insert("text/plain".to_owned(), json!({"schema": {"type": "string"}}));
            }
            response.insert("content".to_owned(), content);
        }
        responses.insert(status.to_string(), response);
    }
    responses.extend(refusals.iter().map(|status| (status.to_string(), refusal(*status))));

    let parameters = path::parameters(path).chain(parameters.into_values());
    let parameters: Vec<Value> = parameters.map(|parameter| shared.parameter(parameter)).collect();
    let mut operation = json!({
        "operationId": operation_id(method, path, answer.is_list),
        "summary": answer.summary,
        "description": access,
        "tags": [tag],
        "parameters": parameters,
        "responses": responses,
        "security": if is_open { json!([]) } else { json!([{"token": []}]) },
        "x-role": role,
    });
    if let (Some(operation), Some(body)) = (operation.as_object_mut(), body) {
        operation.insert("requestBody".to_owned(), body);
    }
    operation
}

/// The role that it needs, and all of it in words.
fn access(needs: Needs) -> (&'static str, String) {
    let (role, within) = match needs {
        Needs::Nothing => return ("none", "Needs no token.".to_owned()),
        Needs::Sdk => return ("sdk", "Needs a token of the kind `sdk`.".to_owned()),
        Needs::Role(role, within) => (role.name(), within),
    };
    let within = match within {
        Within::Everything => "and no scope",
        Within::Anything => "and shows and takes what lies within its scope",
        Within::Project => "for the project",
        Within::PartOfProject => "for a part of the project",
        Within::Environment => "for the environment",
    };
    (role, format!("Needs a token with the role `{role}` {within}."))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

    #[test]
    fn the_committed_document_is_that_of_the_code() {
        let document = document(&super::super::routes());
        let document = serde_json::to_string_pretty(&document).unwrap() + "\n";
        if std::env::var_os("RENEW").is_some() {
            std::fs::write(COMMITTED, &document).unwrap();
        }
        let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
        let mut lines = committed.lines().zip(document.lines()).enumerate();
        let differs = lines.find(|(_, (committed, made))| committed != made);
        assert!(
            committed == document,
            "docs/openapi.json is not what the code says any more; the first difference is \
             {differs:?}. To renew it: RENEW=1 cargo test -p flags-server --lib openapi"
        );
    }

    #[test]
    fn every_operation_says_what_it_is() {
        let document = document(&super::super::routes());
        let tags = document["tags"].as_array().unwrap();
        let mut names = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name), "{method} {path}: {name} is there twice");
                assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
                let tag = &operation["tags"][0];
                assert!(tags.iter().any(|known| known["name"] == *tag), "{method} {path}: {tag}");
            }
        }
        assert_eq!(names.len(), super::super::routes().declared.all().len());
    }

    #[test]
    fn every_member_says_what_it_means() {
        let document = document(&super::super::routes());
        let mut silent = Vec::new();
        look(&document["components"]["schemas"], "", &mut silent);
        look(&document["paths"], "", &mut silent);
        assert_eq!(silent, [""; 0], "a word for `schema/glossary.rs`, or a sentence of their own");
    }

    /// Pushes where members are that have no description.
    fn look(value: &Value, at: &str, silent: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, inner) in members {
                    let at = format!("{at}/{name}");
                    if name == "properties" {
                        let properties = inner.as_object().unwrap().iter();
                        let of_members = properties
                            .filter(|(_, p)| p.is_object() && p.get("description").is_none());
                        silent.extend(of_members.map(|(name, _)| format!("{at}/{name}")));
                    }
                    // Examples, and what is asked of a value, say nothing themselves.
                    if !matches!(&**name, "example" | "examples" | "if") {
                        look(inner, &at, silent);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| look(item, at, silent)),
            _ => {}
        }
    }
}

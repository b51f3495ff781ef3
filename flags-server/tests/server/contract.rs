//! docs/openapi.json, held against every request that was answered and every answer.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};

pub const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

static CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| Contract::new(serde_json::from_str(DOCUMENT).unwrap()));

/// What was sent.
pub struct Asked {
    pub method: Method,
    pub url: Url,
    pub body: Option<Vec<u8>>,
}

/// The head of what came back.
pub struct Head<'a> {
    pub status: u16,
    pub headers: &'a HeaderMap,
}

pub struct Contract {
    pub document: Value,
    /// The parts of what answers are made of, without room for what is not documented.
    closed: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// Fails where the document says something else. Of a stream, the body is not looked at.
#[track_caller]
pub fn check(asked: &Asked, head: &Head<'_>, body: Option<&[u8]>) {
    if let Err(what) = CONTRACT.check(asked, head, body) {
        let Asked { method, url, .. } = asked;
        panic!("docs/openapi.json: {method} {} {}: {what}", url.path(), head.status);
    }
}

impl Contract {
    pub fn new(document: Value) -> Self {
        let mut closed = document["components"].clone();
        for schema in closed["schemas"].as_object_mut().unwrap().values_mut() {
            close(schema);
        }
        Self { document, closed, validators: Mutex::default() }
    }

    pub fn check(&self, asked: &Asked, head: &Head<'_>, body: Option<&[u8]>) -> Result<(), String> {
        let Asked { method, url, .. } = asked;
        if *method == Method::HEAD {
            return Ok(());
        }
        let Some((name, operation)) = self.operation(method, url.path()) else {
            // There is no such route, or it has no such method.
            return self.check_answer(
                "unknown",
                &self.document["components"]["responses"]["NotFound"],
                head,
                body,
            );
        };
        let response = &operation["responses"][head.status.to_string()];
        let response = match response["$ref"].as_str() {
            Some(reference) => self.document.pointer(&reference[1..]).unwrap(),
            None => response,
        };
        if response.is_null() {
            return Err("a status that is not documented".into());
        }
        if (200..300).contains(&head.status) {
            self.check_request(name, operation, asked)?;
        }
        self.check_headers(response, head.headers)?;
        self.check_answer(name, response, head, body)
    }

    /// The operation that a request is for.
    pub fn operation(&self, method: &Method, path: &str) -> Option<(&str, &Value)> {
        let asked: Vec<&str> = path.split('/').collect();
        let fits = |path: &str| {
            let parts: Vec<&str> = path.split('/').collect();
            let equal = |(part, asked): (&&str, &&str)| part.starts_with('{') || part == asked;
            parts.len() == asked.len() && parts.iter().zip(&asked).all(equal)
        };
        let paths = self.document["paths"].as_object().unwrap();
        let (_, methods) = paths.iter().find(|(path, _)| fits(path))?;
        let operation = methods.get(method.as_str().to_ascii_lowercase())?;
        Some((operation["operationId"].as_str().unwrap(), operation))
    }

    /// What was accepted is what the document says is.
    pub fn check_request(
        &self,
        name: &str,
        operation: &Value,
        asked: &Asked,
    ) -> Result<(), String> {
        let parameters = operation["parameters"].as_array().unwrap();
        let known = |name: &str| {
            parameters.iter().any(|parameter| {
                let parameter = match parameter["$ref"].as_str() {
                    Some(reference) => self.document.pointer(&reference[1..]).unwrap(),
                    None => parameter,
                };
                parameter["in"] == "query" && parameter["name"] == name
            })
        };
        if let Some((member, _)) = asked.url.query_pairs().find(|(member, _)| !known(member)) {
            return Err(format!("the query's `{member}` was accepted and is not documented"));
        }
        let expected = &operation["requestBody"];
        match asked.body.as_deref().filter(|body| !body.trim_ascii().is_empty()) {
            None if expected["required"] == true => Err("no body was accepted".into()),
            None => Ok(()),
            // What is not read is not looked at.
            Some(_) if expected.is_null() => Ok(()),
            Some(body) => {
                let body: Value =
                    serde_json::from_slice(body).map_err(|error| error.to_string())?;
                let schema = &expected["content"]["application/json"]["schema"];
                let components = &self.document["components"];
                let found = self.validate(&format!("{name} request"), schema, components, &body);
                found.map_err(|found| format!("a body was accepted, {found}"))
            }
        }
    }

    fn check_answer(
        &self,
        name: &str,
        response: &Value,
        head: &Head<'_>,
        body: Option<&[u8]>,
    ) -> Result<(), String> {
        let Some(content) = response.get("content").and_then(Value::as_object) else {
            return match body {
                Some([]) | None => Ok(()),
                Some(_) => Err("a body where none is documented".into()),
            };
        };
        let media = head.headers.get(CONTENT_TYPE).map_or("", |media| media.to_str().unwrap());
        let media = media.split(';').next().unwrap();
        let Some(expected) = content.get(media) else {
            return Err(format!("`{media}` is not documented"));
        };
        let Some(body) = body.filter(|_| !head.headers.contains_key(CONTENT_ENCODING)) else {
            return Ok(());
        };
        if !media.ends_with("json") {
            return Ok(());
        }
        let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let mut schema = expected["schema"].clone();
        close(&mut schema);
        let name = if media == "application/json" { name } else { media };
        self.validate(&format!("{name} {}", head.status), &schema, &self.closed, &body)
    }

    fn check_headers(&self, response: &Value, headers: &HeaderMap) -> Result<(), String> {
        let none = Map::new();
        let documented = response["headers"].as_object().unwrap_or(&none);
        for (name, header) in self.document["components"]["headers"].as_object().unwrap() {
            match (documented.contains_key(name), headers.contains_key(name)) {
                (false, true) => return Err(format!("`{name}` is not documented")),
                (true, false) if header["required"] == true => {
                    return Err(format!("`{name}` is missing"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Compiled once for each `name`.
    fn validate(
        &self,
        name: &str,
        schema: &Value,
        components: &Value,
        value: &Value,
    ) -> Result<(), String> {
        let known = self.validators.lock().unwrap().get(name).cloned();
        let validator = known.unwrap_or_else(|| {
            let root = json!({"allOf": [schema], "components": components});
            let made = jsonschema::draft202012::options().should_validate_formats(true);
            let made =
                Arc::new(made.build(&root).unwrap_or_else(|error| panic!("{name}: {error}")));
            self.validators.lock().unwrap().insert(name.to_owned(), Arc::clone(&made));
            made
        });
        let found: Vec<String> = validator
            .iter_errors(value)
            .map(|error| {
                format!("at `{}`: {error} (by {})", error.instance_path(), error.schema_path())
            })
            .collect();
        if found.is_empty() { Ok(()) } else { Err(found.join("; ")) }
    }
}

/// Has a schema and those in it take no members but those that they name.
fn close(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    let open = ["additionalProperties", "unevaluatedProperties"];
    let is_object = members.contains_key("properties");
    if is_object && !open.iter().any(|name| members.contains_key(*name)) {
        members.insert("unevaluatedProperties".into(), false.into());
    }
    close_parts(members, is_object);
}

/// What is beside the members of an object says more of the same object.
fn close_parts(members: &mut Map<String, Value>, is_object: bool) {
    for (name, part) in members {
        match (&**name, part) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(close),
            ("items" | "additionalProperties", part) => close(part),
            ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                for part in parts {
                    match part {
                        Value::Object(part) if is_object => close_parts(part, true),
                        part => close(part),
                    }
                }
            }
            _ => {}
        }
    }
}

//! One operation on the page.

use maud::{Markup, html};
use serde_json::Value;

use super::page::{method, name, prose};
use super::{curl, entries, members, resolved, shape, text};

/// A method of a path.
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    pub(super) method: &'a str,
    pub(super) said: &'a Value,
}

impl<'a> Operation<'a> {
    /// What it is called, which is its anchor, too.
    pub(super) fn id(&self) -> &'a str {
        text(self.said, "operationId")
    }

    pub(super) fn summary(&self) -> &'a str {
        text(self.said, "summary")
    }

    pub(super) fn is_about(&self, tag: &str) -> bool {
        entries(self.said, "tags").any(|known| known == tag)
    }

    pub(super) fn shown(&self, document: &Value) -> Markup {
        let Self { path, method: verb, said } = self;
        let has_parameters = entries(said, "parameters").next().is_some();
        html! {
            article id=(self.id()) {
                h3 { a href={ "#" (self.id()) } { (self.summary()) } }
                p.request { (method(verb)) " " code { (path) } }
                p.access { span.role { (text(said, "x-role")) } " " (prose(text(said, "description"))) }
                pre { code { (curl::command(document, path, verb, said)) } }
                @if has_parameters {
                    h4 { "Parameters" }
                    ul.members {
                        @for parameter in entries(said, "parameters") {
                            li { (self::parameter(resolved(document, parameter))) }
                        }
                    }
                }
                @if let Some(body) = said.get("requestBody") { (self::body(document, body)) }
                h4 { "Answers" }
                @for (status, response) in answers(said, true) {
                    (answer(document, status, response))
                }
                (refusals(document, said))
            }
        }
    }
}

fn parameter(parameter: &Value) -> Markup {
    let schema = parameter.get("schema").unwrap_or(&Value::Null);
    let about = text(parameter, "description");
    html! {
        code.name { (text(parameter, "name")) } " "
        span.place {
            @match text(parameter, "in") { "header" => "header", place => { "in the " (place) } }
            ", "
        }
        span.kind { (shape::kind(schema)) }
        @if parameter.get("required") == Some(&Value::Bool(true)) {
            " " span.required { "required" }
        }
        @if !about.is_empty() { " " span.about { (prose(about)) } }
    }
}

fn body(document: &Value, body: &Value) -> Markup {
    let is_optional = body.get("required") == Some(&Value::Bool(false));
    html! {
        h4 { "Body" }
        @for (media, content) in members(body, "content") {
            @let schema = content.get("schema").unwrap_or(&Value::Null);
            p {
                code { (media) } ": " (shape::kind(schema)) ". " (prose(text(body, "description")))
                @if is_optional { " It may be left out." }
            }
            (shape::inside(resolved(document, schema)))
        }
    }
}

/// The answers to what was asked well, or the others, by their status.
fn answers(operation: &Value, are_good: bool) -> impl Iterator<Item = (&str, &Value)> {
    let responses = members(operation, "responses");
    responses.filter(move |(status, _)| status.starts_with(['2', '3']) == are_good)
}

fn answer(document: &Value, status: &str, response: &Value) -> Markup {
    let headers: Vec<&str> = members(response, "headers").map(|(name, _)| name).collect();
    let has_content = members(response, "content").next().is_some();
    html! {
        details {
            summary {
                code.status { (status) } " " (text(response, "description"))
                @for (media, content) in members(response, "content") {
                    @let schema = content.get("schema").unwrap_or(&Value::Null);
                    " " @if media == "application/json" { (shape::kind(schema)) } @else { code { (media) } }
                }
            }
            @for (_, content) in members(response, "content") {
                @let schema = resolved(document, content.get("schema").unwrap_or(&Value::Null));
                @if !text(schema, "description").is_empty() { p { (prose(text(schema, "description"))) } }
                (shape::inside(schema))
            }
            @if !has_content { p { "Without a body." } }
            @if !headers.is_empty() {
                p {
                    "Headers: "
                    @for (index, name) in headers.iter().enumerate() {
                        @if index > 0 { ", " }
                        a href={ "#header-" (name) } { (name) }
                    }
                }
            }
        }
    }
}

fn refusals(document: &Value, operation: &Value) -> Markup {
    let refusals: Vec<_> = answers(operation, false).collect();
    html! {
        details {
            summary {
                "Errors:"
                @for (status, _) in &refusals { " " code.status { (status) } }
            }
            ul.members {
                @for (status, response) in &refusals {
                    li {
                        @let name = name(response).unwrap_or_default();
                        a href={ "#error-" (name) } { code.status { (status) } } " "
                        (prose(text(resolved(document, response), "description")))
                    }
                }
            }
        }
    }
}

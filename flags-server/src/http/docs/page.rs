//! The page as a whole: what there is at its side, its sections, and what operations refer to.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::operation::Operation;
use super::{entries, members, shape, text};

/// All of its style. The page allows no other.
pub(super) const STYLE: &str = include_str!("style.css");

/// In the order in which they are of use.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What is shown behind the operations: an anchor, and a title.
const PARTS: [(&str, &str); 3] =
    [("errors", "Errors"), ("headers", "Headers of answers"), ("schemas", "Schemas")];

pub(super) fn page(document: &Value) -> Markup {
    let nothing = Value::Null;
    let info = document.get("info").unwrap_or(&nothing);
    let components = document.get("components").unwrap_or(&nothing);
    let sections: Vec<_> = entries(document, "tags").map(|tag| section(document, tag)).collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (text(info, "title")) ": the HTTP API" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                nav id="contents" aria-label="Contents" { (contents(&sections)) }
                main {
                    (beginning(info))
                    @for section in &sections { (section.shown(document)) }
                    (errors(document))
                    (headers(components))
                    (schemas(components))
                }
                a.back href="#contents" { "Contents" }
            }
        }
    }
}

/// The operations that are about one thing.
struct Section<'a> {
    tag: &'a Value,
    operations: Vec<Operation<'a>>,
}

fn section<'a>(document: &'a Value, tag: &'a Value) -> Section<'a> {
    let mut operations = Vec::new();
    let mut paths: Vec<_> = members(document, "paths").collect();
    // What is a thing goes before what is done with it, and with what is below it.
    paths.sort_by_key(|(path, _)| path.split('/').count());
    for (path, methods) in paths {
        for method in METHODS {
            let operation = methods.get(method).map(|said| Operation { path, method, said });
            operations.extend(operation.filter(|known| known.is_about(text(tag, "name"))));
        }
    }
    Section { tag, operations }
}

impl Section<'_> {
    fn name(&self) -> &str {
        text(self.tag, "name")
    }

    fn shown(&self, document: &Value) -> Markup {
        html! {
            section id={ "about-" (self.name()) } {
                h2 { (capitalized(self.name())) }
                p { (prose(text(self.tag, "description"))) "." }
                ul.overview {
                    @for operation in &self.operations {
                        li {
                            a href={ "#" (operation.id()) } {
                                (method(operation.method)) " " (operation.summary())
                            }
                        }
                    }
                }
                @for operation in &self.operations { (operation.shown(document)) }
            }
        }
    }
}

fn contents(sections: &[Section<'_>]) -> Markup {
    html! {
        p.title { a href="#start" { "The HTTP API" } }
        ul {
            @for section in sections {
                li {
                    a href={ "#about-" (section.name()) } { (capitalized(section.name())) }
                    ul {
                        @for operation in &section.operations {
                            li {
                                a href={ "#" (operation.id()) } {
                                    (method(operation.method)) " " (operation.summary())
                                }
                            }
                        }
                    }
                }
            }
            @for (anchor, title) in PARTS { li { a href={ "#" (anchor) } { (title) } } }
        }
    }
}

fn beginning(info: &Value) -> Markup {
    html! {
        header id="start" {
            h1 { (text(info, "title")) ": the HTTP API" }
            p { (prose(text(info, "description"))) }
            p {
                "Version " (text(info, "version")) ". For programs, the same as "
                a href="openapi.json" { "OpenAPI 3.1" } "."
            }
            h2 { "To try it" }
            p {
                "Say once where the server is and who you are; then each command on this page can be "
                "copied as it stands: a click selects it. Names and keys in it are examples. "
                "What a token has to be allowed stands with each operation."
            }
            pre { code {
                "export FLAGS_URL='http://127.0.0.1:8080'  # where this page is, without /docs\n"
                "export FLAGS_TOKEN='…'                    # the secret of your token"
            } }
        }
    }
}

/// How requests are refused: what operations refer to, by status.
fn errors(document: &Value) -> Markup {
    let mut refusals = BTreeMap::new();
    for (_, methods) in members(document, "paths") {
        for operation in METHODS.iter().filter_map(|method| methods.get(method)) {
            let responses = members(operation, "responses");
            refusals.extend(responses.filter_map(|(status, said)| Some((status, name(said)?))));
        }
    }
    html! {
        section id="errors" {
            h2 { "Errors" }
            p {
                "A request that is refused changes nothing. The answer is a "
                a href="#schema-Problem" { "Problem" } " (" code { "application/problem+json" }
                "): its " code { "code" } " is for programs, its " code { "detail" } " for people."
            }
            @for (status, name) in &refusals {
                @let said = document.pointer(&format!("/components/responses/{name}"));
                article id={ "error-" (name) } {
                    h3 { code.status { (status) } " " (name) }
                    p { (prose(said.map_or("", |said| text(said, "description")))) }
                }
            }
        }
    }
}

fn headers(components: &Value) -> Markup {
    html! {
        section id="headers" {
            h2 { "Headers of answers" }
            ul.members {
                @for (name, header) in members(components, "headers") {
                    @let schema = header.get("schema").unwrap_or(&Value::Null);
                    li id={ "header-" (name) } {
                        code.name { (name) } " " span.kind { (shape::kind(schema)) } " "
                        (prose(text(header, "description")))
                    }
                }
            }
        }
    }
}

fn schemas(components: &Value) -> Markup {
    html! {
        section id="schemas" {
            h2 { "Schemas" }
            p { "What bodies and answers are made of." }
            @for (name, schema) in members(components, "schemas") {
                article id={ "schema-" (name) } {
                    h3 { a href={ "#schema-" (name) } { (name) } }
                    @if !text(schema, "description").is_empty() {
                        p { (prose(text(schema, "description"))) }
                    }
                    p.kind { (shape::kind(schema)) }
                    (shape::inside(schema))
                }
            }
        }
    }
}

/// What a reference names.
pub(super) fn name(reference: &Value) -> Option<&str> {
    text(reference, "$ref").rsplit_once('/').map(|(_, name)| name)
}

pub(super) fn method(name: &str) -> Markup {
    html! { span.method.(name) { (name.to_ascii_uppercase()) } }
}

/// Text in which what stands between backticks is meant literally.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_document_says_is_text_wherever_it_stands() {
        let evil = r#""'><script>alert(1)</script>"#;
        let schema = json!({
            "description": evil, "type": evil, "pattern": evil, "required": [evil],
            "properties": {evil: {"enum": [evil], "const": evil}, "x": {"$ref": format!("#/{evil}")}},
        });
        let document = json!({
            "info": {"title": evil, "description": evil, "version": evil},
            "tags": [{"name": evil, "description": evil}],
            "paths": {evil: {"post": {
                "operationId": evil, "summary": evil, "description": evil, "tags": [evil],
                "x-role": evil,
                "parameters": [{"name": evil, "in": evil, "description": evil, "schema": schema}],
                "requestBody": {
                    "description": evil,
                    "content": {"application/json": {"schema": schema, "example": {evil: evil}}},
                },
                "responses": {
                    "200": {"description": evil, "headers": {evil: {}}, "content": {evil: {"schema": schema}}},
                    "404": {"$ref": format!("#/components/responses/{evil}")},
                },
            }}},
            "components": {
                "schemas": {evil: schema},
                "headers": {evil: {"description": evil, "schema": schema}},
                "responses": {evil: {"description": evil}},
            },
        });
        let html = page(&document).into_string();
        assert!(html.matches("alert(1)").count() > 30, "{html}");
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains("\"'>"), "{html}");
    }

    #[test]
    fn literals_are_marked() {
        assert_eq!(prose("a `b<` c").into_string(), "a <code>b&lt;</code> c");
    }
}

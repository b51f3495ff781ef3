//! `/docs`: the page of the API has all of the document, and needs nothing but itself.

#![cfg(test)]

mod server;

use std::collections::{BTreeMap, BTreeSet};

use html5gum::{Token, Tokenizer};
use reqwest::Method;
use serde_json::Value;

use server::contract::DOCUMENT;
use server::{TestServer, answer};

/// Elements without an end.
const VOID: [&str; 2] = ["meta", "link"];

/// What a page is made of.
#[derive(Default)]
struct Page {
    /// What has an anchor, with the text in it.
    anchored: BTreeMap<String, String>,
    elements: BTreeSet<String>,
    /// Each attribute: the element, its name and its value.
    attributes: Vec<(String, String, String)>,
}

/// Reads what is well-formed: no error of the standard's tokenizer, and every element ends where it
/// has to.
fn read(html: &str) -> Page {
    let word = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().to_owned();
    let mut page = Page::default();
    let mut open: Vec<(String, Option<String>)> = Vec::new();
    for token in Tokenizer::new(html) {
        match token.unwrap() {
            Token::StartTag(tag) => {
                let name = word(&tag.name);
                let mut id = None;
                for (attribute, value) in &tag.attributes {
                    let (attribute, value) = (word(attribute), word(value));
                    if attribute == "id" {
                        let earlier = page.anchored.insert(value.clone(), String::new());
                        assert_eq!(earlier, None, "{value} is there twice");
                        id = Some(value.clone());
                    }
                    page.attributes.push((name.clone(), attribute, value));
                }
                page.elements.insert(name.clone());
                if !VOID.contains(&&*name) {
                    open.push((name, id));
                }
            }
            Token::EndTag(tag) => {
                let name = word(&tag.name);
                let (begun, _) = open.pop().unwrap_or_else(|| panic!("an end of no {name}"));
                assert_eq!(begun, name);
            }
            Token::String(text) => {
                for id in open.iter().filter_map(|(_, id)| id.as_ref()) {
                    page.anchored.get_mut(id).unwrap().push_str(&word(&text));
                }
            }
            Token::Doctype(doctype) => assert!(!doctype.force_quirks),
            Token::Comment(comment) => panic!("{}", word(&comment)),
            Token::Error(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(open, []);
    page
}

/// The page as it is, without a token.
async fn page(server: &TestServer) -> (server::Answer, String) {
    let answer = answer(server.request(Method::GET, "/docs", "no-token")).await;
    assert_eq!(answer.status, 200);
    let html = answer.body.as_str().unwrap().to_owned();
    (answer, html)
}

#[tokio::test]
async fn every_operation_is_there_with_all_that_is_said_of_it() {
    let server = TestServer::start().await;
    let (_, html) = page(&server).await;
    let page = read(&html);
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let resolved = |part: &Value| match part["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap().clone(),
        None => part.clone(),
    };
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let text = page.anchored.get(id).unwrap_or_else(|| panic!("no {id}"));
            let says = |what: &str| {
                let what = what.replace('`', "");
                assert!(text.contains(&what), "{id} does not say {what}: {text}");
            };
            says(&format!("{} {path}", method.to_ascii_uppercase()));
            says("$FLAGS_URL/");
            for name in ["summary", "description", "x-role"] {
                says(operation[name].as_str().unwrap());
            }
            for parameter in operation["parameters"].as_array().unwrap() {
                let parameter = resolved(parameter);
                says(parameter["name"].as_str().unwrap());
                says(parameter["description"].as_str().unwrap_or_default());
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                says(status);
                says(resolved(response)["description"].as_str().unwrap());
                for name in response["headers"].as_object().into_iter().flatten() {
                    says(name.0);
                }
            }
            if let Some(body) = operation.get("requestBody") {
                says(body["description"].as_str().unwrap());
                let schema = resolved(&body["content"]["application/json"]["schema"]);
                for name in schema["properties"].as_object().into_iter().flatten() {
                    says(name.0);
                }
            }
            // JSON is shown in commands alone.
            assert!(!text.contains("{\"") || text.contains("--json"), "{text}");
            operations += 1;
        }
    }
    assert!(operations > 70, "{operations}");
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.anchored.contains_key(&format!("schema-{name}")), "{name}");
    }
}

#[tokio::test]
async fn it_needs_nothing_from_elsewhere() {
    let server = TestServer::start().await;
    let (_, html) = page(&server).await;
    let page = read(&html);
    for element in ["script", "link", "img", "iframe", "object", "form", "base", "svg"] {
        assert!(!page.elements.contains(element), "{element}");
    }
    let mut links = 0;
    for (element, attribute, value) in &page.attributes {
        let is_known = matches!(
            &**attribute,
            "id" | "class" | "lang" | "charset" | "name" | "content" | "href" | "aria-label"
        );
        // Not a `style` nor an `on…`, which the policy has no place for.
        assert!(is_known, "<{element} {attribute}={value}>");
        if attribute == "href" {
            let anchor = value.strip_prefix('#');
            let leads = anchor.map_or(value == "openapi.json", |a| page.anchored.contains_key(a));
            assert!(leads, "{value} leads nowhere");
            links += 1;
        }
    }
    assert!(links > 300, "{links}");
    assert!(!html.contains("url(") && !html.contains("@import"));
}

#[tokio::test]
async fn browsers_are_told_to_run_and_load_nothing() {
    use base64::Engine;
    use sha2::{Digest, Sha256};

    let server = TestServer::start().await;
    let (answer, html) = page(&server).await;
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style));
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.contains(&format!("style-src 'sha256-{hash}';")), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
}

#[tokio::test]
async fn it_is_sent_packed_and_only_where_it_is_new() {
    let server = TestServer::start().await;
    let (plain, html) = page(&server).await;
    let tag = plain.header("etag").to_owned();
    let asked = |name: &str, value: &str| {
        server.request(Method::GET, "/docs", "no-token").header(name, value).send()
    };
    for encoding in ["gzip", "zstd"] {
        let response = asked("accept-encoding", encoding).await.unwrap();
        assert_eq!(response.headers()["content-encoding"], encoding);
        assert_eq!(response.headers()["vary"], "accept-encoding");
        let bytes = response.bytes().await.unwrap();
        let unpacked = match encoding {
            "gzip" => {
                let mut unpacked = String::new();
                let mut decoder = flate2::read::GzDecoder::new(&*bytes);
                std::io::Read::read_to_string(&mut decoder, &mut unpacked).unwrap();
                unpacked
            }
            _ => String::from_utf8(zstd::decode_all(&*bytes).unwrap()).unwrap(),
        };
        assert_eq!(unpacked, html);
    }
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let again = server.request(Method::GET, "/docs", "no-token");
        let again = answer(again.header("if-none-match", &known)).await;
        assert_eq!((again.status, &again.body), (304, &Value::Null), "{known}");
        assert_eq!(again.header("etag"), tag);
    }
    let other = asked("if-none-match", "\"x\"").await.unwrap();
    assert_eq!(other.status(), 200);
}

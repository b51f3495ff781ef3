//! docs/openapi.json: that it is served, that its examples are right, and that what is held against
//! it can fail.

#![cfg(test)]

mod server;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use server::contract::{Asked, Contract, DOCUMENT, Head};
use server::{FLAGS, PRODUCTION, TestServer, answer};

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let server = TestServer::start().await;
    let served = answer(server.request(Method::GET, "/openapi.json", "no-token")).await;
    let committed: Value = serde_json::from_str(DOCUMENT).unwrap();
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.is(200), committed);
}

#[test]
fn examples_of_bodies_have_their_schemas() {
    let contract = Contract::new(serde_json::from_str(DOCUMENT).unwrap());
    let mut examples = 0;
    for (path, methods) in contract.document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(body) = operation.pointer("/requestBody/content/application~1json") else {
                continue;
            };
            let asked = Asked {
                method: method.to_ascii_uppercase().parse().unwrap(),
                url: format!("http://localhost{path}").parse().unwrap(),
                body: Some(body["example"].to_string().into_bytes()),
            };
            let id = operation["operationId"].as_str().unwrap();
            let checked = contract.check_request(id, operation, &asked);
            assert_eq!(checked, Ok(()), "{method} {path}");
            examples += 1;
        }
    }
    assert!(examples > 40, "{examples}");
}

/// A request and its answer, as they were; and each way in which they may differ from the document.
#[tokio::test]
async fn what_is_not_documented_is_found() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let said = json!({"on": true, "off_variant": "off", "fallthrough": {"variant": "on"}});
    let path = format!("{PRODUCTION}/flags/f");
    let put = server.put(&path, 1, said.clone()).await;
    let (headers, state) = (put.headers.clone(), put.is(200));
    let contract = Contract::new(serde_json::from_str(DOCUMENT).unwrap());
    let check = |said: &Value, path: &str, status: u16, headers: &HeaderMap, state: &Value| {
        let url = format!("{}{path}", server.base).parse().unwrap();
        let asked = Asked { method: Method::PUT, url, body: Some(said.to_string().into_bytes()) };
        let head = Head { status, headers };
        contract.check(&asked, &head, Some(state.to_string().as_bytes()))
    };
    assert_eq!(check(&said, &path, 200, &headers, &state), Ok(()));

    let with = |value: &Value, pointer: &str, name: &str| {
        let mut value = value.clone();
        let object = value.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        object.insert(name.to_owned(), json!("surprise"));
        value
    };
    let mut without_tag = headers.clone();
    without_tag.remove("etag");
    let mut with_link = headers.clone();
    with_link.insert("link", "</>; rel=\"next\"".parse().unwrap());
    let mut as_text = headers.clone();
    as_text.insert("content-type", "text/plain".parse().unwrap());
    let mut incomplete = state.clone();
    incomplete.as_object_mut().unwrap().remove("version");
    let query = format!("{path}?surprise=1");
    for (found, what) in [
        (check(&said, &path, 418, &headers, &state), "a status that is not documented"),
        (check(&said, &path, 200, &without_tag, &state), "`ETag` is missing"),
        (check(&said, &path, 200, &with_link, &state), "`Link` is not documented"),
        (check(&said, &path, 200, &as_text, &state), "`text/plain` is not documented"),
        (check(&said, &path, 200, &headers, &with(&state, "", "x")), "'x' was unexpected"),
        (check(&said, &path, 200, &headers, &with(&state, "/fallthrough", "x")), "surprise"),
        (check(&said, &path, 200, &headers, &incomplete), "version"),
        (check(&with(&said, "", "x"), &path, 200, &headers, &state), "a body was accepted"),
        (check(&said, &query, 200, &headers, &state), "`surprise` was accepted"),
    ] {
        let error = found.expect_err(what);
        assert!(error.contains(what), "{what}: {error}");
    }

    let list = server.get(FLAGS).await;
    let (headers, list) = (list.headers.clone(), with(&list.is(200), "/items/0", "x"));
    let url = format!("{}{FLAGS}", server.base).parse().unwrap();
    let asked = Asked { method: Method::GET, url, body: None };
    let head = Head { status: 200, headers: &headers };
    let found = contract.check(&asked, &head, Some(list.to_string().as_bytes()));
    assert!(found.is_err_and(|error| error.contains("/items/0")));
}

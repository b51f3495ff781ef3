//! The API of a server, as a command uses it.

use clap::Args;
use reqwest::header::{CONTENT_TYPE, IF_MATCH};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::Error;

/// Where a server is.
#[derive(Args)]
pub(super) struct Server {
    /// Goes through the API of the server at this address, as FLAGS_ADMIN_TOKEN; without it, takes the
    /// database file, which no server may have open
    #[arg(long, env = "FLAGS_URL", value_name = "URL", global = true)]
    url: Option<String>,
}

impl Server {
    /// The API, where a server was named.
    pub(super) fn api(&self) -> Result<Option<Api>, Error> {
        let Some(url) = &self.url else { return Ok(None) };
        let token = std::env::var("FLAGS_ADMIN_TOKEN").map_err(|_| {
            Error::new("FLAGS_ADMIN_TOKEN is missing: the server wants an admin token")
        })?;
        Ok(Some(Api { url: url.trim_end_matches('/').to_owned(), token }))
    }
}

pub(super) struct Api {
    url: String,
    token: String,
}

impl Api {
    /// Sends a request, and gives the body of its answer.
    ///
    /// # Errors
    /// When there is no answer, or it is an error: its `detail`.
    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let request = self.request(method, path, query)?;
        self.answer(match body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    /// Posts a document as it stands; where a revision is named, only if that is the present one.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) fn send_document(
        &self,
        path: &str,
        query: &[(&str, &str)],
        if_revision: Option<u64>,
        document: Vec<u8>,
    ) -> Result<Value, Error> {
        let mut request = self.request(Method::POST, path, query)?;
        if let Some(revision) = if_revision {
            request = request.header(IF_MATCH, format!("\"{revision}\""));
        }
        self.answer(request.header(CONTENT_TYPE, "application/json").body(document))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, Error> {
        let url = format!("{}{path}", self.url);
        let mut url = reqwest::Url::parse(&url)
            .map_err(|error| Error::new(format!("`{url}` is no address: {error}")))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let client = Client::builder().build().map_err(|error| self.unreachable(&error))?;
        Ok(client.request(method, url).bearer_auth(&self.token))
    }

    fn answer(&self, request: RequestBuilder) -> Result<Value, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let unreachable = |error| self.unreachable(&error);
            let response = request.send().await.map_err(unreachable)?;
            let status = response.status();
            let bytes = response.bytes().await.map_err(unreachable)?;
            let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            if status.is_success() {
                return Ok(body);
            }
            let words = words(&body);
            let words = words.as_deref().unwrap_or("it is not a flags-server");
            Err(Error::new(format!("the server refused ({}): {words}", status.as_u16())))
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        Error::new(format!("cannot reach {}: {error}", self.url))
    }
}

/// What a problem says, with each place that is wrong on a line of its own where there are several.
pub(super) fn words(problem: &Value) -> Option<String> {
    let detail = problem.get("detail")?.as_str()?;
    let errors = problem.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if errors.len() < 2 {
        return Some(detail.to_owned());
    }
    let mut words = format!("{} problems", errors.len());
    for error in errors {
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        words.push_str(&format!("\n  {}: {}", text("pointer"), text("message")));
    }
    Some(words)
}

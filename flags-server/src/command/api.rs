//! The API of a server, as a command uses it.

use clap::Args;
use reqwest::{Client, Method};
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let unreachable =
                |error: reqwest::Error| Error::new(format!("cannot reach {}: {error}", self.url));
            let url = format!("{}{path}", self.url);
            let mut url = reqwest::Url::parse(&url)
                .map_err(|error| Error::new(format!("`{url}` is no address: {error}")))?;
            if !query.is_empty() {
                url.query_pairs_mut().extend_pairs(query);
            }
            let client = Client::builder().build().map_err(unreachable)?;
            let mut request = client.request(method, url).bearer_auth(&self.token);
            if let Some(body) = body {
                request = request.json(body);
            }
            let response = request.send().await.map_err(unreachable)?;
            let status = response.status();
            let bytes = response.bytes().await.map_err(unreachable)?;
            let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            if status.is_success() {
                return Ok(body);
            }
            let detail = body.get("detail").and_then(Value::as_str);
            let detail = detail.unwrap_or("it is not a flags-server");
            Err(Error::new(format!("the server refused ({}): {detail}", status.as_u16())))
        })
    }
}

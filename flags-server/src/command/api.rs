//! The API of a server, as a command uses it.

use std::error::Error as StdError;
use std::net::IpAddr;

use clap::Args;
use reqwest::header::{CONTENT_TYPE, IF_MATCH, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::Value;

use crate::Error;
use crate::limits::COMMAND_CONNECT_TIMEOUT;

/// Where a server is.
#[derive(Args)]
pub(super) struct Server {
    /// Goes through the API of the server at this address, as FLAGS_ADMIN_TOKEN; without it, takes the
    /// database file, which no server may have open
    #[arg(long, env = "FLAGS_URL", value_name = "URL", global = true)]
    url: Option<String>,
    /// Sends the token over plain HTTP to another machine, readable for everybody on the way
    #[arg(long, global = true)]
    insecure_http: bool,
}

impl Server {
    /// The API, where a server was named.
    ///
    /// # Errors
    /// When the token would travel where others can read it, or there is none.
    pub(super) fn api(&self) -> Result<Option<Api>, Error> {
        let Some(url) = &self.url else { return Ok(None) };
        let base = base(url).map_err(|why| Error::new(format!("`{url}` is no address: {why}")))?;
        if base.scheme() == "http" && !is_loopback(&base) && !self.insecure_http {
            let host = base.host_str().unwrap_or_default();
            return Err(Error::new(format!(
                "the token would go to {host} over plain HTTP, where others can read it: name an \
                 https address, or say --insecure-http"
            )));
        }
        let token = std::env::var("FLAGS_ADMIN_TOKEN").map_err(|_| {
            Error::new("FLAGS_ADMIN_TOKEN is missing: the server wants an admin token")
        })?;
        Ok(Some(Api { base, token }))
    }
}

/// Checks an address and makes its path one that routes can be joined to.
fn base(url: &str) -> Result<Url, String> {
    let mut url = Url::parse(url).map_err(|error| error.to_string())?;
    let fault = match url.scheme() {
        "http" | "https" if !url.has_host() => Some("it has no host"),
        "http" | "https" => None,
        _ => Some("its scheme is neither http nor https"),
    };
    let has_user = !url.username().is_empty() || url.password().is_some();
    let has_more = url.query().is_some() || url.fragment().is_some();
    let fault = fault
        .or(has_user.then_some("it has a user or a password; access is by token"))
        .or(has_more.then_some("it has a query or a fragment"));
    if let Some(fault) = fault {
        return Err(fault.to_owned());
    }
    let path = format!("{}/api/v1", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// Whether what is sent there stays on this machine. Of names only the one that is bound to: others
/// are what somebody's name server says.
fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address: Option<IpAddr> = bare.parse().ok();
    host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback())
}

pub(super) struct Api {
    base: Url,
    token: String,
}

impl Api {
    /// Sends a request to the route of these segments, and gives the body of its answer.
    ///
    /// # Errors
    /// When there is no answer, or it is an error: what it says, with each place.
    pub(super) fn send(
        &self,
        method: Method,
        route: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let request = self.request(method, route, query)?;
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
        route: &[&str],
        query: &[(&str, &str)],
        if_revision: Option<u64>,
        document: Vec<u8>,
    ) -> Result<Value, Error> {
        let mut request = self.request(Method::POST, route, query)?;
        if let Some(revision) = if_revision {
            request = request.header(IF_MATCH, format!("\"{revision}\""));
        }
        self.answer(request.header(CONTENT_TYPE, "application/json").body(document))
    }

    fn request(
        &self,
        method: Method,
        route: &[&str],
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder, Error> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(route);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        // The API redirects nobody, and a token is for nobody else.
        let client =
            Client::builder().redirect(Policy::none()).connect_timeout(COMMAND_CONNECT_TIMEOUT);
        let client = match url.scheme() {
            // Neither a proxy, which would read along, nor certificates, which may be missing here.
            "http" => client.no_proxy().tls_certs_only([]),
            _ => client,
        };
        let client = client
            .build()
            .map_err(|error| Error::new(format!("cannot set up TLS: {}", chain(&error))))?;
        Ok(client.request(method, url).bearer_auth(&self.token))
    }

    fn answer(&self, request: RequestBuilder) -> Result<Value, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let unreachable = |error| self.unreachable(error);
            let response = request.send().await.map_err(unreachable)?;
            let status = response.status();
            if status.is_redirection() {
                let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                let to = to.unwrap_or("elsewhere");
                return Err(Error::new(format!("the server redirects to {to}: name that address")));
            }
            let bytes = response.bytes().await.map_err(unreachable)?;
            let body: Option<Value> = serde_json::from_slice(&bytes).ok();
            match (status.is_success(), body) {
                (true, Some(body)) => Ok(body),
                (true, None) => Err(Error::new("the answer is not that of a flags-server")),
                (false, body) => {
                    let words = body.as_ref().and_then(words);
                    let words = words.as_deref().unwrap_or("it is not a flags-server");
                    Err(Error::new(format!("the server refused ({}): {words}", status.as_u16())))
                }
            }
        })
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        let origin = self.base.origin().ascii_serialization();
        Error::new(format!("cannot reach {origin}: {}", chain(&error.without_url())))
    }
}

/// An error and what caused it, in one sentence.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_on_this_machine_is_known() {
        let is_loopback = |url: &str| is_loopback(&base(url).unwrap());
        for url in
            ["http://localhost:1", "http://127.0.0.1", "http://127.9.9.9/x", "http://[::1]:1"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://flags.localhost",
            "http://localhost.example.com",
            "http://0.0.0.0",
            "http://10.0.0.1",
            "http://[::]",
            "http://[::ffff:10.0.0.1]",
            "http://127.0.0.1.example.com",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn an_address_is_one_that_routes_can_be_joined_to() {
        assert_eq!(base("https://a/flags/").unwrap().as_str(), "https://a/flags/api/v1");
        assert_eq!(base("https://a").unwrap().as_str(), "https://a/api/v1");
        for url in ["a", "ftp://a", "https://u:p@a", "https://a/?x=1", "https://a/#x"] {
            base(url).unwrap_err();
        }
    }
}

//! The SDK protocol over HTTP: docs/protocol.md.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use flags_core::Position;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_NONE_MATCH,
    RETRY_AFTER,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use super::sse::{Item, Parser};
use crate::builder::BuildError;
use crate::clock;
use crate::limits::{
    CONNECT_TIMEOUT, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, MAX_EVENT_BYTES, MAX_PROBLEM_BYTES,
    MAX_REDIRECTS, MAX_SNAPSHOT_BYTES, READ_TIMEOUT, RESPONSE_TIMEOUT, SNAPSHOT_TIMEOUT,
};
use crate::status::{Failure, ProblemKind};

/// By which an instance says on its stream who it is.
const INSTANCE: &str = "flags-instance";

/// Over how many milliseconds it is to spread its receipts.
const RECEIPT_WINDOW: &str = "flags-receipt-window-ms";

const USER_AGENT: &str = concat!("flags-client/", env!("CARGO_PKG_VERSION"));

/// The server, as one token sees it.
#[derive(Debug)]
pub(crate) struct Server {
    client: Client,
    url: Url,
    /// Marked as sensitive, so that it never shows in a debug output.
    authorization: HeaderValue,
}

impl Server {
    pub(crate) fn new(url: &str, token: &SecretString) -> Result<Self, BuildError> {
        let url = base_url(url)?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| BuildError::Token)?;
        if token.expose_secret().is_empty() {
            return Err(BuildError::Token);
        }
        authorization.set_sensitive(true);
        Ok(Self { client: client(&url)?, url, authorization })
    }

    /// The URL under which the protocol's routes are, in its normal form.
    pub(crate) fn base(&self) -> &str {
        self.url.as_str()
    }

    /// The body of the present snapshot; `None` if it is not later than `known`.
    pub(crate) async fn snapshot(
        &self,
        known: Option<&Position>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut request = self.get("sdk/v1/snapshot", None)?.header(ACCEPT, "application/json");
        if let Some(position) = known {
            request = request.header(IF_NONE_MATCH, format!("\"{position}\""));
        }
        let response = send(request).await?;
        if response.status() == StatusCode::NOT_MODIFIED && known.is_some() {
            return Ok(None);
        }
        let response = expect(response, "application/json").await?;
        within(SNAPSHOT_TIMEOUT, read(response, MAX_SNAPSHOT_BYTES)).await.map(Some)
    }

    /// The stream of the changes after `position`, to an instance that says who it is or does not.
    pub(crate) async fn stream(
        &self,
        position: &Position,
        instance: Option<&str>,
    ) -> Result<EventStream, Failure> {
        let mut request = self
            .get("sdk/v1/stream", Some(position))?
            .header(ACCEPT, "text/event-stream")
            // What is compressed along the way arrives in blocks, and a change would wait in one.
            .header(ACCEPT_ENCODING, "identity");
        if let Some(instance) = instance {
            request = request.header(INSTANCE, instance);
        }
        let response = send(request).await?;
        let response = expect(response, "text/event-stream").await?;
        Ok(EventStream { response, parser: Parser::default() })
    }

    /// Tells what an instance says of itself; gives over how long it is to spread what it says
    /// next, where the server says so.
    pub(crate) async fn telemetry(&self, body: Vec<u8>) -> Result<Option<Duration>, Failure> {
        let request = self.client.post(self.url("sdk/v1/telemetry")?).body(body);
        let request = request
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json");
        let response = expect(send(request).await?, "application/json").await?;
        let answer = within(RESPONSE_TIMEOUT, read(response, MAX_PROBLEM_BYTES)).await?;
        let answer: Option<serde_json::Value> = serde_json::from_slice(&answer).ok();
        let window = answer.and_then(|answer| answer.get("window_ms")?.as_u64());
        Ok(window.map(Duration::from_millis))
    }

    fn url(&self, path: &str) -> Result<Url, Failure> {
        let url = self.url.join(path);
        url.map_err(|error| Failure::new(ProblemKind::Internal, error.to_string()))
    }

    fn get(&self, path: &str, after: Option<&Position>) -> Result<RequestBuilder, Failure> {
        let mut url = self.url(path)?;
        if let Some(position) = after {
            url.query_pairs_mut().append_pair("after", &position.to_string());
        }
        Ok(self.client.get(url).header(AUTHORIZATION, self.authorization.clone()))
    }
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct EventStream {
    response: Response,
    parser: Parser,
}

impl EventStream {
    /// Over how long the server wants receipts to be spread.
    pub(crate) fn receipt_window(&self) -> Option<Duration> {
        let value = self.response.headers().get(RECEIPT_WINDOW)?.to_str().ok()?;
        value.parse().ok().map(Duration::from_millis)
    }

    /// What the stream says next. Its end is a failure like any other.
    pub(crate) async fn next(&mut self) -> Result<Item, Failure> {
        loop {
            if let Some(item) = self.parser.take() {
                return Ok(item);
            }
            let Some(chunk) = self.response.chunk().await.map_err(transport)? else {
                return Err(Failure::new(ProblemKind::Ended, "the server ended the stream"));
            };
            self.parser.push(&chunk).map_err(|_| {
                let message = format!("an event is larger than {MAX_EVENT_BYTES} bytes");
                Failure::new(ProblemKind::TooLarge, message)
            })?;
        }
    }
}

/// Checks a URL and makes its path one that routes can be joined to.
fn base_url(url: &str) -> Result<Url, BuildError> {
    let mut url = Url::parse(url).map_err(|error| BuildError::Url(error.to_string()))?;
    let fault = match url.scheme() {
        "http" | "https" if !url.has_host() => Some("it has no host"),
        "http" | "https" => None,
        _ => Some("its scheme is neither http nor https"),
    };
    let fault = fault
        .or((!url.username().is_empty() || url.password().is_some())
            .then_some("it has a user or a password; access is by token"))
        .or((url.query().is_some() || url.fragment().is_some())
            .then_some("it has a query or a fragment"));
    if let Some(fault) = fault {
        return Err(BuildError::Url(fault.into()));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn client(url: &Url) -> Result<Client, BuildError> {
    let builder = || {
        Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            // Not a limit for the whole answer: that would cut the stream.
            .read_timeout(READ_TIMEOUT)
            // Without these, attempts go on over a connection that has silently died.
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            .redirect(Policy::custom(within_one_origin))
    };
    if url.scheme() == "https" && cfg!(not(feature = "rustls")) {
        return Err(BuildError::Tls("this build is without the feature `rustls`".into()));
    }
    let built = builder().build();
    // A machine without certificates can make no TLS client. Where none is needed, one that trusts
    // nobody does.
    #[cfg(feature = "rustls")]
    let built = match built {
        Err(_) if url.scheme() == "http" => builder().tls_certs_only([]).build(),
        built => built,
    };
    built.map_err(|error| BuildError::Tls(chain(&error)))
}

/// The token must not reach another origin.
fn within_one_origin(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let same = attempt.previous().first().is_some_and(|first| {
        first.origin() == attempt.url().origin() && attempt.previous().len() <= MAX_REDIRECTS
    });
    if same { attempt.follow() } else { attempt.stop() }
}

async fn send(request: RequestBuilder) -> Result<Response, Failure> {
    within(RESPONSE_TIMEOUT, async { request.send().await.map_err(transport) }).await
}

/// The body of a snapshot, of up to `limit` bytes uncompressed.
async fn read(mut response: Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > limit {
            let message = format!("the snapshot is larger than {limit} bytes");
            return Err(Failure::new(ProblemKind::TooLarge, message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", limit.as_secs());
        Err(Failure::new(ProblemKind::Unreachable, message))
    })
}

/// Checks the status and the content type of an answer.
async fn expect(response: Response, content_type: &str) -> Result<Response, Failure> {
    let status = response.status();
    if status != StatusCode::OK {
        let kind = match status {
            StatusCode::UNAUTHORIZED => ProblemKind::Unauthenticated,
            StatusCode::FORBIDDEN => ProblemKind::Forbidden,
            StatusCode::TOO_MANY_REQUESTS => ProblemKind::Unavailable,
            status if status.is_server_error() => ProblemKind::Unavailable,
            _ => ProblemKind::Status,
        };
        let retry_after = retry_after(response.headers());
        let message = match within(RESPONSE_TIMEOUT, detail(response)).await {
            Ok(Some(detail)) => format!("status {status}: {detail}"),
            Ok(None) | Err(_) => format!("status {status}"),
        };
        return Err(Failure { retry_after, ..Failure::new(kind, message) });
    }
    let found = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let found = found.unwrap_or("nothing");
    let essence = found.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(content_type) {
        let found: String = essence.chars().take(80).collect();
        let message = format!("expected {content_type}, found {found}");
        return Err(Failure::new(ProblemKind::Malformed, message));
    }
    Ok(response)
}

/// What the server says went wrong, where it says so in a problem (RFC 9457).
async fn detail(response: Response) -> Result<Option<String>, Failure> {
    let body = read(response, MAX_PROBLEM_BYTES).await?;
    let problem: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
    let printable = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect();
    Ok(detail.map(printable))
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let millis = date.as_millisecond().saturating_sub(clock::now().as_millis());
    Some(Duration::from_millis(millis.try_into().unwrap_or(0)))
}

fn transport(error: reqwest::Error) -> Failure {
    let origin = error.url().map(|url| format!("{}: ", url.origin().ascii_serialization()));
    let message = format!("{}{}", origin.unwrap_or_default(), chain(&error.without_url()));
    // A connection that breaks within a body is called a decoding error there.
    Failure::new(ProblemKind::Unreachable, message)
}

/// An error and what caused it, in one sentence.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, token: &str) -> Result<Server, BuildError> {
        Server::new(url, &token.into())
    }

    #[test]
    fn urls_are_brought_to_one_form() {
        for (given, normal) in [
            ("http://flags", "http://flags/"),
            ("http://Flags:80/", "http://flags/"),
            ("http://flags:8080/a/b", "http://flags:8080/a/b/"),
        ] {
            let server = server(given, "t").unwrap();
            assert_eq!(server.base(), normal);
            let request = server.get("sdk/v1/snapshot", None).unwrap().build().unwrap();
            assert_eq!(request.url().as_str(), format!("{normal}sdk/v1/snapshot"));
        }
    }

    #[test]
    fn configuration_faults_are_named_without_secrets() {
        for url in [
            "",
            "flags",
            "/flags",
            "ftp://flags",
            "http://",
            "http://s3cret@flags",
            "http://u:s3cret@flags",
            "http://flags?s3cret",
            "http://flags#s3cret",
            "http://s3cret:x",
        ] {
            let error = server(url, "t").unwrap_err();
            assert!(matches!(error, BuildError::Url(_)), "{url}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
        for token in ["", "s3cret\n", "s3cret\0"] {
            let error = server("http://flags", token).unwrap_err();
            assert!(matches!(error, BuildError::Token), "{token:?}: {error:?}");
        }
    }

    #[tokio::test]
    async fn a_snapshot_has_a_largest_size() {
        let response = || Response::from(axum::http::Response::new("0123456789"));
        assert_eq!(read(response(), 10).await.unwrap(), b"0123456789");
        assert_eq!(read(response(), 9).await.unwrap_err().kind, ProblemKind::TooLarge);
    }

    #[test]
    fn the_token_shows_nowhere() {
        let server = server("http://flags", "s3cret").unwrap();
        let request = server.get("sdk/v1/snapshot", None).unwrap();
        assert!(!format!("{server:?} {request:?}").contains("s3cret"));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        let later = read("Wed, 21 Oct 2065 07:28:00 GMT").unwrap();
        assert!(later > Duration::from_secs(365 * 86_400), "{later:?}");
        assert_eq!(read("soon"), None);
    }
}

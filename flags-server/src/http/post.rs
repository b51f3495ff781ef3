//! What every `POST` that writes has in common: with an `Idempotency-Key`, it happens once.

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use schemars::json_schema;
use sha2::{Digest, Sha256};

use super::body::BodyDigest;
use super::openapi::{Describes, Operation};
use super::problem::Problem;
use super::write::header;
use crate::limits::MAX_IDEMPOTENCY_KEY_BYTES;
use crate::service::idempotency::{Once, Outcome, Reply, known, once};
use crate::service::{Author, Fault, Service, Unit, now};
use crate::store::StoredAnswer;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A `POST` that writes.
pub(super) struct Post {
    author: Author,
    key: Option<Key>,
}

struct Key {
    /// Hash of the token and of what its client made up.
    hash: [u8; 32],
    /// Method, path and query so far.
    request: Sha256,
    body: BodyDigest,
}

/// How a write is answered, and how it is if it is asked for again.
pub(super) struct Answered {
    now: Response,
    /// `None` where that is the same.
    again: Option<Response>,
}

impl From<Response> for Answered {
    fn from(now: Response) -> Self {
        Self { now, again: None }
    }
}

impl Answered {
    /// With something that is told once and kept nowhere.
    pub(super) fn once(now: Response, again: Response) -> Self {
        Self { now, again: Some(again) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Post {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let author = Author::from_request_parts(parts, state).await?;
        let key = match header(&parts.headers, &IDEMPOTENCY_KEY)? {
            None => None,
            Some(said) => {
                let said = key(said).ok_or_else(|| {
                    Problem::header(format!(
                        "`Idempotency-Key` is a string in quotes, or a word of visible ASCII, of 1 \
                         to {MAX_IDEMPOTENCY_KEY_BYTES} bytes"
                    ))
                })?;
                let body = BodyDigest::default();
                parts.extensions.insert(body.clone());
                let hash = Sha256::new().chain_update(&author.actor).chain_update([0]);
                let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
                let request = Sha256::new().chain_update(parts.method.as_str()).chain_update([0]);
                let request = request.chain_update(path).chain_update([0]);
                Some(Key { hash: hash.chain_update(said).finalize().into(), request, body })
            }
        };
        Ok(Self { author, key })
    }
}

impl Describes for Post {
    fn describe(operation: &mut Operation<'_>) {
        Author::describe(operation);
        let schema = json_schema!({"type": "string", "pattern": pattern()});
        let description =
            "Makes the request happen once, however often it is sent within 24 hours.";
        operation.header("Idempotency-Key", description, &schema);
        operation.answers_with("Idempotency-Replayed");
        operation.may_be_refused([422]);
    }
}

/// What [`key`] reads: a word, or a string in quotes; the quotes and what escapes one in it are not
/// counted.
fn pattern() -> String {
    let length = MAX_IDEMPOTENCY_KEY_BYTES;
    let word = length - 1;
    format!(r#"^([!#-~][!-~]{{0,{word}}}|"([ !#-\[\]-~]|\\["\\]){{1,{length}}}")$"#)
}

/// A string as RFC 8941 writes it, or what many clients send: the same without quotes.
fn key(said: &str) -> Option<String> {
    let key = match said.strip_prefix('"') {
        None => said.bytes().all(|byte| byte.is_ascii_graphic()).then(|| said.to_owned())?,
        Some(quoted) => unquoted(quoted)?,
    };
    (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len()).then_some(key)
}

/// What stands after the first quote, up to the last.
fn unquoted(quoted: &str) -> Option<String> {
    let mut key = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(key),
            '\\' => key.push(chars.next().filter(|char| matches!(char, '"' | '\\'))?),
            char if char == ' ' || char.is_ascii_graphic() => key.push(char),
            _ => return None,
        }
    }
}

impl Post {
    /// Who asks.
    pub(super) fn author(&self) -> &Author {
        &self.author
    }

    /// The answer to the same request, if it was sent before: for a handler that reads what may be
    /// there no more. It need not be asked for by others, as [`run`](Self::run) asks for it.
    pub(super) async fn answered(&self, service: &Service) -> Result<Option<Response>, Problem> {
        let Some(request) = self.once() else { return Ok(None) };
        let known = service.read(move |view| known(view, now(), &request)).await?;
        known.map(replayed).transpose()
    }

    fn once(&self) -> Option<Once> {
        let Key { hash, request, body } = self.key.as_ref()?;
        let fingerprint = request.clone().chain_update(body.get()).finalize().into();
        Some(Once { key: *hash, fingerprint })
    }

    /// Runs a verb on the writer thread, and answers with what `answer` makes of its result. Asked
    /// for again, the answer is the stored one.
    pub(super) async fn run<T, A: Into<Answered>>(
        self,
        service: &Service,
        verb: impl FnOnce(&mut Unit<'_>) -> Result<T, Fault> + Send + 'static,
        answer: impl FnOnce(T) -> A + Send + 'static,
    ) -> Result<Response, Problem>
    where
        T: Send + 'static,
    {
        let Some(request) = self.once() else {
            let written = service.write(self.author, verb).await?;
            return Ok(answer(written).into().now);
        };
        let outcome = service.write(self.author, move |unit| {
            once(unit, &request, |unit| {
                let Answered { now, again } = answer(verb(unit)?).into();
                let (now, reply) = match again {
                    Some(again) => (now, taken_apart(again)?.1),
                    None => taken_apart(now)?,
                };
                Ok((now, reply))
            })
        });
        match outcome.await? {
            Outcome::Now(response) => Ok(response),
            Outcome::Before(answer) => replayed(answer),
        }
    }
}

/// The answer as it can be stored, beside the same as it was. Answers of writes are whole from the
/// beginning: nothing is waited for.
fn taken_apart(response: Response) -> Result<(Response, Reply), Fault> {
    let internal = |what: &str| Fault::Internal(format!("an answer {what}"));
    let (parts, body) = response.into_parts();
    let body = body.collect().now_or_never().ok_or_else(|| internal("that is not whole"))?;
    let body = body.map_err(|_| internal("that cannot be read"))?.to_bytes();
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = value.to_str().map_err(|_| internal("with a header that is not text"))?;
        Ok((name.as_str().to_owned(), value.to_owned()))
    };
    let headers = parts.headers.iter().map(text).collect::<Result<_, Fault>>()?;
    let reply = Reply { status: parts.status.as_u16(), headers, body: body.to_vec() };
    Ok((Response::from_parts(parts, Body::from(body)), reply))
}

fn replayed(answer: StoredAnswer) -> Result<Response, Problem> {
    let unreadable = || Problem::internal("a stored answer cannot be read");
    let status = StatusCode::from_u16(answer.status).map_err(|_| unreadable())?;
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).map_err(|_| unreadable())?;
        headers.append(name, HeaderValue::try_from(value).map_err(|_| unreadable())?);
    }
    headers.insert(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"));
    Ok((status, headers, answer.body).into_response())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_described_as_they_are_read(
            said in r#"["]?([a \\"é~]|\\[a"\\]){0,4}(k{250,256})?["]?"#.prop_map(|said| said.trim().to_owned())
        ) {
            let schema = serde_json::json!({"type": "string", "pattern": pattern()});
            let described = jsonschema::draft202012::new(&schema).unwrap();
            prop_assert_eq!(described.is_valid(&said.as_str().into()), key(&said).is_some(), "{}", said);
        }
    }

    #[test]
    fn a_key_is_a_string_or_a_bare_word() {
        let long = "k".repeat(MAX_IDEMPOTENCY_KEY_BYTES);
        for (said, read) in [
            ("8e03978e-40d5-43dd", Some("8e03978e-40d5-43dd")),
            ("\"8e03978e-40d5-43dd\"", Some("8e03978e-40d5-43dd")),
            (r#""a \"b\" \\ c""#, Some(r#"a "b" \ c"#)),
            (&long, Some(&long)),
            ("", None),
            ("\"\"", None),
            ("\"", None),
            ("\"a", None),
            ("\"a\" ", None),
            ("\"a\";p=1", None),
            (r#""a\b""#, None),
            ("a b", None),
            (&format!("{long}k"), None),
        ] {
            assert_eq!(key(said).as_deref(), read, "{said}");
        }
    }
}

//! What happens once, however often it is asked for.

use flags_core::Timestamp;
use serde_json::Value;

use super::Service;
use super::fault::Fault;
use super::publish::{Author, Unit};
use super::redact::{MARKER, Subject};
use crate::limits::{ANSWERS_PER_ERASURE_WRITE, IDEMPOTENCY_KEPT_MS, MAX_FORGOTTEN_ANSWERS};
use crate::store::{StoredAnswer, View};

/// A request that is to happen once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Once {
    /// Hash of the token and of the key that its client made up.
    pub(crate) key: [u8; 32],
    /// Hash of what is asked for.
    pub(crate) fingerprint: [u8; 32],
}

/// What came of it.
pub(crate) enum Outcome<T> {
    /// It happened now.
    Now(T),
    /// It had happened, and was answered so.
    Before(StoredAnswer),
}

/// The answer that a request had when it was sent before, if it was.
///
/// # Errors
/// When another one was sent with its key.
pub(crate) fn known(
    view: &dyn View,
    now: Timestamp,
    once: &Once,
) -> Result<Option<StoredAnswer>, Fault> {
    let known = view.answer(&once.key)?.filter(|answer| answer.at > kept_since(now));
    match known {
        Some(answer) if answer.fingerprint != once.fingerprint => Err(Fault::IdempotencyKeyReused),
        known => Ok(known),
    }
}

fn kept_since(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(IDEMPOTENCY_KEPT_MS))
}

/// Runs a verb unless it ran before. What it gives besides its result, status, headers and body of
/// the answer, is stored in the same transaction; a refusal stores nothing.
pub(crate) fn once<T>(
    unit: &mut Unit<'_>,
    once: &Once,
    run: impl FnOnce(&mut Unit<'_>) -> Result<(T, Reply), Fault>,
) -> Result<Outcome<T>, Fault> {
    if let Some(answer) = known(unit.tx, unit.now, once)? {
        return Ok(Outcome::Before(answer));
    }
    let (result, Reply { status, headers, body }) = run(unit)?;
    unit.tx.forget_answers(kept_since(unit.now), MAX_FORGOTTEN_ANSWERS)?;
    let (fingerprint, at) = (once.fingerprint, unit.now);
    let answer = StoredAnswer { fingerprint, at, status, headers, body };
    unit.tx.put_answer(&once.key, &answer)?;
    Ok(Outcome::Now(result))
}

/// An answer as whoever asks again gets it.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// How many answers name a key.
pub(super) fn look(view: &dyn View, subject: &Subject) -> Result<u64, Fault> {
    let mut count = 0;
    let mut after = Vec::new();
    loop {
        let page = view.answers_with(&subject.text(), &after, ANSWERS_PER_ERASURE_WRITE)?;
        let Some((last, _)) = page.last() else { return Ok(count) };
        after = last.to_vec();
        count += page.iter().filter_map(|(_, answer)| without(answer, subject)).count() as u64;
    }
}

/// Takes a key out of the answers, in parts; gives how many had it. They stay: a request that is sent
/// again does not happen again because somebody was erased. They are looked for beside the writer.
pub(super) async fn erase(
    service: &Service,
    author: &Author,
    subject: &Subject,
) -> Result<u64, Fault> {
    let mut count = 0;
    let mut after = Vec::new();
    loop {
        let (found, key) = (after.clone(), subject.clone());
        let page = service.read(move |view| {
            let page = view.answers_with(&key.text(), &found, ANSWERS_PER_ERASURE_WRITE)?;
            let last = page.last().map(|(last, _)| *last);
            let named = page.into_iter().filter(|(_, answer)| without(answer, &key).is_some());
            Ok((last, named.map(|(key, _)| key).collect::<Vec<_>>()))
        });
        let (last, keys) = page.await?;
        let Some(last) = last else { return Ok(count) };
        after = last.to_vec();
        if keys.is_empty() {
            continue;
        }
        let subject = subject.clone();
        let part = service.write(author.clone(), move |unit| {
            let mut count = 0;
            for key in keys {
                let answer = unit.tx.answer(&key)?;
                if let Some(answer) = answer.and_then(|answer| without(&answer, &subject)) {
                    unit.tx.put_answer(&key, &answer)?;
                    count += 1;
                }
            }
            Ok(count)
        });
        count += part.await?;
    }
}

/// An answer without a key, where that is in it as a word.
fn without(answer: &StoredAnswer, subject: &Subject) -> Option<StoredAnswer> {
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut body) => subject.redact_texts(&mut body).then(|| body.to_string()),
        // Whatever it is, it has the key's letters.
        Err(_) => Some(Value::from(MARKER).to_string()),
    };
    body.map(|body| StoredAnswer { body: body.into_bytes(), ..answer.clone() })
}

//! What happens once, however often it is asked for.

use flags_core::Timestamp;

use super::fault::Fault;
use super::publish::Unit;
use crate::limits::{IDEMPOTENCY_KEPT_MS, MAX_FORGOTTEN_ANSWERS};
use crate::store::StoredAnswer;

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

/// Runs a verb unless it ran before. What it gives besides its result, status, headers and body of
/// the answer, is stored in the same transaction; a refusal stores nothing.
pub(crate) fn once<T>(
    unit: &mut Unit<'_>,
    once: &Once,
    run: impl FnOnce(&mut Unit<'_>) -> Result<(T, Reply), Fault>,
) -> Result<Outcome<T>, Fault> {
    let kept = unit.now.as_millis().saturating_sub(IDEMPOTENCY_KEPT_MS);
    let kept = Timestamp::from_millis(kept);
    let known = unit.tx.answer(&once.key)?.filter(|answer| answer.at > kept);
    if let Some(answer) = known {
        return if answer.fingerprint == once.fingerprint {
            Ok(Outcome::Before(answer))
        } else {
            Err(Fault::IdempotencyKeyReused)
        };
    }
    let (result, Reply { status, headers, body }) = run(unit)?;
    unit.tx.forget_answers(kept, MAX_FORGOTTEN_ANSWERS)?;
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

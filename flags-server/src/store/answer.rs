//! Answers that are given again to whoever asks again.

use flags_core::Timestamp;

use super::StoreResult;

/// An answer that is given again to whoever asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredAnswer {
    /// Of the request that it answers.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) at: Timestamp,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Answers that were given.
pub(crate) trait Answers {
    /// The answer to a request, by the hash of its key.
    fn answer(&self, key: &[u8; 32]) -> StoreResult<Option<StoredAnswer>>;

    /// Answers that have a text in their body, with their keys: in order of these and after one, of
    /// which nothing is before all.
    fn answers_with(
        &self,
        text: &str,
        after: &[u8],
        limit: u32,
    ) -> StoreResult<Vec<([u8; 32], StoredAnswer)>>;
}

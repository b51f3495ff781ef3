use core::cell::Cell;

use crate::context::AttributeValue;
use crate::key_map;
use crate::limits::WORK_PER_TEXT;

/// What the context says of an attribute, and what conditions need to know of that besides: rules
/// that ask for one attribute after the other have it found out once.
pub(crate) struct Subject<'a> {
    /// `None` where the context says nothing that can be compared.
    pub(crate) value: Option<AttributeValue<'a>>,
    /// Of the value, if it is a string and a condition has needed it.
    hash: Cell<Option<u64>>,
    /// How many texts it is, at least one.
    texts: u32,
    /// How many bytes they have.
    bytes: u32,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(value: Option<AttributeValue<'a>>) -> Self {
        // Longer attributes are as good as absent, see the limits.
        let (texts, bytes) = match value {
            Some(AttributeValue::String(text)) => (1, text.len() as u32),
            Some(AttributeValue::List(texts)) => {
                (1 + texts.len() as u32, texts.iter().map(|text| text.len() as u32).sum())
            }
            _ => (1, 0),
        };
        Self { value, hash: Cell::new(None), texts, bytes }
    }

    /// What a condition on it that reads it as a whole `searches` times takes of the work that an
    /// answer may do.
    #[inline]
    pub(crate) fn work(&self, searches: u16) -> i64 {
        WORK_PER_TEXT * i64::from(self.texts) + i64::from(searches) * i64::from(self.bytes)
    }

    /// The hash of `text`, which is the value.
    #[inline]
    pub(super) fn hash(&self, text: &str) -> u64 {
        let hash = self.hash.get().unwrap_or_else(|| key_map::hash(text));
        self.hash.set(Some(hash));
        hash
    }
}

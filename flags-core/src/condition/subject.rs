use core::cell::Cell;

use crate::context::AttributeValue;
use crate::key_map;

/// What the context says of an attribute, and the hash of it once a condition has needed it: rules
/// that look the same attribute up in one list after the other hash it once.
pub(crate) struct Subject<'a> {
    /// `None` where the context says nothing that can be compared.
    pub(crate) value: Option<AttributeValue<'a>>,
    hash: Cell<Option<u64>>,
}

impl<'a> Subject<'a> {
    #[inline]
    pub(crate) const fn new(value: Option<AttributeValue<'a>>) -> Self {
        Self { value, hash: Cell::new(None) }
    }

    /// The hash of `text`, which is the value.
    #[inline]
    pub(super) fn hash(&self, text: &str) -> u64 {
        let hash = self.hash.get().unwrap_or_else(|| key_map::hash(text));
        self.hash.set(Some(hash));
        hash
    }
}

use core::cell::Cell;

use super::LeadingLists;
use crate::context::AttributeValue;
use crate::key_map::{self, KeyTable};
use crate::limits::{BYTES_PER_WORK, WORK_PER_ELEMENT};

/// What the context says of an attribute, and what conditions need to know of that besides: rules
/// that ask for one attribute after the other have it found out once.
pub(crate) struct Subject<'a> {
    /// `None` where the context says nothing that can be compared.
    pub(crate) value: Option<AttributeValue<'a>>,
    /// Of the value, if it is a string and a condition has needed it.
    hash: Cell<Option<u64>>,
    /// Where the table of lists lies that was looked into last, and in which of its lists the value
    /// is.
    lists: Cell<(usize, u64)>,
    /// What any condition on it takes of the work that an answer may do.
    base_work: u32,
    /// How many bytes its texts have.
    bytes: u32,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(value: Option<AttributeValue<'a>>) -> Self {
        // Longer attributes are as good as absent, see the limits.
        let (elements, bytes): (u32, u32) = match value {
            Some(AttributeValue::String(text)) => (0, text.len() as u32),
            Some(AttributeValue::List(texts)) => {
                (texts.len() as u32, texts.iter().map(|text| text.len() as u32).sum())
            }
            _ => (0, 0),
        };
        let base_work = WORK_PER_ELEMENT * elements + bytes / BYTES_PER_WORK;
        Self { value, hash: Cell::new(None), lists: Cell::new((0, 0)), base_work, bytes }
    }

    /// What a condition on it that reads it as a whole `searches` times takes of the work that an
    /// answer may do; `None` for most, which take none.
    #[inline]
    pub(crate) fn work(&self, searches: u16) -> Option<i64> {
        (searches > 0 || self.base_work > 0)
            .then(|| i64::from(self.base_work) + i64::from(searches) * i64::from(self.bytes))
    }

    /// The first of the lists that the value is in, and whether there is one: otherwise all of
    /// them are passed. None is, where that is not known, or each would be work to count.
    #[inline]
    pub(crate) fn first_of(&self, lists: &LeadingLists) -> (u16, bool) {
        match self.value {
            Some(AttributeValue::String(text)) if self.base_work == 0 => {
                let first = self.lists(&lists.table, text).trailing_zeros();
                let count = u32::from(lists.count);
                (first.min(count) as u16, first < count)
            }
            _ => (0, false),
        }
    }

    /// The hash of `text`, which is the value.
    #[inline]
    pub(super) fn hash(&self, text: &str) -> u64 {
        let hash = self.hash.get().unwrap_or_else(|| key_map::hash(text));
        self.hash.set(Some(hash));
        hash
    }

    /// In which lists of `table` the value is, if that was the last thing looked up.
    #[inline]
    pub(super) fn known_lists(&self, table: &KeyTable<u64>) -> Option<u64> {
        let (known, lists) = self.lists.get();
        (known == core::ptr::from_ref(table).addr()).then_some(lists)
    }

    /// In which lists of `table` the value is, which is `text`.
    pub(super) fn lists(&self, table: &KeyTable<u64>, text: &str) -> u64 {
        let lists = table.get(self.hash(text), text).copied().unwrap_or_default();
        self.lists.set((core::ptr::from_ref(table).addr(), lists));
        lists
    }
}

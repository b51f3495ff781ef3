//! A hash map from text that is copied as a whole.

use alloc::vec::Vec;

use hashbrown::HashTable;

use super::hash_bytes;
use crate::same::same_bytes;

/// A hash table of entries whose keys lie one after the other in one block of memory.
#[derive(Debug, Clone)]
pub(crate) struct KeyTable<V> {
    table: HashTable<Entry<V>>,
    keys: Keys,
}

#[derive(Debug, Clone, Copy)]
struct Entry<V> {
    key: Place,
    value: V,
}

impl<V> Default for KeyTable<V> {
    fn default() -> Self {
        Self { table: HashTable::new(), keys: Keys::default() }
    }
}

impl<V: Copy> KeyTable<V> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { table: HashTable::with_capacity(capacity), keys: Keys::default() }
    }

    /// Adds a key that is not there.
    pub(crate) fn insert(&mut self, hash: u64, key: &str, value: V) {
        let entry = Entry { key: self.keys.push(key), value };
        let keys = &self.keys;
        self.table.insert_unique(hash, entry, |entry| hash_bytes(keys.bytes_at(entry.key)));
    }

    pub(crate) fn remove(&mut self, hash: u64, key: &str) {
        let keys = &self.keys;
        if let Ok(entry) = self.table.find_entry(hash, |entry| keys.is(entry.key, key)) {
            entry.remove();
            self.keys.removed += key.len();
        }
        if self.keys.removed > self.keys.bytes.len() / 2 {
            *self = self.split(|_| true).0;
        }
    }

    /// The entries whose hash is to be kept, and the others.
    pub(crate) fn split(&self, keep: impl Fn(u64) -> bool) -> (Self, Self) {
        let (mut kept, mut others) = (Self::default(), Self::default());
        for (key, value) in self.iter() {
            let hash = hash_bytes(key.as_bytes());
            let table = if keep(hash) { &mut kept } else { &mut others };
            table.insert(hash, key, *value);
        }
        (kept, others)
    }

    pub(crate) fn shrink(&mut self) {
        self.keys.bytes.shrink_to_fit();
        let keys = &self.keys;
        self.table.shrink_to_fit(|entry| hash_bytes(keys.bytes_at(entry.key)));
    }
}

impl<V> KeyTable<V> {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    #[inline]
    pub(crate) fn get(&self, hash: u64, key: &str) -> Option<&V> {
        self.table.find(hash, |entry| self.keys.is(entry.key, key)).map(|entry| &entry.value)
    }

    /// Every key in the order in which it was added, where none was removed.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter()
    }

    /// Every key with its value, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.table.iter().map(|entry| (self.keys.get(entry.key), &entry.value))
    }
}

/// Where a key lies: see [`Keys::push`].
#[derive(Debug, Clone, Copy)]
struct Place(u32);

/// Keys, each after its length: seven bits in a byte, the lowest first, and the eighth bit where
/// more follow.
#[derive(Debug, Clone, Default)]
struct Keys {
    bytes: Vec<u8>,
    /// How many bytes are of keys that are no more.
    removed: usize,
}

impl Keys {
    fn push(&mut self, key: &str) -> Place {
        // The keys come from definitions that were in memory as JSON, by the hundred: 4 GiB
        // of them cannot be.
        let place = Place(self.bytes.len() as u32);
        let mut length = key.len();
        while length >= 0x80 {
            self.bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.bytes.push(length as u8);
        self.bytes.extend(key.as_bytes());
        place
    }

    /// Not inlined: it is called once for nearly every lookup, and the loop around it stays small.
    #[inline(never)]
    fn is(&self, place: Place, key: &str) -> bool {
        same_bytes(self.bytes_at(place), key.as_bytes())
    }

    fn get(&self, place: Place) -> &str {
        // What was pushed was text.
        core::str::from_utf8(self.bytes_at(place)).unwrap_or_default()
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let key = self.bytes_at(Place(at as u32));
            // A key ends where the next one begins.
            let start = self.bytes.get(at..)?.iter().take_while(|byte| **byte >= 0x80).count() + 1;
            at += start + key.len();
            (at <= self.bytes.len()).then(|| core::str::from_utf8(key).unwrap_or_default())
        })
    }

    #[inline]
    fn bytes_at(&self, place: Place) -> &[u8] {
        let at = self.bytes.get(place.0 as usize..).unwrap_or_default();
        match at.split_first() {
            Some((length, rest)) if *length < 0x80 => {
                rest.get(..usize::from(*length)).unwrap_or_default()
            }
            _ => long_key(at),
        }
    }
}

#[cold]
fn long_key(bytes: &[u8]) -> &[u8] {
    let (mut length, mut shift) = (0, 0);
    for (index, byte) in bytes.iter().enumerate() {
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if *byte < 0x80 {
            return bytes.get(index + 1..index + 1 + length).unwrap_or_default();
        }
    }
    &[]
}

//! A hash map from text that is copied as a whole.

use alloc::string::String;

use hashbrown::HashTable;

use super::hash;
use crate::same::same_bytes;

/// A hash table of entries whose keys lie one after the other in one block of memory.
#[derive(Debug, Clone)]
pub(crate) struct KeyTable<V> {
    table: HashTable<Entry<V>>,
    keys: Keys,
    crowded: bool,
}

/// A lookup compares few keys: those whose hash leads to the same place of the table and agrees in
/// seven more bits. More than this were made to hash alike.
const MAX_KEYS_ALIKE: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Entry<V> {
    key: Place,
    value: V,
}

/// What a key leads to.
pub(crate) trait Value: Copy {
    /// The same in another table, whose texts are others.
    fn moved(self, _from: &Keys, _to: &mut Keys) -> Self {
        self
    }

    /// How many bytes of a table's texts it takes.
    fn bytes(self, _texts: &Keys) -> usize {
        0
    }
}

impl Value for () {}
impl Value for u32 {}
impl Value for u64 {}

/// A text that lies behind its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text(Place);

impl Text {
    pub(super) fn new(text: &str, texts: &mut Keys) -> Self {
        Self(texts.push(text))
    }
}

impl Value for Text {
    fn moved(self, from: &Keys, to: &mut Keys) -> Self {
        Self(to.push(from.get(self.0)))
    }

    fn bytes(self, texts: &Keys) -> usize {
        texts.get(self.0).len()
    }
}

impl<V> Default for KeyTable<V> {
    fn default() -> Self {
        Self { table: HashTable::new(), keys: Keys::default(), crowded: false }
    }
}

impl<V: Value> KeyTable<V> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { table: HashTable::with_capacity(capacity), ..Self::default() }
    }

    /// Empty, with memory for `keys`.
    pub(crate) fn with_room_for<'k>(keys: impl Iterator<Item = &'k str> + Clone) -> Self {
        let table = HashTable::with_capacity(keys.clone().count());
        Self { table, keys: Keys::with_room_for(keys), crowded: false }
    }

    /// Adds a key; gives the value back where the key is there already.
    pub(crate) fn insert(&mut self, hash: u64, key: &str, value: V) -> Result<(), V> {
        self.insert_with(hash, key, value, |value, _| value)
    }

    /// The same with a value that is made when the key is there.
    pub(super) fn insert_with<S>(
        &mut self,
        hash: u64,
        key: &str,
        source: S,
        value: impl FnOnce(S, &mut Keys) -> V,
    ) -> Result<(), S> {
        let mut alike = 0;
        for entry in self.table.iter_hash(hash) {
            if self.keys.is(entry.key, key) {
                return Err(source);
            }
            alike += 1;
        }
        self.crowded |= alike > MAX_KEYS_ALIKE;
        let key = self.keys.push(key);
        let entry = Entry { key, value: value(source, &mut self.keys) };
        let keys = &self.keys;
        self.table.insert_unique(hash, entry, |entry| super::hash(keys.get(entry.key)));
        Ok(())
    }

    /// Replaces the value of a key; one that is not there is added with the default to begin with.
    pub(crate) fn update(&mut self, hash: u64, key: &str, update: impl FnOnce(V) -> V)
    where
        V: Default,
    {
        let keys = &self.keys;
        match self.table.find_mut(hash, |entry| keys.is(entry.key, key)) {
            Some(entry) => entry.value = update(entry.value),
            None => drop(self.insert(hash, key, update(V::default()))),
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, key: &str) {
        let keys = &self.keys;
        if let Ok(entry) = self.table.find_entry(hash, |entry| keys.is(entry.key, key)) {
            let (Entry { value, .. }, _) = entry.remove();
            self.keys.removed += key.len() + value.bytes(&self.keys);
        }
        if self.keys.removed > self.keys.text.len() / 2 {
            *self = self.split(|_| true).0;
        }
    }

    /// The entries whose hash is to be kept, and the others.
    pub(crate) fn split(&self, keep: impl Fn(u64) -> bool) -> (Self, Self) {
        let (mut kept, mut others) = (Self::default(), Self::default());
        for (key, value) in self.iter() {
            let hash = hash(key);
            let table = if keep(hash) { &mut kept } else { &mut others };
            // No key is here twice.
            let _ = table.insert_with(hash, key, *value, |value, to| value.moved(&self.keys, to));
        }
        (kept, others)
    }

    pub(crate) fn shrink(&mut self) {
        self.keys.text.shrink_to_fit();
        let keys = &self.keys;
        self.table.shrink_to_fit(|entry| hash(keys.get(entry.key)));
    }
}

impl KeyTable<Text> {
    /// The text that a key leads to.
    pub(super) fn text(&self, text: Text) -> &str {
        self.keys.get(text.0)
    }
}

impl<V> KeyTable<V> {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether so many keys hash alike that finding one may take long.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded
    }

    #[inline]
    pub(crate) fn get(&self, hash: u64, key: &str) -> Option<&V> {
        self.table.find(hash, |entry| self.keys.is(entry.key, key)).map(|entry| &entry.value)
    }

    /// The value that `is` is true of, among those of keys with this hash and perhaps some others.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is: impl FnMut(&V) -> bool) -> Option<&V> {
        self.table.find(hash, |entry| is(&entry.value)).map(|entry| &entry.value)
    }

    /// Every key in the order in which it was added, where none was removed and none leads to a
    /// [`Text`].
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
pub(crate) struct Place(u32);

/// Keys in one text, each after its length: a [`Length`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    text: String,
    /// How many bytes are of keys that are no more.
    removed: usize,
}

impl Keys {
    /// Empty, with memory for `keys`.
    pub(crate) fn with_room_for<'k>(keys: impl Iterator<Item = &'k str>) -> Self {
        // Longer lengths than of one byte are rare.
        let bytes = keys.map(|key| 1 + key.len()).sum();
        Self { text: String::with_capacity(bytes), removed: 0 }
    }

    pub(crate) fn push(&mut self, key: &str) -> Place {
        // The keys come from definitions that were in memory as JSON, by the hundred: 4 GiB of
        // them cannot be.
        let place = Place(self.text.len() as u32);
        Length(key.len()).write(&mut self.text);
        self.text.push_str(key);
        place
    }

    /// Not inlined: it is called once for nearly every lookup, and the loop around it stays small.
    #[inline(never)]
    fn is(&self, place: Place, key: &str) -> bool {
        let (start, text) = (place.0 as usize, self.text.as_bytes());
        let (length, prefix) = Length::read(text, start);
        let start = start + prefix;
        text.get(start..start + length.0).is_some_and(|known| same_bytes(known, key.as_bytes()))
    }

    #[inline]
    fn get(&self, place: Place) -> &str {
        let start = place.0 as usize;
        let (length, prefix) = Length::read(self.text.as_bytes(), start);
        self.text.get(start + prefix..start + prefix + length.0).unwrap_or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        Length::texts(&self.text)
    }
}

/// The length of a text, in ASCII so that it can stand between texts: in one byte below 112, in two
/// below 1,920, in six above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length(pub(crate) usize);

impl Length {
    const TWO_BYTES: u8 = 0x70;
    const SIX_BYTES: u8 = 0x7f;

    /// The texts of which `text` is made, each after its length.
    pub(crate) fn texts(text: &str) -> impl Iterator<Item = &str> + Clone {
        let mut start = 0;
        core::iter::from_fn(move || {
            let (length, prefix) = Self::read(text.as_bytes(), start);
            let one = text.get(start + prefix..start + prefix + length.0)?;
            start += prefix + length.0;
            Some(one)
        })
    }

    /// Writes a text after its length.
    pub(crate) fn write_text(one: &str, text: &mut String) {
        Self(one.len()).write(text);
        text.push_str(one);
    }

    pub(crate) fn write(self, text: &mut String) {
        let mut push = |byte: usize| text.push(char::from(byte as u8 & 0x7f));
        let Self(length) = self;
        if length < usize::from(Self::TWO_BYTES) {
            push(length);
        } else if length < 15 << 7 {
            push(usize::from(Self::TWO_BYTES) | length >> 7);
            push(length);
        } else {
            push(usize::from(Self::SIX_BYTES));
            (0..5).for_each(|digit| push(length >> (7 * digit)));
        }
    }

    /// Whether a byte is a length by itself: its own value.
    #[inline]
    pub(crate) fn is_all(byte: u8) -> bool {
        byte < Self::TWO_BYTES
    }

    /// The length that stands at `start`, and how many bytes it takes itself.
    #[inline]
    pub(crate) fn read(text: &[u8], start: usize) -> (Self, usize) {
        match text.get(start) {
            Some(byte) if *byte < Self::TWO_BYTES => (Self(usize::from(*byte)), 1),
            _ => Self::read_long(text, start),
        }
    }

    #[cold]
    fn read_long(text: &[u8], start: usize) -> (Self, usize) {
        match text.get(start..).unwrap_or_default() {
            [Self::SIX_BYTES, digits @ ..] => {
                let digits = digits.iter().take(5).rev();
                (Self(digits.fold(0, |sum, digit| sum << 7 | usize::from(*digit))), 6)
            }
            [first, second, ..] => (Self(usize::from(first & 0xf) << 7 | usize::from(*second)), 2),
            // Behind the last key.
            _ => (Self(0), 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn lengths_are_read_as_they_were_written() {
        for length in (0..5_000).chain([65_535, 65_536, 1 << 20, (1 << 32) - 1]) {
            let mut text = String::from("x");
            Length(length).write(&mut text);
            assert_eq!(Length::read(text.as_bytes(), 1), (Length(length), text.len() - 1));
        }
    }

    #[test]
    fn keys_of_every_length_are_found_and_listed_in_order() {
        let mut keys = Keys::default();
        let written: Vec<String> = (0..3_000).step_by(7).map(|length| "k".repeat(length)).collect();
        let places: Vec<Place> = written.iter().map(|key| keys.push(key)).collect();
        assert!(places.iter().zip(&written).all(|(place, key)| keys.is(*place, key)));
        assert!(keys.iter().eq(written.iter().map(String::as_str)));
    }
}

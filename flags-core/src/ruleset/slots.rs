//! Objects by number: what structural sharing and links between objects are made of.

use alloc::sync::Arc;
use alloc::vec::Vec;

use smol_str::SmolStr;

use crate::key_map::{KeyTable, Value, hash};
use crate::same::same;

/// The number of an object. It is given to a key once and stays with it in every ruleset that
/// descends from the same snapshot, also while there is no object under that key: so a link from
/// one object to another stays right whatever happens to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

impl Value for Slot {}

impl Slot {
    /// For a walk that links nothing; no object is ever there.
    pub(crate) const NOWHERE: Self = Self(u32::MAX);

    /// For tables by slots.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// Objects per chunk: a change copies one chunk and the list of chunks.
const CHUNK: usize = 64;

type Chunk<T> = [Option<Arc<Keyed<T>>>; CHUNK];

/// An object, and its key where whoever looks for it reads anyway.
#[derive(Debug)]
struct Keyed<T> {
    key: SmolStr,
    object: T,
}

/// Objects of one kind by key and by slot. A clone shares everything; a change to a clone copies
/// what it touches.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    keys: Arc<KeyTable<Slot>>,
    chunks: Vec<Arc<Chunk<T>>>,
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        Self { keys: Arc::clone(&self.keys), chunks: self.chunks.clone() }
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { keys: Arc::default(), chunks: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// The slot of `key`, given now if it has none.
    pub(crate) fn slot(&mut self, key: &str) -> Slot {
        let hash = hash(key);
        if let Some(slot) = self.keys.get(hash, key) {
            return *slot;
        }
        // A ruleset of 2³² objects does not fit into memory.
        let slot = Slot(self.keys.len() as u32);
        let _ = Arc::make_mut(&mut self.keys).insert(hash, key, slot);
        slot
    }

    pub(crate) fn set(&mut self, key: &str, object: Option<T>) {
        let index = self.slot(key).0 as usize;
        let object = object.map(|object| Arc::new(Keyed { key: SmolStr::new(key), object }));
        while self.chunks.len() <= index / CHUNK {
            self.chunks.push(Arc::new([const { None }; CHUNK]));
        }
        if let Some(chunk) = self.chunks.get_mut(index / CHUNK)
            && let Some(place) = Arc::make_mut(chunk).get_mut(index % CHUNK)
        {
            *place = object;
        }
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        self.keyed(slot).map(|keyed| &keyed.object)
    }

    #[inline]
    fn keyed(&self, slot: Slot) -> Option<&Keyed<T>> {
        let index = slot.0 as usize;
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)?.as_deref()
    }

    /// Not inlined: it is large, and its answer small.
    #[inline(never)]
    pub(crate) fn find(&self, hash: u64, key: &str) -> Option<&T> {
        let mut found = None;
        self.keys.find(hash, |slot| {
            found = self.keyed(*slot);
            found.is_some_and(|keyed| same(&keyed.key, key))
        })?;
        found.map(|keyed| &keyed.object)
    }

    pub(crate) fn find_by_key(&self, key: &str) -> Option<&T> {
        self.find(hash(key), key)
    }

    /// Every object with its key, in the order in which keys were first heard of.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        let objects = self.chunks.iter().flat_map(|chunk| chunk.iter());
        let keys = self.keys.keys();
        keys.zip(objects).filter_map(|(key, object)| Some((key, &object.as_deref()?.object)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn each_object_is_listed_under_its_key() {
        let mut slots = Slots::<String>::default();
        for index in 0..1_000 {
            let key = format!("{}-{index}", "k".repeat(index % 200));
            // Some keys are only heard of.
            match index % 7 {
                0 => drop(slots.slot(&key)),
                _ => slots.set(&key, Some(key.clone())),
            }
        }
        assert_eq!(slots.iter().count(), (0..1_000).filter(|index| index % 7 != 0).count());
        assert!(slots.iter().all(|(key, object)| key == object));
    }
}

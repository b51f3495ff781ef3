//! A hash map from text, by the same hash as typed flags compute at compile time.

use alloc::sync::Arc;

use hashbrown::HashTable;
use xxhash_rust::const_xxh3::xxh3_64 as const_hash;
use xxhash_rust::xxh3::xxh3_64;

/// The hash of a key; XXH3-64, which gives the same at compile time and at run time.
pub(crate) fn hash(key: &str) -> u64 {
    xxh3_64(key.as_bytes())
}

/// [`hash`], at compile time.
pub(crate) const fn hash_at_compile_time(key: &str) -> u64 {
    const_hash(key.as_bytes())
}

/// Keys are shared by the copies of a map that incremental changes make.
#[derive(Debug, Clone)]
pub(crate) struct KeyMap<V> {
    table: HashTable<(Arc<str>, V)>,
}

impl<V> Default for KeyMap<V> {
    fn default() -> Self {
        Self { table: HashTable::new() }
    }
}

impl<V> KeyMap<V> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { table: HashTable::with_capacity(capacity) }
    }

    /// Adds a key; gives the value back where the key is there already.
    pub(crate) fn insert(&mut self, key: Arc<str>, value: V) -> Result<(), V> {
        let hash = hash(&key);
        if self.get_hashed(hash, &key).is_some() {
            return Err(value);
        }
        self.table.insert_unique(hash, (key, value), |(key, _)| self::hash(key));
        Ok(())
    }

    /// Takes a key out, where it is there.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Ok(entry) = self.table.find_entry(hash(key), |(k, _)| **k == *key) {
            entry.remove();
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        // An empty table is common (no targets) and needs no hash.
        if self.table.is_empty() {
            return None;
        }
        self.get_hashed(hash(key), key)
    }

    pub(crate) fn get_hashed(&self, hash: u64, key: &str) -> Option<&V> {
        self.table.find(hash, |(k, _)| **k == *key).map(|(_, value)| value)
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.table.iter().map(|(key, value)| (&**key, value))
    }
}

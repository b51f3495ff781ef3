//! A hash map from text for sets of any size, which shares what does not change.
//!
//! A few keys are one [`KeyTable`]. Many are spread over shards by linear hashing (Litwin, *Linear
//! hashing*, 1980): whenever the shards hold too many keys on average, one of them is split in
//! two. A clone shares all shards, and a change to it copies one of them: a key added to a million
//! costs some microseconds, and whoever reads the older map sees nothing of it.

mod table;

use alloc::sync::Arc;
use alloc::vec::Vec;

use xxhash_rust::const_xxh3::xxh3_64 as const_hash;
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use self::table::{KeyTable, Keys, Length, Text, Value};

/// How many keys a shard holds on average before one is split; the fullest, next to be split, hold
/// twice as many.
const KEYS_PER_SHARD: usize = 512;

/// The hash of a key; XXH3-64, which gives the same at compile time and at run time.
///
/// Not inlined: it is large, and would keep what calls it from being inlined itself.
#[inline(never)]
pub(crate) fn hash(key: &str) -> u64 {
    xxh3_64(key.as_bytes())
}

/// [`hash`], at compile time.
pub(crate) const fn hash_at_compile_time(key: &str) -> u64 {
    const_hash(key.as_bytes())
}

/// A key is kept as its bytes; an entry costs at most 13 bytes besides, and its value.
#[derive(Debug, Clone)]
pub(crate) struct KeyMap<V> {
    len: usize,
    crowded: bool,
    shards: Shards<V>,
}

#[derive(Debug, Clone)]
enum Shards<V> {
    /// In place: most maps are small, and asked often.
    One(KeyTable<V>),
    Many(Vec<Arc<KeyTable<V>>>),
}

impl<V> Default for KeyMap<V> {
    fn default() -> Self {
        Self { len: 0, crowded: false, shards: Shards::One(KeyTable::default()) }
    }
}

impl<V: Value> KeyMap<V> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let shards = match capacity.div_ceil(KEYS_PER_SHARD) {
            0 | 1 => Shards::One(KeyTable::with_capacity(capacity)),
            count => Shards::Many((0..count).map(|_| Arc::default()).collect()),
        };
        Self { shards, ..Self::default() }
    }

    /// Adds a key; gives the value back where the key is there already.
    pub(crate) fn insert(&mut self, key: &str, value: V) -> Result<(), V> {
        self.insert_with(key, value, |value, _| value)
    }

    fn insert_with<S>(
        &mut self,
        key: &str,
        source: S,
        value: impl FnOnce(S, &mut Keys) -> V,
    ) -> Result<(), S> {
        let hash = hash(key);
        let shard = match &mut self.shards {
            Shards::One(shard) => shard,
            Shards::Many(shards) => {
                let index = shard_of(hash, shards.len());
                // Looked for first, so that nothing is copied for a key that is there.
                match shards.get_mut(index) {
                    Some(shard) if shard.get(hash, key).is_none() => Arc::make_mut(shard),
                    _ => return Err(source),
                }
            }
        };
        shard.insert_with(hash, key, source, value)?;
        self.crowded |= shard.is_crowded();
        self.len += 1;
        self.split_one_if_full();
        Ok(())
    }

    fn split_one_if_full(&mut self) {
        let count = match &self.shards {
            Shards::One(_) => 1,
            Shards::Many(shards) => shards.len(),
        };
        if self.len <= count * KEYS_PER_SHARD {
            return;
        }
        if let Shards::One(shard) = &mut self.shards {
            self.shards = Shards::Many(Vec::from([Arc::new(core::mem::take(shard))]));
        }
        if let Shards::Many(shards) = &mut self.shards {
            // With one shard more, the keys of this one go to two.
            let full = count - (1 << count.ilog2());
            if let Some(shard) = shards.get_mut(full) {
                let split = shard.split(|hash| shard_of(hash, count + 1) == full);
                *shard = Arc::new(split.0);
                shards.push(Arc::new(split.1));
            }
        }
    }

    /// Removes a key; `None` where it is not there.
    pub(crate) fn remove(&mut self, key: &str) -> Option<V> {
        let hash = hash(key);
        // Looked for first, so that nothing is copied for a key that is not there.
        let value = *self.get_hashed(hash, key)?;
        match &mut self.shards {
            Shards::One(shard) => shard.remove(hash, key),
            Shards::Many(shards) => {
                let index = shard_of(hash, shards.len());
                Arc::make_mut(shards.get_mut(index)?).remove(hash, key);
            }
        }
        self.len -= 1;
        Some(value)
    }

    /// Gives back memory that was taken in advance.
    pub(crate) fn shrink(&mut self) {
        match &mut self.shards {
            Shards::One(shard) => shard.shrink(),
            // What is shared is of a map that was shrunk before.
            Shards::Many(shards) => {
                shards.iter_mut().filter_map(Arc::get_mut).for_each(KeyTable::shrink);
            }
        }
    }
}

impl KeyMap<Text> {
    /// Adds a key that leads to a text, or has it lead to another one.
    pub(crate) fn set_text(&mut self, key: &str, text: &str) {
        if self.text(key).is_some_and(|present| present == text) {
            return;
        }
        self.remove(key);
        // It is not there any more.
        let _ = self.insert_with(key, text, Text::new);
    }

    /// The text that a key leads to.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        let hash = hash(key);
        let shard = self.shard(hash)?;
        Some(shard.text(*shard.get(hash, key)?))
    }
}

impl<V> KeyMap<V> {
    /// Whether so many keys hash alike that finding one may take long.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded
    }

    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        // An empty map is common (no targets) and needs no hash.
        if self.len == 0 {
            return None;
        }
        self.get_hashed(hash(key), key)
    }

    #[inline]
    pub(crate) fn get_hashed(&self, hash: u64, key: &str) -> Option<&V> {
        self.shard(hash)?.get(hash, key)
    }

    #[inline]
    fn shard(&self, hash: u64) -> Option<&KeyTable<V>> {
        match &self.shards {
            Shards::One(shard) => Some(shard),
            Shards::Many(shards) => shards.get(shard_of(hash, shards.len())).map(|shard| &**shard),
        }
    }

    #[inline]
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Every key with its value, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        let (one, many): (_, &[Arc<KeyTable<V>>]) = match &self.shards {
            Shards::One(shard) => (Some(shard), &[]),
            Shards::Many(shards) => (None, shards),
        };
        one.into_iter().chain(many.iter().map(|shard| &**shard)).flat_map(KeyTable::iter)
    }
}

/// Which of `count` shards, at least one, holds the keys of a hash.
///
/// It looks at bits that neither pick the place within a shard's table (the lowest) nor serve as
/// its tags (the highest): keys that agreed in those would make a slow shard.
#[inline]
fn shard_of(hash: u64, count: usize) -> usize {
    let bits = (hash >> 24) as u32 as usize;
    let level = count.ilog2();
    let place = bits & ((2 << level) - 1);
    if place < count { place } else { place & ((1 << level) - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;

    fn check(map: &KeyMap<u32>, model: &BTreeMap<String, u32>) {
        assert_eq!(map.len(), model.len());
        assert!(model.iter().all(|(key, value)| map.get(key) == Some(value)));
        let listed: BTreeMap<String, u32> = map.iter().map(|(k, v)| (k.into(), *v)).collect();
        assert_eq!(&listed, model);
    }

    #[test]
    fn it_agrees_with_a_model_while_it_grows_and_shrinks() {
        for capacity in [0, 700, 20_000] {
            let mut map = KeyMap::with_capacity(capacity);
            let mut model = BTreeMap::new();
            for round in 0..20_000_u32 {
                // Long and short keys; some come again, some go.
                let key =
                    "ключ".repeat((round % 9_000 % 40) as usize) + &format!("{}", round % 9_000);
                if round % 3 == 2 {
                    assert_eq!(map.remove(&key), model.remove(&key));
                } else {
                    let known = model.contains_key(&key);
                    assert_eq!(map.insert(&key, round).is_err(), known);
                    model.entry(key).or_insert(round);
                }
                if round % 1_000 == 0 {
                    map.shrink();
                    check(&map, &model);
                }
            }
            check(&map, &model);
            assert!(map.get("nobody").is_none() && map.remove("nobody").is_none());
            assert!(!map.is_crowded());
        }
    }

    #[test]
    fn a_clone_is_not_changed_by_its_original() {
        let mut map = KeyMap::default();
        for index in 0..5_000_u32 {
            map.insert(&format!("key-{index}"), index).unwrap();
        }
        let older = map.clone();
        map.insert("new", 0).unwrap();
        map.remove("key-7").unwrap();
        assert_eq!((older.len(), map.len()), (5_000, 5_000));
        assert_eq!((older.get("new"), older.get("key-7")), (None, Some(&7)));
        assert_eq!((map.get("new"), map.get("key-7")), (Some(&0), None));
    }

    #[test]
    fn texts_agree_with_a_model_while_they_come_go_and_grow() {
        let mut map = KeyMap::<Text>::default();
        let mut model = BTreeMap::new();
        let mut older = Vec::new();
        for round in 0..20_000_usize {
            let key = format!("tenant-{}", round * 7 % 3_000);
            if round % 5 == 4 {
                map.remove(&key);
                model.remove(&key);
            } else {
                let text = format!("{round} ").repeat(round % 40);
                map.set_text(&key, &text);
                model.insert(key, text);
            }
            if round % 4_000 == 0 {
                map.shrink();
                older.push((map.clone(), model.clone()));
            }
        }
        older.push((map, model));
        for (map, model) in older {
            assert_eq!(map.len(), model.len());
            assert!(model.iter().all(|(key, text)| map.text(key) == Some(text)));
            assert!(map.iter().all(|(key, _)| model.contains_key(key)));
        }
    }

    #[test]
    fn shards_are_about_equally_full() {
        let mut map = KeyMap::default();
        for index in 0..100_000 {
            map.insert(&format!("tenant-{index}"), ()).unwrap();
        }
        let Shards::Many(shards) = &map.shards else { panic!("many keys are many shards") };
        let fullest = shards.iter().map(|shard| shard.iter().count()).max();
        assert!(fullest < Some(3 * KEYS_PER_SHARD), "{fullest:?}");
    }
}

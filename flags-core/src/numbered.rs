//! Things by numbers, which are given out anew when they are free.

use alloc::sync::Arc;
use alloc::vec::Vec;

/// Things per chunk: a change copies one chunk and the list of chunks.
const CHUNK: usize = 64;

/// A clone shares everything; a change to a clone copies what it touches.
#[derive(Debug, Clone)]
pub(crate) struct Numbered<T> {
    chunks: Vec<Arc<[Place<T>; CHUNK]>>,
    /// How many numbers have been given out, those that are free again included.
    given: u32,
    /// The number that was freed last.
    free: Option<u32>,
}

#[derive(Debug, Clone)]
enum Place<T> {
    /// With the number that was freed before.
    Free(Option<u32>),
    Taken(T),
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), given: 0, free: None }
    }
}

impl<T> Numbered<T> {
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        match self.chunks.get(number as usize / CHUNK)?.get(number as usize % CHUNK)? {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    /// Everything with its number, in the order of the numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let places = self.chunks.iter().flat_map(|chunk| chunk.iter());
        (0..).zip(places).filter_map(|(number, place)| match place {
            Place::Taken(thing) => Some((number, thing)),
            Place::Free(_) => None,
        })
    }
}

impl<T: Clone> Numbered<T> {
    pub(crate) fn insert(&mut self, thing: T) -> u32 {
        let number = self.free.unwrap_or(self.given);
        if self.chunks.len() <= number as usize / CHUNK {
            self.chunks.push(Arc::new([const { Place::Free(None) }; CHUNK]));
        }
        if let Some(place) = self.place(number) {
            match core::mem::replace(place, Place::Taken(thing)) {
                Place::Free(before) if self.free.is_some() => self.free = before,
                _ => self.given += 1,
            }
        }
        number
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        self.get(number)?;
        let before = self.free.replace(number);
        match core::mem::replace(self.place(number)?, Place::Free(before)) {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    /// A thing to be changed: what a clone shares is copied.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.get(number)?;
        match self.place(number)? {
            Place::Taken(thing) => Some(thing),
            Place::Free(_) => None,
        }
    }

    fn place(&mut self, number: u32) -> Option<&mut Place<T>> {
        let chunk = self.chunks.get_mut(number as usize / CHUNK)?;
        Arc::make_mut(chunk).get_mut(number as usize % CHUNK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn it_agrees_with_a_model_and_fills_its_gaps() {
        let (mut numbered, mut model) = (Numbered::default(), BTreeMap::new());
        let mut older = Vec::new();
        for round in 0..5_000_u32 {
            if round % 3 == 2 {
                let number = round * 7 % 1_000;
                assert_eq!(numbered.remove(number), model.remove(&number));
            } else {
                let number = numbered.insert(round);
                assert_eq!(model.insert(number, round), None);
            }
            if let Some((number, thing)) = model.iter_mut().nth(round as usize % 10) {
                *thing += 1;
                *numbered.get_mut(*number).unwrap() += 1;
            }
            if round % 1_000 == 0 {
                older.push((numbered.clone(), model.clone()));
            }
        }
        assert!(model.keys().all(|number| *number < 5_000 * 2 / 3));
        older.push((numbered, model));
        for (numbered, model) in older {
            let listed: BTreeMap<u32, u32> =
                numbered.iter().map(|(n, thing)| (n, *thing)).collect();
            assert_eq!(listed, model);
            assert!((0..5_000).all(|number| numbered.get(number) == model.get(&number)));
        }
    }
}

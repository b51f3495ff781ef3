//! The rulesets that reads see, and how a new one gets there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwap;
use flags_core::{Override, Ruleset};

use crate::clock::Time;
use crate::misuse::Misuses;

/// What one handle reads: the live ruleset with the overrides of that handle.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) loaded: ArcSwap<Loaded>,
    /// One for a flag at most; none in the base layer.
    overrides: Box<[Override]>,
}

/// A ruleset in place, what time it is, and where answers report what is missing: one load gives
/// all of it.
#[derive(Debug)]
pub struct Loaded {
    pub(crate) ruleset: Ruleset,
    pub(crate) misuses: Arc<Misuses>,
    pub(crate) time: Arc<Time>,
}

/// The base layer, and the layers with overrides that handles have made on it.
///
/// The lock is taken when a handle with overrides is made and when a ruleset is replaced; never to
/// read.
#[derive(Debug)]
pub(crate) struct Layers {
    base: Arc<Layer>,
    derived: Mutex<Vec<Weak<Layer>>>,
    /// Replaced rulesets that somebody may still be reading. The last one to let go of a ruleset
    /// frees all of it; that must not be a request.
    retired: Mutex<Vec<Arc<Loaded>>>,
    misuses: Arc<Misuses>,
    time: Arc<Time>,
}

impl Layers {
    pub(crate) fn new(ruleset: Ruleset, misuses: Arc<Misuses>, time: Arc<Time>) -> Self {
        let loaded = Loaded { ruleset, misuses: Arc::clone(&misuses), time: Arc::clone(&time) };
        let base = Layer { loaded: ArcSwap::from_pointee(loaded), overrides: Box::default() };
        Self {
            base: Arc::new(base),
            derived: Mutex::default(),
            retired: Mutex::default(),
            misuses,
            time,
        }
    }

    pub(crate) fn base(&self) -> &Arc<Layer> {
        &self.base
    }

    /// A layer with the overrides of `layer` and `further` ones, the later of two for one flag.
    pub(crate) fn derive(
        &self,
        layer: &Layer,
        further: impl IntoIterator<Item = Override>,
    ) -> Arc<Layer> {
        let mut overrides = layer.overrides.to_vec();
        for over in further {
            match overrides.iter_mut().find(|o| o.key() == over.key()) {
                Some(earlier) => *earlier = over,
                None => overrides.push(over),
            }
        }
        // The lock keeps a new ruleset from passing by between reading the present one and being
        // known to those who replace it.
        let mut derived = lock(&self.derived);
        let ruleset = self.base.loaded.load().ruleset.overriding(&overrides);
        let loaded = ArcSwap::new(self.load(ruleset));
        let layer = Arc::new(Layer { loaded, overrides: overrides.into() });
        derived.retain(|layer| layer.strong_count() > 0);
        derived.push(Arc::downgrade(&layer));
        layer
    }

    /// Lets every handle read `ruleset` from now on. Takes time: not for an async thread.
    pub(crate) fn replace(&self, ruleset: Ruleset) {
        {
            let mut derived = lock(&self.derived);
            derived.retain(|layer| layer.strong_count() > 0);
            for layer in derived.iter().filter_map(Weak::upgrade) {
                self.swap(&layer, ruleset.overriding(&layer.overrides));
            }
            // Last, so that whoever has seen it in the base sees it everywhere.
            self.swap(&self.base, ruleset);
        }
        self.sweep();
    }

    fn swap(&self, layer: &Layer, ruleset: Ruleset) {
        let old = layer.loaded.swap(self.load(ruleset));
        lock(&self.retired).push(old);
    }

    fn load(&self, ruleset: Ruleset) -> Arc<Loaded> {
        let (misuses, time) = (Arc::clone(&self.misuses), Arc::clone(&self.time));
        Arc::new(Loaded { ruleset, misuses, time })
    }

    /// Frees the replaced rulesets that nobody reads any more. Takes time: not for an async thread.
    pub(crate) fn sweep(&self) {
        let retired = std::mem::take(&mut *lock(&self.retired));
        let (read, unread): (Vec<_>, Vec<_>) =
            retired.into_iter().partition(|loaded| Arc::strong_count(loaded) > 1);
        lock(&self.retired).extend(read);
        drop(unread);
    }

    /// Whether a replaced ruleset is still being kept.
    pub(crate) fn has_retired(&self) -> bool {
        !lock(&self.retired).is_empty()
    }
}

/// Nothing panics under these locks; should it, what they guard is whole all the same.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flags_core::{Document, Entity, Epoch, Flag, Timestamp};

    const A: Flag<bool> = Flag::new("a", false);
    const B: Flag<i64> = Flag::new("b", 0);

    fn ruleset(revision: u64) -> Ruleset {
        Ruleset::compile(&Document { revision, ..Document::empty(Epoch::new("e")) }).0
    }

    fn layers(revision: u64) -> Layers {
        Layers::new(ruleset(revision), Arc::new(Misuses::new(true)), Arc::new(Time::fixed()))
    }

    fn read(layer: &Layer) -> (bool, i64, u64) {
        let ruleset = &layer.loaded.load().ruleset;
        let nobody = Entity::user("");
        let now = Timestamp::from_millis(0);
        let a = ruleset.get(&A, &nobody, now);
        (a.value, ruleset.get(&B, &nobody, now).value, a.revision)
    }

    #[test]
    fn layers_stack_follow_the_base_and_do_not_see_each_other() {
        let layers = layers(1);
        let a = layers.derive(layers.base(), [A.to(true)]);
        let both = layers.derive(&a, [B.to(1), B.to(2)]);
        let undone = layers.derive(&both, [A.to(false)]);
        drop(a);
        for revision in 1..4 {
            assert_eq!(read(layers.base()), (false, 0, revision));
            assert_eq!(read(&both), (true, 2, revision));
            assert_eq!(read(&undone), (false, 2, revision));
            layers.replace(ruleset(revision + 1));
        }
    }

    #[test]
    fn readers_see_one_revision_at_a_time_and_never_go_back() {
        const LAST: u64 = 500;
        let layers = layers(0);
        let handles =
            [Arc::clone(layers.base()), layers.derive(layers.base(), [A.to(true), B.to(1)])];
        std::thread::scope(|scope| {
            for (overridden, layer) in [false, true].into_iter().zip(&handles) {
                scope.spawn(move || {
                    let mut seen = 0;
                    while seen < LAST {
                        let (a, b, revision) = read(layer);
                        assert_eq!((a, b), (overridden, i64::from(overridden)));
                        assert!(revision >= seen);
                        seen = revision;
                    }
                });
            }
            for revision in 1..=LAST {
                layers.replace(ruleset(revision));
            }
        });
        layers.sweep();
        assert!(!layers.has_retired());
    }

    #[test]
    fn dropped_layers_are_forgotten() {
        let layers = layers(1);
        let kept = layers.derive(layers.base(), [A.to(true)]);
        for _ in 0..100 {
            layers.derive(&kept, [B.to(1)]);
        }
        assert!(lock(&layers.derived).len() <= 2);
        layers.replace(ruleset(2));
        assert_eq!(lock(&layers.derived).len(), 1);
    }

    #[test]
    fn a_replaced_ruleset_is_kept_until_its_last_reader_has_left() {
        let layers = layers(1);
        let reader = layers.base().loaded.load();
        let old = Arc::downgrade(&reader);
        layers.replace(ruleset(2));
        assert!(layers.has_retired());
        drop(reader);
        assert!(old.upgrade().is_some(), "the reader must not be the one who frees it");
        layers.sweep();
        assert!(old.upgrade().is_none());
        assert!(!layers.has_retired());
    }
}

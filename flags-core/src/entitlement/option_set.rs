use crate::limits::MAX_FEATURE_OPTIONS;

const _: () = assert!(MAX_FEATURE_OPTIONS.is_multiple_of(u64::BITS as usize));
const WORDS: usize = MAX_FEATURE_OPTIONS / u64::BITS as usize;

/// A set of options, by their places among those that the feature declares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OptionSet([u64; WORDS]);

impl OptionSet {
    /// The word of a place, and its bit in that.
    fn split(place: usize) -> (usize, u64) {
        (place / u64::BITS as usize, 1 << (place % u64::BITS as usize))
    }

    /// Puts an option in; false where it is there already.
    pub(crate) fn insert(&mut self, place: usize) -> bool {
        let (word, bit) = Self::split(place);
        let is_new = !self.contains(place);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
        is_new
    }

    pub(crate) fn contains(&self, place: usize) -> bool {
        let (word, bit) = Self::split(place);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn union(self, other: &Self) -> Self {
        self.zip(other, |mine, theirs| mine | theirs)
    }

    pub(crate) fn without(self, other: &Self) -> Self {
        self.zip(other, |mine, theirs| mine & !theirs)
    }

    pub(crate) fn meets(self, other: &Self) -> bool {
        !self.zip(other, |mine, theirs| mine & theirs).is_empty()
    }

    fn zip(mut self, other: &Self, each: impl Fn(u64, u64) -> u64) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = each(*mine, theirs);
        }
        self
    }
}

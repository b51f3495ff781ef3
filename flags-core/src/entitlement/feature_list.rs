use core::fmt;

use super::contracts::{Contracts, Place, Special, Standing};
use super::decision::Access;
use crate::context::AttributeValue;
use crate::key_map::Length;

/// The keys of the features to which a tenant has access at an instant, sorted.
///
/// It is looked for where it is read: every attribute of every context is as large as the largest, and
/// copied often.
#[derive(Clone, Copy)]
pub struct FeatureList<'r> {
    pub(super) contracts: &'r Contracts,
    /// When that is.
    pub(super) now: i64,
    pub(super) place: Place,
}

const _: () = assert!(size_of::<AttributeValue<'_>>() <= 24);

impl fmt::Debug for FeatureList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'r> FeatureList<'r> {
    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// The keys in order.
    pub fn iter(self) -> impl Iterator<Item = &'r str> {
        let standing = self.contracts.standing(self.place, || self.now);
        let (packed, special) = standing.map(Standing::features).unwrap_or_default();
        let mut packed = Length::texts(packed).peekable();
        let overridden = special.into_iter().flat_map(Special::overridden);
        let mut overridden = overridden.peekable();
        core::iter::from_fn(move || {
            loop {
                let next = overridden.peek().map(|(key, _)| &**key);
                match (packed.peek().copied(), next) {
                    (Some(key), other) if other.is_none_or(|other| key < other) => {
                        return packed.next();
                    }
                    (None, None) => return None,
                    (key, other) => {
                        if key == other {
                            packed.next();
                        }
                        let (key, slot) = overridden.next()?;
                        if special?.access(*slot, self.now) > Access::None {
                            return Some(key);
                        }
                    }
                }
            }
        })
    }
}

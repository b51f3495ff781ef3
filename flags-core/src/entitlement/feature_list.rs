use super::contracts::Overridden;
use super::decision::Access;
use super::over_time::place;
use crate::key_map::Length;

/// The keys of the features to which a tenant has access at an instant, sorted.
#[derive(Debug, Clone, Copy)]
pub struct FeatureList<'r> {
    /// Those of its package, sorted, each after its length.
    pub(super) packed: &'r str,
    /// Those that have overrides, sorted: here these decide.
    pub(super) overridden: &'r [Overridden],
    /// When that is.
    pub(super) now: i64,
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
        let mut packed = Length::texts(self.packed).peekable();
        let mut overridden = self.overridden.iter().peekable();
        core::iter::from_fn(move || {
            loop {
                let next = overridden.peek().map(|other| &*other.key);
                match (packed.peek().copied(), next) {
                    (Some(key), other) if other.is_none_or(|other| key < other) => {
                        return packed.next();
                    }
                    (None, None) => return None,
                    (key, other) => {
                        if key == other {
                            packed.next();
                        }
                        let Overridden { key, intervals, .. } = overridden.next()?;
                        let now = intervals.get(place(intervals, self.now));
                        if now.is_some_and(|now| now.state.access > Access::None) {
                            return Some(key);
                        }
                    }
                }
            }
        })
    }
}

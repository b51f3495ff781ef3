use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::condition::AttributePath;

/// The attributes that rules ask for, each once, however many rules ask for it: that keeps
/// rulesets small, and lets an evaluation see that it asks for the same attribute again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paths {
    sorted: Arc<Vec<Arc<AttributePath>>>,
}

/// Fewer than this are not worth clearing up after.
const WORTH_CLEARING: usize = 64;

impl Paths {
    /// The one path of a kind and a name.
    pub(crate) fn path(&mut self, kind: &str, name: Option<&str>) -> Arc<AttributePath> {
        let found = self
            .sorted
            .binary_search_by(|path| (&*path.kind, path.name.as_deref()).cmp(&(kind, name)));
        if let Some(known) = found.ok().and_then(|index| self.sorted.get(index)) {
            return Arc::clone(known);
        }
        let path = Arc::new(AttributePath::new(kind, name));
        let sorted = Arc::make_mut(&mut self.sorted);
        // Changes come and go for as long as a service runs: from time to time, what no rule asks
        // for any more goes too.
        if sorted.len() >= WORTH_CLEARING && sorted.len().is_power_of_two() {
            sorted.retain(|path| Arc::strong_count(path) > 1);
        }
        let index = sorted.partition_point(|known| **known < *path);
        sorted.insert(index, Arc::clone(&path));
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn equal_paths_are_one_and_unused_ones_go() {
        let mut paths = Paths::default();
        let country = paths.path("tenant", Some("country"));
        let key = paths.path("tenant", None);
        for index in 0..10_000 {
            paths.path("user", Some(&format!("attribute-{index}")));
        }
        assert!(paths.sorted.len() < 1_000, "{}", paths.sorted.len());
        assert!(Arc::ptr_eq(&country, &paths.path("tenant", Some("country"))));
        assert!(Arc::ptr_eq(&key, &paths.path("tenant", None)));
    }
}

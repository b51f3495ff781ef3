//! Parts of lists.

/// A part of a list that is sorted by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Only what sorts after this.
    pub(crate) after: Option<String>,
    pub(crate) limit: u32,
    /// Also what is archived: projects, environments and flags.
    pub(crate) archived: bool,
    /// The documents of flags, objects and tenants that come to more than this in bytes are the last
    /// ones.
    pub(crate) bytes: usize,
}

impl Page {
    /// The whole list.
    pub(crate) const ALL: Self =
        Self { after: None, limit: u32::MAX, archived: true, bytes: usize::MAX };

    /// The whole list that this is a page of.
    pub(crate) fn whole(&self) -> Self {
        Self { archived: self.archived, ..Self::ALL }
    }

    /// This part of a list that is there as a whole.
    pub(crate) fn of<T>(&self, items: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
        let later = |item: &T| self.after.as_deref().is_none_or(|after| key(item) > after);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        items.into_iter().filter(later).take(limit).collect()
    }
}

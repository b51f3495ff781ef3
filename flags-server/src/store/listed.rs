use super::Page;

/// What was found for a page.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    /// Whether it ends before its number of items, and the list goes on.
    pub(crate) is_cut: bool,
}

impl<T> Listed<T> {
    /// What was read for a page, each item with so many bytes: without the last one, where that was
    /// one more than fits.
    pub(crate) fn of(mut items: Vec<T>, page: &Page, bytes: impl Fn(&T) -> usize) -> Self {
        let is_cut = items.len() > 1 && items.iter().map(bytes).sum::<usize>() > page.bytes;
        if is_cut {
            items.pop();
        }
        Self { items, is_cut }
    }

    /// The same with something else for each item.
    pub(crate) fn try_map<U, E>(self, map: impl FnMut(T) -> Result<U, E>) -> Result<Listed<U>, E> {
        let items = self.items.into_iter().map(map).collect::<Result<_, _>>()?;
        Ok(Listed { items, is_cut: self.is_cut })
    }
}

/// Of a list whose items are small.
impl<T> From<Vec<T>> for Listed<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, is_cut: false }
    }
}

use super::{AttributeValue, Context};
use crate::same::same;

/// One kind of a context: who, and what is known about them.
///
/// An array of entities is a [`Context`]; where two have the same kind, the first holds. It borrows
/// everything, attributes included, so it lives where it is made; what is to be returned from a
/// function implements [`Context`] itself.
///
/// ```
/// use flags_core::{Context, Entity};
///
/// let account = [("country", "DE".into()), ("employees", 120.into())];
/// let context = [Entity::user("u-17"), Entity::tenant("acme").with(&account)];
/// assert_eq!(context.key("user"), Some("u-17"));
/// assert_eq!(context.attribute("tenant", "employees"), Some(120.into()));
/// assert_eq!(context.attribute("user", "country"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entity<'a> {
    kind: &'a str,
    key: &'a str,
    attributes: &'a [(&'a str, AttributeValue<'a>)],
}

impl<'a> Entity<'a> {
    /// An entity of any kind: `device`, `workspace` …
    ///
    /// Nothing is checked. A key that is empty or longer than 512 bytes counts as absent.
    ///
    /// ```
    /// use flags_core::{Context, Entity};
    ///
    /// let about = [("os", "ios".into())];
    /// let phone = Entity::new("device", "d-1").with(&about);
    /// assert_eq!(phone.attribute("device", "os"), Some("ios".into()));
    /// ```
    #[must_use]
    pub const fn new(kind: &'a str, key: &'a str) -> Self {
        Self { kind, key, attributes: &[] }
    }

    /// The user of a request.
    #[must_use]
    pub const fn user(key: &'a str) -> Self {
        Self::new("user", key)
    }

    /// The tenant of a request.
    #[must_use]
    pub const fn tenant(key: &'a str) -> Self {
        Self::new("tenant", key)
    }

    /// The same entity with these attributes; where two have the same name, the first holds.
    #[must_use]
    pub const fn with(self, attributes: &'a [(&'a str, AttributeValue<'a>)]) -> Self {
        Self { attributes, ..self }
    }
}

impl Context for Entity<'_> {
    #[inline(always)]
    fn key(&self, kind: &str) -> Option<&str> {
        same(self.kind, kind).then_some(self.key)
    }

    #[inline]
    fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>> {
        if !same(self.kind, kind) {
            return None;
        }
        self.attributes.iter().find(|(n, _)| same(n, name)).map(|(_, value)| *value)
    }
}

impl Context for [Entity<'_>] {
    #[inline(always)]
    fn key(&self, kind: &str) -> Option<&str> {
        self.iter().find_map(|entity| entity.key(kind))
    }

    #[inline]
    fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>> {
        self.iter().find(|entity| same(entity.kind, kind))?.attribute(kind, name)
    }
}

impl<const N: usize> Context for [Entity<'_>; N] {
    #[inline(always)]
    fn key(&self, kind: &str) -> Option<&str> {
        self.as_slice().key(kind)
    }

    #[inline]
    fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>> {
        self.as_slice().attribute(kind, name)
    }
}

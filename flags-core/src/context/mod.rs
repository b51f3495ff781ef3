//! What is known about a request: borrowed, so that asking a question copies nothing.

mod attribute;
mod entity;
mod json;

pub use attribute::{AttributeValue, Strings};
pub use entity::Entity;
pub use json::JsonContext;

/// What is known about a request: a `user`, a `tenant` and any further kinds, each with a key and
/// attributes.
///
/// An [`Entity`] is one, an array of them is one, and `()` is one of which nothing is known. A
/// service may also implement it for a struct of its own: then it copies nothing to ask, and can
/// make the context in one place and ask in another.
///
/// ```
/// use flags_core::{AttributeValue, Context};
///
/// struct Request { account: String, seats: i64 }
///
/// impl Context for Request {
///     fn key(&self, kind: &str) -> Option<&str> {
///         (kind == "tenant").then_some(&self.account)
///     }
///     fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>> {
///         match (kind, name) {
///             ("tenant", "seats") => Some(self.seats.into()),
///             _ => None,
///         }
///     }
/// }
/// let request = Request { account: "acme".into(), seats: 12 };
/// assert_eq!(request.key("tenant"), Some("acme"));
/// ```
pub trait Context {
    /// The key of `kind`, or `None` when this request has none.
    ///
    /// An empty key and one of more than 512 bytes count as none.
    fn key(&self, kind: &str) -> Option<&str>;

    /// The attribute `name` of `kind`, or `None` when it is not known.
    ///
    /// Never asked for the name `key`: that is [`key`](Self::key).
    fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>>;
}

/// Nothing is known.
impl Context for () {
    fn key(&self, _kind: &str) -> Option<&str> {
        None
    }

    fn attribute(&self, _kind: &str, _name: &str) -> Option<AttributeValue<'_>> {
        None
    }
}

impl<C: Context + ?Sized> Context for &C {
    fn key(&self, kind: &str) -> Option<&str> {
        (**self).key(kind)
    }

    fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>> {
        (**self).attribute(kind, name)
    }
}

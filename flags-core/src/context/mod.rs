//! What is known about a request: borrowed, so that asking a question copies nothing.

mod attribute;
pub(crate) mod derive;
mod entity;
mod field;
mod json;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;

pub use attribute::{AttributeValue, PackedStrings, Strings};
pub use entity::Entity;
pub use field::{Attribute, ContextKey, Lent};
pub use json::JsonContext;
pub(crate) use json::{JsonAttribute, read_attribute};

/// What is known about a request: a `user`, a `tenant` and any further kinds, each with a key and
/// attributes.
///
/// A service derives it for a struct of its own, [`#[derive(Context)]`](macro@crate::Context): then
/// it copies nothing to ask, and can make the context in one place and ask in another. Where there
/// is no struct, an [`Entity`] is a context, and so is an array of them. `()` is one of which
/// nothing is known. Options and pointers of contexts are contexts.
///
/// By hand it is two methods, for an enum, say:
///
/// ```
/// use flags_core::{AttributeValue, Context};
///
/// enum Caller { Service(&'static str), Account { id: String, seats: i64 } }
///
/// impl Context for Caller {
///     fn key(&self, kind: &str) -> Option<&str> {
///         match (self, kind) {
///             (Self::Service(name), "service") => Some(name),
///             (Self::Account { id, .. }, "tenant") => Some(id),
///             _ => None,
///         }
///     }
///     fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>> {
///         match (self, kind, name) {
///             (Self::Account { seats, .. }, "tenant", "seats") => Some((*seats).into()),
///             _ => None,
///         }
///     }
/// }
/// let caller = Caller::Account { id: "acme".into(), seats: 12 };
/// assert_eq!(caller.key("tenant"), Some("acme"));
/// assert_eq!(Caller::Service("billing").key("tenant"), None);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a context",
    label = "neither an `Entity` or an array of them, nor a struct with `#[derive(Context)]`"
)]
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

/// Without one, nothing is known.
impl<C: Context> Context for Option<C> {
    #[inline]
    fn key(&self, kind: &str) -> Option<&str> {
        self.as_ref()?.key(kind)
    }

    #[inline]
    fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>> {
        self.as_ref()?.attribute(kind, name)
    }
}

macro_rules! through_pointers {
    ($($pointer:ty),*) => {$(
        impl<C: Context + ?Sized> Context for $pointer {
            #[inline]
            fn key(&self, kind: &str) -> Option<&str> {
                (**self).key(kind)
            }

            #[inline]
            fn attribute(&self, kind: &str, name: &str) -> Option<AttributeValue<'_>> {
                (**self).attribute(kind, name)
            }
        }
    )*};
}

through_pointers!(&C, Box<C>, Rc<C>, Arc<C>);

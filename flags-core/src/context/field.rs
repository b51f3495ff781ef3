//! What a field of a struct can be to a context: an attribute, or a key.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{AttributeValue, Strings};

/// A type whose values can be lent as the value of an attribute: what a field of a struct with
/// [`#[derive(Context)]`](macro@crate::Context) must be.
///
/// | type | value |
/// |---|---|
/// | `bool` | a boolean |
/// | `i8` … `i64`, `isize`, `u8` … `u32` | an integer |
/// | `u64`, `usize` | an integer; above [`i64::MAX`] absent |
/// | `f32`, `f64` | a float; NaN and infinities count as absent |
/// | `str`, `String` | a string |
/// | `[String]`, `[&str]`, arrays and `Vec`s of them | a list of strings |
/// | `Option<T>` | that of `T`, or absent |
/// | `&T`, `Box<T>`, `Rc<T>`, `Arc<T>`, `Cow<T>` | that of `T` |
///
/// A service implements it for types of its own, enums above all:
///
/// ```
/// use flags_core::{Attribute, AttributeValue};
///
/// enum Plan { Free, Team }
///
/// impl Attribute for Plan {
///     fn value(&self) -> Option<AttributeValue<'_>> {
///         Some(match self {
///             Self::Free => "free".into(),
///             Self::Team => "team".into(),
///         })
///     }
/// }
/// assert_eq!(Some(Plan::Team).value(), Some("team".into()));
/// ```
///
/// What has no value to lend (a date, a UUID, a set) is kept as a text or a number where the struct
/// is made, so that nothing is formatted while a flag is evaluated:
///
/// ```compile_fail,E0277
/// #[derive(flags_core::Context)]
/// #[context(kind = "user")]
/// struct User {
///     #[context(key)]
///     id: String,
///     last_seen: std::time::SystemTime,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be lent as an attribute of a context",
    label = "neither a boolean, a number, a text, a list of texts, nor an option of these",
    note = "implement `Attribute` for a type of your own; for another, name a function with `#[context(with = …)]`, or leave the field out with `#[context(skip)]`"
)]
pub trait Attribute {
    /// The value, or `None` when it is absent.
    fn value(&self) -> Option<AttributeValue<'_>>;
}

/// A type whose values can be lent as the key of a context: text, and wrappers of text.
///
/// `str`, `String`, and options, references, `Box`, `Rc`, `Arc` and `Cow` of them are; a service
/// implements it for types of its own:
///
/// ```
/// use flags_core::ContextKey;
///
/// struct AccountId(String);
///
/// impl ContextKey for AccountId {
///     fn text(&self) -> Option<&str> {
///         Some(&self.0)
///     }
/// }
/// assert_eq!(AccountId("acme".into()).text(), Some("acme"));
/// ```
///
/// A number or a UUID is no text until it is formatted, and an evaluation allocates nothing. The
/// service formats it once, where the struct is made, and keeps the text:
///
/// ```compile_fail,E0277
/// #[derive(flags_core::Context)]
/// #[context(kind = "user")]
/// struct User {
///     #[context(key)]
///     id: u64,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be lent as the key of a context",
    label = "not text",
    note = "a key is text that is borrowed: keep a number or a UUID as the text it is formatted to; for a type that holds its text, implement `ContextKey` or name a function with `#[context(with = …)]`"
)]
pub trait ContextKey {
    /// The key, or `None` when there is none.
    fn text(&self) -> Option<&str>;
}

macro_rules! from_copy {
    ($($of:ty),*) => {$(
        impl Attribute for $of {
            #[inline]
            fn value(&self) -> Option<AttributeValue<'_>> {
                Some((*self).into())
            }
        }
    )*};
}

from_copy!(bool, i8, i16, i32, i64, u8, u16, u32, f32, f64);

macro_rules! from_wide {
    ($($of:ty),*) => {$(
        impl Attribute for $of {
            #[inline]
            fn value(&self) -> Option<AttributeValue<'_>> {
                i64::try_from(*self).ok().map(AttributeValue::Integer)
            }
        }
    )*};
}

from_wide!(isize, u64, usize);

impl Attribute for str {
    #[inline]
    fn value(&self) -> Option<AttributeValue<'_>> {
        Some(AttributeValue::String(self))
    }
}

impl Attribute for String {
    #[inline]
    fn value(&self) -> Option<AttributeValue<'_>> {
        Some(AttributeValue::String(self))
    }
}

macro_rules! lists {
    ($($form:ident of $text:ty),*) => {$(
        impl Attribute for [$text] {
            #[inline]
            fn value(&self) -> Option<AttributeValue<'_>> {
                Some(AttributeValue::List(Strings::$form(self)))
            }
        }

        impl<const N: usize> Attribute for [$text; N] {
            #[inline]
            fn value(&self) -> Option<AttributeValue<'_>> {
                self.as_slice().value()
            }
        }

        impl Attribute for Vec<$text> {
            #[inline]
            fn value(&self) -> Option<AttributeValue<'_>> {
                self.as_slice().value()
            }
        }
    )*};
}

lists!(Borrowed of &str, Owned of String);

impl ContextKey for str {
    #[inline]
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl ContextKey for String {
    #[inline]
    fn text(&self) -> Option<&str> {
        Some(self)
    }
}

impl<T: Attribute> Attribute for Option<T> {
    #[inline]
    fn value(&self) -> Option<AttributeValue<'_>> {
        self.as_ref().and_then(T::value)
    }
}

impl<T: ContextKey> ContextKey for Option<T> {
    #[inline]
    fn text(&self) -> Option<&str> {
        self.as_ref().and_then(T::text)
    }
}

macro_rules! through_pointers {
    ($($pointer:ty),*) => {$(
        impl<T: Attribute + ?Sized> Attribute for $pointer {
            #[inline]
            fn value(&self) -> Option<AttributeValue<'_>> {
                (**self).value()
            }
        }

        impl<T: ContextKey + ?Sized> ContextKey for $pointer {
            #[inline]
            fn text(&self) -> Option<&str> {
                (**self).text()
            }
        }
    )*};
}

through_pointers!(&T, Box<T>, Rc<T>, Arc<T>);

impl<T: Attribute + ToOwned + ?Sized> Attribute for Cow<'_, T> {
    #[inline]
    fn value(&self) -> Option<AttributeValue<'_>> {
        (**self).value()
    }
}

impl<T: ContextKey + ToOwned + ?Sized> ContextKey for Cow<'_, T> {
    #[inline]
    fn text(&self) -> Option<&str> {
        (**self).text()
    }
}

/// What a function named by `#[context(with = …)]` may return for an attribute: a value, what
/// becomes one, or an option of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a function of `#[context(with = …)]` returns for an attribute",
    label = "neither an `AttributeValue`, what becomes one, nor an option of these"
)]
pub trait Lent<'a> {
    /// The value, or `None` when it is absent.
    fn lent(self) -> Option<AttributeValue<'a>>;
}

#[diagnostic::do_not_recommend]
impl<'a, T: Into<AttributeValue<'a>>> Lent<'a> for T {
    #[inline]
    fn lent(self) -> Option<AttributeValue<'a>> {
        Some(self.into())
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Into<AttributeValue<'a>>> Lent<'a> for Option<T> {
    #[inline]
    fn lent(self) -> Option<AttributeValue<'a>> {
        self.map(Into::into)
    }
}

use core::fmt;

use alloc::string::String;
use alloc::vec::Vec;

use crate::entitlement::FeatureList;
use crate::json_text::{JsonText, write_list};
use crate::key_map::Length;

/// The value of an attribute, borrowed from the request.
///
/// It is made with `into()` from `bool`, `i8` to `i64`, `u8` to `u32`, `f32`, `f64`, `&str`, `&String`,
/// `&[&str]`, `&[String]` and `&Vec<String>`. There is no conversion from `u64`: one above
/// [`i64::MAX`] has no value here. Its `Display` is its JSON.
///
/// ```
/// use flags_core::AttributeValue;
///
/// let country: AttributeValue<'_> = "DE".into();
/// let employees: AttributeValue<'_> = 120.into();
/// assert_ne!(country, employees);
/// assert_eq!((country.to_string(), employees.to_string()), ("\"DE\"".into(), "120".into()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AttributeValue<'a> {
    /// `true` or `false`.
    Boolean(bool),
    /// An integer; compares with floats by value.
    Integer(i64),
    /// A float; NaN and infinities count as absent.
    Float(f64),
    /// Text; more than 64 KiB counts as absent.
    String(&'a str),
    /// A list of texts; an operator holds when it holds for one of them. A list of more than 1,000,
    /// or of more than 64 KiB together, counts as absent.
    List(Strings<'a>),
}

/// A borrowed list of texts, in one of the forms that there are of them.
///
/// ```
/// use flags_core::{AttributeValue, Strings};
///
/// let roles = vec![String::from("admin"), String::from("editor")];
/// let AttributeValue::List(list) = AttributeValue::from(&roles) else { panic!() };
/// assert_eq!(list.len(), 2);
/// assert_eq!(list, Strings::Borrowed(&["admin", "editor"]));
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Strings<'a> {
    /// Of borrowed texts.
    Borrowed(&'a [&'a str]),
    /// Of owned texts.
    Owned(&'a [String]),
    /// Of a stored tenant.
    Packed(PackedStrings<'a>),
    /// The features that a stored tenant's contract grants.
    Features(FeatureList<'a>),
}

/// The texts of a list that a [stored tenant](crate::TenantDefinition) has, in one piece of memory.
#[derive(Debug, Clone, Copy)]
pub struct PackedStrings<'a> {
    /// How many there are, and then each after its length.
    packed: &'a str,
}

impl<'a> PackedStrings<'a> {
    pub(crate) fn new(packed: &'a str) -> Self {
        Self { packed }
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        Length::read(self.packed.as_bytes(), 0).0.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The texts in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let (_, prefix) = Length::read(self.packed.as_bytes(), 0);
        Length::texts(self.packed.get(prefix..).unwrap_or_default())
    }
}

impl<'a> Strings<'a> {
    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::Borrowed(texts) => texts.len(),
            Self::Owned(texts) => texts.len(),
            Self::Packed(texts) => texts.len(),
            Self::Features(features) => features.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The texts in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let (borrowed, owned, packed, features): (&[&str], &[String], _, _) = match self {
            Self::Borrowed(texts) => (texts, &[], None, None),
            Self::Owned(texts) => (&[], texts, None, None),
            Self::Packed(texts) => (&[], &[], Some(texts), None),
            Self::Features(features) => (&[], &[], None, Some(features)),
        };
        let slices = borrowed.iter().copied().chain(owned.iter().map(String::as_str));
        let packed = packed.into_iter().flat_map(PackedStrings::iter);
        slices.chain(packed).chain(features.into_iter().flat_map(FeatureList::iter))
    }
}

impl PartialEq for Strings<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Display for AttributeValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => JsonText(value).fmt(f),
            Self::Integer(value) => JsonText(value).fmt(f),
            Self::Float(value) => JsonText(value).fmt(f),
            Self::String(value) => JsonText(value).fmt(f),
            Self::List(values) => write_list(f, values.iter()),
        }
    }
}

impl From<bool> for AttributeValue<'_> {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

macro_rules! from_integer {
    ($($of:ty),*) => {$(
        impl From<$of> for AttributeValue<'_> {
            fn from(value: $of) -> Self {
                Self::Integer(value.into())
            }
        }
    )*};
}

from_integer!(i8, i16, i32, u8, u16, u32);

impl From<i64> for AttributeValue<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f32> for AttributeValue<'_> {
    fn from(value: f32) -> Self {
        Self::Float(value.into())
    }
}

impl From<f64> for AttributeValue<'_> {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl<'a> From<&'a str> for AttributeValue<'a> {
    fn from(value: &'a str) -> Self {
        Self::String(value)
    }
}

impl<'a> From<&'a String> for AttributeValue<'a> {
    fn from(value: &'a String) -> Self {
        Self::String(value)
    }
}

impl<'a> From<&'a [&'a str]> for AttributeValue<'a> {
    fn from(values: &'a [&'a str]) -> Self {
        Self::List(Strings::Borrowed(values))
    }
}

impl<'a> From<&'a Vec<String>> for AttributeValue<'a> {
    fn from(values: &'a Vec<String>) -> Self {
        Self::List(Strings::Owned(values))
    }
}

impl<'a> From<&'a [String]> for AttributeValue<'a> {
    fn from(values: &'a [String]) -> Self {
        Self::List(Strings::Owned(values))
    }
}

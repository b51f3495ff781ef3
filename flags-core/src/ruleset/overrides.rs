use alloc::boxed::Box;

use super::{Flag, FlagBody, Ruleset};
use crate::value::{OwnedValue, Value};

/// A value that a flag has locally, whatever its definition says.
///
/// ```
/// use flags_core::{Entity, Flag, Reason, Ruleset, Timestamp};
///
/// const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
///
/// let ruleset = Ruleset::default().overriding([&NEW_CHECKOUT.to(true)]);
/// let answer = ruleset.get(&NEW_CHECKOUT, &Entity::user("u-17"), Timestamp::from_millis(0));
/// assert_eq!((answer.value, answer.reason), (true, Reason::Override));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    key: Box<str>,
    value: OwnedValue,
}

impl Override {
    /// Gives the flag `key` the value `value`; a typed flag's `to` does the same with its type
    /// checked.
    ///
    /// A JSON value is decoded into the types that the ruleset's [`Decoders`](crate::Decoders)
    /// have for the flag; what `to` makes of a [`Decoded`](crate::Decoded) flag needs none.
    #[must_use]
    pub fn new(key: &str, value: Value<'_>) -> Self {
        Self { key: key.into(), value: value.to_owned() }
    }

    pub(crate) fn owning(key: &str, value: OwnedValue) -> Self {
        Self { key: key.into(), value }
    }

    /// The key of the flag.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Ruleset {
    /// A ruleset in which these flags have these values, and that shares everything else with this
    /// one. Of two overrides for one flag, the later holds.
    ///
    /// An override is the flag's definition here: it is found, valid, on, and of the override's
    /// type, also where this ruleset has no such flag. Where the flag has a variant of that value,
    /// the answer names it, and prerequisites see it.
    ///
    /// ```
    /// use flags_core::{Override, Ruleset, Timestamp, Value};
    ///
    /// let base = Ruleset::default();
    /// let (first, later) = (
    ///     Override::new("exports", Value::Boolean(false)),
    ///     Override::new("exports", Value::Boolean(true)),
    /// );
    /// let now = Timestamp::from_millis(0);
    /// assert!(base.overriding([&first, &later]).evaluate("exports", &(), now).is_true());
    /// assert!(!base.evaluate("exports", &(), now).is_true());
    /// ```
    #[must_use]
    pub fn overriding<'a>(&self, overrides: impl IntoIterator<Item = &'a Override>) -> Self {
        let mut next = self.clone();
        for over in overrides {
            let current = next.flags.find_by_key(&over.key);
            let name = current.and_then(|flag| match &flag.body {
                FlagBody::Rules(_) => flag.variants.name_of(&over.value).cloned(),
                FlagBody::Invalid | FlagBody::Overridden => None,
            });
            let version = current.map_or(0, |flag| flag.version);
            let mut value = over.value.clone();
            next.decoders.decode_override(&over.key, &mut value);
            next.flags.set(&over.key, Some(Flag::overridden(version, value, name)));
        }
        next
    }
}

//! What is left of a limit.

use flags_core::Limit;

use super::ask::Asking;
use super::feature::Feature;
use super::ruling::Ruling;
use crate::client::Client;
use crate::layer::Loaded;
use crate::snapshot::{Held, Snapshot};

/// A tenant's limit, to be asked how much of it may still be had: of
/// [`Client::limit`](crate::Client::limit) or [`Snapshot::limit`](crate::Snapshot::limit).
///
/// The product counts what is used, and says it with each question. Two requests at the same time
/// that count, ask and add may both be told yes for the last one: where that matters, count and add
/// in one transaction of the product's database, and ask in between.
#[derive(Debug)]
pub struct LimitOf<'a, S> {
    pub(crate) asked: &'a S,
    pub(crate) feature: &'a Feature<Limit>,
    pub(crate) tenant: &'a str,
}

impl<S: Asked> LimitOf<'_, S> {
    /// Whether **one more** may be had where `used` are there: whoever adds one only if this is
    /// [allowed](Ruling::is_allowed) never has more than the limit.
    ///
    /// ```
    /// use flags_client::{Client, Feature, Limit, Refusal};
    ///
    /// const SEATS: Feature<Limit> = Feature::new("seats");
    ///
    /// fn add_member(flags: &Client, tenant: &str, members: &mut Vec<String>, name: &str) -> Result<(), Refusal> {
    ///     flags.limit(&SEATS, tenant).check(members.len() as u64).require_full()?;
    ///     members.push(name.to_owned());
    ///     Ok(())
    /// }
    /// # assert!(add_member(&Client::empty(), "acme", &mut Vec::new(), "ann").is_err());
    /// ```
    #[inline]
    pub fn check(&self, used: u64) -> Ruling {
        self.check_more(used, 1)
    }

    /// Whether `requested` more may be had where `used` are there: all of them or none.
    #[inline]
    pub fn check_more(&self, used: u64, requested: u64) -> Ruling {
        let Self { asked, feature, tenant } = *self;
        asked.with_loaded(|loaded| {
            let decision = loaded.decide(feature, tenant, Asking::Amount { used, requested });
            Ruling::of_limit(feature.key(), used, requested, &decision)
        })
    }

    /// How it stands where `used` are there: whether these may be used, and what remains.
    ///
    /// After a downgrade more may be used than the limit is. What is there may then be used, read
    /// or neither, as the feature's `over_limit` says.
    #[inline]
    pub fn standing(&self, used: u64) -> Ruling {
        self.check_more(used, 0)
    }
}

/// Who can be asked: a [`Client`], for the present state each time, or a [`Snapshot`], for one
/// state.
pub trait Asked: sealed::Sealed {
    #[doc(hidden)]
    fn with_loaded<A>(&self, ask: impl FnOnce(&Loaded) -> A) -> A;
}

mod sealed {
    use super::{Client, Held, Snapshot};

    pub trait Sealed {}

    impl Sealed for Client {}
    impl<R: Held> Sealed for Snapshot<R> {}
}

impl Asked for Client {
    #[inline]
    fn with_loaded<A>(&self, ask: impl FnOnce(&Loaded) -> A) -> A {
        ask(self.pinned().loaded())
    }
}

impl<R: Held> Asked for Snapshot<R> {
    #[inline]
    fn with_loaded<A>(&self, ask: impl FnOnce(&Loaded) -> A) -> A {
        ask(self.loaded())
    }
}

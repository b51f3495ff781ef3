//! One consistent view of all flags.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use arc_swap::Guard;
use flags_core::{
    Answer, Context, Decision, Evaluation, Explanation, Flag, FlagKey, FlagValue, Limit, Position,
    Reason, Revision, Ruleset,
};

use crate::entitlement::{Asking, Feature, FeatureValue, LimitOf, Ruling};
use crate::layer::Loaded;

/// One consistent view of all flags: what a unit of work asks.
///
/// Every answer of a snapshot comes from the same revision, however long it is kept. There are two
/// kinds, which answer alike:
///
/// - [`Client::snapshot`](crate::Client::snapshot) gives a `Snapshot` that owns its ruleset. It
///   may be cloned, sent to other threads and held across an `await`. Making one counts a
///   reference up, dropping one counts it down.
/// - [`Client::pinned`](crate::Client::pinned) gives a `Snapshot<Pinned>`, which counts nothing,
///   for a stretch of code without an `await`. It cannot leave its thread, so that the compiler
///   refuses most that would hold it for long.
///
/// ```
/// use flags_client::{Client, Entity, Flag, Reason};
///
/// const SEARCH_ENGINE: Flag<&str> = Flag::new("search-engine", "classic");
///
/// let client = Client::empty().overriding([SEARCH_ENGINE.to("vector")]);
/// let flags = client.snapshot();
/// let answer = flags.get(&SEARCH_ENGINE, &Entity::tenant("acme"));
/// assert_eq!((answer.value, answer.reason), ("vector", Reason::Override));
/// ```
///
/// A replaced ruleset stays in memory while a snapshot of it is held.
///
/// A flag that turns out to be missing, or of another type than the code says, gives the code's
/// default, is logged, and is listed in [`Status::misused`](crate::Status::misused): the first
/// time in the life of the client. That one answer takes a lock and allocates.
#[derive(Clone)]
pub struct Snapshot<R = Owned> {
    held: R,
}

/// How a [`Snapshot`] holds its ruleset: [`Owned`] or [`Pinned`].
pub trait Held: sealed::Sealed {
    #[doc(hidden)]
    fn loaded(&self) -> &Loaded;
}

mod sealed {
    pub trait Sealed {}
}

/// The ruleset of a [`Snapshot`] that may go anywhere.
#[derive(Clone)]
pub struct Owned(Arc<Loaded>);

impl Owned {
    pub(crate) fn new(loaded: Arc<Loaded>) -> Self {
        Self(loaded)
    }
}

impl sealed::Sealed for Owned {}

impl Held for Owned {
    #[inline]
    fn loaded(&self) -> &Loaded {
        &self.0
    }
}

/// The ruleset of a [`Snapshot`] that counts no references. It stays on its thread:
///
/// ```compile_fail
/// # let client = flags_client::Client::empty();
/// let flags = client.pinned();
/// std::thread::scope(|scope| scope.spawn(|| flags.revision()));
/// ```
///
/// A few of them at a time on one thread are free; with more than eight, further ones cost as much
/// as owned snapshots do.
pub struct Pinned<'c> {
    guard: Guard<Arc<Loaded>>,
    stays_on_its_thread: PhantomData<(&'c (), *const ())>,
}

impl<'c> Pinned<'c> {
    #[inline]
    pub(crate) fn new(guard: Guard<Arc<Loaded>>) -> Self {
        Self { guard, stays_on_its_thread: PhantomData }
    }
}

impl sealed::Sealed for Pinned<'_> {}

impl Held for Pinned<'_> {
    #[inline]
    fn loaded(&self) -> &Loaded {
        &self.guard
    }
}

impl<R: Held> Snapshot<R> {
    #[inline]
    pub(crate) fn new(held: R) -> Self {
        Self { held }
    }

    /// Asks for a typed flag: the value, the variant and why. The value is the code's default
    /// wherever the rules have none.
    ///
    /// ```
    /// use flags_client::{Client, Entity, Flag, Reason};
    ///
    /// const PAGE_SIZE: Flag<i64> = Flag::new("page-size", 50);
    ///
    /// let flags = Client::empty().snapshot();
    /// let answer = flags.get(&PAGE_SIZE, &Entity::user("u-17"));
    /// assert_eq!((answer.value, answer.reason), (50, Reason::FlagNotFound));
    /// ```
    #[inline(always)]
    pub fn get<T: FlagValue>(
        &self,
        flag: &Flag<T>,
        context: &(impl Context + ?Sized),
    ) -> Answer<'_, T::Ref<'_>> {
        let Loaded { ruleset, misuses, time } = self.held.loaded();
        ruleset.get_or_notice(flag, context, time.clock.reader(), |reason| {
            misuses.notice(flag, reason, ruleset);
        })
    }

    /// Whether a boolean flag serves `true`.
    #[inline(always)]
    pub fn is_on(&self, flag: &Flag<bool>, context: &(impl Context + ?Sized)) -> bool {
        self.value(flag, context)
    }

    /// The value of [`get`](Self::get) alone, which costs less.
    #[inline(always)]
    pub(crate) fn value<T: FlagValue>(
        &self,
        flag: &Flag<T>,
        context: &(impl Context + ?Sized),
    ) -> T::Ref<'_> {
        let Loaded { ruleset, misuses, time } = self.held.loaded();
        ruleset.value_or_notice(flag, context, time.clock.reader(), |reason| {
            misuses.notice(flag, reason, ruleset);
        })
    }

    /// Asks for a flag of any type, by a key that is known at run time only.
    ///
    /// ```
    /// use flags_client::{Client, Entity, Flag, Value};
    ///
    /// let client = Client::empty().overriding([Flag::<i64>::new("page-size", 50).to(20)]);
    /// let flags = client.snapshot();
    /// let evaluation = flags.evaluate("page-size", &Entity::user("u-17"));
    /// assert_eq!(evaluation.value, Some(Value::Integer(20)));
    /// ```
    #[inline(always)]
    pub fn evaluate<'k>(
        &self,
        flag: impl Into<FlagKey<'k>>,
        context: &(impl Context + ?Sized),
    ) -> Evaluation<'_> {
        let Loaded { ruleset, misuses, time } = self.held.loaded();
        let key = flag.into();
        let evaluation = ruleset.evaluate(key, context, time.clock.reader());
        if evaluation.value.is_some() {
            return evaluation;
        }
        if evaluation.reason == Reason::FlagNotFound {
            misuses.missing(key, None);
        }
        evaluation
    }

    /// Every flag's key and answer for one context, in no particular order, with nothing
    /// allocated: for a page, or to hand on to a browser. All answers use one instant.
    ///
    /// ```
    /// use flags_client::{Client, Entity, Flag};
    ///
    /// const EXPORTS: Flag<bool> = Flag::new("exports", false);
    ///
    /// let flags = Client::empty().overriding([EXPORTS.to(true)]).snapshot();
    /// let user = Entity::user("u-17");
    /// let answers = flags.evaluate_all(&user);
    /// let on: Vec<&str> = answers.filter(|(_, answer)| answer.is_true()).map(|(key, _)| key).collect();
    /// assert_eq!(on, ["exports"]);
    /// ```
    pub fn evaluate_all<'s: 'c, 'c>(
        &'s self,
        context: &'c (impl Context + ?Sized),
    ) -> impl Iterator<Item = (&'s str, Evaluation<'s>)> {
        let Loaded { ruleset, time, .. } = self.held.loaded();
        ruleset.evaluate_all(context, time.clock.reader())
    }

    /// The same with every step that led to the answer, for people and tools. It allocates.
    ///
    /// ```
    /// use flags_client::{Client, Entity};
    ///
    /// let flags = Client::empty().snapshot();
    /// let explanation = flags.explain("page-size", &Entity::user("u-17"));
    /// assert_eq!(
    ///     explanation.to_string(),
    ///     "page-size serves the caller's default: flag_not_found\n",
    /// );
    /// ```
    pub fn explain<'k>(
        &self,
        flag: impl Into<FlagKey<'k>>,
        context: &(impl Context + ?Sized),
    ) -> Explanation<'_> {
        let Loaded { ruleset, time, .. } = self.held.loaded();
        ruleset.explain(flag, context, time.clock.reader())
    }

    /// What a tenant's contract grants of a feature at this moment, and why: the access, the value
    /// and where it comes from.
    ///
    /// A client holds all tenants of its environment, or none, as its token's scope is: where it
    /// holds none, and before the first ruleset, every tenant is `tenant_unknown`.
    ///
    /// It allocates nothing, and reads the clock where the contract has something to come, or the
    /// feature [an age](Feature::when_stale). To ask by a key that is known at run time only, or
    /// at another instant, there is [`Ruleset::entitlement`].
    ///
    /// ```
    /// use flags_client::{Access, Client, EntitlementReason, Feature};
    ///
    /// const SSO: Feature = Feature::new("sso");
    ///
    /// let flags = Client::empty().snapshot();
    /// let decision = flags.entitlement(&SSO, "acme");
    /// assert_eq!(decision.access, Access::None);
    /// assert_eq!(decision.reason, EntitlementReason::TenantUnknown);
    /// ```
    #[must_use]
    #[inline]
    pub fn entitlement<T: FeatureValue>(&self, feature: &Feature<T>, tenant: &str) -> Decision<'_> {
        self.loaded().decide(feature, tenant, Asking::Value)
    }

    /// A tenant's limit, to be asked whether more may be had: [`Client::limit`] has an example.
    ///
    /// [`Client::limit`]: crate::Client::limit
    #[must_use]
    #[inline]
    pub fn limit<'a>(&'a self, feature: &'a Feature<Limit>, tenant: &'a str) -> LimitOf<'a, Self> {
        LimitOf { asked: self, feature, tenant }
    }

    /// The decision without what is lent.
    #[inline]
    pub(crate) fn ruling<T: FeatureValue>(&self, feature: &Feature<T>, tenant: &str) -> Ruling {
        Ruling::of_value(feature.key(), &self.entitlement(feature, tenant))
    }

    #[inline(always)]
    pub(crate) fn loaded(&self) -> &Loaded {
        self.held.loaded()
    }

    /// Where it stands; `None` while the client has no ruleset.
    pub fn position(&self) -> Option<&Position> {
        self.ruleset().position()
    }

    /// The revision it shows; 0 while the client has no ruleset.
    pub fn revision(&self) -> Revision {
        self.ruleset().revision()
    }

    /// The ruleset itself, to ask at another instant than the present one.
    pub fn ruleset(&self) -> &Ruleset {
        &self.held.loaded().ruleset
    }
}

impl<R: Held> fmt::Debug for Snapshot<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("position", &self.position()).finish_non_exhaustive()
    }
}

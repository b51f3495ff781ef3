//! Typed features: a key whose type the compiler checks.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use flags_core::{FeatureKey, FeatureType, Limit};

use super::stale::{Age, WhenStale};

/// Something that is sold, as a service's code knows it: its key, its type, and what holds while
/// the server is away for long.
///
/// A constant costs nothing: its key is hashed at compile time.
///
/// | feature | what is granted |
/// |---|---|
/// | `Feature`, that is `Feature<bool>` | the feature, or not |
/// | `Feature<Limit>` | so many, or unlimited: ask [`Client::limit`](crate::Client::limit) |
/// | `Feature<Options>` | some of its options |
/// | `Feature<Json>` | a JSON value |
///
/// ```
/// use flags_client::{Client, Feature, Limit};
///
/// const SSO: Feature = Feature::new("sso");
/// const SEATS: Feature<Limit> = Feature::new("seats");
///
/// fn may_invite(flags: &Client, tenant: &str, members: u64) -> bool {
///     flags.limit(&SEATS, tenant).check(members).is_allowed()
/// }
/// let flags = Client::empty();
/// assert!(!may_invite(&flags, "acme", 3));
/// assert!(!flags.entitlement(&SSO, "acme").is_allowed());
/// ```
///
/// A feature that is of another type in the catalogue is denied, as `feature_invalid`, and one that
/// is not there as `feature_unknown`. The first time that a stored tenant is asked for one, that is
/// logged and listed in [`Status::misused`](crate::Status::misused);
/// [`Ruleset::feature_misfit`](crate::Ruleset::feature_misfit) tells it beforehand, for a check at
/// the start.
pub struct Feature<T = bool> {
    pub(super) key: FeatureKey<'static>,
    pub(super) age: Option<Age>,
    feature_type: PhantomData<fn() -> T>,
}

impl<T> Feature<T> {
    /// Its key.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        self.key.key()
    }
}

impl<T: FeatureValue> Feature<T> {
    /// A feature. While a client knows nothing of it or of a tenant, nobody has access.
    ///
    /// The key is not checked: one that no feature can have is never found.
    #[must_use]
    pub const fn new(key: &'static str) -> Self {
        Self { key: FeatureKey::new(key), age: None, feature_type: PhantomData }
    }

    /// What holds when the server has not been heard for longer than `after`: without this, what
    /// was known last holds for as long as it takes.
    ///
    /// Contracts end at their millisecond in any case; this is about changes that the client
    /// cannot know of. The age is the time since the last snapshot, change or heartbeat, which
    /// come every few seconds while all is well; in a client that has begun with its cache file,
    /// since those of the earlier run, to about a minute. A [fixed](crate::Client::fixed) client
    /// has no age. Such a feature reads the clock for each answer.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use flags_client::{Feature, WhenStale};
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 3600);
    /// const EXPORTS: Feature = Feature::new("exports").when_stale(DAY, WhenStale::ReadOnly);
    /// # let _ = EXPORTS;
    /// ```
    #[must_use]
    pub const fn when_stale(self, after: Duration, then: WhenStale) -> Self {
        Self { age: Some(Age { after, then }), ..self }
    }
}

impl<T> Clone for Feature<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Feature<T> {}

impl<T> fmt::Debug for Feature<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feature").field("key", &self.key()).field("age", &self.age).finish()
    }
}

/// What a [`Feature`] can grant: `bool`, [`Limit`], [`Options`] and [`Json`]. Nobody else
/// implements it.
#[diagnostic::on_unimplemented(
    message = "a feature cannot grant a `{Self}`",
    note = "a feature is of `bool`, `Limit`, `Options` or `Json`"
)]
pub trait FeatureValue: sealed::Sealed + 'static {
    /// The type of the features that grant it.
    const TYPE: FeatureType;
}

/// What a `Feature<Options>` grants: some of the options that it declares, as
/// [`Granted::Options`](crate::Granted::Options) in [`Decision::value`](crate::Decision::value).
///
/// ```
/// use flags_client::{Client, Feature, Granted, Options};
///
/// const REGIONS: Feature<Options> = Feature::new("regions");
///
/// fn may_use(flags: &Client, tenant: &str, region: &str) -> bool {
///     match flags.snapshot().entitlement(&REGIONS, tenant).value {
///         Some(Granted::Options(regions)) => regions.contains(region),
///         _ => false,
///     }
/// }
/// assert!(!may_use(&Client::empty(), "acme", "eu"));
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Options {}

/// What a `Feature<Json>` grants: a JSON value, as [`Granted::Json`](crate::Granted::Json) in
/// [`Decision::value`](crate::Decision::value).
#[derive(Debug, Clone, Copy)]
pub enum Json {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! feature_value {
    ($type:ty, $variant:ident) => {
        impl sealed::Sealed for $type {}

        impl FeatureValue for $type {
            const TYPE: FeatureType = FeatureType::$variant;
        }
    };
}

feature_value!(bool, Boolean);
feature_value!(Limit, Limit);
feature_value!(Options, Options);
feature_value!(Json, Json);

use std::marker::PhantomData;

use flags_core::{Limit, OverrideMode};
use serde_json::Value;

use super::clock::Instant;
use crate::entitlement::{Json, Options};

/// An exception of a contract, an override of a feature that grants a `T`: for
/// [`TestTenant::except`](super::TestTenant::except).
///
/// ```
/// use flags_client::testing::{TestFlags, TestOverride};
/// use flags_client::{Feature, Limit, Options};
///
/// const SEATS: Feature<Limit> = Feature::new("seats");
/// const REGIONS: Feature<Options> = Feature::new("regions");
///
/// let test = TestFlags::new()
///     .at("2026-11-20T12:00:00Z")
///     .tenant("acme")
///     .limit(&SEATS, 5)
///     .except(&SEATS, TestOverride::add(3))
///     .except(&SEATS, TestOverride::at_most(6).from("2026-12-01T00:00:00Z"))
///     .options(&REGIONS, &["eu"])
///     .except(&REGIONS, TestOverride::add_options(&["us"]).until("2026-12-01T00:00:00Z"));
/// let flags = test.client();
/// let seats = || flags.entitlement(&SEATS, "acme").limit;
/// assert_eq!(seats(), Some(Limit::At(8)));
/// test.clock().set("2026-12-01T00:00:00Z");
/// assert_eq!(seats(), Some(Limit::At(6)));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct TestOverride<T> {
    pub(super) mode: OverrideMode,
    pub(super) value: Value,
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
    of: PhantomData<fn() -> T>,
}

impl<T> TestOverride<T> {
    fn new(mode: OverrideMode, value: impl Into<Value>) -> Self {
        Self { mode, value: value.into(), start: None, end: None, of: PhantomData }
    }

    /// Not this feature.
    pub fn deny() -> Self {
        Self::new(OverrideMode::Deny, Value::Null)
    }

    /// From this instant on; from the beginning of time unless said.
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    #[track_caller]
    pub fn from(mut self, start: impl Instant) -> Self {
        self.start = Some(start.timestamp().to_string());
        self
    }

    /// Up to this instant, when it does not hold any more; for good unless said.
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    #[track_caller]
    pub fn until(mut self, end: impl Instant) -> Self {
        self.end = Some(end.timestamp().to_string());
        self
    }
}

impl TestOverride<bool> {
    /// The feature, whatever the plan has.
    pub fn feature() -> Self {
        Self::new(OverrideMode::Set, true)
    }
}

impl TestOverride<Limit> {
    /// So many, whatever the plan has.
    pub fn limit(limit: u64) -> Self {
        Self::new(OverrideMode::Set, limit)
    }

    /// As many as there are.
    pub fn unlimited() -> Self {
        Self::new(OverrideMode::Set, "unlimited")
    }

    /// So many more, or, below 0, fewer.
    pub fn add(amount: i64) -> Self {
        Self::new(OverrideMode::Add, amount)
    }

    /// So many, if it would be fewer.
    pub fn at_least(limit: u64) -> Self {
        Self::new(OverrideMode::AtLeast, limit)
    }

    /// So many, if it would be more.
    pub fn at_most(limit: u64) -> Self {
        Self::new(OverrideMode::AtMost, limit)
    }
}

impl TestOverride<Options> {
    /// These options, whatever the plan has.
    pub fn options(options: &[&str]) -> Self {
        Self::new(OverrideMode::Set, options)
    }

    /// These options, too.
    pub fn add_options(options: &[&str]) -> Self {
        Self::new(OverrideMode::Add, options)
    }

    /// Not these options.
    pub fn remove_options(options: &[&str]) -> Self {
        Self::new(OverrideMode::Remove, options)
    }
}

impl TestOverride<Json> {
    /// This value, whatever the plan has.
    pub fn json(value: Value) -> Self {
        Self::new(OverrideMode::Set, value)
    }
}

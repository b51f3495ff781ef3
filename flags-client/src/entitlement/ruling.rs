//! A decision that borrows nothing, and what a service does with it.

use flags_core::{Access, Decision, EntitlementReason, Limit, Timestamp};

use super::refusal::Refusal;

/// What holds for a tenant and a feature, without what the ruleset lends: from
/// [`Client::entitlement`](crate::Client::entitlement) and [`Client::limit`](crate::Client::limit).
///
/// The value of a feature with options or JSON, and the source of any value, are lent by a
/// [`Snapshot`](crate::Snapshot::entitlement).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Ruling {
    /// The feature's key.
    pub feature: &'static str,
    /// What the tenant may do. Under a limit: with what is used and requested.
    pub access: Access,
    /// Why.
    pub reason: EntitlementReason,
    /// The limit, of a feature that is one.
    pub limit: Option<Limit>,
    /// What is used, where the question said so.
    pub used: Option<u64>,
    /// What more was asked for, where the question said so.
    pub requested: Option<u64>,
    /// What is left of the limit beside what is used, where the question said so.
    pub remaining: Option<Limit>,
    /// When it may be another ruling by the clock alone; `None` where no such instant is known.
    pub valid_until: Option<Timestamp>,
}

/// What a service does about a [`Ruling`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Let it happen.
    Allowed,
    /// Let what is there be read; refuse to change it, and why.
    ReadOnly(Refusal),
    /// Refuse it, and why.
    Refused(Refusal),
}

impl Ruling {
    #[inline]
    pub(crate) fn of_value(feature: &'static str, decision: &Decision<'_>) -> Self {
        let Decision { access, reason, limit, remaining, valid_until, .. } = *decision;
        Self { feature, access, reason, limit, used: None, requested: None, remaining, valid_until }
    }

    #[inline]
    pub(crate) fn of_limit(
        feature: &'static str,
        used: u64,
        requested: u64,
        decision: &Decision<'_>,
    ) -> Self {
        let (used, requested) = (Some(used), Some(requested));
        Self { used, requested, ..Self::of_value(feature, decision) }
    }

    /// No access.
    #[cfg(feature = "axum")]
    pub(super) fn without_access(feature: &'static str, reason: EntitlementReason) -> Self {
        Self {
            feature,
            access: Access::None,
            reason,
            limit: None,
            used: None,
            requested: None,
            remaining: None,
            valid_until: None,
        }
    }

    /// What to do about it.
    ///
    /// A limit of 0 that is granted, asked for without a use, is refused as one that is reached.
    ///
    /// ```
    /// use flags_client::{Client, Feature, Verdict};
    ///
    /// const EXPORTS: Feature = Feature::new("exports");
    ///
    /// fn button(flags: &Client, tenant: &str) -> String {
    ///     match flags.entitlement(&EXPORTS, tenant).verdict() {
    ///         Verdict::Allowed => "Export".to_owned(),
    ///         Verdict::ReadOnly(why) | Verdict::Refused(why) => why.hint().to_owned(),
    ///     }
    /// }
    /// assert_eq!(button(&Client::empty(), "acme"), "Ask support.");
    /// ```
    #[must_use]
    #[inline]
    pub fn verdict(self) -> Verdict {
        let is_void = self.used.is_none() && self.limit == Some(Limit::At(0));
        match self.access {
            Access::Full if !is_void => Verdict::Allowed,
            Access::ReadOnly if !is_void => Verdict::ReadOnly(Refusal::new(self)),
            Access::None => Verdict::Refused(Refusal::new(self)),
            Access::Full | Access::ReadOnly => {
                let reason = EntitlementReason::LimitReached;
                Verdict::Refused(Refusal::new(Self { access: Access::None, reason, ..self }))
            }
        }
    }

    /// Whether everything may be done.
    #[must_use]
    #[inline]
    pub fn is_allowed(self) -> bool {
        self.verdict() == Verdict::Allowed
    }

    /// Whether what is there may be read at least.
    #[must_use]
    #[inline]
    pub fn is_readable(self) -> bool {
        !matches!(self.verdict(), Verdict::Refused(_))
    }

    /// For `?` before something is changed.
    ///
    /// # Errors
    /// Unless it [is allowed](Self::is_allowed).
    #[inline]
    pub fn require_full(self) -> Result<(), Refusal> {
        match self.verdict() {
            Verdict::Allowed => Ok(()),
            Verdict::ReadOnly(refusal) | Verdict::Refused(refusal) => Err(refusal),
        }
    }

    /// For `?` before something is read.
    ///
    /// # Errors
    /// Unless it [is readable](Self::is_readable).
    #[inline]
    pub fn require_read(self) -> Result<(), Refusal> {
        match self.verdict() {
            Verdict::Allowed | Verdict::ReadOnly(_) => Ok(()),
            Verdict::Refused(refusal) => Err(refusal),
        }
    }
}

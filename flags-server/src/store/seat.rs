//! What tenants use of their limits: seats, what products report, and thresholds.

use flags_core::Timestamp;

use super::{EnvironmentId, Page, StoreResult};

/// A seat by its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredSeat {
    pub(crate) user: String,
    pub(crate) assigned_at: Timestamp,
}

/// How it is known what a tenant uses of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counter {
    /// Seats are assigned here.
    Seats,
    /// The product says it.
    Usage,
}

impl Counter {
    /// The counter of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::Seats, Self::Usage].into_iter().find(|counter| counter.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Seats => "seats",
            Self::Usage => "usage",
        }
    }
}

/// A limit of a tenant, and how its use is known: what is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Counted {
    pub(crate) tenant: String,
    pub(crate) feature: String,
    pub(crate) counter: Counter,
}

/// How much of a limit a tenant uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredUse {
    pub(crate) of: Counted,
    pub(crate) used: u64,
    /// When it was so.
    pub(crate) at: Timestamp,
    /// The highest threshold that it is at, in percent; 0 below all of them.
    pub(crate) level: u32,
}

/// That a use came to a threshold from below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crossing {
    /// Later ones have higher ones; 0 of one that is not yet stored.
    pub(crate) id: u64,
    pub(crate) of: Counted,
    /// In percent.
    pub(crate) threshold: u32,
    pub(crate) used: u64,
    pub(crate) limit: u64,
    pub(crate) at: Timestamp,
}

/// What tenants use of their limits.
pub(crate) trait Uses {
    /// When a user got a seat; `None` without one.
    fn seat(
        &self,
        environment: EnvironmentId,
        tenant: &str,
        feature: &str,
        user: &str,
    ) -> StoreResult<Option<Timestamp>>;

    /// The seats of a feature that a tenant has assigned, sorted by user.
    fn seats(
        &self,
        environment: EnvironmentId,
        tenant: &str,
        feature: &str,
        page: &Page,
    ) -> StoreResult<Vec<StoredSeat>>;

    /// The tenants and features of which a user has seats.
    fn seats_of_user(
        &self,
        environment: EnvironmentId,
        user: &str,
    ) -> StoreResult<Vec<(String, String)>>;

    /// How many seats an environment has.
    fn seat_count(&self, environment: EnvironmentId) -> StoreResult<u64>;

    /// How much is used; `None` where there are no seats, or nothing was reported.
    fn used(&self, environment: EnvironmentId, of: &Counted) -> StoreResult<Option<StoredUse>>;

    /// All that a tenant uses, sorted.
    fn used_by(&self, environment: EnvironmentId, tenant: &str) -> StoreResult<Vec<StoredUse>>;

    /// What all tenants of an environment use, sorted, after one.
    fn uses(
        &self,
        environment: EnvironmentId,
        after: Option<&Counted>,
        limit: u32,
    ) -> StoreResult<Vec<StoredUse>>;

    /// Some tenants that use a feature, up to `limit`.
    fn tenants_that_use(
        &self,
        environment: EnvironmentId,
        feature: &str,
        limit: u32,
    ) -> StoreResult<Vec<String>>;

    /// Crossings of thresholds in an environment after one, in their order.
    fn crossings(
        &self,
        environment: EnvironmentId,
        after: u64,
        limit: u32,
    ) -> StoreResult<Vec<Crossing>>;
}

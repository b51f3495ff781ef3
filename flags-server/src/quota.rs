//! How much may be asked, and by whom: what is configured, and what counts it.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::limits::ADDRESS_METERS;

/// The time that a quota of requests is for.
pub(crate) const WINDOW_SECONDS: u64 = 60;

/// How much may be asked of a server, each bound a setting.
///
/// ```
/// let quotas = flags_server::Quotas { streams_per_token: 100, ..Default::default() };
/// assert_eq!(quotas.admin_requests_per_minute.get(), 6_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// How many requests to the admin API each token may send in a minute.
    pub admin_requests_per_minute: NonZeroU32,
    /// How many requests of SDKs each token may send in a minute; all instances of a service share
    /// a token.
    pub sdk_requests_per_minute: NonZeroU32,
    /// How many requests without a valid token each address may send in a minute.
    pub failed_authentications_per_minute: NonZeroU32,
    /// How many streams each token may have open.
    pub streams_per_token: u32,
}

impl Quotas {
    const DEFAULT: Self = Self {
        admin_requests_per_minute: number(6_000),
        sdk_requests_per_minute: number(120_000),
        failed_authentications_per_minute: number(60),
        streams_per_token: 20_000,
    };
}

impl Default for Quotas {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const fn number(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// Counts requests: so many of them in [`WINDOW_SECONDS`], all at once or one by one.
pub(crate) struct Meter<C: Clock = DefaultClock> {
    name: &'static str,
    quota: NonZeroU32,
    limiter: RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>,
    clock: C,
}

/// Where a meter stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// What the quota is called.
    pub(crate) name: &'static str,
    pub(crate) quota: u32,
    /// How many more there may be now.
    pub(crate) remaining: u32,
    /// How long until one more may be, if this one was one too many.
    pub(crate) refused_for: Option<Duration>,
}

impl Meter {
    pub(crate) fn new(name: &'static str, quota: NonZeroU32) -> Self {
        Self::with_clock(name, quota, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Meter<C> {
    fn with_clock(name: &'static str, quota: NonZeroU32, clock: C) -> Self {
        let rate = Quota::per_minute(quota);
        let limiter = RateLimiter::direct_with_clock(rate, clock.clone()).with_middleware();
        Self { name, quota, limiter, clock }
    }

    /// Counts a request; one that is refused is not counted.
    pub(crate) fn count(&self) -> Reading {
        let (remaining, refused_for) = match self.limiter.check() {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(until) => (0, Some(until.wait_time_from(self.clock.now()))),
        };
        Reading { name: self.name, quota: self.quota.get(), remaining, refused_for }
    }
}

impl Reading {
    /// Seconds until the whole quota is there again.
    pub(crate) fn full_after_seconds(&self) -> u64 {
        let spent = u64::from(self.quota.saturating_sub(self.remaining));
        (spent * WINDOW_SECONDS).div_ceil(u64::from(self.quota))
    }
}

/// Meters for all addresses there are, in a fixed amount of memory: some share one. Which ones
/// differs from process to process, so that nobody can aim at somebody else's.
pub(crate) struct AddressMeters {
    meters: Box<[Meter]>,
    order: RandomState,
}

impl AddressMeters {
    pub(crate) fn new(name: &'static str, quota: NonZeroU32) -> Self {
        let meters = (0..ADDRESS_METERS).map(|_| Meter::new(name, quota)).collect();
        Self { meters, order: RandomState::new() }
    }

    /// `None` never comes about: there are meters.
    pub(crate) fn of(&self, address: IpAddr) -> Option<&Meter> {
        let number = self.order.hash_one(subscriber(address)) % ADDRESS_METERS;
        self.meters.get(usize::try_from(number).ok()?)
    }
}

/// Whoever has one address of an IPv6 network has all of them.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    #[test]
    fn a_quota_can_be_spent_at_once_and_comes_back_evenly() {
        let clock = FakeRelativeClock::default();
        let meter = Meter::with_clock("x", number(60), clock.clone());
        for remaining in (0..60).rev() {
            let reading = meter.count();
            assert_eq!((reading.remaining, reading.refused_for), (remaining, None));
            assert_eq!(reading.full_after_seconds(), 60 - u64::from(remaining));
        }
        let refused = meter.count();
        assert_eq!(refused.refused_for, Some(Duration::from_secs(1)));
        assert_eq!(refused.remaining, 0);
        clock.advance(Duration::from_secs(1));
        assert_eq!(meter.count().refused_for, None);
        assert!(meter.count().refused_for.is_some());
        clock.advance(Duration::from_secs(600));
        assert_eq!(meter.count().remaining, 59);
    }

    #[test]
    fn an_address_is_counted_as_its_subscriber() {
        let of = |text: &str| subscriber(text.parse().unwrap());
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn an_address_that_spent_its_quota_leaves_others_theirs() {
        let meters = AddressMeters::new("x", number(2));
        let count = |last: u8| meters.of(IpAddr::from([192, 0, 2, last])).unwrap().count();
        while count(1).refused_for.is_none() {}
        // Hardly any of the others shares its meter.
        assert!((2..=255).filter(|last| count(*last).refused_for.is_some()).count() < 20);
    }
}

//! What the tests of a service need: contracts and flags made up on the spot, and a clock to move.
//!
//! Nothing is mocked. What a test says becomes definitions as the server has them, and the client
//! is a real one, which the same core answers for. Everything belongs to a value, so that tests
//! which run at the same time cannot meet; there is no server, no runtime and nothing to reset.
//!
//! ```
//! use std::time::Duration;
//!
//! use flags_client::testing::TestFlags;
//! use flags_client::{Client, Feature, Flag, Limit, Remedy};
//!
//! const SEATS: Feature<Limit> = Feature::new("seats");
//! const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
//!
//! /// A piece of the service.
//! fn invite(flags: &Client, tenant: &str, members: u64) -> Result<(), Remedy> {
//!     flags.limit(&SEATS, tenant).check(members).require_full().map_err(|why| why.remedy())
//! }
//!
//! let test = TestFlags::new()
//!     .at("2026-11-20T12:00:00Z")
//!     .flag(&NEW_CHECKOUT, true)
//!     .tenant("acme")
//!     .plan("pro")
//!     .limit(&SEATS, 5)
//!     .used(&SEATS, 4)
//!     .grace(Duration::from_secs(7 * 24 * 3600))
//!     .past_due_since("2026-11-20T12:00:00Z");
//! let flags = test.client();
//!
//! let members = test.usage(&SEATS, "acme");
//! assert_eq!(invite(&flags, "acme", members), Ok(()));
//! assert_eq!(invite(&flags, "acme", members + 1), Err(Remedy::BuyMore));
//!
//! test.clock().set("2026-11-27T12:00:00Z"); // the grace is over, at this millisecond
//! assert_eq!(invite(&flags, "acme", members), Err(Remedy::PayInvoice));
//! ```

mod clock;
mod exception;
mod package;
mod tenant;
mod terms;

use std::collections::BTreeMap;

use flags_core::{
    ADDON_KIND, Decoders, Document, Epoch, FEATURE_KIND, FeatureDefinition, FeatureType, Flag,
    Limit, Object, Override, OverrideValue, PLAN_KIND, TENANT_KIND, Timestamp,
};
use serde::Serialize;
use serde_json::Value;

pub use clock::{Instant, TestClock};
pub use exception::TestOverride;
pub use flags_core::{Combine, OverLimit, OverLimitPolicy};
pub use package::TestPackage;
pub use tenant::TestTenant;

use crate::client::Client;
use crate::clock::Time;
use crate::entitlement::Feature;
use crate::misuse::Misuses;
use tenant::{Plans, Tenant, sold};

/// The flags and the contracts of a test, of which clients are made; the [module](self) has an
/// example.
///
/// Its clock stands at 2026-01-01T00:00:00Z unless told otherwise. A flag that the test does not
/// set serves the default of the code, a feature that it does not name is `feature_unknown`, and a
/// tenant `tenant_unknown`.
#[derive(Debug, Clone)]
#[must_use]
pub struct TestFlags {
    clock: TestClock,
    last_heard: Option<Timestamp>,
    flags: Vec<Override>,
    features: BTreeMap<&'static str, FeatureDefinition>,
    tenants: Vec<Tenant>,
}

impl Default for TestFlags {
    fn default() -> Self {
        Self::new()
    }
}

impl TestFlags {
    /// Without flags, features and tenants.
    pub fn new() -> Self {
        Self {
            clock: TestClock::new("2026-01-01T00:00:00Z".timestamp()),
            last_heard: None,
            flags: Vec::new(),
            features: BTreeMap::new(),
            tenants: Vec::new(),
        }
    }

    /// The clock stands at this instant to begin with.
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    #[track_caller]
    pub fn at(self, now: impl Instant) -> Self {
        self.clock.set(now);
        self
    }

    /// As if clients followed a server and had last heard it then: for features that say what
    /// holds [when that is long ago](Feature::when_stale).
    ///
    /// # Panics
    /// If it is a text and not RFC 3339.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use flags_client::testing::TestFlags;
    /// use flags_client::{Access, Feature, WhenStale};
    ///
    /// const EXPORTS: Feature =
    ///     Feature::new("exports").when_stale(Duration::from_secs(3600), WhenStale::ReadOnly);
    ///
    /// let test = TestFlags::new()
    ///     .at("2026-11-20T12:00:00Z")
    ///     .last_heard("2026-11-20T12:00:00Z")
    ///     .tenant("acme")
    ///     .feature(&EXPORTS);
    /// let flags = test.client();
    /// assert_eq!(flags.entitlement(&EXPORTS, "acme").access, Access::Full);
    /// test.clock().set("2026-11-20T13:00:00.001Z");
    /// let ruling = flags.entitlement(&EXPORTS, "acme");
    /// assert_eq!((ruling.access, ruling.reason.name()), (Access::ReadOnly, "stale"));
    /// ```
    #[track_caller]
    pub fn last_heard(mut self, at: impl Instant) -> Self {
        self.last_heard = Some(at.timestamp());
        self
    }

    /// A flag that serves this value to everybody, with the reason `override`.
    pub fn flag<T: OverrideValue>(mut self, flag: &Flag<T>, value: T::Given<'_>) -> Self {
        self.flags.push(flag.to(value));
        self
    }

    /// A tenant; what is said next is about it.
    ///
    /// # Panics
    /// If there is a tenant of this key.
    #[track_caller]
    pub fn tenant(mut self, key: &str) -> TestTenant {
        assert!(self.tenants.iter().all(|other| other.key != key), "`{key}` is there twice");
        self.tenants.push(Tenant::new(key));
        TestTenant::new(self)
    }

    /// A client for the service under test, by the [clock](Self::clock) of this value. Several of
    /// them go by the same clock and share nothing else.
    ///
    /// # Panics
    /// If a key or a value is none that a server would take, with the reason.
    #[must_use]
    #[track_caller]
    pub fn client(&self) -> Client {
        let time = Time::of_test(&self.clock, self.last_heard);
        let misuses = Misuses::new(false);
        let client = Client::of_document(&self.document(), Decoders::new(), misuses, time);
        for object in &*client.status().invalid {
            let why: Vec<_> = object.diagnostics.iter().map(ToString::to_string).collect();
            assert!(why.is_empty(), "the {} `{}`: {}", object.kind, object.key, why.join("; "));
        }
        client.overriding(self.flags.iter().cloned())
    }

    /// The clock of this value's clients.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// What a tenant uses of a limit: 0, unless it [was said](TestTenant::used).
    #[must_use]
    pub fn usage(&self, feature: &Feature<Limit>, tenant: &str) -> u64 {
        let tenant = self.tenants.iter().find(|known| known.key == tenant);
        tenant.and_then(|tenant| tenant.used.get(feature.key()).copied()).unwrap_or(0)
    }

    /// What is sold: everything that a tenant is said to have, or not to have.
    #[track_caller]
    fn declare(
        &mut self,
        feature: &'static str,
        feature_type: FeatureType,
    ) -> &mut FeatureDefinition {
        let known = self.features.entry(feature).or_insert_with(|| sold(feature_type));
        assert!(known.feature_type == feature_type, "`{feature}` is of two types");
        known
    }

    #[track_caller]
    fn declare_package(&mut self, package: &TestPackage) {
        for grant in &package.grants {
            self.declare(grant.feature, grant.feature_type);
            self.declare_options(grant.feature, &grant.value);
        }
    }

    /// The options that a grant or an override names.
    fn declare_options(&mut self, feature: &str, value: &Value) {
        if let Some(known) = self.features.get_mut(feature)
            && known.feature_type == FeatureType::Options
            && let Some(named) = value.as_array()
        {
            for option in named.iter().filter_map(Value::as_str) {
                if !known.options.iter().any(|known| known == option) {
                    known.options.push(option.to_owned());
                }
            }
        }
    }

    /// The definitions, as a server would send them.
    fn document(&self) -> Document {
        let mut objects = Vec::new();
        for (key, feature) in &self.features {
            objects.push(object(FEATURE_KIND, key, feature));
        }
        let (mut plans, mut addons) = (Plans::default(), BTreeMap::new());
        for tenant in &self.tenants {
            objects.push(object(TENANT_KIND, &tenant.key, &tenant.definition(&mut plans)));
            addons.extend(tenant.addons.iter().map(|(addon, _)| (&addon.key, addon)));
        }
        for (key, plan) in &plans.0 {
            objects.push(object(PLAN_KIND, key, plan));
        }
        for (key, addon) in addons {
            objects.push(object(ADDON_KIND, key, &addon.addon_definition()));
        }
        Document { revision: 1, objects, ..Document::empty(Epoch::new("test")) }
    }
}

#[expect(clippy::expect_used, reason = "the core's own definitions can be written as JSON")]
fn object(kind: &str, key: &str, definition: &impl Serialize) -> Object {
    Object::new(kind, key, 1, definition).expect("definitions can be written as JSON")
}

//! Feature flags inside a service: answers from memory, kept up to date by a *flags* server.
//!
//! ```text
//!              snapshot, then changes           one atomic load
//!   server ───────────────────────▶ ruleset ─────────────────────▶ answer
//!                (background task)     │         (any thread)
//!                                      ▼
//!                                 cache file
//! ```
//!
//! Asking for a flag is a function call: no lock, no allocation, no I/O, no error. Whatever goes
//! wrong between client and server is kept from the service and said in the client's
//! [status](Client::status).
//!
//! # A service
//!
//! Flags are constants: a key, a type, and the value that holds while nothing else is known.
//!
//! ```no_run
//! use flags_client::{Client, Entity, Flag};
//!
//! const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
//! const PAGE_SIZE: Flag<i64> = Flag::new("page-size", 50);
//!
//! fn checkout(flags: &Client, user: &str, account: &str, country: &str) {
//!     let about = [("country", country.into())];
//!     let context = [Entity::user(user), Entity::tenant(account).with(&about)];
//!     if flags.is_on(&NEW_CHECKOUT, &context) {
//!         println!("the new one, {} to a page", flags.get(&PAGE_SIZE, &context));
//!     }
//! }
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let flags = Client::builder("https://flags.example.com", std::env::var("FLAGS_SDK_TOKEN")?)
//!     .cache_file("/var/lib/shop/flags.cache")
//!     .connect()
//!     .await?;
//! checkout(&flags, "u-17", "acme", "DE");
//! # Ok(())
//! # }
//! ```
//!
//! # Types of flags
//!
//! `Flag<bool>`, `Flag<i64>`, `Flag<f64>`, `Flag<&str>`, and for JSON `Flag<&serde_json::Value>` or a
//! type of the service's own. Such a type is registered, so that a value is decoded once, when its
//! definition arrives, and lent by every answer:
//!
//! ```no_run
//! use flags_client::{Client, Decoded, Decoders, Entity, Flag};
//!
//! #[derive(serde::Deserialize)]
//! struct Limits {
//!     requests: u32,
//!     regions: Vec<String>,
//! }
//!
//! const LIMITS: Flag<Decoded<Limits>> = Flag::new("limits", Decoded(&DEFAULT_LIMITS));
//! static DEFAULT_LIMITS: Limits = Limits { requests: 10, regions: Vec::new() };
//!
//! # async fn start(token: String) -> Result<(), Box<dyn std::error::Error>> {
//! let flags = Client::builder("https://flags.example.com", token)
//!     .decoders(Decoders::new().with(&LIMITS))
//!     .connect()
//!     .await?;
//! let snapshot = flags.snapshot();
//! let limits = snapshot.get(&LIMITS, &Entity::tenant("acme")).value;
//! println!("{} requests from {:?}", limits.requests, limits.regions);
//! # Ok(())
//! # }
//! ```
//!
//! A flag that is not as the code says (missing, of another type, of a type that was not
//! registered, with a value that cannot be decoded) gives the code's default, with the reason
//! `flag_not_found` or `type_mismatch`. The first time an answer meets it, it is logged and listed
//! in [`Status::misused`]; a value that cannot be decoded already when it arrives, with the place
//! inside of it, once for each version of the flag. [`Ruleset::misfit`] tells it beforehand, for a
//! check at the start.
//!
//! # Entitlements
//!
//! A flag says what is released, an entitlement what was sold. The client holds the contracts of
//! all tenants of its environment beside the flags, and answers for them in the same way: from
//! memory, to the millisecond, also while the server is away. (With a token whose scope has no
//! tenants it holds none, and every tenant is `tenant_unknown`.) Features are constants, too:
//!
//! ```
//! use std::time::Duration;
//!
//! use flags_client::{Client, Feature, Limit, Refusal, Verdict, WhenStale};
//!
//! const DAY: Duration = Duration::from_secs(24 * 3600);
//!
//! const SSO: Feature = Feature::new("sso");
//! const SEATS: Feature<Limit> = Feature::new("seats");
//! const EXPORTS: Feature = Feature::new("exports").when_stale(DAY, WhenStale::ReadOnly);
//!
//! fn settings(flags: &Client, tenant: &str) -> String {
//!     match flags.entitlement(&SSO, tenant).verdict() {
//!         Verdict::Allowed => "single sign-on: on or off".to_owned(),
//!         Verdict::ReadOnly(_) => "single sign-on: on".to_owned(),
//!         Verdict::Refused(why) => format!("no single sign-on, as {why}. {}", why.hint()),
//!     }
//! }
//!
//! fn invite(flags: &Client, tenant: &str, members: u64) -> Result<(), Refusal> {
//!     flags.limit(&SEATS, tenant).check(members).require_full()?; // room for one more?
//!     // … insert the member, in the transaction that has counted them
//!     Ok(())
//! }
//!
//! // A test of it: real definitions, a real client, a clock of its own.
//! use flags_client::Remedy;
//! use flags_client::testing::TestFlags;
//!
//! let test = TestFlags::new()
//!     .at("2026-11-20T12:00:00Z")
//!     .tenant("acme")
//!     .plan("pro")
//!     .without(&SSO)
//!     .limit(&SEATS, 5)
//!     .used(&SEATS, 4)
//!     .ends_at("2027-01-01T00:00:00Z");
//! let flags = test.client();
//! assert_eq!(
//!     settings(&flags, "acme"),
//!     "no single sign-on, as `sso` is not included. Upgrade to a plan that includes it.",
//! );
//! let members = test.usage(&SEATS, "acme");
//! assert!(invite(&flags, "acme", members).is_ok());
//! assert_eq!(invite(&flags, "acme", members + 1).unwrap_err().remedy(), Remedy::BuyMore);
//!
//! test.clock().set("2027-01-01T00:00:00Z");
//! let refusal = invite(&flags, "acme", members).unwrap_err();
//! assert_eq!((refusal.status(), refusal.remedy()), (402, Remedy::Renew));
//! # let _ = EXPORTS;
//! ```
//!
//! A [`Refusal`] is what a service can answer with: it has a status (402 where money helps, else
//! 403), serialises as a problem of RFC 9457, and says what can be done as a [`Remedy`]. With the
//! feature `axum` it is a response of a handler, and `Guard` a layer that asks for a feature of
//! each request's tenant. [`Snapshot::entitlement`] tells besides where a value comes from, and
//! lends options and JSON values.
//!
//! # A test
//!
//! Overrides belong to a client value, so tests that run at the same time cannot meet. There is
//! nothing to mock, start or reset.
//!
//! ```
//! use flags_client::{Client, Entity, Flag};
//!
//! const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
//!
//! let flags = Client::empty().overriding([NEW_CHECKOUT.to(true)]);
//! assert!(flags.is_on(&NEW_CHECKOUT, &Entity::user("u-17")));
//! ```
//!
//! An override of a [`Decoded`] flag is given the value itself, whose type must be one that serde
//! can also write: `LIMITS.to(Limits { … })`. It needs no registration.
//!
//! # A unit of work
//!
//! Two questions to a [`Client`] may be answered from two revisions, if a change arrives in
//! between. What belongs together asks one [`Snapshot`], which also tells why, and which lends
//! text and JSON without copying them:
//!
//! ```
//! use flags_client::{Client, Entity, Flag};
//!
//! const SEARCH_ENGINE: Flag<&str> = Flag::new("search-engine", "classic");
//!
//! let client = Client::empty();
//! let flags = client.snapshot();
//! let answer = flags.get(&SEARCH_ENGINE, &Entity::tenant("acme"));
//! assert_eq!(answer.value, "classic");
//! assert_eq!(answer.reason.name(), "flag_not_found");
//! ```
//!
//! # When the server is away
//!
//! | what happens | what is served | [`State`] |
//! |---|---|---|
//! | the server is away at the start, and there is a cache file | the last known good ruleset of the last run | `Stale`, from `Disk` |
//! | … and there is none | the defaults of the code, with the reason `not_ready` | `Starting` |
//! | the connection breaks, the server restarts | the last good ruleset | `Stale`, until it resumes |
//! | the server sends what makes no sense | the last good ruleset | `Stale`, until it makes sense |
//! | the token is refused | the last good ruleset | `Stale` or `Starting`; logged as an error |
//! | one flag cannot be evaluated | the code's default for that flag alone | `Live`, with the flag in `invalid` |
//! | a feature or a contract cannot be read | no access, `feature_invalid`, to that feature or for that tenant alone | `Live`, with the object in `invalid` |
//! | a value cannot be decoded into the service's type | the code's default where that value would be | `Live`, with the flag in `undecodable` |
//!
//! The client goes on trying by itself, for ever: after pauses that grow up to a minute and are
//! drawn at random, so that many clients do not come back at the same moment; after what the
//! server asks for with `Retry-After` or `retry:`; and slowly, after one to two minutes, where the
//! token is refused. The stream resumes where it broke; a snapshot is fetched only where that
//! cannot help. The same holds for changes that cannot be applied.
//!
//! # Costs
//!
//! An answer costs one atomic load more than the evaluation itself, which
//! [overriding](Client::overriding) does not change. Threads do not contend; the first read of a
//! thread registers it once, and the first that meets a flag which is not as the code says reports
//! it: both allocate. Definitions are read and compiled on blocking threads, and a replaced
//! ruleset is freed there too, not by the last request that read it. A change of one flag compiles
//! that flag. An entitlement costs the same: the clock is read only where something of it is still
//! to come, or where the feature names an age.
//!
//! # Contexts
//!
//! Who asks is an [`Entity`] or an array of them, on the stack; or a struct that the service has
//! anyway, with [`#[derive(Context)]`](macro@Context). Neither copies anything.
//!
//! # Types of the core
//!
//! What a service names is re-exported here; its documentation says `use flags_core::…` where a
//! service says `use flags_client::…`.
//!
//! # Logging
//!
//! Events of [`tracing`](https://docs.rs/tracing): once when flags become live, once for each kind
//! of problem that begins, for objects that cannot be evaluated or decoded, and once for each flag
//! that is not as the code says. Tokens and contexts are never logged; a key that was asked for by
//! name and is missing is, so that a key should not be made of what users send.
//!
//! # What the server is told
//!
//! A name of this process, which is made up or [said](Builder::instance), that of the
//! [app](Builder::app), this crate's version, and which revisions are in force here since when. So
//! whoever changes a flag can see when it has arrived everywhere. Nothing of contexts and answers
//! is told; with [`Builder::receipts`] off, nothing at all.
//!
//! # Limits
//!
//! - an event of the stream: [`MAX_EVENT_BYTES`]; a larger change is fetched as a snapshot
//! - a snapshot, uncompressed: [`MAX_SNAPSHOT_BYTES`]; a larger one is refused, the old one stays
//! - a cache file: [`MAX_CACHE_BYTES`]; a larger one is ignored
//! - changes that wait for the disk: 16 MiB; beyond that the file stays behind until the next
//!   snapshot, and a start from it catches up from there
//! - flags that are listed as not being what the code says: 256; some hundreds more are counted
//!
//! # Limitations
//!
//! - The client needs a stream of server-sent events that arrives as it is sent. Behind a proxy
//!   that holds bodies back it learns of changes with a delay of minutes, by snapshots.
//! - A connection that breaks within its first minute counts as a failure: where something on the
//!   way cuts every stream that early, the pauses between them grow to a minute.
//! - [`Builder::connect`] needs a tokio runtime with I/O and time. When that runtime ends, the
//!   last ruleset keeps answering and nothing updates it any more.
//! - An update to a client with [overriding](Client::overriding) handles costs a little for each
//!   of them.
//! - What changed in the last second before a process is killed may be missing in its cache file.
//!
//! # Features
//!
//! - `rustls` (on unless turned off): `https`, with the certificates of the operating system
//! - `axum`: `Guard`, a layer that asks for a feature of a request's tenant, and refusals as
//!   responses. It needs `axum-core` 0.5, and nothing else that is not there anyway but `mime`.
//! - `testing`: the module `testing`, with contracts, flags and a clock for a service's tests. It
//!   adds no dependency; have it among the dev-dependencies.

#![forbid(unsafe_code)]

mod backoff;
mod builder;
mod cache;
mod client;
mod clock;
mod driver;
mod entitlement;
mod layer;
mod limits;
mod misuse;
mod receipts;
mod shared;
mod snapshot;
mod source;
mod status;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;

pub use builder::{BuildError, Builder};
pub use client::{Client, CopyValue};
pub use entitlement::{
    Asked, Feature, FeatureValue, Json, LimitOf, Options, Refusal, Remedy, Ruling, Verdict,
    WhenStale,
};
#[cfg(feature = "axum")]
pub use entitlement::{Guard, GuardFuture, Guarded};
/// What is known about a request, and the derive of it for a service's own struct.
///
/// ```
/// use flags_client::{Client, Context, Entity, Flag};
///
/// const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
///
/// #[derive(Context)]
/// #[context(kind = "tenant")]
/// struct Account {
///     #[context(key)]
///     id: String,
///     country: String,
///     employees: Option<u32>,
///     roles: Vec<String>,
/// }
///
/// #[derive(Context)]
/// struct Request<'a> {
///     #[context(nested)]
///     account: &'a Account,
///     #[context(key, kind = "user")]
///     user: &'a str,
/// }
///
/// fn checkout(flags: &Client, request: &Request<'_>) -> &'static str {
///     if flags.is_on(&NEW_CHECKOUT, request) { "new" } else { "old" }
/// }
///
/// let account =
///     Account { id: "acme".into(), country: "DE".into(), employees: None, roles: vec![] };
/// let request = Request { account: &account, user: "u-17" };
/// assert_eq!(checkout(&Client::empty(), &request), "old");
/// ```
///
/// More examples are at [the derive in `flags_core`](macro@flags_core::Context).
pub use flags_core::__client::Context;
#[doc(hidden)]
pub use flags_core::__private;
pub use flags_core::{
    ADDON_KIND, Access, Answer, Attribute, AttributeValue, Change, ContextKey, Decision, Decoded,
    Decoders, Diagnostic, Document, Entitlement, EntitlementReason, EntitlementSource, Entity,
    Epoch, Evaluation, Explanation, FEATURE_KIND, FLAG_KIND, FeatureKey, FeatureType, Flag,
    FlagKey, FlagType, FlagValue, Gap, Granted, GrantedOptions, InvalidObject, JsonContext,
    KeysChange, Lane, Limit, MembersChange, Misfit, Now, Object, ObjectChange, Outcome, Override,
    OverrideValue, PLAN_KIND, PackedStrings, Position, Question, Reason, Report, Revision, Ruleset,
    SEGMENT_KIND, SplitOutcome, Step, Strings, TENANT_KIND, Timestamp, Undecodable, Value,
};
pub use limits::{MAX_CACHE_BYTES, MAX_EVENT_BYTES, MAX_SNAPSHOT_BYTES};
pub use misuse::Misuse;
pub use secrecy::SecretString;
pub use snapshot::{Held, Owned, Pinned, Snapshot};
pub use status::{Counters, Problem, ProblemKind, Source, State, Status, TimedOut};

/// The code of the project's front page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FrontPage;

/// The code of the page about entitlements compiles and runs.
#[cfg(all(doctest, feature = "testing", feature = "axum"))]
#[doc = include_str!("../../docs/entitlements.md")]
struct OfEntitlements;

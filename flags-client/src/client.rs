//! The handle that a service holds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flags_core::{
    Context, Decoders, Document, Epoch, Flag, FlagValue, Limit, Override, Revision, Ruleset,
};
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::select;
use tokio::sync::oneshot;

use crate::builder::Builder;
use crate::clock::Time;
use crate::entitlement::{Feature, FeatureValue, LimitOf, Ruling};
use crate::layer::Layer;
use crate::misuse::Misuses;
use crate::shared::Shared;
use crate::snapshot::{Owned, Pinned, Snapshot};
use crate::status::{Source, State, Status, TimedOut};

/// Flags inside a service: answers from memory, kept up to date in the background.
///
/// A handle: cloning it is cheap, and all clones read the same ruleset. Reading takes no lock,
/// allocates nothing and never fails.
///
/// ```
/// use flags_client::{Client, Entity, Flag};
///
/// const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
/// const PAGE_SIZE: Flag<i64> = Flag::new("page-size", 50);
///
/// fn checkout(flags: &Client, account: &str) -> &'static str {
///     if flags.is_on(&NEW_CHECKOUT, &Entity::tenant(account)) { "new" } else { "old" }
/// }
/// let client = Client::empty();
/// assert_eq!(checkout(&client, "acme"), "old");
/// assert_eq!(checkout(&client.overriding([NEW_CHECKOUT.to(true)]), "acme"), "new");
/// assert_eq!(client.get(&PAGE_SIZE, &Entity::tenant("acme")), 50);
/// ```
#[derive(Clone)]
pub struct Client {
    layer: Arc<Layer>,
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// Its end tells the background task that no handle is left.
    _handles: Option<oneshot::Sender<()>>,
}

impl Client {
    /// Begins a client that follows the server at `url`, with an SDK token of the environment.
    ///
    /// The URL may have a path, under which the server's routes are. See [`Builder`] for settings
    /// and [`Builder::connect`] for an example.
    pub fn builder(url: impl Into<String>, token: impl Into<SecretString>) -> Builder {
        Builder::new(url.into(), token.into())
    }

    /// A client of a document that never changes: no server, no runtime. For tests and tools.
    ///
    /// ```
    /// use flags_client::{Client, Document, Entity, Flag};
    ///
    /// const EXPORTS: Flag<bool> = Flag::new("exports", false);
    ///
    /// let document: Document = serde_json::from_str(r#"{
    ///     "epoch": "tests", "revision": 1,
    ///     "objects": [{"kind": "flag", "key": "exports", "version": 1, "definition": {
    ///         "type": "boolean",
    ///         "variants": [{"name": "on", "value": true}, {"name": "off", "value": false}],
    ///         "state": {"on": true, "off_variant": "off", "fallthrough": {"variant": "on"}}
    ///     }}]
    /// }"#)?;
    /// let client = Client::fixed(&document);
    /// assert!(client.status().invalid.is_empty(), "{}", client.status());
    /// assert!(client.is_on(&EXPORTS, &Entity::user("u-17")));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn fixed(document: &Document) -> Self {
        Self::fixed_with(document, Decoders::new())
    }

    /// A [fixed](Self::fixed) client whose JSON flags are decoded into these types.
    ///
    /// ```
    /// use flags_client::{Client, Decoded, Decoders, Document, Entity, Flag};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Limits {
    ///     requests: u32,
    /// }
    ///
    /// const LIMITS: Flag<Decoded<Limits>> =
    ///     Flag::new("limits", Decoded(&Limits { requests: 10 }));
    ///
    /// let document: Document = serde_json::from_str(r#"{
    ///     "epoch": "tests", "revision": 1,
    ///     "objects": [{"kind": "flag", "key": "limits", "version": 1, "definition": {
    ///         "type": "json",
    ///         "variants": [{"name": "large", "value": {"requests": 500}}],
    ///         "state": {"on": true, "off_variant": "large", "fallthrough": {"variant": "large"}}
    ///     }}]
    /// }"#)?;
    /// let client = Client::fixed_with(&document, Decoders::new().with(&LIMITS));
    /// let limits = client.snapshot();
    /// assert_eq!(limits.get(&LIMITS, &Entity::tenant("acme")).value.requests, 500);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn fixed_with(document: &Document, decoders: Decoders) -> Self {
        Self::of_document(document, decoders, Misuses::new(true), Time::fixed())
    }

    /// A [fixed](Self::fixed) client without any flag: what a test overrides flags on. It does not
    /// report that a flag is missing.
    #[must_use]
    pub fn empty() -> Self {
        let document = Document::empty(Epoch::new("fixed"));
        Self::of_document(&document, Decoders::new(), Misuses::new(false), Time::fixed())
    }

    pub(crate) fn of_document(
        document: &Document,
        decoders: Decoders,
        misuses: Misuses,
        time: Time,
    ) -> Self {
        let shared = Shared::fixed(decoders, misuses, time);
        shared.install(document, State::Fixed, Source::Fixed);
        Self::new(Arc::new(shared), None)
    }

    pub(crate) fn new(shared: Arc<Shared>, handles: Option<oneshot::Sender<()>>) -> Self {
        let layer = Arc::clone(shared.layers.base());
        Self { layer, inner: Arc::new(Inner { shared, _handles: handles }) }
    }

    /// The value of a flag: `bool`, `i64` or `f64`.
    ///
    /// A flag with text or JSON lends its value from a [snapshot](Self::snapshot), which also
    /// tells the variant and the reason.
    ///
    /// ```
    /// use flags_client::{Client, Entity, Flag};
    ///
    /// const SAMPLE_RATE: Flag<f64> = Flag::new("sample-rate", 0.01);
    ///
    /// let client = Client::empty().overriding([SAMPLE_RATE.to(0.5)]);
    /// assert_eq!(client.get(&SAMPLE_RATE, &Entity::user("u-17")), 0.5);
    /// ```
    #[must_use]
    #[inline]
    pub fn get<T: CopyValue>(&self, flag: &Flag<T>, context: &(impl Context + ?Sized)) -> T {
        self.pinned().value(flag, context)
    }

    /// Whether a boolean flag serves `true`.
    #[must_use]
    #[inline]
    pub fn is_on(&self, flag: &Flag<bool>, context: &(impl Context + ?Sized)) -> bool {
        self.get(flag, context)
    }

    /// What a tenant's contract grants of a feature at this moment.
    ///
    /// No lock, no allocation; [`Snapshot::entitlement`] says what is read, and lends what this
    /// leaves out: options, JSON values, and where a value comes from.
    ///
    /// ```
    /// use flags_client::{Client, Feature, Verdict};
    ///
    /// const SSO: Feature = Feature::new("sso");
    ///
    /// fn page(flags: &Client, tenant: &str) -> String {
    ///     match flags.entitlement(&SSO, tenant).verdict() {
    ///         Verdict::Allowed => "the settings".to_owned(),
    ///         Verdict::ReadOnly(_) => "the settings, to look at".to_owned(),
    ///         Verdict::Refused(refusal) => format!("{refusal}. {}", refusal.hint()),
    ///     }
    /// }
    /// assert_eq!(page(&Client::empty(), "acme"), "there is no contract. Ask support.");
    /// ```
    #[inline]
    pub fn entitlement<T: FeatureValue>(&self, feature: &Feature<T>, tenant: &str) -> Ruling {
        self.pinned().ruling(feature, tenant)
    }

    /// A tenant's limit, to be asked whether more may be had beside what is used.
    ///
    /// ```
    /// use flags_client::{Client, Feature, Limit};
    ///
    /// const SEATS: Feature<Limit> = Feature::new("seats");
    ///
    /// fn invite(flags: &Client, tenant: &str, members: u64) -> Result<(), String> {
    ///     let ruling = flags.limit(&SEATS, tenant).check(members); // one more
    ///     ruling.require_full().map_err(|refusal| format!("{refusal}. {}", refusal.hint()))
    /// }
    /// assert!(invite(&Client::empty(), "acme", 3).is_err());
    /// ```
    #[must_use]
    #[inline]
    pub fn limit<'a>(&'a self, feature: &'a Feature<Limit>, tenant: &'a str) -> LimitOf<'a, Self> {
        LimitOf { asked: self, feature, tenant }
    }

    /// One consistent view for a unit of work, a request say; it may be held across an `await`.
    ///
    /// ```
    /// use flags_client::{Client, Entity, Flag};
    ///
    /// const BANNER: Flag<&str> = Flag::new("banner", "");
    ///
    /// async fn handle(flags: Client) -> String {
    ///     let flags = flags.snapshot();
    ///     let user = Entity::user("u-17");
    ///     let before = flags.get(&BANNER, &user).value;
    ///     other_work().await;
    ///     // Whatever was changed in the meantime:
    ///     assert_eq!(flags.get(&BANNER, &user).value, before);
    ///     before.to_owned()
    /// }
    /// # async fn other_work() {}
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(Owned::new(self.layer.loaded.load_full()))
    }

    /// A view that counts no references, for many questions in a row on one thread.
    ///
    /// ```
    /// use flags_client::{Client, Entity, Flag};
    ///
    /// const EXPORTS: Flag<bool> = Flag::new("exports", false);
    ///
    /// let client = Client::empty().overriding([EXPORTS.to(true)]);
    /// let flags = client.pinned();
    /// let accounts = ["acme", "globex", "initech"];
    /// assert!(accounts.iter().all(|key| flags.is_on(&EXPORTS, &Entity::tenant(key))));
    /// ```
    #[must_use]
    #[inline]
    pub fn pinned(&self) -> Snapshot<Pinned<'_>> {
        Snapshot::new(Pinned::new(self.layer.loaded.load()))
    }

    /// A new handle for which these flags have these values, whatever the server says.
    ///
    /// Everything else it has from this client, updates included, and reading it costs the same.
    /// The overrides are scoped to this value and its clones: two tests that run at the same time
    /// cannot meet. An override counts as the flag's definition, so prerequisites and explanations
    /// see it. Of two overrides for one flag, the later holds.
    ///
    /// Making one takes a lock and time that grows with the number of overrides: for tests, or
    /// once for a long-lived part of a service, not for each request.
    ///
    /// ```
    /// use flags_client::{Client, Entity, Flag};
    ///
    /// const NEW_CHECKOUT: Flag<bool> = Flag::new("new-checkout", false);
    /// const BANNER: Flag<&str> = Flag::new("banner", "");
    ///
    /// let client = Client::empty();
    /// let trial = client.overriding([NEW_CHECKOUT.to(true), BANNER.to("welcome")]);
    /// let user = Entity::user("u-17");
    /// assert!(trial.is_on(&NEW_CHECKOUT, &user));
    /// assert!(!client.is_on(&NEW_CHECKOUT, &user));
    /// ```
    #[must_use]
    pub fn overriding(&self, overrides: impl IntoIterator<Item = Override>) -> Self {
        let layer = self.inner.shared.layers.derive(&self.layer, overrides);
        Self { layer, inner: Arc::clone(&self.inner) }
    }

    /// How the client is doing. Takes a short lock: for health pages, not for each question.
    ///
    /// ```
    /// let status = flags_client::Client::empty().status();
    /// assert!(status.is_ready() && status.invalid.is_empty());
    /// ```
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.shared.status()
    }

    /// Waits for a ruleset that the server has supplied in this run: for a service that would
    /// rather not start than start with the defaults of its code.
    ///
    /// # Errors
    /// When there is none at the time limit.
    ///
    /// ```no_run
    /// # async fn start(client: flags_client::Client) -> Result<(), flags_client::TimedOut> {
    /// client.ready(std::time::Duration::from_secs(30)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ready(&self, timeout: Duration) -> Result<Status, TimedOut> {
        self.wait_until(Status::is_ready, timeout).await
    }

    /// Waits until answers show this revision or a later one, for example one that a write to the
    /// server has answered with.
    ///
    /// # Errors
    /// When they do not at the time limit.
    ///
    /// ```no_run
    /// # async fn start(client: flags_client::Client) -> Result<(), flags_client::TimedOut> {
    /// let status = client.wait_for(58, std::time::Duration::from_secs(1)).await?;
    /// assert!(client.snapshot().revision() >= 58);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_for(
        &self,
        revision: Revision,
        timeout: Duration,
    ) -> Result<Status, TimedOut> {
        let reached = |status: &Status| {
            status.position.as_ref().is_some_and(|position| position.revision >= revision)
        };
        self.wait_until(reached, timeout).await
    }

    /// Waits until the status meets a condition. What the status shows, answers show too.
    ///
    /// It waits by the clock of a tokio runtime; outside of one it does not wait.
    ///
    /// # Errors
    /// When it does not at the time limit.
    ///
    /// ```no_run
    /// # async fn start(client: flags_client::Client) -> Result<(), flags_client::TimedOut> {
    /// use flags_client::State;
    ///
    /// let limit = std::time::Duration::from_secs(5);
    /// client.wait_until(|status| status.state == State::Live, limit).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_until(
        &self,
        mut condition: impl FnMut(&Status) -> bool,
        timeout: Duration,
    ) -> Result<Status, TimedOut> {
        let status = self.status();
        if condition(&status) {
            return Ok(status);
        }
        // Without a runtime there is no clock to wait by, and a fixed client hardly ever changes.
        if Handle::try_current().is_ok() {
            let shared = &self.inner.shared;
            let mut changes = shared.status.subscribe();
            let mut misuses = shared.misuses.subscribe();
            // What came before the subscriptions is looked at first.
            changes.mark_changed();
            let wait = async {
                loop {
                    // Neither sender ends before the client does.
                    select! {
                        _ = changes.changed() => {}
                        _ = misuses.changed() => {}
                    }
                    let status = self.status();
                    if condition(&status) {
                        break status;
                    }
                }
            };
            if let Ok(status) = tokio::time::timeout(timeout, wait).await {
                return Ok(status);
            }
        }
        Err(TimedOut(Box::new(self.status())))
    }
}

/// A type whose values a [`Client`] hands out whole: `bool`, `i64` and `f64`.
///
/// Text and JSON are lent by a [`Snapshot`] instead, so that they are not copied.
#[diagnostic::on_unimplemented(
    message = "a value of type `{Self}` is lent by a snapshot, not handed out by the client",
    note = "bind `let flags = client.snapshot();` and take `flags.get(&FLAG, &context).value`"
)]
pub trait CopyValue: for<'r> FlagValue<Ref<'r> = Self> {}

impl CopyValue for bool {}
impl CopyValue for i64 {}
impl CopyValue for f64 {}

impl From<Ruleset> for Client {
    /// A [fixed](Client::fixed) client of a compiled ruleset.
    fn from(ruleset: Ruleset) -> Self {
        let shared = Shared::fixed(Decoders::new(), Misuses::new(true), Time::fixed());
        shared.status.send_modify(|status| status.position = ruleset.position().cloned());
        shared.layers.replace(ruleset);
        Self::new(Arc::new(shared), None)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("status", &format_args!("{}", self.status())).finish()
    }
}

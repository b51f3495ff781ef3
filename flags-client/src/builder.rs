//! How a client that follows a server is made.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flags_core::Decoders;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::backoff::Pace;
use crate::cache::{Cache, Identity};
use crate::client::Client;
use crate::clock::Clock;
use crate::driver::Driver;
use crate::receipts::{self, Receipts, is_name};
use crate::shared::Shared;
use crate::source::http::Server;
use crate::status::{ProblemKind, Source, Status};

/// How long [`Builder::connect`] waits for the first ruleset, unless told otherwise.
const FIRST_SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(5);

/// The settings of a client that follows a server.
///
/// Made by [`Client::builder`].
#[must_use = "a builder does nothing until it connects"]
pub struct Builder {
    url: String,
    token: SecretString,
    cache_file: Option<PathBuf>,
    decoders: Decoders,
    app: Option<String>,
    instance: Option<String>,
    receipts: bool,
    first_snapshot_timeout: Duration,
    clock: Clock,
    pace: Pace,
}

impl Builder {
    pub(crate) fn new(url: String, token: SecretString) -> Self {
        Self {
            url,
            token,
            cache_file: None,
            decoders: Decoders::new(),
            app: None,
            instance: None,
            receipts: true,
            first_snapshot_timeout: FIRST_SNAPSHOT_TIMEOUT,
            clock: Clock::default(),
            pace: Pace::default(),
        }
    }

    /// Keeps the last known good definitions in this file, to start from while the server is away.
    ///
    /// Its folder must exist. The file is readable by its owner alone; it holds definitions and no
    /// token. A file of another server or another token is ignored and replaced. Each process
    /// needs a file of its own: two that share one never serve anything wrong, but may find less
    /// in it. Without a cache file, a service that starts while the server is away serves the
    /// defaults of the code until the server is back.
    pub fn cache_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache_file = Some(path.into());
        self
    }

    /// The types that the values of JSON flags are decoded into when their definitions arrive.
    ///
    /// Called again, it replaces what was given before. A `Deserialize` that panics counts as a
    /// value that cannot be decoded, unless the program aborts on panics.
    ///
    /// ```
    /// use flags_client::{Client, Decoded, Decoders, Flag};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Limits {
    ///     requests: u32,
    /// }
    ///
    /// const LIMITS: Flag<Decoded<Limits>> =
    ///     Flag::new("limits", Decoded(&Limits { requests: 10 }));
    ///
    /// let builder = Client::builder("https://flags.example.com", "token")
    ///     .decoders(Decoders::new().with(&LIMITS));
    /// # let _ = (builder, LIMITS.default_value().requests);
    /// ```
    pub fn decoders(mut self, decoders: Decoders) -> Self {
        self.decoders = decoders;
        self
    }

    /// The name of the service, as the server lists it among those that are connected.
    ///
    /// Up to 64 letters, digits and `._-:/+@`, like that of an [instance](Self::instance).
    ///
    /// ```
    /// use flags_client::Client;
    ///
    /// let builder = Client::builder("https://flags.example.com", "token").app("shop");
    /// # let _ = builder;
    /// ```
    pub fn app(mut self, name: impl Into<String>) -> Self {
        self.app = Some(name.into());
        self
    }

    /// The name of this process among those of its service: the name of a pod, say. Made up unless
    /// told. Two clients with one name count as one.
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.instance = Some(name.into());
        self
    }

    /// Whether the server is told who this is and which revisions are in force here; it is, unless
    /// told otherwise.
    ///
    /// So that whoever changes a flag can see when it has arrived everywhere. It costs one small
    /// request for the changes of a second, or of some seconds where there are many instances; in
    /// the background, without effect on answers or on the [status](Client::status), and without
    /// anything about contexts or answers in it.
    pub fn receipts(mut self, on: bool) -> Self {
        self.receipts = on;
        self
    }

    /// How long [`connect`](Self::connect) waits for the first ruleset at most; 5 s unless told
    /// otherwise. Zero does not wait at all.
    pub fn first_snapshot_timeout(mut self, timeout: Duration) -> Self {
        self.first_snapshot_timeout = timeout;
        self
    }

    /// Answers go by this clock, and so does the age of what is known: for tests against a real
    /// server. Pauses and time-outs pass as ever.
    ///
    /// ```
    /// use flags_client::Client;
    /// use flags_client::testing::TestFlags;
    ///
    /// let clock = TestFlags::new().at("2026-12-31T23:59:59.999Z").clock().clone();
    /// let builder = Client::builder("http://localhost:8080", "token").clock(&clock);
    /// # let _ = builder;
    /// ```
    #[cfg(feature = "testing")]
    pub fn clock(mut self, clock: &crate::testing::TestClock) -> Self {
        self.clock = Clock::of_test(clock);
        self
    }

    /// Makes pauses short, for the tests of this project. Not part of the API.
    #[doc(hidden)]
    pub fn hurried(mut self) -> Self {
        self.pace = Pace {
            base: Duration::from_millis(10),
            cap: Duration::from_millis(80),
            slow: Duration::from_millis(80),
            flush: Duration::from_millis(10),
            receipts: Duration::from_millis(10),
            ..self.pace
        };
        self
    }

    /// Connects to the server and keeps the client up to date from then on.
    ///
    /// Returns as soon as the server has supplied the ruleset, and at the
    /// [time limit](Self::first_snapshot_timeout) at the latest. A server that is away is no
    /// error: the client then serves what the cache file has, else the defaults of the code, says
    /// so in its [status](Client::status), and goes on trying. It does not wait for the time limit
    /// when the first attempt fails and there is a cached ruleset, nor when the server refuses the
    /// token.
    ///
    /// It needs a tokio runtime with its I/O and time drivers, which `#[tokio::main]` has; the
    /// task that follows the server runs on it until the last handle of the client is dropped.
    /// Reading flags needs no runtime.
    ///
    /// # Errors
    /// For faults of the configuration only: see [`BuildError`].
    ///
    /// # Panics
    /// When the runtime was built without its time driver.
    ///
    /// ```no_run
    /// # async fn start() -> Result<(), flags_client::BuildError> {
    /// use flags_client::Client;
    ///
    /// let token = std::env::var("FLAGS_SDK_TOKEN").unwrap_or_default();
    /// let client = Client::builder("https://flags.example.com", token)
    ///     .cache_file("/var/lib/shop/flags.cache")
    ///     .connect()
    ///     .await?;
    /// println!("flags are {}", client.status());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(self) -> Result<Client, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let server = Server::new(&self.url, &self.token)?;
        for name in [&self.app, &self.instance].into_iter().flatten() {
            if !is_name(name) {
                return Err(BuildError::Name(name.chars().take(64).collect()));
            }
        }
        let receipts = self.receipts.then(|| {
            let made_up = || format!("{:016x}", fastrand::u64(..));
            let instance = self.instance.unwrap_or_else(made_up);
            let identity = receipts::Identity { instance, app: self.app };
            Arc::new(Receipts::new(identity, self.pace.receipts))
        });
        let cache = self
            .cache_file
            .map(|path| Cache::new(path, Identity::new(server.base(), self.token.expose_secret())));
        let shared = Arc::new(Shared::following(self.decoders, self.clock));
        let shared_with_driver = Arc::clone(&shared);
        let server = Arc::new(server);
        let pace = self.pace;
        let driver = Driver { shared: shared_with_driver, server, receipts, cache, pace };
        let (handles, last_handle_dropped) = oneshot::channel();
        runtime.spawn(driver.run(last_handle_dropped));
        let client = Client::new(shared, Some(handles));
        // What there is at the time limit is what the client starts with.
        let _ = client.wait_until(nothing_better_is_near, self.first_snapshot_timeout).await;
        Ok(client)
    }
}

/// Whether waiting on would not give a better ruleset soon.
fn nothing_better_is_near(status: &Status) -> bool {
    let refused = status.last_error.as_ref().is_some_and(|error| {
        matches!(error.kind, ProblemKind::Unauthenticated | ProblemKind::Forbidden)
    });
    status.is_ready() || refused || (status.source == Source::Disk && status.last_error.is_some())
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the token nor the URL, which has not been checked for secrets yet.
        f.debug_struct("Builder")
            .field("cache_file", &self.cache_file)
            .field("decoders", &self.decoders)
            .field("app", &self.app)
            .field("instance", &self.instance)
            .field("receipts", &self.receipts)
            .field("first_snapshot_timeout", &self.first_snapshot_timeout)
            .finish_non_exhaustive()
    }
}

/// A fault of the configuration, found before anything is tried.
///
/// Never holds the token, nor a password that was mistakenly part of the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL is not one that a server can be reached under.
    #[error("the server's URL cannot be used: {0}")]
    Url(String),
    /// The token is empty or has characters that no token has.
    #[error("the token is empty or has characters that cannot be sent, such as a line break")]
    Token,
    /// The name of the app or of the instance is empty, too long, or has characters that such a
    /// name cannot have.
    #[error("`{0}` is no name of an app or an instance: 1 to 64 letters, digits and `._-:/+@`")]
    Name(String),
    /// TLS cannot be set up: for an `https` URL without the feature `rustls`, or on a machine
    /// without certificates.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// [`Builder::connect`] was called outside a tokio runtime.
    #[error("connecting needs a tokio runtime")]
    NoRuntime,
}

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;
use serde::Deserialize;

use crate::quota::Quotas;

/// What the server is told at its start. [`Settings`](crate::Settings) reads it from where an operator
/// says it.
///
/// ```
/// let config = flags_server::Config { listen: "127.0.0.1:0".into(), ..Default::default() };
/// assert_eq!(config.database.to_str(), Some("flags.db"));
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// The database file; created where there is none.
    pub database: PathBuf,
    /// The address to listen on.
    pub listen: String,
    /// Whether logs are for programs or for people.
    pub log_format: LogFormat,
    /// What is important enough to be logged.
    pub log_level: LogLevel,
    /// How long running requests may take to finish after a signal to stop.
    pub shutdown_timeout: Duration,
    /// How much may be asked of the server.
    pub quotas: Quotas,
    /// The proxies that say in `X-Forwarded-For` for whom they ask: addresses, or networks of them.
    pub trusted_proxies: Vec<IpNet>,
    /// Where backups go; `None` for no backups.
    pub backup_dir: Option<PathBuf>,
    /// How long after a backup the next one is made.
    pub backup_every: Duration,
    /// How many backups stay; older ones are deleted.
    pub backup_keep: usize,
    /// The tokens of a database that does not exist yet.
    pub bootstrap: Bootstrap,
}

impl Default for Config {
    /// The defaults of the command line; nothing is read from the process's environment.
    fn default() -> Self {
        Self {
            database: "flags.db".into(),
            listen: "127.0.0.1:8080".into(),
            log_format: LogFormat::default(),
            log_level: LogLevel::default(),
            shutdown_timeout: Duration::from_secs(10),
            quotas: Quotas::default(),
            trusted_proxies: Vec::new(),
            backup_dir: None,
            backup_every: Duration::from_secs(24 * 60 * 60),
            backup_keep: 7,
            bootstrap: Bootstrap::default(),
        }
    }
}

/// The form of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object on each line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// The least important level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may fail later.
    Warn,
    /// What happened: one line for each request.
    #[default]
    Info,
    /// What is only asked for when something is wrong.
    Debug,
    /// Everything.
    Trace,
}

/// The secrets of the tokens that a new database begins with; made up where they are `None`.
///
/// At least 32 characters each. Read only when the database is created.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bootstrap {
    /// Of the admin token.
    pub admin_token: Option<String>,
    /// Of the SDK token for the environment `production` of the project `default`.
    pub sdk_token: Option<String>,
}

impl Bootstrap {
    /// What `FLAGS_BOOTSTRAP_ADMIN_TOKEN` and `FLAGS_BOOTSTRAP_SDK_TOKEN` say.
    #[must_use]
    pub fn from_environment() -> Self {
        let read = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            admin_token: read("FLAGS_BOOTSTRAP_ADMIN_TOKEN"),
            sdk_token: read("FLAGS_BOOTSTRAP_SDK_TOKEN"),
        }
    }
}

/// Does not tell the secrets.
impl fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bootstrap")
            .field("admin_token", &self.admin_token.is_some())
            .field("sdk_token", &self.sdk_token.is_some())
            .finish()
    }
}

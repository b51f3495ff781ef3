//! Where a configuration comes from: flags before variables before a file before defaults.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use crate::{Bootstrap, Config, Error, LogFormat, LogLevel, Quotas};

/// What an operator says: by flags, by variables of the environment (clap reads those), or in a TOML
/// file with the same names, `_` in place of `-`.
///
/// ```
/// use clap::Parser;
///
/// #[derive(Parser)]
/// struct Arguments {
///     #[command(flatten)]
///     settings: flags_server::Settings,
/// }
///
/// let arguments = Arguments::parse_from(["server", "--listen", "127.0.0.1:0"]);
/// let config = arguments.settings.config()?;
/// assert_eq!((&*config.listen, config.backup_keep), ("127.0.0.1:0", 7));
/// # Ok::<(), flags_server::Error>(())
/// ```
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A TOML file with what is said neither by flags nor by variables
    #[arg(long, env = "FLAGS_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,

    /// The database file; created where there is none [default: flags.db]
    #[arg(long, env = "FLAGS_DATABASE", value_name = "FILE")]
    database: Option<PathBuf>,

    /// The address to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "FLAGS_LISTEN", value_name = "ADDR")]
    listen: Option<String>,

    /// Whether logs are for programs or for people [default: json]
    #[arg(long, env = "FLAGS_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,

    /// What is important enough to be logged [default: info]
    #[arg(long, env = "FLAGS_LOG_LEVEL", value_enum)]
    log_level: Option<LogLevel>,

    /// How long running requests may take to finish after a signal to stop: seconds, or a number
    /// with s, m, h or d [default: 10s]
    #[arg(long, env = "FLAGS_SHUTDOWN_TIMEOUT", value_name = "TIME", value_parser = duration)]
    #[serde(default, deserialize_with = "read_duration")]
    shutdown_timeout: Option<Duration>,

    /// Where backups go; without it there are none
    #[arg(long, env = "FLAGS_BACKUP_DIR", value_name = "DIR")]
    backup_dir: Option<PathBuf>,

    /// How long after a backup the next one is made [default: 1d]
    #[arg(long, env = "FLAGS_BACKUP_EVERY", value_name = "TIME", value_parser = duration)]
    #[serde(default, deserialize_with = "read_duration")]
    backup_every: Option<Duration>,

    /// How many backups stay; older ones are deleted [default: 7]
    #[arg(long, env = "FLAGS_BACKUP_KEEP", value_name = "NUMBER")]
    backup_keep: Option<usize>,

    /// How many requests to the admin API each token may send in a minute [default: 6000]
    #[arg(long, env = "FLAGS_ADMIN_REQUESTS_PER_MINUTE", value_name = "NUMBER")]
    admin_requests_per_minute: Option<NonZeroU32>,

    /// How many requests of SDKs each token may send in a minute; all instances of a service share
    /// a token [default: 120000]
    #[arg(long, env = "FLAGS_SDK_REQUESTS_PER_MINUTE", value_name = "NUMBER")]
    sdk_requests_per_minute: Option<NonZeroU32>,

    /// How many requests without a valid token each address may send in a minute [default: 60]
    #[arg(long, env = "FLAGS_FAILED_AUTHENTICATIONS_PER_MINUTE", value_name = "NUMBER")]
    failed_authentications_per_minute: Option<NonZeroU32>,

    /// How many streams each token may have open [default: 20000]
    #[arg(long, env = "FLAGS_STREAMS_PER_TOKEN", value_name = "NUMBER")]
    streams_per_token: Option<u32>,

    /// A proxy in front of this server, which says in X-Forwarded-For for whom it asks: an address, or
    /// a network of them such as 10.0.0.0/8; several with commas [default: none]
    #[arg(long, env = "FLAGS_TRUSTED_PROXIES", value_name = "ADDR", value_delimiter = ',',
        value_parser = network)]
    #[serde(default, deserialize_with = "read_networks")]
    trusted_proxies: Option<Vec<IpNet>>,
}

impl Settings {
    /// The configuration that it comes to.
    ///
    /// # Errors
    /// When the file cannot be read, has a key that there is none of, or a value of another type: the
    /// sentence names the key and its line. And when settings contradict each other.
    pub fn config(self) -> Result<Config, Error> {
        let file = match &self.config {
            Some(path) => read(path)?,
            None => Self::default(),
        };
        let defaults = Config::default();
        let backup_dir = self.backup_dir.or(file.backup_dir);
        let backup_every = self.backup_every.or(file.backup_every);
        let backup_keep = self.backup_keep.or(file.backup_keep);
        if backup_dir.is_none() && (backup_every.is_some() || backup_keep.is_some()) {
            return Err(Error::new(
                "backup-every and backup-keep say nothing without backup-dir: there are no backups",
            ));
        }
        if backup_every == Some(Duration::ZERO) || backup_keep == Some(0) {
            return Err(Error::new("backup-every and backup-keep are at least 1"));
        }
        let quotas = Quotas {
            admin_requests_per_minute: self
                .admin_requests_per_minute
                .or(file.admin_requests_per_minute)
                .unwrap_or(defaults.quotas.admin_requests_per_minute),
            sdk_requests_per_minute: self
                .sdk_requests_per_minute
                .or(file.sdk_requests_per_minute)
                .unwrap_or(defaults.quotas.sdk_requests_per_minute),
            failed_authentications_per_minute: self
                .failed_authentications_per_minute
                .or(file.failed_authentications_per_minute)
                .unwrap_or(defaults.quotas.failed_authentications_per_minute),
            streams_per_token: self
                .streams_per_token
                .or(file.streams_per_token)
                .unwrap_or(defaults.quotas.streams_per_token),
        };
        let trusted_proxies = self.trusted_proxies.or(file.trusted_proxies);
        Ok(Config {
            quotas,
            trusted_proxies: trusted_proxies.unwrap_or_default(),
            database: self.database.or(file.database).unwrap_or(defaults.database),
            listen: self.listen.or(file.listen).unwrap_or(defaults.listen),
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            log_level: self.log_level.or(file.log_level).unwrap_or_default(),
            shutdown_timeout: self
                .shutdown_timeout
                .or(file.shutdown_timeout)
                .unwrap_or(defaults.shutdown_timeout),
            backup_dir,
            backup_every: backup_every.unwrap_or(defaults.backup_every),
            backup_keep: backup_keep.unwrap_or(defaults.backup_keep),
            bootstrap: Bootstrap::from_environment(),
        })
    }

    /// The same for a command that is about the database alone.
    pub(crate) fn of_database(config: Option<PathBuf>, database: Option<PathBuf>) -> Self {
        Self { config, database, ..Self::default() }
    }
}

fn read(path: &Path) -> Result<Settings, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::new(format!("cannot read {}: {error}", path.display())))?;
    // It names the key, its line, and shows both.
    toml::from_str(&text).map_err(|error| {
        Error::new(format!("{}: {}", path.display(), error.to_string().trim_end()))
    })
}

/// Variables that the commands, the first start and clients read, besides those of settings.
const OTHER_VARIABLES: [&str; 5] = [
    "FLAGS_ADMIN_TOKEN",
    "FLAGS_BOOTSTRAP_ADMIN_TOKEN",
    "FLAGS_BOOTSTRAP_SDK_TOKEN",
    "FLAGS_SDK_TOKEN",
    "FLAGS_URL",
];

/// Refuses a variable that looks like a setting and is none: it would be ignored in silence.
pub(crate) fn check_variables(names: impl Iterator<Item = String>) -> Result<(), Error> {
    let settings = <Settings as Args>::augment_args(clap::Command::new("settings"));
    let known: Vec<_> = settings.get_arguments().filter_map(clap::Arg::get_env).collect();
    let is_known = |name: &str| OTHER_VARIABLES.contains(&name) || known.iter().any(|k| *k == name);
    let mut unknown: Vec<String> =
        names.filter(|name| name.starts_with("FLAGS_") && !is_known(name)).collect();
    unknown.sort();
    match unknown.first() {
        None => Ok(()),
        Some(name) => Err(Error::new(format!(
            "the environment has {name}, and there is no such setting; see `flags-server --help`"
        ))),
    }
}

/// `90`, `90s`, `15m`, `6h`, `7d`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, seconds) = match text.char_indices().next_back() {
        Some((end, 's')) => (text.get(..end), 1),
        Some((end, 'm')) => (text.get(..end), 60),
        Some((end, 'h')) => (text.get(..end), 60 * 60),
        Some((end, 'd')) => (text.get(..end), 24 * 60 * 60),
        _ => (Some(text), 1),
    };
    let number = number.and_then(|number| number.parse::<u64>().ok());
    let seconds = number.and_then(|number| number.checked_mul(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a number of seconds, or a number with s, m, h or d".to_owned())
}

fn read_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a number of seconds, or a text such as \"15m\"")]
    enum Said {
        Seconds(u64),
        Text(String),
    }

    match Said::deserialize(deserializer)? {
        Said::Seconds(seconds) => Ok(Some(Duration::from_secs(seconds))),
        Said::Text(text) => duration(&text).map(Some).map_err(serde::de::Error::custom),
    }
}

/// `10.0.0.0/8`, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = |_| text.parse::<IpAddr>().map(IpNet::from);
    let wrong = |_| format!("`{text}` is neither an address nor a network such as 10.0.0.0/8");
    text.parse().or_else(address).map_err(wrong)
}

fn read_networks<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<IpNet>>, D::Error> {
    let networks = Vec::<String>::deserialize(deserializer)?;
    let networks = networks.iter().map(|text| network(text)).collect::<Result<_, _>>();
    networks.map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: Settings, file: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.toml");
        std::fs::write(&path, file).unwrap();
        Settings { config: Some(path), ..settings }.config().map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_said_comes_before_the_file_and_that_before_defaults() {
        let file = "database = 'a.db'\nlisten = 'b'\nlog_level = 'warn'\nlog_format = 'text'\n\
                    shutdown_timeout = 3\nbackup_dir = 'c'\nbackup_every = '6h'\nbackup_keep = 2\n\
                    streams_per_token = 5\nsdk_requests_per_minute = 9\n\
                    trusted_proxies = ['10.1.0.0/16', '::1']\n";
        let said = Settings { listen: Some("x".into()), ..Settings::default() };
        let config = config(said, file).unwrap();
        assert_eq!((&*config.listen, config.database.to_str()), ("x", Some("a.db")));
        assert_eq!((config.log_level, config.log_format), (LogLevel::Warn, LogFormat::Text));
        assert_eq!((config.shutdown_timeout.as_secs(), config.backup_keep), (3, 2));
        let proxies: Vec<String> = config.trusted_proxies.iter().map(IpNet::to_string).collect();
        assert_eq!(proxies, ["10.1.0.0/16", "::1/128"]);
        let quotas = config.quotas;
        assert_eq!((quotas.streams_per_token, quotas.sdk_requests_per_minute.get()), (5, 9));
        assert_eq!(quotas.admin_requests_per_minute, Quotas::default().admin_requests_per_minute);
        assert_eq!(config.backup_dir.unwrap().to_str(), Some("c"));
        assert_eq!(config.backup_every.as_secs(), 6 * 60 * 60);
        let config = Settings::default().config().unwrap();
        assert_eq!((&*config.listen, config.backup_dir), ("127.0.0.1:8080", None));
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line() {
        for (file, parts) in [
            ("listen = 'x'\n\nlisen = 'x'", &["line 3", "lisen", "unknown field"][..]),
            ("listen = 'x'\nbackup_keep = 'x'", &["line 2", "backup_keep", "expected usize"]),
            ("log_level = 'loud'", &["line 1", "log_level", "loud"]),
            ("shutdown_timeout = '3 weeks'", &["line 1", "shutdown_timeout", "number of seconds"]),
            ("backup_every = true", &["line 1", "backup_every", "number of seconds"]),
            ("database = 7", &["line 1", "database", "expected"]),
            ("config = 'other.toml'", &["line 1", "config", "unknown field"]),
            ("[server]\nlisten = 'x'", &["line 1", "server", "unknown field"]),
            (
                "trusted_proxies = ['::1', 'here']",
                &["line 1", "trusted_proxies", "`here` is neither"],
            ),
            ("listen = ", &["line 1"]),
            ("backup_keep = 2", &["without backup-dir"]),
            ("backup_dir = 'x'\nbackup_keep = 0", &["at least 1"]),
        ] {
            let error = config(Settings::default(), file).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{file}: {error}");
            }
        }
        let none = Settings { config: Some("none.toml".into()), ..Settings::default() };
        assert!(none.config().unwrap_err().to_string().contains("cannot read none.toml"));
    }

    #[test]
    fn a_variable_that_nobody_reads_is_an_error() {
        let check = |names: &[&str]| check_variables(names.iter().map(|name| (*name).to_owned()));
        check(&["PATH", "FLAGS_LISTEN", "FLAGS_BACKUP_EVERY", "FLAGS_SDK_TOKEN", "MY_FLAGS_X"])
            .unwrap();
        let error = check(&["FLAGS_LISTEN", "FLAGS_LISEN"]).unwrap_err().to_string();
        assert!(error.contains("FLAGS_LISEN"), "{error}");
    }

    #[test]
    fn times_have_units() {
        let seconds = |text| duration(text).map(|time| time.as_secs());
        for (text, expected) in
            [("90", 90), ("90s", 90), ("15m", 900), ("6h", 21_600), ("7d", 604_800)]
        {
            assert_eq!(seconds(text), Ok(expected));
        }
        for wrong in ["", "s", "-1", "1.5h", "1w", "ä", "99999999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}

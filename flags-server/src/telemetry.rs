//! Logs, on standard error. No secret is ever put into one: tokens are known by their ids.

use std::io::{self, IsTerminal};
use std::panic;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::config::{LogFormat, LogLevel};

/// Sends events of this process to standard error; an embedder that has set up its own subscriber
/// keeps it.
pub(crate) fn start(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let subscriber =
        fmt().with_max_level(level).with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let _ = match format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text => subscriber.try_init(),
    };
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        tracing::error!(
            place,
            "panicked: {}",
            info.payload_as_str().unwrap_or("without a message")
        );
    }));
}

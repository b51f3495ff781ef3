//! What is measured of backups on schedule. Where none are made there is nothing to say, and nobody
//! to be alarmed.

use std::time::{Duration, SystemTime};

use prometheus::{IntCounter, IntGauge};

use super::{Metrics, Named};
use crate::error::Error;

/// How the backups are doing.
#[derive(Debug)]
pub(crate) struct BackupMetrics {
    last_success: IntGauge,
    failures: IntCounter,
}

impl Metrics {
    /// Begins to measure backups that are made this often.
    ///
    /// # Errors
    /// When they are measured already.
    pub(crate) fn of_backups(&self, every: Duration) -> Result<BackupMetrics, Error> {
        let named = Named { registry: &self.registry };
        let build = || -> Result<_, prometheus::Error> {
            let interval = named.gauge(
                "flags_backup_interval_seconds",
                "How long after one backup the server makes the next one.",
            )?;
            interval.set(seconds(every));
            Ok(BackupMetrics {
                last_success: named.gauge(
                    "flags_backup_last_success_timestamp_seconds",
                    "When the newest backup was complete, in seconds since 1970; 0 where there is none.",
                )?,
                failures: named.counter(
                    "flags_backup_failures_total",
                    "Backups on schedule that could not be made, since the start.",
                )?,
            })
        };
        build().map_err(|error| Error::new(format!("cannot measure backups: {error}")))
    }
}

impl BackupMetrics {
    /// The newest backup was complete then.
    pub(crate) fn newest(&self, at: SystemTime) {
        self.last_success
            .set(seconds(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()));
    }

    /// One could not be made.
    pub(crate) fn failed(&self) {
        self.failures.inc();
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

//! Backups on schedule, beside the work of a server.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flags_core::Timestamp;
use tokio::task::spawn_blocking;

use crate::limits::BACKUP_RETRY;
use crate::metrics::BackupMetrics;
use crate::service::now;
use crate::store::sqlite::back_up;

/// Where backups go, how often, and how many stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) directory: PathBuf,
    pub(crate) every: Duration,
    pub(crate) keep: usize,
}

impl Schedule {
    /// Makes backups for as long as it is polled. The first one when the newest that is there is old
    /// enough, so that restarts neither add nor skip any.
    pub(crate) async fn run(self, database: PathBuf, metrics: BackupMetrics) {
        let newest = self.newest();
        if let Some(at) = newest {
            metrics.newest(at);
        }
        let mut due = newest.map_or(Duration::ZERO, |at| self.due(at));
        loop {
            tokio::time::sleep(due).await;
            let (schedule, source) = (self.clone(), database.clone());
            let made = spawn_blocking(move || schedule.make(&source)).await;
            match made.unwrap_or_else(|panic| Err(panic.to_string())) {
                Ok(path) => {
                    tracing::info!(path = %path.display(), "a backup was made");
                    metrics.newest(SystemTime::now());
                    due = self.every;
                }
                Err(error) => {
                    metrics.failed();
                    tracing::error!(%error, "a backup could not be made");
                    due = BACKUP_RETRY.min(self.every);
                }
            }
        }
    }

    /// When the newest one was made.
    fn newest(&self) -> Option<SystemTime> {
        self.backups().ok()?.last()?.metadata().ok()?.modified().ok()
    }

    /// How long it is until the next one, after one of that time.
    fn due(&self, newest: SystemTime) -> Duration {
        let age = SystemTime::now().duration_since(newest).unwrap_or_else(|early| {
            let seconds = early.duration().as_secs();
            tracing::warn!(
                seconds,
                "the newest backup is of the future: has a clock been set back?"
            );
            Duration::ZERO
        });
        self.every.saturating_sub(age)
    }

    /// Makes one, and deletes those that are too many, the oldest first. Never the one that was made,
    /// whatever the names of others say.
    fn make(&self, database: &Path) -> Result<PathBuf, String> {
        std::fs::create_dir_all(&self.directory)
            .map_err(|error| format!("{}: {error}", self.directory.display()))?;
        let path = self.directory.join(file_name(now()));
        back_up(database, &path, &mut |_| ()).map_err(|error| error.cause().to_string())?;
        let backups = self.backups().map_err(|error| error.to_string())?;
        let others = backups.iter().rev().filter(|backup| **backup != path);
        for old in others.skip(self.keep.saturating_sub(1)) {
            if let Err(error) = std::fs::remove_file(old) {
                tracing::warn!(%error, path = %old.display(), "an old backup stays");
            }
        }
        Ok(path)
    }

    /// The backups of the schedule, oldest first; other files are none of its business. What an
    /// interrupted one left is deleted.
    fn backups(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut backups = Vec::new();
        for entry in self.directory.read_dir()? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if is_backup(&name) {
                backups.push(path);
            } else if name.strip_suffix(".part").is_some_and(is_backup) {
                let _ = std::fs::remove_file(path);
            }
        }
        backups.sort();
        Ok(backups)
    }
}

/// `flags-20261120T172509_031Z.db`: always with milliseconds, so that names sort by time.
fn file_name(at: Timestamp) -> String {
    let millis = at.as_millis().rem_euclid(1_000);
    let second = Timestamp::from_millis(at.as_millis() - millis).to_string();
    let digits: String = second.chars().filter(|c| !matches!(c, '-' | ':' | 'Z')).collect();
    format!("flags-{digits}_{millis:03}Z.db")
}

fn is_backup(name: &str) -> bool {
    let stamp = name.strip_prefix("flags-").and_then(|rest| rest.strip_suffix("Z.db"));
    stamp.is_some_and(|stamp| {
        stamp.len() >= 15 && stamp.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'T' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_are_known_again() {
        let name = |millis: i64| file_name(Timestamp::from_millis(1_795_195_509_000 + millis));
        assert_eq!(name(31), "flags-20261120T172509_031Z.db");
        let names: Vec<_> = [0, 7, 100, 107, 999, 1_000].map(name).into();
        assert!(names.is_sorted() && names.iter().all(|name| is_backup(name)), "{names:?}");
        for other in ["flags.db", "flags-Z.db", "flags-20261120T172509Z.db-wal", "my-flags.db"] {
            assert!(!is_backup(other), "{other}");
        }
    }

    #[test]
    fn the_next_one_is_due_when_the_newest_is_old_enough() {
        let every = Duration::from_secs(3_600);
        let schedule = Schedule { directory: PathBuf::new(), every, keep: 2 };
        let (now, minute) = (SystemTime::now(), Duration::from_secs(60));
        assert_eq!(schedule.due(now - 2 * every), Duration::ZERO);
        assert!(schedule.due(now - every + minute) <= minute);
        assert_eq!(schedule.due(now + minute), every, "of the future: not at once, and again");
    }

    #[test]
    fn as_many_stay_as_were_asked_for_and_nothing_else_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("flags.db");
        drop(crate::store::sqlite::SqliteStore::open(&database, now()).unwrap());
        let directory = dir.path().join("backups");
        let schedule = Schedule { directory, every: Duration::from_secs(9), keep: 2 };
        schedule.make(&database).unwrap();
        for name in ["flags-20250101T000000Z.db", "flags-20250101T000000Z.db.part", "notes.txt"] {
            std::fs::write(schedule.directory.join(name), "").unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
        let last = schedule.make(&database).unwrap();
        let backups = schedule.backups().unwrap();
        assert_eq!((backups.len(), backups.last()), (2, Some(&last)));
        let mut names: Vec<_> = schedule.directory.read_dir().unwrap().collect();
        assert_eq!(names.len(), 3, "{names:?}");
        names.clear();

        // Names of the future do not push out what is made now.
        for year in [2998, 2999] {
            let future = schedule.directory.join(format!("flags-{year}0101T000000_000Z.db"));
            std::fs::copy(&last, future).unwrap();
        }
        let made = schedule.make(&database).unwrap();
        let backups = schedule.backups().unwrap();
        assert_eq!((backups.len(), backups.first()), (2, Some(&made)));

        // One that fails leaves the others.
        std::fs::write(&database, "no database any more".repeat(400)).unwrap();
        schedule.make(&database).unwrap_err();
        assert_eq!(schedule.backups().unwrap(), backups);
    }
}

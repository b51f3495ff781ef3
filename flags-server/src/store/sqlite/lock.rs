//! One server on one file.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::store::{StoreError, StoreResult};

/// Says that a process has a database open; until it is dropped, which must not be before the last
/// connection is: closing a handle on a database drops the locks that SQLite holds on it.
pub(super) struct Lock {
    /// A file beside the database, found by its one path: it is there also while the database itself
    /// is being replaced.
    _beside: File,
    /// The database itself, which may have other names: hard links. SQLite's own locks are of
    /// another sort, which this one does not meet. Not on Windows, where they would.
    _itself: Option<File>,
}

impl Lock {
    /// Locks the database at a path that is [resolved](super::resolved).
    pub(super) fn take(path: &Path) -> StoreResult<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".lock");
        let beside = PathBuf::from(beside);
        let options = || File::options().create(true).truncate(false).write(true).open(&beside);
        let beside = lock(options().map_err(|error| named(&beside, &error))?, &beside)?;
        let itself = match cfg!(unix) && path.exists() {
            true => Some(lock(File::open(path).map_err(|error| named(path, &error))?, path)?),
            false => None,
        };
        Ok(Self { _beside: beside, _itself: itself })
    }
}

fn lock(file: File, path: &Path) -> StoreResult<File> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::new("another process has it open")),
        Err(TryLockError::Error(error)) => Err(named(path, &error)),
    }
}

fn named(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::new(format!("{}: {error}", path.display()))
}

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::store::{DiskSize, StoreResult, StoreSize, WalProgress};

/// Looks at the files beside `path` and asks SQLite, on a connection without a transaction.
pub(super) fn measure(path: &Path, connection: &Connection) -> StoreResult<StoreSize> {
    let wal_path = beside(path, "-wal");
    // `noop` moves nothing: it only says how far the checkpoints have come. Both are -1 where
    // there is no log.
    let (frames, checkpointed_frames) =
        connection.query_row("PRAGMA wal_checkpoint(noop)", [], |row| {
            Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(StoreSize {
        database_bytes: length(path),
        wal_bytes: length(&wal_path),
        wal: WalProgress {
            frames: number(frames),
            checkpointed_frames: number(checkpointed_frames),
            checkpoints: checkpoints(&wal_path).unwrap_or(0),
        },
        disk: disk(path),
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// The checkpoint sequence number: the fourth big-endian word of the log's header.
fn checkpoints(wal: &Path) -> io::Result<u64> {
    let mut header = [[0; 4]; 4];
    // SQLite's locks are on other files; closing this one drops none.
    File::open(wal)?.read_exact(header.as_flattened_mut())?;
    let [_, _, _, sequence] = header;
    Ok(u32::from_be_bytes(sequence).into())
}

#[cfg(unix)]
fn disk(path: &Path) -> Option<DiskSize> {
    let system = rustix::fs::statvfs(path).ok()?;
    Some(DiskSize {
        bytes: system.f_blocks.saturating_mul(system.f_frsize),
        free_bytes: system.f_bavail.saturating_mul(system.f_frsize),
    })
}

#[cfg(not(unix))]
fn disk(_: &Path) -> Option<DiskSize> {
    None
}

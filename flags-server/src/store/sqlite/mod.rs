//! The store in one SQLite file.

mod read;
mod write;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flags_core::Timestamp;
use rusqlite::{Connection, OpenFlags};

use self::read::Rows;
use self::write::SqliteWriter;
use super::{Store, StoreError, StoreResult, Transaction, View, Writer};
use crate::limits::{DATABASE_BUSY_TIMEOUT, MAX_READERS};

#[allow(unreachable_pub, reason = "the code is generated")]
mod migrations {
    refinery::embed_migrations!("src/store/sqlite/migrations");
}

/// By which SQLite and `file` know a database of this program: `flag` in ASCII.
const APPLICATION_ID: i64 = 0x666c_6167;

/// A database file, held by this process alone.
pub(crate) struct SqliteStore {
    path: PathBuf,
    writer: Mutex<Option<Connection>>,
    idle_readers: Mutex<Vec<Connection>>,
    /// Locked for as long as the store is open. A file of its own: closing a second handle on the
    /// database would drop the locks that SQLite holds on it.
    _lock: File,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(error)
    }
}

impl SqliteStore {
    /// Opens the file, creates it where there is none, and migrates it.
    ///
    /// # Errors
    /// When another process has it open, when it is not a database, or of a later version.
    pub(crate) fn open(path: &Path, now: Timestamp) -> StoreResult<Self> {
        let path = &resolved(path)?;
        let lock = lock(path)?;
        let mut connection = connect(path)?;
        claim(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        migrations::migrations::runner().run(&mut connection).map_err(StoreError::new)?;
        connection.execute(
            "INSERT INTO meta (id, epoch, created_at) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING",
            (uuid::Uuid::now_v7().simple().to_string(), now.as_millis()),
        )?;
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(Some(connection)),
            idle_readers: Mutex::default(),
            _lock: lock,
        })
    }
}

impl SqliteStore {
    /// Fills a new database, before the writer is taken.
    pub(crate) fn write_first(
        &self,
        write: impl FnOnce(&mut dyn Transaction) -> StoreResult<()>,
    ) -> StoreResult<()> {
        let mut connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let connection =
            connection.as_mut().ok_or_else(|| StoreError::new("the writer is taken"))?;
        write::in_one_transaction(connection, write)
    }
}

/// Marks a new database as one of ours, and leaves those of others alone.
fn claim(connection: &Connection) -> StoreResult<()> {
    let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let id = count("PRAGMA application_id")?;
    let tables = count("SELECT count(*) FROM sqlite_schema")?;
    match (id, tables) {
        (APPLICATION_ID, _) => Ok(()),
        (0, 0) => Ok(connection.pragma_update(None, "application_id", APPLICATION_ID)?),
        _ => Err(StoreError::new("it is a database of another program")),
    }
}

/// The one path of a file, so that a lock beside it is found by whatever name it is opened. The
/// file is there afterwards: the target of a link too.
fn resolved(path: &Path) -> StoreResult<PathBuf> {
    let named = |error: std::io::Error| StoreError::new(format!("{}: {error}", path.display()));
    if !path.exists() {
        File::options().create(true).append(true).open(path).map_err(named)?;
    }
    path.canonicalize().map_err(named)
}

fn lock(path: &Path) -> StoreResult<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let named =
        |error: std::io::Error| StoreError::new(format!("{}: {error}", Path::new(&name).display()));
    let file =
        File::options().create(true).truncate(false).write(true).open(&name).map_err(named)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::new("another process has it open")),
        Err(TryLockError::Error(error)) => Err(named(error)),
    }
}

fn connect(path: &Path) -> StoreResult<Connection> {
    // A path is a path, also one that begins with `file:`.
    let flags = OpenFlags::default().difference(OpenFlags::SQLITE_OPEN_URI);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(DATABASE_BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // An acknowledged write survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

impl Store for SqliteStore {
    fn view(&self) -> StoreResult<Box<dyn View + '_>> {
        let idle = self.idle_readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = connect(&self.path)?;
                connection.pragma_update(None, "query_only", true)?;
                connection
            }
        };
        connection.execute_batch("BEGIN DEFERRED")?;
        Ok(Box::new(SqliteView { connection: Some(connection), store: self }))
    }

    fn writer(&self) -> StoreResult<Box<dyn Writer>> {
        let connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let connection = connection.ok_or_else(|| StoreError::new("there is a writer already"))?;
        Ok(Box::new(SqliteWriter::new(connection)))
    }
}

/// A read transaction on a connection that goes back to the others afterwards.
struct SqliteView<'s> {
    connection: Option<Connection>,
    store: &'s SqliteStore,
}

impl Rows for SqliteView<'_> {
    fn connection(&self) -> StoreResult<&Connection> {
        self.connection.as_ref().ok_or_else(|| StoreError::new("the view is closed"))
    }
}

impl Drop for SqliteView<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && connection.execute_batch("ROLLBACK").is_ok()
        {
            let mut idle = self.store.idle_readers.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MAX_READERS {
                idle.push(connection);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    fn open(dir: &tempfile::TempDir) -> StoreResult<SqliteStore> {
        SqliteStore::open(&dir.path().join("flags.db"), Timestamp::from_millis(0))
    }

    #[test]
    fn it_is_a_store() {
        let dir = tempfile::tempdir().unwrap();
        conformance::check(|| Box::new(open(&dir).unwrap()));
    }

    #[test]
    fn a_file_is_open_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(&dir).unwrap();
        assert!(open(&dir).is_err());
        drop(first);
        open(&dir).unwrap();
    }

    #[test]
    fn what_is_acknowledged_is_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).unwrap();
        let connection = store.writer.lock().unwrap().take().unwrap();
        let pragma = |name: &str| -> String {
            let read = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
            match connection.query_row(&format!("PRAGMA {name}"), (), read).unwrap() {
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            ["journal_mode", "synchronous", "foreign_keys"].map(pragma),
            ["wal", "2", "1"].map(String::from)
        );
    }
}

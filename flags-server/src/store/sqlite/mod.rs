//! The store in one SQLite file.

mod audit;
mod backup;
mod damage;
mod lock;
mod private;
mod read;
mod schedule;
mod search;
mod seat;
mod size;
#[cfg(test)]
mod upgrades;
mod version;
mod write;

use std::cmp::Ordering;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flags_core::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};

pub(crate) use self::backup::{Placed, Replacement, back_up, copy};
use self::lock::Lock;
use self::private::private;
use self::read::Rows;
use self::write::SqliteWriter;
use super::{Obstacle, Store, StoreError, StoreResult, StoreSize, Transaction, View, Writer};
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
    /// The versions of the schema that it had and has.
    versions: (i32, i32),
    /// Last: it outlives the connections, also the writer's.
    lock: Option<Arc<Lock>>,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) {
            return Self::of_damage(error);
        }
        let obstacle = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Some(Obstacle::DiskFull),
            Some(ErrorCode::ReadOnly) => Some(Obstacle::ReadOnly),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Some(Obstacle::Locked),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Some(Obstacle::DiskFails),
            _ => None,
        };
        Self::of_obstacle(error, obstacle)
    }
}

/// Whether it is about what is stored at one place, which further attempts would find as it is.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => true,
        error => error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt),
    }
}

impl SqliteStore {
    /// Opens the file, creates it where there is none, and migrates it.
    ///
    /// # Errors
    /// When another process has it open, when it is not a database, or of a later version.
    pub(crate) fn open(path: &Path, now: Timestamp) -> StoreResult<Self> {
        let path = &resolved(path)?;
        let lock = Arc::new(Lock::take(path)?);
        let mut connection = connect(path)?;
        claim(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        version::refuse_later(&connection)?;
        let from = version::of(&connection)?;
        // In one transaction with the note that they were applied: a crash leaves both or neither.
        let migrations = migrations::migrations::runner().set_grouped(true);
        migrations.run(&mut connection).map_err(StoreError::new)?;
        // What is deleted or erased is not left in free pages.
        connection.pragma_update(None, "secure_delete", true)?;
        audit::chain_old_rows(&mut connection)?;
        connection.execute(
            "INSERT INTO meta (id, epoch, created_at) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING",
            (uuid::Uuid::now_v7().simple().to_string(), now.as_millis()),
        )?;
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(Some(connection)),
            idle_readers: Mutex::default(),
            versions: (from, version::latest()),
            lock: Some(lock),
        })
    }
}

impl SqliteStore {
    /// Looks at a file that another process may have open, as it is: nothing is created, migrated
    /// or written.
    ///
    /// # Errors
    /// When it is not there, not a database, or of another version.
    pub(crate) fn attach(path: &Path) -> StoreResult<Self> {
        let path = path
            .canonicalize()
            .map_err(|error| StoreError::new(format!("{}: {error}", path.display())))?;
        let connection = connect_to(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "query_only", true)?;
        if application_id(&connection)? != APPLICATION_ID {
            return Err(StoreError::new("it is a database of another program"));
        }
        match version::of(&connection)?.cmp(&version::latest()) {
            Ordering::Less => {
                return Err(StoreError::new(
                    "it is of an earlier version: run `flags-server migrate`",
                ));
            }
            Ordering::Greater => return Err(version::later(&connection)?),
            Ordering::Equal => {}
        }
        Ok(Self {
            path,
            writer: Mutex::default(),
            idle_readers: Mutex::new(vec![connection]),
            versions: (version::latest(), version::latest()),
            lock: None,
        })
    }

    /// The version of the schema before it was opened, and the present one.
    pub(crate) fn versions(&self) -> (i32, i32) {
        self.versions
    }

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

    /// A connection that reads, without a transaction.
    fn reader(&self) -> StoreResult<Connection> {
        let idle = self.idle_readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let connection = connect(&self.path)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle_readers.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_READERS {
            idle.push(connection);
        }
    }
}

/// Marks a new database as one of ours, and leaves those of others alone.
fn claim(connection: &Connection) -> StoreResult<()> {
    let tables =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application_id(connection)?, tables) {
        (APPLICATION_ID, _) => Ok(()),
        (0, 0_i64) => Ok(connection.pragma_update(None, "application_id", APPLICATION_ID)?),
        _ => Err(StoreError::new("it is a database of another program")),
    }
}

fn application_id(connection: &Connection) -> StoreResult<i64> {
    Ok(connection.query_row("PRAGMA application_id", [], |row| row.get(0))?)
}

/// The one path of a file, so that a lock beside it is found by whatever name it is opened. The
/// file is there afterwards: the target of a link too.
fn resolved(path: &Path) -> StoreResult<PathBuf> {
    let named = |error: std::io::Error| StoreError::new(format!("{}: {error}", path.display()));
    if !path.exists() {
        // The files beside it that SQLite creates get its mode.
        private(File::options().create(true).append(true)).open(path).map_err(named)?;
    }
    path.canonicalize().map_err(named)
}

fn connect(path: &Path) -> StoreResult<Connection> {
    let access = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    connect_to(path, access)
}

fn connect_to(path: &Path, access: OpenFlags) -> StoreResult<Connection> {
    // A path is a path, also one that begins with `file:`: without SQLITE_OPEN_URI.
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
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
        let connection = self.reader()?;
        connection.execute_batch("BEGIN DEFERRED")?;
        Ok(Box::new(SqliteView { connection: Some(connection), store: self }))
    }

    fn writer(&self) -> StoreResult<Box<dyn Writer>> {
        let connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let connection = connection.ok_or_else(|| StoreError::new("there is a writer already"))?;
        Ok(Box::new(SqliteWriter::new(connection, self.lock.clone())))
    }

    fn size(&self) -> StoreResult<StoreSize> {
        let connection = self.reader()?;
        let size = size::measure(&self.path, &connection);
        self.give_back(connection);
        size
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
            self.store.give_back(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{StoredSecret, conformance};
    use rusqlite::OptionalExtension;

    fn open(dir: &tempfile::TempDir) -> StoreResult<SqliteStore> {
        SqliteStore::open(&dir.path().join("flags.db"), Timestamp::from_millis(0))
    }

    #[test]
    fn it_is_a_store() {
        let dir = tempfile::tempdir().unwrap();
        conformance::check(|| Box::new(open(&dir).unwrap()));
    }

    /// What the first version of the schema had in it stays, in its new place.
    #[test]
    fn members_move_out_of_the_definitions_of_a_database_of_version_1() {
        use crate::store::{EnvironmentId, MemberCounts, MemberList, ObjectKind, Page};

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.db");
        let mut connection = connect(&path).unwrap();
        claim(&connection).unwrap();
        let first = migrations::migrations::runner().set_target(refinery::Target::Version(1));
        first.run(&mut connection).unwrap();
        connection
            .execute_batch(
                "INSERT INTO meta VALUES (1, 'e', 0);
                 INSERT INTO project VALUES (1, 'p', 'p', 'P', 0);
                 INSERT INTO environment (id, project_id, key, folded, name, revision,
                     definition_bytes, created_at) VALUES (1, 1, 'a', 'a', 'A', 5, 99, 0),
                     (2, 1, 'b', 'b', 'B', 0, 0, 0);",
            )
            .unwrap();
        let segment = |environment: i64, key: &str, members: i64, document: &str| {
            let sql = "INSERT INTO object VALUES (?1, 'segment', ?2, ?2, 4, ?3, 33, ?4)";
            connection.execute(sql, (environment, key, members, document)).unwrap();
        };
        let when = r#"{"attribute":"tenant.x","op":"in","values":[1.0,"\u00e4",9007199254740993]}"#;
        let kept = format!(r#"{{"kind":"tenant","when":{when}}}"#);
        let lists = r#""included":["b","\u00e4\"","a"],"excluded":["b"]"#;
        segment(1, "full", 4, &format!(r#"{{"kind":"tenant",{lists},"when":{when}}}"#));
        segment(1, "empty", 0, r#"{"kind":"user","included":[],"excluded":[],"when":null}"#);
        segment(1, "absent", 0, r#"{"kind":"user"}"#);
        segment(2, "full", 1, r#"{"kind":"user","included":["u"],"excluded":[],"when":null}"#);
        let damaged = [
            ("damaged", "{"),
            ("no-list", r#"{"kind":"user","included":"u"}"#),
            ("no-keys", r#"{"kind":"user","excluded":["u",1]}"#),
            ("twice", r#"{"kind":"user","included":["u","u"]}"#),
            ("no-object", "[]"),
        ];
        for (key, document) in damaged {
            segment(2, key, 1, document);
        }
        connection
            .execute(
                "INSERT INTO object VALUES (1, 'flag', 'full', 'full', 2, 0, 44, '{}'),
                 (1, 'flag', 'odd', 'odd', 2, 0, 44, 'not json')",
                (),
            )
            .unwrap();
        drop(connection);

        let store = open(&dir).unwrap();
        let view = store.view().unwrap();
        let (a, b) = (EnvironmentId(1), EnvironmentId(2));
        let keys = |environment, segment, list| {
            view.members(environment, segment, list, &Page::ALL).unwrap()
        };
        assert_eq!(keys(a, "full", MemberList::Included), ["a", "b", "\u{e4}\""]);
        assert_eq!(keys(a, "full", MemberList::Excluded), ["b"]);
        assert_eq!(keys(b, "full", MemberList::Included), ["u"]);
        let object =
            |environment, key| view.object(environment, ObjectKind::Segment, key).unwrap().unwrap();
        let full = object(a, "full");
        assert_eq!((full.version, full.bytes, &*full.document), (4, 33, &*kept));
        assert_eq!(full.members, MemberCounts { included: 3, excluded: 1, bytes: 6 });
        assert_eq!(object(a, "empty").document, r#"{"kind":"user","when":null}"#);
        assert_eq!(object(a, "absent").document, r#"{"kind":"user"}"#);
        assert_eq!(view.member_counts(a).unwrap(), full.members);
        assert_eq!(view.member_counts(b).unwrap().keys(), 1);
        assert_eq!(view.definition_bytes(a).unwrap(), 99);
        for (key, document) in damaged {
            assert_eq!(object(b, key).document, document, "it stays broken");
        }
        assert_eq!(view.objects(a, ObjectKind::Flag, &Page::ALL).unwrap().len(), 2);
        drop(view);
        drop(store);
        open(&dir).unwrap();
    }

    /// Whoever could do everything still can, with the same secret; nothing else opens more.
    #[test]
    fn tokens_of_a_database_of_version_2_stay_what_they_were() {
        use crate::store::{EnvironmentId, Grant, Page, Reach, Role, Tenants, TokenKind};

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.db");
        let mut connection = connect(&path).unwrap();
        claim(&connection).unwrap();
        let first = migrations::migrations::runner().set_target(refinery::Target::Version(2));
        first.run(&mut connection).unwrap();
        connection
            .execute_batch(
                "INSERT INTO meta VALUES (1, 'e', 0);
                 INSERT INTO project VALUES (1, 'p', 'p', 'P', 0);
                 INSERT INTO environment (id, project_id, key, folded, name, created_at)
                     VALUES (7, 1, 'a', 'a', 'A', 0);
                 INSERT INTO token VALUES ('t1', 'ops', 'admin', NULL, zeroblob(32), 5, NULL),
                     ('t2', 'shop', 'sdk', 7, unhex(hex('0123456789abcdef0123456789abcdef')), 6, 9),
                     ('t3', 'odd', 'other', NULL, unhex(hex('abcdef0123456789abcdef0123456789')), 7, NULL);
                 INSERT INTO audit (at, actor, request_id, action, object_kind, object_key, revisions)
                     VALUES (8, 't1', 'r', 'flag.off', 'flag', 'f', '{}'),
                     (9, 'gone', 'r', 'flag.on', 'flag', 'f', '{}');",
            )
            .unwrap();
        drop(connection);

        let store = open(&dir).unwrap();
        let view = store.view().unwrap();
        let tokens = view.tokens(&Page::ALL).unwrap();
        let kinds: Vec<_> = tokens.iter().map(|t| (&*t.id, &*t.name, t.kind.clone())).collect();
        let admin = TokenKind::Service(Grant { role: Role::Admin, reach: Reach::Everything });
        let shop = TokenKind::Sdk(EnvironmentId(7), Tenants::All);
        let nothing = TokenKind::Sdk(EnvironmentId(-1), Tenants::All);
        let expected = [("t1", "ops", admin), ("t2", "shop", shop), ("t3", "odd", nothing)];
        assert_eq!(kinds, expected);
        let hashes = [[0; 32], *b"0123456789abcdef0123456789abcdef"];
        for (token, hash) in tokens.iter().zip(hashes) {
            assert_eq!(token.secrets, [StoredSecret { hash, ends_at: None }]);
            assert_eq!((token.expires_at, token.last_used_at), (None, None));
        }
        let at = |millis| Some(Timestamp::from_millis(millis));
        assert_eq!(tokens.iter().map(|t| t.revoked_at).collect::<Vec<_>>(), [None, at(9), None]);
        assert_eq!(at(6), Some(tokens[1].created_at));
        drop(view);
        drop(store);

        let connection = connect(&path).unwrap();
        let names = "SELECT group_concat(actor || ':' || actor_name, ' ' ORDER BY id) FROM audit";
        let names: String = connection.query_row(names, (), |row| row.get(0)).unwrap();
        assert_eq!(names, "t1:ops gone:");
        let faults = "SELECT count(*) FROM pragma_foreign_key_check";
        assert_eq!(connection.query_row(faults, (), |row| row.get::<_, i64>(0)).unwrap(), 0);
    }

    #[test]
    fn the_history_of_a_database_of_version_2_is_found() {
        use crate::store::{EnvironmentId, ObjectKind};

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.db");
        let mut connection = connect(&path).unwrap();
        claim(&connection).unwrap();
        let second = migrations::migrations::runner().set_target(refinery::Target::Version(2));
        second.run(&mut connection).unwrap();
        connection
            .execute_batch(
                "INSERT INTO project VALUES (1, 'p', 'p', 'P', 0), (2, 'q', 'q', 'Q', 0);
                 INSERT INTO environment (id, project_id, key, folded, name, revision, created_at)
                 VALUES (1, 1, 'a', 'a', 'A', 3, 0), (2, 1, 'b', 'b', 'B', 1, 0),
                     (3, 2, 'a', 'a', 'A', 0, 0);
                 INSERT INTO change_log (environment_id, revision, change, committed_at)
                 VALUES (1, 1, '{}', 0), (1, 2, '{}', 0), (2, 1, '{}', 0);
                 INSERT INTO audit (at, actor, request_id, action, project, environment,
                     object_kind, object_key, revisions) VALUES
                     (1, 't', 'r', 'flag.create', 'p', NULL, 'flag', 'f', '{\"a\":1,\"b\":1}'),
                     (2, 't', 'r', 'flag_state.on', 'p', 'a', 'flag_state', 'f', '{\"a\":2}'),
                     (3, 't', 'r', 'environment.rename', 'p', 'a', 'environment', 'a', '{\"a\":2}'),
                     (4, 't', 'r', 'environment.create', 'q', 'a', 'environment', 'a', '{\"a\":0}'),
                     (5, 't', 'r', 'token.create', NULL, NULL, 'token', 't', '{}'),
                     (6, 't', 'r', 'odd', 'p', 'a', 'flag', 'f', 'not json');",
            )
            .unwrap();
        drop(connection);
        let store = open(&dir).unwrap();
        let view = store.view().unwrap();
        let f = Some((ObjectKind::Flag, "f"));
        assert_eq!(view.revisions(EnvironmentId(1), f, None, 9).unwrap(), [2, 1]);
        assert_eq!(view.revisions(EnvironmentId(2), f, None, 9).unwrap(), [1]);
        assert_eq!(view.deed_count(EnvironmentId(1), 2).unwrap(), 1);
        assert_eq!(view.deed_count(EnvironmentId(3), 0).unwrap(), 0);
    }

    #[test]
    fn its_size_tells_how_far_checkpoints_have_come() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).unwrap();
        let before = store.size().unwrap();
        assert!(before.database_bytes + before.wal_bytes > 0);
        let disk = before.disk.unwrap();
        assert!(disk.free_bytes <= disk.bytes);
        let insert = |rows: i64| {
            let connection = store.writer.lock().unwrap();
            let connection = connection.as_ref().unwrap();
            for row in 0..rows {
                let sql =
                    "INSERT INTO project (key, folded, name, created_at) VALUES (?1, ?1, '', 0)";
                connection.execute(sql, [format!("{rows}-{row}")]).unwrap();
            }
        };
        insert(10);
        let filled = store.size().unwrap();
        assert!(filled.wal.frames > before.wal.frames, "{filled:?}");
        assert!(filled.wal_bytes > before.wal_bytes, "{filled:?}");
        let connection = connect(&store.path).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(restart)", [], |_| Ok(())).unwrap();
        let moved = store.size().unwrap();
        assert_eq!(moved.wal.checkpointed_frames, moved.wal.frames);
        insert(2);
        let anew = store.size().unwrap();
        assert!(anew.wal.frames < filled.wal.frames, "{anew:?}");
        assert_eq!(anew.wal.checkpoints, filled.wal.checkpoints + 1);
        assert_eq!(anew.wal_bytes, moved.wal_bytes, "the file is used again");
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
    fn what_is_in_the_way_is_told_and_nothing_half_done_is_left() {
        use crate::store::Obstacle;

        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).unwrap();
        let set = |pragma: &str| {
            let writer = store.writer.lock().unwrap();
            writer.as_ref().unwrap().query_row(pragma, (), |_| Ok(())).optional().unwrap();
        };
        let write = || {
            store.write_first(|tx| {
                let project = tx.insert_project("p", "P", Timestamp::from_millis(0))?;
                for number in 0..2_000 {
                    let key = format!("e{number}");
                    tx.insert_environment(project, &key, &key, Timestamp::from_millis(0))?;
                }
                Ok(())
            })
        };
        for (begin, end, obstacle) in [
            ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", Obstacle::DiskFull),
            ("PRAGMA query_only = true", "PRAGMA query_only = false", Obstacle::ReadOnly),
        ] {
            set(begin);
            let error = write().unwrap_err();
            assert_eq!(error.obstacle(), Some(obstacle), "{error}");
            assert!(error.to_string().contains(obstacle.sentence()), "{error}");
            assert_eq!(store.view().unwrap().project("p").unwrap(), None);
            set(end);
        }
        write().unwrap();
        assert!(store.view().unwrap().project("p").unwrap().is_some());
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

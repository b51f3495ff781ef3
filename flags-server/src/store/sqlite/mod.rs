//! The store in one SQLite file.

mod audit;
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
        // In one transaction with the note that they were applied: a crash leaves both or neither.
        let migrations = migrations::migrations::runner().set_grouped(true);
        migrations.run(&mut connection).map_err(StoreError::new)?;
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
    use crate::store::{StoredSecret, conformance};

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
                 INSERT INTO change_log VALUES (1, 1, '{}', 0), (1, 2, '{}', 0), (2, 1, '{}', 0);
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

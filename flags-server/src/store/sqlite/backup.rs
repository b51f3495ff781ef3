//! Copies of a database that is in use, and putting one in its place.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::lock::Lock;
use super::private::{advice, private, take_after};
use super::{APPLICATION_ID, application_id, connect_to, resolved};
use crate::store::{StoreError, StoreResult};

/// Pages that are copied before progress is told.
const PAGES_PER_STEP: i32 = 4_096;

/// Copies a database to a file that is not there yet, while others write to it. The copy is of one
/// committed state, checked, durable, and there only when it is whole.
pub(crate) fn back_up(
    source: &Path,
    target: &Path,
    progress: &mut dyn FnMut(&str),
) -> StoreResult<()> {
    if target.exists() {
        return Err(StoreError::new(format!("{} is there already", target.display())));
    }
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = target.with_file_name(name);
    let copied = copy(source, &part, progress).and_then(|()| {
        progress("checking the copy");
        check(&part)?;
        sync(&part)?;
        std::fs::rename(&part, target).map_err(|error| named(target, &error))?;
        sync_directory(target)
    });
    if copied.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    copied
}

/// Copies one committed state of a database into a new file, of which nobody else can read a byte.
pub(crate) fn copy(
    source: &Path,
    target: &Path,
    progress: &mut dyn FnMut(&str),
) -> StoreResult<()> {
    let source = source.canonicalize().map_err(|error| named(source, &error))?;
    let from = connect_to(&source, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|from| check_owner(&from).map(|()| from))
        .or_else(|_| connect_to(&source, OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    check_owner(&from)?;
    // Holds one state for all steps: or else each write of the server begins the copy anew.
    from.execute_batch("BEGIN")?;
    from.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    create_private(target).map_err(|error| named(target, &error))?;
    let mut to = connect_to(target, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let backup = Backup::new(&from, &mut to)?;
    loop {
        match backup.step(PAGES_PER_STEP)? {
            StepResult::Done => break,
            StepResult::Busy | StepResult::Locked => std::thread::sleep(Duration::from_millis(50)),
            _ => {}
        }
        let state = backup.progress();
        progress(&format!("{} of {} pages", state.pagecount - state.remaining, state.pagecount));
    }
    drop(backup);
    // One file, that can be read where nothing can be written.
    to.pragma_update(None, "journal_mode", "DELETE")?;
    to.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn check_owner(connection: &Connection) -> StoreResult<()> {
    match application_id(connection)? {
        APPLICATION_ID => Ok(()),
        _ => Err(StoreError::new("it is a database of another program")),
    }
}

/// Opens a copy and looks at all its pages.
fn check(path: &Path) -> StoreResult<()> {
    let connection = connect_to(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    check_owner(&connection)?;
    let found: String = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    match &*found {
        "ok" => Ok(()),
        found => Err(StoreError::new(format!("the copy is damaged: {found}"))),
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    // What an interrupted copy left there goes.
    private(File::options().write(true).create(true).truncate(true)).open(path).map(drop)
}

fn sync(path: &Path) -> StoreResult<()> {
    let synced = File::options().write(true).open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| named(path, &error))
}

/// Makes a new name durable. Elsewhere than on Unix a directory cannot be synced.
fn sync_directory(path: &Path) -> StoreResult<()> {
    if cfg!(unix) {
        let directory = match path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            _ => Path::new("."),
        };
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        return synced.map_err(|error| named(directory, &error));
    }
    Ok(())
}

fn named(path: &Path, error: &io::Error) -> StoreError {
    StoreError::new(format!("{}: {error}", path.display()))
}

/// What came of a replacement.
pub(crate) struct Placed {
    /// Where the database is that was there, where one was.
    pub(crate) kept: Option<PathBuf>,
    /// What is left to do by whoever replaced it, in one sentence.
    pub(crate) advice: Option<String>,
}

/// The place of a database that is being replaced; no server can open it meanwhile.
pub(crate) struct Replacement {
    database: PathBuf,
    existed: bool,
    /// A directory beside it, for the file that takes its place.
    workshop: PathBuf,
    _lock: Lock,
}

impl Replacement {
    /// # Errors
    /// When another process has the database open.
    pub(crate) fn begin(database: &Path) -> StoreResult<Self> {
        let existed = database.exists();
        let resolved = if existed { resolved(database)? } else { absolute(database)? };
        let lock = Lock::take(&resolved)?;
        let mut name = resolved.file_name().unwrap_or_default().to_owned();
        name.push(".restoring");
        let workshop = resolved.with_file_name(name);
        // What an interrupted restore left there goes.
        let _ = std::fs::remove_dir_all(&workshop);
        std::fs::create_dir(&workshop).map_err(|error| named(&workshop, &error))?;
        Ok(Self { database: resolved, existed, workshop, _lock: lock })
    }

    /// Where the file has to be that takes its place.
    pub(crate) fn path(&self) -> PathBuf {
        self.workshop.join("flags.db")
    }

    /// Puts the file in the database's place, in one step, with the owner and the mode of the present
    /// one where that can be; `aside` is the name under which that one is kept.
    pub(crate) fn finish(self, aside: &str) -> StoreResult<Placed> {
        let (file, place) = (self.path(), &self.database);
        let model = match self.existed {
            true => place.as_path(),
            false => place.parent().unwrap_or(Path::new("/")),
        };
        let model = model.metadata().map_err(|error| named(model, &error))?;
        if self.existed {
            take_after(&file, &model).map_err(|error| named(&file, &error))?;
        }
        sync(&file)?;
        let kept = match self.existed {
            true => Some(self.keep(aside)?),
            false => None,
        };
        std::fs::rename(&file, place).map_err(|error| named(place, &error))?;
        sync_directory(place)?;
        let advice = advice(place, &model).map_err(|error| named(place, &error))?;
        Ok(Placed { kept, advice })
    }

    /// Gives the present file a second name. Its write-ahead log must not be there when another file
    /// has its first one: SQLite would take the log for that one's.
    fn keep(&self, aside: &str) -> StoreResult<PathBuf> {
        let path = beside(&self.database, &format!(".{aside}"));
        let emptied = connect_to(&self.database, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .and_then(|connection| Ok(connection.pragma_update(None, "journal_mode", "DELETE")?));
        if emptied.is_err() {
            // It cannot be read any more; its parts stay together.
            for part in ["-wal", "-shm"] {
                let _ = std::fs::rename(beside(&self.database, part), beside(&path, part));
            }
        }
        let linked = std::fs::hard_link(&self.database, &path);
        let kept = linked.or_else(|_| std::fs::copy(&self.database, &path).map(drop));
        kept.map_err(|error| named(&path, &error))?;
        for part in ["-wal", "-shm", "-journal"] {
            if beside(&self.database, part).exists() {
                let part = beside(&self.database, part);
                return Err(StoreError::new(format!("{} is still there", part.display())));
            }
        }
        sync_directory(&path)?;
        Ok(path)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.workshop);
    }
}

fn absolute(path: &Path) -> StoreResult<PathBuf> {
    std::path::absolute(path).map_err(|error| named(path, &error))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

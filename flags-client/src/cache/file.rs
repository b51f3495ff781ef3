//! The cache file on its disk. Everything here blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flags_core::{Document, Timestamp};

use super::format::{self, HEADER, Identity, Unusable};
use crate::clock::IntoTimestamp;
use crate::limits::MAX_CACHE_BYTES;

/// Changes of fewer bytes are not folded into the snapshot, however small that is.
const MIN_TAIL_BYTES: u64 = 64 * 1024;

/// What went wrong with the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum CacheError {
    #[error("cannot {0} the cache file: {1}")]
    Io(&'static str, #[source] io::Error),
    #[error("the cache file is ignored: {0}")]
    Unusable(#[from] Unusable),
    #[error("the cache file is ignored: it is not a regular file")]
    NotAFile,
    #[error("the cache file is ignored: it is larger than {MAX_CACHE_BYTES} bytes")]
    TooLarge,
    #[error("the cache file was changed by somebody else")]
    Interfered,
    #[error("too many changes wait for the disk; the cache file stays behind until a snapshot")]
    Behind,
}

/// The last known good definitions on disk.
#[derive(Debug)]
pub(super) struct CacheFile {
    path: PathBuf,
    identity: Identity,
    /// What is known to be in the file; `None` while nothing of it is of use.
    extent: Option<Extent>,
}

#[derive(Debug, Clone, Copy)]
struct Extent {
    /// By which the file is known again.
    header: [u8; HEADER],
    /// Where the snapshot ends, in bytes.
    snapshot: u64,
    /// Where the changes end, in bytes.
    changes: u64,
}

impl CacheFile {
    pub(super) fn new(path: PathBuf, identity: Identity) -> Self {
        Self { path, identity, extent: None }
    }

    /// Reads what is there: `None` if there is no file.
    pub(super) fn load(&mut self) -> Result<Option<Document>, CacheError> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CacheError::Io("read", error)),
        };
        // Anything else, a pipe say, might never end.
        if !metadata.is_file() {
            return Err(CacheError::NotAFile);
        }
        let mut bytes = Vec::new();
        File::open(&self.path)
            .and_then(|file| file.take(MAX_CACHE_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| CacheError::Io("read", error))?;
        if bytes.len() as u64 > MAX_CACHE_BYTES {
            return Err(CacheError::TooLarge);
        }
        let contents = format::read(&self.identity, &bytes)?;
        self.extent = bytes.first_chunk().map(|header| Extent {
            header: *header,
            snapshot: (HEADER + contents.snapshot) as u64,
            changes: contents.end as u64,
        });
        Ok(Some(contents.document))
    }

    /// When the server was last heard, which is the file's time of modification: it needs no place
    /// in the file, and whoever writes the file otherwise has heard the server, too.
    pub(super) fn heard(&self) -> Option<Timestamp> {
        self.extent?;
        let modified = fs::metadata(&self.path).and_then(|metadata| metadata.modified());
        modified.ok().map(IntoTimestamp::into_timestamp)
    }

    /// Notes when the server was last heard.
    pub(super) fn note_heard(&self, at: Timestamp) -> Result<(), CacheError> {
        let Some(at) = u64::try_from(at.as_millis())
            .ok()
            .and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)))
            .filter(|_| self.extent.is_some())
        else {
            return Ok(());
        };
        let note = || OpenOptions::new().write(true).open(&self.path)?.set_modified(at);
        note().map_err(|error| CacheError::Io("date", error))
    }

    /// Whether the file has what was written last; otherwise it waits for a snapshot.
    pub(super) fn is_complete(&self) -> bool {
        self.extent.is_some()
    }

    /// Replaces everything by a snapshot, as one step: a crash leaves the old file or the new one.
    pub(super) fn replace(&mut self, snapshot: &[u8]) -> Result<(), CacheError> {
        // Should it fail, what comes next does not follow what the file has.
        self.extent = None;
        self.rewrite(snapshot).map_err(|error| CacheError::Io("replace", error))
    }

    fn rewrite(&mut self, snapshot: &[u8]) -> io::Result<()> {
        let folder = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Readable by its owner alone.
        let mut new = tempfile::Builder::new().prefix(".flags-cache-").tempfile_in(folder)?;
        let header = format::header(&self.identity, snapshot);
        new.write_all(&header)?;
        new.write_all(snapshot)?;
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        let end = (HEADER + snapshot.len()) as u64;
        self.extent = Some(Extent { header, snapshot: end, changes: end });
        // The new name is durable when its folder is; elsewhere a folder cannot be opened.
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(())
    }

    /// Appends changes; those of an incomplete attempt before are overwritten.
    pub(super) fn append(&mut self, changes: &[Vec<u8>]) -> Result<(), CacheError> {
        let Some(extent) = self.extent else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        for change in changes {
            format::push_change(&mut bytes, change);
        }
        let append = || {
            let mut file = OpenOptions::new().read(true).write(true).open(&self.path)?;
            let mut header = [0; HEADER];
            if file.metadata()?.len() < extent.changes
                || file.read_exact(&mut header).is_err()
                || header != extent.header
            {
                return Ok(false);
            }
            file.set_len(extent.changes)?;
            file.seek(SeekFrom::End(0))?;
            file.write_all(&bytes)?;
            file.sync_data()?;
            Ok(true)
        };
        if !append().map_err(|error| CacheError::Io("append to", error))? {
            self.extent = None;
            return Err(CacheError::Interfered);
        }
        self.extent = Some(Extent { changes: extent.changes + bytes.len() as u64, ..extent });
        Ok(())
    }

    /// Folds the changes into the snapshot, if they have become many.
    pub(super) fn compact(&mut self) -> Result<(), CacheError> {
        let Some(Extent { snapshot, changes, .. }) = self.extent else {
            return Ok(());
        };
        if changes - snapshot <= MIN_TAIL_BYTES.max((snapshot - HEADER as u64) / 4) {
            return Ok(());
        }
        self.extent = None;
        let document = self.load()?;
        let Some(document) = document.filter(|_| self.extent.is_some_and(|e| e.changes == changes))
        else {
            self.extent = None;
            return Err(CacheError::Interfered);
        };
        serde_json::to_vec(&document)
            .map_err(io::Error::from)
            .and_then(|snapshot| self.rewrite(&snapshot))
            .map_err(|error| CacheError::Io("fold", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flags_core::{
        Change, Epoch, FLAG_KIND, KeysChange, MembersChange, Object, ObjectChange, SEGMENT_KIND,
    };

    fn cache(folder: &Path, token: &str) -> CacheFile {
        CacheFile::new(folder.join("flags.cache"), Identity::new("http://flags/", token))
    }

    fn snapshot(revision: u64) -> Vec<u8> {
        let document = Document { revision, ..Document::empty(Epoch::new("e")) };
        serde_json::to_vec(&document).unwrap()
    }

    fn change(revision: u64, padding: usize) -> Vec<u8> {
        let object = Object::new(FLAG_KIND, "a", revision, &"x".repeat(padding)).unwrap();
        let objects = vec![ObjectChange::Upsert(object)];
        let epoch = Epoch::new("e");
        serde_json::to_vec(&Change { epoch, revision, previous: revision - 1, objects }).unwrap()
    }

    fn revision(folder: &Path) -> Option<u64> {
        cache(folder, "t").load().unwrap().map(|document| document.revision)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(revision(folder.path()), None);
        let mut writer = cache(folder.path(), "t");
        writer.append(&[change(1, 0)]).unwrap();
        assert_eq!(revision(folder.path()), None, "changes need a snapshot before them");
        writer.replace(&snapshot(1)).unwrap();
        assert_eq!(revision(folder.path()), Some(1));
        writer.append(&[change(2, 0), change(3, 0)]).unwrap();
        writer.append(&[change(4, 0)]).unwrap();
        assert_eq!(revision(folder.path()), Some(4));

        let mut next_run = cache(folder.path(), "t");
        next_run.load().unwrap();
        next_run.append(&[change(5, 0)]).unwrap();
        assert_eq!(revision(folder.path()), Some(5));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mut writer = cache(folder.path(), "t");
        writer.replace(&snapshot(1)).unwrap();
        writer.append(&[change(2, 0)]).unwrap();
        let mode = fs::metadata(&writer.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_torn_tail_is_cut_off_before_the_next_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = cache(folder.path(), "t");
        writer.replace(&snapshot(1)).unwrap();
        writer.append(&[change(2, 0), change(3, 0)]).unwrap();
        let length = fs::metadata(&writer.path).unwrap().len();
        OpenOptions::new().write(true).open(&writer.path).unwrap().set_len(length - 5).unwrap();

        let mut next_run = cache(folder.path(), "t");
        assert_eq!(next_run.load().unwrap().unwrap().revision, 2);
        next_run.append(&[change(3, 9)]).unwrap();
        assert_eq!(revision(folder.path()), Some(3));
    }

    #[test]
    fn many_changes_are_folded_into_the_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = cache(folder.path(), "t");
        writer.replace(&snapshot(1)).unwrap();
        let mut largest = 0;
        for revision in 2..=40 {
            writer.append(&[change(revision, 10_000)]).unwrap();
            writer.compact().unwrap();
            largest = largest.max(fs::metadata(&writer.path).unwrap().len());
        }
        assert!(largest < 100_000, "{largest}");
        assert_eq!(revision(folder.path()), Some(40));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_member_more_of_a_large_segment_is_appended() {
        let keys: Vec<String> = (0..100_000).map(|number| format!("tenant-{number}")).collect();
        let definition = serde_json::json!({"kind": "tenant", "included": keys});
        let segment = Object::new(SEGMENT_KIND, "s", 1, &definition).unwrap();
        let epoch = Epoch::new("e");
        let document = Document { epoch: epoch.clone(), revision: 1, objects: vec![segment] };
        let folder = tempfile::tempdir().unwrap();
        let mut writer = cache(folder.path(), "t");
        writer.replace(&serde_json::to_vec(&document).unwrap()).unwrap();
        let snapshot = writer.extent.unwrap().header;
        for revision in 2..=9 {
            let add = vec![format!("new-{revision}")];
            let change = MembersChange {
                kind: SEGMENT_KIND.into(),
                key: "s".into(),
                version: revision,
                included: KeysChange { add, remove: Vec::new() },
                excluded: KeysChange::default(),
            };
            let (previous, objects) = (revision - 1, vec![ObjectChange::Members(change)]);
            let change = Change { epoch: epoch.clone(), revision, previous, objects };
            writer.append(&[serde_json::to_vec(&change).unwrap()]).unwrap();
            writer.compact().unwrap();
            let rewritten = writer.extent.unwrap().header != snapshot;
            assert!(!rewritten, "at revision {revision}");
        }
        let document = cache(folder.path(), "t").load().unwrap().unwrap();
        let definition: serde_json::Value =
            serde_json::from_str(document.objects[0].definition.get()).unwrap();
        assert_eq!(definition["included"].as_array().unwrap().len(), 100_008);
    }

    #[test]
    fn what_is_in_the_way_is_an_error_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flags.cache");
        fs::write(&path, "something else").unwrap();
        let error = cache(folder.path(), "t").load().unwrap_err();
        assert_eq!(error.to_string(), "the cache file is ignored: it is not a cache of flags");

        let mut writer = cache(folder.path(), "t");
        writer.replace(&snapshot(1)).unwrap();
        let error = cache(folder.path(), "u").load().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the cache file is ignored: it was written with another token"
        );

        fs::write(&path, "").unwrap();
        assert!(matches!(writer.append(&[change(2, 0)]), Err(CacheError::Interfered)));
        writer.append(&[change(3, 0)]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"", "there is nothing that it could follow");

        // Two processes that share a file do not destroy what the other has written.
        writer.replace(&snapshot(1)).unwrap();
        cache(folder.path(), "t").replace(&snapshot(9)).unwrap();
        assert!(matches!(writer.append(&[change(2, 0)]), Err(CacheError::Interfered)));
        assert_eq!(revision(folder.path()), Some(9));

        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(cache(folder.path(), "t").load(), Err(CacheError::NotAFile)));
        assert!(writer.replace(&snapshot(1)).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");

        let mut nowhere = cache(&folder.path().join("missing"), "t");
        assert!(nowhere.load().unwrap().is_none());
        assert!(nowhere.replace(&snapshot(1)).is_err());
    }
}

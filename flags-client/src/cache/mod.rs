//! The last known good definitions on disk: what a client starts from while its server is away.
//!
//! The files are read and written on blocking threads. What is to be written waits in a bounded
//! place; whatever goes wrong is said in the status and harms nobody who reads flags.

mod file;
mod format;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flags_core::{Document, Position, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::layer::lock;
use crate::limits::MAX_PENDING_CACHE_BYTES;
use crate::shared::Shared;
use file::{CacheError, CacheFile};
pub(crate) use format::Identity;

/// How many times longer than usual the next attempt waits after one that failed.
const PATIENCE: u32 = 30;

/// How old the file's word of when the server was last heard becomes, while it is heard.
const HEARD_INTERVAL: Duration = Duration::from_secs(60);

/// A cache file that has been read and is not being written yet.
#[derive(Debug)]
pub(crate) struct Cache {
    file: CacheFile,
}

impl Cache {
    pub(crate) fn new(path: PathBuf, identity: Identity) -> Self {
        Self { file: CacheFile::new(path, identity) }
    }

    /// Reads what is there; a problem is reported and means nothing is there.
    pub(crate) fn load(&mut self, shared: &Shared) -> Option<Document> {
        let document = self.file.load().unwrap_or_else(|error| {
            shared.cache_failed(&error);
            None
        });
        shared.cached(document.as_ref().map(Document::position));
        document
    }

    /// When the server was last heard by those who wrote the file, to about a minute.
    pub(crate) fn heard(&self) -> Option<Timestamp> {
        self.file.heard()
    }

    /// Starts a task that writes what it is given, at most once in `interval`.
    pub(crate) fn start(self, shared: Arc<Shared>, interval: Duration) -> Writer {
        let desk = Arc::new(Desk::default());
        let (open, closing) = watch::channel(());
        tokio::spawn(write(self.file, Arc::clone(&desk), closing, shared, interval));
        Writer { desk, heard: None, _open: open }
    }
}

/// Where things to be written are left. Dropping it ends the task, after a last write.
#[derive(Debug)]
pub(crate) struct Writer {
    desk: Arc<Desk>,
    /// When the file was last told that the server is heard.
    heard: Option<Instant>,
    _open: watch::Sender<()>,
}

impl Writer {
    /// A new snapshot, which replaces everything before it.
    pub(crate) fn snapshot(&self, bytes: Vec<u8>, position: Position) {
        *lock(&self.desk.pending) =
            Pending { snapshot: Some(bytes), position: Some(position), ..Pending::default() };
        self.desk.wake.notify_one();
    }

    /// The server says that nothing is new.
    pub(crate) fn heard(&mut self) {
        if self.heard.is_none_or(|told| told.elapsed() >= HEARD_INTERVAL) {
            self.heard = Some(Instant::now());
            self.desk.wake.notify_one();
        }
    }

    /// A change that follows everything before it.
    pub(crate) fn change(&self, bytes: Vec<u8>, position: Position) {
        let mut pending = lock(&self.desk.pending);
        pending.push(bytes);
        pending.position = Some(position);
        drop(pending);
        self.desk.wake.notify_one();
    }
}

#[derive(Debug, Default)]
struct Desk {
    pending: Mutex<Pending>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    snapshot: Option<Vec<u8>>,
    changes: Vec<Vec<u8>>,
    change_bytes: usize,
    /// Where the last of it leads to.
    position: Option<Position>,
    /// Changes were lost: nothing can be written until the next snapshot.
    broken: bool,
}

impl Pending {
    fn push(&mut self, change: Vec<u8>) {
        self.change_bytes += change.len();
        if self.change_bytes > MAX_PENDING_CACHE_BYTES {
            *self = Self { broken: true, ..Self::default() };
        }
        if !self.broken {
            self.changes.push(change);
        }
    }

    /// Puts back what could not be written, under what has come since.
    fn put_back(&mut self, mut unwritten: Self) {
        if self.snapshot.is_some() || self.broken {
            return;
        }
        if unwritten.snapshot.as_ref().is_some_and(|s| s.len() > MAX_PENDING_CACHE_BYTES) {
            unwritten = Self { broken: true, ..Self::default() };
        }
        for change in std::mem::take(&mut self.changes) {
            unwritten.push(change);
        }
        unwritten.position = self.position.take().or(unwritten.position);
        *self = unwritten;
    }

    /// Writes everything, and forgets what has been written.
    fn write(&mut self, file: &mut CacheFile, heard: Option<Timestamp>) -> Result<(), CacheError> {
        if self.broken {
            return Err(CacheError::Behind);
        }
        if let Some(snapshot) = &self.snapshot {
            file.replace(snapshot)?;
            self.snapshot = None;
        }
        if !self.changes.is_empty() {
            file.append(&self.changes)?;
            self.changes.clear();
            self.change_bytes = 0;
        }
        file.compact()?;
        heard.map_or(Ok(()), |heard| file.note_heard(heard))
    }
}

async fn write(
    mut file: CacheFile,
    desk: Arc<Desk>,
    mut closing: watch::Receiver<()>,
    shared: Arc<Shared>,
    interval: Duration,
) {
    loop {
        let closed = tokio::select! {
            () = desk.wake.notified() => false,
            _ = closing.changed() => true,
        };
        let mut pending = std::mem::take(&mut *lock(&desk.pending));
        let heard = shared.heard_at();
        let job = spawn_blocking(move || {
            let outcome = pending.write(&mut file, heard);
            (file, pending, outcome)
        });
        // Only a fault in writing ends it; the client goes on without a cache.
        let Ok((back, mut unwritten, outcome)) = job.await else {
            return shared.cache_failed(&"writing the cache file ended with a fault");
        };
        file = back;
        if outcome.is_ok()
            && let Some(position) = unwritten.position.take()
        {
            shared.cached(file.is_complete().then_some(position));
        }
        lock(&desk.pending).put_back(unwritten);
        let mut pause = interval;
        if let Err(error) = outcome {
            shared.cache_failed(&error);
            pause *= PATIENCE;
            desk.wake.notify_one();
        }
        if closed {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = closing.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use flags_core::{Change, Decoders, Epoch};
    use std::path::Path;

    fn snapshot(revision: u64) -> Vec<u8> {
        let document = Document { revision, ..Document::empty(Epoch::new("e")) };
        serde_json::to_vec(&document).unwrap()
    }

    fn position(revision: u64) -> Position {
        Position { epoch: Epoch::new("e"), revision }
    }

    fn change(revision: u64) -> Vec<u8> {
        let (epoch, previous) = (Epoch::new("e"), revision - 1);
        serde_json::to_vec(&Change { epoch, revision, previous, objects: vec![] }).unwrap()
    }

    fn cache(folder: &Path) -> Cache {
        Cache::new(folder.join("flags.cache"), Identity::new("http://flags/", "t"))
    }

    fn shared() -> Arc<Shared> {
        Arc::new(Shared::following(Decoders::new(), Clock::default()))
    }

    async fn until_it_holds(folder: &Path, revision: u64) {
        let holds = async {
            while cache(folder).load(&shared()).is_none_or(|d| d.revision != revision) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), holds).await.unwrap();
    }

    #[tokio::test]
    async fn what_waits_is_written_when_the_client_ends() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared();
        let writer = cache(folder.path()).start(Arc::clone(&shared), Duration::from_secs(3600));
        writer.snapshot(snapshot(1), position(1));
        until_it_holds(folder.path(), 1).await;
        writer.change(change(2), position(2));
        writer.change(change(3), position(3));
        drop(writer);
        until_it_holds(folder.path(), 3).await;
        let mut status = shared.status.subscribe();
        status.wait_for(|status| status.cached == Some(position(3))).await.unwrap();
    }

    #[tokio::test]
    async fn the_file_tells_when_the_server_was_last_heard() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared();
        let mut writer = cache(folder.path()).start(Arc::clone(&shared), Duration::ZERO);
        let path = folder.path();
        let tells = |at: Timestamp| async move {
            let tells = || {
                let mut cache = cache(path);
                cache.load(&self::shared()).and_then(|_| cache.heard()) == Some(at)
            };
            let told = async {
                while !tells() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
        };
        let (first, second) = (Timestamp::from_millis(1_001), Timestamp::from_millis(2_002));
        shared.was_heard(first);
        writer.snapshot(snapshot(1), position(1));
        tells(first).await;
        shared.was_heard(second);
        writer.heard();
        tells(second).await;
    }

    #[test]
    fn what_could_not_be_written_comes_before_what_has_come_since() {
        let mut pending = Pending::default();
        pending.push(change(3));
        let mut unwritten = Pending { snapshot: Some(snapshot(1)), ..Pending::default() };
        unwritten.push(change(2));
        pending.put_back(unwritten);
        assert_eq!(pending.snapshot, Some(snapshot(1)));
        assert_eq!(pending.changes, [change(2), change(3)]);

        let mut newer = Pending { snapshot: Some(snapshot(9)), ..Pending::default() };
        newer.put_back(pending);
        assert_eq!((newer.snapshot, newer.changes.len()), (Some(snapshot(9)), 0));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut pending = Pending { snapshot: Some(snapshot(1)), ..Pending::default() };
        let large = vec![0; MAX_PENDING_CACHE_BYTES / 4];
        for _ in 0..4 {
            pending.push(large.clone());
            assert!(!pending.broken);
        }
        let mut file = cache(Path::new("")).file;
        for _ in 0..9 {
            pending.push(change(2));
            assert!(pending.broken && pending.snapshot.is_none() && pending.changes.is_empty());
            assert!(matches!(pending.write(&mut file, None), Err(CacheError::Behind)));
        }
        let mut since = Pending::default();
        since.push(change(3));
        since.put_back(pending);
        assert!(since.broken && since.changes.is_empty(), "a change is missing before this one");

        let huge = vec![0; MAX_PENDING_CACHE_BYTES + 1];
        let mut kept = Pending::default();
        kept.put_back(Pending { snapshot: Some(huge), ..Pending::default() });
        assert!(kept.broken && kept.snapshot.is_none());
    }
}

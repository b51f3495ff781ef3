//! The last known good definitions on disk: what a client starts from while its server is away.
//!
//! The files are read and written on blocking threads. What is to be written waits in a bounded
//! place; whatever goes wrong is said in the status and harms nobody who reads flags.

mod file;
mod format;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flags_core::Document;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;

use crate::layer::lock;
use crate::limits::MAX_PENDING_CACHE_BYTES;
use crate::shared::Shared;
use file::{CacheError, CacheFile};
pub(crate) use format::Identity;

/// How many times longer than usual the next attempt waits after one that failed.
const PATIENCE: u32 = 30;

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
        self.file.load().unwrap_or_else(|error| {
            shared.cache_failed(&error);
            None
        })
    }

    /// Starts a task that writes what it is given, at most once in `interval`.
    pub(crate) fn start(self, shared: Arc<Shared>, interval: Duration) -> Writer {
        let desk = Arc::new(Desk::default());
        let (open, closing) = watch::channel(());
        tokio::spawn(write(self.file, Arc::clone(&desk), closing, shared, interval));
        Writer { desk, _open: open }
    }
}

/// Where things to be written are left. Dropping it ends the task, after a last write.
#[derive(Debug)]
pub(crate) struct Writer {
    desk: Arc<Desk>,
    _open: watch::Sender<()>,
}

impl Writer {
    /// A new snapshot, which replaces everything before it.
    pub(crate) fn snapshot(&self, bytes: Vec<u8>) {
        *lock(&self.desk.pending) = Pending { snapshot: Some(bytes), ..Pending::default() };
        self.desk.wake.notify_one();
    }

    /// A change that follows everything before it.
    pub(crate) fn change(&self, bytes: Vec<u8>) {
        lock(&self.desk.pending).push(bytes);
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
        *self = unwritten;
    }

    /// Writes everything, and forgets what has been written.
    fn write(&mut self, file: &mut CacheFile) -> Result<(), CacheError> {
        if let Some(snapshot) = &self.snapshot {
            file.replace(snapshot)?;
            self.snapshot = None;
        }
        if !self.changes.is_empty() {
            file.append(&self.changes)?;
            self.changes.clear();
            self.change_bytes = 0;
        }
        file.compact()
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
        let job = spawn_blocking(move || {
            let outcome = pending.write(&mut file);
            (file, pending, outcome)
        });
        // Only a fault in writing ends it; the client goes on without a cache.
        let Ok((back, unwritten, outcome)) = job.await else {
            return shared.cache_failed(&"writing the cache file ended with a fault");
        };
        file = back;
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

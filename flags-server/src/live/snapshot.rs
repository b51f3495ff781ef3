use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flags_core::Position;
use tokio::sync::Mutex;

use super::LiveEnvironment;

/// Fast, and small enough: a snapshot is encoded while somebody waits for it.
const ZSTD_LEVEL: i32 = 3;

/// A snapshot is read anew when the changes since it are more than one such part of it.
const MAX_TAIL_SHARE: u64 = 4;

/// How the bytes of a snapshot are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// All definitions of an environment at one revision, each form encoded at most once.
pub(crate) struct Snapshot {
    pub(crate) position: Position,
    /// [`LiveEnvironment::changed_bytes`] when it was read.
    changed_bytes: u64,
    identity: Bytes,
    gzip: OnceLock<Bytes>,
    zstd: OnceLock<Bytes>,
}

/// The latest snapshot of an environment.
#[derive(Default)]
pub(crate) struct SnapshotCache {
    latest: Mutex<Option<Arc<Snapshot>>>,
}

impl LiveEnvironment {
    /// A snapshot that the changes since do not outweigh; `read` gives the present one, and is
    /// polled only if need be. Who comes while it is being read waits for the same one.
    pub(crate) async fn snapshot<E>(
        &self,
        read: impl Future<Output = Result<(Position, Vec<u8>), E>>,
    ) -> Result<Arc<Snapshot>, E> {
        let mut latest = self.snapshot.latest.lock().await;
        if let Some(snapshot) = &*latest {
            let tail = self.changed_bytes().saturating_sub(snapshot.changed_bytes);
            if tail <= snapshot.identity.len() as u64 / MAX_TAIL_SHARE {
                return Ok(Arc::clone(snapshot));
            }
        }
        // Taken before the read: a change in between is then counted twice rather than not at all.
        let changed_bytes = self.changed_bytes();
        let (position, json) = read.await?;
        Ok(Arc::clone(latest.insert(Arc::new(Snapshot {
            position,
            changed_bytes,
            identity: json.into(),
            gzip: OnceLock::new(),
            zstd: OnceLock::new(),
        }))))
    }
}

impl Snapshot {
    /// The bytes in one form. Packing takes its time, the first time: not for a thread that
    /// answers requests.
    pub(crate) fn bytes(&self, encoding: Encoding) -> io::Result<Bytes> {
        match encoding {
            Encoding::Identity => Ok(self.identity.clone()),
            Encoding::Gzip => packed(&self.gzip, || {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(&self.identity)?;
                encoder.finish()
            }),
            Encoding::Zstd => packed(&self.zstd, || zstd::encode_all(&*self.identity, ZSTD_LEVEL)),
        }
    }
}

/// Two threads that come at the same time both pack; one result is kept.
fn packed(form: &OnceLock<Bytes>, pack: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Bytes> {
    match form.get() {
        Some(bytes) => Ok(bytes.clone()),
        None => {
            let bytes = pack()?.into();
            Ok(form.get_or_init(|| bytes).clone())
        }
    }
}

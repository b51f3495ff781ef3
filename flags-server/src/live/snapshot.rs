use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use flags_core::{Position, Revision};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::{Mutex, OnceCell};
use tokio::task::spawn_blocking;

use super::LiveEnvironment;
use crate::store::Tenants;

/// Fast, and small enough: a snapshot is encoded while somebody waits for it.
const ZSTD_LEVEL: i32 = 3;

/// A snapshot is read anew when the changes since it are more than one such part of it.
const MAX_TAIL_SHARE: u64 = 4;

/// How bytes are packed.
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
    gzip: OnceCell<Bytes>,
    zstd: OnceCell<Bytes>,
}

/// The latest snapshot of an environment.
#[derive(Default)]
pub(crate) struct SnapshotCache {
    latest: Mutex<Option<Arc<Snapshot>>>,
}

impl LiveEnvironment {
    /// A snapshot that the changes since do not outweigh, and that is later than the revision
    /// `known` to whoever asks; `read` gives the present one, and is polled only if need be. Who
    /// comes while it is being read waits for the same one.
    pub(crate) async fn snapshot<E>(
        &self,
        tenants: Tenants,
        known: Option<Revision>,
        read: impl Future<Output = Result<(Position, Vec<u8>), E>>,
    ) -> Result<Arc<Snapshot>, E> {
        let mut latest = self.snapshots.get(tenants).latest.lock().await;
        if let Some(snapshot) = &*latest {
            let tail = self.changed_bytes(tenants).saturating_sub(snapshot.changed_bytes);
            let light = tail <= snapshot.identity.len() as u64 / MAX_TAIL_SHARE;
            if light && known.is_none_or(|known| known < snapshot.position.revision) {
                return Ok(Arc::clone(snapshot));
            }
        }
        // Taken before the read: a change in between is then counted twice rather than not at all.
        let changed_bytes = self.changed_bytes(tenants);
        let (position, json) = read.await?;
        Ok(Arc::clone(latest.insert(Arc::new(Snapshot {
            position,
            changed_bytes,
            identity: json.into(),
            gzip: OnceCell::new(),
            zstd: OnceCell::new(),
        }))))
    }
}

impl Snapshot {
    /// The bytes in one form. Who comes while they are being packed waits for the same ones.
    pub(crate) async fn bytes(&self, encoding: Encoding) -> io::Result<Bytes> {
        let form = match encoding {
            Encoding::Identity => return Ok(self.identity.clone()),
            Encoding::Gzip => &self.gzip,
            Encoding::Zstd => &self.zstd,
        };
        let packed = form.get_or_try_init(|| async {
            let bytes = self.identity.clone();
            // Takes its time: not on a thread that answers requests.
            spawn_blocking(move || encoding.pack(&bytes)).await.map_err(io::Error::other)?
        });
        packed.await.cloned()
    }
}

impl Encoding {
    pub(crate) fn pack(self, bytes: &[u8]) -> io::Result<Bytes> {
        let packed = match self {
            Self::Identity => bytes.to_vec(),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(bytes)?;
                encoder.finish()?
            }
            Self::Zstd => zstd::encode_all(bytes, ZSTD_LEVEL)?,
        };
        Ok(packed.into())
    }
}

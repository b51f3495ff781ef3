use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flags_core::Position;
use tokio::sync::Mutex;

use super::LiveEnvironment;
use crate::service::{Fault, Service, document};

/// Fast, and small enough: a snapshot is encoded while somebody waits for it.
const ZSTD_LEVEL: i32 = 3;

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
    /// A snapshot that the recent changes do not outweigh. Who comes while it is being read waits
    /// for the same one.
    pub(crate) async fn snapshot(&self, service: &Service) -> Result<Arc<Snapshot>, Fault> {
        let mut latest = self.snapshot.latest.lock().await;
        if let Some(snapshot) = &*latest {
            let tail = self.changed_bytes().saturating_sub(snapshot.changed_bytes);
            if tail <= snapshot.identity.len() as u64 / 4 {
                return Ok(Arc::clone(snapshot));
            }
        }
        // Taken before the read: a change in between is then counted twice rather than not at all.
        let changed_bytes = self.changed_bytes();
        let id = self.id;
        let snapshot = service.read(move |view| {
            let document = document::read_by_id(view, id)?;
            let identity = serde_json::to_vec(&document)
                .map_err(|error| Fault::Internal(error.to_string()))?;
            Ok(Arc::new(Snapshot {
                position: document.position(),
                changed_bytes,
                identity: identity.into(),
                gzip: OnceLock::new(),
                zstd: OnceLock::new(),
            }))
        });
        Ok(Arc::clone(latest.insert(snapshot.await?)))
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

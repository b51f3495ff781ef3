/// How much room a store takes, and how much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StoreSize {
    pub(crate) database_bytes: u64,
    pub(crate) wal_bytes: u64,
    pub(crate) wal: WalProgress,
    /// Where the system tells.
    pub(crate) disk: Option<DiskSize>,
}

/// How far the write-ahead log has been brought into the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WalProgress {
    /// Pages in it since it began anew.
    pub(crate) frames: u64,
    /// Those of them that are in the database too.
    pub(crate) checkpointed_frames: u64,
    /// How often it began anew, after everything in it was in the database.
    pub(crate) checkpoints: u64,
}

/// The file system that a store is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DiskSize {
    pub(crate) bytes: u64,
    /// What this process may still write.
    pub(crate) free_bytes: u64,
}

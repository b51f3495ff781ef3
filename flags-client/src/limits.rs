//! Every bound of this crate, with its unit.

use std::time::Duration;

/// Largest event on the stream, in bytes. A larger change is fetched as a snapshot.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// Largest snapshot, in bytes before compression: more than an environment has at all of the
/// server's limits.
pub const MAX_SNAPSHOT_BYTES: usize = 512 * 1024 * 1024;

/// Largest cache file that is read, in bytes.
pub const MAX_CACHE_BYTES: u64 = 768 * 1024 * 1024;

/// Most changes that wait to be written to the cache file, in bytes.
pub(crate) const MAX_PENDING_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// How long a connection may take to be made.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the beginning of an answer may take.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a snapshot may take to arrive.
pub(crate) const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How long a body may be silent: three of the server's heartbeats.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(3 * 25);

/// How often an HTTP/2 connection is asked whether it is alive.
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(25);

/// How long it may take to answer that.
pub(crate) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most bytes of an error's body that are read for what the server says about it.
pub(crate) const MAX_PROBLEM_BYTES: usize = 16 * 1024;

/// Most redirects that are followed, all within one origin.
pub(crate) const MAX_REDIRECTS: usize = 5;

/// Most flags that are listed as not being what the code says.
pub(crate) const MAX_MISUSES: usize = 256;

/// Most of a key that is kept of such a flag, in bytes: all of it, if it is a flag's key.
pub(crate) const MAX_MISUSE_KEY_BYTES: usize = 128;

/// Most revisions that the server is told at once.
pub(crate) const MAX_RECEIPTS: usize = 8;

/// The longest time that a revision is said to have been in force.
pub(crate) const MAX_RECEIPT_AGE: Duration = Duration::from_secs(60 * 60);

/// The longest time over which receipts are spread, whatever the server asks for.
pub(crate) const MAX_RECEIPT_WINDOW: Duration = Duration::from_secs(60);

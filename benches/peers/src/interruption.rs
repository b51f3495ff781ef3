//! Whether the system let a thread run, so that what others on the machine do is not measured.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// How long the present thread has waited for a core, by Linux's own account.
///
/// Where there is no such account (another system), nothing ever counts as an interruption.
pub(crate) struct Waited {
    account: Option<File>,
}

impl Waited {
    /// Of the thread that calls this; it is no use on another one.
    pub(crate) fn of_this_thread() -> Self {
        Self { account: File::open("/proc/thread-self/schedstat").ok() }
    }

    /// Runs `work` and tells how long it was kept from running.
    pub(crate) fn during<T>(&self, work: impl FnOnce() -> T) -> (T, Duration) {
        let before = self.so_far();
        let result = work();
        (result, self.so_far().saturating_sub(before))
    }

    /// The second of three numbers: nanoseconds ready to run and not running.
    fn so_far(&self) -> Duration {
        let mut text = [0; 96];
        let length = self.account.as_ref().and_then(|file| file.read_at(&mut text, 0).ok());
        let text = text.get(..length.unwrap_or(0)).unwrap_or_default();
        let waited = std::str::from_utf8(text).ok().and_then(|text| text.split(' ').nth(1));
        Duration::from_nanos(waited.and_then(|waited| waited.parse().ok()).unwrap_or(0))
    }
}

/// Whether a wait of `waited` shows in a measurement of `elapsed`.
pub(crate) fn shows(waited: Duration, elapsed: Duration) -> bool {
    waited * 50 > elapsed
}

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells a computation, when it is dropped, that nobody waits for it any more.
#[derive(Default)]
pub(super) struct Caller {
    gone: Arc<AtomicBool>,
}

impl Caller {
    /// What is then set.
    pub(super) fn gone(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.gone)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

//! Work of different origins has its own share of the server: whoever asks too much delays their
//! own kind only.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Fault;
use crate::limits::{
    MAX_ADMIN_READERS, MAX_ADMIN_REQUESTS, MAX_HEALTH_READERS, MAX_SDK_READERS, MAX_SDK_REQUESTS,
};

/// Where work comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Admin,
    Sdk,
    Health,
}

/// What may go on at the same time in each lane.
pub(super) struct Lanes {
    admin: Width,
    sdk: Width,
    health: Width,
}

struct Width {
    requests: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl Width {
    fn new(requests: usize, readers: usize) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { requests: semaphore(requests), readers: semaphore(readers) }
    }
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self {
            admin: Width::new(MAX_ADMIN_REQUESTS, MAX_ADMIN_READERS),
            sdk: Width::new(MAX_SDK_REQUESTS, MAX_SDK_READERS),
            // A probe must not wait for others of its kind that wait for the database.
            health: Width::new(Semaphore::MAX_PERMITS, MAX_HEALTH_READERS),
        }
    }

    fn width(&self, lane: Lane) -> &Width {
        match lane {
            Lane::Admin => &self.admin,
            Lane::Sdk => &self.sdk,
            Lane::Health => &self.health,
        }
    }

    /// What is busy in each lane of what can be: name, how many are, how many can be.
    pub(super) fn busy(&self) -> [(&'static str, usize, usize); 5] {
        let of = |name, places: &Semaphore, limit: usize| {
            (name, limit.saturating_sub(places.available_permits()), limit)
        };
        let Self { admin, sdk, health } = self;
        [
            of("admin_requests", &admin.requests, MAX_ADMIN_REQUESTS),
            of("sdk_requests", &sdk.requests, MAX_SDK_REQUESTS),
            of("admin_readers", &admin.readers, MAX_ADMIN_READERS),
            of("sdk_readers", &sdk.readers, MAX_SDK_READERS),
            of("health_readers", &health.readers, MAX_HEALTH_READERS),
        ]
    }

    /// Waits until one more request may be worked on.
    pub(super) async fn request(&self, lane: Lane) -> Result<OwnedSemaphorePermit, Fault> {
        let requests = Arc::clone(&self.width(lane).requests);
        requests.acquire_owned().await.map_err(|_| Fault::Stopping)
    }

    /// Waits until one more may read the database.
    pub(super) async fn reader(&self, lane: Lane) -> Result<OwnedSemaphorePermit, Fault> {
        let readers = Arc::clone(&self.width(lane).readers);
        readers.acquire_owned().await.map_err(|_| Fault::Stopping)
    }
}

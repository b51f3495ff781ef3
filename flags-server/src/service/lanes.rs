//! Work of different origins has its own share of the server: whoever asks too much delays their
//! own kind only.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Fault;
use crate::limits::{
    MAX_ADMIN_READERS, MAX_ADMIN_READS, MAX_ADMIN_REQUESTS, MAX_BODIES_BYTES, MAX_HEALTH_READERS,
    MAX_SDK_READERS, MAX_SDK_REQUESTS,
};

/// Where work comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Admin,
    /// What the admin API is asked to write: some of its places are for this alone.
    Writes,
    Sdk,
    Health,
}

/// What may go on at the same time in each lane.
pub(super) struct Lanes {
    admin: Width,
    sdk: Width,
    health: Width,
    /// Of requests to the admin API that write nothing, besides their places in its lane.
    admin_reads: Arc<Semaphore>,
    /// Bytes of bodies.
    bodies: Arc<Semaphore>,
}

struct Width {
    requests: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl Width {
    fn new(requests: usize, readers: usize) -> Self {
        Self { requests: semaphore(requests), readers: semaphore(readers) }
    }
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits))
}

/// Places for what takes its time, and for a few who wait for one.
pub(super) struct Pool {
    places: Arc<Semaphore>,
    limit: usize,
    waiting: Semaphore,
}

impl Pool {
    pub(super) fn new(places: usize, waiting: usize) -> Self {
        Self { places: semaphore(places), limit: places, waiting: Semaphore::new(waiting) }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// When there are too many who wait for one.
    pub(super) async fn enter(&self) -> Result<OwnedSemaphorePermit, Fault> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| Fault::Busy)?;
        Arc::clone(&self.places).acquire_owned().await.map_err(|_| Fault::Stopping)
    }

    /// Of how many places how many are taken.
    pub(super) fn busy(&self) -> (usize, usize) {
        (self.limit.saturating_sub(self.places.available_permits()), self.limit)
    }
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self {
            admin: Width::new(MAX_ADMIN_REQUESTS, MAX_ADMIN_READERS),
            sdk: Width::new(MAX_SDK_REQUESTS, MAX_SDK_READERS),
            // A probe must not wait for others of its kind that wait for the database.
            health: Width::new(Semaphore::MAX_PERMITS, MAX_HEALTH_READERS),
            admin_reads: semaphore(MAX_ADMIN_READS),
            bodies: semaphore(MAX_BODIES_BYTES),
        }
    }

    fn width(&self, lane: Lane) -> &Width {
        match lane {
            Lane::Admin | Lane::Writes => &self.admin,
            Lane::Sdk => &self.sdk,
            Lane::Health => &self.health,
        }
    }

    /// What is busy in each lane of what can be: name, how many are, how many can be.
    pub(super) fn busy(&self) -> [(&'static str, usize, usize); 5] {
        let of = |name, places: &Semaphore, limit: usize| {
            (name, limit.saturating_sub(places.available_permits()), limit)
        };
        let Self { admin, sdk, health, .. } = self;
        [
            of("admin_requests", &admin.requests, MAX_ADMIN_REQUESTS),
            of("sdk_requests", &sdk.requests, MAX_SDK_REQUESTS),
            of("admin_readers", &admin.readers, MAX_ADMIN_READERS),
            of("sdk_readers", &sdk.readers, MAX_SDK_READERS),
            of("health_readers", &health.readers, MAX_HEALTH_READERS),
        ]
    }

    /// Waits until one more request may be worked on.
    pub(super) async fn request(&self, lane: Lane) -> Result<Vec<OwnedSemaphorePermit>, Fault> {
        let reads = (lane == Lane::Admin).then_some(&self.admin_reads);
        let mut places = Vec::new();
        for semaphore in reads.into_iter().chain([&self.width(lane).requests]) {
            let place = Arc::clone(semaphore).acquire_owned().await;
            places.push(place.map_err(|_| Fault::Stopping)?);
        }
        Ok(places)
    }

    /// Room for some bytes of a body, if there is any.
    pub(super) fn body(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bodies).try_acquire_many_owned(bytes).ok()
    }

    /// Waits until one more may read the database.
    pub(super) async fn reader(&self, lane: Lane) -> Result<OwnedSemaphorePermit, Fault> {
        let readers = Arc::clone(&self.width(lane).readers);
        readers.acquire_owned().await.map_err(|_| Fault::Stopping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_few_wait_and_the_next_one_is_told_so() {
        let pool = Pool::new(2, 1);
        let (first, second) = (pool.enter().await.unwrap(), pool.enter().await.unwrap());
        assert_eq!(pool.busy(), (2, 2));
        let mut third = Box::pin(pool.enter());
        assert!(third.as_mut().now_or_never().is_none());
        assert!(matches!(pool.enter().await, Err(Fault::Busy)));
        drop(first);
        let third = third.await.unwrap();
        let mut fourth = Box::pin(pool.enter());
        assert!(fourth.as_mut().now_or_never().is_none(), "there is room to wait again");
        // Who goes away waits no more.
        drop(fourth);
        let fifth = pool.enter();
        drop((second, third));
        assert!(fifth.await.is_ok());
    }

    #[test]
    fn who_reads_leaves_places_to_those_who_write() {
        let lanes = Lanes::new();
        let enter = |lane| lanes.request(lane).now_or_never();
        let mut held = Vec::new();
        held.extend(std::iter::from_fn(|| enter(Lane::Admin)));
        assert_eq!(held.len(), MAX_ADMIN_READS);
        held.extend(std::iter::from_fn(|| enter(Lane::Writes)));
        assert_eq!(held.len(), MAX_ADMIN_REQUESTS);
        assert!(enter(Lane::Sdk).is_some());
        held.pop();
        assert!(enter(Lane::Writes).is_some());
    }
}

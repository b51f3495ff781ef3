//! The domain's verbs, free of HTTP and of SQL.
//!
//! Whatever writes is a function of a [`Unit`] and runs on the writer thread, inside one
//! transaction with the operations before it; whatever reads is a function of a
//! [`View`].

pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod catalogue;
pub(crate) mod check;
pub(crate) mod contract;
pub(crate) mod copy;
pub(crate) mod diff;
pub(crate) mod document;
pub(crate) mod erase;
pub(crate) mod export;
mod fault;
pub(crate) mod flag;
mod fold;
mod health;
pub(crate) mod history;
pub(crate) mod idempotency;
pub(crate) mod import;
mod lanes;
mod member_lists;
pub(crate) mod members;
pub(crate) mod model;
pub(crate) mod moves;
mod needs;
pub(crate) mod new_token;
pub(crate) mod past;
pub(crate) mod plan;
mod precondition;
mod prerequisites;
mod present;
pub(crate) mod preview;
pub(crate) mod project;
pub(crate) mod prune;
mod publish;
mod readings;
mod received;
mod redact;
pub(crate) mod report;
pub(crate) mod revert;
pub(crate) mod rollout;
mod rule_ids;
pub(crate) mod schedule;
pub(crate) mod segment;
mod sentence;
pub(crate) mod shown_token;
mod sizes;
pub(crate) mod state;
pub(crate) mod target;
pub(crate) mod tenant;
pub(crate) mod tenants_alone;
pub(crate) mod text;
pub(crate) mod token;
pub(crate) mod upkeep;
pub(crate) mod uses;
mod writer;

pub(crate) use self::fault::{Fault, diagnostic};
pub(crate) use self::lanes::Lane;
pub(crate) use self::model::Revisions;
pub(crate) use self::precondition::Precondition;
pub(crate) use self::publish::{Author, Deed, Unit};
pub(crate) use self::writer::panic_message;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use flags_core::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;

use self::health::{Trial, WriteHealth};
use self::lanes::{Lanes, Pool};
use self::past::PastRulesets;
use self::writer::{Operation, Request, WriterThread};
use crate::access::Tokens;
use crate::limits::{
    MAX_COMPUTATIONS, MAX_EXPORTS, MAX_PLANS, MAX_PREVIEWS, MAX_PROPAGATION_WAITS,
    MAX_QUEUED_WRITES, MAX_WAITING_COMPUTATIONS, MAX_WAITING_EXPORTS, MAX_WAITING_PLANS,
    MAX_WAITING_PREVIEWS,
};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::{Store, View};

/// The present instant.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Everything that requests are answered with.
pub(crate) struct Service {
    pub(crate) live: Arc<Live>,
    pub(crate) tokens: Arc<Tokens>,
    /// Told when something is scheduled.
    scheduled: Arc<Notify>,
    pub(crate) metrics: Arc<Metrics>,
    started: (Timestamp, Instant),
    /// Places of those who wait for a propagation.
    pub(crate) waits: Arc<Semaphore>,
    store: Arc<dyn Store>,
    lanes: Lanes,
    past: PastRulesets,
    /// Of those who evaluate for somebody else, or read what somebody sent, which may be long.
    computers: Pool,
    /// Of those who plan changes of many objects.
    planners: Pool,
    /// Of those who find out what a change would do: that may take a minute.
    previewers: Pool,
    /// Of those who send a whole environment, as slowly as their client reads it.
    exporters: Pool,
    writes: mpsc::Sender<Box<dyn Operation>>,
    health: Arc<WriteHealth>,
}

impl Service {
    /// Starts the writer thread, which ends when the service is dropped and everything that was
    /// queued is written.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        live: Arc<Live>,
        tokens: Arc<Tokens>,
    ) -> Result<(Self, std::thread::JoinHandle<()>), crate::Error> {
        let metrics = Arc::new(Metrics::new()?);
        let (writes, queue) = mpsc::channel(MAX_QUEUED_WRITES);
        let scheduled = Arc::new(Notify::new());
        let health = Arc::<WriteHealth>::default();
        let thread = WriterThread {
            writer: store.writer()?,
            queue,
            epoch: live.epoch().clone(),
            live: Arc::clone(&live),
            tokens: Arc::clone(&tokens),
            scheduled: Arc::clone(&scheduled),
            health: Arc::clone(&health),
            metrics: Arc::clone(&metrics),
        };
        let handle =
            std::thread::Builder::new().name("writer".into()).spawn(move || thread.run())?;
        let waits = Arc::new(Semaphore::new(MAX_PROPAGATION_WAITS));
        let service = Self {
            live,
            tokens,
            scheduled,
            metrics,
            started: (now(), Instant::now()),
            waits,
            store,
            lanes: Lanes::new(),
            past: PastRulesets::default(),
            computers: Pool::new(MAX_COMPUTATIONS, MAX_WAITING_COMPUTATIONS),
            planners: Pool::new(MAX_PLANS, MAX_WAITING_PLANS),
            previewers: Pool::new(MAX_PREVIEWS, MAX_WAITING_PREVIEWS),
            exporters: Pool::new(MAX_EXPORTS, MAX_WAITING_EXPORTS),
            writes,
            health,
        };
        Ok((service, handle))
    }

    /// Runs a verb on the writer thread; returns when what it wrote is durable.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        author: Author,
        verb: impl FnOnce(&mut Unit<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.queue(Request::new(author, verb)).await
    }

    async fn queue<T>(
        &self,
        (request, answer): (impl Operation + 'static, oneshot::Receiver<Result<T, Fault>>),
    ) -> Result<T, Fault> {
        self.writes.try_send(Box::new(request)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Fault::Busy,
            mpsc::error::TrySendError::Closed(_) => Fault::Stopping,
        })?;
        answer.await.unwrap_or(Err(Fault::Stopping))
    }

    /// Reads one committed state for the admin API, away from the threads that answer requests.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn View) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.read_in(Lane::Admin, read).await
    }

    /// Reads one committed state.
    pub(crate) async fn read_in<T: Send + 'static>(
        &self,
        lane: Lane,
        read: impl FnOnce(&dyn View) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = self.lanes.reader(lane).await?;
        let store = Arc::clone(&self.store);
        let result = spawn_blocking(move || {
            let result = store.view().map_err(Fault::from).and_then(|view| read(&*view));
            drop(permit);
            result
        });
        result.await.unwrap_or_else(|error| Err(Fault::Internal(error.to_string())))
    }

    /// Begins to read one committed state for as long as it takes; a few at a time, beside the other
    /// readers.
    ///
    /// # Errors
    /// When too many wait for their turn already.
    pub(crate) async fn export(
        &self,
        read: impl FnOnce(Result<&dyn View, Fault>) + Send + 'static,
    ) -> Result<(), Fault> {
        let permit = self.exporters.enter().await?;
        let store = Arc::clone(&self.store);
        spawn_blocking(move || {
            match store.view() {
                Ok(view) => read(Ok(&*view)),
                Err(error) => read(Err(error.into())),
            }
            drop(permit);
        });
        Ok(())
    }

    /// Does what takes its time, away from the threads that answer requests; a few at a time.
    ///
    /// # Errors
    /// When too many wait for their turn already.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let place = self.computers.enter().await?;
        self.compute_at(place, compute).await
    }

    /// The same at a place that was waited for already.
    pub(crate) async fn compute_at<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let result = spawn_blocking(move || {
            let result = compute();
            drop(place);
            result
        });
        result.await.map_err(|error| Fault::Internal(error.to_string()))
    }

    /// Reads one committed state at such a place, for as long as it takes.
    pub(crate) async fn read_at<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        read: impl FnOnce(&dyn View) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let store = Arc::clone(&self.store);
        self.compute_at(place, move || read(&*store.view()?)).await?
    }

    /// Waits until one more request may be worked on; it is until the permits are dropped.
    pub(crate) async fn enter(&self, lane: Lane) -> Result<Vec<OwnedSemaphorePermit>, Fault> {
        self.lanes.request(lane).await
    }

    /// Waits until one more preview may be worked on; it is until the permit is dropped.
    ///
    /// # Errors
    /// When too many wait for their turn already.
    pub(crate) async fn enter_preview(&self) -> Result<OwnedSemaphorePermit, Fault> {
        self.previewers.enter().await
    }

    /// Room for some bytes of a body, if there is any; it is taken until the permit is dropped.
    pub(crate) fn body_room(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        self.lanes.body(bytes)
    }

    /// Whether the server was asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.tokens.is_stopping()
    }

    /// Why writes fail, where they do. Now and then this tries whether they still do: as long as
    /// nobody sends any because this server is not ready, nothing else would find out.
    pub(crate) async fn write_fault(&self) -> Option<String> {
        if self.health.take_turn() {
            let (trial, end) = Trial::new();
            if self.writes.try_send(Box::new(trial)).is_ok() {
                let _ = end.await;
            }
        }
        self.health.fault()
    }

    /// Whether the writer takes work.
    pub(crate) fn is_writing(&self) -> bool {
        !self.writes.is_closed()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::quota::Quotas;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Grant, Page, Reach, Role, StoredToken, TokenKind};
    use flags_core::Epoch;
    use tempfile::TempDir;
    use tokio_util::sync::CancellationToken;

    /// A service on an empty database, with no environment in memory.
    pub(crate) fn start(dir: &TempDir) -> (Arc<Service>, std::thread::JoinHandle<()>) {
        start_until(dir, CancellationToken::new())
    }

    /// The same, with what tells it to stop.
    pub(crate) fn start_until(
        dir: &TempDir,
        stop: CancellationToken,
    ) -> (Arc<Service>, std::thread::JoinHandle<()>) {
        let store = SqliteStore::open(&dir.path().join("flags.db"), now()).unwrap();
        let tokens = Tokens::new(&[token()], Quotas::default(), stop);
        let live = Arc::new(Live::new(Epoch::new("e")));
        let (service, writer) = Service::start(Arc::new(store), live, Arc::new(tokens)).unwrap();
        (Arc::new(service), writer)
    }

    /// What the service is asked with.
    fn token() -> StoredToken {
        let grant = Grant { role: Role::Admin, reach: Reach::Everything };
        let token = token::new_token("t", TokenKind::Service(grant), "secret", now());
        StoredToken { id: "t".into(), ..token }
    }

    /// Puts the token into the database, too.
    pub(crate) async fn store_token(service: &Service) {
        let store = |unit: &mut Unit<'_>| Ok(unit.tx.insert_token(&token())?);
        service.write(author(), store).await.unwrap();
    }

    fn author() -> Author {
        let (actor, actor_name) = ("t".into(), "t".into());
        Author { actor, actor_name, request_id: "r".into(), reason: None }
    }

    async fn create(service: &Service, key: &'static str) -> Result<(), Fault> {
        service.write(author(), |unit| project::create(unit, key, key)).await.map(|_| ())
    }

    async fn keys(service: &Service) -> Vec<String> {
        let read = service.read(|view| Ok(view.projects(&Page::ALL)?));
        read.await.unwrap().into_iter().map(|project| project.key).collect()
    }

    #[tokio::test]
    async fn a_verb_that_panics_is_rolled_back_alone() {
        let dir = TempDir::new().unwrap();
        let (service, _) = start(&dir);
        let panics = service.write(author(), |unit| -> Result<(), Fault> {
            project::create(unit, "half", "half")?;
            panic!("in the middle")
        });
        let (panicked, created) = tokio::join!(panics, create(&service, "whole"));
        assert!(matches!(panicked, Err(Fault::Internal(message)) if message.contains("middle")));
        created.unwrap();
        assert_eq!(keys(&service).await, ["whole"]);
    }

    #[tokio::test]
    async fn a_full_queue_says_so_and_what_was_queued_is_written_before_the_end() {
        let dir = TempDir::new().unwrap();
        let (service, writer) = start(&dir);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (entered, inside) = tokio::sync::oneshot::channel();
        let holding = tokio::spawn({
            let service = Arc::clone(&service);
            async move {
                let hold = move |_: &mut Unit<'_>| {
                    let _ = entered.send(());
                    held.recv().map_err(|error| Fault::Internal(error.to_string()))
                };
                service.write(author(), hold).await
            }
        });
        inside.await.unwrap();
        let mut queued = Vec::new();
        for number in 0..MAX_QUEUED_WRITES {
            let (request, answer) = Request::new(author(), move |unit: &mut Unit<'_>| {
                let key = format!("p{number}");
                project::create(unit, &key, &key)
            });
            service.writes.try_send(Box::new(request)).unwrap();
            queued.push(answer);
        }
        assert!(matches!(create(&service, "one-more").await, Err(Fault::Busy)));
        release.send(()).unwrap();
        holding.await.unwrap().unwrap();
        drop(service);
        tokio::task::spawn_blocking(|| writer.join()).await.unwrap().unwrap();
        for mut answer in queued {
            answer.try_recv().unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_token_that_is_revoked_in_the_same_commit_writes_nothing_after_that() {
        let dir = TempDir::new().unwrap();
        let (service, _) = start(&dir);
        let (release, held) = std::sync::mpsc::channel::<()>();
        // What comes meanwhile is committed together.
        let hold = service.write(author(), move |_: &mut Unit<'_>| {
            held.recv().map_err(|error| Fault::Internal(error.to_string()))
        });
        let before = create(&service, "before");
        let revoke = service.write(author(), |unit| {
            unit.effects.push(super::publish::Effect::TokenRevoked { id: "t".into() });
            Ok(())
        });
        let after = create(&service, "after");
        let release = async { release.send(()).unwrap() };
        let (_, before, revoked, after, ()) = tokio::join!(hold, before, revoke, after, release);
        before.unwrap();
        revoked.unwrap();
        assert!(matches!(after, Err(Fault::Revoked)));
        assert_eq!(keys(&service).await, ["before"]);
    }
}

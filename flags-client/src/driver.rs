//! The task that keeps a client up to date: does what [`sync`](crate::sync) says.

use std::sync::Arc;
use std::time::Instant;

use flags_core::{Change, Document, Position};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, spawn_blocking};

use crate::backoff::Pace;
use crate::cache::{Cache, Writer};
use crate::receipts::Receipts;
use crate::shared::Shared;
use crate::source::http::{EventStream, Server};
use crate::source::{Item, SseEvent};
use crate::status::{Failure, ProblemKind, Source, State};
use crate::sync::{Action, Event, Syncing};

#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) shared: Arc<Shared>,
    pub(crate) server: Arc<Server>,
    /// `None` where the server is told nothing.
    pub(crate) receipts: Option<Arc<Receipts>>,
    pub(crate) cache: Option<Cache>,
    pub(crate) pace: Pace,
}

impl Driver {
    /// Runs until nobody holds the client any more, or until the runtime ends.
    pub(crate) async fn run(self, last_handle_dropped: oneshot::Receiver<()>) {
        let farewell = Farewell(Some(Arc::clone(&self.shared)));
        tokio::select! {
            _ = last_handle_dropped => farewell.cancel(),
            () = self.follow() => {}
        }
    }

    async fn follow(mut self) {
        let position = self.load_cache().await;
        // Ends with this task.
        let mut beside = JoinSet::new();
        if let Some(receipts) = &self.receipts {
            beside.spawn(Arc::clone(receipts).tell(Arc::clone(&self.server)));
        }
        let mut connection = Connection {
            receipts: self.receipts,
            writer: self.cache.map(|cache| cache.start(Arc::clone(&self.shared), self.pace.flush)),
            server: self.server,
            shared: self.shared,
            stream: None,
        };
        let mut sync = Syncing::new(position, self.pace);
        let mut action = sync.begin();
        loop {
            let event = connection.perform(action).await;
            action = sync.next(event, Instant::now(), fastrand::f64());
        }
    }

    /// Serves what the disk has, and says where that stands.
    async fn load_cache(&mut self) -> Option<Position> {
        let mut cache = self.cache.take()?;
        let shared = Arc::clone(&self.shared);
        let loading = spawn_blocking(move || {
            let document = cache.load(&shared);
            if let Some(document) = &document {
                // First, so that no answer takes it for something that was never heard.
                if let Some(heard) = cache.heard() {
                    shared.was_heard(heard);
                }
                shared.install(document, State::Stale, Source::Disk);
            }
            (cache, document.map(|document| document.position()))
        });
        match loading.await {
            Ok((cache, position)) => {
                self.cache = Some(cache);
                position
            }
            Err(_) => {
                self.shared.cache_failed(&"reading the cache file ended with a fault");
                None
            }
        }
    }
}

/// The dealings with the server.
#[derive(Debug)]
struct Connection {
    shared: Arc<Shared>,
    server: Arc<Server>,
    receipts: Option<Arc<Receipts>>,
    writer: Option<Writer>,
    stream: Option<EventStream>,
}

impl Connection {
    async fn perform(&mut self, action: Action) -> Event {
        let event = match action {
            Action::Wait(pause) => {
                tokio::time::sleep(pause).await;
                self.shared.reconnecting();
                Ok(Event::Woken)
            }
            Action::FetchSnapshot(known) => self.fetch(known).await,
            Action::OpenStream(position) => self.open(&position).await,
            Action::Read => self.read().await,
        };
        event.unwrap_or_else(|failure| {
            self.stream = None;
            self.shared.failed(&failure);
            Event::Failed(failure)
        })
    }

    async fn open(&mut self, position: &Position) -> Result<Event, Failure> {
        let instance = self.receipts.as_ref().map(|receipts| receipts.instance());
        let stream = self.server.stream(position, instance).await?;
        if let Some(receipts) = &self.receipts {
            receipts.connected(position, stream.receipt_window());
        }
        self.stream = Some(stream);
        Ok(Event::Opened)
    }

    async fn fetch(&mut self, known: Option<Position>) -> Result<Event, Failure> {
        let Some(body) = self.server.snapshot(known.as_ref()).await? else {
            self.shared.heard();
            return Ok(Event::Unchanged);
        };
        let shared = Arc::clone(&self.shared);
        let (body, position) = blocking(move || {
            let document: Document = serde_json::from_slice(&body).map_err(|error| {
                Failure::new(ProblemKind::Malformed, format!("the snapshot: {error}"))
            })?;
            let position = document.position();
            // A snapshot may be older than what the stream has supplied since it was made.
            if known.is_some_and(|known| {
                known.epoch == position.epoch && known.revision >= position.revision
            }) {
                return Ok((body, None));
            }
            shared.install(&document, State::Live, Source::Server);
            Ok((body, Some(position)))
        })
        .await?;
        let Some(position) = position else {
            self.shared.heard();
            return Ok(Event::Unchanged);
        };
        if let Some(writer) = &self.writer {
            writer.snapshot(body, position.clone());
        }
        if let Some(receipts) = &self.receipts {
            receipts.loaded(&position);
        }
        Ok(Event::Loaded(position))
    }

    async fn read(&mut self) -> Result<Event, Failure> {
        let Some(stream) = &mut self.stream else {
            return Err(Failure::new(ProblemKind::Internal, "there is no stream to read"));
        };
        match stream.next().await? {
            Item::Retry(pause) => Ok(Event::Hint(pause)),
            Item::Comment => {
                self.heard();
                Ok(Event::Heard)
            }
            Item::Event(event) => match event.name.as_str() {
                "change" => self.apply(event).await,
                "reset" => {
                    let message = "the server asks to begin anew from a snapshot";
                    Err(Failure::new(ProblemKind::Reset, message))
                }
                _ => {
                    self.shared.ignored_event();
                    self.heard();
                    Ok(Event::Heard)
                }
            },
        }
    }

    async fn apply(&mut self, event: SseEvent) -> Result<Event, Failure> {
        let shared = Arc::clone(&self.shared);
        let applied = blocking(move || {
            let malformed = |message| Failure::new(ProblemKind::Malformed, message);
            let change: Change = serde_json::from_slice(&event.data)
                .map_err(|error| malformed(format!("a change: {error}")))?;
            let position = change.position();
            if event.id.as_deref() != Some(&*position.to_string()) {
                return Err(malformed(format!("the id of the change to {position} is not that")));
            }
            match shared.apply(&change) {
                Ok(()) => Ok(Some((position, event.data))),
                Err(gap) if gap.is_repeat() => Ok(None),
                Err(_) if !shared.is_in(&position.epoch) => Err(other_history()),
                Err(gap) => Err(Failure::new(ProblemKind::Gap, gap.to_string())),
            }
        })
        .await?;
        let Some((position, data)) = applied else {
            self.heard();
            return Ok(Event::Heard);
        };
        if let Some(writer) = &self.writer {
            writer.change(data, position.clone());
        }
        if let Some(receipts) = &self.receipts {
            receipts.applied(&position);
        }
        Ok(Event::Applied(position))
    }

    /// A sign of life, and the moment to free what nobody reads any more.
    fn heard(&mut self) {
        self.shared.heard();
        if let Some(writer) = &mut self.writer {
            writer.heard();
        }
        if self.shared.layers.has_retired() {
            let shared = Arc::clone(&self.shared);
            spawn_blocking(move || shared.layers.sweep());
        }
    }
}

fn other_history() -> Failure {
    Failure::new(ProblemKind::Reset, "the server has another history now")
}

/// Runs what takes time outside the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Failure::new(ProblemKind::Internal, "taking over definitions ended with a fault"))
    })
}

/// Says in the status that nothing will be kept up to date any more, when the task is dropped.
#[derive(Debug)]
struct Farewell(Option<Arc<Shared>>);

impl Farewell {
    /// Nobody is left who could read the status.
    fn cancel(mut self) {
        self.0 = None;
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            let message = "the task that kept the client up to date has ended, as its runtime has";
            shared.failed(&Failure::new(ProblemKind::Stopped, message));
        }
    }
}

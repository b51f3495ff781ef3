//! `/sdk/v1/stream`
//!
//! Every stream reads the same encoded bytes. A connection keeps the revision it is at, and of old
//! changes a bounded few: one that reads slowly is behind, and costs the others nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flags_core::{Epoch, Position, Revision};
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::auth::Authorized;
use super::openapi::{Describes, Operation};
use super::problem::Problem;
use super::rate::too_many_streams;
use super::sdk_telemetry::{RECEIPT_WINDOW, instance_of, name_schema};
use super::stream_life::StreamLife;
use super::trace::Trail;
use crate::access::Access;
use crate::limits::{
    CHANGE_BYTES_PER_READ, CHANGES_PER_READ, HEARTBEAT_MS, MAX_STREAMED_CHANGE_BYTES,
    STREAM_RETRY_MS,
};
use crate::live::{LiveEnvironment, frame, visible};
use crate::metrics::StreamEnd;
use crate::service::{Fault, Lane, Service, now};
use crate::store::{LoggedChange, StoreError, Tenants, TokenKind};

/// The environment of an SDK token.
pub(super) struct SdkAccess {
    pub(super) environment: Arc<LiveEnvironment>,
    pub(super) tenants: Tenants,
    access: Arc<Access>,
}

impl FromRequestParts<Arc<Service>> for SdkAccess {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Problem> {
        let Authorized(access) = Authorized::from_request_parts(parts, service).await?;
        let found = match access.token.kind {
            TokenKind::Sdk(id, tenants) => service.live.by_id(id).map(|found| (found, tenants)),
            TokenKind::Personal(_) | TokenKind::Service(_) => None,
        };
        let (environment, tenants) =
            found.ok_or_else(|| Problem::internal("a token without an environment"))?;
        if environment.is_archived() {
            return Err(Problem::forbidden("the environment of this token is archived"));
        }
        Ok(Self { environment, tenants, access })
    }
}

impl Describes for SdkAccess {
    fn describe(_: &mut Operation<'_>) {}
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    /// The position to go on from, `<epoch>.<revision>`; the present one where it is absent.
    #[schemars(regex(pattern = r"^.+\.[0-9]{1,19}$"))]
    after: Option<String>,
}

/// Headers that say who opens a stream, and what it has already.
pub(super) struct Resuming(HeaderMap);

impl<S: Sync> FromRequestParts<S> for Resuming {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.clone()))
    }
}

impl Describes for Resuming {
    fn describe(operation: &mut Operation<'_>) {
        let text = json_schema!({"type": "string"});
        operation.header("Last-Event-ID", "As `after`, which it goes before.", &text);
        operation.header("Flags-Instance", "The name of the instance.", &name_schema());
    }
}

const LAST_EVENT_ID: &str = "last-event-id";
const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    SdkAccess { environment, tenants, access }: SdkAccess,
    trail: Trail,
    Resuming(headers): Resuming,
    query: Result<Query<StreamQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::query_rejected(&rejection))?;
    let Some(place) = access.token.begin_stream() else {
        return Ok(too_many_streams(service.tokens.quotas().streams_per_token));
    };
    let instance = instance_of(&headers)?;
    let window = environment.receipt_window().as_millis().to_string();
    let watch = environment.watch();
    let present = environment.revision();
    let epoch = service.live.epoch().clone();
    let after = query.after.map(|after| {
        let wrong = || Problem::query("`after` is a position, `<epoch>.<revision>`");
        after.parse::<Position>().map_err(|_| wrong())
    });
    let after = after.transpose()?;
    let asked = match headers.get(LAST_EVENT_ID) {
        // What is not a position of ours is of another history.
        Some(id) => Some(id.to_str().ok().and_then(|id| id.parse().ok())),
        None => after.map(Some),
    };
    let start = match asked {
        None => Some(present),
        Some(position) => position
            .filter(|position: &Position| position.epoch == epoch && position.revision <= present)
            .map(|position| position.revision),
    };
    let body = match start {
        None => {
            service.metrics.stream_ended(StreamEnd::Reset);
            Body::from(reset(&epoch, present))
        }
        Some(after) => {
            let stream = Stream {
                life: StreamLife::begin(
                    Arc::clone(&service.metrics),
                    trail,
                    &environment,
                    instance,
                    after,
                ),
                service,
                environment,
                tenants,
                epoch,
                watch,
                access,
                after,
                ready: VecDeque::from([opening()]),
                is_reset: false,
                heartbeat: next_heartbeat(),
                _place: place,
            };
            Body::from_stream(futures_util::stream::unfold(stream, |mut stream| async move {
                let bytes = stream.next().await?;
                stream.life.sent(&bytes, stream.after);
                Some((Ok::<_, Infallible>(bytes), stream))
            }))
        }
    };
    let headers = [
        (RECEIPT_WINDOW.clone(), &*window),
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        // Or else a proxy keeps the events until it has enough of them.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

/// When to come back, and the first heartbeat.
fn opening() -> Bytes {
    format!("retry: {}\n:\n\n", fastrand::u64(STREAM_RETRY_MS)).into()
}

fn reset(epoch: &Epoch, revision: Revision) -> Bytes {
    let data = serde_json::json!({"epoch": epoch, "revision": revision});
    let retry = fastrand::u64(STREAM_RETRY_MS);
    format!("retry: {retry}\n:\n\nevent: reset\ndata: {data}\n\n").into()
}

fn next_heartbeat() -> Instant {
    Instant::now() + Duration::from_millis(fastrand::u64(HEARTBEAT_MS))
}

struct Stream {
    service: Arc<Service>,
    environment: Arc<LiveEnvironment>,
    /// Whether it carries them.
    tenants: Tenants,
    epoch: Epoch,
    watch: watch::Receiver<Revision>,
    /// Ends when its secret does, when the token is revoked, and when the server stops.
    access: Arc<Access>,
    /// The revision that the client has once it has read what is ready.
    after: Revision,
    ready: VecDeque<Bytes>,
    /// Ends when everything that is ready was read: the client needs a snapshot.
    is_reset: bool,
    heartbeat: Instant,
    life: StreamLife,
    /// Among the open streams of the token.
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// What to send next; `None` ends the stream, and the client resumes.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.access.ended.is_cancelled() || self.environment.is_archived() {
                self.life.end(StreamEnd::Server);
                return None;
            }
            if let Some(bytes) = self.ready.pop_front() {
                return Some(bytes);
            }
            if self.is_reset {
                self.life.end(StreamEnd::Reset);
                return None;
            }
            let present = *self.watch.borrow_and_update();
            if self.after < present {
                if let Some(frame) = self.environment.frame_after(self.after, self.tenants) {
                    self.after += 1;
                    return Some(self.life.carry(frame));
                }
                if let Err(fault) = self.read_log().await {
                    tracing::error!(?fault, "a stream ends: the change log cannot be read");
                    self.life.end(StreamEnd::Failed);
                    return None;
                }
                continue;
            }
            tokio::select! {
                biased;
                () = self.access.ended.cancelled() => {}
                () = self.environment.archived() => {}
                changed = self.watch.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.heartbeat) => {
                    self.heartbeat = next_heartbeat();
                    self.access.token.touch(now());
                    return Some(HEARTBEAT);
                }
            }
        }
    }

    /// Reads changes that are no longer in memory.
    async fn read_log(&mut self) -> Result<(), Fault> {
        let (id, after, tenants) = (self.environment.id, self.after, self.tenants);
        let epoch = self.epoch.clone();
        // What tenants are left out of takes its time for many of them.
        let read = self.service.read_in(Lane::Sdk, move |view| {
            let changes = view.changes(id, after, CHANGES_PER_READ, CHANGE_BYTES_PER_READ)?;
            carried(&epoch, after, tenants, &changes)
        });
        let (frames, is_whole) = read.await?;
        self.after += frames.len() as Revision;
        self.ready.extend(frames);
        if !is_whole {
            self.reset();
        }
        Ok(())
    }

    /// Says that a snapshot is needed, and ends then.
    fn reset(&mut self) {
        self.ready.push_back(reset(&self.epoch, self.environment.revision()));
        self.is_reset = true;
    }
}

/// Changes after a revision as a stream carries them, and whether these are all: where they are
/// not, or there is none, the client needs a snapshot.
fn carried(
    epoch: &Epoch,
    mut after: Revision,
    tenants: Tenants,
    changes: &[LoggedChange],
) -> Result<(Vec<Bytes>, bool), Fault> {
    let begin = format!("{{\"epoch\":\"{epoch}\"");
    let mut frames = Vec::new();
    for logged in changes {
        // What was cut off the log is in snapshots alone, and what was before the database was
        // restored is no history of this epoch.
        let is_next = logged.revision == after + 1;
        if !is_next || !logged.change.starts_with(&begin) || logged.resets {
            return Ok((frames, false));
        }
        let change = visible(&logged.change, tenants);
        let change = change.map_err(StoreError::new)?;
        // A large change would be a copy for each connection; a snapshot is shared.
        if change.len() > MAX_STREAMED_CHANGE_BYTES {
            return Ok((frames, false));
        }
        let position = Position { epoch: epoch.clone(), revision: logged.revision };
        frames.push(frame(&position, &change));
        after = logged.revision;
    }
    // With none, all of it was cut off.
    let is_whole = !frames.is_empty();
    Ok((frames, is_whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::start;
    use crate::store::{Environment, EnvironmentId};
    use flags_core::{Change, Object, ObjectChange, TENANT_KIND, Timestamp};

    fn stream(service: Arc<Service>) -> Stream {
        let environment = Environment {
            id: EnvironmentId(1),
            project: "p".into(),
            key: "e".into(),
            name: String::new(),
            revision: 0,
            created_at: Timestamp::from_millis(0),
            archived_at: None,
        };
        service.live.add(&environment);
        let environment = service.live.by_id(environment.id).unwrap();
        let access = service.tokens.find("secret", now()).unwrap();
        let metrics = Arc::clone(&service.metrics);
        Stream {
            life: StreamLife::begin(metrics, Trail::default(), &environment, None, 0),
            epoch: service.live.epoch().clone(),
            watch: environment.watch(),
            environment,
            tenants: Tenants::All,
            after: 0,
            ready: VecDeque::from([opening()]),
            is_reset: false,
            heartbeat: next_heartbeat(),
            _place: access.token.begin_stream().unwrap(),
            access,
            service,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_come_every_15_to_25_seconds_also_between_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = start(&dir);
        let mut stream = stream(Arc::clone(&service));
        stream.next().await.unwrap();
        for revision in 1..=20 {
            let begin = Instant::now();
            service.tokens.stored(&service.tokens.used());
            let last_use = now();
            while now() == last_use {}
            assert_eq!(stream.next().await.unwrap(), HEARTBEAT);
            assert!(service.tokens.used()[0].1 > last_use, "an open stream uses its token");
            let seconds = begin.elapsed().as_secs_f64();
            assert!((15.0..=25.1).contains(&seconds), "{seconds}");
            let epoch = service.live.epoch().clone();
            let change = Change { epoch, revision, previous: revision - 1, objects: Vec::new() };
            service.live.apply(EnvironmentId(1), &change, "{}");
            let frame = stream.next().await.unwrap();
            assert_eq!(frame, format!("event: change\nid: e.{revision}\ndata: {{}}\n\n"));
        }
    }

    #[test]
    fn a_change_is_large_by_what_is_carried_of_it() {
        let epoch = Epoch::new("e");
        let tenant = |key: &str, more: usize| {
            let plan = "x".repeat(more);
            let definition = serde_json::json!({"attributes": {"plan": plan}});
            ObjectChange::Upsert(Object::new(TENANT_KIND, key, 1, &definition).unwrap())
        };
        let logged = |revision, object| {
            let (epoch, previous, objects) = (epoch.clone(), revision - 1, vec![object]);
            let change = Change { epoch, revision, previous, objects };
            let change = serde_json::to_string(&change).unwrap();
            LoggedChange { revision, change, resets: false }
        };
        let changes = [
            logged(1, tenant("a", 0)),
            logged(2, tenant("b", MAX_STREAMED_CHANGE_BYTES)),
            logged(3, tenant("c", 0)),
        ];
        let carried = |tenants| carried(&epoch, 0, tenants, &changes).unwrap();
        let (frames, is_whole) = carried(Tenants::All);
        assert_eq!((frames.len(), is_whole), (1, false));
        let (frames, is_whole) = carried(Tenants::None);
        assert_eq!((frames.len(), is_whole), (3, true));
        assert!(frames.iter().all(|frame| !frame.windows(6).any(|part| part == b"tenant")));
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_token_though_there_is_more_to_send() {
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = start(&dir);
        let mut stream = stream(Arc::clone(&service));
        service.tokens.remove("t");
        assert_eq!(stream.next().await, None);
    }
}

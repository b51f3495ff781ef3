use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use flags_core::Revision;

use super::trace::Trail;
use crate::live::{Connected, Frame, LiveEnvironment};
use crate::metrics::{Metrics, StreamEnd};
use crate::service::now;

/// What a stream has done so far; says so when it ends, however that comes about.
pub(super) struct StreamLife {
    metrics: Arc<Metrics>,
    trail: Trail,
    begin: Instant,
    end: StreamEnd,
    /// Up to where the client was told.
    revision: Revision,
    bytes: u64,
    /// Among the streams of its instance, where that is known.
    _connected: Option<Connected>,
}

impl StreamLife {
    pub(super) fn begin(
        metrics: Arc<Metrics>,
        trail: Trail,
        environment: &Arc<LiveEnvironment>,
        instance: Option<&str>,
        after: Revision,
    ) -> Self {
        let connected = instance.and_then(|id| environment.connect(id, now()));
        tracing::info!(
            request_id = &*trail.request_id,
            trace_id = trail.trace_id.as_deref(),
            actor = trail.actor(),
            project = environment.project,
            environment = environment.key,
            instance,
            after,
            "stream begins"
        );
        // Nobody asks for more once the client is gone: the stream is dropped.
        let (begin, end) = (Instant::now(), StreamEnd::Client);
        Self { metrics, trail, begin, end, revision: after, bytes: 0, _connected: connected }
    }

    /// It ends now, not by its client.
    pub(super) fn end(&mut self, end: StreamEnd) {
        self.end = end;
    }

    /// A change of late is handed over.
    pub(super) fn carry(&mut self, frame: Frame) -> Bytes {
        self.metrics.delivered(frame.since.elapsed());
        frame.bytes
    }

    /// These are handed over, and the client is at a revision with them.
    pub(super) fn sent(&mut self, bytes: &Bytes, revision: Revision) {
        self.bytes += bytes.len() as u64;
        self.revision = revision;
    }
}

impl Drop for StreamLife {
    fn drop(&mut self) {
        self.metrics.stream_ended(self.end);
        tracing::info!(
            request_id = &*self.trail.request_id,
            trace_id = self.trail.trace_id.as_deref(),
            actor = self.trail.actor(),
            reason = self.end.name(),
            revision = self.revision,
            bytes = self.bytes,
            duration_ms = self.begin.elapsed().as_secs_f64() * 1_000.0,
            "stream ends"
        );
    }
}

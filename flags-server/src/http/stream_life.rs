use std::sync::Arc;

use bytes::Bytes;

use crate::live::Frame;
use crate::metrics::{Metrics, StreamEnd};

/// What a stream has done so far; tells it when it ends, however that comes about.
pub(super) struct StreamLife {
    metrics: Arc<Metrics>,
    end: StreamEnd,
}

impl StreamLife {
    pub(super) fn begin(metrics: Arc<Metrics>) -> Self {
        // Nobody asks for more once the client is gone: the stream is dropped.
        Self { metrics, end: StreamEnd::Client }
    }

    /// It ends now, not by its client.
    pub(super) fn end(&mut self, end: StreamEnd) {
        self.end = end;
    }

    /// A change is handed over.
    pub(super) fn carry(&mut self, frame: Frame) -> Bytes {
        self.metrics.delivered(frame.since.elapsed());
        frame.bytes
    }
}

impl Drop for StreamLife {
    fn drop(&mut self) {
        self.metrics.stream_ended(self.end);
    }
}

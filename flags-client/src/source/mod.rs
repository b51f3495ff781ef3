//! Where definitions come from.

pub(crate) mod http;
mod sse;

pub(crate) use sse::{Item, SseEvent};

//! What is logged: few events, each said once, and never a token.

#![cfg(test)]

mod support;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use support::{Canned, SOON, Server, TOKEN, reach};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps the events of this crate as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("flags_client")
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push((*event.metadata().level(), text.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_refused_token_is_an_error_that_is_said_once() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let server = Server::start().await;
    server.always(Some(Canned::status(401)));
    let client = server.builder().first_snapshot_timeout(SOON).connect().await.unwrap();
    reach(&client, |s| s.counters.failures >= 3).await;
    server.always(Some(Canned::status(502)));
    let failures = client.status().counters.failures;
    reach(&client, |s| s.counters.failures >= failures + 3).await;

    let events = log.0.lock().unwrap().clone();
    let levels: Vec<_> = events.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::ERROR, Level::WARN], "{events:?}");
    assert_eq!(
        events[0].1,
        "message=the server of flags refuses the token problem=\"status 401 Unauthorized\" "
    );
    assert!(!format!("{events:?}").contains(TOKEN));
}

//! Tells the server what is in force here, beside everything else: no answer waits for it, and
//! nothing depends on it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use flags_core::{Epoch, Position, Revision};
use serde_json::json;
use tokio::sync::Notify;

use crate::limits::{MAX_RECEIPT_AGE, MAX_RECEIPTS};
use crate::source::http::Server;

/// Over how long receipts are spread while the server has not said.
const FIRST_WINDOW: Duration = Duration::from_secs(1);

/// What the server is told of this instance.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) instance: String,
    pub(crate) app: Option<String>,
}

/// What there is to tell.
#[derive(Debug)]
pub(crate) struct Receipts {
    identity: Identity,
    state: Mutex<State>,
    news: Notify,
    /// The longest window, whatever the server says.
    cap: Duration,
}

#[derive(Debug)]
struct State {
    epoch: Option<Epoch>,
    /// The latest revisions, with when they were put in force. All of them are told each time: one
    /// that the server knows already says nothing new.
    applied: VecDeque<(Revision, Instant)>,
    window: Duration,
}

impl Receipts {
    pub(crate) fn new(identity: Identity, cap: Duration) -> Self {
        let state = State { epoch: None, applied: VecDeque::new(), window: FIRST_WINDOW };
        Self { identity, state: Mutex::new(state), news: Notify::new(), cap }
    }

    pub(crate) fn instance(&self) -> &str {
        &self.identity.instance
    }

    /// This is in force from now on; it is told once a stream is open.
    pub(crate) fn loaded(&self, position: &Position) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.epoch.as_ref() != Some(&position.epoch) {
            state.epoch = Some(position.epoch.clone());
            state.applied.clear();
        }
        if state.applied.back().is_none_or(|(last, _)| *last != position.revision) {
            state.applied.push_back((position.revision, Instant::now()));
        }
        while state.applied.len() > MAX_RECEIPTS {
            state.applied.pop_front();
        }
    }

    /// The same, and it is news.
    pub(crate) fn applied(&self, position: &Position) {
        self.loaded(position);
        self.news.notify_one();
    }

    /// A stream is open at this position: whoever serves it may not know of this instance yet.
    pub(crate) fn connected(&self, position: &Position, window: Option<Duration>) {
        if let Some(window) = window {
            self.set_window(window);
        }
        self.applied(position);
    }

    fn set_window(&self, window: Duration) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).window = window;
    }

    /// How long to gather news; `random` is from 0 to 1.
    fn pause(&self, random: f64) -> Duration {
        let window = self.state.lock().unwrap_or_else(PoisonError::into_inner).window;
        window.min(self.cap).mul_f64(random.clamp(0.0, 1.0))
    }

    fn body(&self) -> Vec<u8> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let applied = state.applied.iter().map(|(revision, at)| {
            let age = at.elapsed().min(MAX_RECEIPT_AGE).as_millis();
            json!({"revision": revision, "age_ms": u64::try_from(age).unwrap_or(u64::MAX)})
        });
        let body = json!({
            "instance": self.identity.instance,
            "app": self.identity.app,
            "sdk": {"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")},
            "epoch": state.epoch,
            "applied": applied.collect::<Vec<_>>(),
        });
        body.to_string().into_bytes()
    }

    /// Tells news for as long as it is polled. What fails is told with the next news: a server
    /// that was away hears it when the stream is open again.
    pub(crate) async fn tell(self: Arc<Self>, server: Arc<Server>) {
        loop {
            self.news.notified().await;
            // What else comes meanwhile goes along.
            tokio::time::sleep(self.pause(fastrand::f64())).await;
            match server.telemetry(self.body()).await {
                Ok(Some(window)) => self.set_window(window),
                Ok(None) => {}
                Err(failure) => {
                    tracing::debug!(problem = failure.message, "a receipt was not taken");
                }
            }
        }
    }
}

/// Whether the server takes this as the name of an instance or an app.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:/+@".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts() -> Receipts {
        let identity = Identity { instance: "i".into(), app: None };
        Receipts::new(identity, Duration::from_secs(60))
    }

    fn said(receipts: &Receipts) -> serde_json::Value {
        serde_json::from_slice(&receipts.body()).unwrap()
    }

    #[test]
    fn the_latest_revisions_of_one_history_are_told() {
        let receipts = receipts();
        let apply = |epoch: &str, revision| {
            receipts.applied(&Position { epoch: Epoch::new(epoch), revision });
        };
        for revision in (1..=20).chain([20]) {
            apply("e", revision);
        }
        let body = said(&receipts);
        let revisions: Vec<_> =
            body["applied"].as_array().unwrap().iter().map(|a| a["revision"].as_u64()).collect();
        assert_eq!(revisions, (13..=20).map(Some).collect::<Vec<_>>());
        apply("f", 3);
        let body = said(&receipts);
        assert_eq!((&body["epoch"], &body["applied"][0]["revision"]), (&"f".into(), &3.into()));
        assert_eq!(body["applied"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn receipts_are_spread_over_what_the_server_says_within_bounds() {
        let receipts = receipts();
        assert_eq!(receipts.pause(1.0), Duration::from_secs(1));
        receipts.set_window(Duration::from_secs(15));
        assert_eq!(receipts.pause(1.0), Duration::from_secs(15));
        assert_eq!(receipts.pause(0.5), Duration::from_millis(7_500));
        receipts.set_window(Duration::from_secs(86_400));
        assert_eq!(receipts.pause(1.0), Duration::from_secs(60));
    }
}

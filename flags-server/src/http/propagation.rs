//! `…/propagation/{revision}` and `…/instances`: which SDK instances have what.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use flags_core::Revision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::auth::Places;
use super::list::ListQuery;
use super::path::Keys;
use super::problem::Problem;
use crate::limits::{MAX_PROPAGATION_INSTANCES, MAX_PROPAGATION_WAIT, PROPAGATION_PAUSE};
use crate::live::{Instance, LiveEnvironment, Propagation};
use crate::service::Service;

/// An SDK instance.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Instance")]
pub(super) struct Shown {
    instance: Arc<str>,
    app: Option<String>,
    sdk: Option<ShownSdk>,
    revision: Option<Revision>,
    #[schemars(extend("format" = "date-time"))]
    last_seen: String,
    #[schemars(extend("format" = "date-time"))]
    connected_since: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Sdk")]
struct ShownSdk {
    name: String,
    version: String,
}

/// An instance in the answer about a revision.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReachedInstance")]
struct Reached {
    #[serde(flatten)]
    shown: Shown,
    applied: bool,
    delay_ms: Option<u64>,
}

/// How long instances took, in milliseconds.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Delays {
    p50: u64,
    p99: u64,
    max: u64,
}

/// Which instances have a revision.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Propagation")]
pub(super) struct Answer {
    revision: Revision,
    present: Revision,
    connected: usize,
    applied: usize,
    pending: usize,
    unidentified: usize,
    delay_ms: Option<Delays>,
    instances: Vec<Reached>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PropagationQuery {
    /// How long to wait for instances that lack it, such as `2s` or `500ms`.
    #[schemars(regex(pattern = "^(0*[12]?[0-9]|0*30)s$|^(0*[12]?[0-9]{1,4}|0*30000)ms$"))]
    wait: Option<String>,
}

fn show((id, instance): (Arc<str>, Instance)) -> Shown {
    let revision = instance.revision();
    let about = instance.about;
    Shown {
        instance: id,
        app: about.app,
        sdk: about
            .sdk_name
            .zip(about.sdk_version)
            .map(|(name, version)| ShownSdk { name, version }),
        revision,
        last_seen: instance.last_seen.to_string(),
        connected_since: instance.connected_since.map(|at| at.to_string()),
    }
}

/// `<n>s` or `<n>ms`.
fn wait(text: &str) -> Option<Duration> {
    let digits = |digits: &str| digits.parse().ok().filter(|_| !digits.starts_with('+'));
    let duration = match text.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(digits(millis)?),
        None => Duration::from_secs(digits(text.strip_suffix('s')?)?),
    };
    (duration <= MAX_PROPAGATION_WAIT).then_some(duration)
}

fn live(service: &Service, project: &str, key: &str) -> Result<Arc<LiveEnvironment>, Problem> {
    service.live.by_key(project, key).ok_or_else(|| {
        Problem::not_found(format!("there is no environment `{key}` of a project `{project}`"))
    })
}

pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Keys((project, key)): Keys<(String, String)>,
    query: ListQuery,
) -> Result<Response, Problem> {
    let page = query.page();
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let found = live(&service, &project, &key)?.instances(page.after.as_deref(), limit);
    Ok(query.answer(found, |(id, _)| id, show))
}

pub(super) async fn get(
    State(service): State<Arc<Service>>,
    Keys((project, key, revision)): Keys<(String, String, String)>,
    places: Places,
    query: Result<Query<PropagationQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::query_rejected(&rejection))?;
    let wait = query.wait.as_deref().map(|text| {
        let longest = MAX_PROPAGATION_WAIT.as_secs();
        wait(text).ok_or_else(|| {
            Problem::query(format!("`wait` is a time such as `2s` or `500ms`, up to {longest} s"))
        })
    });
    let deadline = Instant::now() + wait.transpose()?.unwrap_or_default();
    let environment = live(&service, &project, &key)?;
    let present = environment.revision();
    let revision = revision.parse().ok().filter(|revision| *revision <= present);
    let revision = revision.ok_or_else(|| {
        Problem::not_found(format!("there is no such revision; the present one is {present}"))
    })?;
    // Waiting is no work; so many do it that nobody else's is in the way.
    let waiting = Arc::clone(&service.waits).try_acquire_owned().ok();
    let deadline = if waiting.is_some() { deadline } else { Instant::now() };
    places.give_back();
    let mut changes = environment.watch_instances();
    loop {
        let propagation = environment.propagation(revision);
        let changed = async {
            // Many instances say something at about the same time.
            let _ = changes.changed().await;
            tokio::time::sleep(PROPAGATION_PAUSE).await;
        };
        if propagation.pending.is_empty()
            || service.is_stopping()
            || tokio::time::timeout_at(deadline, changed).await.is_err()
        {
            let answer =
                answer(revision, environment.revision(), environment.propagation(revision));
            return Ok(Json(answer).into_response());
        }
    }
}

fn answer(revision: Revision, present: Revision, propagation: Propagation) -> Answer {
    let Propagation { applied, pending, unidentified } = propagation;
    let (reached, missing) = (applied.len(), pending.len());
    let delays = delays(applied.iter().filter_map(|(_, _, delay)| *delay).collect());
    let pending = pending.into_iter().map(|(id, instance)| Reached {
        shown: show((id, instance)),
        applied: false,
        delay_ms: None,
    });
    let applied = applied.into_iter().map(|(id, instance, delay)| Reached {
        shown: show((id, instance)),
        applied: true,
        delay_ms: delay.map(millis),
    });
    Answer {
        revision,
        present,
        connected: reached + missing,
        applied: reached,
        pending: missing,
        unidentified,
        delay_ms: delays,
        instances: pending.chain(applied).take(MAX_PROPAGATION_INSTANCES).collect(),
    }
}

/// Of delays from the slowest to the fastest.
fn delays(slowest_first: Vec<Duration>) -> Option<Delays> {
    let max = millis(*slowest_first.first()?);
    // The nearest rank: the smallest delay that so many hundredths do not exceed.
    let quantile = |hundredths: usize| {
        let slower = slowest_first.len() * (100 - hundredths) / 100;
        slowest_first.get(slower).map_or(max, |delay| millis(*delay))
    };
    Some(Delays { p50: quantile(50), p99: quantile(99), max })
}

fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_milliseconds() {
        for (text, ms) in
            [("2s", Some(2_000)), ("500ms", Some(500)), ("0s", Some(0)), ("30s", Some(30_000))]
        {
            assert_eq!(wait(text).map(|wait| wait.as_millis()), ms, "{text}");
        }
        for text in
            ["", "2", "s", "ms", "-1s", "+1s", "31s", "1m", "2.5s", " 2s", "99999999999999999999s"]
        {
            assert_eq!(wait(text), None, "{text}");
        }
    }

    #[test]
    fn quantiles_are_delays_that_there_were() {
        let of = |count: u64| delays((1..=count).rev().map(Duration::from_millis).collect());
        assert_eq!(of(0), None);
        assert_eq!(of(1), Some(Delays { p50: 1, p99: 1, max: 1 }));
        assert_eq!(of(2), Some(Delays { p50: 1, p99: 2, max: 2 }));
        assert_eq!(of(100), Some(Delays { p50: 50, p99: 99, max: 100 }));
        assert_eq!(of(1_000), Some(Delays { p50: 500, p99: 990, max: 1_000 }));
    }
}

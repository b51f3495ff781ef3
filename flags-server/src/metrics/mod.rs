//! What is measured, in the text format of Prometheus.
//!
//! Label values are route patterns, names that this program gives, and the keys of projects and
//! environments, which are bounded: nothing that a request made up, no key of a flag, a tenant or
//! a user, no token.

mod backups;
mod gauges;
mod process;

pub(crate) use self::backups::BackupMetrics;
pub(crate) use self::gauges::{EnvironmentReading, Readings};
pub(crate) use self::process::Process;

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use self::gauges::Gauges;
use crate::error::Error;

/// Bounds of times that somebody waits for, in seconds. The objectives of the alert rules, 0.5 and
/// 0.6, are among them.
const REQUEST_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.6, 1.0, 2.5, 5.0, 10.0];

/// Bounds of what the writer takes, in seconds.
const WRITER_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Bounds of how long a change is on its way, in seconds.
const PROPAGATION_SECONDS: [f64; 12] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Bounds of how late a scheduled change is made, in seconds: up to the server's having been away for
/// a day.
const LATENESS_SECONDS: [f64; 10] =
    [0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 600.0, 3_600.0, 86_400.0];

/// What becomes of a scheduled change when its time comes.
const SCHEDULE_OUTCOMES: [&str; 2] = ["done", "failed"];

/// Bounds of how many operations share a commit: up to all that may.
const GROUP_SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Which kind of caller a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    /// The admin API.
    Admin,
    /// What SDKs fetch and send.
    Sdk,
    /// The stream: its time is that to the beginning of the answer.
    Stream,
    /// What waits because it was asked to.
    Wait,
    /// Health, metrics, and what is no route.
    Other,
}

impl Area {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Sdk => "sdk",
            Self::Stream => "stream",
            Self::Wait => "wait",
            Self::Other => "other",
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered<'a> {
    pub(crate) area: Area,
    pub(crate) method: &'a str,
    /// The pattern of its route.
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    pub(crate) time: Duration,
}

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// The client went away.
    Client,
    /// Its token was revoked, or the server stops.
    Server,
    /// The client was sent to a snapshot.
    Reset,
    /// The change log could not be read.
    Failed,
}

impl StreamEnd {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Reset => "reset",
            Self::Failed => "failed",
        }
    }
}

/// Everything that is counted while it happens, and the gauges that are read when somebody asks.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    request_seconds: HistogramVec,
    requests: IntCounterVec,
    requests_under_way: IntGaugeVec,
    streams_ended: IntCounterVec,
    delivery_seconds: Histogram,
    propagation_seconds: HistogramVec,
    changes: IntCounter,
    writer_wait_seconds: Histogram,
    writer_commit_seconds: Histogram,
    writer_group_size: Histogram,
    writes: IntCounterVec,
    schedule_ended: IntCounterVec,
    schedule_lateness_seconds: Histogram,
    gauges: Gauges,
}

impl Metrics {
    /// # Errors
    /// When a name is not one that Prometheus takes, or is there twice.
    pub(crate) fn new() -> Result<Self, Error> {
        let metrics =
            Self::build().map_err(|error| Error::new(format!("cannot set up metrics: {error}")))?;
        // There from the beginning: or else the first failure would be no increase.
        for outcome in SCHEDULE_OUTCOMES {
            let _ = metrics.schedule_ended.get_metric_with_label_values(&[outcome]);
        }
        Ok(metrics)
    }

    fn build() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let named = Named { registry: &registry };
        Ok(Self {
            request_seconds: named.histograms(
                "flags_http_request_duration_seconds",
                "How long requests took until their answer began.",
                &REQUEST_SECONDS,
                &["area", "method", "route"],
            )?,
            requests: named.counters(
                "flags_http_requests_total",
                "Requests answered, by status.",
                &["area", "method", "route", "status"],
            )?,
            requests_under_way: named.gauges(
                "flags_http_requests_in_flight",
                "Requests whose answer has not begun.",
                &["area"],
            )?,
            streams_ended: named.counters(
                "flags_streams_ended_total",
                "Streams that ended, by who ended them.",
                &["reason"],
            )?,
            delivery_seconds: named.histogram(
                "flags_change_delivery_seconds",
                "From the commit of a change to its hand-over to one open stream.",
                &PROPAGATION_SECONDS,
            )?,
            propagation_seconds: named.histograms(
                "flags_propagation_seconds",
                "From the commit of a change until an instance had it in force, as it said.",
                &PROPAGATION_SECONDS,
                &["project", "environment"],
            )?,
            changes: named.counter(
                "flags_changes_total",
                "Revisions made since the start, of all environments.",
            )?,
            writer_wait_seconds: named.histogram(
                "flags_writer_wait_seconds",
                "How long a write waited for the writer.",
                &WRITER_SECONDS,
            )?,
            writer_commit_seconds: named.histogram(
                "flags_writer_commit_seconds",
                "How long a transaction took, from its beginning until it was durable.",
                &WRITER_SECONDS,
            )?,
            writer_group_size: named.histogram(
                "flags_writer_group_size",
                "How many writes shared a transaction.",
                &GROUP_SIZES,
            )?,
            writes: named.counters(
                "flags_writes_total",
                "Writes that the writer dealt with: done, refused, or failed with the database.",
                &["outcome"],
            )?,
            schedule_ended: named.counters(
                "flags_schedule_ended_total",
                "Scheduled changes whose time came: done, or failed.",
                &["outcome"],
            )?,
            schedule_lateness_seconds: named.histogram(
                "flags_schedule_lateness_seconds",
                "From the time of a scheduled change until it was made, or failed.",
                &LATENESS_SECONDS,
            )?,
            gauges: Gauges::new(&named)?,
            registry,
        })
    }

    /// A request begins; it is under way until the guard is dropped.
    pub(crate) fn begin(&self, area: Area) -> UnderWay {
        let gauge = self.requests_under_way.get_metric_with_label_values(&[area.name()]).ok();
        UnderWay(gauge.inspect(prometheus::IntGauge::inc))
    }

    pub(crate) fn answered(&self, answered: &Answered<'_>) {
        let Answered { area, method, route, status, time } = *answered;
        // A method is what the client says it is.
        let method = match method {
            "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" => method,
            _ => "other",
        };
        let labels = [area.name(), method, route];
        if let Ok(seconds) = self.request_seconds.get_metric_with_label_values(&labels) {
            seconds.observe(time.as_secs_f64());
        }
        let mut buffer = itoa::Buffer::new();
        let labels = [area.name(), method, route, buffer.format(status)];
        count(&self.requests, &labels);
    }

    pub(crate) fn stream_ended(&self, end: StreamEnd) {
        count(&self.streams_ended, &[end.name()]);
    }

    /// A change was handed to a stream this long after its commit.
    pub(crate) fn delivered(&self, after: Duration) {
        self.delivery_seconds.observe(after.as_secs_f64());
    }

    /// An instance had a change in force this long after its commit.
    pub(crate) fn propagated(&self, project: &str, environment: &str, after: Duration) {
        let labels = [project, environment];
        if let Ok(seconds) = self.propagation_seconds.get_metric_with_label_values(&labels) {
            seconds.observe(after.as_secs_f64());
        }
    }

    pub(crate) fn changed(&self) {
        self.changes.inc();
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.writer_wait_seconds.observe(time.as_secs_f64());
    }

    /// A transaction of `writes` writes ended.
    pub(crate) fn committed(&self, writes: usize, time: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a group has a small bound")]
        self.writer_group_size.observe(writes as f64);
        self.writer_commit_seconds.observe(time.as_secs_f64());
    }

    /// What became of a write: `done`, `refused` or `failed`.
    pub(crate) fn wrote(&self, outcome: &'static str) {
        count(&self.writes, &[outcome]);
    }

    /// A scheduled change was made, or could not be, this long after its time.
    pub(crate) fn schedule_ended(&self, is_done: bool, late: Duration) {
        let [done, failed] = SCHEDULE_OUTCOMES;
        count(&self.schedule_ended, &[if is_done { done } else { failed }]);
        self.schedule_lateness_seconds.observe(late.as_secs_f64());
    }

    /// Everything as text, with what was just read.
    pub(crate) fn render(&self, readings: &Readings) -> Result<String, Error> {
        self.gauges.show(readings);
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        text.map_err(|error| Error::new(format!("cannot write metrics: {error}")))
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Option<prometheus::IntGauge>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0 {
            gauge.dec();
        }
    }
}

fn count(counters: &IntCounterVec, labels: &[&str]) {
    if let Ok(counter) = counters.get_metric_with_label_values(labels) {
        counter.inc();
    }
}

/// Makes metrics that the registry knows.
struct Named<'r> {
    registry: &'r Registry,
}

impl Named<'_> {
    fn known<M: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: M,
    ) -> Result<M, prometheus::Error> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        bounds: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.known(Histogram::with_opts(opts)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        bounds: &[f64],
        labels: &[&str],
    ) -> Result<HistogramVec, prometheus::Error> {
        let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.known(HistogramVec::new(opts, labels)?)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.known(IntCounter::new(name, help)?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.known(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<prometheus::IntGauge, prometheus::Error> {
        self.known(prometheus::IntGauge::new(name, help)?)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.known(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }
}

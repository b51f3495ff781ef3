use prometheus::{IntGauge, IntGaugeVec};

use super::Named;
use super::process::Process;
use crate::store::StoreSize;

/// What is there at the moment.
#[derive(Debug)]
pub(crate) struct Readings {
    pub(crate) environments: Vec<EnvironmentReading>,
    pub(crate) queued_writes: usize,
    pub(crate) max_queued_writes: usize,
    /// What is busy of what can be: name, how many are, how many can be.
    pub(crate) pools: Vec<(&'static str, usize, usize)>,
    /// Open changes of the schedule, and for how long the first one has been due.
    pub(crate) scheduled: u64,
    pub(crate) overdue_seconds: u64,
    pub(crate) store: StoreSize,
    pub(crate) process: Process,
    pub(crate) started_at_seconds: u64,
    pub(crate) uptime_seconds: u64,
}

/// One environment at the moment.
#[derive(Debug)]
pub(crate) struct EnvironmentReading {
    pub(crate) project: String,
    pub(crate) key: String,
    pub(crate) revision: u64,
    pub(crate) streams: usize,
    pub(crate) instances: usize,
}

/// The gauges that are set when somebody asks.
#[derive(Debug)]
pub(crate) struct Gauges {
    revision: IntGaugeVec,
    streams: IntGaugeVec,
    instances: IntGaugeVec,
    writer_queue: IntGauge,
    writer_queue_limit: IntGauge,
    busy: IntGaugeVec,
    limit: IntGaugeVec,
    schedule_open: IntGauge,
    schedule_overdue: IntGauge,
    database_bytes: IntGauge,
    wal_bytes: IntGauge,
    wal_frames: IntGauge,
    wal_checkpointed_frames: IntGauge,
    wal_checkpoints: IntGauge,
    disk_free_bytes: IntGauge,
    disk_bytes: IntGauge,
    resident_bytes: IntGauge,
    open_files: IntGauge,
    max_files: IntGauge,
    start: IntGauge,
    uptime: IntGauge,
}

impl Gauges {
    pub(super) fn new(named: &Named<'_>) -> Result<Self, prometheus::Error> {
        let environment = ["project", "environment"];
        Ok(Self {
            revision: named.gauges(
                "flags_environment_revision",
                "The present revision of an environment.",
                &environment,
            )?,
            streams: named.gauges(
                "flags_streams_open",
                "Streams that are open, of an environment.",
                &environment,
            )?,
            instances: named.gauges(
                "flags_instances_connected",
                "SDK instances with an open stream, of an environment.",
                &environment,
            )?,
            writer_queue: named
                .gauge("flags_writer_queue_length", "Writes that wait for the writer.")?,
            writer_queue_limit: named.gauge(
                "flags_writer_queue_limit",
                "Writes that may wait; one more is refused with 503.",
            )?,
            busy: named.gauges(
                "flags_pool_busy",
                "Requests that are worked on, readers of the database, and computations.",
                &["pool"],
            )?,
            limit: named.gauges(
                "flags_pool_limit",
                "How many of them there can be; further ones wait.",
                &["pool"],
            )?,
            schedule_open: named
                .gauge("flags_schedule_open", "Scheduled changes that are still to be made.")?,
            schedule_overdue: named.gauge(
                "flags_schedule_overdue_seconds",
                "For how long the first of them has been due; 0 where none is.",
            )?,
            database_bytes: named
                .gauge("flags_sqlite_database_bytes", "Size of the database file.")?,
            wal_bytes: named.gauge(
                "flags_sqlite_wal_bytes",
                "Size of the write-ahead log, which is used again and does not shrink.",
            )?,
            wal_frames: named.gauge(
                "flags_sqlite_wal_frames",
                "Pages in the write-ahead log since it began anew.",
            )?,
            wal_checkpointed_frames: named.gauge(
                "flags_sqlite_wal_checkpointed_frames",
                "Of these, pages that a checkpoint has brought into the database file.",
            )?,
            wal_checkpoints: named.gauge(
                "flags_sqlite_wal_checkpoints",
                "Complete checkpoints after which this write-ahead log began anew.",
            )?,
            disk_free_bytes: named.gauge(
                "flags_disk_free_bytes",
                "Bytes that this process may still write where the database is.",
            )?,
            disk_bytes: named
                .gauge("flags_disk_size_bytes", "Size of the file system of the database.")?,
            resident_bytes: named
                .gauge("process_resident_memory_bytes", "Memory that the process holds.")?,
            open_files: named.gauge("process_open_fds", "Files and sockets that are open.")?,
            max_files: named.gauge("process_max_fds", "Files and sockets that may be open.")?,
            start: named.gauge(
                "process_start_time_seconds",
                "When the server started, in seconds since 1970.",
            )?,
            uptime: named.gauge("flags_uptime_seconds", "How long the server has been up.")?,
        })
    }

    pub(super) fn show(&self, readings: &Readings) {
        for environment in &readings.environments {
            let labels = [&*environment.project, &*environment.key];
            put_at(&self.revision, &labels, environment.revision);
            put_at(&self.streams, &labels, environment.streams as u64);
            put_at(&self.instances, &labels, environment.instances as u64);
        }
        put(&self.writer_queue, readings.queued_writes as u64);
        put(&self.writer_queue_limit, readings.max_queued_writes as u64);
        for &(pool, busy, limit) in &readings.pools {
            put_at(&self.busy, &[pool], busy as u64);
            put_at(&self.limit, &[pool], limit as u64);
        }
        put(&self.schedule_open, readings.scheduled);
        put(&self.schedule_overdue, readings.overdue_seconds);
        let StoreSize { database_bytes, wal_bytes, wal, disk } = readings.store;
        put(&self.database_bytes, database_bytes);
        put(&self.wal_bytes, wal_bytes);
        put(&self.wal_frames, wal.frames);
        put(&self.wal_checkpointed_frames, wal.checkpointed_frames);
        put(&self.wal_checkpoints, wal.checkpoints);
        if let Some(disk) = disk {
            put(&self.disk_free_bytes, disk.free_bytes);
            put(&self.disk_bytes, disk.bytes);
        }
        let Process { resident_bytes, open_files, max_files } = readings.process;
        let process = [
            (&self.resident_bytes, resident_bytes),
            (&self.open_files, open_files),
            (&self.max_files, max_files),
        ];
        for (gauge, value) in process {
            put(gauge, value.unwrap_or_default());
        }
        put(&self.start, readings.started_at_seconds);
        put(&self.uptime, readings.uptime_seconds);
    }
}

fn put(gauge: &IntGauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

fn put_at(gauges: &IntGaugeVec, labels: &[&str], value: u64) {
    if let Ok(gauge) = gauges.get_metric_with_label_values(labels) {
        put(&gauge, value);
    }
}

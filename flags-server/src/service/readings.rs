use flags_core::Timestamp;
use tokio::task::spawn_blocking;

use super::{Fault, Service, now};
use crate::limits::MAX_QUEUED_WRITES;
use crate::metrics::{EnvironmentReading, Process, Readings};

impl Service {
    /// Everything that is measured, as text.
    pub(crate) async fn metrics_text(&self) -> Result<String, Fault> {
        let store = std::sync::Arc::clone(&self.store);
        // Not one of the readers: their being busy is what somebody may want to see.
        let measured = spawn_blocking(move || {
            Ok((store.size()?, store.view()?.open_schedule()?, Process::read()))
        });
        let measured: Result<_, Fault> =
            measured.await.map_err(|error| Fault::Internal(error.to_string()))?;
        let (store, (scheduled, first), process) = measured?;
        let overdue = first.map_or(0, |at| now().as_millis().saturating_sub(at.as_millis()));
        let pools = [
            ("computations", &self.computers),
            ("plans", &self.planners),
            ("previews", &self.previewers),
            ("exports", &self.exporters),
        ];
        let pools = pools.map(|(name, pool)| {
            let (busy, limit) = pool.busy();
            (name, busy, limit)
        });
        let environments = self.live.all().into_iter().map(|environment| EnvironmentReading {
            project: environment.project.clone(),
            key: environment.key.clone(),
            revision: environment.revision(),
            streams: environment.streams(),
            instances: environment.connected_instances(),
        });
        let (started_at, started) = self.started;
        let text = self.metrics.render(&Readings {
            environments: environments.collect(),
            queued_writes: MAX_QUEUED_WRITES.saturating_sub(self.writes.capacity()),
            max_queued_writes: MAX_QUEUED_WRITES,
            pools: self.lanes.busy().into_iter().chain(pools).collect(),
            scheduled,
            overdue_seconds: u64::try_from(overdue / 1_000).unwrap_or(0),
            store,
            process,
            started_at_seconds: seconds(started_at),
            uptime_seconds: started.elapsed().as_secs(),
        });
        text.map_err(|error| Fault::Internal(error.to_string()))
    }
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis() / 1_000).unwrap_or(0)
}

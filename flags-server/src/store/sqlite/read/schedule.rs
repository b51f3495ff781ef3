use flags_core::{Revision, Timestamp};

use super::Rows;
use crate::store::sqlite::schedule;
use crate::store::{
    EnvironmentId, NextChange, Schedule, ScheduleFilter, ScheduleState, ScheduledChange,
    StoreResult,
};

impl<T: Rows> Schedule for T {
    fn scheduled(
        &self,
        environment: EnvironmentId,
        id: &str,
    ) -> StoreResult<Option<ScheduledChange>> {
        schedule::get(self.connection()?, environment, id)
    }

    fn schedule(
        &self,
        environment: EnvironmentId,
        filter: &ScheduleFilter,
    ) -> StoreResult<Vec<ScheduledChange>> {
        schedule::list(self.connection()?, environment, filter)
    }

    fn scheduled_with(
        &self,
        environment: EnvironmentId,
        text: &str,
        state: Option<ScheduleState>,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<ScheduledChange>> {
        schedule::with(self.connection()?, environment, text, state, after, limit)
    }

    fn next_scheduled(&self) -> StoreResult<Option<NextChange>> {
        schedule::next(self.connection()?)
    }

    fn open_schedule(&self) -> StoreResult<(u64, Option<Timestamp>)> {
        schedule::all_open(self.connection()?)
    }

    fn ended_scheduled(&self, before: Timestamp) -> StoreResult<u64> {
        schedule::ended(self.connection()?, before)
    }

    fn open_scheduled(&self, environment: EnvironmentId) -> StoreResult<(u64, u64)> {
        schedule::open(self.connection()?, environment)
    }

    fn made_by_schedule(
        &self,
        environment: EnvironmentId,
        revision: Revision,
    ) -> StoreResult<Option<String>> {
        schedule::made(self.connection()?, environment, revision)
    }
}

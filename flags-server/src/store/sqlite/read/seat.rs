use flags_core::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use super::{Rows, after};
use crate::store::{
    Counted, Counter, Crossing, EnvironmentId, Page, StoreResult, StoredSeat, StoredUse, Uses,
};

impl<T: Rows> Uses for T {
    fn seat(
        &self,
        environment: EnvironmentId,
        tenant: &str,
        feature: &str,
        user: &str,
    ) -> StoreResult<Option<Timestamp>> {
        self.one(
            "SELECT assigned_at FROM seat
             WHERE environment_id = ?1 AND tenant = ?2 AND feature = ?3 AND user = ?4",
            (environment.0, tenant, feature, user),
            |row| Ok(Timestamp::from_millis(row.get(0)?)),
        )
    }

    fn seats(
        &self,
        environment: EnvironmentId,
        tenant: &str,
        feature: &str,
        page: &Page,
    ) -> StoreResult<Vec<StoredSeat>> {
        self.all(
            "SELECT user, assigned_at FROM seat
             WHERE environment_id = ?1 AND tenant = ?2 AND feature = ?3 AND user > ?4
             ORDER BY user LIMIT ?5",
            (environment.0, tenant, feature, after(page), page.limit),
            |row| {
                let assigned_at = Timestamp::from_millis(row.get(1)?);
                Ok(StoredSeat { user: row.get(0)?, assigned_at })
            },
        )
    }

    fn seats_of_user(
        &self,
        environment: EnvironmentId,
        user: &str,
    ) -> StoreResult<Vec<(String, String)>> {
        self.all(
            "SELECT tenant, feature FROM seat WHERE environment_id = ?1 AND user = ?2
             ORDER BY tenant, feature",
            (environment.0, user),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    fn seat_count(&self, environment: EnvironmentId) -> StoreResult<u64> {
        self.number("SELECT seats FROM environment WHERE id = ?1", [environment.0])
    }

    fn used(&self, environment: EnvironmentId, of: &Counted) -> StoreResult<Option<StoredUse>> {
        self.one(
            "SELECT tenant, feature, counter, used, at, level FROM tenant_use
             WHERE environment_id = ?1 AND tenant = ?2 AND feature = ?3 AND counter = ?4",
            (environment.0, &of.tenant, &of.feature, of.counter.name()),
            stored_use,
        )
    }

    fn used_by(&self, environment: EnvironmentId, tenant: &str) -> StoreResult<Vec<StoredUse>> {
        self.all(
            "SELECT tenant, feature, counter, used, at, level FROM tenant_use
             WHERE environment_id = ?1 AND tenant = ?2 ORDER BY feature, counter",
            (environment.0, tenant),
            stored_use,
        )
    }

    fn uses(
        &self,
        environment: EnvironmentId,
        after: Option<&Counted>,
        limit: u32,
    ) -> StoreResult<Vec<StoredUse>> {
        let (tenant, feature, counter) =
            after.map(|of| (&*of.tenant, &*of.feature, of.counter.name())).unwrap_or_default();
        self.all(
            "SELECT tenant, feature, counter, used, at, level FROM tenant_use
             WHERE environment_id = ?1 AND (tenant, feature, counter) > (?2, ?3, ?4)
             ORDER BY tenant, feature, counter LIMIT ?5",
            (environment.0, tenant, feature, counter, limit),
            stored_use,
        )
    }

    fn tenants_that_use(
        &self,
        environment: EnvironmentId,
        feature: &str,
        limit: u32,
    ) -> StoreResult<Vec<String>> {
        self.all(
            "SELECT DISTINCT tenant FROM tenant_use
             WHERE environment_id = ?1 AND feature = ?2 ORDER BY tenant LIMIT ?3",
            (environment.0, feature, limit),
            |row| row.get(0),
        )
    }

    fn crossings(
        &self,
        environment: EnvironmentId,
        after: u64,
        limit: u32,
    ) -> StoreResult<Vec<Crossing>> {
        self.all(
            "SELECT tenant, feature, counter, id, threshold, used, limit_then, at FROM crossing
             WHERE environment_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            (environment.0, after, limit),
            |row| {
                Ok(Crossing {
                    of: counted(row)?,
                    id: row.get(3)?,
                    threshold: row.get(4)?,
                    used: row.get(5)?,
                    limit: row.get(6)?,
                    at: Timestamp::from_millis(row.get(7)?),
                })
            },
        )
    }
}

fn stored_use(row: &Row<'_>) -> rusqlite::Result<StoredUse> {
    let at = Timestamp::from_millis(row.get(4)?);
    Ok(StoredUse { of: counted(row)?, used: row.get(3)?, at, level: row.get(5)? })
}

/// Of the first three columns.
fn counted(row: &Row<'_>) -> rusqlite::Result<Counted> {
    let name: String = row.get(2)?;
    let counter = Counter::of(&name).ok_or_else(|| {
        let error = format!("`{name}` is no counter");
        rusqlite::Error::FromSqlConversionFailure(2, Type::Text, error.into())
    })?;
    Ok(Counted { tenant: row.get(0)?, feature: row.get(1)?, counter })
}

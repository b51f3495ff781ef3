use rusqlite::Row;

use super::{Rows, after};
use crate::store::{
    EnvironmentId, ObjectKind, Page, PlanVersions, StoreResult, StoredTenant, StoredTenants,
    TenantCounts,
};

impl<T: Rows> StoredTenants for T {
    fn tenants(&self, environment: EnvironmentId, page: &Page) -> StoreResult<Vec<StoredTenant>> {
        self.page(
            page,
            "SELECT key, version, document, notes FROM tenant
             WHERE environment_id = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
            (environment.0, after(page), page.limit),
            tenant,
            bytes,
        )
    }

    fn tenants_with_overrides(
        &self,
        environment: EnvironmentId,
        page: &Page,
    ) -> StoreResult<Vec<StoredTenant>> {
        self.page(
            page,
            "SELECT key, version, document, notes FROM tenant
             WHERE environment_id = ?1 AND key > ?2 AND notes IS NOT NULL ORDER BY key LIMIT ?3",
            (environment.0, after(page), page.limit),
            tenant,
            bytes,
        )
    }

    fn tenant(&self, environment: EnvironmentId, key: &str) -> StoreResult<Option<StoredTenant>> {
        self.one(
            "SELECT key, version, document, notes FROM tenant
             WHERE environment_id = ?1 AND key = ?2",
            (environment.0, key),
            tenant,
        )
    }

    fn tenants_that_name(
        &self,
        environment: EnvironmentId,
        (kind, key, version): (ObjectKind, &str, Option<u32>),
        limit: u32,
    ) -> StoreResult<Vec<String>> {
        // In the order of the index, so that it ends where the limit is.
        self.all(
            "SELECT DISTINCT tenant FROM tenant_reference
             WHERE environment_id = ?1 AND target_kind = ?2 AND target_key = ?3
             AND (?4 IS NULL OR version = ?4) LIMIT ?5",
            (environment.0, kind.name(), key, version, limit),
            |row| row.get(0),
        )
    }

    fn tenants_on(
        &self,
        environment: EnvironmentId,
        PlanVersions { plan, versions }: &PlanVersions<'_>,
        after: Option<(u32, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<(u32, StoredTenant)>> {
        // Every key is after none.
        let (version, key) = after.unwrap_or((*versions.start(), ""));
        self.all(
            "SELECT t.key, t.version, t.document, t.notes, r.version
             FROM tenant_reference AS r
             JOIN tenant AS t ON t.environment_id = r.environment_id AND t.key = r.tenant
             WHERE r.environment_id = ?1 AND r.target_key = ?2 AND r.is_own = 1
             AND (r.version, r.tenant) > (?3, ?4) AND r.version <= ?5
             ORDER BY r.version, r.tenant LIMIT ?6",
            (environment.0, plan, version, key, versions.end(), limit),
            |row| Ok((row.get(4)?, tenant(row)?)),
        )
    }

    fn count_on(
        &self,
        environment: EnvironmentId,
        PlanVersions { plan, versions }: &PlanVersions<'_>,
    ) -> StoreResult<u64> {
        self.number(
            "SELECT coalesce(sum(tenants), 0) FROM plan_tenants
             WHERE environment_id = ?1 AND plan = ?2 AND version BETWEEN ?3 AND ?4",
            (environment.0, plan, versions.start(), versions.end()),
        )
    }

    fn tenant_counts(&self, environment: EnvironmentId) -> StoreResult<TenantCounts> {
        let counts = self.one(
            "SELECT tenants, tenant_bytes FROM environment WHERE id = ?1",
            [environment.0],
            |row| Ok(TenantCounts { tenants: row.get(0)?, bytes: row.get(1)? }),
        )?;
        Ok(counts.unwrap_or_default())
    }
}

fn tenant(row: &Row<'_>) -> rusqlite::Result<StoredTenant> {
    Ok(StoredTenant {
        key: row.get(0)?,
        version: row.get(1)?,
        document: row.get(2)?,
        notes: row.get(3)?,
    })
}

/// Without the key.
fn bytes(tenant: &StoredTenant) -> usize {
    tenant.document.len() + tenant.notes.as_ref().map_or(0, String::len)
}

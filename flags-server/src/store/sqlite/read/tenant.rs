use rusqlite::Row;

use super::{Rows, after};
use crate::store::{EnvironmentId, Page, StoreResult, StoredTenant, StoredTenants, TenantCounts};

impl<T: Rows> StoredTenants for T {
    fn tenants(&self, environment: EnvironmentId, page: &Page) -> StoreResult<Vec<StoredTenant>> {
        self.page(
            page,
            "SELECT key, version, document FROM tenant WHERE environment_id = ?1 AND key > ?2
             ORDER BY key LIMIT ?3",
            (environment.0, after(page), page.limit),
            tenant,
            |tenant| tenant.document.len(),
        )
    }

    fn tenant(&self, environment: EnvironmentId, key: &str) -> StoreResult<Option<StoredTenant>> {
        self.one(
            "SELECT key, version, document FROM tenant WHERE environment_id = ?1 AND key = ?2",
            (environment.0, key),
            tenant,
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
    Ok(StoredTenant { key: row.get(0)?, version: row.get(1)?, document: row.get(2)? })
}

use rusqlite::Row;

use super::member::member_counts;
use super::{Rows, after, instant};
use crate::store::{
    EnvironmentId, ObjectKind, Objects, Page, ProjectId, Referrer, StoreError, StoreResult,
    StoredFlag, StoredObject,
};

impl<T: Rows> Objects for T {
    fn flags(&self, project: ProjectId, page: &Page) -> StoreResult<Vec<StoredFlag>> {
        self.page(
            page,
            "SELECT key, version, document, archived_at FROM flag
             WHERE project_id = ?1 AND key > ?2 AND (?4 OR archived_at IS NULL)
             ORDER BY key LIMIT ?3",
            (project.0, after(page), page.limit, page.archived),
            flag,
            |flag| flag.document.len(),
        )
    }

    fn flag(&self, project: ProjectId, key: &str) -> StoreResult<Option<StoredFlag>> {
        self.one(
            "SELECT key, version, document, archived_at FROM flag
             WHERE project_id = ?1 AND key = ?2",
            (project.0, key),
            flag,
        )
    }

    fn objects(
        &self,
        environment: EnvironmentId,
        kind: ObjectKind,
        page: &Page,
    ) -> StoreResult<Vec<StoredObject>> {
        self.page(
            page,
            "SELECT key, version, included, excluded, member_bytes, bytes, document FROM object
             WHERE environment_id = ?1 AND kind = ?2 AND key > ?3 ORDER BY key LIMIT ?4",
            (environment.0, kind.name(), after(page), page.limit),
            |row| object(kind, row),
            |object| object.document.len(),
        )
    }

    fn object(
        &self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
    ) -> StoreResult<Option<StoredObject>> {
        self.one(
            "SELECT key, version, included, excluded, member_bytes, bytes, document FROM object
             WHERE environment_id = ?1 AND kind = ?2 AND key = ?3",
            (environment.0, kind.name(), key),
            |row| object(kind, row),
        )
    }

    fn referrers(
        &self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
    ) -> StoreResult<Vec<Referrer>> {
        let rows: Vec<(String, String, String)> = self.all(
            "SELECT source_kind, source_key, variants FROM object_reference
             WHERE environment_id = ?1 AND target_kind = ?2 AND target_key = ?3
             ORDER BY source_kind, source_key",
            (environment.0, kind.name(), key),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        rows.into_iter()
            .map(|(kind, key, names)| {
                let unknown =
                    || StoreError::new(format!("there are no objects of a kind `{kind}`"));
                let kind = ObjectKind::of(&kind).ok_or_else(unknown)?;
                let names = serde_json::from_str(&names).map_err(StoreError::new)?;
                Ok(Referrer { kind, key, names })
            })
            .collect()
    }

    fn prerequisites(&self, environment: EnvironmentId) -> StoreResult<Vec<(String, String)>> {
        self.all(
            "SELECT source_key, target_key FROM object_reference
             WHERE environment_id = ?1 AND source_kind = 'flag' AND target_kind = 'flag'",
            [environment.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    fn definition_bytes(&self, environment: EnvironmentId) -> StoreResult<u64> {
        self.number("SELECT definition_bytes FROM environment WHERE id = ?1", [environment.0])
    }
}

fn flag(row: &Row<'_>) -> rusqlite::Result<StoredFlag> {
    Ok(StoredFlag {
        key: row.get(0)?,
        version: row.get(1)?,
        document: row.get(2)?,
        archived_at: instant(row, 3)?,
    })
}

fn object(kind: ObjectKind, row: &Row<'_>) -> rusqlite::Result<StoredObject> {
    Ok(StoredObject {
        kind,
        key: row.get(0)?,
        version: row.get(1)?,
        members: member_counts(row, 2)?,
        bytes: row.get(5)?,
        document: row.get(6)?,
    })
}

use rusqlite::Row;

use super::{Rows, after, instant};
use crate::store::{
    Environment, EnvironmentId, Page, Places, Project, ProjectId, Scope, StoreResult,
};
use flags_core::Timestamp;

impl<T: Rows> Places for T {
    fn projects(&self, page: &Page) -> StoreResult<Vec<Project>> {
        self.all(
            "SELECT id, key, name, created_at, archived_at FROM project
             WHERE key > ?1 AND (?3 OR archived_at IS NULL) ORDER BY key LIMIT ?2",
            (after(page), page.limit, page.archived),
            project,
        )
    }

    fn project(&self, key: &str) -> StoreResult<Option<Project>> {
        self.one(
            "SELECT id, key, name, created_at, archived_at FROM project WHERE key = ?1",
            [key],
            project,
        )
    }

    fn environments(
        &self,
        project: Option<ProjectId>,
        page: &Page,
    ) -> StoreResult<Vec<Environment>> {
        self.all(
            "SELECT e.id, p.key, e.key, e.name, e.revision, e.created_at, e.archived_at
             FROM environment e JOIN project p ON p.id = e.project_id
             WHERE (?1 IS NULL OR e.project_id = ?1) AND e.key > ?2
             AND (?4 OR e.archived_at IS NULL) ORDER BY e.key LIMIT ?3",
            (project.map(|project| project.0), after(page), page.limit, page.archived),
            environment,
        )
    }

    fn environment(&self, project: ProjectId, key: &str) -> StoreResult<Option<Environment>> {
        self.one(
            "SELECT e.id, p.key, e.key, e.name, e.revision, e.created_at, e.archived_at
             FROM environment e JOIN project p ON p.id = e.project_id
             WHERE e.project_id = ?1 AND e.key = ?2",
            (project.0, key),
            environment,
        )
    }

    fn key_like(&self, scope: Scope, folded: &str) -> StoreResult<Option<String>> {
        let key = |row: &Row<'_>| row.get(0);
        match scope {
            Scope::Projects => self.one("SELECT key FROM project WHERE folded = ?1", [folded], key),
            Scope::Environments(project) => self.one(
                "SELECT key FROM environment WHERE project_id = ?1 AND folded = ?2",
                (project.0, folded),
                key,
            ),
            Scope::Flags(project) => self.one(
                "SELECT key FROM flag WHERE project_id = ?1 AND folded = ?2",
                (project.0, folded),
                key,
            ),
            Scope::Objects(environment, kind) => self.one(
                "SELECT key FROM object WHERE environment_id = ?1 AND kind = ?2 AND folded = ?3",
                (environment.0, kind.name(), folded),
                key,
            ),
        }
    }

    fn count(&self, scope: Scope) -> StoreResult<u64> {
        match scope {
            Scope::Projects => self.number("SELECT count(*) FROM project", ()),
            Scope::Environments(project) => {
                self.number("SELECT count(*) FROM environment WHERE project_id = ?1", [project.0])
            }
            Scope::Flags(project) => {
                self.number("SELECT count(*) FROM flag WHERE project_id = ?1", [project.0])
            }
            Scope::Objects(environment, kind) => self.number(
                "SELECT count(*) FROM object WHERE environment_id = ?1 AND kind = ?2",
                (environment.0, kind.name()),
            ),
        }
    }
}

fn project(row: &Row<'_>) -> rusqlite::Result<Project> {
    Ok(Project {
        id: ProjectId(row.get(0)?),
        key: row.get(1)?,
        name: row.get(2)?,
        created_at: Timestamp::from_millis(row.get(3)?),
        archived_at: instant(row, 4)?,
    })
}

fn environment(row: &Row<'_>) -> rusqlite::Result<Environment> {
    Ok(Environment {
        id: EnvironmentId(row.get(0)?),
        project: row.get(1)?,
        key: row.get(2)?,
        name: row.get(3)?,
        revision: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
        archived_at: instant(row, 6)?,
    })
}

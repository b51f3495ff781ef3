use flags_core::{Epoch, Revision, Timestamp};
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::{audit, damage};
use crate::store::chain::{AuditRow, ChainHead};
use crate::store::{
    AuditFilter, AuditPage, AuditRecord, Checkpoint, Damage, Environment, EnvironmentId, Grant,
    LoggedChange, MemberCounts, MemberList, NextChange, ObjectKind, Page, Place, Project,
    ProjectId, Reach, Referrer, Role, ScheduleFilter, ScheduleState, ScheduledChange, Scope,
    StoreError, StoreResult, StoredAnswer, StoredFlag, StoredObject, StoredSecret, StoredTenant,
    StoredToken, TenantCounts, Tenants, TokenKind, View,
};

/// Whatever has a connection that is inside a transaction.
pub(super) trait Rows {
    fn connection(&self) -> StoreResult<&Connection>;

    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> StoreResult<Vec<T>> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A page of documents, of so many bytes each; with the one that is too much, it ends.
    fn page<T>(
        &self,
        page: &Page,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
        size: fn(&T) -> usize,
    ) -> StoreResult<Vec<T>> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        for row in statement.query_map(params, read)? {
            let item = row?;
            bytes += size(&item);
            found.push(item);
            if bytes > page.bytes {
                break;
            }
        }
        Ok(found)
    }

    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> StoreResult<Option<T>> {
        let mut statement = self.connection()?.prepare_cached(sql)?;
        Ok(statement.query_row(params, read).optional()?)
    }

    fn number(&self, sql: &str, params: impl Params) -> StoreResult<u64> {
        Ok(self.one(sql, params, |row| row.get(0))?.unwrap_or_default())
    }
}

/// Sorts before every key.
fn after(page: &Page) -> &str {
    page.after.as_deref().unwrap_or_default()
}

impl<T: Rows> View for T {
    fn epoch(&self) -> StoreResult<Epoch> {
        let epoch: Option<String> =
            self.one("SELECT epoch FROM meta WHERE id = 1", (), |row| row.get(0))?;
        epoch
            .map(|epoch| Epoch::new(&epoch))
            .ok_or_else(|| StoreError::new("the database has no epoch"))
    }

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
        let rows: Vec<(String, String)> = self.all(
            "SELECT source_key, variants FROM object_reference
             WHERE environment_id = ?1 AND target_kind = ?2 AND target_key = ?3
             ORDER BY source_key",
            (environment.0, kind.name(), key),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        rows.into_iter()
            .map(|(flag, variants)| {
                let variants = serde_json::from_str(&variants).map_err(StoreError::new)?;
                Ok(Referrer { flag, variants })
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

    fn changes(
        &self,
        environment: EnvironmentId,
        after: Revision,
        limit: u32,
        bytes: usize,
    ) -> StoreResult<Vec<LoggedChange>> {
        let sql = "SELECT revision, change, resets FROM change_log
                   WHERE environment_id = ?1 AND revision > ?2 ORDER BY revision LIMIT ?3";
        let mut statement = self.connection()?.prepare_cached(sql)?;
        let mut rows = statement.query((environment.0, after, limit))?;
        let (mut changes, mut read) = (Vec::new(), 0);
        while read < bytes
            && let Some(row) = rows.next()?
        {
            let change =
                LoggedChange { revision: row.get(0)?, change: row.get(1)?, resets: row.get(2)? };
            read += change.change.len();
            changes.push(change);
        }
        Ok(changes)
    }

    fn revision_before(&self, environment: EnvironmentId, at: Timestamp) -> StoreResult<Revision> {
        // Before the first that is not: a clock may have gone back.
        let sql = "SELECT coalesce(
                       (SELECT min(revision) - 1 FROM change_log
                        WHERE environment_id = ?1 AND committed_at >= ?2),
                       (SELECT revision FROM environment WHERE id = ?1))";
        self.number(sql, (environment.0, at.as_millis()))
    }

    fn checkpoint(&self, environment: EnvironmentId) -> StoreResult<Option<Checkpoint>> {
        self.one(
            "SELECT revision, document FROM checkpoint WHERE environment_id = ?1",
            [environment.0],
            |row| Ok(Checkpoint { revision: row.get(0)?, document: row.get(1)? }),
        )
    }

    fn audit_anchor(&self) -> StoreResult<ChainHead> {
        audit::anchor(self.connection()?)
    }

    fn audit_before(&self, at: Timestamp) -> StoreResult<ChainHead> {
        audit::before(self.connection()?, at)
    }

    fn damage(&self) -> StoreResult<Vec<Damage>> {
        damage::find(self.connection()?)
    }

    fn audit_rows(&self, after: i64, limit: u32) -> StoreResult<Vec<AuditRow>> {
        audit::rows(self.connection()?, after, limit)
    }

    fn committed_at(
        &self,
        environment: EnvironmentId,
        revision: Revision,
    ) -> StoreResult<Option<Timestamp>> {
        self.one(
            "SELECT committed_at FROM change_log WHERE environment_id = ?1 AND revision = ?2",
            (environment.0, revision),
            |row| Ok(Timestamp::from_millis(row.get(0)?)),
        )
    }

    fn revision_at(
        &self,
        environment: EnvironmentId,
        at: Timestamp,
    ) -> StoreResult<Option<Revision>> {
        self.one(
            "SELECT revision FROM change_log WHERE environment_id = ?1 AND committed_at <= ?2
             ORDER BY committed_at DESC, revision DESC LIMIT 1",
            (environment.0, at.as_millis()),
            |row| row.get(0),
        )
    }

    fn tokens(&self, page: &Page) -> StoreResult<Vec<StoredToken>> {
        let rows = self.all(
            &format!("SELECT {TOKEN} FROM token WHERE id > ?1 ORDER BY id LIMIT ?2"),
            (after(page), page.limit),
            token,
        )?;
        rows.into_iter().map(|row| with_secrets(self, row)).collect()
    }

    fn token(&self, id: &str) -> StoreResult<Option<StoredToken>> {
        let row = self.one(&format!("SELECT {TOKEN} FROM token WHERE id = ?1"), [id], token)?;
        row.map(|row| with_secrets(self, row)).transpose()
    }

    fn live_tokens(&self, now: Timestamp) -> StoreResult<u64> {
        self.number(
            "SELECT count(*) FROM token
             WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?1)",
            [now.as_millis()],
        )
    }

    fn revisions(
        &self,
        environment: EnvironmentId,
        of: Option<(ObjectKind, &str)>,
        before: Option<Revision>,
        limit: u32,
    ) -> StoreResult<Vec<Revision>> {
        let before = before.unwrap_or(LAST_REVISION).min(LAST_REVISION);
        match of {
            None => self.all(
                "SELECT revision FROM change_log WHERE environment_id = ?1 AND revision < ?2
                 ORDER BY revision DESC LIMIT ?3",
                (environment.0, before, limit),
                |row| row.get(0),
            ),
            Some((kind, key)) => self.all(
                "SELECT DISTINCT revision FROM deed
                 WHERE environment_id = ?1 AND kind = ?2 AND key = ?3 AND revision < ?4
                 ORDER BY revision DESC LIMIT ?5",
                (environment.0, kind.name(), key, before, limit),
                |row| row.get(0),
            ),
        }
    }

    fn deeds(
        &self,
        environment: EnvironmentId,
        revision: Revision,
        of: Option<(ObjectKind, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRecord>> {
        let (kind, key) = of.map(|(kind, key)| (kind.name(), key)).unzip();
        let sql = format!(
            "SELECT {AUDIT_COLUMNS} FROM deed AS d CROSS JOIN audit AS a ON a.id = d.audit_id
             WHERE d.environment_id = ?1 AND d.revision = ?2
             AND (?3 IS NULL OR d.kind = ?3 AND d.key = ?4) ORDER BY d.audit_id LIMIT ?5"
        );
        self.all(&sql, (environment.0, revision, kind, key, limit), audit_record)
    }

    fn deed_count(&self, environment: EnvironmentId, revision: Revision) -> StoreResult<u64> {
        self.number(
            "SELECT count(*) FROM deed WHERE environment_id = ?1 AND revision = ?2",
            (environment.0, revision),
        )
    }

    fn audit(&self, filter: &AuditFilter, limits: (u32, u32, usize)) -> StoreResult<AuditPage> {
        super::search::search(self.connection()?, filter, limits)
    }

    fn answer(&self, key: &[u8; 32]) -> StoreResult<Option<StoredAnswer>> {
        let sql = format!("SELECT {ANSWER_COLUMNS} FROM answer WHERE key = ?1");
        let found = self.one(&sql, [key], stored_answer)?;
        found.map(|row| Ok(with_headers(row)?.1)).transpose()
    }

    fn scheduled(
        &self,
        environment: EnvironmentId,
        id: &str,
    ) -> StoreResult<Option<ScheduledChange>> {
        super::schedule::get(self.connection()?, environment, id)
    }

    fn schedule(
        &self,
        environment: EnvironmentId,
        filter: &ScheduleFilter,
    ) -> StoreResult<Vec<ScheduledChange>> {
        super::schedule::list(self.connection()?, environment, filter)
    }

    fn scheduled_with(
        &self,
        environment: EnvironmentId,
        text: &str,
        state: Option<ScheduleState>,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<ScheduledChange>> {
        super::schedule::with(self.connection()?, environment, text, state, after, limit)
    }

    fn next_scheduled(&self) -> StoreResult<Option<NextChange>> {
        super::schedule::next(self.connection()?)
    }

    fn open_schedule(&self) -> StoreResult<(u64, Option<Timestamp>)> {
        super::schedule::all_open(self.connection()?)
    }

    fn ended_scheduled(&self, before: Timestamp) -> StoreResult<u64> {
        super::schedule::ended(self.connection()?, before)
    }

    fn open_scheduled(&self, environment: EnvironmentId) -> StoreResult<(u64, u64)> {
        super::schedule::open(self.connection()?, environment)
    }

    fn made_by_schedule(
        &self,
        environment: EnvironmentId,
        revision: Revision,
    ) -> StoreResult<Option<String>> {
        super::schedule::made(self.connection()?, environment, revision)
    }

    fn answers_with(
        &self,
        text: &str,
        after: &[u8],
        limit: u32,
    ) -> StoreResult<Vec<([u8; 32], StoredAnswer)>> {
        let sql = format!(
            "SELECT {ANSWER_COLUMNS} FROM answer WHERE key > ?2 AND instr(body, ?1) > 0
             ORDER BY key LIMIT ?3"
        );
        let rows = self.all(&sql, (text.as_bytes(), after, limit), stored_answer)?;
        rows.into_iter().map(with_headers).collect()
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

    fn members(
        &self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        page: &Page,
    ) -> StoreResult<Vec<String>> {
        self.all(
            "SELECT m.key FROM member_list AS l CROSS JOIN member AS m ON m.list_id = l.id
             WHERE l.environment_id = ?1 AND l.segment = ?2 AND m.excluded = ?3 AND m.key > ?4
             ORDER BY m.key LIMIT ?5",
            (environment.0, segment, is_excluded(list), after(page), page.limit),
            |row| row.get(0),
        )
    }

    fn each_member(
        &self,
        environment: EnvironmentId,
        visit: &mut dyn FnMut(&str, MemberList, &str) -> StoreResult<()>,
    ) -> StoreResult<()> {
        let lists: Vec<(i64, String)> = self.all(
            "SELECT id, segment FROM member_list WHERE environment_id = ?1 ORDER BY segment",
            [environment.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let sql = "SELECT excluded, key FROM member WHERE list_id = ?1 ORDER BY excluded, key";
        let mut statement = self.connection()?.prepare_cached(sql)?;
        for (id, segment) in lists {
            let mut rows = statement.query([id])?;
            while let Some(row) = rows.next()? {
                let key = row.get_ref(1)?.as_str().map_err(StoreError::new)?;
                let list = if row.get(0)? { MemberList::Excluded } else { MemberList::Included };
                visit(&segment, list, key)?;
            }
        }
        Ok(())
    }

    fn has_members(
        &self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        keys: &[String],
    ) -> StoreResult<bool> {
        let Some(id) = member_list(self.connection()?, environment, segment)? else {
            return Ok(false);
        };
        let sql = "SELECT 1 FROM member WHERE list_id = ?1 AND excluded = ?2 AND key = ?3";
        let mut statement = self.connection()?.prepare_cached(sql)?;
        for key in keys {
            if statement.exists((id, is_excluded(list), key))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn member_counts(&self, environment: EnvironmentId) -> StoreResult<MemberCounts> {
        let counts = self.one(
            "SELECT included, excluded, member_bytes FROM environment WHERE id = ?1",
            [environment.0],
            |row| member_counts(row, 0),
        )?;
        Ok(counts.unwrap_or_default())
    }

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

    fn definition_bytes(&self, environment: EnvironmentId) -> StoreResult<u64> {
        self.number("SELECT definition_bytes FROM environment WHERE id = ?1", [environment.0])
    }
}

fn instant(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(Timestamp::from_millis))
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

fn tenant(row: &Row<'_>) -> rusqlite::Result<StoredTenant> {
    Ok(StoredTenant { key: row.get(0)?, version: row.get(1)?, document: row.get(2)? })
}

/// From three columns, the first of which is `first`.
fn member_counts(row: &Row<'_>, first: usize) -> rusqlite::Result<MemberCounts> {
    Ok(MemberCounts {
        included: row.get(first)?,
        excluded: row.get(first + 1)?,
        bytes: row.get(first + 2)?,
    })
}

/// What [`stored_answer`] reads.
const ANSWER_COLUMNS: &str = "key, fingerprint, at, status, body, headers";

/// An answer without its headers, and these as JSON.
type AnswerRow = ([u8; 32], StoredAnswer, String);

fn stored_answer(row: &Row<'_>) -> rusqlite::Result<AnswerRow> {
    let answer = StoredAnswer {
        fingerprint: row.get(1)?,
        at: Timestamp::from_millis(row.get(2)?),
        status: row.get(3)?,
        headers: Vec::new(),
        body: row.get(4)?,
    };
    Ok((row.get(0)?, answer, row.get(5)?))
}

fn with_headers((key, answer, headers): AnswerRow) -> StoreResult<([u8; 32], StoredAnswer)> {
    let headers = serde_json::from_str(&headers).map_err(StoreError::new)?;
    Ok((key, StoredAnswer { headers, ..answer }))
}

/// Above every revision.
const LAST_REVISION: Revision = i64::MAX as Revision;

/// What [`audit_record`] reads, of `audit AS a`.
pub(super) const AUDIT_COLUMNS: &str =
    "a.id, a.at, a.actor, a.actor_name, a.request_id, a.action, a.project, a.environment, a.object_kind,
     a.object_key, a.reason, a.before, a.after, a.revisions";

pub(super) fn audit_record(row: &Row<'_>) -> rusqlite::Result<AuditRecord> {
    Ok(AuditRecord {
        id: row.get(0)?,
        at: Timestamp::from_millis(row.get(1)?),
        actor: row.get(2)?,
        actor_name: Some(row.get(3)?).filter(|name: &String| !name.is_empty()),
        request_id: row.get(4)?,
        action: row.get(5)?,
        project: row.get(6)?,
        environment: row.get(7)?,
        object_kind: row.get(8)?,
        object_key: row.get(9)?,
        reason: row.get(10)?,
        before: row.get(11)?,
        after: row.get(12)?,
        revisions: row.get(13)?,
    })
}

/// The number of a segment's list; there is none until it has a key.
pub(super) fn member_list(
    connection: &Connection,
    environment: EnvironmentId,
    segment: &str,
) -> StoreResult<Option<i64>> {
    let sql = "SELECT id FROM member_list WHERE environment_id = ?1 AND segment = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row((environment.0, segment), |row| row.get(0)).optional()?)
}

/// How a list stands in the table.
pub(super) fn is_excluded(list: MemberList) -> bool {
    list == MemberList::Excluded
}

/// The columns that [`token`] reads.
const TOKEN: &str = "id, name, kind, environment_id, tenants, role, limited, created_at, \
                     expires_at, revoked_at, last_used_at";

/// A token without its secrets, and whether its places are still to be read.
fn token(row: &Row<'_>) -> rusqlite::Result<(StoredToken, bool)> {
    let (kind, environment, tenants, role): (String, Option<i64>, Option<String>, Option<String>) =
        (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
    let limited = row.get(6)?;
    let reach = if limited { Reach::Only(Vec::new()) } else { Reach::Everything };
    let grant = role.as_deref().and_then(Role::named).map(|role| Grant { role, reach });
    let kind = match (&*kind, grant) {
        ("personal", Some(grant)) => TokenKind::Personal(grant),
        ("service", Some(grant)) => TokenKind::Service(grant),
        // What this version does not know opens nothing: it names no environment.
        _ => TokenKind::Sdk(
            EnvironmentId(environment.unwrap_or(-1)),
            if tenants.as_deref() == Some("all") { Tenants::All } else { Tenants::None },
        ),
    };
    let instant = |column| row.get(column).map(|at: Option<i64>| at.map(Timestamp::from_millis));
    let token = StoredToken {
        id: row.get(0)?,
        name: row.get(1)?,
        kind,
        secrets: Vec::new(),
        created_at: Timestamp::from_millis(row.get(7)?),
        expires_at: instant(8)?,
        revoked_at: instant(9)?,
        last_used_at: instant(10)?,
    };
    Ok((token, limited))
}

fn with_secrets(
    rows: &impl Rows,
    (token, limited): (StoredToken, bool),
) -> StoreResult<StoredToken> {
    let mut token = token;
    token.secrets = rows.all(
        "SELECT hash, ends_at FROM token_secret WHERE token_id = ?1
         ORDER BY ends_at DESC NULLS FIRST",
        [&token.id],
        |row| {
            let ends_at: Option<i64> = row.get(1)?;
            Ok(StoredSecret { hash: row.get(0)?, ends_at: ends_at.map(Timestamp::from_millis) })
        },
    )?;
    if limited && let TokenKind::Personal(grant) | TokenKind::Service(grant) = &mut token.kind {
        grant.reach = Reach::Only(rows.all(
            "SELECT p.key, e.key FROM token_place t JOIN project p ON p.id = t.project_id
             LEFT JOIN environment e ON e.id = t.environment_id
             WHERE t.token_id = ?1 ORDER BY p.key, e.key",
            [&token.id],
            |row| Ok(Place { project: row.get(0)?, environment: row.get(1)? }),
        )?);
    }
    Ok(token)
}

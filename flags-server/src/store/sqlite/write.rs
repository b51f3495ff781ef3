use std::collections::BTreeSet;
use std::sync::Arc;

use flags_core::{Epoch, Revision, Timestamp, folded_key};
use rusqlite::{Connection, Params, Transaction as SqlTransaction, TransactionBehavior};

use super::audit;
use super::lock::Lock;
use super::read::{Rows, is_excluded, member_list};
use super::seat;
use crate::limits::TRIAL_BYTES;
use crate::store::chain::{ChainHead, Parts, Seals};
use crate::store::{
    AuditEntry, Checkpoint, Counted, Crossing, EnvironmentId, LoggedChange, MemberList, ObjectKind,
    Place, ProjectId, Reach, Reference, ScheduledChange, StoreError, StoreResult, StoredAnswer,
    StoredFlag, StoredObject, StoredSecret, StoredTenant, StoredToken, TenantReference, TokenKind,
    Transaction, Writer,
};

pub(super) struct SqliteWriter {
    connection: Connection,
    /// After the connection, which it outlives.
    _lock: Option<Arc<Lock>>,
}

impl SqliteWriter {
    pub(super) fn new(connection: Connection, lock: Option<Arc<Lock>>) -> Self {
        Self { connection, _lock: lock }
    }
}

impl Writer for SqliteWriter {
    fn begin(&mut self) -> StoreResult<Box<dyn Transaction + '_>> {
        let sql = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Box::new(SqliteTransaction { sql }))
    }
}

pub(super) fn in_one_transaction(
    connection: &mut Connection,
    write: impl FnOnce(&mut dyn Transaction) -> StoreResult<()>,
) -> StoreResult<()> {
    let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut tx = Box::new(SqliteTransaction { sql });
    write(&mut *tx)?;
    tx.commit()
}

/// How many keys, and how many bytes of them.
fn sizes(keys: &[&str]) -> StoreResult<(i64, i64)> {
    let bytes: usize = keys.iter().map(|key| key.len()).sum();
    let number = |size| i64::try_from(size).map_err(StoreError::new);
    Ok((number(keys.len())?, number(bytes)?))
}

/// Rolled back when dropped.
struct SqliteTransaction<'c> {
    sql: SqlTransaction<'c>,
}

impl Rows for SqliteTransaction<'_> {
    fn connection(&self) -> StoreResult<&Connection> {
        Ok(&self.sql)
    }
}

impl SqliteTransaction<'_> {
    fn execute(&mut self, sql: &str, params: impl Params) -> StoreResult<usize> {
        Ok(self.sql.prepare_cached(sql)?.execute(params)?)
    }

    /// Counts `bytes` for an object instead of what it counted so far.
    fn count_bytes(
        &mut self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
        bytes: u64,
    ) -> StoreResult<()> {
        self.execute_one(
            "UPDATE environment SET definition_bytes = definition_bytes + ?4 - coalesce((
                 SELECT bytes FROM object WHERE environment_id = ?1 AND kind = ?2 AND key = ?3
             ), 0) WHERE id = ?1",
            (environment.0, kind.name(), key, bytes),
        )
    }

    /// Executes a statement for each key of a list; gives those for which it wrote a row.
    fn touch_members<'k>(
        &mut self,
        sql: &str,
        list_id: i64,
        list: MemberList,
        keys: &'k [String],
    ) -> StoreResult<Vec<&'k str>> {
        let mut statement = self.sql.prepare_cached(sql)?;
        let mut touched = Vec::new();
        for key in keys {
            if statement.execute((list_id, is_excluded(list), key))? > 0 {
                touched.push(&**key);
            }
        }
        Ok(touched)
    }

    /// Counts keys that came or went, for their segment and its environment.
    fn count_members(
        &mut self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        (rows, bytes): (i64, i64),
    ) -> StoreResult<()> {
        if rows == 0 {
            return Ok(());
        }
        let (included, excluded) = if is_excluded(list) { (0, rows) } else { (rows, 0) };
        let environment = environment.0;
        self.execute_one(
            "UPDATE object SET included = included + ?3, excluded = excluded + ?4,
             member_bytes = member_bytes + ?5
             WHERE environment_id = ?1 AND kind = 'segment' AND key = ?2",
            (environment, segment, included, excluded, bytes),
        )?;
        self.execute_one(
            "UPDATE environment SET included = included + ?2, excluded = excluded + ?3,
             member_bytes = member_bytes + ?4 WHERE id = ?1",
            (environment, included, excluded, bytes),
        )
    }

    /// Counts a tenant, or none, instead of what it counted so far.
    fn count_tenant(
        &mut self,
        environment: EnvironmentId,
        key: &str,
        tenants: usize,
        bytes: usize,
    ) -> StoreResult<()> {
        let number = |size| i64::try_from(size).map_err(StoreError::new);
        self.execute_one(
            "UPDATE environment SET (tenants, tenant_bytes) = (
                 SELECT environment.tenants + ?3 - count(*),
                        environment.tenant_bytes + ?4 -
                            coalesce(sum(octet_length(t.key) + octet_length(t.document) +
                                coalesce(octet_length(t.notes), 0)), 0)
                 FROM tenant AS t WHERE t.environment_id = ?1 AND t.key = ?2
             ) WHERE id = ?1",
            (environment.0, key, number(tenants)?, number(bytes)?),
        )
    }

    /// Writes what is named otherwise than before, and leaves the rest: most writes of a tenant change nothing
    /// of it.
    fn put_tenant_references(
        &mut self,
        environment: EnvironmentId,
        tenant: &str,
        references: &[TenantReference],
    ) -> StoreResult<()> {
        let present: Vec<(String, String, u32, bool)> = self.all(
            "SELECT target_kind, target_key, version, is_own FROM tenant_reference
             WHERE environment_id = ?1 AND tenant = ?2",
            (environment.0, tenant),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        let present =
            present.iter().map(|(kind, key, version, own)| (&**kind, &**key, *version, *own));
        let present: BTreeSet<(&str, &str, u32, bool)> = present.collect();
        let wanted = references.iter().map(|TenantReference { kind, key, version, is_own }| {
            (kind.name(), &**key, *version, *is_own)
        });
        let wanted: BTreeSet<(&str, &str, u32, bool)> = wanted.collect();
        for (kind, key, version, _) in present.difference(&wanted) {
            self.execute_one(
                "DELETE FROM tenant_reference WHERE environment_id = ?1 AND tenant = ?2
                 AND target_kind = ?3 AND target_key = ?4 AND version = ?5",
                (environment.0, tenant, kind, key, version),
            )?;
        }
        for (kind, key, version, is_own) in wanted.difference(&present) {
            self.execute_one(
                "INSERT INTO tenant_reference
                 (environment_id, tenant, target_kind, target_key, version, is_own)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (environment.0, tenant, kind, key, version, is_own),
            )?;
        }
        Ok(())
    }

    /// For a statement that must hit exactly one row.
    fn execute_one(&mut self, sql: &str, params: impl Params) -> StoreResult<()> {
        match self.execute(sql, params)? {
            1 => Ok(()),
            rows => Err(StoreError::new(format!("{rows} rows were written instead of one"))),
        }
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn begin_operation(&mut self) -> StoreResult<()> {
        Ok(self.sql.execute_batch("SAVEPOINT operation")?)
    }

    fn keep_operation(&mut self) -> StoreResult<()> {
        Ok(self.sql.execute_batch("RELEASE operation")?)
    }

    fn roll_back_operation(&mut self) -> StoreResult<()> {
        // Fails where a fault made SQLite roll back the whole transaction: as it must.
        Ok(self.sql.execute_batch("ROLLBACK TO operation; RELEASE operation")?)
    }

    fn try_out(&mut self) -> StoreResult<()> {
        // As many pages as a write may need, and other bytes each time: SQLite leaves out a page that
        // stays as it is.
        self.execute_one(
            "INSERT INTO trial (id, filler) VALUES (1, randomblob(?1))
             ON CONFLICT (id) DO UPDATE SET filler = excluded.filler",
            [TRIAL_BYTES],
        )
    }

    fn commit(self: Box<Self>) -> StoreResult<()> {
        Ok(self.sql.commit()?)
    }

    fn insert_project(&mut self, key: &str, name: &str, now: Timestamp) -> StoreResult<ProjectId> {
        self.execute_one(
            "INSERT INTO project (key, folded, name, created_at) VALUES (?1, ?2, ?3, ?4)",
            (key, folded_key(key), name, now.as_millis()),
        )?;
        Ok(ProjectId(self.sql.last_insert_rowid()))
    }

    fn rename_project(&mut self, project: ProjectId, name: &str) -> StoreResult<()> {
        self.execute_one("UPDATE project SET name = ?2 WHERE id = ?1", (project.0, name))
    }

    fn insert_environment(
        &mut self,
        project: ProjectId,
        key: &str,
        name: &str,
        now: Timestamp,
    ) -> StoreResult<EnvironmentId> {
        self.execute_one(
            "INSERT INTO environment (project_id, key, folded, name, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            (project.0, key, folded_key(key), name, now.as_millis()),
        )?;
        Ok(EnvironmentId(self.sql.last_insert_rowid()))
    }

    fn rename_environment(&mut self, environment: EnvironmentId, name: &str) -> StoreResult<()> {
        self.execute_one("UPDATE environment SET name = ?2 WHERE id = ?1", (environment.0, name))
    }

    fn archive_project(&mut self, project: ProjectId, at: Option<Timestamp>) -> StoreResult<()> {
        let at = at.map(Timestamp::as_millis);
        self.execute_one("UPDATE project SET archived_at = ?2 WHERE id = ?1", (project.0, at))
    }

    fn archive_environment(
        &mut self,
        environment: EnvironmentId,
        at: Option<Timestamp>,
    ) -> StoreResult<()> {
        let at = at.map(Timestamp::as_millis);
        let sql = "UPDATE environment SET archived_at = ?2 WHERE id = ?1";
        self.execute_one(sql, (environment.0, at))
    }

    fn put_flag(&mut self, project: ProjectId, flag: &StoredFlag) -> StoreResult<()> {
        self.execute_one(
            "INSERT INTO flag (project_id, key, folded, version, document, archived_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (project_id, key) DO UPDATE SET version = excluded.version,
             document = excluded.document, archived_at = excluded.archived_at",
            (
                project.0,
                &flag.key,
                folded_key(&flag.key),
                flag.version,
                &flag.document,
                flag.archived_at.map(Timestamp::as_millis),
            ),
        )
    }

    fn put_object(
        &mut self,
        environment: EnvironmentId,
        object: &StoredObject,
        references: &[Reference],
    ) -> StoreResult<()> {
        self.count_bytes(environment, object.kind, &object.key, object.bytes)?;
        let (environment, kind) = (environment.0, object.kind.name());
        self.execute_one(
            "INSERT INTO object
             (environment_id, kind, key, folded, version, included, bytes, document)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7)
             ON CONFLICT (environment_id, kind, key) DO UPDATE SET version = excluded.version,
             bytes = excluded.bytes, document = excluded.document",
            (
                environment,
                kind,
                &object.key,
                folded_key(&object.key),
                object.version,
                object.bytes,
                &object.document,
            ),
        )?;
        self.execute(
            "DELETE FROM object_reference
             WHERE environment_id = ?1 AND source_kind = ?2 AND source_key = ?3",
            (environment, kind, &object.key),
        )?;
        for reference in references {
            let names = serde_json::to_string(&reference.names).map_err(StoreError::new)?;
            let target = reference.kind.name();
            self.execute_one(
                "INSERT INTO object_reference
                 (environment_id, source_kind, source_key, target_kind, target_key, variants)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (environment, kind, &object.key, target, &reference.key, names),
            )?;
        }
        Ok(())
    }

    fn set_version(
        &mut self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
        version: Revision,
    ) -> StoreResult<()> {
        self.execute_one(
            "UPDATE object SET version = ?4 WHERE environment_id = ?1 AND kind = ?2 AND key = ?3",
            (environment.0, kind.name(), key, version),
        )
    }

    fn defer_references(&mut self) -> StoreResult<()> {
        // Ends with the transaction.
        Ok(self.sql.pragma_update(None, "defer_foreign_keys", true)?)
    }

    fn delete_object(
        &mut self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
    ) -> StoreResult<()> {
        self.count_bytes(environment, kind, key, 0)?;
        self.execute_one(
            "UPDATE environment SET (included, excluded, member_bytes) = (
                 SELECT environment.included - coalesce(sum(o.included), 0),
                        environment.excluded - coalesce(sum(o.excluded), 0),
                        environment.member_bytes - coalesce(sum(o.member_bytes), 0)
                 FROM object AS o
                 WHERE o.environment_id = ?1 AND o.kind = ?2 AND o.key = ?3
             ) WHERE id = ?1",
            (environment.0, kind.name(), key),
        )?;
        if kind == ObjectKind::Segment {
            // Its keys go later: there may be a million of them.
            self.execute(
                "UPDATE member_list SET environment_id = NULL, segment = NULL
                 WHERE environment_id = ?1 AND segment = ?2",
                (environment.0, key),
            )?;
        }
        self.execute_one(
            "DELETE FROM object WHERE environment_id = ?1 AND kind = ?2 AND key = ?3",
            (environment.0, kind.name(), key),
        )
    }

    fn add_members<'k>(
        &mut self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        keys: &'k [String],
    ) -> StoreResult<Vec<&'k str>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // Fails where there is no such segment.
        self.execute(
            "INSERT INTO member_list (environment_id, segment) VALUES (?1, ?2)
             ON CONFLICT DO NOTHING",
            (environment.0, segment),
        )?;
        let list_id = member_list(&self.sql, environment, segment)?;
        let list_id = list_id.ok_or_else(|| StoreError::new("a list was not written"))?;
        let sql = "INSERT INTO member (list_id, excluded, key) VALUES (?1, ?2, ?3)
                   ON CONFLICT DO NOTHING";
        let added = self.touch_members(sql, list_id, list, keys)?;
        self.count_members(environment, segment, list, sizes(&added)?)?;
        Ok(added)
    }

    fn remove_members<'k>(
        &mut self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        keys: &'k [String],
    ) -> StoreResult<Vec<&'k str>> {
        let Some(list_id) = member_list(&self.sql, environment, segment)? else {
            return Ok(Vec::new());
        };
        let sql = "DELETE FROM member WHERE list_id = ?1 AND excluded = ?2 AND key = ?3";
        let removed = self.touch_members(sql, list_id, list, keys)?;
        let (rows, bytes) = sizes(&removed)?;
        self.count_members(environment, segment, list, (-rows, -bytes))?;
        Ok(removed)
    }

    fn put_tenant(
        &mut self,
        environment: EnvironmentId,
        tenant: &StoredTenant,
        references: &[TenantReference],
    ) -> StoreResult<()> {
        self.count_tenant(environment, &tenant.key, 1, tenant.bytes())?;
        let StoredTenant { key, version, document, notes } = tenant;
        self.execute_one(
            "INSERT INTO tenant (environment_id, key, version, document, notes)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (environment_id, key) DO UPDATE SET version = excluded.version,
             document = excluded.document, notes = excluded.notes",
            (environment.0, key, version, document, notes),
        )?;
        self.put_tenant_references(environment, key, references)
    }

    fn delete_tenant(&mut self, environment: EnvironmentId, key: &str) -> StoreResult<()> {
        self.count_tenant(environment, key, 0, 0)?;
        seat::uncount(&self.sql, environment, key)?;
        self.execute_one(
            "DELETE FROM tenant WHERE environment_id = ?1 AND key = ?2",
            (environment.0, key),
        )
    }

    fn assign_seat(
        &mut self,
        environment: EnvironmentId,
        seat: [&str; 3],
        at: Timestamp,
    ) -> StoreResult<()> {
        seat::assign(&self.sql, environment, seat, at)
    }

    fn release_seat(
        &mut self,
        environment: EnvironmentId,
        seat: [&str; 3],
        at: Timestamp,
    ) -> StoreResult<()> {
        seat::release(&self.sql, environment, seat, at)
    }

    fn put_usage(
        &mut self,
        environment: EnvironmentId,
        of: [&str; 2],
        used: u64,
        at: Timestamp,
    ) -> StoreResult<()> {
        seat::put_usage(&self.sql, environment, of, used, at)
    }

    fn set_level(
        &mut self,
        environment: EnvironmentId,
        of: &Counted,
        level: u32,
    ) -> StoreResult<()> {
        seat::set_level(&self.sql, environment, of, level)
    }

    fn add_crossing(&mut self, environment: EnvironmentId, crossing: &Crossing) -> StoreResult<()> {
        seat::add_crossing(&self.sql, environment, crossing)
    }

    fn forget_crossings(&mut self, until: Timestamp, limit: u32) -> StoreResult<()> {
        seat::forget_crossings(&self.sql, until, limit)
    }

    fn sweep(&mut self, limit: u32) -> StoreResult<bool> {
        let sql = "SELECT id FROM member_list WHERE environment_id IS NULL LIMIT 1";
        let Some(id) = self.one(sql, (), |row| row.get::<_, i64>(0))? else {
            return Ok(false);
        };
        let deleted = self.execute(
            "DELETE FROM member WHERE (list_id, excluded, key) IN (
                 SELECT list_id, excluded, key FROM member WHERE list_id = ?1 LIMIT ?2
             )",
            (id, limit),
        )?;
        if deleted < limit as usize {
            self.execute_one("DELETE FROM member_list WHERE id = ?1", [id])?;
        }
        Ok(true)
    }

    fn append_change(
        &mut self,
        environment: EnvironmentId,
        change: &LoggedChange,
        now: Timestamp,
    ) -> StoreResult<()> {
        let previous: Revision = change.revision.saturating_sub(1);
        self.execute_one(
            "UPDATE environment SET revision = ?2 WHERE id = ?1 AND revision = ?3",
            (environment.0, change.revision, previous),
        )?;
        self.execute_one(
            "INSERT INTO change_log (environment_id, revision, change, resets, committed_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            (environment.0, change.revision, &change.change, change.resets, now.as_millis()),
        )
    }

    fn begin_epoch(&mut self, epoch: &Epoch) -> StoreResult<()> {
        self.execute_one("UPDATE meta SET epoch = ?1 WHERE id = 1", [epoch.as_str()])
    }

    fn put_checkpoint(
        &mut self,
        environment: EnvironmentId,
        checkpoint: &Checkpoint,
    ) -> StoreResult<()> {
        self.execute_one(
            "INSERT INTO checkpoint (environment_id, revision, document) VALUES (?1, ?2, ?3)
             ON CONFLICT (environment_id)
             DO UPDATE SET revision = excluded.revision, document = excluded.document",
            (environment.0, checkpoint.revision, &checkpoint.document),
        )?;
        self.execute(
            "DELETE FROM change_log WHERE environment_id = ?1 AND revision <= ?2",
            (environment.0, checkpoint.revision),
        )?;
        Ok(())
    }

    fn cut_audit(&mut self, through: &ChainHead) -> StoreResult<()> {
        audit::cut(&self.sql, through)
    }

    fn rewrite_change(
        &mut self,
        environment: EnvironmentId,
        change: &LoggedChange,
    ) -> StoreResult<()> {
        self.execute_one(
            "UPDATE change_log SET change = ?3, resets = ?4
             WHERE environment_id = ?1 AND revision = ?2",
            (environment.0, change.revision, &change.change, change.resets),
        )
    }

    fn append_audit(&mut self, entry: &AuditEntry<'_>) -> StoreResult<i64> {
        let id = audit::append(&self.sql, entry)?;
        // Under each revision that it made.
        self.execute(
            "INSERT INTO deed (environment_id, revision, audit_id, kind, key)
             SELECT e.id, r.value, ?1, iif(?2 = 'flag_state', 'flag', ?2), ?3
             FROM json_each(?4) AS r JOIN project AS p ON p.key = ?5
             JOIN environment AS e ON e.project_id = p.id AND e.key = r.key WHERE r.value > 0",
            (id, entry.object_kind, entry.object_key, entry.revisions, entry.project),
        )?;
        Ok(id)
    }

    fn erase_audit(
        &mut self,
        id: i64,
        parts: &Parts<String>,
        seals: &Seals,
        erased: &str,
    ) -> StoreResult<()> {
        audit::erase(&self.sql, id, parts, seals, erased)
    }

    fn put_answer(&mut self, key: &[u8; 32], answer: &StoredAnswer) -> StoreResult<()> {
        let headers = serde_json::to_string(&answer.headers).map_err(StoreError::new)?;
        self.execute_one(
            "INSERT OR REPLACE INTO answer (key, fingerprint, at, status, headers, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (key, answer.fingerprint, answer.at.as_millis(), answer.status, headers, &answer.body),
        )
    }

    fn forget_answers(&mut self, until: Timestamp, limit: u32) -> StoreResult<()> {
        self.execute(
            "DELETE FROM answer WHERE rowid IN (
                 SELECT rowid FROM answer WHERE at <= ?1 ORDER BY at LIMIT ?2
             )",
            (until.as_millis(), limit),
        )?;
        Ok(())
    }

    fn put_scheduled(&mut self, change: &ScheduledChange) -> StoreResult<()> {
        super::schedule::put(&self.sql, change)
    }

    fn cut_schedule(&mut self, before: Timestamp) -> StoreResult<()> {
        super::schedule::cut(&self.sql, before)
    }

    fn insert_token(&mut self, token: &StoredToken) -> StoreResult<()> {
        let (environment, tenants) = match token.kind {
            TokenKind::Sdk(environment, tenants) => (Some(environment.0), Some(tenants.name())),
            TokenKind::Personal(_) | TokenKind::Service(_) => (None, None),
        };
        let grant = token.kind.grant();
        let places: &[Place] = match grant.map(|grant| &grant.reach) {
            Some(Reach::Only(places)) => places,
            Some(Reach::Everything) | None => &[],
        };
        self.execute_one(
            "INSERT INTO token (id, name, kind, environment_id, tenants, role, limited, created_at,
             expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                &token.id,
                &token.name,
                token.kind.name(),
                environment,
                tenants,
                grant.map(|grant| grant.role.name()),
                grant.is_some_and(|grant| grant.reach != Reach::Everything),
                token.created_at.as_millis(),
                token.expires_at.map(Timestamp::as_millis),
            ),
        )?;
        for place in places {
            // Nothing is written where there is no such place, and the whole refused.
            self.execute_one(
                "INSERT INTO token_place (token_id, project_id, environment_id)
                 SELECT ?1, p.id, e.id FROM project p
                 LEFT JOIN environment e ON e.project_id = p.id AND e.key = ?3
                 WHERE p.key = ?2 AND (?3 IS NULL OR e.id IS NOT NULL)",
                (&token.id, &place.project, &place.environment),
            )?;
        }
        self.put_secrets(&token.id, &token.secrets)
    }

    fn put_secrets(&mut self, id: &str, secrets: &[StoredSecret]) -> StoreResult<()> {
        self.execute("DELETE FROM token_secret WHERE token_id = ?1", [id])?;
        for secret in secrets {
            self.execute_one(
                "INSERT INTO token_secret (hash, token_id, ends_at) VALUES (?1, ?2, ?3)",
                (secret.hash, id, secret.ends_at.map(Timestamp::as_millis)),
            )?;
        }
        Ok(())
    }

    fn revoke_token(&mut self, id: &str, now: Timestamp) -> StoreResult<()> {
        self.execute_one("UPDATE token SET revoked_at = ?2 WHERE id = ?1", (id, now.as_millis()))
    }

    fn use_token(&mut self, id: &str, at: Timestamp) -> StoreResult<()> {
        self.execute_one("UPDATE token SET last_used_at = ?2 WHERE id = ?1", (id, at.as_millis()))
    }
}

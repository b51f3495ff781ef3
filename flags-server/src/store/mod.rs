//! What is kept, and the transactions it is kept in. Nothing above this module knows SQL.
//!
//! There is one [`Writer`], owned by the writer thread, and any number of readers. A second store
//! implements these traits and passes the same conformance suite.

mod answer;
mod audit;
pub(crate) mod chain;
#[cfg(test)]
mod conformance;
mod error;
mod listed;
mod log;
mod object;
mod page;
mod place;
mod schedule;
mod size;
pub(crate) mod sqlite;
mod tenant;
mod token;

pub(crate) use self::answer::StoredAnswer;
pub(crate) use self::audit::{AuditEntry, AuditFilter, AuditPage, AuditPosition, AuditRecord};
pub(crate) use self::error::{Damage, Obstacle, StoreError, StoreResult};
pub(crate) use self::listed::Listed;
pub(crate) use self::log::{Checkpoint, LoggedChange};
pub(crate) use self::object::{
    MemberCounts, MemberList, ObjectKind, Reference, Referrer, StoredFlag, StoredObject,
};
pub(crate) use self::page::Page;
pub(crate) use self::place::{Environment, EnvironmentId, Project, ProjectId, Scope};
pub(crate) use self::schedule::{NextChange, ScheduleFilter, ScheduleState, ScheduledChange};
pub(crate) use self::size::{DiskSize, StoreSize, WalProgress};
pub(crate) use self::tenant::{StoredTenant, TenantCounts};
pub(crate) use self::token::{
    Grant, Place, Reach, Role, StoredSecret, StoredToken, Tenants, TokenKind,
};

use flags_core::{Epoch, Revision, Timestamp};

use self::chain::{AuditRow, ChainHead, Parts, Seals};

/// A database that is open.
pub(crate) trait Store: Send + Sync + 'static {
    /// A view of one committed state, which later writes do not alter.
    fn view(&self) -> StoreResult<Box<dyn View + '_>>;

    /// The writer; there is one.
    ///
    /// # Errors
    /// When it was taken already.
    fn writer(&self) -> StoreResult<Box<dyn Writer>>;

    /// How much room it takes, now.
    fn size(&self) -> StoreResult<StoreSize>;
}

/// The one place that writes.
pub(crate) trait Writer: Send {
    /// Begins a transaction; one that is dropped is rolled back.
    fn begin(&mut self) -> StoreResult<Box<dyn Transaction + '_>>;
}

/// What can be read, of one consistent state.
pub(crate) trait View {
    /// The identity of this database's history.
    fn epoch(&self) -> StoreResult<Epoch>;

    fn projects(&self, page: &Page) -> StoreResult<Vec<Project>>;

    fn project(&self, key: &str) -> StoreResult<Option<Project>>;

    /// Of one project, or of all.
    fn environments(
        &self,
        project: Option<ProjectId>,
        page: &Page,
    ) -> StoreResult<Vec<Environment>>;

    fn environment(&self, project: ProjectId, key: &str) -> StoreResult<Option<Environment>>;

    fn flags(&self, project: ProjectId, page: &Page) -> StoreResult<Vec<StoredFlag>>;

    fn flag(&self, project: ProjectId, key: &str) -> StoreResult<Option<StoredFlag>>;

    fn objects(
        &self,
        environment: EnvironmentId,
        kind: ObjectKind,
        page: &Page,
    ) -> StoreResult<Vec<StoredObject>>;

    fn object(
        &self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
    ) -> StoreResult<Option<StoredObject>>;

    /// The flags that need an object, sorted by key.
    fn referrers(
        &self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
    ) -> StoreResult<Vec<Referrer>>;

    /// Every (flag, prerequisite) of an environment.
    fn prerequisites(&self, environment: EnvironmentId) -> StoreResult<Vec<(String, String)>>;

    /// The changes after a revision, in order: up to `limit` of them, and no further one once they
    /// have `bytes`.
    fn changes(
        &self,
        environment: EnvironmentId,
        after: Revision,
        limit: u32,
        bytes: usize,
    ) -> StoreResult<Vec<LoggedChange>>;

    /// When a revision was committed.
    fn committed_at(
        &self,
        environment: EnvironmentId,
        revision: Revision,
    ) -> StoreResult<Option<Timestamp>>;

    /// The latest revision that was committed at an instant or before.
    fn revision_at(
        &self,
        environment: EnvironmentId,
        at: Timestamp,
    ) -> StoreResult<Option<Revision>>;
    /// The last revision that was made before an instant; 0 where there is none.
    fn revision_before(&self, environment: EnvironmentId, at: Timestamp) -> StoreResult<Revision>;

    /// What was cut off the beginning of a change log, added up: a [`flags_core::Document`] as JSON.
    fn checkpoint(&self, environment: EnvironmentId) -> StoreResult<Option<Checkpoint>>;

    /// The last row that was cut off the beginning of the audit log.
    fn audit_anchor(&self) -> StoreResult<ChainHead>;

    /// The last row of the audit log before the first that was written at an instant or later.
    fn audit_before(&self, at: Timestamp) -> StoreResult<ChainHead>;

    /// What is wrong with the store's own structure: pages, references between rows, sums.
    fn damage(&self) -> StoreResult<Vec<Damage>>;

    /// Up to `limit` rows of the audit log after the row `after`, in their order.
    fn audit_rows(&self, after: i64, limit: u32) -> StoreResult<Vec<AuditRow>>;

    /// Tokens sorted by id, revoked ones included.
    fn tokens(&self, page: &Page) -> StoreResult<Vec<StoredToken>>;

    fn token(&self, id: &str) -> StoreResult<Option<StoredToken>>;

    /// How many tokens [are live](StoredToken::is_live).
    fn live_tokens(&self, now: Timestamp) -> StoreResult<u64>;

    /// The revisions of an environment before `before`, the newest first: all, or those that changed
    /// one object, its shared definition included.
    fn revisions(
        &self,
        environment: EnvironmentId,
        of: Option<(ObjectKind, &str)>,
        before: Option<Revision>,
        limit: u32,
    ) -> StoreResult<Vec<Revision>>;

    /// The first entries of the audit log that made a revision; all, or those of one object.
    fn deeds(
        &self,
        environment: EnvironmentId,
        revision: Revision,
        of: Option<(ObjectKind, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<AuditRecord>>;

    /// How many entries of the audit log made a revision.
    fn deed_count(&self, environment: EnvironmentId, revision: Revision) -> StoreResult<u64>;

    /// Entries of the audit log that match, the latest first: up to so many, found among up to so
    /// many that are looked at, and no further one once they have so many bytes.
    fn audit(&self, filter: &AuditFilter, limits: (u32, u32, usize)) -> StoreResult<AuditPage>;

    /// The answer to a request, by the hash of its key.
    fn answer(&self, key: &[u8; 32]) -> StoreResult<Option<StoredAnswer>>;

    /// A scheduled change of an environment.
    fn scheduled(
        &self,
        environment: EnvironmentId,
        id: &str,
    ) -> StoreResult<Option<ScheduledChange>>;

    /// Scheduled changes of an environment in order of time, without their bodies.
    fn schedule(
        &self,
        environment: EnvironmentId,
        filter: &ScheduleFilter,
    ) -> StoreResult<Vec<ScheduledChange>>;

    /// Scheduled changes of an environment that have a text in their body, reason or problem, with
    /// their bodies: all, or those of one state, in order of their ids and after one.
    fn scheduled_with(
        &self,
        environment: EnvironmentId,
        text: &str,
        state: Option<ScheduleState>,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<ScheduledChange>>;

    /// The open change of all environments whose time comes first.
    fn next_scheduled(&self) -> StoreResult<Option<NextChange>>;

    /// How many open changes there are, and the time of the first of them.
    fn open_schedule(&self) -> StoreResult<(u64, Option<Timestamp>)>;

    /// How many scheduled changes ended before a time.
    fn ended_scheduled(&self, before: Timestamp) -> StoreResult<u64>;

    /// How many open changes an environment has, and how many bytes their bodies have.
    fn open_scheduled(&self, environment: EnvironmentId) -> StoreResult<(u64, u64)>;

    /// The id of the scheduled change that made a revision.
    fn made_by_schedule(
        &self,
        environment: EnvironmentId,
        revision: Revision,
    ) -> StoreResult<Option<String>>;

    /// Answers that have a text in their body, with their keys: in order of these and after one, of
    /// which nothing is before all.
    fn answers_with(
        &self,
        text: &str,
        after: &[u8],
        limit: u32,
    ) -> StoreResult<Vec<([u8; 32], StoredAnswer)>>;

    /// The key in `scope` whose [folded form](flags_core::folded_key) is `folded`.
    fn key_like(&self, scope: Scope, folded: &str) -> StoreResult<Option<String>>;

    fn count(&self, scope: Scope) -> StoreResult<u64>;

    /// Keys that a segment lists.
    fn members(
        &self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        page: &Page,
    ) -> StoreResult<Vec<String>>;

    /// Goes through the members of all segments of an environment, sorted by segment, list and key.
    fn each_member(
        &self,
        environment: EnvironmentId,
        visit: &mut dyn FnMut(&str, MemberList, &str) -> StoreResult<()>,
    ) -> StoreResult<()>;

    /// Whether one of `keys` is in a list.
    fn has_members(
        &self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        keys: &[String],
    ) -> StoreResult<bool>;

    /// What all segments of an environment list together.
    fn member_counts(&self, environment: EnvironmentId) -> StoreResult<MemberCounts>;

    /// Tenants of an environment.
    fn tenants(&self, environment: EnvironmentId, page: &Page) -> StoreResult<Vec<StoredTenant>>;

    fn tenant(&self, environment: EnvironmentId, key: &str) -> StoreResult<Option<StoredTenant>>;

    /// What all tenants of an environment come to.
    fn tenant_counts(&self, environment: EnvironmentId) -> StoreResult<TenantCounts>;

    /// The sum of [`StoredObject::bytes`] of an environment.
    fn definition_bytes(&self, environment: EnvironmentId) -> StoreResult<u64>;
}

/// A transaction that writes; what it reads is what it wrote.
pub(crate) trait Transaction: View {
    /// Where [`Self::roll_back_operation`] goes back to. One inside another one is ended first.
    fn begin_operation(&mut self) -> StoreResult<()>;

    fn keep_operation(&mut self) -> StoreResult<()>;

    fn roll_back_operation(&mut self) -> StoreResult<()>;

    /// Writes what nobody reads: whether writing works.
    fn try_out(&mut self) -> StoreResult<()>;

    /// Returns when everything is durable.
    fn commit(self: Box<Self>) -> StoreResult<()>;

    fn insert_project(&mut self, key: &str, name: &str, now: Timestamp) -> StoreResult<ProjectId>;

    fn rename_project(&mut self, project: ProjectId, name: &str) -> StoreResult<()>;

    fn insert_environment(
        &mut self,
        project: ProjectId,
        key: &str,
        name: &str,
        now: Timestamp,
    ) -> StoreResult<EnvironmentId>;

    fn rename_environment(&mut self, environment: EnvironmentId, name: &str) -> StoreResult<()>;

    /// Archives a project at an instant, or brings it back.
    fn archive_project(&mut self, project: ProjectId, at: Option<Timestamp>) -> StoreResult<()>;

    /// Archives an environment at an instant, or brings it back.
    fn archive_environment(
        &mut self,
        environment: EnvironmentId,
        at: Option<Timestamp>,
    ) -> StoreResult<()>;

    fn put_flag(&mut self, project: ProjectId, flag: &StoredFlag) -> StoreResult<()>;

    /// Writes an object and what it needs, both anew. The keys that a segment lists stay.
    fn put_object(
        &mut self,
        environment: EnvironmentId,
        object: &StoredObject,
        references: &[Reference],
    ) -> StoreResult<()>;

    /// Says that a revision changed an object which is otherwise as it was.
    fn set_version(
        &mut self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
        version: Revision,
    ) -> StoreResult<()>;

    /// From now on, whether references are whole is asked when the transaction is committed, and not
    /// at each write: for objects that are exchanged for others.
    fn defer_references(&mut self) -> StoreResult<()>;

    /// Deletes an object with what it needs. What it lists is there no more, and takes room until it
    /// is [swept](Self::sweep).
    fn delete_object(
        &mut self,
        environment: EnvironmentId,
        kind: ObjectKind,
        key: &str,
    ) -> StoreResult<()>;

    /// Adds keys to a list of a segment; gives those that were not there.
    fn add_members<'k>(
        &mut self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        keys: &'k [String],
    ) -> StoreResult<Vec<&'k str>>;

    /// Takes keys out of a list of a segment; gives those that were there.
    fn remove_members<'k>(
        &mut self,
        environment: EnvironmentId,
        segment: &str,
        list: MemberList,
        keys: &'k [String],
    ) -> StoreResult<Vec<&'k str>>;

    /// Writes a tenant, which may be there.
    fn put_tenant(&mut self, environment: EnvironmentId, tenant: &StoredTenant) -> StoreResult<()>;

    /// Deletes a tenant that is there.
    fn delete_tenant(&mut self, environment: EnvironmentId, key: &str) -> StoreResult<()>;

    /// Deletes up to `limit` of the keys that deleted segments listed; whether there were any.
    fn sweep(&mut self, limit: u32) -> StoreResult<bool>;

    /// Appends to the change log and moves the environment to that revision.
    ///
    /// # Errors
    /// When the revision is not the next one.
    fn append_change(
        &mut self,
        environment: EnvironmentId,
        change: &LoggedChange,
        now: Timestamp,
    ) -> StoreResult<()>;

    /// Says that the history from here on is another one than before.
    fn begin_epoch(&mut self, epoch: &Epoch) -> StoreResult<()>;

    /// Replaces the beginning of a change log, up to the checkpoint's revision, by what it adds up to;
    /// or a checkpoint by another one of that revision.
    fn put_checkpoint(
        &mut self,
        environment: EnvironmentId,
        checkpoint: &Checkpoint,
    ) -> StoreResult<()>;

    /// Deletes the beginning of the audit log, up to a row, which the chain goes on from.
    fn cut_audit(&mut self, through: &ChainHead) -> StoreResult<()>;

    /// Replaces an entry of the change log: by the same one without what was erased.
    fn rewrite_change(
        &mut self,
        environment: EnvironmentId,
        change: &LoggedChange,
    ) -> StoreResult<()>;

    /// Appends to the audit log, chained to the row before; gives the row's number.
    fn append_audit(&mut self, entry: &AuditEntry<'_>) -> StoreResult<i64>;

    /// Leaves `parts` of a row of the audit log. Those that are not what they were are without a
    /// salt in `seals`, the digests of which stay; `erased` names the erasure of each, as JSON.
    ///
    /// # Errors
    /// When anything else would be altered.
    fn erase_audit(
        &mut self,
        id: i64,
        parts: &Parts<String>,
        seals: &Seals,
        erased: &str,
    ) -> StoreResult<()>;

    /// Keeps an answer, instead of an older one with that key.
    fn put_answer(&mut self, key: &[u8; 32], answer: &StoredAnswer) -> StoreResult<()>;

    /// Removes up to `limit` answers that are not from after `until`.
    fn forget_answers(&mut self, until: Timestamp, limit: u32) -> StoreResult<()>;

    /// Writes a scheduled change, instead of an older one with that id.
    fn put_scheduled(&mut self, change: &ScheduledChange) -> StoreResult<()>;

    /// Removes the scheduled changes that ended before a time.
    fn cut_schedule(&mut self, before: Timestamp) -> StoreResult<()>;

    fn insert_token(&mut self, token: &StoredToken) -> StoreResult<()>;

    /// Replaces all secrets of a token.
    fn put_secrets(&mut self, id: &str, secrets: &[StoredSecret]) -> StoreResult<()>;

    fn revoke_token(&mut self, id: &str, now: Timestamp) -> StoreResult<()>;

    /// Says when a token was last used.
    fn use_token(&mut self, id: &str, at: Timestamp) -> StoreResult<()>;
}

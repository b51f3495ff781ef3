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
mod member;
mod object;
mod page;
mod place;
mod schedule;
mod seat;
mod size;
pub(crate) mod sqlite;
mod tenant;
mod token;

pub(crate) use self::answer::{Answers, StoredAnswer};
pub(crate) use self::audit::{
    AuditEntry, AuditFilter, AuditLog, AuditPage, AuditPosition, AuditRecord,
};
pub(crate) use self::error::{Damage, Obstacle, StoreError, StoreResult, unreadable};
pub(crate) use self::listed::Listed;
pub(crate) use self::log::{ChangeLog, Checkpoint, LoggedChange};
pub(crate) use self::member::{MemberCounts, MemberList, Members};
pub(crate) use self::object::{ObjectKind, Objects, Reference, Referrer, StoredFlag, StoredObject};
pub(crate) use self::page::Page;
pub(crate) use self::place::{Environment, EnvironmentId, Places, Project, ProjectId, Scope};
pub(crate) use self::schedule::{
    NextChange, Schedule, ScheduleFilter, ScheduleState, ScheduledChange,
};
pub(crate) use self::seat::{Counted, Counter, Crossing, StoredSeat, StoredUse, Uses};
pub(crate) use self::size::{DiskSize, StoreSize, WalProgress};
pub(crate) use self::tenant::{
    PlanVersions, StoredTenant, StoredTenants, TenantCounts, TenantReference,
};
pub(crate) use self::token::{
    Grant, Place, Reach, Role, StoredSecret, StoredToken, Tenants, TokenKind, TokenRegister,
};

use flags_core::{Epoch, Revision, Timestamp};

use self::chain::{ChainHead, Parts, Seals};

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
pub(crate) trait View:
    Places
    + Objects
    + Members
    + StoredTenants
    + Uses
    + ChangeLog
    + AuditLog
    + TokenRegister
    + Answers
    + Schedule
{
    /// The identity of this database's history.
    fn epoch(&self) -> StoreResult<Epoch>;

    /// What is wrong with the store's own structure: pages, references between rows, sums.
    fn damage(&self) -> StoreResult<Vec<Damage>>;
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

    /// Writes a tenant, which may be there, and what it names, both anew.
    fn put_tenant(
        &mut self,
        environment: EnvironmentId,
        tenant: &StoredTenant,
        references: &[TenantReference],
    ) -> StoreResult<()>;

    /// Deletes a tenant that is there, with its seats and all that it uses.
    fn delete_tenant(&mut self, environment: EnvironmentId, key: &str) -> StoreResult<()>;

    /// Gives a user of a tenant a seat of a feature: tenant, feature, user.
    ///
    /// # Errors
    /// When the user has it already.
    fn assign_seat(
        &mut self,
        environment: EnvironmentId,
        seat: [&str; 3],
        at: Timestamp,
    ) -> StoreResult<()>;

    /// Takes the seat of a user away: tenant, feature, user.
    ///
    /// # Errors
    /// When the user has none.
    fn release_seat(
        &mut self,
        environment: EnvironmentId,
        seat: [&str; 3],
        at: Timestamp,
    ) -> StoreResult<()>;

    /// Writes what the product says that a tenant uses of a feature.
    fn put_usage(
        &mut self,
        environment: EnvironmentId,
        of: [&str; 2],
        used: u64,
        at: Timestamp,
    ) -> StoreResult<()>;

    /// Says which threshold a use is at.
    fn set_level(
        &mut self,
        environment: EnvironmentId,
        of: &Counted,
        level: u32,
    ) -> StoreResult<()>;

    /// Appends to the crossings of thresholds, under the next number.
    fn add_crossing(&mut self, environment: EnvironmentId, crossing: &Crossing) -> StoreResult<()>;

    /// Removes up to `limit` of the first crossings, if they are not from after `until`.
    fn forget_crossings(&mut self, until: Timestamp, limit: u32) -> StoreResult<()>;

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

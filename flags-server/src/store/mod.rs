//! What is kept, and the transactions it is kept in. Nothing above this module knows SQL.
//!
//! There is one [`Writer`], owned by the writer thread, and any number of readers. A second store
//! implements these traits and passes the same conformance suite.

#[cfg(test)]
mod conformance;
pub(crate) mod sqlite;
mod tenant;
mod token;

pub(crate) use self::tenant::{StoredTenant, TenantCounts};
pub(crate) use self::token::{
    Grant, Place, Reach, Role, StoredSecret, StoredToken, Tenants, TokenKind,
};

use std::error::Error as StdError;
use std::fmt;

use flags_core::{Epoch, FLAG_KIND, Revision, SEGMENT_KIND, Timestamp};

/// The number of a project in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ProjectId(pub(crate) i64);

/// The number of an environment in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct EnvironmentId(pub(crate) i64);

/// A namespace of flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    pub(crate) id: ProjectId,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
}

/// A rule set inside a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) id: EnvironmentId,
    /// The key of its project.
    pub(crate) project: String,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) revision: Revision,
    pub(crate) created_at: Timestamp,
}

/// The shared definition of a flag, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFlag {
    pub(crate) key: String,
    /// Counts the edits of the shared definition from 1.
    pub(crate) version: u64,
    pub(crate) document: String,
}

/// What an environment consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ObjectKind {
    /// The state of a flag.
    Flag,
    /// A segment.
    Segment,
}

impl ObjectKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Flag => FLAG_KIND,
            Self::Segment => SEGMENT_KIND,
        }
    }
}

/// One definition of an environment, as JSON; that of a segment is without the keys it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredObject {
    pub(crate) kind: ObjectKind,
    pub(crate) key: String,
    /// The revision that last changed it.
    pub(crate) version: Revision,
    /// What a segment lists, which the store counts by itself; nothing for a flag.
    pub(crate) members: MemberCounts,
    /// What it counts towards the limit of an environment: a definition's bytes without such keys.
    pub(crate) bytes: u64,
    pub(crate) document: String,
}

/// A list of keys that a segment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum MemberList {
    Included,
    Excluded,
}

/// How many keys there are in the lists of a segment, or of all segments of an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MemberCounts {
    pub(crate) included: u64,
    pub(crate) excluded: u64,
    /// Bytes of the keys of both lists.
    pub(crate) bytes: u64,
}

impl MemberCounts {
    pub(crate) const fn keys(&self) -> u64 {
        self.included + self.excluded
    }
}

/// What a flag's state needs of another object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) kind: ObjectKind,
    pub(crate) key: String,
    /// The variants of a prerequisite that satisfy.
    pub(crate) variants: Vec<String>,
}

/// A flag that needs something, and the variants it names of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Referrer {
    pub(crate) flag: String,
    pub(crate) variants: Vec<String>,
}

/// One entry of the change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedChange {
    pub(crate) revision: Revision,
    /// A [`flags_core::Change`] as JSON, on one line.
    pub(crate) change: String,
}

/// Who did what, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditEntry<'a> {
    pub(crate) at: Timestamp,
    /// The id of the token.
    pub(crate) actor: &'a str,
    /// What it is called.
    pub(crate) actor_name: &'a str,
    pub(crate) request_id: &'a str,
    /// What was asked for, such as `flag.off`.
    pub(crate) action: &'a str,
    pub(crate) project: Option<&'a str>,
    pub(crate) environment: Option<&'a str>,
    pub(crate) object_kind: &'a str,
    pub(crate) object_key: &'a str,
    pub(crate) reason: Option<&'a str>,
    /// The object as JSON.
    pub(crate) before: Option<&'a str>,
    /// The object as JSON.
    pub(crate) after: Option<&'a str>,
    /// `{environment: revision}` as JSON.
    pub(crate) revisions: &'a str,
}

/// Where keys are unique, and what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Projects,
    Environments(ProjectId),
    Flags(ProjectId),
    Objects(EnvironmentId, ObjectKind),
}

/// A part of a list that is sorted by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Only what sorts after this.
    pub(crate) after: Option<String>,
    pub(crate) limit: u32,
}

impl Page {
    /// The whole list.
    pub(crate) const ALL: Self = Self { after: None, limit: u32::MAX };

    /// This part of a list that is there as a whole.
    pub(crate) fn of<T>(&self, items: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
        let later = |item: &T| self.after.as_deref().is_none_or(|after| key(item) > after);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        items.into_iter().filter(later).take(limit).collect()
    }
}

/// The store failed; nothing that its caller could have done better.
#[derive(Debug)]
pub(crate) struct StoreError(Box<dyn StdError + Send + Sync>);

impl StoreError {
    pub(crate) fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// What happened, without saying that it happened to the database.
    pub(crate) fn cause(&self) -> &dyn fmt::Display {
        &self.0
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database failed: {}", self.0)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

pub(crate) type StoreResult<T> = Result<T, StoreError>;

/// A database that is open.
pub(crate) trait Store: Send + Sync + 'static {
    /// A view of one committed state, which later writes do not alter.
    fn view(&self) -> StoreResult<Box<dyn View + '_>>;

    /// The writer; there is one.
    ///
    /// # Errors
    /// When it was taken already.
    fn writer(&self) -> StoreResult<Box<dyn Writer>>;
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

    /// Tokens sorted by id, revoked ones included.
    fn tokens(&self, page: &Page) -> StoreResult<Vec<StoredToken>>;

    fn token(&self, id: &str) -> StoreResult<Option<StoredToken>>;

    /// How many tokens [are live](StoredToken::is_live).
    fn live_tokens(&self, now: Timestamp) -> StoreResult<u64>;

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
    /// Where [`Self::roll_back_operation`] goes back to. Not nested.
    fn begin_operation(&mut self) -> StoreResult<()>;

    fn keep_operation(&mut self) -> StoreResult<()>;

    fn roll_back_operation(&mut self) -> StoreResult<()>;

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

    /// Deletes an object with what it needs and lists.
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

    fn append_audit(&mut self, entry: &AuditEntry<'_>) -> StoreResult<()>;

    fn insert_token(&mut self, token: &StoredToken) -> StoreResult<()>;

    /// Replaces all secrets of a token.
    fn put_secrets(&mut self, id: &str, secrets: &[StoredSecret]) -> StoreResult<()>;

    fn revoke_token(&mut self, id: &str, now: Timestamp) -> StoreResult<()>;

    /// Says when a token was last used.
    fn use_token(&mut self, id: &str, at: Timestamp) -> StoreResult<()>;
}

//! What the objects of an environment come to, and whether it may be as much: for what is written,
//! and for what is only planned.

use flags_core::Object;

use super::fault::Fault;
use crate::limits::{
    MAX_DEFINITION_BYTES, MAX_ENVIRONMENT_BYTES, MAX_SEGMENT_MEMBER_BYTES, MAX_SEGMENT_MEMBERS,
    MAX_STORED_TENANT_BYTES, MAX_TENANTS,
};
use crate::store::{EnvironmentId, MemberCounts, View};

/// Sums over all objects of an environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Sizes {
    pub(super) definition_bytes: u64,
    pub(super) members: u64,
    pub(super) member_bytes: u64,
    pub(super) tenants: u64,
    pub(super) tenant_bytes: u64,
}

impl Sizes {
    pub(super) fn of(view: &dyn View, environment: EnvironmentId) -> Result<Self, Fault> {
        let (members, tenants) =
            (view.member_counts(environment)?, view.tenant_counts(environment)?);
        Ok(Self {
            definition_bytes: view.definition_bytes(environment)?,
            members: members.keys(),
            member_bytes: members.bytes,
            tenants: tenants.tenants,
            tenant_bytes: tenants.bytes,
        })
    }

    /// Counts an object, by its bytes, with its members in place of what it was.
    pub(super) fn replace(&mut self, bytes: (u64, u64), members: (MemberCounts, MemberCounts)) {
        let replace = |sum: &mut u64, before: u64, after: u64| {
            *sum = (*sum + after).saturating_sub(before);
        };
        replace(&mut self.definition_bytes, bytes.0, bytes.1);
        replace(&mut self.members, members.0.keys(), members.1.keys());
        replace(&mut self.member_bytes, members.0.bytes, members.1.bytes);
    }

    /// Refuses an object in place of what it was, if the environment would be too large with it.
    pub(super) fn check_replaced(
        view: &dyn View,
        environment: EnvironmentId,
        bytes: (u64, u64),
        members: (MemberCounts, MemberCounts),
    ) -> Result<(), Fault> {
        let before = Self::of(view, environment)?;
        let mut after = before.clone();
        after.replace(bytes, members);
        Self::check_growth(&before, &after)
    }

    /// Refuses what is more than before, and more than the maximum.
    pub(super) fn check_growth(before: &Self, after: &Self) -> Result<(), Fault> {
        for (limit, maximum, size) in [
            ("segment_members", MAX_SEGMENT_MEMBERS, (|s| s.members) as fn(&Self) -> u64),
            ("segment_member_bytes", MAX_SEGMENT_MEMBER_BYTES, |s| s.member_bytes),
            ("environment_bytes", MAX_ENVIRONMENT_BYTES, |s| s.definition_bytes),
            ("tenants", MAX_TENANTS, |s| s.tenants),
            ("tenant_bytes", MAX_STORED_TENANT_BYTES, |s| s.tenant_bytes),
        ] {
            if size(after) > maximum && size(after) > size(before) {
                return Err(Fault::limit(limit, maximum));
            }
        }
        Ok(())
    }
}

/// What an object counts for: as SDKs get it, with the variants of a flag, without the keys of a
/// segment.
pub(super) fn wire_bytes(bare: &Object) -> u64 {
    bare.definition.get().len() as u64
}

/// Refuses a document that is too large to be stored; `at` is where it stands in the request.
pub(super) fn check_document(document: &str, at: &str) -> Result<(), Fault> {
    if document.len() > MAX_DEFINITION_BYTES {
        return Err(Fault::limit_at(at, "definition_bytes", MAX_DEFINITION_BYTES as u64));
    }
    Ok(())
}

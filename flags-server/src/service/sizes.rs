//! What the objects of an environment come to, and whether it may be as much: for what is written,
//! and for what is only planned.

use super::fault::Fault;
use crate::limits::{
    MAX_DEFINITION_BYTES, MAX_ENVIRONMENT_BYTES, MAX_SEGMENT_MEMBER_BYTES, MAX_SEGMENT_MEMBERS,
    MAX_STORED_TENANT_BYTES, MAX_TENANTS,
};
use crate::store::{EnvironmentId, View};

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

/// Refuses a document that is too large to be stored; `at` is where it stands in the request.
pub(super) fn check_document(document: &str, at: &str) -> Result<(), Fault> {
    if document.len() > MAX_DEFINITION_BYTES {
        return Err(Fault::limit_at(at, "definition_bytes", MAX_DEFINITION_BYTES as u64));
    }
    Ok(())
}

//! Searching the audit log.

use flags_core::Text;

use super::fault::Fault;
use super::history::{Told, told};
use super::{erase, prune};
use crate::limits::{MAX_AUDIT_READ, MAX_HISTORY_BYTES};
use crate::store::{AuditFilter, AuditPosition, AuditRecord, View};

/// What the log calls a restore.
pub(crate) const RESTORE: &str = "restore";

/// Whether the log may have something of this action: a verb with what it is done to, or one of those
/// that are done to the whole database.
pub(crate) const ACTION: Text = Text::new(is_action, r"\.|^(erase|prune|restore)$");

fn is_action(name: &str) -> bool {
    name.contains('.') || [erase::ACTION, prune::ACTION, RESTORE].contains(&name)
}

/// Entries with what they tell, and where the next page begins.
pub(crate) struct Found {
    pub(crate) entries: Vec<(AuditRecord, Told)>,
    pub(crate) next: Option<AuditPosition>,
}

/// What matches, the latest first. Looks at a bounded part of the log: there may be more though fewer
/// than `limit` are found.
pub(crate) fn search(view: &dyn View, filter: &AuditFilter, limit: u32) -> Result<Found, Fault> {
    let page = view.audit(filter, (limit, MAX_AUDIT_READ, MAX_HISTORY_BYTES))?;
    let tell = |record: AuditRecord| told(&record).map(|told| (record, told));
    let entries = page.records.into_iter().map(tell).collect::<Result<_, Fault>>()?;
    Ok(Found { entries, next: page.next })
}

//! The audit log as it is written, searched and read.

use flags_core::Timestamp;

use super::Reach;

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

/// An entry of the audit log as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditRecord {
    /// Later ones have higher ones.
    pub(crate) id: u64,
    pub(crate) at: Timestamp,
    pub(crate) actor: String,
    /// What the token is called.
    pub(crate) actor_name: Option<String>,
    pub(crate) request_id: String,
    pub(crate) action: String,
    pub(crate) project: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) object_kind: String,
    pub(crate) object_key: String,
    pub(crate) reason: Option<String>,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) revisions: String,
}

impl AuditRecord {
    /// Roughly how much there is to tell.
    pub(crate) fn bytes(&self) -> usize {
        let length = |document: &Option<String>| document.as_ref().map_or(0, String::len);
        length(&self.before) + length(&self.after)
    }
}

/// Where an entry stands in the audit log, which is sorted by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AuditPosition {
    pub(crate) at: Timestamp,
    pub(crate) id: u64,
}

/// What is looked for in the audit log.
#[derive(Debug, Clone)]
pub(crate) struct AuditFilter {
    pub(crate) project: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) action: Option<String>,
    /// Its kind, of any kind where that is not said, and its key.
    pub(crate) object: Option<(Option<String>, String)>,
    /// Only what happened within this.
    pub(crate) reach: Reach,
    /// Not earlier than this.
    pub(crate) from: Timestamp,
    /// Only what stands before this.
    pub(crate) before: AuditPosition,
}

impl Default for AuditFilter {
    /// Everything.
    fn default() -> Self {
        Self {
            project: None,
            environment: None,
            actor: None,
            action: None,
            object: None,
            reach: Reach::Everything,
            from: Timestamp::from_millis(i64::MIN),
            before: AuditPosition { at: Timestamp::from_millis(i64::MAX), id: 0 },
        }
    }
}

/// Some entries of the audit log, and where to look for the next ones.
#[derive(Debug)]
pub(crate) struct AuditPage {
    pub(crate) records: Vec<AuditRecord>,
    pub(crate) next: Option<AuditPosition>,
}

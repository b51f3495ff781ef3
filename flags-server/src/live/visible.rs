//! What an SDK sees of an environment, by whether its token shows stored tenants.

use std::borrow::Cow;

use flags_core::{Change, ObjectChange};

use crate::store::Tenants;

/// Something in both forms.
#[derive(Debug, Clone, Default)]
pub(super) struct Visible<T> {
    /// With stored tenants.
    pub(super) all: T,
    pub(super) none: T,
}

impl<T> Visible<T> {
    pub(super) fn get(&self, tenants: Tenants) -> &T {
        match tenants {
            Tenants::All => &self.all,
            Tenants::None => &self.none,
        }
    }
}

/// A change without what it did to tenants; `None` where it did nothing to any. The revision
/// stays, so that whoever does not see them has no gap.
pub(super) fn without_tenants(change: &Change) -> Option<Change> {
    let is_shown = |object: &&ObjectChange| Tenants::None.shows(object.object().0);
    if change.objects.iter().all(|object| is_shown(&object)) {
        return None;
    }
    let objects = change.objects.iter().filter(is_shown).cloned().collect();
    let Change { revision, previous, .. } = *change;
    Some(Change { epoch: change.epoch.clone(), revision, previous, objects })
}

/// The same of a change as the log has it, in JSON.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn visible(line: &str, tenants: Tenants) -> serde_json::Result<Cow<'_, str>> {
    // What does not even have the word need not be read.
    if tenants == Tenants::All || !line.contains("\"tenant\"") {
        return Ok(Cow::Borrowed(line));
    }
    Ok(match without_tenants(&serde_json::from_str(line)?) {
        Some(change) => Cow::Owned(serde_json::to_string(&change)?),
        None => Cow::Borrowed(line),
    })
}

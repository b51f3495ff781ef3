//! Taking one person's or one customer's key out of what the server keeps: out of [documents](documents),
//! by where keys stand in them, and out of [texts](texts), as a word.

mod documents;
mod texts;

use flags_core::{KeysChange, TENANT_KIND};
use serde_json::Value;

/// What stands where a key stood that cannot just be left out.
pub(crate) const MARKER: &str = "[erased]";

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The kind of context, such as `user` or `tenant`.
    pub(crate) kind: String,
    pub(crate) key: String,
}

impl Subject {
    /// The key as it stands in JSON that this server wrote: what does not have it need not be read.
    pub(crate) fn literal(&self) -> String {
        Value::String(self.key.clone()).to_string()
    }

    /// The key as it stands inside of texts in JSON.
    pub(crate) fn text(&self) -> String {
        let literal = self.literal();
        let inside = literal.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        inside.unwrap_or_default().to_owned()
    }

    /// Whether it is the tenant of a key.
    pub(crate) fn is_tenant(&self, key: &str) -> bool {
        self.kind == TENANT_KIND && self.key == key
    }

    /// Out of a change of a list.
    pub(crate) fn remove_from(&self, change: &mut KeysChange) -> bool {
        let before = change.add.len() + change.remove.len();
        change.add.retain(|key| *key != self.key);
        change.remove.retain(|key| *key != self.key);
        change.add.len() + change.remove.len() < before
    }
}

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Condition;

/// A named, reusable set of contexts of one kind.
///
/// A key that is excluded is out, else one that is included is in, else the condition says. The two
/// lists are sets that know nothing of each other.
///
/// ```
/// use flags_core::SegmentDefinition;
///
/// let beta: SegmentDefinition = serde_json::from_str(
///     r#"{"kind": "tenant", "included": ["acme"], "excluded": ["globex"]}"#,
/// )?;
/// assert!(flags_core::check_segment(&beta).is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentDefinition {
    /// The kind of context it holds: `user`, `tenant` …
    pub kind: String,
    /// Keys that belong to it.
    #[serde(default)]
    pub included: Vec<String>,
    /// Keys that do not, whatever else is said.
    #[serde(default)]
    pub excluded: Vec<String>,
    /// What makes the others belong to it; nobody else does where it is absent. It asks only for
    /// attributes of the segment's kind, and not for other segments.
    #[serde(default)]
    pub when: Option<Condition>,
}

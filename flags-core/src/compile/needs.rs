use crate::condition::Derived;
use crate::definition::{Condition, FlagState};

/// What a client must be able to see of contracts.
const ENTITLEMENTS: &str = "entitlements";

/// The capabilities without which a flag with this state must not be evaluated: what whoever sends it
/// lists in the [`needs`](crate::Object::needs) of its object.
///
/// ```
/// use flags_core::{FlagState, flag_needs};
///
/// let mut state: FlagState = serde_json::from_str(
///     r#"{"on": true, "off_variant": "off", "fallthrough": {"variant": "on"}}"#,
/// )?;
/// assert!(flag_needs(&state).is_empty());
/// state.requires = Some(serde_json::from_str(r#"{"feature": "export"}"#)?);
/// assert_eq!(flag_needs(&state), ["entitlements"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn flag_needs(state: &FlagState) -> &'static [&'static str] {
    let asks = state.rules.iter().any(|rule| asks_of_a_contract(&rule.when));
    if state.requires.is_some() || asks { &[ENTITLEMENTS] } else { &[] }
}

/// The same of a condition, such as that of a segment.
///
/// ```
/// use flags_core::{Condition, condition_needs};
///
/// let paying: Condition = serde_json::from_str(
///     r#"{"not": {"attribute": "tenant.$plan", "op": "equals", "values": ["free"]}}"#,
/// )?;
/// assert_eq!(condition_needs(&paying), ["entitlements"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn condition_needs(condition: &Condition) -> &'static [&'static str] {
    if asks_of_a_contract(condition) { &[ENTITLEMENTS] } else { &[] }
}

/// Recursion is bounded by how deep JSON is read.
fn asks_of_a_contract(condition: &Condition) -> bool {
    match condition {
        Condition::All(conditions) | Condition::Any(conditions) => {
            conditions.iter().any(asks_of_a_contract)
        }
        Condition::Not(condition) => asks_of_a_contract(condition),
        Condition::Segment(_) => false,
        Condition::Attribute { attribute, .. } => attribute
            .split_once('.')
            .is_some_and(|(kind, name)| Derived::of(kind, Some(name)).is_some()),
    }
}

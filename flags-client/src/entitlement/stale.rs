//! What holds when what a client knows is too old.

use std::time::Duration;

use flags_core::{Access, Decision, EntitlementReason, FeatureType, Granted, Lane, Limit};

/// What holds for a feature when the server has not been heard for longer than the feature's
/// [age](crate::Feature::when_stale). Where it changes the access, the reason is `stale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhenStale {
    /// Nobody has access.
    Deny,
    /// Nobody has more than read-only access.
    ReadOnly,
    /// Everybody has full access, also tenants that are not known, but for what was decided
    /// against somebody: `denied`, and `blocked` by another lane than `billing`. What is
    /// `feature_invalid` stays denied, too.
    ///
    /// A limit that is not known is not made up: the access is full, and the limit absent.
    Allow,
}

/// How old what is known may become, and what holds then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    pub(super) after: Duration,
    pub(super) then: WhenStale,
}

impl WhenStale {
    /// What is left of the last known decision.
    pub(super) fn judge<'r>(self, known: Decision<'r>, feature_type: FeatureType) -> Decision<'r> {
        let access = match self {
            Self::Deny => Access::None,
            Self::ReadOnly => known.access.min(Access::ReadOnly),
            Self::Allow if is_lifted(known.reason) => Access::Full,
            Self::Allow => known.access,
        };
        if access == known.access {
            return known;
        }
        let stale = Decision { access, reason: EntitlementReason::Stale, ..known };
        match access {
            Access::None => refused(known, EntitlementReason::Stale),
            _ if feature_type == FeatureType::Boolean => {
                Decision { value: Some(Granted::Boolean), ..stale }
            }
            _ => stale,
        }
    }
}

/// Without access nothing is granted, and of a limit nothing remains.
pub(super) fn refused<'r>(known: Decision<'_>, reason: EntitlementReason) -> Decision<'r> {
    Decision {
        access: Access::None,
        value: None,
        limit: None,
        remaining: known.remaining.map(|_| Limit::At(0)),
        reason,
        source: None,
        valid_until: None,
    }
}

/// Whether an access that is less than full for this reason may become full.
fn is_lifted(reason: EntitlementReason) -> bool {
    use EntitlementReason::{Blocked, Denied, FeatureInvalid};
    match reason {
        Blocked(lane) => lane == Lane::Billing,
        reason => !matches!(reason, Denied | FeatureInvalid),
    }
}

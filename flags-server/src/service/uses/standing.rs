use flags_core::{Decision, EntitlementReason, Lane, Limit};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::schema;

/// How much of a limit is used, and what is left of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Standing {
    /// How much is used.
    pub(super) used: u64,
    /// How much there may be; `null` without access to the feature.
    #[schemars(schema_with = "schema::nullable_limit")]
    pub(super) limit: Option<Limit>,
    /// How much more there may be.
    #[schemars(schema_with = "schema::limit")]
    remaining: Limit,
    /// How much more is used than there may be: after a downgrade, or without access.
    pub(super) over: u64,
    /// Why the limit is what it is, as in an entitlement.
    pub(super) reason: &'static str,
    /// Who blocks, where somebody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::lane")]
    pub(super) lane: Option<Lane>,
}

impl Standing {
    /// By the decision about what is used.
    pub(in crate::service) fn of(used: u64, decision: &Decision<'_>) -> Self {
        let granted = match decision.limit {
            Some(Limit::At(limit)) => limit,
            Some(Limit::Unlimited) => u64::MAX,
            None => 0,
        };
        let lane = match decision.reason {
            EntitlementReason::Blocked(lane) => Some(lane),
            _ => None,
        };
        Self {
            used,
            limit: decision.limit,
            remaining: decision.remaining.unwrap_or(Limit::At(0)),
            over: used.saturating_sub(granted),
            reason: decision.reason.name(),
            lane,
        }
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.reason == EntitlementReason::LimitReached.name()
    }

    /// As it is told beside other things.
    pub(crate) fn members(&self) -> Map<String, Value> {
        match json!(self) {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// In words.
    pub(crate) fn told(&self) -> String {
        match (self.is_reached(), self.limit) {
            (true, Some(limit)) => format!("the limit is {limit}, and {} are used", self.used),
            _ => match self.lane {
                Some(lane) => format!("the tenant is blocked by the lane `{}`", lane.name()),
                None => format!("the contract does not grant it: `{}`", self.reason),
            },
        }
    }
}

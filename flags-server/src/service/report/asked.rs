//! Whether a flag and a contract disagree about a tenant.

use std::sync::Arc;

use flags_core::{Decision, FlagState, ObjectChange, Reason, Requires, Ruleset, Serve, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::fault::Fault;
use crate::service::present::with_changes;
use crate::service::state::Place;
use crate::service::tenants_alone::TenantAlone;

/// How they disagree.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "DisagreementKind")]
pub(crate) enum Kind {
    /// A target or a rule gives the tenant a variant, and the contract does not grant the feature.
    NotGranted,
    /// The contract grants the feature, and the tenant is served the off variant.
    NotReleased,
}

/// Why an answer is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Because {
    /// The reason of the answer.
    reason: &'static str,
    /// The id of the rule, where one decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// The key of the prerequisite that failed, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    prerequisite: Option<String>,
}

impl Because {
    fn of(reason: Reason<'_>) -> Self {
        let (rule, prerequisite) = match reason {
            Reason::RuleMatch { rule, .. } => (Some(rule.to_owned()), None),
            Reason::PrerequisiteFailed { flag } => (None, Some(flag.to_owned())),
            _ => (None, None),
        };
        Self { reason: reason.name(), rule, prerequisite }
    }
}

/// A flag that requires a feature, to be asked for tenants.
///
/// It is asked for as it is, and as two other flags, which are compiled like any other: without its
/// requirement, and with nothing but that. So the evaluator decides what a target or a rule would
/// give, and whether a contract is enough.
pub(super) struct Asked {
    pub(super) flag: String,
    pub(super) feature: String,
    off_variant: String,
    ruleset: Arc<Ruleset>,
    without_requirement: Ruleset,
    requirement_alone: Ruleset,
    now: Timestamp,
}

/// That they disagree about a tenant.
pub(super) struct Disagreement<'a> {
    pub(super) kind: Kind,
    /// What the target or the rule would give; the off variant that is served.
    pub(super) variant: Option<&'a str>,
    pub(super) because: Reason<'a>,
    /// Whether the answer depends on more than the tenant.
    pub(super) dependent: bool,
}

impl Asked {
    /// A flag with one of its states in force; nothing where that requires no feature.
    pub(super) fn new(
        ruleset: Arc<Ruleset>,
        place: &Place,
        state: &FlagState,
        now: Timestamp,
    ) -> Result<Option<Self>, Fault> {
        let Some(Requires { feature, .. }) = &state.requires else { return Ok(None) };
        let put = |state: &FlagState| {
            with_changes(&ruleset, vec![ObjectChange::Upsert(place.with_state(state)?)])
        };
        let without_requirement = put(&FlagState { requires: None, ..state.clone() })?;
        let requirement_alone = put(&FlagState {
            on: true,
            prerequisites: Vec::new(),
            targets: Vec::new(),
            rules: Vec::new(),
            fallthrough: Serve::Variant(state.off_variant.clone()),
            ..state.clone()
        })?;
        let (flag, feature) = (place.key.clone(), feature.clone());
        let off_variant = state.off_variant.clone();
        Ok(Some(Self {
            flag,
            feature,
            off_variant,
            ruleset,
            without_requirement,
            requirement_alone,
            now,
        }))
    }

    /// Whether they disagree about a tenant.
    pub(super) fn disagreement(&self, tenant: &str) -> Option<Disagreement<'_>> {
        let context = TenantAlone::new(tenant);
        let off = Some(&*self.off_variant);
        let served = self.ruleset.evaluate(&*self.flag, &context, self.now);
        let (kind, variant, because) = match served.reason {
            // All that comes before the requirement is the same without it.
            Reason::NotEntitled { .. } => {
                let given = self.without_requirement.evaluate(&*self.flag, &context, self.now);
                let decides =
                    matches!(given.reason, Reason::TargetMatch | Reason::RuleMatch { .. });
                if !decides || given.variant == off {
                    return None;
                }
                (Kind::NotGranted, given.variant, given.reason)
            }
            _ if served.variant != off => return None,
            reason => {
                let alone = self.requirement_alone.evaluate(&*self.flag, &context, self.now);
                if matches!(alone.reason, Reason::NotEntitled { .. }) {
                    return None;
                }
                (Kind::NotReleased, off, reason)
            }
        };
        Some(Disagreement { kind, variant, because, dependent: context.was_not_enough() })
    }

    /// Why the answer for a tenant is what it is; of `NotGranted`, what it would be without the
    /// requirement.
    pub(super) fn because(&self, tenant: &str, kind: Kind) -> Because {
        let context = TenantAlone::new(tenant);
        let served = self.ruleset.evaluate(&*self.flag, &context, self.now).reason;
        Because::of(match (kind, served) {
            (Kind::NotGranted, Reason::NotEntitled { .. }) => {
                self.without_requirement.evaluate(&*self.flag, &context, self.now).reason
            }
            _ => served,
        })
    }

    /// What the contract of a tenant says of the feature.
    pub(super) fn entitlement(&self, tenant: &str) -> Decision<'_> {
        self.ruleset.entitlement(tenant, &*self.feature).check(self.now)
    }
}

impl Disagreement<'_> {
    pub(super) fn told(&self) -> Because {
        Because::of(self.because)
    }
}

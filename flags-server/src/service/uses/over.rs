//! Uses above their limits: what a write leaves of them is told with its answer, and a report lists all.

use flags_core::{Access, Decision, Lane, Limit, OverLimitPolicy, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Shelf, Standing};
use crate::limits::{MAX_TOLD_OVER_LIMIT, MAX_USES_PER_WRITE};
use crate::schema;
use crate::service::fault::Fault;
use crate::service::tenant::Tenant;
use crate::store::{Environment, StoredUse, View};

/// A use that is above its limit: after a downgrade, or without access.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "OverLimit")]
pub(crate) struct Over {
    /// The key of the tenant, where there may be several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    pub(crate) feature: String,
    /// How it is known what is used.
    #[schemars(extend("enum" = ["seats", "usage"]))]
    pub(crate) counter: &'static str,
    /// How much is used.
    used: u64,
    /// How much there may be; `null` without access to the feature.
    #[schemars(schema_with = "schema::nullable_limit")]
    limit: Option<Limit>,
    /// How much more is used than there may be.
    over: u64,
    /// What the feature says of those who use more than the limit.
    #[schemars(schema_with = "schema::over_limit_policy")]
    policy: OverLimitPolicy,
    /// What that leaves of it.
    then: Then,
}

/// What may be done with what is used.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "OverLimitAccess")]
struct Then {
    #[schemars(extend("enum" = ["full", "read_only", "none"]))]
    access: &'static str,
    /// Why.
    reason: &'static str,
    /// Who blocks, where somebody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::lane")]
    lane: Option<Lane>,
    /// When the access is another one; `null` where that is not known.
    #[schemars(extend("format" = "date-time"))]
    until: Option<String>,
    /// What it is from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["full", "read_only", "none"]))]
    after: Option<&'static str>,
}

impl Over {
    /// What there is to say of a use, if it is above its limit now; `decide` says what holds of it at an
    /// instant.
    pub(crate) fn of<'d>(
        StoredUse { of, used, .. }: &StoredUse,
        policy: OverLimitPolicy,
        now: Timestamp,
        decide: impl Fn(Timestamp) -> Decision<'d>,
    ) -> Option<Self> {
        let decision = decide(now);
        let Standing { used, limit, over, reason, lane, .. } = Standing::of(*used, &decision);
        (over > 0).then(|| {
            let (until, after) = change_of_access(decision, decide).unzip();
            let access = decision.access.name();
            let until = until.map(|at| at.to_string());
            Self {
                tenant: Some(of.tenant.clone()),
                feature: of.feature.clone(),
                counter: of.counter.name(),
                used,
                limit,
                over,
                policy,
                then: Then { access, reason, lane, until, after: after.map(Access::name) },
            }
        })
    }

    fn of_what(&self) -> (Option<&str>, &str, &str) {
        (self.tenant.as_deref(), &self.feature, self.counter)
    }
}

/// When the access is another one than now, and which.
fn change_of_access<'d>(
    now: Decision<'d>,
    decide: impl Fn(Timestamp) -> Decision<'d>,
) -> Option<(Timestamp, Access)> {
    let mut end = now.valid_until;
    while let Some(at) = end {
        let next = decide(at);
        if next.access != now.access {
            return Some((at, next.access));
        }
        // A decision ends after it begins.
        end = next.valid_until.filter(|later| *later > at);
    }
    None
}

/// What is above limits of some tenants.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OverLimits {
    /// The first, sorted by tenant, feature and counter.
    pub(crate) first: Vec<Over>,
    pub(crate) total: u64,
    /// Whether there may be more, which were not looked at.
    pub(crate) are_more: bool,
}

impl OverLimits {
    /// How many there are, where that is known.
    pub(crate) fn known_total(&self) -> Option<u64> {
        (!self.are_more).then_some(self.total)
    }
}

impl OverLimits {
    pub(crate) fn add(&mut self, over: Over) {
        self.total += 1;
        let place = self.first.partition_point(|known| known.of_what() < over.of_what());
        if place < MAX_TOLD_OVER_LIMIT {
            self.first.insert(place, over);
            self.first.truncate(MAX_TOLD_OVER_LIMIT);
        }
    }

    /// As they are told where there is no other tenant.
    pub(crate) fn of_one(self) -> Vec<Over> {
        self.first.into_iter().map(|over| Over { tenant: None, ..over }).collect()
    }
}

/// What these tenants use above their limits, by what is stored. To those who use nothing it is a look into an
/// index, and to all where nobody does it is one. Of many, no more than [`MAX_USES_PER_WRITE`] are looked at.
pub(crate) fn over_limits<'c>(
    view: &dyn View,
    environment: &Environment,
    tenants: impl IntoIterator<Item = &'c str>,
    now: Timestamp,
) -> Result<OverLimits, Fault> {
    let mut found = OverLimits::default();
    if view.uses(environment.id, None, 1)?.is_empty() {
        return Ok(found);
    }
    let mut shelf = Shelf::new(view, environment);
    let (mut users, mut looked_at) = (Vec::new(), 0);
    for key in tenants {
        let uses = view.used_by(environment.id, key)?;
        if uses.is_empty() {
            continue;
        }
        if looked_at + uses.len() > MAX_USES_PER_WRITE && looked_at > 0 {
            found.are_more = true;
            break;
        }
        looked_at += uses.len();
        let Some(tenant) = view.tenant(environment.id, key)? else { continue };
        users.push((shelf.take(&Tenant::read(&tenant)?.definition.contract)?, uses));
    }
    for (contract, uses) in users {
        for stored in uses {
            let (timeline, feature) = match shelf.limit(&contract, &stored.of.feature) {
                Ok(limit) => limit,
                // There are no uses of what is no limit.
                Err(Fault::NotFound(_) | Fault::Invalid(_)) => continue,
                Err(fault) => return Err(fault),
            };
            let decide = |at| timeline.check_limit(stored.used, 0, at);
            let policy = feature.over_limit.unwrap_or_default().policy;
            if let Some(over) = Over::of(&stored, policy, now, decide) {
                found.add(over);
            }
        }
    }
    Ok(found)
}

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::RangeInclusive;

use flags_core::{Diagnostic, MAX_DIAGNOSTICS};

use super::Origin;
use crate::service::fault::{Fault, diagnostic};
use crate::service::tenant::Tenant;
use crate::store::{Environment, PlanVersions, StoredTenant, View};

/// Those who are to be moved and are not there yet, in their order.
pub(super) enum Movers {
    /// By their keys.
    Listed(BTreeMap<String, StoredTenant>),
    /// Everybody who has a plan, by versions and keys.
    All {
        plan: String,
        versions: VecDeque<RangeInclusive<u32>>,
        /// The last one that was given.
        after: Option<(u32, String)>,
    },
}

impl Movers {
    pub(super) fn all(from: &Origin, (plan, version): &(String, u32)) -> Self {
        let versions = match from.version {
            Some(only) => vec![only..=only],
            None => vec![0..=u32::MAX],
        };
        // Who has what they are to be moved to is not touched.
        let but_those_there = |range: RangeInclusive<u32>| {
            if from.plan != *plan || !range.contains(version) {
                return vec![range];
            }
            let before = version.checked_sub(1).map(|last| *range.start()..=last);
            let behind = version.checked_add(1).map(|first| first..=*range.end());
            before.into_iter().chain(behind).filter(|range| !range.is_empty()).collect()
        };
        let versions = versions.into_iter().flat_map(but_those_there).collect();
        Self::All { plan: from.plan.clone(), versions, after: None }
    }

    /// Those with these keys; `faults` are told who is not where they are to be moved from.
    pub(super) fn listed(
        view: &dyn View,
        environment: &Environment,
        (from, to): (&Origin, &(String, u32)),
        keys: &[String],
        faults: &mut Vec<Diagnostic>,
    ) -> Result<Self, Fault> {
        let (mut seen, mut movers) = (HashSet::new(), BTreeMap::new());
        for (index, key) in keys.iter().enumerate() {
            if faults.len() >= MAX_DIAGNOSTICS {
                break;
            }
            let mut report = |code: &str, message: String| {
                faults.push(diagnostic(&format!("/tenants/{index}"), code, message));
            };
            if !seen.insert(key) {
                report("duplicate", format!("`{key}` is here twice"));
                continue;
            }
            let Some(stored) = view.tenant(environment.id, key)? else {
                let environment = &environment.key;
                let message = format!("the environment `{environment}` stores no tenant `{key}`");
                report("unknown_tenant", message);
                continue;
            };
            let contract = Tenant::read(&stored)?.definition.contract;
            let (plan, version) = (contract.plan.as_deref(), contract.plan_version);
            let has = |other: &str, of: Option<u32>| {
                plan == Some(other) && of.is_none_or(|of| version == Some(of))
            };
            if has(&to.0, Some(to.1)) {
                continue;
            }
            if has(&from.plan, from.version) {
                movers.insert(key.clone(), stored);
                continue;
            }
            let what = match (plan, version) {
                (Some(plan), Some(version)) => format!("version {version} of the plan `{plan}`"),
                _ => "no plan".to_owned(),
            };
            report("not_on_plan", format!("the tenant `{key}` has {what}"));
        }
        Ok(Self::Listed(movers))
    }

    /// How many there are.
    pub(super) fn count(&self, view: &dyn View, environment: &Environment) -> Result<u64, Fault> {
        let (plan, versions) = match self {
            Self::Listed(movers) => return Ok(movers.len() as u64),
            Self::All { plan, versions, .. } => (plan, versions),
        };
        let mut count = 0;
        for versions in versions {
            let of = PlanVersions { plan, versions: versions.clone() };
            count += view.count_on(environment.id, &of)?;
        }
        Ok(count)
    }

    /// The next of them, up to `limit`; none where these were all.
    pub(super) fn next(
        &mut self,
        view: &dyn View,
        environment: &Environment,
        limit: usize,
    ) -> Result<Vec<StoredTenant>, Fault> {
        let mut found = Vec::new();
        match self {
            Self::Listed(movers) => {
                found.extend(std::iter::from_fn(|| movers.pop_first()).take(limit).map(|(_, t)| t));
            }
            Self::All { plan, versions, after } => {
                while let Some(range) = versions.front()
                    && found.len() < limit
                {
                    let of = PlanVersions { plan, versions: range.clone() };
                    let room = u32::try_from(limit - found.len()).unwrap_or(u32::MAX);
                    let last = after.as_ref().map(|(version, key)| (*version, &**key));
                    let part = view.tenants_on(environment.id, &of, last, room)?;
                    *after = part.last().map(|(version, tenant)| (*version, tenant.key.clone()));
                    if part.len() < room as usize {
                        versions.pop_front();
                        *after = None;
                    }
                    found.extend(part.into_iter().map(|(_, tenant)| tenant));
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(version: Option<u32>, to: (&str, u32)) -> Vec<RangeInclusive<u32>> {
        let from = Origin { plan: "pro".into(), version };
        match Movers::all(&from, &(to.0.into(), to.1)) {
            Movers::All { versions, .. } => versions.into(),
            Movers::Listed(_) => Vec::new(),
        }
    }

    #[test]
    fn who_is_there_already_is_left_out() {
        assert_eq!(ranges(None, ("max", 2)), [0..=u32::MAX]);
        assert_eq!(ranges(None, ("pro", 2)), [0..=1, 3..=u32::MAX]);
        assert_eq!(ranges(None, ("pro", u32::MAX)), [0..=u32::MAX - 1]);
        assert_eq!(ranges(Some(1), ("pro", 2)), [1..=1]);
        assert_eq!(ranges(Some(2), ("pro", 2)), []);
        assert_eq!(ranges(Some(2), ("max", 2)), [2..=2]);
    }
}

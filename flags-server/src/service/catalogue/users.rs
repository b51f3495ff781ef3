use flags_core::{AddonDefinition, PlanDefinition};
use serde_json::Value;

use super::item::Item;
use crate::limits::MAX_NAMED_USERS;
use crate::service::fault::Fault;
use crate::service::tenant::Tenant;
use crate::store::{EnvironmentId, ObjectKind, View};

/// Where something is: its environment, its kind and its key.
type Place<'k> = (EnvironmentId, ObjectKind, &'k str);

/// Who needs something of the catalogue.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// Some of them.
    named: Vec<String>,
    are_more: bool,
}

impl Users {
    /// All who need it; not itself.
    pub(super) fn of(view: &dyn View, (environment, kind, key): Place<'_>) -> Result<Self, Fault> {
        let mut users = Self::default();
        for referrer in view.referrers(environment, kind, key)? {
            if (referrer.kind, &*referrer.key) != (kind, key) {
                users.add(referrer.kind, &referrer.key);
            }
        }
        users.add_tenants(view, environment, (kind, key, None))?;
        if kind == ObjectKind::Feature {
            // They have seats of it, or it is known how much they use.
            for tenant in view.tenants_that_use(environment, key, one_more())? {
                users.add_one("tenant", &tenant);
            }
        }
        Ok(users)
    }

    /// Those who need one version of a plan; not the plan itself, whose other versions may.
    pub(super) fn of_version(
        view: &dyn View,
        environment: EnvironmentId,
        plan: &str,
        version: u32,
    ) -> Result<Self, Fault> {
        let mut users = Self::default();
        let name = version.to_string();
        for referrer in view.referrers(environment, ObjectKind::Plan, plan)? {
            let is_itself = (referrer.kind, &*referrer.key) == (ObjectKind::Plan, plan);
            if !is_itself && referrer.names.contains(&name) {
                users.add(referrer.kind, &referrer.key);
            }
        }
        users.add_tenants(view, environment, (ObjectKind::Plan, plan, Some(version)))?;
        Ok(users)
    }

    /// Those whose grants of a feature, or overrides, are such.
    pub(super) fn that_grant(
        view: &dyn View,
        (environment, kind, key): Place<'_>,
        is_such: impl Fn(&Value) -> bool,
    ) -> Result<Self, Fault> {
        let mut users = Self::default();
        for referrer in view.referrers(environment, kind, key)? {
            let Some(object) = view.object(environment, referrer.kind, &referrer.key)? else {
                continue;
            };
            let is_user = match referrer.kind {
                ObjectKind::Plan => {
                    let plan = Item::<PlanDefinition>::read(object)?.document.definition;
                    let mut grants = plan.versions.iter().filter_map(|v| v.grants.get(key));
                    grants.any(&is_such)
                }
                ObjectKind::Addon => {
                    let addon = Item::<AddonDefinition>::read(object)?.document.definition;
                    addon.grants.get(key).is_some_and(&is_such)
                }
                ObjectKind::Flag | ObjectKind::Segment | ObjectKind::Feature => false,
            };
            if is_user {
                users.add(referrer.kind, &referrer.key);
            }
        }
        for tenant in view.tenants_that_name(environment, (kind, key, None), u32::MAX)? {
            if users.are_more {
                break;
            }
            let stored = view.tenant(environment, &tenant)?;
            let Some(tenant) = stored.as_ref().map(Tenant::read).transpose()? else { continue };
            let mut overrides = tenant.definition.contract.overrides.iter();
            if overrides.any(|exception| exception.feature == key && is_such(&exception.value)) {
                users.add_one("tenant", &tenant.key);
            }
        }
        Ok(users)
    }

    fn add_tenants(
        &mut self,
        view: &dyn View,
        environment: EnvironmentId,
        of: (ObjectKind, &str, Option<u32>),
    ) -> Result<(), Fault> {
        for tenant in view.tenants_that_name(environment, of, one_more())? {
            self.add_one("tenant", &tenant);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, kind: ObjectKind, key: &str) {
        self.add_one(kind.noun(), key);
    }

    fn add_one(&mut self, noun: &str, key: &str) {
        let name = format!("the {noun} `{key}`");
        if self.named.contains(&name) {
            return;
        }
        match self.named.len() < MAX_NAMED_USERS {
            true => self.named.push(name),
            false => self.are_more = true,
        }
    }

    /// Refuses, where there are any, what they do not allow.
    pub(super) fn refuse(self, what: &str) -> Result<(), Fault> {
        let Self { mut named, are_more } = self;
        if named.is_empty() {
            return Ok(());
        }
        if are_more {
            named.push("others".to_owned());
        }
        Err(Fault::InUse(format!("{what}: needed by {}", named.join(", "))))
    }
}

/// So many tell whether those that are named are all.
fn one_more() -> u32 {
    u32::try_from(MAX_NAMED_USERS + 1).unwrap_or(u32::MAX)
}

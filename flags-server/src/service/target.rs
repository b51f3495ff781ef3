//! Targeting single tenants.

use flags_core::{FlagState, Target, is_context_key};

use super::fault::Fault;
use super::model::State;
use super::precondition::Precondition;
use super::publish::Unit;
use super::state::{Path, Place};

const TENANT: &str = "tenant";

/// Moves a tenant to the targets of a variant, or out of all of them.
pub(crate) fn target_tenant(
    unit: &mut Unit<'_>,
    path: &Path,
    precondition: &Precondition,
    tenant: &str,
    variant: Option<&str>,
) -> Result<State, Fault> {
    if tenant == "." || tenant == ".." {
        return Err(Fault::NotFound(format!("`{tenant}` names no tenant")));
    }
    if !is_context_key(tenant) {
        let message = "a key is 1 to 512 bytes without control characters";
        return Err(Fault::at("", "invalid_key", message));
    }
    let place = Place::find(unit.tx, path, precondition)?;
    variant.map_or(Ok(()), |name| place.needs_variant(name))?;
    let targets = retarget(&place.state.targets, tenant, variant);
    let after = FlagState { targets, ..place.state.clone() };
    let action = match variant {
        Some(_) => "flag_state.target",
        None => "flag_state.untarget",
    };
    place.save(unit, action, after)
}

fn retarget(targets: &[Target], tenant: &str, variant: Option<&str>) -> Vec<Target> {
    let holds = |target: &Target| target.kind == TENANT && target.keys.iter().any(|k| k == tenant);
    let mut targets = targets.to_vec();
    if let Some(variant) = variant {
        if targets.iter().any(|target| holds(target) && target.variant == variant) {
            return targets;
        }
        let fits = |target: &&mut Target| target.kind == TENANT && target.variant == variant;
        match targets.iter_mut().find(fits) {
            Some(target) => target.keys.push(tenant.to_owned()),
            None => targets.push(Target {
                kind: TENANT.to_owned(),
                keys: vec![tenant.to_owned()],
                variant: variant.to_owned(),
            }),
        }
    }
    targets.retain_mut(|target| {
        if !holds(target) || variant == Some(&*target.variant) {
            return true;
        }
        target.keys.retain(|key| key != tenant);
        !target.keys.is_empty()
    });
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: &str, keys: &[&str], variant: &str) -> Target {
        Target {
            kind: kind.into(),
            keys: keys.iter().map(|key| (*key).into()).collect(),
            variant: variant.into(),
        }
    }

    #[test]
    fn a_tenant_is_targeted_once() {
        let before = [
            target("user", &["acme"], "off"),
            target("tenant", &["acme", "globex"], "off"),
            target("tenant", &["initech"], "on"),
        ];
        assert_eq!(
            retarget(&before, "acme", Some("on")),
            [
                target("user", &["acme"], "off"),
                target("tenant", &["globex"], "off"),
                target("tenant", &["initech", "acme"], "on"),
            ]
        );
        assert_eq!(retarget(&before, "initech", Some("on")), before);
        assert_eq!(retarget(&before, "initech", None), before[..2]);
        assert_eq!(retarget(&before, "hooli", None), before);
        assert_eq!(retarget(&[], "acme", Some("on")), [target("tenant", &["acme"], "on")]);
    }
}

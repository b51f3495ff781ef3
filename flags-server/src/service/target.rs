//! Targeting single tenants.

use std::collections::HashSet;

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
    let targets = retarget(&place.state.targets, &[tenant], variant);
    let after = FlagState { targets, ..place.state.clone() };
    let action = match variant {
        Some(_) => "flag_state.target",
        None => "flag_state.untarget",
    };
    place.save(unit, action, after)
}

/// The targets with some tenants moved to those of a variant, or out of all of them.
pub(super) fn retarget(targets: &[Target], tenants: &[&str], variant: Option<&str>) -> Vec<Target> {
    let moved: HashSet<&str> = tenants.iter().copied().collect();
    let is_there = |target: &Target| target.kind == TENANT && variant == Some(&*target.variant);
    let there = targets.iter().filter(|target| is_there(target)).flat_map(|target| &target.keys);
    let there: HashSet<&str> = there.map(String::as_str).collect();
    let mut after = Vec::with_capacity(targets.len() + 1);
    for target in targets {
        let mut target = target.clone();
        if target.kind == TENANT && !is_there(&target) {
            let before = target.keys.len();
            target.keys.retain(|key| !moved.contains(&**key));
            if target.keys.is_empty() && before > 0 {
                continue;
            }
        }
        after.push(target);
    }
    let Some(variant) = variant else { return after };
    let new = tenants.iter().filter(|tenant| !there.contains(**tenant));
    let new: Vec<String> = new.map(|tenant| (*tenant).to_owned()).collect();
    match after.iter_mut().find(|target| is_there(target)) {
        Some(target) => target.keys.extend(new),
        None if new.is_empty() => {}
        None => {
            let (kind, variant) = (TENANT.to_owned(), variant.to_owned());
            after.push(Target { kind, keys: new, variant });
        }
    }
    after
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
            retarget(&before, &["acme"], Some("on")),
            [
                target("user", &["acme"], "off"),
                target("tenant", &["globex"], "off"),
                target("tenant", &["initech", "acme"], "on"),
            ]
        );
        assert_eq!(retarget(&before, &["initech"], Some("on")), before);
        assert_eq!(retarget(&before, &["initech"], None), before[..2]);
        assert_eq!(retarget(&before, &["hooli"], None), before);
        assert_eq!(
            retarget(&before, &["initech", "hooli", "globex"], Some("on")),
            [
                target("user", &["acme"], "off"),
                target("tenant", &["acme"], "off"),
                target("tenant", &["initech", "hooli", "globex"], "on"),
            ]
        );
        assert_eq!(retarget(&before, &["globex", "initech", "acme"], None), before[..1]);
        assert_eq!(retarget(&[], &["acme"], Some("on")), [target("tenant", &["acme"], "on")]);
    }
}

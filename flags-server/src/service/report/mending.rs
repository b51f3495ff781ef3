//! What ends disagreements: tried on a ruleset first, then written for those whom it helps.

use std::collections::HashSet;
use std::sync::Arc;

use flags_core::{Diagnostic, FlagState, ObjectChange, Revision, Ruleset, TENANT_KIND, Timestamp};
use serde_json::{Map, Value, json};

use super::asked::Asked;
use crate::service::catalogue::Needs;
use crate::service::contract::Exception;
use crate::service::fault::Fault;
use crate::service::model::json as to_json;
use crate::service::present::with_changes;
use crate::service::project;
use crate::service::publish::{Author, Deed, Unit};
use crate::service::received::all_right;
use crate::service::sizes::Sizes;
use crate::service::state::Place;
use crate::service::target::retarget;
use crate::service::tenant::{Tenant, TenantsEdit, WantedTenant, wire};
use crate::store::{StoredTenant, View};

/// Where it is tried: what is stored, the ruleset of exactly that, and the flag.
pub(super) struct Bench<'v> {
    pub(super) view: &'v dyn View,
    pub(super) ruleset: Arc<Ruleset>,
    pub(super) place: &'v Place,
    /// Who asks, and when.
    pub(super) asking: (&'v Author, Timestamp),
}

/// What is done for each of some tenants.
pub(super) enum Mending<'r> {
    /// They become targets of a variant, or of none.
    Retarget { tenants: Vec<&'r str>, variant: Option<&'r str> },
    /// Each gets an exception of its contract.
    Grant { tenants: Vec<WantedTenant>, exception: Box<Exception> },
}

/// What is written.
pub(super) enum Edit {
    State(Box<FlagState>),
    /// With what the audit log says of the exception.
    Tenants(TenantsEdit, Value),
}

impl Bench<'_> {
    /// The flag with a state, to be asked for.
    pub(super) fn asked(
        &self,
        ruleset: Arc<Ruleset>,
        state: &FlagState,
    ) -> Result<Option<Asked>, Fault> {
        Asked::new(ruleset, self.place, state, self.asking.1)
    }
}

impl<'r> Mending<'r> {
    pub(super) fn retarget(
        bench: &Bench<'_>,
        tenants: &[(usize, &'r str)],
        variant: Option<&'r str>,
    ) -> Result<Self, Fault> {
        variant.map_or(Ok(()), |name| bench.place.needs_variant(name))?;
        let tenants = tenants.iter().map(|(_, tenant)| *tenant).collect();
        Ok(Self::Retarget { tenants, variant })
    }

    /// Of the tenants with their places in the request.
    pub(super) fn grant(
        bench: &Bench<'_>,
        feature: &str,
        said: &Map<String, Value>,
        tenants: &[(usize, &'r str)],
    ) -> Result<Self, Fault> {
        let environment = &bench.place.environment;
        let mut needs = Needs::new(bench.view, environment);
        let (author, now) = bench.asking;
        let writing = (author, now, environment.revision + 1);
        let exception = Exception::read(said.clone(), feature, &mut needs, writing);
        let exception = exception.map_err(|fault| fault.below("/override"))?;
        let (mut wanted, mut faults) = (Vec::with_capacity(tenants.len()), Vec::new());
        for (index, tenant) in tenants {
            let Some(stored) = bench.view.tenant(environment.id, tenant)? else { continue };
            let at = format!("/tenants/{index}");
            match exception.given_to(&Tenant::read(&stored)?) {
                Ok(Tenant { key, definition, notes, .. }) => {
                    wanted.push(WantedTenant { at, key, definition, notes });
                }
                Err(Fault::Invalid(found)) => faults.extend(
                    found.into_iter().map(|fault| Diagnostic { pointer: at.clone(), ..fault }),
                ),
                Err(fault) => return Err(fault.below(&at)),
            }
        }
        all_right(faults)?;
        Ok(Self::Grant { tenants: wanted, exception: Box::new(exception) })
    }

    /// The flag as it is with it done for all of them.
    pub(super) fn tried(&self, bench: &Bench<'_>) -> Result<Asked, Fault> {
        let place = bench.place;
        let (objects, state) = match self {
            Self::Retarget { tenants, variant } => {
                let state = retargeted(place, tenants, *variant);
                (vec![ObjectChange::Upsert(place.with_state(&state)?)], state)
            }
            Self::Grant { tenants, .. } => {
                let version = place.environment.revision + 1;
                let object = |wanted: &WantedTenant| {
                    let (key, notes) = (wanted.key.clone(), None);
                    let document = to_json(&wanted.definition)?;
                    Ok(ObjectChange::Upsert(wire(StoredTenant { key, version, document, notes })?))
                };
                let objects = tenants.iter().map(object).collect::<Result<_, Fault>>()?;
                (objects, place.state.clone())
            }
        };
        let ruleset = Arc::new(with_changes(&bench.ruleset, objects)?);
        let asked = bench.asked(ruleset, &state)?;
        asked.ok_or_else(|| Fault::Internal("a flag that lost what it requires".into()))
    }

    /// The same for those alone whom it helps.
    pub(super) fn of(self, bench: &Bench<'_>, whom: &HashSet<&str>) -> Result<Edit, Fault> {
        match self {
            Self::Retarget { mut tenants, variant } => {
                tenants.retain(|tenant| whom.contains(tenant));
                let state = retargeted(bench.place, &tenants, variant);
                if variant.is_some() {
                    bench.place.check(bench.view, &state).map_err(in_tenants)?;
                }
                Ok(Edit::State(Box::new(state)))
            }
            Self::Grant { mut tenants, exception } => {
                tenants.retain(|tenant| whom.contains(&*tenant.key));
                let environment = &bench.place.environment;
                let mut needs = Needs::new(bench.view, environment);
                let edit = TenantsEdit::all(bench.view, environment, &mut needs, tenants)?;
                Ok(Edit::Tenants(edit, exception.told()))
            }
        }
    }
}

fn retargeted(place: &Place, tenants: &[&str], variant: Option<&str>) -> FlagState {
    let targets = retarget(&place.state.targets, tenants, variant);
    FlagState { targets, ..place.state.clone() }
}

/// What is wrong with a flag, told of the keys that became its targets.
fn in_tenants(fault: Fault) -> Fault {
    let place = |fault| Diagnostic { pointer: "/tenants".into(), ..fault };
    match fault {
        Fault::Invalid(faults) => Fault::Invalid(faults.into_iter().map(place).collect()),
        fault => fault,
    }
}

impl Edit {
    /// Whether there would be too much of something.
    pub(super) fn check_size(&self, view: &dyn View, place: Place) -> Result<(), Fault> {
        match self {
            Self::State(state) => place.proposed(view, state).map(drop),
            Self::Tenants(edit, _) => {
                let before = Sizes::of(view, place.environment.id)?;
                let mut after = before.clone();
                edit.add_to(&mut after);
                Sizes::check_growth(&before, &after)
            }
        }
    }

    /// Writes it; gives the revision of the environment.
    pub(super) fn apply(self, unit: &mut Unit<'_>, place: Place) -> Result<Revision, Fault> {
        let (edit, exception) = match self {
            Self::State(state) => {
                let present = place.environment.revision;
                let written = place.save(unit, "flag_state.repair", *state)?;
                return Ok(written.revision.unwrap_or(present));
            }
            Self::Tenants(edit, exception) => (edit, exception),
        };
        let Place { project, mut environment, key, .. } = place;
        if edit.is_empty() {
            return Ok(environment.revision);
        }
        let revision = unit.publish(&mut environment, edit.edits().collect())?;
        let mut told = edit.told();
        if let Value::Object(members) = &mut told {
            members.insert("flag".into(), json!(key));
            members.insert("override".into(), exception);
        }
        unit.record(&Deed {
            action: "tenant.repair",
            project: Some(&project),
            environment: Some(&environment),
            kind: TENANT_KIND,
            key: "",
            before: None,
            after: Some(&told),
            revisions: &project::at_revision(&environment, revision),
        })?;
        Ok(revision)
    }
}

//! Tenants come from one version of a plan to another one.

pub(crate) mod carry_out;
pub(crate) mod effects;
mod movers;

use flags_core::{Field, PlanDefinition, Shape, Text, Timestamp};
use serde::Deserialize;

use self::movers::Movers;
use super::catalogue::{self, Needs};
use super::fault::Fault;
use super::received::all_right;
use super::tenant::Tenant;
use crate::limits::MAX_TENANTS_PER_REQUEST;
use crate::store::{Environment, Project, StoredTenant, View};

/// Who is to be moved, and where to.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Move {
    from_version: Option<u32>,
    to: Destination,
    tenants: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Destination {
    plan: Option<String>,
    version: u32,
}

impl Move {
    /// The shape of a body.
    pub(crate) const SHAPE: &'static Shape = &Shape::Object(&[
        Field::optional("from_version", &VERSION)
            .says("Of the plan, those who have this version alone; all where it is left out."),
        Field::required("to", &DESTINATION).says("What they are to have."),
        Field::optional("tenants", &TENANTS)
            .says("The keys of those who are moved; all that have the plan where it is left out."),
    ]);
}

static DESTINATION: Shape = Shape::Object(&[
    Field::optional("plan", &Shape::Text(&Text::KEY))
        .says("The key of a plan; the same plan where it is left out."),
    Field::required("version", &VERSION).says("The version of it."),
]);

static VERSION: Shape = Shape::Within(1..=u32::MAX as u64, &Shape::U32);

static TENANTS: Shape = Shape::Within(
    0..=MAX_TENANTS_PER_REQUEST as u64,
    &Shape::List(&Shape::Text(&Text::CONTEXT_KEY)),
);

/// A plan, and one of its versions where only that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    plan: String,
    version: Option<u32>,
}

/// A move of which everything that it names is there.
struct Course {
    project: Project,
    environment: Environment,
    from: Origin,
    /// A plan and its version.
    to: (String, u32),
    movers: Movers,
}

impl Course {
    /// # Errors
    /// When there is no such plan; with pointers into the body, when there are no such versions, or tenants
    /// are listed that do not have what they are to be moved from.
    fn find(view: &dyn View, path: &catalogue::Path, wanted: &Move) -> Result<Self, Fault> {
        if wanted.tenants.as_ref().is_some_and(|keys| keys.len() > MAX_TENANTS_PER_REQUEST) {
            let most = MAX_TENANTS_PER_REQUEST as u64;
            return Err(Fault::limit_at("/tenants", "tenants_per_request", most));
        }
        let (project, environment, _) = catalogue::find::<PlanDefinition>(view, path)?;
        let Move { from_version, to, tenants } = wanted;
        let from = Origin { plan: path.key.clone(), version: *from_version };
        let to = (to.plan.clone().unwrap_or_else(|| from.plan.clone()), to.version);
        let mut faults = Vec::new();
        let mut needs = Needs::new(view, &environment);
        if let Some(version) = from.version {
            faults.extend(needs.version_fault(&from.plan, version, ["", "/from_version"])?);
        }
        faults.extend(needs.version_fault(&to.0, to.1, ["/to/plan", "/to/version"])?);
        drop(needs);
        let movers = match tenants {
            None => Movers::all(&from, &to),
            Some(keys) => Movers::listed(view, &environment, (&from, &to), keys, &mut faults)?,
        };
        all_right(faults)?;
        Ok(Self { project, environment, from, to, movers })
    }

    /// What a tenant is once it is moved.
    fn moved(&self, stored: &StoredTenant, now: Timestamp) -> Result<Tenant, Fault> {
        let mut tenant = Tenant::read(stored)?;
        let contract = &mut tenant.definition.contract;
        contract.plan = Some(self.to.0.clone());
        contract.plan_version = Some(self.to.1);
        contract.plan_since = Some(now.to_string());
        Ok(tenant)
    }
}

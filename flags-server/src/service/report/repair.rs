//! Ending disagreements of one flag with contracts: of all who are named, in one revision.
//!
//! What would come of it is tried on a ruleset: who would still disagree stays as they are. That takes as long as
//! answers take, so it is done beside the writer, which does it again only where somebody wrote meanwhile.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use flags_core::{
    EntitlementReason, Field, Revision, Ruleset, Shape, Text, Timestamp, is_context_key,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::asked::{Because, Kind};
use super::mending::{Bench, Edit, Mending};
use super::unfinished;
use crate::limits::{MAX_REPAIRED_TENANTS, REPAIR_ON_THE_WRITER, REPORT_TIMEOUT};
use crate::service::fault::{Fault, diagnostic};
use crate::service::precondition::Precondition;
use crate::service::present::present;
use crate::service::publish::{Author, Unit};
use crate::service::received::all_right;
use crate::service::state::{Path, Place};
use crate::service::tenant::INVALID_KEY;
use crate::service::tenant::shape::EXCEPTION;
use crate::service::tenants_alone::Stopped;
use crate::store::View;

/// What is asked for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Repair {
    flag: String,
    by: By,
    tenants: Vec<String>,
    variant: Option<String>,
    #[serde(rename = "override")]
    exception: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    Untarget,
    Target,
    Grant,
}

impl Repair {
    /// The shape of a body.
    pub(crate) const SHAPE: &'static Shape = &Shape::Object(&[
        Field::required("flag", &Shape::Text(&Text::KEY)).says("The key of the flag."),
        Field::required("by", &Shape::Word(&["untarget", "target", "grant"]))
            .says("How they are to agree."),
        Field::required(
            "tenants",
            &Shape::Within(
                0..=MAX_REPAIRED_TENANTS as u64,
                &Shape::List(&Shape::Text(&Text::CONTEXT_KEY)),
            ),
        )
        .says("The keys of the tenants, each once."),
        Field::optional("variant", &Shape::Text(&Text::VARIANT_NAME))
            .says("The variant that they get, where they become targets."),
        Field::optional("override", &EXCEPTION)
            .says("The exception of the required feature that each of them gets."),
    ]);

    /// Everything that is wrong with it by itself.
    fn check(&self) -> Result<(), Fault> {
        if self.tenants.len() > MAX_REPAIRED_TENANTS {
            let maximum = MAX_REPAIRED_TENANTS as u64;
            return Err(Fault::limit_at("/tenants", "tenants_per_request", maximum));
        }
        let mut faults = Vec::new();
        for (name, is_there, by) in [
            ("variant", self.variant.is_some(), By::Target),
            ("override", self.exception.is_some(), By::Grant),
        ] {
            match (is_there, self.by == by) {
                (false, true) => {
                    let message = format!("`{name}` is missing");
                    faults.push(diagnostic("", "missing_field", message));
                }
                (true, false) => {
                    let message = format!("`{name}` is not for what is said by `by`");
                    faults.push(diagnostic(&format!("/{name}"), "unknown_field", message));
                }
                _ => {}
            }
        }
        let mut seen = HashSet::new();
        for (index, tenant) in self.tenants.iter().enumerate() {
            let at = format!("/tenants/{index}");
            if !is_context_key(tenant) {
                faults.push(diagnostic(&at, "invalid_key", INVALID_KEY));
            } else if !seen.insert(tenant) {
                faults.push(diagnostic(&at, "duplicate", format!("`{tenant}` is here twice")));
            }
        }
        all_right(faults)
    }

    /// What it ends.
    fn kind(&self) -> Kind {
        match self.by {
            By::Untarget | By::Grant => Kind::NotGranted,
            By::Target => Kind::NotReleased,
        }
    }
}

/// What was done, or would be.
#[derive(Debug)]
pub(crate) struct Repaired {
    pub(crate) revision: Revision,
    pub(crate) repaired: usize,
    pub(crate) left: Vec<Left>,
}

/// A tenant that stays as it is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NotRepaired")]
pub(crate) struct Left {
    tenant: String,
    /// Why it stays as it is.
    why: Why,
    /// Why the flag's answer for it is what it is.
    because: Because,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Why {
    /// It is not stored.
    TenantUnknown,
    /// They do not disagree about it in this way.
    NoDisagreement,
    /// They would still disagree.
    DisagreesStill,
}

/// What is to be done.
pub(crate) struct Plan {
    place: Place,
    edit: Edit,
    repaired: usize,
    left: Vec<Left>,
}

/// How long it may take to find out what is to be done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// As long as a report.
    Beside(Instant),
    /// As long as other writes can wait.
    OnTheWriter(Instant),
}

impl Patience {
    pub(crate) fn beside() -> Self {
        Self::Beside(Instant::now() + REPORT_TIMEOUT)
    }

    pub(crate) fn on_the_writer() -> Self {
        Self::OnTheWriter(Instant::now() + REPAIR_ON_THE_WRITER)
    }

    fn look(self) -> Result<(), Fault> {
        let now = Instant::now();
        match self {
            Self::Beside(until) if now >= until => Err(unfinished(Stopped::TooLong)),
            Self::OnTheWriter(until) if now >= until => Err(Fault::Busy),
            _ => Ok(()),
        }
    }
}

/// Finds out what is to be done, by what a view shows; `live` was in force when it was opened.
///
/// # Errors
/// When it would be refused, for whatever reason but sizes.
pub(crate) fn plan(
    view: &dyn View,
    live: Arc<Ruleset>,
    path: (&str, &str),
    repair: &Repair,
    (author, now, patience): (&Author, Timestamp, Patience),
) -> Result<Plan, Fault> {
    let asking = (author, now);
    repair.check()?;
    let (project, environment) = (path.0.to_owned(), path.1.to_owned());
    let path = Path { project, environment, flag: repair.flag.clone() };
    let place = Place::find(view, &path, &Precondition::None)?;
    let ruleset = present(view, &place.environment, live)?;
    let bench = Bench { view, ruleset, place: &place, asking };
    let before = bench.asked(Arc::clone(&bench.ruleset), &place.state)?.ok_or_else(|| {
        let message = format!("the flag `{}` requires no feature", place.key);
        Fault::at("/flag", "requires_nothing", message)
    })?;
    let kind = repair.kind();
    let obstacle = |tenant: &str| -> Result<Option<Why>, Fault> {
        patience.look()?;
        Ok(match before.disagreement(tenant) {
            _ if before.entitlement(tenant).reason == EntitlementReason::TenantUnknown => {
                Some(Why::TenantUnknown)
            }
            Some(found) if found.kind == kind => None,
            _ => Some(Why::NoDisagreement),
        })
    };
    let obstacles = repair.tenants.iter().map(|key| obstacle(key));
    let obstacles = obstacles.collect::<Result<Vec<_>, Fault>>()?;
    let wanted = repair.tenants.iter().zip(&obstacles).enumerate();
    let wanted = wanted.filter(|(_, (_, obstacle))| obstacle.is_none());
    let wanted: Vec<(usize, &str)> =
        wanted.map(|(index, (tenant, _))| (index, &**tenant)).collect();
    let mending = match (&repair.exception, repair.variant.as_deref()) {
        (Some(exception), _) => Mending::grant(&bench, &before.feature, exception, &wanted)?,
        (None, variant) => Mending::retarget(&bench, &wanted, variant)?,
    };
    let after = mending.tried(&bench)?;
    let (mut agreeing, mut left) = (HashSet::new(), Vec::new());
    for (tenant, obstacle) in repair.tenants.iter().zip(obstacles) {
        patience.look()?;
        let (why, because) = match obstacle {
            Some(why) => (why, before.because(tenant, kind)),
            None if after.disagreement(tenant).is_some() => {
                (Why::DisagreesStill, after.because(tenant, kind))
            }
            None => {
                agreeing.insert(&**tenant);
                continue;
            }
        };
        left.push(Left { tenant: tenant.clone(), why, because });
    }
    let (repaired, edit) = (agreeing.len(), mending.of(&bench, &agreeing)?);
    Ok(Plan { place, edit, repaired, left })
}

impl Plan {
    /// What it would do.
    ///
    /// # Errors
    /// When there would be too much of something.
    pub(crate) fn told(self, view: &dyn View) -> Result<Repaired, Fault> {
        let Self { place, edit, repaired, left } = self;
        let revision = place.environment.revision;
        edit.check_size(view, place)?;
        Ok(Repaired { revision, repaired, left })
    }

    /// Does it, as one revision.
    pub(crate) fn apply(self, unit: &mut Unit<'_>) -> Result<Repaired, Fault> {
        let Self { place, edit, repaired, left } = self;
        let revision = edit.apply(unit, place)?;
        Ok(Repaired { revision, repaired, left })
    }
}

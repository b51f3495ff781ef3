use std::collections::BTreeMap;

use flags_core::{
    Diagnostic, Field, PLAN, PlanDefinition, PlanReference, PlanVersionDefinition, Shape,
    check_plan,
};
use serde_json::{Value, json};

use super::feature::{grant_faults, granted};
use super::needs::Needs;
use super::planned::{WantedCatalogue, WantedSold};
use super::sold::Sold;
use crate::limits::MAX_SOLD_PLANS;
use crate::service::fault::{Fault, diagnostic};
use crate::service::received::Received;
use crate::store::{ObjectKind, Reference};

static PATCH: Shape = Shape::Object(&[
    Field::optional("name", &Shape::Any),
    Field::optional("description", &Shape::Any),
    Field::optional("versions", &Shape::Any),
]);

impl Sold for PlanDefinition {
    const KIND: ObjectKind = ObjectKind::Plan;
    const NAME: &'static str = "Plan";
    const SHAPE: &'static Shape = &PLAN;
    const PATCH: &'static Shape = &PATCH;
    const LIMIT: (&'static str, u64) = ("plans", MAX_SOLD_PLANS);
    const COPY: &'static str = "plan.copy";

    fn check(&self) -> Vec<Diagnostic> {
        check_plan(self)
    }

    fn references(&self) -> Vec<Reference> {
        let mut references = granted(self.versions.iter().map(|version| &version.grants));
        let mut fallbacks: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for PlanReference { plan, version } in
            self.versions.iter().filter_map(|version| version.fallback.as_ref())
        {
            fallbacks.entry(plan).or_default().push(*version);
        }
        references.extend(fallbacks.into_iter().map(|(plan, mut versions)| {
            versions.sort_unstable();
            versions.dedup();
            Reference {
                kind: ObjectKind::Plan,
                key: plan.to_owned(),
                names: versions.iter().map(u32::to_string).collect(),
            }
        }));
        references
    }

    fn faults(&self, needs: &mut Needs<'_>) -> Result<Vec<Diagnostic>, Fault> {
        let mut faults = Vec::new();
        for (index, version) in self.versions.iter().enumerate() {
            faults.extend(version_faults(version, &format!("/versions/{index}"), needs)?);
        }
        Ok(faults)
    }

    fn want(item: WantedSold<Self>, wanted: &mut WantedCatalogue) {
        wanted.plans.push(item);
    }

    fn announce(&self, key: &str, needs: &mut Needs<'_>) {
        needs.plan_will_be(key, self);
    }

    /// A number that is left out is one higher than that before.
    fn complete(received: &mut Received) {
        let Some(Value::Array(versions)) = received.members.get_mut("versions") else { return };
        let mut before: u64 = 0;
        for version in versions.iter_mut().filter_map(Value::as_object_mut) {
            // One that is too high is refused for that.
            let next = before.saturating_add(1);
            let said = version.entry("version").or_insert_with(|| json!(next));
            before = said.as_u64().unwrap_or(before);
        }
    }

    /// Versions do not change.
    fn keep(&self, received: &mut Received) {
        let present = json!(self.versions);
        if received.members.get("versions").is_some_and(|said| *said != present) {
            let message = "the versions of a plan do not change: `…/versions` adds one";
            received.report("/versions", "immutable", message);
        }
        received.members.insert("versions".into(), present);
    }

    /// Versions come to those that are there.
    fn onto(self, present: Option<&Self>) -> Result<Self, Vec<Diagnostic>> {
        let Some(present) = present else { return Ok(self) };
        let mut versions = present.versions.clone();
        let mut faults = Vec::new();
        for (index, wanted) in self.versions.into_iter().enumerate() {
            match present.versions.iter().find(|present| present.version == wanted.version) {
                None => versions.push(wanted),
                Some(present) if *present == wanted => {}
                Some(_) => {
                    let message = format!("there is another version {} here", wanted.version);
                    faults.push(diagnostic(&format!("/versions/{index}"), "immutable", message));
                }
            }
        }
        versions.sort_by_key(|version| version.version);
        if faults.is_empty() { Ok(Self { versions }) } else { Err(faults) }
    }
}

/// Everything that is wrong with what a version says of features and plans.
pub(super) fn version_faults(
    version: &PlanVersionDefinition,
    at: &str,
    needs: &mut Needs<'_>,
) -> Result<Vec<Diagnostic>, Fault> {
    let mut faults = grant_faults(&version.grants, at, needs)?;
    if let Some(PlanReference { plan, version }) = &version.fallback {
        let at = format!("{at}/fallback");
        faults.extend(needs.version_fault(
            plan,
            *version,
            [&format!("{at}/plan"), &format!("{at}/version")],
        )?);
    }
    Ok(faults)
}

//! Where flags and contracts disagree, over all stored tenants.
//!
//! It is found out on one committed state, at one instant, beside the writer.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use flags_core::{Decision, Revision, Ruleset, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::asked::{Asked, Because, Kind};
use super::unfinished;
use crate::limits::{MAX_REPORT_ANSWERS, MAX_REPORT_EXAMPLES, REPORT_TIMEOUT};
use crate::schema;
use crate::service::fault::Fault;
use crate::service::precondition::Precondition;
use crate::service::present::present;
use crate::service::project;
use crate::service::state::{Path, Place};
use crate::service::tenants_alone::{Watch, each_tenant, keep_first};
use crate::store::{ObjectKind, Page, View};

/// Which disagreements are asked for; all, unless something is said.
#[derive(Debug, Default, Clone)]
pub(crate) struct Which {
    pub(crate) flag: Option<String>,
    pub(crate) kind: Option<Kind>,
}

/// What is asked, and of what.
pub(crate) struct Report {
    ruleset: Arc<Ruleset>,
    /// Flags that require a feature, by key.
    flags: Vec<Place>,
    kind: Option<Kind>,
    now: Timestamp,
    deadline: Instant,
}

/// What a flag's disagreements come to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DisagreeingFlag")]
pub(crate) struct OfFlag<'r> {
    flag: String,
    /// The key of the feature that it requires.
    feature: String,
    /// In which ways, and how many of each.
    disagreements: Vec<Sum<'r>>,
}

/// Tenants about which a flag and their contracts disagree in one way.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DisagreementSum")]
pub(crate) struct Sum<'r> {
    /// How they disagree.
    kind: Kind,
    /// Whether the answers depend on more than the tenant.
    dependent: bool,
    tenants: usize,
    examples: Vec<&'r str>,
}

/// That a flag and a contract disagree.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Disagreement")]
pub(crate) struct Found<'r> {
    /// How they disagree.
    kind: Kind,
    pub(crate) flag: String,
    /// The key of the feature that the flag requires.
    feature: String,
    pub(crate) tenant: &'r str,
    /// What a target or a rule would give, or the off variant that is served.
    variant: Option<String>,
    /// Why it would, or why it is.
    because: Because,
    /// Whether the answer depends on more than the tenant.
    dependent: bool,
    /// What the contract says of the feature.
    #[schemars(schema_with = "schema::decision")]
    entitlement: serde_json::Value,
}

impl Report {
    /// Of what a view shows; `live` was in force when it was opened.
    ///
    /// # Errors
    /// When the flag that is named is not there, or there are too many answers to give.
    pub(crate) fn new(
        view: &dyn View,
        live: Arc<Ruleset>,
        (project, environment): (&str, &str),
        which: Which,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let (_, found) = project::find_environment(view, project, environment)?;
        let ruleset = present(view, &found, live)?;
        let keys = match which.flag {
            Some(flag) => BTreeSet::from([flag]),
            None => {
                let mut keys = BTreeSet::new();
                for feature in view.objects(found.id, ObjectKind::Feature, &Page::ALL)? {
                    let who = view.referrers(found.id, ObjectKind::Feature, &feature.key)?;
                    let flags = who.into_iter().filter(|who| who.kind == ObjectKind::Flag);
                    keys.extend(flags.map(|flag| flag.key));
                }
                keys
            }
        };
        check_answers(ruleset.tenants().len(), keys.len())?;
        let place = |flag| {
            let (project, environment) = (project.to_owned(), environment.to_owned());
            Place::find(view, &Path { project, environment, flag }, &Precondition::None)
        };
        let flags = keys.into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let deadline = Instant::now() + REPORT_TIMEOUT;
        Ok(Self { ruleset, flags, kind: which.kind, now, deadline })
    }

    /// The revision that it is of.
    pub(crate) fn revision(&self) -> Revision {
        self.ruleset.revision()
    }

    /// The instant that it is of.
    pub(crate) fn at(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn tenants(&self) -> usize {
        self.ruleset.tenants().len()
    }

    /// What they come to, flag by flag, unless `stop` says that nobody waits for it.
    pub(crate) fn sums(&self, stop: &AtomicBool) -> Result<Vec<OfFlag<'_>>, Fault> {
        let mut flags = Vec::new();
        for place in &self.flags {
            let Some(asked) = self.asked(place)? else { continue };
            let mut sums: BTreeMap<(Kind, bool), (usize, BinaryHeap<&str>)> = BTreeMap::new();
            self.each(&asked, stop, None, |tenant, kind, dependent| {
                let (tenants, examples) = sums.entry((kind, dependent)).or_default();
                *tenants += 1;
                keep_first(examples, tenant, MAX_REPORT_EXAMPLES);
            })?;
            let sum = |((kind, dependent), (tenants, examples)): (_, (_, BinaryHeap<_>))| {
                let examples = examples.into_sorted_vec();
                Sum { kind, dependent, tenants, examples }
            };
            let disagreements = sums.into_iter().map(sum).collect();
            flags.push(OfFlag { flag: asked.flag, feature: asked.feature, disagreements });
        }
        Ok(flags)
    }

    /// The first `limit` of them, sorted by flag and tenant, after the flag and tenant given, unless
    /// `stop` says that nobody waits for it.
    pub(crate) fn list(
        &self,
        after: Option<(&str, &str)>,
        limit: usize,
        stop: &AtomicBool,
    ) -> Result<Vec<Found<'_>>, Fault> {
        let mut found = Vec::new();
        for place in &self.flags {
            let after = match after {
                Some((last, _)) if *place.key < *last => continue,
                Some((last, tenant)) if *place.key == *last => Some(tenant),
                _ => None,
            };
            let Some(asked) = self.asked(place)? else { continue };
            let (mut first, left) = (BinaryHeap::new(), limit - found.len());
            self.each(&asked, stop, after, |tenant, _, _| {
                keep_first(&mut first, tenant, left);
            })?;
            for tenant in first.into_sorted_vec() {
                found.extend(told(&asked, tenant)?);
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    fn asked(&self, place: &Place) -> Result<Option<Asked>, Fault> {
        Asked::new(Arc::clone(&self.ruleset), place, &place.state, self.now)
    }

    fn each<'r>(
        &'r self,
        asked: &Asked,
        stop: &AtomicBool,
        after: Option<&str>,
        mut visit: impl FnMut(&'r str, Kind, bool),
    ) -> Result<(), Fault> {
        let watch = Watch { stop, deadline: self.deadline };
        let visited = each_tenant(&self.ruleset, watch, after, |tenant| {
            let found = asked.disagreement(tenant);
            if let Some(found) = found.filter(|found| self.kind.is_none_or(|k| k == found.kind)) {
                visit(tenant, found.kind, found.dependent);
            }
        });
        visited.map_err(unfinished)
    }
}

fn check_answers(tenants: usize, flags: usize) -> Result<(), Fault> {
    match tenants as u64 * flags as u64 {
        0..=MAX_REPORT_ANSWERS => Ok(()),
        _ => Err(Fault::limit("report_answers", MAX_REPORT_ANSWERS)),
    }
}

/// Everything about one that was found.
fn told<'r>(asked: &Asked, tenant: &'r str) -> Result<Option<Found<'r>>, Fault> {
    let Some(found) = asked.disagreement(tenant) else { return Ok(None) };
    let decision: Decision<'_> = asked.entitlement(tenant);
    let entitlement = serde_json::to_value(decision);
    Ok(Some(Found {
        kind: found.kind,
        flag: asked.flag.clone(),
        feature: asked.feature.clone(),
        tenant,
        variant: found.variant.map(str::to_owned),
        because: found.told(),
        dependent: found.dependent,
        entitlement: entitlement.map_err(|error| Fault::Internal(error.to_string()))?,
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::service::publish::{Author, Unit};
    use crate::service::tests::start;
    use crate::service::{catalogue, flag, state, tenant};
    use flags_core::FeatureDefinition;
    use serde_json::json;
    use tempfile::TempDir;

    #[tokio::test]
    async fn it_ends_when_nobody_waits_and_when_it_takes_too_long() {
        let dir = TempDir::new().unwrap();
        let (service, _) = start(&dir);
        let furnish = |unit: &mut Unit<'_>| {
            project::create(unit, "p", "p")?;
            project::create_environment(unit, "p", "e", "e")?;
            let (project, environment) = ("p".to_owned(), "e".to_owned());
            let sso = json!({"key": "sso", "type": "boolean", "combine": "any"});
            catalogue::create::<FeatureDefinition>(unit, "p", "e", None, sso)?;
            flag::create(unit, "p", None, json!({"key": "f", "type": "boolean"}))?;
            let targets = json!([{"kind": "tenant", "keys": ["acme"], "variant": "on"}]);
            let on = json!({"on": true, "requires": {"feature": "sso"}, "targets": targets});
            let path = state::Path { project, environment, flag: "f".into() };
            state::patch(unit, &path, &Precondition::Exists, on)?;
            let acme = tenant::Path {
                project: "p".into(),
                environment: "e".into(),
                tenant: "acme".into(),
            };
            tenant::put(unit, &acme, &Precondition::Absent, json!({"attributes": {}}))
        };
        service.write(Author::server(), furnish).await.unwrap();
        let live = service.live.by_key("p", "e").unwrap().ruleset();
        let now = Timestamp::from_millis(0);
        let read =
            move |view: &dyn View| Report::new(view, live, ("p", "e"), Which::default(), now);
        let mut report = service.read(read).await.unwrap();
        let stop = AtomicBool::new(false);
        assert_eq!(report.sums(&stop).unwrap().len(), 1);
        assert_eq!(report.list(None, 1, &stop).unwrap().len(), 1);
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(report.sums(&stop), Err(Fault::Internal(_))));
        stop.store(false, Ordering::Relaxed);
        report.deadline = Instant::now();
        for found in [report.sums(&stop).map(drop), report.list(None, 1, &stop).map(drop)] {
            assert!(matches!(found, Err(Fault::LimitExceeded { limit: "report_seconds", .. })));
        }
    }

    #[test]
    fn too_many_answers_are_not_begun() {
        assert!(check_answers(1_000_000, 20).is_ok());
        let refused = check_answers(1_000_000, 21);
        assert!(matches!(refused, Err(Fault::LimitExceeded { limit: "report_answers", .. })));
    }
}

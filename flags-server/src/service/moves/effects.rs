//! What a move would come to for everybody who would be moved. It is decided by the catalogue and the contracts of
//! one committed state, with what they have and with what they would have; the writer has nothing to do with it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use flags_core::{
    Access, Decision, Document, Granted, Object, ObjectChange, Revision, Ruleset, TENANT_KIND,
    Timestamp,
};

use super::{Course, Move};
use crate::limits::{
    MAX_PREVIEW_ANSWERS, MAX_PREVIEW_EXAMPLES, MAX_TENANTS_PER_REQUEST, PREVIEW_TIMEOUT,
};
use crate::service::catalogue::{Path, wire};
use crate::service::fault::Fault;
use crate::service::present::with_changes;
use crate::service::tenant;
use crate::service::tenants_alone::{Watch, keep_first};
use crate::service::uses::{Over, OverLimits};
use crate::store::{Environment, ObjectKind, Page, StoredTenant, View};

/// What becomes of everybody who would be moved.
#[derive(Debug)]
pub(crate) struct Effects {
    pub(crate) revision: Revision,
    pub(crate) tenants: u64,
    /// Sorted by the keys of the features.
    pub(crate) features: Vec<FeatureEffects>,
    pub(crate) over_limit: OverLimits,
}

#[derive(Debug)]
pub(crate) struct FeatureEffects {
    pub(crate) feature: String,
    pub(crate) effects: BTreeMap<Effect, Seen>,
}

/// What a move does to what one tenant has of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Gains,
    More,
    Other,
    Less,
    Loses,
    Same,
}

impl Effect {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gains => "gains",
            Self::More => "more",
            Self::Other => "other",
            Self::Less => "less",
            Self::Loses => "loses",
            Self::Same => "same",
        }
    }

    pub(crate) fn changes(self) -> bool {
        self != Self::Same
    }

    fn of(before: &Decision<'_>, after: &Decision<'_>) -> Self {
        let access = after.access.cmp(&before.access);
        match (before.access, after.access) {
            (Access::None, Access::None) => return Self::Same,
            (Access::None, _) => return Self::Gains,
            (_, Access::None) => return Self::Loses,
            _ => {}
        }
        match (access, compared(before.value, after.value)) {
            (Ordering::Equal, Some(Ordering::Equal)) => Self::Same,
            (Ordering::Equal | Ordering::Greater, Some(Ordering::Greater))
            | (Ordering::Greater, Some(Ordering::Equal)) => Self::More,
            (Ordering::Equal | Ordering::Less, Some(Ordering::Less))
            | (Ordering::Less, Some(Ordering::Equal)) => Self::Less,
            _ => Self::Other,
        }
    }
}

/// How a value is to that of before, where one of them is more than the other.
fn compared(before: Option<Granted<'_>>, after: Option<Granted<'_>>) -> Option<Ordering> {
    if before == after {
        return Some(Ordering::Equal);
    }
    match (before?, after?) {
        (Granted::Limit(before), Granted::Limit(after)) => Some(after.cmp(&before)),
        (Granted::Options(before), Granted::Options(after)) => {
            if before.iter().all(|option| after.contains(option)) {
                return Some(Ordering::Greater);
            }
            after.iter().all(|option| before.contains(option)).then_some(Ordering::Less)
        }
        _ => None,
    }
}

/// Tenants to whom it does the same.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) tenants: u64,
    /// The first of them by their keys.
    pub(crate) examples: BinaryHeap<Arc<str>>,
}

/// Finds out what a move would come to at `now`, unless `stop` says that nobody waits for it.
pub(crate) fn effects(
    view: &dyn View,
    path: &Path,
    wanted: &Move,
    now: Timestamp,
    stop: &AtomicBool,
) -> Result<Effects, Fault> {
    let watch = Watch { stop, deadline: Instant::now() + PREVIEW_TIMEOUT };
    effects_until(view, path, wanted, now, watch)
}

fn effects_until(
    view: &dyn View,
    path: &Path,
    wanted: &Move,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<Effects, Fault> {
    let mut course = Course::find(view, path, wanted)?;
    let environment = course.environment.clone();
    let sold = catalogue(view, &environment)?;
    let mut features: Vec<FeatureEffects> = sold
        .catalogue()
        .features()
        .map(|(feature, _)| FeatureEffects { feature: feature.into(), effects: BTreeMap::new() })
        .collect();
    features.sort_unstable_by(|a, b| a.feature.cmp(&b.feature));
    let tenants = course.movers.count(view, &environment)?;
    if tenants.saturating_mul(features.len() as u64) > MAX_PREVIEW_ANSWERS {
        return Err(Fault::limit("preview_answers", MAX_PREVIEW_ANSWERS));
    }
    let mut over_limit = OverLimits::default();
    loop {
        let part = course.movers.next(view, &environment, MAX_TENANTS_PER_REQUEST)?;
        if part.is_empty() {
            break;
        }
        watch.look().map_err(|stopped| stopped.told("preview_seconds", PREVIEW_TIMEOUT))?;
        let part = Part::new(&course, &sold, part, now)?;
        for FeatureEffects { feature, effects } in &mut features {
            watch.look().map_err(|stopped| stopped.told("preview_seconds", PREVIEW_TIMEOUT))?;
            for key in &part.keys {
                let [before, after] = [&part.before, &part.after]
                    .map(|ruleset| ruleset.entitlement(key, &**feature).check(now));
                let effect = Effect::of(&before, &after);
                let seen = effects.entry(effect).or_default();
                seen.tenants += 1;
                keep_first(&mut seen.examples, Arc::clone(key), MAX_PREVIEW_EXAMPLES);
            }
        }
        look_for_uses(view, &environment, &part, now, &mut over_limit)?;
    }
    let revision = environment.revision;
    Ok(Effects { revision, tenants, features, over_limit })
}

/// What is sold, and nobody to have it.
fn catalogue(view: &dyn View, environment: &Environment) -> Result<Ruleset, Fault> {
    let mut objects = Vec::new();
    for kind in [ObjectKind::Feature, ObjectKind::Plan, ObjectKind::Addon] {
        for stored in view.objects(environment.id, kind, &Page::ALL)? {
            objects.push(wire(kind, &stored.key, stored.version, &stored.document)?);
        }
    }
    let document = Document { epoch: view.epoch()?, revision: environment.revision, objects };
    // What cannot be compiled is told by a decision about it.
    Ok(Ruleset::compile(&document).0)
}

/// Some of those who would be moved, with what they have and with what they would have.
struct Part {
    keys: Vec<Arc<str>>,
    before: Ruleset,
    after: Ruleset,
}

impl Part {
    fn new(
        course: &Course,
        sold: &Ruleset,
        tenants: Vec<StoredTenant>,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let mut part = (Vec::new(), Vec::new(), Vec::new());
        for stored in tenants {
            let (key, version) = (stored.key.clone(), stored.version);
            let moved = course.moved(&stored, now)?.definition;
            let moved = Object::new(TENANT_KIND, &key, version, &moved);
            let moved = moved.map_err(|error| Fault::Internal(error.to_string()))?;
            part.0.push(Arc::from(key));
            part.1.push(ObjectChange::Upsert(tenant::wire(stored)?));
            part.2.push(ObjectChange::Upsert(moved));
        }
        let (before, after) = (with_changes(sold, part.1)?, with_changes(sold, part.2)?);
        Ok(Self { keys: part.0, before, after })
    }
}

/// Adds what is used above limits by those who would be moved.
fn look_for_uses(
    view: &dyn View,
    environment: &Environment,
    part: &Part,
    now: Timestamp,
    found: &mut OverLimits,
) -> Result<(), Fault> {
    for key in &part.keys {
        for stored in view.used_by(environment.id, key)? {
            let entitlement = part.after.entitlement(key, &*stored.of.feature);
            let decide = |at| entitlement.check_limit(stored.used, 0, at);
            let policy = entitlement.over_limit().policy;
            if let Some(over) = Over::of(&stored, policy, now, decide) {
                found.add(over);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use flags_core::{FeatureDefinition, PlanDefinition};
    use serde_json::{from_value, json};

    use super::*;
    use crate::service::publish::{Author, Unit};
    use crate::service::{now, project, tests::start};

    #[tokio::test]
    async fn it_ends_when_nobody_waits_and_when_it_takes_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let (service, _) = start(&dir);
        let furnish = |unit: &mut Unit<'_>| {
            project::create(unit, "p", "p")?;
            project::create_environment(unit, "p", "e", "e")?;
            let sso = json!({"key": "sso", "type": "boolean", "combine": "any"});
            crate::service::catalogue::create::<FeatureDefinition>(unit, "p", "e", None, sso)?;
            let pro = json!({"key": "pro", "versions": [{}, {"grants": {"sso": true}}]});
            crate::service::catalogue::create::<PlanDefinition>(unit, "p", "e", None, pro)?;
            let acme = json!({"tenants": [{"key": "acme", "plan": "pro", "plan_version": 1}]});
            tenant::upsert(unit, "p", "e", &from_value(acme).unwrap())
        };
        service.write(Author::server(), furnish).await.unwrap();
        let tried = async |is_unwanted: bool, deadline: Instant| {
            let try_it = move |view: &dyn View| {
                let (project, environment) = ("p".into(), "e".into());
                let path = Path { project, environment, key: "pro".into() };
                let wanted = from_value(json!({"to": {"version": 2}})).unwrap();
                let stop = AtomicBool::new(is_unwanted);
                effects_until(view, &path, &wanted, now(), Watch { stop: &stop, deadline })
            };
            service.read(try_it).await
        };
        let later = Instant::now() + PREVIEW_TIMEOUT;
        let found = tried(false, later).await.unwrap();
        assert_eq!((found.tenants, found.features.len()), (1, 1));
        assert_eq!(found.features[0].effects.keys().collect::<Vec<_>>(), [&Effect::Gains]);
        assert!(matches!(tried(true, later).await, Err(Fault::Internal(_))));
        let late = tried(false, Instant::now()).await;
        assert!(matches!(late, Err(Fault::LimitExceeded { limit: "preview_seconds", .. })));
    }
}

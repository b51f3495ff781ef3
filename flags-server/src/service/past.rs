//! What an environment was: folded anew from its change log, which is never edited.

use std::collections::VecDeque;
use std::sync::Arc;

use flags_core::{Change, Document, Object, ObjectChange, Revision, Ruleset, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::fault::Fault;
use super::model::parse;
use super::{Service, project};
use crate::limits::{
    MAX_PAST_RULESETS, MAX_PAST_TENANTS, PAST_CHANGE_BYTES_PER_READ, PAST_CHANGES_PER_READ,
};
use crate::store::{Environment, EnvironmentId, ObjectKind, Tenants, View};

/// A moment in the life of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// When this revision was committed.
    Revision(Revision),
    At(Timestamp),
}

/// The revision that was in force at a moment, and the instant that was the present then.
pub(super) fn find(
    view: &dyn View,
    environment: &Environment,
    moment: Moment,
) -> Result<(Revision, Timestamp), Fault> {
    let Environment { key, revision: latest, .. } = environment;
    match moment {
        Moment::Revision(revision) => {
            let committed = match revision {
                0 => None,
                revision if revision > *latest => None,
                revision => view.committed_at(environment.id, revision)?,
            };
            let at = committed.ok_or_else(|| {
                Fault::NotFound(match latest {
                    0 => format!("the environment `{key}` has had no change yet"),
                    latest => format!(
                        "the environment `{key}` has the revisions 1 to {latest}, not {revision}"
                    ),
                })
            })?;
            Ok((revision, at))
        }
        Moment::At(at) => {
            let revision = view.revision_at(environment.id, at)?.ok_or_else(|| {
                Fault::NotFound(format!("the environment `{key}` had no definitions yet at {at}"))
            })?;
            Ok((revision, at))
        }
    }
}

/// The definitions of a revision that there has been, with the tenants stored then or without. Takes
/// memory for them and for a part of the log at a time.
pub(super) fn document(
    view: &dyn View,
    environment: &Environment,
    revision: Revision,
    tenants: Tenants,
) -> Result<Document, Fault> {
    fold(view, environment, revision, |logged| {
        let Logged { mut objects } = parse(logged)?;
        objects.retain(|object| tenants.shows(object.object().0));
        Ok(objects)
    })
}

/// One object as it was at a revision that there has been.
pub(super) fn object(
    view: &dyn View,
    environment: &Environment,
    revision: Revision,
    (kind, key): (ObjectKind, &str),
) -> Result<Option<Object>, Fault> {
    let document = fold(view, environment, revision, |logged| {
        // Keys stand in JSON as they are: most changes need not be read.
        if !logged.contains(key) {
            return Ok(Vec::new());
        }
        let Logged { mut objects } = parse(logged)?;
        objects.retain(|object| object.object() == (kind.name(), key));
        Ok(objects)
    })?;
    Ok(document.objects.into_iter().next())
}

/// What is read of a logged change; the rest stands beside it in the log.
#[derive(Deserialize)]
struct Logged {
    objects: Vec<ObjectChange>,
}

fn fold(
    view: &dyn View,
    environment: &Environment,
    revision: Revision,
    read: impl Fn(&str) -> Result<Vec<ObjectChange>, Fault>,
) -> Result<Document, Fault> {
    let mut document = Document::empty(view.epoch()?);
    while document.revision < revision {
        let after = document.revision;
        let limit = PAST_CHANGES_PER_READ;
        let logged = view.changes(environment.id, after, limit, PAST_CHANGE_BYTES_PER_READ)?;
        if logged.is_empty() {
            return Err(Fault::Internal("the change log ends too early".into()));
        }
        let mut changes = Vec::with_capacity(logged.len());
        for logged in logged.into_iter().take_while(|logged| logged.revision <= revision) {
            changes.push(Change {
                // It may have been written before the database was restored.
                epoch: document.epoch.clone(),
                revision: logged.revision,
                previous: logged.revision - 1,
                objects: read(&logged.change)?,
            });
        }
        let folded = document.fold(&changes);
        folded.map_err(|gap| Fault::Internal(format!("the change log has a gap: {gap}")))?;
    }
    Ok(document)
}

/// Rulesets of the past that somebody asked for lately.
#[derive(Default)]
pub(crate) struct PastRulesets {
    /// The latest last. Held while one is made: who asks for the same one waits for it.
    rulesets: Mutex<VecDeque<(EnvironmentId, Arc<Ruleset>)>>,
    /// Held by whoever reads a change log from its beginning.
    turn: Mutex<()>,
}

impl Service {
    /// Reads a change log from its beginning: one at a time, so that other readers have theirs.
    pub(crate) async fn read_log<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn View) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let _turn = self.past.turn.lock().await;
        self.read(read).await
    }

    /// The definitions of a moment, and the instant that was the present then.
    pub(crate) async fn past(
        &self,
        project: &str,
        environment: &str,
        moment: Moment,
    ) -> Result<(Arc<Ruleset>, Timestamp), Fault> {
        let (project, environment) = (project.to_owned(), environment.to_owned());
        let (environment, revision, at) = self
            .read(move |view| {
                let (_, environment) = project::find_environment(view, &project, &environment)?;
                let (revision, at) = find(view, &environment, moment)?;
                Ok((environment, revision, at))
            })
            .await?;
        let id = environment.id;
        let live = self.live.by_id(id).map(|live| live.ruleset());
        if let Some(ruleset) = live.filter(|ruleset| ruleset.revision() == revision) {
            return Ok((ruleset, at));
        }
        let mut rulesets = self.past.rulesets.lock().await;
        let is_it = |(of, ruleset): &(EnvironmentId, Arc<Ruleset>)| {
            *of == id && ruleset.revision() == revision
        };
        let ruleset = match rulesets.iter().position(is_it).and_then(|at| rulesets.remove(at)) {
            Some((_, ruleset)) => ruleset,
            None => {
                let read =
                    move |view: &dyn View| document(view, &environment, revision, Tenants::All);
                let document = self.read_log(read).await?;
                // What is invalid in it was told when it came into force.
                Arc::new(self.compute(move || Ruleset::compile(&document).0).await?)
            }
        };
        rulesets.push_back((id, Arc::clone(&ruleset)));
        forget(&mut rulesets, MAX_PAST_RULESETS, MAX_PAST_TENANTS);
        Ok((ruleset, at))
    }
}

/// Keeps the latest rulesets: so many, and such as know so many tenants besides the very latest.
fn forget(
    rulesets: &mut VecDeque<(EnvironmentId, Arc<Ruleset>)>,
    maximum: usize,
    max_tenants: usize,
) {
    let (mut kept, mut tenants) = (0, 0);
    for (_, ruleset) in rulesets.iter().rev().take(maximum) {
        if kept > 0 {
            tenants += ruleset.tenants().len();
        }
        if tenants > max_tenants {
            break;
        }
        kept += 1;
    }
    rulesets.drain(..rulesets.len() - kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rulesets_that_know_many_tenants_are_kept_for_less_long() {
        let ruleset = |tenants: u32| {
            let tenant = |number: u32| {
                let key = number.to_string();
                Object::new(flags_core::TENANT_KIND, &key, 1, &serde_json::json!({})).unwrap()
            };
            let objects = (0..tenants).map(tenant).collect();
            let epoch = flags_core::Epoch::new("e");
            let document = Document { epoch, revision: 1, objects };
            (EnvironmentId(1), Arc::new(Ruleset::compile(&document).0))
        };
        let kept = |tenants: &[u32]| -> Vec<usize> {
            let mut rulesets = tenants.iter().map(|tenants| ruleset(*tenants)).collect();
            forget(&mut rulesets, 3, 10);
            rulesets.iter().map(|(_, ruleset)| ruleset.tenants().len()).collect()
        };
        assert!(kept(&[]).is_empty());
        assert_eq!(kept(&[1, 2, 3, 4]), [2, 3, 4]);
        assert_eq!(kept(&[5, 5, 50]), [5, 5, 50]);
        assert_eq!(kept(&[5, 6, 50]), [6, 50]);
        assert_eq!(kept(&[1, 50, 1]), [1]);
    }
}

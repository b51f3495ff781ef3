//! What an environment was, and when.

use std::collections::VecDeque;
use std::sync::Arc;

use flags_core::{Revision, Ruleset, Timestamp};
use tokio::sync::Mutex;

use super::fault::Fault;
use super::fold::{cut_off, fold};
use super::{Service, project};
use crate::limits::{MAX_PAST_RULESETS, MAX_PAST_TENANTS};
use crate::store::{Environment, EnvironmentId, View};

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
            if let Some(at) = committed {
                return Ok((revision, at));
            }
            if revision <= *latest
                && let Some(checkpoint) = view.checkpoint(environment.id)?
            {
                return Err(cut_off(checkpoint.revision));
            }
            Err(Fault::NotFound(match latest {
                0 => format!("the environment `{key}` has had no change yet"),
                latest => format!(
                    "the environment `{key}` has the revisions 1 to {latest}, not {revision}"
                ),
            }))
        }
        Moment::At(at) => {
            if let Some(revision) = view.revision_at(environment.id, at)? {
                return Ok((revision, at));
            }
            if let Some(checkpoint) = view.checkpoint(environment.id)? {
                return Err(cut_off(checkpoint.revision));
            }
            let message = format!("the environment `{key}` had no definitions yet at {at}");
            Err(Fault::NotFound(message))
        }
    }
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

    /// Drops what is kept of the past, which is no longer as it was. What is being read meanwhile is
    /// waited for.
    pub(super) async fn forget_past(&self) {
        self.past.rulesets.lock().await.clear();
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
                let document =
                    self.read_log(move |view| fold(view, &environment, revision)).await?;
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
    use flags_core::{Document, Object};

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

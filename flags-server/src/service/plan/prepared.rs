//! Plans made while the writer does something else.

use flags_core::Revision;

use super::Plan;
use crate::service::fault::Fault;
use crate::service::{Service, project};
use crate::store::View;

/// How much a plan has to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// One flag.
    Flag,
    /// As much as an environment has. Few of these are made at a time.
    Large,
}

/// A plan for an environment, or why there is none, and the revision that it was made for.
#[derive(Debug)]
pub(crate) struct Prepared<P = Plan> {
    /// `None` where there was no such environment.
    revision: Option<Revision>,
    plan: Result<P, Fault>,
}

impl<P> Prepared<P> {
    pub(crate) fn new(
        view: &dyn View,
        (project, environment): (&str, &str),
        plan: impl FnOnce(&dyn View) -> Result<P, Fault>,
    ) -> Self {
        let found = project::find_environment(view, project, environment);
        Self { revision: found.ok().map(|(_, found)| found.revision), plan: plan(view) }
    }

    /// The same where the environment is still at that revision, or else another one. All that a plan
    /// depends on makes a revision of its environment, shared definitions too.
    pub(crate) fn present(
        self,
        view: &dyn View,
        (project, environment): (&str, &str),
        plan: impl FnOnce(&dyn View) -> Result<P, Fault>,
    ) -> Result<P, Fault> {
        let (_, found) = project::find_environment(view, project, environment)?;
        if self.revision == Some(found.revision) { self.plan } else { plan(view) }
    }
}

impl Service {
    /// Reads what a plan needs, and makes it.
    pub(crate) async fn plan<T: Send + 'static>(
        &self,
        scale: Scale,
        read: impl FnOnce(&dyn View) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let turn = match scale {
            Scale::Flag => None,
            Scale::Large => Some(self.planners.enter().await?),
        };
        self.read(move |view| {
            let result = read(view);
            drop(turn);
            result
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_PLANS;
    use crate::service::plan::Wanted;
    use crate::service::tests::start;
    use crate::service::{Author, flag};
    use futures_util::FutureExt;
    use serde_json::json;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tempfile::TempDir;

    const PLACE: (&str, &str) = ("p", "e");

    #[tokio::test]
    async fn a_plan_is_made_again_only_where_its_environment_has_changed() {
        let dir = TempDir::new().unwrap();
        let (service, _) = start(&dir);
        let create = |unit: &mut crate::service::Unit<'_>| {
            project::create(unit, "p", "p")?;
            project::create_environment(unit, "p", "e", "e")
        };
        service.write(Author::server(), create).await.unwrap();
        let made = Arc::new(AtomicUsize::new(0));
        let plan = {
            let made = Arc::clone(&made);
            move |view: &dyn View| {
                made.fetch_add(1, Ordering::Relaxed);
                let place = project::find_environment(view, PLACE.0, PLACE.1)?;
                Plan::new(view, place, Wanted::default())
            }
        };
        for (changes, times) in [(false, 1), (true, 2)] {
            made.store(0, Ordering::Relaxed);
            let (first, again) = (plan.clone(), plan.clone());
            let prepare = |view: &dyn View| Ok(Prepared::new(view, PLACE, first));
            let prepared = service.plan(Scale::Large, prepare).await.unwrap();
            if changes {
                let flag = json!({"key": "f", "type": "boolean"});
                let create =
                    |unit: &mut crate::service::Unit<'_>| flag::create(unit, "p", None, flag);
                service.write(Author::server(), create).await.unwrap();
            }
            let present = move |unit: &mut crate::service::Unit<'_>| {
                prepared.present(unit.tx, PLACE, again).map(|plan| plan.environment.revision)
            };
            let revision = service.write(Author::server(), present).await.unwrap();
            assert_eq!((made.load(Ordering::Relaxed), revision), (times, times as u64 - 1));
        }
    }

    #[tokio::test]
    async fn large_plans_leave_readers_to_others() {
        let dir = TempDir::new().unwrap();
        let (service, _) = start(&dir);
        let mut held = Vec::new();
        for _ in 0..MAX_PLANS {
            let (entered, inside) = tokio::sync::oneshot::channel();
            let (release, wait) = std::sync::mpsc::channel::<()>();
            let service = Arc::clone(&service);
            let task = tokio::spawn(async move {
                let hold = move |_: &dyn View| {
                    entered.send(()).unwrap();
                    wait.recv().map_err(|error| Fault::Internal(error.to_string()))
                };
                service.plan(Scale::Large, hold).await
            });
            inside.await.unwrap();
            held.push((release, task));
        }
        let mut more = Box::pin(service.plan(Scale::Large, |_| Ok(())));
        assert!((&mut more).now_or_never().is_none());
        service.read(|_| Ok(())).await.unwrap();
        service.plan(Scale::Flag, |_| Ok(())).await.unwrap();
        assert!((&mut more).now_or_never().is_none());
        for (release, task) in held {
            release.send(()).unwrap();
            task.await.unwrap().unwrap();
        }
        more.await.unwrap();
    }
}

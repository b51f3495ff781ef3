use std::sync::Arc;

use flags_core::{Change, Gap, ObjectChange, Ruleset};

use super::fault::Fault;
use super::fold::{damaged, read};
use crate::limits::{CHANGES_PER_FOLD, FOLDED_BYTES};
use crate::store::{Environment, View};

/// The ruleset of exactly what a view shows of an environment. `live` was in force when the view was
/// opened, or before: what was committed since, and on the writer what the writes before this one
/// have led to, is added to it from the change log.
pub(super) fn present(
    view: &dyn View,
    environment: &Environment,
    live: Arc<Ruleset>,
) -> Result<Arc<Ruleset>, Fault> {
    let mut ruleset = live;
    while ruleset.revision() < environment.revision {
        let after = ruleset.revision();
        let logged = view.changes(environment.id, after, CHANGES_PER_FOLD, FOLDED_BYTES)?;
        if logged.is_empty() {
            return Err(damaged(after + 1, "it is not there"));
        }
        for logged in &logged {
            let next = ruleset.apply(&read(logged)?);
            ruleset = Arc::new(next.map_err(|gap| damaged(logged.revision, gap))?.0);
        }
    }
    Ok(ruleset)
}

/// A ruleset with some objects changed, as a write would change them.
pub(super) fn with_changes(
    ruleset: &Ruleset,
    objects: Vec<ObjectChange>,
) -> Result<Ruleset, Fault> {
    let position = ruleset.position();
    let position = position.ok_or_else(|| Fault::Internal("a ruleset of no revision".into()))?;
    let (epoch, previous) = (position.epoch.clone(), position.revision);
    let change = Change { epoch, revision: previous + 1, previous, objects };
    let next = ruleset.apply(&change).map_err(|gap: Gap| Fault::Internal(gap.to_string()))?;
    Ok(next.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use tempfile::TempDir;

    use super::present;
    use crate::service::publish::{Author, Unit};
    use crate::service::tests::start;
    use crate::service::{flag, project};

    #[tokio::test]
    async fn it_has_what_is_written_and_not_yet_in_force() {
        let dir = TempDir::new().unwrap();
        let (service, _) = start(&dir);
        let create = |unit: &mut Unit<'_>| {
            project::create(unit, "p", "p")?;
            project::create_environment(unit, "p", "e", "e")
        };
        service.write(Author::server(), create).await.unwrap();
        let live = service.live.by_key("p", "e").unwrap();
        let before = live.ruleset();
        let verb = {
            let live = Arc::clone(&live);
            move |unit: &mut Unit<'_>| {
                for key in ["f", "g"] {
                    flag::create(unit, "p", None, json!({"key": key, "type": "boolean"}))?;
                }
                let (_, environment) = project::find_environment(unit.tx, "p", "e")?;
                assert_eq!(live.revision(), 0);
                let ruleset = present(unit.tx, &environment, live.ruleset())?;
                Ok((environment.revision, ruleset.revision(), ruleset.flags().count()))
            }
        };
        assert_eq!(service.write(Author::server(), verb).await.unwrap(), (2, 2, 2));
        // The same beside the writer, of which the view was opened after a ruleset was taken.
        let read = service.read(move |view| {
            let (_, environment) = project::find_environment(view, "p", "e")?;
            Ok(present(view, &environment, before)?.flags().count())
        });
        assert_eq!(read.await.unwrap(), 2);
    }
}

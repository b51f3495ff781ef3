//! What every store does: one suite, run against each of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod audit;
mod log;
mod objects;
mod plan;
mod schedule;
mod seat;
mod tokens;
mod transactions;

use flags_core::Timestamp;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000);

/// Opens a store that is empty at first, and the same one again later.
pub(super) fn check(open: impl Fn() -> Box<dyn Store>) {
    let store = open();
    let epoch = store.view().unwrap().epoch().unwrap();
    let mut writer = store.writer().unwrap();
    assert!(store.writer().is_err(), "there is one writer");

    let environment = projects_and_environments(&*store, &mut *writer);
    objects::flags_and_objects(&*store, &mut *writer, environment);
    objects::archives(&mut *writer, environment);
    objects::members(&*store, &mut *writer, environment);
    objects::tenants(&*store, &mut *writer, environment);
    objects::contracts(&*store, &mut *writer, environment);
    plan::tenants(&*store, &mut *writer, environment);
    objects::references(&mut *writer, environment);
    log::revisions_have_no_gaps(&mut *writer, environment);
    log::checkpoints(&*store, &mut *writer, environment);
    transactions::operations_are_rolled_back_alone(&mut *writer);
    transactions::views_show_one_state(&*store, &mut *writer);
    tokens::tokens(&*store, &mut *writer, environment);
    audit::audit(&mut *writer, environment);
    audit::chain(&*store, &mut *writer, environment);
    tokens::answers(&mut *writer);
    schedule::schedule(&*store, &mut *writer, environment);
    seat::seats(&*store, &mut *writer, environment);

    drop(writer);
    drop(store);
    let store = open();
    let view = store.view().unwrap();
    assert_eq!(view.epoch().unwrap(), epoch, "one epoch for the database's life");
    assert_eq!(view.projects(&Page::ALL).unwrap().len(), 3);
    assert_eq!(view.changes(environment, 0, 9, 1_000).unwrap().len(), 2);
}

fn write(writer: &mut dyn Writer, write: impl FnOnce(&mut dyn Transaction)) {
    let mut tx = writer.begin().unwrap();
    tx.begin_operation().unwrap();
    write(&mut *tx);
    tx.keep_operation().unwrap();
    tx.commit().unwrap();
}

fn page(after: &str, limit: u32) -> Page {
    Page { after: Some(after.to_owned()), limit, ..Page::ALL }
}

fn projects_and_environments(store: &dyn Store, writer: &mut dyn Writer) -> EnvironmentId {
    let mut ids = Vec::new();
    write(writer, |tx| {
        for key in ["b", "A.b", "c"] {
            let project = tx.insert_project(key, "old", NOW).unwrap();
            ids.push((project, tx.insert_environment(project, "eu", "Europe", NOW).unwrap()));
        }
        tx.rename_project(ids[0].0, "new").unwrap();
        tx.rename_environment(ids[0].1, "EU").unwrap();
        // A transaction reads what it wrote.
        assert_eq!(tx.project("b").unwrap().unwrap().name, "new");
    });
    let (project, environment) = ids[0];
    let view = store.view().unwrap();
    let keys = |page: &Page| -> Vec<String> {
        view.projects(page).unwrap().into_iter().map(|project| project.key).collect()
    };
    assert_eq!(keys(&Page::ALL), ["A.b", "b", "c"], "sorted by bytes");
    assert_eq!(keys(&page("A.b", 1)), ["b"]);
    assert_eq!(view.project("B").unwrap(), None);
    let expected = Environment {
        id: environment,
        project: "b".into(),
        key: "eu".into(),
        name: "EU".into(),
        revision: 0,
        created_at: NOW,
        archived_at: None,
    };
    assert_eq!(view.environment(project, "eu").unwrap(), Some(expected.clone()));
    assert_eq!(view.environments(Some(project), &Page::ALL).unwrap(), [expected]);
    assert_eq!(view.environments(None, &Page::ALL).unwrap().len(), 3);
    assert_eq!(view.key_like(Scope::Projects, "a_b").unwrap().unwrap(), "A.b");
    assert_eq!(view.key_like(Scope::Environments(project), "eu").unwrap().unwrap(), "eu");
    assert_eq!(view.count(Scope::Projects).unwrap(), 3);
    assert_eq!(view.count(Scope::Environments(project)).unwrap(), 1);
    environment
}

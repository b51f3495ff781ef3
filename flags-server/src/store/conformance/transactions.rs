//! What is written together, and what is seen of it.

use super::*;

pub(super) fn operations_are_rolled_back_alone(writer: &mut dyn Writer) {
    let project = writer.begin().unwrap().project("c").unwrap().unwrap();
    let mut tx = writer.begin().unwrap();
    for (name, keep) in [("first", true), ("second", false), ("third", true), ("fourth", false)] {
        tx.begin_operation().unwrap();
        tx.rename_project(project.id, name).unwrap();
        if keep {
            tx.keep_operation().unwrap();
        } else {
            tx.roll_back_operation().unwrap();
        }
    }
    // One inside another one.
    tx.begin_operation().unwrap();
    for (name, keep) in [("third", true), ("inner", false)] {
        tx.begin_operation().unwrap();
        tx.rename_project(project.id, name).unwrap();
        if keep {
            tx.keep_operation().unwrap();
        } else {
            tx.roll_back_operation().unwrap();
        }
    }
    tx.keep_operation().unwrap();
    tx.commit().unwrap();
    let mut tx = writer.begin().unwrap();
    assert_eq!(tx.project("c").unwrap().unwrap().name, "third");
    // What is dropped was not.
    tx.rename_project(project.id, "dropped").unwrap();
    drop(tx);
    assert_eq!(writer.begin().unwrap().project("c").unwrap().unwrap().name, "third");
}

pub(super) fn views_show_one_state(store: &dyn Store, writer: &mut dyn Writer) {
    let project = store.view().unwrap().project("c").unwrap().unwrap();
    let view = store.view().unwrap();
    assert_eq!(view.project("c").unwrap().unwrap().name, "third");
    let mut tx = writer.begin().unwrap();
    tx.rename_project(project.id, "later").unwrap();
    assert_eq!(store.view().unwrap().project("c").unwrap().unwrap().name, "third", "not committed");
    tx.commit().unwrap();
    assert_eq!(view.project("c").unwrap().unwrap().name, "third", "an older view");
    assert_eq!(store.view().unwrap().project("c").unwrap().unwrap().name, "later");
}

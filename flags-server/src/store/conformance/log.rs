//! The change log.

use super::*;

pub(super) fn change(revision: Revision) -> LoggedChange {
    LoggedChange { revision, change: format!("{{\"revision\":{revision}}}"), resets: false }
}

pub(super) fn revisions_have_no_gaps(writer: &mut dyn Writer, environment: EnvironmentId) {
    write(writer, |tx| {
        tx.append_change(environment, &change(1), NOW).unwrap();
        tx.append_change(environment, &change(2), Timestamp::from_millis(2_000)).unwrap();
    });
    for wrong in [0, 2, 4] {
        let mut tx = writer.begin().unwrap();
        assert!(tx.append_change(environment, &change(wrong), NOW).is_err(), "{wrong}");
    }
    let mut tx = writer.begin().unwrap();
    let erased = LoggedChange { change: "{}".into(), resets: true, ..change(1) };
    tx.rewrite_change(environment, &erased).unwrap();
    assert_eq!(tx.changes(environment, 0, 9, 1_000).unwrap(), [erased, change(2)]);
    assert!(tx.rewrite_change(environment, &change(3)).is_err());
    drop(tx);
    let tx = writer.begin().unwrap();
    assert_eq!(tx.changes(environment, 0, 9, 1_000).unwrap(), [change(1), change(2)]);
    assert_eq!(tx.changes(environment, 0, 1, 1_000).unwrap(), [change(1)]);
    assert_eq!(tx.changes(environment, 2, 9, 1_000).unwrap(), []);
    assert_eq!(tx.changes(environment, 0, 9, 1).unwrap(), [change(1)], "one at least");
    let instant = Timestamp::from_millis;
    assert_eq!(tx.committed_at(environment, 2).unwrap(), Some(instant(2_000)));
    assert_eq!(tx.committed_at(environment, 3).unwrap(), None);
    for (at, revision) in [(999, None), (1_000, Some(1)), (1_999, Some(1)), (9_000, Some(2))] {
        assert_eq!(tx.revision_at(environment, instant(at)).unwrap(), revision, "{at}");
    }
    let project = tx.project("b").unwrap().unwrap();
    assert_eq!(tx.environment(project.id, "eu").unwrap().unwrap().revision, 2);
}

pub(super) fn checkpoints(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let view = store.view().unwrap();
    assert_eq!(view.checkpoint(environment).unwrap(), None);
    assert_eq!(view.revision_before(environment, NOW).unwrap(), 0);
    assert_eq!(view.revision_before(environment, Timestamp::from_millis(1_001)).unwrap(), 1);
    assert_eq!(view.revision_before(environment, Timestamp::from_millis(9_000)).unwrap(), 2);
    drop(view);
    // In a transaction that is not kept: others count on the log.
    let mut tx = writer.begin().unwrap();
    for document in ["{}", "[]"] {
        let checkpoint = Checkpoint { revision: 1, document: document.into() };
        tx.put_checkpoint(environment, &checkpoint).unwrap();
        assert_eq!(tx.checkpoint(environment).unwrap(), Some(checkpoint));
        assert_eq!(tx.changes(environment, 0, 9, 1_000).unwrap(), [change(2)]);
    }
}

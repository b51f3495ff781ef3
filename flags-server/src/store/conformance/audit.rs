//! The audit log, its chain, and the history that is read from it.

use super::*;
use crate::store::chain::{ChainHead, ERASED};

/// Of a flag, without a revision.
const ENTRY: AuditEntry<'_> = AuditEntry {
    at: NOW,
    actor: "t2",
    actor_name: "ci",
    request_id: "r",
    action: "flag.off",
    project: Some("b"),
    environment: None,
    object_kind: "flag",
    object_key: "f",
    reason: None,
    before: Some("{}"),
    after: None,
    revisions: "{}",
};

pub(super) fn chain(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let rows = |after, limit| store.view().unwrap().audit_rows(after, limit).unwrap();
    let follow_all = || {
        let mut head = ChainHead::default();
        for row in rows(0, 99) {
            head.follow(&row).unwrap();
        }
        head
    };
    let last = follow_all().id;
    let entry = AuditEntry { revisions: "{\"eu\": 1}", ..ENTRY };
    write(writer, |tx| {
        assert_eq!(tx.append_audit(&entry).unwrap(), last + 1);
        assert_eq!(tx.append_audit(&entry).unwrap(), last + 2);
    });
    let added = rows(last, 9);
    assert_eq!(rows(last + 1, 9), added[1..]);
    assert_eq!(rows(last, 1), added[..1]);
    let [first, _] = &*added else { panic!("{added:?}") };
    assert_eq!(first.entry(), entry);
    let head = follow_all();

    // A part is altered only when its salt goes, and a digest never.
    let seals = first.seals.clone().unwrap();
    let mut parts = first.parts.clone();
    parts[0] = Some("[erased]".into());
    let mut lost = seals.clone();
    lost.salts[0] = ERASED;
    let mut other = lost.clone();
    other.salts[1] = [7; 16];
    let (id, by) = (first.id, "{\"object_key\":2}");
    for wrong in [&seals, &other] {
        let mut tx = writer.begin().unwrap();
        assert!(tx.erase_audit(id, &parts, wrong, "{}").is_err());
    }
    write(writer, |tx| tx.erase_audit(id, &parts, &lost, by).unwrap());
    assert!(writer.begin().unwrap().erase_audit(id, &parts, &seals, "{}").is_err(), "it is lost");
    assert!(writer.begin().unwrap().erase_audit(99, &parts, &lost, "{}").is_err(), "no such row");
    let erased = rows(last, 1).remove(0);
    assert_eq!((&erased.parts, erased.erased.as_deref()), (&parts, Some(by)));
    assert_eq!(erased.seals.unwrap().digests, seals.digests);
    assert_eq!(follow_all(), head, "the chain is as it was");
    // Nor is it found any more by what it was.
    let deeds = |key: &str| {
        let of = Some((ObjectKind::Flag, key));
        store.view().unwrap().deeds(environment, 1, of, 9).unwrap().len()
    };
    assert_eq!((deeds("[erased]"), deeds("f")), (1, 2));

    // What is cut off, the chain goes on from.
    let view = store.view().unwrap();
    assert_eq!(view.audit_anchor().unwrap(), ChainHead::default());
    assert_eq!(view.audit_before(NOW).unwrap(), ChainHead::default());
    assert_eq!(view.audit_before(Timestamp::from_millis(1_001)).unwrap().id, 5);
    assert_eq!(view.audit_before(Timestamp::from_millis(5_001)).unwrap(), head);
    drop(view);
    write(writer, |tx| tx.cut_audit(&head).unwrap());
    let view = store.view().unwrap();
    assert_eq!((view.audit_anchor().unwrap(), rows(0, 9)), (head, Vec::new()));
    assert_eq!((deeds("[erased]"), deeds("f")), (0, 0));
    drop(view);
    write(writer, |tx| assert_eq!(tx.append_audit(&entry).unwrap(), head.id + 1));
    let mut head = head;
    head.follow(&rows(0, 9)[0]).unwrap();
}

pub(super) fn audit(writer: &mut dyn Writer, environment: EnvironmentId) {
    write(writer, |tx| {
        tx.append_audit(&ENTRY).unwrap();
        for (kind, key, revisions) in [
            ("flag", "f", "{\"eu\": 1, \"unknown\": 1}"),
            ("flag_state", "f", "{\"eu\": 2}"),
            ("segment", "f", "{\"eu\": 2}"),
            ("flag_state", "g", "{\"eu\": 2}"),
        ] {
            let entry = AuditEntry { object_kind: kind, object_key: key, revisions, ..ENTRY };
            tx.append_audit(&entry).unwrap();
        }
    });
    let tx = writer.begin().unwrap();
    let f = Some((ObjectKind::Flag, "f"));
    let revisions = |of, before, limit| tx.revisions(environment, of, before, limit).unwrap();
    assert_eq!(revisions(None, None, 9), [2, 1]);
    assert_eq!(revisions(f, None, 9), [2, 1]);
    assert_eq!(revisions(f, Some(2), 9), [1]);
    assert_eq!(revisions(f, Some(u64::MAX), 1), [2]);
    assert_eq!(revisions(Some((ObjectKind::Flag, "g")), None, 9), [2]);
    assert_eq!(revisions(Some((ObjectKind::Segment, "g")), None, 9), [0; 0]);
    let deeds = |of, limit| {
        let deeds = tx.deeds(environment, 2, of, limit).unwrap();
        deeds.into_iter().map(|deed| (deed.object_kind, deed.object_key)).collect::<Vec<_>>()
    };
    let pair = |kind: &str, key: &str| (kind.to_owned(), key.to_owned());
    let all = [pair("flag_state", "f"), pair("segment", "f"), pair("flag_state", "g")];
    assert_eq!(deeds(None, 9), all);
    assert_eq!(deeds(None, 1), all[..1]);
    assert_eq!(deeds(f, 9), all[..1]);
    assert_eq!(tx.deed_count(environment, 2).unwrap(), 3);
    let [deed] = &*tx.deeds(environment, 1, f, 9).unwrap() else { panic!() };
    assert_eq!((&*deed.actor, deed.actor_name.as_deref()), ("t2", Some("ci")));
    assert_eq!((deed.before.as_deref(), &deed.after, deed.bytes()), (Some("{}"), &None, 2));
    drop(tx);

    // Searched: the latest first, whatever is looked for.
    let later = |at, actor, project, environment, object_key, action| AuditEntry {
        at: Timestamp::from_millis(at),
        actor,
        project,
        environment,
        object_key,
        action,
        ..ENTRY
    };
    write(writer, |tx| {
        for entry in [
            later(5_000, "t1", Some("b"), Some("eu"), "f", "flag.on"),
            later(5_000, "t1", Some("c"), Some("eu"), "g", "flag.on"),
            later(4_000, "t2", None, None, "t9", "token.create"),
        ] {
            tx.append_audit(&entry).unwrap();
        }
    });
    let tx = writer.begin().unwrap();
    let search = |filter: AuditFilter, limit, read| {
        let page = tx.audit(&filter, (limit, read, 1_000)).unwrap();
        (page.records.into_iter().map(|record| record.id).collect::<Vec<_>>(), page.next)
    };
    let all = |filter| search(filter, 99, 99).0;
    let none = AuditFilter::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(all(none()), [7, 6, 8, 5, 4, 3, 2, 1]);
    assert_eq!(all(AuditFilter { actor: text("t1"), ..none() }), [7, 6]);
    assert_eq!(all(AuditFilter { action: text("token.create"), ..none() }), [8]);
    assert_eq!(all(AuditFilter { project: text("c"), ..none() }), [7]);
    let eu = AuditFilter { project: text("b"), environment: text("eu"), ..none() };
    assert_eq!(all(eu.clone()), [6]);
    assert_eq!(all(AuditFilter { actor: text("t2"), ..eu }), [0; 0]);
    let object = |kind: Option<&str>| AuditFilter {
        object: Some((kind.map(str::to_owned), "f".to_owned())),
        ..none()
    };
    assert_eq!(all(object(None)), [6, 4, 3, 2, 1]);
    assert_eq!(all(object(Some("flag"))), [6, 3, 2, 1], "its states too");
    assert_eq!(all(object(Some("flag_state"))), [3]);
    let from = Timestamp::from_millis(4_000);
    assert_eq!(all(AuditFilter { from, ..none() }), [7, 6, 8]);
    let before = AuditPosition { at: from, id: 0 };
    assert_eq!(all(AuditFilter { before, ..none() }), [5, 4, 3, 2, 1]);
    // Pages go on where they ended, for whatever reason.
    let (mut found, mut filter) = (Vec::new(), none());
    loop {
        let (ids, next) = search(filter.clone(), 3, 99);
        found.push(ids);
        let Some(next) = next else { break };
        filter.before = next;
    }
    assert_eq!(found, [vec![7, 6, 8], vec![5, 4, 3], vec![2, 1]]);
    let rare = AuditFilter { project: text("b"), action: text("flag.on"), ..none() };
    let (ids, next) = search(rare.clone(), 9, 1);
    assert_eq!((ids, next.map(|next| next.id)), (vec![], Some(7)), "looked at one");
    assert_eq!(search(AuditFilter { before: next.unwrap(), ..rare }, 9, 9), (vec![6], None));
    let short = tx.audit(&none(), (9, 99, 1)).unwrap();
    assert_eq!((short.records.len(), short.next.unwrap().id), (1, 7));
}

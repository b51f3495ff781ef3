//! What every store does: one suite, run against each of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use flags_core::Timestamp;

use super::chain::{ChainHead, ERASED};
use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000);

/// Opens a store that is empty at first, and the same one again later.
pub(super) fn check(open: impl Fn() -> Box<dyn Store>) {
    let store = open();
    let epoch = store.view().unwrap().epoch().unwrap();
    let mut writer = store.writer().unwrap();
    assert!(store.writer().is_err(), "there is one writer");

    let environment = projects_and_environments(&*store, &mut *writer);
    flags_and_objects(&*store, &mut *writer, environment);
    archives(&mut *writer, environment);
    members(&*store, &mut *writer, environment);
    tenants(&*store, &mut *writer, environment);
    references(&mut *writer, environment);
    revisions_have_no_gaps(&mut *writer, environment);
    checkpoints(&*store, &mut *writer, environment);
    operations_are_rolled_back_alone(&mut *writer);
    views_show_one_state(&*store, &mut *writer);
    tokens(&*store, &mut *writer, environment);
    audit(&mut *writer, environment);
    chain(&*store, &mut *writer, environment);
    answers(&mut *writer);
    schedule(&*store, &mut *writer, environment);

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

fn object(kind: ObjectKind, key: &str, version: Revision, bytes: u64) -> StoredObject {
    let document = format!("{{\"of\":\"{key}\"}}");
    let members = MemberCounts::default();
    StoredObject { kind, key: key.into(), version, members, bytes, document }
}

fn flags_and_objects(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let project = store.view().unwrap().project("b").unwrap().unwrap().id;
    let flag =
        StoredFlag { key: "f.1".into(), version: 1, document: "{}".into(), archived_at: None };
    write(writer, |tx| {
        tx.put_flag(project, &flag).unwrap();
        tx.put_flag(project, &StoredFlag { version: 2, ..flag.clone() }).unwrap();
        for (key, bytes) in [("s1", 31), ("s2", 41)] {
            let segment = object(ObjectKind::Segment, key, 1, bytes);
            tx.put_object(environment, &segment, &[]).unwrap();
        }
        tx.put_object(environment, &object(ObjectKind::Segment, "s1", 2, 51), &[]).unwrap();
        tx.put_object(environment, &object(ObjectKind::Flag, "f.1", 1, 1), &[]).unwrap();
        tx.put_object(environment, &object(ObjectKind::Flag, "f2", 1, 1), &[]).unwrap();
    });
    let view = store.view().unwrap();
    assert_eq!(view.flag(project, "f.1").unwrap().unwrap().version, 2);
    assert_eq!(view.flags(project, &Page::ALL).unwrap().len(), 1);
    assert_eq!(view.key_like(Scope::Flags(project), "f_1").unwrap().unwrap(), "f.1");
    assert_eq!(view.count(Scope::Flags(project)).unwrap(), 1);
    let kind = ObjectKind::Segment;
    let s1 = object(kind, "s1", 2, 51);
    assert_eq!(view.object(environment, kind, "s1").unwrap(), Some(s1.clone()));
    assert_eq!(view.objects(environment, kind, &page("", 1)).unwrap(), [s1]);
    assert_eq!(view.objects(environment, kind, &page("s1", 9)).unwrap().len(), 1);
    assert_eq!(view.object(environment, ObjectKind::Flag, "s1").unwrap(), None);
    let scope = Scope::Objects(environment, kind);
    assert_eq!(view.count(scope).unwrap(), 2);
    assert_eq!(view.key_like(scope, "s2").unwrap().unwrap(), "s2");
    assert_eq!(view.definition_bytes(environment).unwrap(), 51 + 41 + 1 + 1);
}

fn tenants(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let tenant = |key: &str, version, document: &str| StoredTenant {
        key: key.into(),
        version,
        document: document.into(),
    };
    let counts = |tenants, bytes| TenantCounts { tenants, bytes };
    write(writer, |tx| {
        for (version, document) in [(1, "{}"), (2, "{\"a\":1}")] {
            for key in ["b", "ä", "B", "."] {
                tx.put_tenant(environment, &tenant(key, version, document)).unwrap();
            }
        }
        tx.delete_tenant(environment, ".").unwrap();
        assert!(tx.delete_tenant(environment, ".").is_err(), "it is not there");
        assert!(tx.tenant(environment, ".").unwrap().is_none());
    });
    let view = store.view().unwrap();
    let expected = ["B", "b", "ä"].map(|key| tenant(key, 2, "{\"a\":1}"));
    assert_eq!(view.tenants(environment, &Page::ALL).unwrap(), expected);
    assert_eq!(view.tenants(environment, &page("B", 1)).unwrap(), expected[1..2]);
    let first = expected[0].document.len();
    for (bytes, tenants) in [(0, 1), (first - 1, 1), (first, 2)] {
        let page = Page { bytes, ..Page::ALL };
        assert_eq!(view.tenants(environment, &page).unwrap(), expected[..tenants]);
    }
    assert_eq!(view.tenant(environment, "ä").unwrap().unwrap(), expected[2]);
    assert_eq!(view.tenant_counts(environment).unwrap(), counts(3, 4 + 3 * 7));
    let other = view.environments(None, &Page::ALL).unwrap();
    let other = other.into_iter().find(|other| other.id != environment).unwrap().id;
    assert_eq!(view.tenants(other, &Page::ALL).unwrap(), []);
    assert_eq!(view.tenant(other, "b").unwrap(), None);
    assert_eq!(view.tenant_counts(other).unwrap(), counts(0, 0));
}

fn archives(writer: &mut dyn Writer, environment: EnvironmentId) {
    let mut tx = writer.begin().unwrap();
    let present = Page { archived: false, ..Page::ALL };
    let project = tx.project("b").unwrap().unwrap().id;
    let flag = tx.flag(project, "f.1").unwrap().unwrap();
    let archived = StoredFlag { archived_at: Some(NOW), ..flag };
    tx.put_flag(project, &archived).unwrap();
    assert_eq!(tx.flags(project, &present).unwrap(), []);
    assert_eq!(tx.flags(project, &Page::ALL).unwrap(), std::slice::from_ref(&archived));
    assert_eq!(tx.flag(project, "f.1").unwrap(), Some(archived), "its key stays its own");
    tx.archive_environment(environment, Some(NOW)).unwrap();
    assert_eq!(tx.environments(Some(project), &present).unwrap(), []);
    let found = tx.environment(project, "eu").unwrap().unwrap();
    assert_eq!(found.archived_at, Some(NOW));
    tx.archive_environment(environment, None).unwrap();
    assert_eq!(tx.environments(Some(project), &present).unwrap().len(), 1);
    tx.archive_project(project, Some(NOW)).unwrap();
    assert_eq!(tx.projects(&present).unwrap().len(), 2);
    assert_eq!(tx.projects(&Page::ALL).unwrap().len(), 3);
    assert_eq!(tx.project("b").unwrap().unwrap().archived_at, Some(NOW));
    assert!(tx.archive_project(ProjectId(99), None).is_err());
}

fn members(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    use MemberList::{Excluded, Included};
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    let (ab, bcz) = (keys(&["b", "a"]), keys(&["b", "c", "\u{e4}"]));
    write(writer, |tx| {
        assert_eq!(tx.add_members(environment, "s1", Included, &ab).unwrap(), ["b", "a"]);
        assert_eq!(tx.add_members(environment, "s1", Included, &bcz).unwrap(), ["c", "\u{e4}"]);
        assert_eq!(tx.add_members(environment, "s1", Excluded, &ab).unwrap(), ["b", "a"]);
        assert_eq!(tx.remove_members(environment, "s1", Excluded, &bcz).unwrap(), ["b"]);
        assert_eq!(tx.add_members(environment, "s2", Included, &ab).unwrap().len(), 2);
        // The keys of a segment are not a part of what is put.
        let segment = object(ObjectKind::Segment, "s1", 3, 51);
        tx.put_object(environment, &segment, &[]).unwrap();
        tx.set_version(environment, ObjectKind::Segment, "s1", 4).unwrap();
        assert!(tx.set_version(environment, ObjectKind::Segment, "s9", 4).is_err());
    });
    let mut tx = writer.begin().unwrap();
    assert!(tx.add_members(environment, "s9", Included, &ab).is_err(), "there is no such segment");
    assert!(tx.add_members(environment, "f.1", Included, &ab).is_err(), "that is a flag");
    drop(tx);

    let view = store.view().unwrap();
    let listed = |list, page| view.members(environment, "s1", list, &page).unwrap();
    assert_eq!(listed(Included, Page::ALL), ["a", "b", "c", "\u{e4}"], "sorted by bytes");
    assert_eq!(listed(Included, page("a", 2)), ["b", "c"]);
    assert_eq!(listed(Excluded, Page::ALL), ["a"]);
    let has = |list, keys: &[String]| view.has_members(environment, "s1", list, keys).unwrap();
    assert!(has(Excluded, &ab) && !has(Excluded, &bcz) && !has(Excluded, &[]));
    let s1 = view.object(environment, ObjectKind::Segment, "s1").unwrap().unwrap();
    assert_eq!((s1.version, s1.bytes), (4, 51));
    assert_eq!(s1.members, MemberCounts { included: 4, excluded: 1, bytes: 6 });
    assert_eq!(view.objects(environment, ObjectKind::Segment, &Page::ALL).unwrap()[0], s1);
    let all = MemberCounts { included: 6, excluded: 1, bytes: 8 };
    assert_eq!(view.member_counts(environment).unwrap(), all);
    let mut seen = Vec::new();
    let mut visit = |segment: &str, list, key: &str| {
        seen.push(format!("{segment} {list:?} {key}"));
        Ok(())
    };
    view.each_member(environment, &mut visit).unwrap();
    let expected = ["s1 Included a", "s1 Included b", "s1 Included c", "s1 Included \u{e4}"];
    let expected = [&expected[..], &["s1 Excluded a", "s2 Included a", "s2 Included b"]].concat();
    assert_eq!(seen, expected);

    // They go with their segment.
    let mut tx = writer.begin().unwrap();
    tx.delete_object(environment, ObjectKind::Segment, "s1").unwrap();
    assert_eq!(tx.member_counts(environment).unwrap().keys(), 2);
    let segment = object(ObjectKind::Segment, "s1", 1, 1);
    tx.put_object(environment, &segment, &[]).unwrap();
    assert!(tx.members(environment, "s1", Included, &Page::ALL).unwrap().is_empty());
    tx.add_members(environment, "s1", Included, &ab).unwrap();
    // In parts: they were 5.
    let swept: Vec<bool> = (0..4).map(|_| tx.sweep(3).unwrap()).collect();
    assert_eq!(swept, [true, true, false, false]);
    assert_eq!(tx.members(environment, "s1", Included, &Page::ALL).unwrap(), ["a", "b"]);
    assert_eq!(tx.members(environment, "s2", Included, &Page::ALL).unwrap(), ["a", "b"]);
}

fn references(writer: &mut dyn Writer, environment: EnvironmentId) {
    let reference = |kind, key: &str, variants: &[&str]| Reference {
        kind,
        key: key.into(),
        variants: variants.iter().map(|variant| (*variant).into()).collect(),
    };
    write(writer, |tx| {
        let needs = [
            reference(ObjectKind::Flag, "f2", &["on", "dark"]),
            reference(ObjectKind::Segment, "s1", &[]),
        ];
        tx.put_object(environment, &object(ObjectKind::Flag, "f.1", 2, 0), &needs).unwrap();
        let referrer = Referrer { flag: "f.1".into(), variants: vec!["on".into(), "dark".into()] };
        assert_eq!(tx.referrers(environment, ObjectKind::Flag, "f2").unwrap(), [referrer]);
        assert_eq!(tx.referrers(environment, ObjectKind::Segment, "s1").unwrap().len(), 1);
        assert_eq!(tx.prerequisites(environment).unwrap(), [("f.1".into(), "f2".into())]);
    });
    // The store itself keeps references whole.
    let mut tx = writer.begin().unwrap();
    assert!(tx.delete_object(environment, ObjectKind::Segment, "s1").is_err());
    let dangling = [reference(ObjectKind::Flag, "f3", &[])];
    let flag = object(ObjectKind::Flag, "f2", 2, 0);
    assert!(tx.put_object(environment, &flag, &dangling).is_err());
    drop(tx);
    // At the latest when it is committed.
    let mut tx = writer.begin().unwrap();
    tx.defer_references().unwrap();
    tx.delete_object(environment, ObjectKind::Segment, "s1").unwrap();
    assert!(tx.commit().is_err());
    // They are replaced with the object, and go with it.
    write(writer, |tx| {
        let needs = [reference(ObjectKind::Segment, "s2", &[])];
        tx.put_object(environment, &object(ObjectKind::Flag, "f.1", 3, 0), &needs).unwrap();
        assert_eq!(tx.prerequisites(environment).unwrap(), []);
        tx.delete_object(environment, ObjectKind::Segment, "s1").unwrap();
        tx.delete_object(environment, ObjectKind::Flag, "f.1").unwrap();
        tx.delete_object(environment, ObjectKind::Segment, "s2").unwrap();
        assert!(tx.delete_object(environment, ObjectKind::Segment, "s2").is_err());
    });
}

fn change(revision: Revision) -> LoggedChange {
    LoggedChange { revision, change: format!("{{\"revision\":{revision}}}"), resets: false }
}

fn revisions_have_no_gaps(writer: &mut dyn Writer, environment: EnvironmentId) {
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

fn operations_are_rolled_back_alone(writer: &mut dyn Writer) {
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

fn views_show_one_state(store: &dyn Store, writer: &mut dyn Writer) {
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

fn tokens(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let secret = |byte, ends_at| StoredSecret { hash: [byte; 32], ends_at };
    let token = |id: &str, kind, byte| StoredToken {
        id: id.into(),
        name: "ci".into(),
        kind,
        secrets: vec![secret(byte, None)],
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    let grant = |role, reach| Grant { role, reach };
    let place = |project: &str, environment: Option<&str>| Place {
        project: project.into(),
        environment: environment.map(str::to_owned),
    };
    let admin = token("t2", TokenKind::Service(grant(Role::Admin, Reach::Everything)), 2);
    let sdk = token("t1", TokenKind::Sdk(environment, Tenants::None), 1);
    let reach = Reach::Only(vec![place("b", Some("eu")), place("c", None)]);
    let limited = TokenKind::Personal(grant(Role::Viewer, reach));
    let limited =
        StoredToken { expires_at: Some(Timestamp::from_millis(5_000)), ..token("t3", limited, 3) };
    let nowhere = TokenKind::Personal(grant(Role::Editor, Reach::Only(Vec::new())));
    let nowhere = token("t4", nowhere, 4);
    write(writer, |tx| {
        for token in [&admin, &sdk, &limited, &nowhere] {
            tx.insert_token(token).unwrap();
        }
        tx.revoke_token("t1", NOW).unwrap();
        assert!(tx.revoke_token("t9", NOW).is_err());
        tx.use_token("t2", NOW).unwrap();
        assert!(tx.use_token("t9", NOW).is_err());
    });
    let refused = |writer: &mut dyn Writer, kind, byte| {
        assert!(writer.begin().unwrap().insert_token(&token("t9", kind, byte)).is_err());
    };
    // A secret opens one token.
    refused(writer, TokenKind::Sdk(environment, Tenants::All), 2);
    for (project, environment) in [("x", None), ("b", Some("x"))] {
        let reach = Reach::Only(vec![place(project, environment)]);
        refused(writer, TokenKind::Service(grant(Role::Viewer, reach)), 9);
    }
    let view = store.view().unwrap();
    let sdk = StoredToken { revoked_at: Some(NOW), ..sdk };
    let admin = StoredToken { last_used_at: Some(NOW), ..admin };
    let all = [sdk, admin.clone(), limited.clone(), nowhere];
    assert_eq!(view.tokens(&Page::ALL).unwrap(), all);
    assert_eq!(view.tokens(&page("t1", 1)).unwrap(), std::slice::from_ref(&admin));
    assert_eq!(view.token("t2").unwrap(), Some(admin));
    assert_eq!(view.token("t9").unwrap(), None);
    for millis in [4_999, 5_000] {
        let now = Timestamp::from_millis(millis);
        let live = view.tokens(&Page::ALL).unwrap().iter().filter(|t| t.is_live(now)).count();
        assert_eq!(view.live_tokens(now).unwrap(), live as u64, "{millis}");
    }
    assert_eq!(view.live_tokens(NOW).unwrap(), 3);

    let later = Timestamp::from_millis(3_000);
    let secrets = [secret(9, None), secret(8, Some(later)), secret(3, Some(NOW))];
    write(writer, |tx| {
        tx.put_secrets("t3", &secrets).unwrap();
        assert!(tx.put_secrets("t9", &secrets).is_err(), "there is no such token");
    });
    let found = store.view().unwrap().token("t3").unwrap().unwrap();
    assert_eq!(found, StoredToken { secrets: secrets.into(), ..limited });
}

fn answers(writer: &mut dyn Writer) {
    let answer = |at, byte| StoredAnswer {
        fingerprint: [byte; 32],
        at: Timestamp::from_millis(at),
        status: 201,
        headers: vec![("etag".into(), "\"7\"".into())],
        body: vec![byte, 0, 255],
    };
    write(writer, |tx| {
        assert_eq!(tx.answer(&[1; 32]).unwrap(), None);
        for (key, at) in [(1, 10), (2, 20), (3, 30), (4, 40)] {
            tx.put_answer(&[key; 32], &answer(at, key)).unwrap();
        }
        tx.put_answer(&[2; 32], &answer(25, 9)).unwrap();
        assert_eq!(tx.answer(&[2; 32]).unwrap(), Some(answer(25, 9)));
        // The oldest first, and not more than that.
        tx.forget_answers(Timestamp::from_millis(30), 2).unwrap();
        assert_eq!(tx.answer(&[1; 32]).unwrap(), None);
        assert_eq!(tx.answer(&[2; 32]).unwrap(), None);
        tx.forget_answers(Timestamp::from_millis(30), 2).unwrap();
        assert_eq!(tx.answer(&[3; 32]).unwrap(), None);
        assert_eq!(tx.answer(&[4; 32]).unwrap(), Some(answer(40, 4)));
        let said = |key| ([key; 32], StoredAnswer { body: b"\"a, b\"".into(), ..answer(50, key) });
        for key in [7, 5, 6] {
            tx.put_answer(&[key; 32], &said(key).1).unwrap();
        }
        assert_eq!(tx.answers_with("etag", &[], 9).unwrap(), [], "that is a header");
        assert_eq!(tx.answers_with("a, b", &[], 2).unwrap(), [said(5), said(6)]);
        assert_eq!(tx.answers_with("a, b", &[6; 32], 2).unwrap(), [said(7)]);
    });
}

fn schedule(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let at = Timestamp::from_millis;
    let change = |id: &str, millis, state, body: Option<&str>| ScheduledChange {
        id: id.to_owned(),
        environment,
        at: at(millis),
        state,
        version: 1,
        action: "flag_state.on".into(),
        key: "f".into(),
        if_version: Some(3),
        body: body.map(str::to_owned),
        actor: "t1".into(),
        actor_name: "ana".into(),
        reason: Some("launch".into()),
        created_at: NOW,
        ended_at: None,
        revision: None,
        problem: None,
    };
    let late = change("a", 30, ScheduleState::Open, Some("{\"x\":\"\u{e4}\"}"));
    let early = change("c", 20, ScheduleState::Open, None);
    write(writer, |tx| {
        assert_eq!(tx.next_scheduled().unwrap(), None);
        for change in [&late, &change("b", 20, ScheduleState::Cancelled, Some("12345")), &early] {
            tx.put_scheduled(change).unwrap();
        }
        let next = tx.next_scheduled().unwrap().unwrap();
        assert_eq!((&*next.project, &*next.environment, &next.change), ("b", "eu", &early));
        assert_eq!(tx.open_scheduled(environment).unwrap(), (2, 10));
    });
    let done = ScheduledChange {
        state: ScheduleState::Done,
        version: 2,
        ended_at: Some(at(21)),
        revision: Some(2),
        ..early
    };
    write(writer, |tx| tx.put_scheduled(&done).unwrap());
    let failed = ScheduledChange {
        state: ScheduleState::Failed,
        problem: Some("{}".into()),
        ..change("d", 5, ScheduleState::Open, None)
    };
    write(writer, |tx| tx.put_scheduled(&failed).unwrap());
    write(writer, |tx| {
        let again = ScheduledChange { id: "e".into(), ..done.clone() };
        tx.begin_operation().unwrap();
        assert!(tx.put_scheduled(&again).is_err(), "a revision is made once");
        tx.roll_back_operation().unwrap();
    });
    let view = store.view().unwrap();
    assert_eq!(view.scheduled(environment, "a").unwrap(), Some(late.clone()));
    assert_eq!(view.scheduled(environment, "c").unwrap(), Some(done));
    assert_eq!(view.scheduled(environment, "d").unwrap(), Some(failed));
    assert_eq!(view.scheduled(EnvironmentId(environment.0 + 1), "a").unwrap(), None);
    assert_eq!(view.next_scheduled().unwrap().unwrap().change, late);
    assert_eq!(view.made_by_schedule(environment, 2).unwrap().as_deref(), Some("c"));
    assert_eq!(view.made_by_schedule(environment, 1).unwrap(), None);
    let ids = |state, after: Option<(i64, &str)>, limit| {
        let after = after.map(|(millis, id)| (at(millis), id.to_owned()));
        let found = view.schedule(environment, &ScheduleFilter { state, after, limit }).unwrap();
        assert!(found.iter().all(|change| change.body.is_none()));
        found.into_iter().map(|change| change.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None, 9), ["d", "b", "c", "a"]);
    assert_eq!(ids(None, Some((20, "b")), 1), ["c"]);
    assert_eq!(ids(Some(ScheduleState::Open), None, 9), ["a"]);
    let quoted = ScheduledChange {
        reason: Some("for \"ada\"".into()),
        problem: Some(r#"{"detail":"not \"grace\""}"#.into()),
        ..change("f", 1, ScheduleState::Failed, Some(r#"{"keys":["\"bob\""]}"#))
    };
    write(writer, |tx| tx.put_scheduled(&quoted).unwrap());
    let view = store.view().unwrap();
    let with = |text, state, after, limit| {
        let found = view.scheduled_with(environment, text, state, after, limit).unwrap();
        found.into_iter().map(|change| change.id).collect::<Vec<_>>()
    };
    for text in ["\"ada\"", "\"grace\"", "\"bob\""] {
        assert_eq!(with(text, None, "", 9), ["f"], "{text}");
    }
    assert_eq!(with("\u{e4}", None, "", 9), ["a"]);
    assert_eq!(with("launch", None, "", 2), ["a", "b"]);
    assert_eq!(with("launch", None, "b", 9), ["c", "d"]);
    assert_eq!(with("launch", Some(ScheduleState::Cancelled), "", 9), ["b"]);
    assert_eq!(view.scheduled_with(environment, "bob", None, "", 9).unwrap(), [quoted]);
    let other = EnvironmentId(environment.0 + 1);
    assert_eq!(view.scheduled_with(other, "launch", None, "", 9).unwrap(), []);
    assert_eq!(view.open_schedule().unwrap(), (1, Some(at(30))));
    assert_eq!(view.ended_scheduled(at(21)).unwrap(), 0);
    assert_eq!(view.ended_scheduled(at(22)).unwrap(), 1);
    write(writer, |tx| tx.cut_schedule(at(22)).unwrap());
    let view = store.view().unwrap();
    assert_eq!(view.scheduled(environment, "c").unwrap(), None);
    let all = ScheduleFilter { state: None, after: None, limit: 9 };
    assert_eq!(view.schedule(environment, &all).unwrap().len(), 4);
    assert_eq!(view.ended_scheduled(at(22)).unwrap(), 0);
}

fn chain(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let rows = |after, limit| store.view().unwrap().audit_rows(after, limit).unwrap();
    let follow_all = || {
        let mut head = ChainHead::default();
        for row in rows(0, 99) {
            head.follow(&row).unwrap();
        }
        head
    };
    let last = follow_all().id;
    let entry = AuditEntry {
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
        revisions: "{\"eu\": 1}",
    };
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

fn checkpoints(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
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

fn audit(writer: &mut dyn Writer, environment: EnvironmentId) {
    let entry = AuditEntry {
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
    write(writer, |tx| {
        tx.append_audit(&entry).unwrap();
        for (kind, key, revisions) in [
            ("flag", "f", "{\"eu\": 1, \"unknown\": 1}"),
            ("flag_state", "f", "{\"eu\": 2}"),
            ("segment", "f", "{\"eu\": 2}"),
            ("flag_state", "g", "{\"eu\": 2}"),
        ] {
            let entry =
                AuditEntry { object_kind: kind, object_key: key, revisions, ..entry.clone() };
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
        ..entry.clone()
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

//! States of flags, segments, tenants, and what they need of each other.

use super::*;

pub(super) fn object(kind: ObjectKind, key: &str, version: Revision, bytes: u64) -> StoredObject {
    let document = format!("{{\"of\":\"{key}\"}}");
    let members = MemberCounts::default();
    StoredObject { kind, key: key.into(), version, members, bytes, document }
}

pub(super) fn flags_and_objects(
    store: &dyn Store,
    writer: &mut dyn Writer,
    environment: EnvironmentId,
) {
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

pub(super) fn tenants(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let tenant = |key: &str, version, document: &str| StoredTenant {
        key: key.into(),
        version,
        document: document.into(),
        notes: None,
    };
    let counts = |tenants, bytes| TenantCounts { tenants, bytes };
    write(writer, |tx| {
        for (version, document) in [(1, "{}"), (2, "{\"a\":1}")] {
            for key in ["b", "ä", "B", "."] {
                tx.put_tenant(environment, &tenant(key, version, document), &[]).unwrap();
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

pub(super) fn contracts(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let tenant = |key: &str, notes: Option<&str>| StoredTenant {
        key: key.into(),
        version: 1,
        document: "{}".into(),
        notes: notes.map(str::to_owned),
    };
    let reference = |kind, key: &str, version| TenantReference {
        kind,
        key: key.into(),
        version,
        is_own: false,
    };
    let (pro, more) = ((ObjectKind::Plan, "pro"), (ObjectKind::Addon, "more"));
    let of = |view: &dyn View, (kind, key): (ObjectKind, &str), version, limit| {
        view.tenants_that_name(environment, (kind, key, version), limit).unwrap()
    };
    let mut before = TenantCounts::default();
    write(writer, |tx| {
        before = tx.tenant_counts(environment).unwrap();
        for (kind, key) in [pro, more] {
            tx.put_object(environment, &object(kind, key, 1, 1), &[]).unwrap();
        }
        let both = [reference(pro.0, pro.1, 1), reference(pro.0, pro.1, 2)];
        tx.put_tenant(environment, &tenant("t1", Some("{}")), &both).unwrap();
        let second = [reference(pro.0, pro.1, 2), reference(more.0, more.1, 0)];
        tx.put_tenant(environment, &tenant("t2", None), &second).unwrap();
    });
    let view = store.view().unwrap();
    assert_eq!(view.tenant(environment, "t1").unwrap(), Some(tenant("t1", Some("{}"))));
    let excepted = |page: &Page| view.tenants_with_overrides(environment, page).unwrap();
    assert_eq!(excepted(&Page::ALL), [tenant("t1", Some("{}"))]);
    assert_eq!(excepted(&page("t1", 9)), []);
    assert_eq!(excepted(&page("t", 0)), []);
    let after = view.tenant_counts(environment).unwrap();
    assert_eq!((after.tenants - before.tenants, after.bytes - before.bytes), (2, 2 * 2 + 3 * 2));
    let names = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    assert_eq!(of(&*view, pro, None, 9), names(&["t1", "t2"]));
    assert_eq!(of(&*view, pro, Some(2), 1), names(&["t1"]));
    assert_eq!(of(&*view, pro, Some(1), 9), names(&["t1"]));
    assert_eq!(of(&*view, more, None, 9), names(&["t2"]));
    assert_eq!(of(&*view, (ObjectKind::Addon, "pro"), None, 9), names(&[]));
    // The store itself keeps what they name.
    let mut tx = writer.begin().unwrap();
    assert!(tx.delete_object(environment, pro.0, pro.1).is_err());
    let dangling = [reference(ObjectKind::Feature, "none", 0)];
    assert!(tx.put_tenant(environment, &tenant("t1", None), &dangling).is_err());
    drop(tx);
    // It is named anew with each write, and not by who is gone.
    write(writer, |tx| {
        tx.put_tenant(environment, &tenant("t1", None), &[]).unwrap();
        tx.delete_tenant(environment, "t2").unwrap();
        for (kind, key) in [pro, more] {
            tx.delete_object(environment, kind, key).unwrap();
        }
        tx.delete_tenant(environment, "t1").unwrap();
        assert_eq!(tx.tenant_counts(environment).unwrap(), before);
    });
}

pub(super) fn archives(writer: &mut dyn Writer, environment: EnvironmentId) {
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

pub(super) fn members(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
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

pub(super) fn references(writer: &mut dyn Writer, environment: EnvironmentId) {
    let reference = |kind, key: &str, names: &[&str]| Reference {
        kind,
        key: key.into(),
        names: names.iter().map(|name| (*name).into()).collect(),
    };
    write(writer, |tx| {
        let needs = [
            reference(ObjectKind::Flag, "f2", &["on", "dark"]),
            reference(ObjectKind::Segment, "s1", &[]),
        ];
        tx.put_object(environment, &object(ObjectKind::Flag, "f.1", 2, 0), &needs).unwrap();
        let names = vec!["on".into(), "dark".into()];
        let referrer = Referrer { kind: ObjectKind::Flag, key: "f.1".into(), names };
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

//! Who has a plan.

use super::objects::object;
use super::*;

/// Who has a plan, and who only tries it.
pub(super) fn tenants(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let tenant = |key: &str| StoredTenant {
        key: key.into(),
        version: 1,
        document: "{}".into(),
        notes: None,
    };
    let plan = |key: &str, version, is_own| TenantReference {
        kind: ObjectKind::Plan,
        key: key.into(),
        version,
        is_own,
    };
    let of = |view: &dyn View, plan: &str, versions, after, limit| -> (Vec<(u32, String)>, u64) {
        let of = PlanVersions { plan, versions };
        let tenants = view.tenants_on(environment, &of, after, limit).unwrap();
        let keys = tenants.into_iter().map(|(version, tenant)| (version, tenant.key)).collect();
        (keys, view.count_on(environment, &of).unwrap())
    };
    let found = |keys: &[(u32, &str)], count| -> (Vec<(u32, String)>, u64) {
        (keys.iter().map(|(version, key)| (*version, (*key).to_owned())).collect(), count)
    };
    write(writer, |tx| {
        for key in ["pro", "max"] {
            tx.put_object(environment, &object(ObjectKind::Plan, key, 1, 1), &[]).unwrap();
        }
        for (key, references) in [
            ("c", vec![plan("pro", 1, true)]),
            ("ä", vec![plan("max", 7, false), plan("pro", 1, true)]),
            ("b", vec![plan("pro", 3, true)]),
            ("a", vec![plan("pro", 2, true)]),
            ("d", vec![plan("max", 1, true), plan("pro", 2, false)]),
            ("e", vec![]),
        ] {
            tx.put_tenant(environment, &tenant(key), &references).unwrap();
        }
    });
    let view = store.view().unwrap();
    assert_eq!(
        of(&*view, "pro", 0..=u32::MAX, None, 9),
        found(&[(1, "c"), (1, "ä"), (2, "a"), (3, "b")], 4)
    );
    assert_eq!(of(&*view, "pro", 0..=u32::MAX, Some((1, "ä")), 1), found(&[(2, "a")], 4));
    assert_eq!(of(&*view, "pro", 1..=1, Some((1, "c")), 9), found(&[(1, "ä")], 2));
    assert_eq!(of(&*view, "pro", 2..=2, None, 9), found(&[(2, "a")], 1));
    assert_eq!(of(&*view, "pro", 2..=u32::MAX, None, 1), found(&[(2, "a")], 2));
    assert_eq!(of(&*view, "max", 0..=u32::MAX, None, 9), found(&[(1, "d")], 1));
    assert_eq!(of(&*view, "none", 0..=u32::MAX, None, 9), found(&[], 0));
    let elsewhere = EnvironmentId(environment.0 + 1);
    let pro = PlanVersions { plan: "pro", versions: 0..=u32::MAX };
    assert_eq!(view.tenants_on(elsewhere, &pro, None, 9).unwrap(), []);
    assert_eq!(view.count_on(elsewhere, &pro).unwrap(), 0);
    drop(view);
    write(writer, |tx| {
        tx.put_tenant(environment, &tenant("c"), &[plan("pro", 3, true)]).unwrap();
        tx.put_tenant(environment, &tenant("ä"), &[plan("pro", 1, false)]).unwrap();
        assert_eq!(of(&*tx, "pro", 1..=1, None, 9), found(&[], 0));
        assert_eq!(of(&*tx, "pro", 3..=3, None, 9), found(&[(3, "b"), (3, "c")], 2));
        for key in ["a", "b", "c", "d", "e", "ä"] {
            tx.delete_tenant(environment, key).unwrap();
        }
        assert_eq!(of(&*tx, "pro", 0..=u32::MAX, None, 9), found(&[], 0));
        for key in ["pro", "max"] {
            tx.delete_object(environment, ObjectKind::Plan, key).unwrap();
        }
    });
}

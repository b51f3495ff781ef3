//! What tenants use of their limits.

use super::*;

pub(super) fn seats(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
    let at = Timestamp::from_millis;
    let tenant = |key: &str| StoredTenant {
        key: key.into(),
        version: 1,
        document: "{}".into(),
        notes: None,
    };
    let of = |tenant: &str, feature: &str, counter| Counted {
        tenant: tenant.into(),
        feature: feature.into(),
        counter,
    };
    let stored = |of, used, millis, level| StoredUse { of, used, at: at(millis), level };
    let crossing = |of: &Counted, threshold| Crossing {
        id: 0,
        of: of.clone(),
        threshold,
        used: 4,
        limit: 5,
        at: at(4),
    };
    let (seats, usage) = (of("s1", "seats", Counter::Seats), of("s1", "api", Counter::Usage));
    let other = of("s2", "seats", Counter::Seats);
    write(writer, |tx| {
        for key in ["s1", "s2"] {
            tx.put_tenant(environment, &tenant(key), &[]).unwrap();
        }
        for (millis, user) in ["b", "ä", "a"].into_iter().enumerate() {
            let millis = i64::try_from(millis).unwrap();
            tx.assign_seat(environment, ["s1", "seats", user], at(millis)).unwrap();
        }
        tx.assign_seat(environment, ["s2", "seats", "a"], at(7)).unwrap();
        tx.put_usage(environment, ["s1", "api"], 7, at(5)).unwrap();
        tx.set_level(environment, &usage, 95).unwrap();
        tx.put_usage(environment, ["s1", "api"], 9, at(6)).unwrap();
        for threshold in [80, 95] {
            tx.add_crossing(environment, &crossing(&seats, threshold)).unwrap();
        }
        tx.add_crossing(environment, &crossing(&other, 80)).unwrap();
        assert_eq!(tx.seat_count(environment).unwrap(), 4);
    });
    for refused in ["a", "nobody"] {
        write(writer, |tx| {
            tx.begin_operation().unwrap();
            let seat = ["s1", "seats", refused];
            let outcome = match refused {
                "a" => tx.assign_seat(environment, seat, at(9)),
                _ => tx.release_seat(environment, seat, at(9)),
            };
            assert!(outcome.is_err(), "{refused}");
            tx.roll_back_operation().unwrap();
        });
    }
    let view = store.view().unwrap();
    assert_eq!(view.seat(environment, "s1", "seats", "ä").unwrap(), Some(at(1)));
    assert_eq!(view.seat(environment, "s1", "seats", "c").unwrap(), None);
    let listed = |page: &Page| view.seats(environment, "s1", "seats", page).unwrap();
    let users = |page: &Page| listed(page).into_iter().map(|seat| seat.user).collect::<Vec<_>>();
    assert_eq!(users(&Page::ALL), ["a", "b", "ä"]);
    assert_eq!(users(&page("a", 1)), ["b"]);
    assert_eq!(listed(&page("", 1))[0].assigned_at, at(2));
    let places = view.seats_of_user(environment, "a").unwrap();
    assert_eq!(places, [("s1", "seats"), ("s2", "seats")].map(|(t, f)| (t.into(), f.into())));
    let expected = [
        stored(usage.clone(), 9, 6, 95),
        stored(seats.clone(), 3, 2, 0),
        stored(other.clone(), 1, 7, 0),
    ];
    assert_eq!(view.used(environment, &seats).unwrap().unwrap(), expected[1]);
    assert_eq!(view.used(environment, &of("s1", "seats", Counter::Usage)).unwrap(), None);
    assert_eq!(view.used_by(environment, "s1").unwrap(), expected[..2]);
    assert_eq!(view.uses(environment, None, 9).unwrap(), expected);
    assert_eq!(view.uses(environment, Some(&usage), 1).unwrap(), expected[1..2]);
    assert_eq!(view.tenants_that_use(environment, "seats", 9).unwrap(), ["s1", "s2"]);
    assert_eq!(view.tenants_that_use(environment, "seats", 1).unwrap(), ["s1"]);
    let crossings = view.crossings(environment, 0, 9).unwrap();
    let told: Vec<_> = crossings.iter().map(|one| (&*one.of.tenant, one.threshold)).collect();
    assert_eq!(told, [("s1", 80), ("s1", 95), ("s2", 80)]);
    assert!(crossings.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(view.crossings(environment, crossings[0].id, 1).unwrap(), crossings[1..2]);
    assert_eq!(view.damage().unwrap(), []);
    let elsewhere = EnvironmentId(environment.0 + 1);
    assert_eq!(view.seat_count(elsewhere).unwrap(), 0);
    assert_eq!(view.seats(elsewhere, "s1", "seats", &Page::ALL).unwrap(), []);
    assert_eq!(view.uses(elsewhere, None, 9).unwrap(), []);
    assert_eq!(view.crossings(elsewhere, 0, 9).unwrap(), []);
    drop(view);

    write(writer, |tx| {
        tx.release_seat(environment, ["s2", "seats", "a"], at(9)).unwrap();
        assert_eq!(tx.used(environment, &other).unwrap(), None, "the last one");
        tx.forget_crossings(at(3), 9).unwrap();
        assert_eq!(tx.crossings(environment, 0, 9).unwrap().len(), 3, "they are newer");
        tx.forget_crossings(at(4), 1).unwrap();
        assert_eq!(tx.crossings(environment, 0, 9).unwrap(), crossings[1..]);
        tx.put_tenant(environment, &tenant("s1"), &[]).unwrap();
        assert_eq!(tx.seat_count(environment).unwrap(), 3, "another contract takes none");
        tx.delete_tenant(environment, "s1").unwrap();
        assert_eq!(tx.seat_count(environment).unwrap(), 0);
        assert_eq!(tx.uses(environment, None, 9).unwrap(), []);
        assert_eq!(tx.crossings(environment, 0, 9).unwrap(), crossings[2..]);
        tx.delete_tenant(environment, "s2").unwrap();
    });
    assert_eq!(store.view().unwrap().damage().unwrap(), []);
}

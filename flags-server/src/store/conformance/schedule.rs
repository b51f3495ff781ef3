//! Changes that are to be made at a time.

use super::*;

pub(super) fn schedule(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
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

//! Tokens, and answers that are given again.

use super::*;

pub(super) fn tokens(store: &dyn Store, writer: &mut dyn Writer, environment: EnvironmentId) {
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

pub(super) fn answers(writer: &mut dyn Writer) {
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

//! Databases of every earlier version of the schema, with something in them, opened by this one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use flags_core::{Epoch, Timestamp};
use rusqlite::Connection;

use super::{SqliteStore, audit, claim, connect, migrations};
use crate::database::damage_after_upgrade;
use crate::store::chain::ChainHead;
use crate::store::{
    EnvironmentId, Grant, MemberList, ObjectKind, Page, PlanVersions, ScheduleFilter,
    ScheduleState, Store, View,
};

/// Rows of the audit log of a fixture: more than are chained at once.
const AUDIT_ROWS: i64 = 2_345;

fn versions() -> Vec<i32> {
    let runner = migrations::migrations::runner();
    let mut versions: Vec<i32> =
        runner.get_migrations().iter().map(|migration| migration.version()).collect();
    // They come sorted by name.
    versions.sort_unstable();
    versions
}

/// A database as a server of that version left it.
fn create(path: &Path, version: i32) -> Connection {
    let mut connection = connect(path).unwrap();
    claim(&connection).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    let target = refinery::Target::Version(version);
    migrations::migrations::runner().set_target(target).run(&mut connection).unwrap();
    let lists = match version {
        1 => {
            "INSERT INTO object VALUES (1, 'segment', 's', 's', 1, 2, 33,
                 '{\"kind\":\"tenant\",\"included\":[\"a\"],\"excluded\":[\"b\"],\"when\":null}');"
        }
        _ => {
            "INSERT INTO object (environment_id, kind, key, folded, version, included, excluded,
                 member_bytes, bytes, document)
             VALUES (1, 'segment', 's', 's', 1, 1, 1, 2, 33, '{\"kind\":\"tenant\",\"when\":null}');
             UPDATE environment SET included = 1, excluded = 1, member_bytes = 2;"
        }
    };
    let members = match version {
        1 => "",
        2..=4 => {
            "INSERT INTO segment_member (environment_id, segment, excluded, key)
             VALUES (1, 's', 0, 'a'), (1, 's', 1, 'b');"
        }
        _ => {
            "INSERT INTO member_list (id, environment_id, segment) VALUES (1, 1, 's');
             INSERT INTO member (list_id, excluded, key) VALUES (1, 0, 'a'), (1, 1, 'b');"
        }
    };
    let tokens = match version {
        1 | 2 => {
            "INSERT INTO token (id, name, kind, hash, created_at)
                 VALUES ('t', 'n', 'admin', zeroblob(32), 0);"
        }
        _ => {
            "INSERT INTO token (id, name, kind, role, created_at)
                 VALUES ('t', 'n', 'service', 'admin', 0);
             INSERT INTO token_secret (hash, token_id) VALUES (zeroblob(32), 't');"
        }
    };
    let (name_column, name) = if version >= 3 { (", actor_name", ", 'n'") } else { ("", "") };
    connection
        .execute_batch(&format!(
            "INSERT INTO meta (id, epoch, created_at) VALUES (1, 'e', 0);
             INSERT INTO project (id, key, folded, name, created_at) VALUES (1, 'p', 'p', 'P', 0);
             INSERT INTO environment (id, project_id, key, folded, name, revision,
                 definition_bytes, created_at) VALUES (1, 1, 'a', 'a', 'A', 1, 33, 0);
             INSERT INTO flag (project_id, key, folded, version, document)
                 VALUES (1, 'f', 'f', 1, '{{}}');
             INSERT INTO change_log (environment_id, revision, change, committed_at)
                 VALUES (1, 1, '{{}}', 0);
             {tokens}
             {lists}
             {members}
             WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {AUDIT_ROWS})
             INSERT INTO audit (id, at, actor, request_id, action, project, object_kind, object_key,
                 reason, before, after, revisions{name_column})
             SELECT id, id, 't', 'r', 'flag.off', 'p', 'flag', 'f' || id,
                 CASE WHEN id % 2 THEN 'why' END, '{{\"n\":' || id || '}}', NULL,
                 iif(id = 7, '{{\"a\":1}}', '{{}}'){name} FROM n;"
        ))
        .unwrap();
    if version >= 4 {
        connection.execute("INSERT INTO deed VALUES (1, 1, 7, 'flag', 'f7')", ()).unwrap();
        let answer =
            "INSERT INTO answer VALUES (zeroblob(32), zeroblob(32), 0, 201, '[]', zeroblob(1))";
        connection.execute(answer, ()).unwrap();
    }
    if version >= 5 {
        // From this version on, a row is chained when it is written.
        audit::chain_old_rows(&mut connection).unwrap();
    }
    if version >= 8 {
        let tenant = "INSERT INTO tenant (environment_id, key, version, document)
             VALUES (1, 'acme', 1, '{\"attributes\":{}}')";
        connection.execute(tenant, ()).unwrap();
        let counted = "UPDATE environment SET tenants = 1, tenant_bytes = 21";
        connection.execute(counted, ()).unwrap();
    }
    if version >= 9 {
        // One that has a plan, and one that only tries it.
        connection
            .execute_batch(
                r#"INSERT INTO object (environment_id, kind, key, folded, version, included, excluded,
                       member_bytes, bytes, document)
                   VALUES (1, 'plan', 'pro', 'pro', 1, 0, 0, 0, 2, '{}');
                   INSERT INTO tenant (environment_id, key, version, document)
                   VALUES (1, 'globex', 1, '{"plan":"pro","plan_version":2}'),
                          (1, 'hooli', 1, '{"trial":{"plan":"pro","plan_version":2}}');
                   INSERT INTO tenant_reference VALUES (1, 'globex', 'plan', 'pro', 2),
                          (1, 'hooli', 'plan', 'pro', 2);
                   UPDATE environment SET definition_bytes = 35, tenants = 3, tenant_bytes = 104"#,
            )
            .unwrap();
    }
    if version >= 7 {
        let scheduled = "INSERT INTO scheduled_change (id, environment_id, at, state, version,
                 action, key, body, actor, actor_name, created_at)
             VALUES ('c', 1, 5, 'open', 1, 'flag.off', 'f', NULL, 't', 'n', 0)";
        connection.execute(scheduled, ()).unwrap();
    }
    connection
}

fn verify(view: &dyn View) -> ChainHead {
    let mut head = ChainHead::default();
    loop {
        let rows = view.audit_rows(head.id, 500).unwrap();
        if rows.is_empty() {
            return head;
        }
        for row in rows {
            head.follow(&row).unwrap();
        }
    }
}

#[test]
fn what_earlier_versions_stored_stays() {
    let versions = versions();
    let latest = *versions.last().unwrap();
    for version in versions.into_iter().filter(|version| *version < latest) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flags.db");
        drop(create(&path, version));

        let store = SqliteStore::open(&path, Timestamp::from_millis(9)).unwrap();
        let view = store.view().unwrap();
        assert_eq!(view.epoch().unwrap(), Epoch::new("e"), "from version {version}");
        let environment = view.environments(None, &Page::ALL).unwrap().remove(0);
        assert_eq!((&*environment.key, environment.revision), ("a", 1));
        let id = EnvironmentId(1);
        assert_eq!(view.flags(crate::store::ProjectId(1), &Page::ALL).unwrap().len(), 1);
        assert_eq!(view.members(id, "s", MemberList::Included, &Page::ALL).unwrap(), ["a"]);
        assert_eq!(view.members(id, "s", MemberList::Excluded, &Page::ALL).unwrap(), ["b"]);
        let segment = view.object(id, ObjectKind::Segment, "s").unwrap().unwrap();
        assert_eq!(segment.document, r#"{"kind":"tenant","when":null}"#);
        let tenants = view.tenants(id, &Page::ALL).unwrap();
        let tenants: Vec<_> = tenants.iter().map(|t| (&*t.key, &*t.document, &t.notes)).collect();
        let expected = [
            ("acme", r#"{"attributes":{}}"#, &None),
            ("globex", r#"{"plan":"pro","plan_version":2}"#, &None),
            ("hooli", r#"{"trial":{"plan":"pro","plan_version":2}}"#, &None),
        ];
        let stored = usize::from(version >= 8) + 2 * usize::from(version >= 9);
        assert_eq!(tenants, expected[..stored]);
        let pro = PlanVersions { plan: "pro", versions: 2..=2 };
        let on = view.tenants_on(id, &pro, None, 9).unwrap();
        let keys = on.iter().map(|(_, tenant)| &*tenant.key);
        assert!(keys.eq(["globex"].into_iter().take(stored / 2)), "from version {version}");
        assert_eq!(view.count_on(id, &pro).unwrap(), on.len() as u64);
        assert_eq!(view.changes(id, 0, 9, 99).unwrap().len(), 1);
        let token = view.tokens(&Page::ALL).unwrap().remove(0);
        assert!(token.kind.grant().is_some_and(Grant::is_unlimited_admin), "{token:?}");
        assert_eq!(token.secrets.len(), 1);
        // The history is there, with the name of who did it.
        assert_eq!(view.revisions(id, None, None, 9).unwrap(), [1]);
        let deed = view.deeds(id, 1, Some((ObjectKind::Flag, "f7")), 9).unwrap().remove(0);
        assert_eq!((deed.id, deed.actor_name.as_deref()), (7, Some("n")));
        assert_eq!(view.answer(&[0; 32]).unwrap().is_some(), version >= 4);
        let filter = ScheduleFilter { state: Some(ScheduleState::Open), after: None, limit: 9 };
        let scheduled = view.schedule(id, &filter).unwrap();
        assert_eq!(scheduled.len(), usize::from(version >= 7));
        assert!(scheduled.iter().all(|change| change.action == "flag.off" && change.key == "f"));
        assert_eq!(view.tenant_counts(id).unwrap().tenants, stored as u64);
        let damage = view.damage().unwrap();
        assert!(damage.is_empty(), "{damage:?}");
        let head = verify(&*view);
        assert_eq!(head.id, AUDIT_ROWS, "every row is chained");
        let row = view.audit_rows(6, 1).unwrap().remove(0);
        let parts = [Some("f7".into()), Some("why".into()), Some(r#"{"n":7}"#.into()), None];
        assert_eq!(row.parts, parts);
        drop(view);
        drop(store);

        let connection = Connection::open(&path).unwrap();
        let applied = "SELECT max(version) FROM refinery_schema_history";
        assert_eq!(connection.query_row(applied, (), |row| row.get::<_, i32>(0)).unwrap(), latest);
        let mut broken = connection.prepare("PRAGMA foreign_key_check").unwrap();
        assert!(!broken.exists(()).unwrap());
        drop(broken);
        drop(connection);
        let store = SqliteStore::open(&path, Timestamp::from_millis(9)).unwrap();
        assert_eq!(verify(&*store.view().unwrap()), head, "chained once");
    }
}

#[test]
fn what_a_migration_filled_in_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flags.db");
    let connection = create(&path, 4);
    connection.execute("UPDATE environment SET member_bytes = 3", ()).unwrap();
    drop(connection);
    let upgraded = SqliteStore::open(&path, Timestamp::from_millis(9)).unwrap();
    let damage = damage_after_upgrade(&upgraded).unwrap();
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert!(damage[0].place.contains("environment a"), "{damage:?}");
    drop(upgraded);
    let opened = SqliteStore::open(&path, Timestamp::from_millis(9)).unwrap();
    assert_eq!(damage_after_upgrade(&opened).unwrap(), [], "it was no upgrade");
}

#[test]
fn a_chain_that_was_interrupted_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flags.db");
    let mut connection = create(&path, 2);
    migrations::migrations::runner().run(&mut connection).unwrap();
    // The second batch fails in its middle.
    connection
        .execute_batch(
            "CREATE TRIGGER fault BEFORE UPDATE ON audit WHEN NEW.id = 1500
             BEGIN SELECT RAISE(ABORT, 'no more'); END",
        )
        .unwrap();
    let open = || SqliteStore::open(&path, Timestamp::from_millis(9));
    assert!(open().err().unwrap().to_string().contains("no more"));
    let chained = "SELECT count(*) FROM audit WHERE hash IS NOT NULL";
    let chained = connection.query_row(chained, (), |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(chained, 1_000);
    connection.execute_batch("DROP TRIGGER fault").unwrap();
    let store = open().unwrap();
    assert_eq!(verify(&*store.view().unwrap()).id, AUDIT_ROWS);
}

#[test]
fn the_database_itself_refuses_to_alter_the_audit_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flags.db");
    drop(create(&path, 2));
    drop(SqliteStore::open(&path, Timestamp::from_millis(9)).unwrap());
    let connection = Connection::open(&path).unwrap();
    for statement in [
        "DELETE FROM audit WHERE id = 7",
        "DELETE FROM audit",
        "UPDATE audit SET id = 9999 WHERE id = 7",
        "UPDATE audit SET at = 0",
        "UPDATE audit SET actor = 'x' WHERE id = 7",
        "UPDATE audit SET actor_name = 'x' WHERE id = 7",
        "UPDATE audit SET action = 'x' WHERE id = 7",
        "UPDATE audit SET revisions = 'x' WHERE id = 7",
        "UPDATE audit SET environment = 'x' WHERE id = 7",
        "UPDATE audit SET object_key = 'x' WHERE id = 7",
        "UPDATE audit SET reason = NULL WHERE id = 7",
        "UPDATE audit SET after = 'x' WHERE id = 7",
        "UPDATE audit SET salts = NULL WHERE id = 7",
        "UPDATE audit SET salts = randomblob(64) WHERE id = 7",
        "UPDATE audit SET digests = zeroblob(128) WHERE id = 7",
        "UPDATE audit SET hash = NULL WHERE id = 7",
        "UPDATE audit SET after = 'x', salts = CAST(zeroblob(48) || substr(salts, 49) AS BLOB) WHERE id = 7",
        "INSERT OR REPLACE INTO audit (id, at, actor, request_id, action, object_kind, object_key,
             revisions) VALUES (7, 0, 'x', 'x', 'x', 'x', 'x', '{}')",
    ] {
        let error = connection.execute(statement, ()).unwrap_err().to_string();
        assert!(error.contains("the audit log is append-only"), "{statement}: {error}");
    }
}

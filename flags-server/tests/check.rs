//! `flags-server check`: it finds whatever was altered, and nothing where nothing was.

#![cfg(test)]

mod binary;
mod server;

use std::sync::Arc;

use binary::{binary, run};
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{PRODUCTION, TestServer};
use tempfile::TempDir;

/// Something of everything.
async fn filled() -> TestServer {
    let server = TestServer::start().await;
    for key in ["one", "two"] {
        server.create_flag(key).await;
        server.press(&format!("{PRODUCTION}/flags/{key}/on")).await.is(200);
    }
    let segment = json!({"key": "beta", "kind": "tenant", "included": ["acme"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    let members = json!({"included": {"add": ["globex", "initech"], "remove": ["acme"]}});
    server.post(&format!("{PRODUCTION}/segments/beta/members"), members).await.is(200);
    server
}

async fn check(dir: &TempDir) -> (i32, Value) {
    let (code, report, errors) = run(binary(dir), &["check"]).await;
    assert_eq!(errors, "");
    (code, report)
}

#[tokio::test]
async fn a_database_is_whole_also_beside_a_server_that_writes() {
    let server = Arc::new(filled().await);
    let writing = tokio::spawn({
        let server = Arc::clone(&server);
        async move {
            loop {
                server.press(&format!("{PRODUCTION}/flags/one/off")).await.is(200);
                server.press(&format!("{PRODUCTION}/flags/one/on")).await.is(200);
            }
        }
    });
    let mut last = 0;
    for _ in 0..3 {
        let (code, report) = check(&server.dir).await;
        assert_eq!((code, &report["findings"]), (0, &json!([])));
        assert_eq!(report["environments"], 2);
        let rows = report["audit_rows"].as_u64().unwrap();
        assert!(rows >= last.max(6), "{report}");
        assert_eq!(report["audit_head"].as_str().unwrap().len(), 64);
        last = rows;
    }
    writing.abort();
}

#[tokio::test]
async fn whatever_is_altered_is_found_and_named() {
    let dir = filled().await.stop().await;
    let whole = std::fs::read(dir.path().join("flags.db")).unwrap();
    let no_triggers = "DROP TRIGGER audit_is_not_edited; DROP TRIGGER audit_text_is_only_erased;
        DROP TRIGGER audit_is_not_deleted;";
    let production = "environment default/production";
    for (damage, place, message) in [
        ("UPDATE object SET document = json_set(document, '$.on', json('false')) WHERE key = 'two'
          AND environment_id = 1", production, "the flag `two` is not what its change log says"),
        ("UPDATE object SET version = 1 WHERE key = 'beta'", production, "the segment `beta` is not"),
        ("UPDATE object SET document = '{' WHERE key = 'one' AND environment_id = 1", production,
         "the flag `one` is not what"),
        ("DELETE FROM member WHERE key = 'globex'", production, "the segment `beta` is not"),
        ("DELETE FROM member WHERE key = 'globex'", "segment beta", "its sums are kept as"),
        ("UPDATE environment SET definition_bytes = 1", "environment development", "its sums"),
        ("DELETE FROM object WHERE key = 'one' AND environment_id = 1", production,
         "the flag `one` of the change log is missing"),
        ("UPDATE change_log SET change = replace(change, 'true', 'false') WHERE revision = 4
          AND environment_id = 1", production, "the flag `two` is not what"),
        ("UPDATE change_log SET change = '{}' WHERE revision = 2 AND environment_id = 1", production,
         "damaged at revision 2: Data error at line 1"),
        ("DELETE FROM change_log WHERE revision = 3 AND environment_id = 1", production,
         "damaged at revision 3"),
        ("DELETE FROM change_log WHERE revision = 6", production, "revision 6: it is not there"),
        ("UPDATE environment SET revision = 5 WHERE id = 1", production, "the log has revision 6"),
        ("UPDATE token SET environment_id = 99 WHERE kind = 'sdk'", "table token",
         "a row refers to one of the table `environment` that is not there"),
        ("UPDATE audit SET before = '{}' WHERE id = 3", "audit row 3", "`before` is not what was"),
        ("UPDATE audit SET reason = 'x' WHERE id = 2", "audit row 2", "`reason` is not what was"),
        ("UPDATE audit SET actor = 'x' WHERE id = 2", "audit row 2", "its hash does not follow"),
        ("UPDATE audit SET actor_name = 'x' WHERE id = 2", "audit row 2", "its hash does not"),
        ("UPDATE deed SET key = 'x' WHERE audit_id = 3", "audit row 3",
         "the history of `production` has it otherwise at revision 3"),
        ("DELETE FROM deed WHERE audit_id = 2", "audit row 2", "the history of `production` has"),
        ("UPDATE deed SET revision = 9 WHERE audit_id = 2", "audit row 2", "at revision 9"),
        ("UPDATE flag SET archived_at = 1 WHERE key = 'two'", production,
         "the flag `two` is archived and in force"),
        ("UPDATE audit SET salts = zeroblob(64) WHERE id = 2", "audit row 2",
         "`after` is gone, and no erasure took it"),
        ("UPDATE audit SET salts = zeroblob(64), erased = '{\"after\":1}' WHERE id = 2",
         "audit row 2", "`after` is gone, and no erasure took it"),
        ("UPDATE audit SET hash = NULL WHERE id = 2", "audit row 2", "it is not chained"),
        ("DELETE FROM audit WHERE id = 2", "audit row 3", "row 3 follows row 1"),
    ] {
        std::fs::write(dir.path().join("flags.db"), &whole).unwrap();
        let database = Connection::open(dir.path().join("flags.db")).unwrap();
        database.pragma_update(None, "foreign_keys", false).unwrap();
        database.execute_batch(&format!("{no_triggers}{damage}")).unwrap();
        drop(database);
        let (code, report) = check(&dir).await;
        assert_eq!(code, 1, "{damage}: {report}");
        let findings = report["findings"].as_array().unwrap();
        let is_it = |finding: &&Value| {
            finding["place"].as_str().unwrap().contains(place)
                && finding["message"].as_str().unwrap().contains(message)
        };
        assert!(findings.iter().any(|finding| is_it(&finding)), "{damage}: {report}");
    }

    // A page of an index that says something else.
    let mut torn = whole.clone();
    let index = torn.windows(7).rposition(|bytes| bytes == b"default").unwrap();
    torn[index] = b'x';
    std::fs::write(dir.path().join("flags.db"), &torn).unwrap();
    let (code, report) = check(&dir).await;
    assert_eq!(code, 1, "{report}");

    std::fs::write(dir.path().join("flags.db"), &whole).unwrap();
    assert_eq!(check(&dir).await.0, 0);
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_said_in_one_sentence() {
    let dir = TempDir::new().unwrap();
    let (code, out, errors) = run(binary(&dir), &["check", "--database", "none.db"]).await;
    assert_eq!((code, out), (1, Value::Null));
    assert!(errors.contains("cannot open none.db"), "{errors}");
    assert!(!dir.path().join("none.db").exists(), "nothing is created");
    std::fs::write(dir.path().join("text.db"), "this is no database".repeat(100)).unwrap();
    let (code, _, errors) = run(binary(&dir), &["check", "--database", "text.db"]).await;
    assert!(code == 1 && errors.contains("file is not a database"), "{errors}");
    let (code, ..) = run(binary(&dir), &["check", "--what"]).await;
    assert_eq!(code, 2);
}

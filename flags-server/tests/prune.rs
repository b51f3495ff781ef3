//! Retention: what is left of the logs adds up to the same, and clients follow.

#![cfg(test)]

mod binary;
mod server;

use binary::{binary, run};
use rusqlite::Connection;
use serde_json::json;
use server::{PRODUCTION, TestServer};

const LATER: &str = "2999-01-01T00:00:00Z";

/// Flags and a segment, and changes of them; at revision 6.
async fn filled() -> TestServer {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    server.press(&format!("{PRODUCTION}/flags/f/on")).await.is(200);
    let segment = json!({"key": "users", "kind": "user", "included": ["ada", "bob"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    for keys in [["eve"], ["mallory"], ["trent"]] {
        let members = json!({"included": {"add": keys}});
        server.post(&format!("{PRODUCTION}/segments/users/members"), members).await.is(200);
    }
    server
}

#[tokio::test]
async fn logs_are_cut_on_purpose_alone_and_add_up_to_the_same() {
    let server = filled().await;
    let before = server.snapshot().await;
    let epoch = before["epoch"].as_str().unwrap().to_owned();
    let (code, _, errors) =
        run(binary(&server.dir), &["prune", "--audit-before", LATER, "--yes"]).await;
    assert!(code == 1 && errors.contains("another process has it open"), "{errors}");
    let dir = server.stop().await;
    for wrong in [&["prune"][..], &["prune", "--yes"], &["prune", "--audit-before", "today"]] {
        assert_eq!(run(binary(&dir), wrong).await.0, 2, "{wrong:?}");
    }

    // Changes 4 and later are made later than this.
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    let at = "UPDATE change_log SET committed_at = 1000 * (revision > 3) + 500";
    database.execute(at, ()).unwrap();
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        database.query_row(&sql, (), |row| row.get(0)).unwrap()
    };
    let whole = (count("change_log"), count("audit"));
    let cut = ["prune", "--history-before", "1970-01-01T00:00:01Z", "--audit-before", LATER];
    let (code, report, errors) = run(binary(&dir), &cut).await;
    assert_eq!(
        (code, &report["changes_through"]["default/production"]),
        (0, &json!(3)),
        "{errors}"
    );
    assert_eq!((count("change_log"), count("audit")), whole, "nothing was said of yes");
    let (code, report, errors) = run(binary(&dir), &[&cut[..], &["--yes"]].concat()).await;
    assert_eq!((code, &report["audit_through"]), (0, &json!(whole.1)), "{errors}");
    assert_eq!((count("change_log"), count("audit")), (3, 1));
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));

    // Who is after the cut goes on from the log, who is before it begins anew.
    let server = TestServer::start_in(dir).await;
    assert_eq!(server.snapshot().await, before);
    let mut stream = server.stream(&format!("?after={epoch}.3")).await;
    for revision in 4..=6 {
        assert_eq!(stream.next().await.unwrap().data["revision"], revision);
    }
    let mut stream = server.stream(&format!("?after={epoch}.2")).await;
    assert_eq!(stream.next().await.unwrap().name, "reset");

    // What was cut off is no longer to be had, and is said to be so.
    let revert = json!({"revision": 2});
    let refused = server.post(&format!("{PRODUCTION}/flags/f/revert"), revert).await;
    let refused = refused.problem(422, "invalid");
    let message = refused["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("up to revision 3 was cut off"), "{message}");
    let body = json!({"flag": "f", "context": {}});
    for (query, status) in
        [("revision=3", 404), ("at=1970-01-01T00:00:00Z", 404), ("revision=4", 200)]
    {
        let evaluated = server.post(&format!("{PRODUCTION}/evaluate?{query}"), body.clone()).await;
        assert_eq!(evaluated.status, status, "{query}");
    }
    let revert = json!({"revision": 4});
    server.post(&format!("{PRODUCTION}/segments/users/revert?dry_run=true"), revert).await.is(200);

    // An erasure reaches what was added up, too; then everything is cut off.
    let body = json!({"kind": "user", "key": "ada"});
    server.post("/api/v1/erasures", body).await.is(200);
    let dir = server.stop().await;
    let checkpoint: String = database
        .query_row("SELECT document FROM checkpoint WHERE environment_id = 1", (), |row| row.get(0))
        .unwrap();
    assert!(checkpoint.contains("bob") && !checkpoint.contains("ada"), "{checkpoint}");
    let all = ["prune", "--history-before", LATER, "--audit-before", LATER, "--yes"];
    assert_eq!(run(binary(&dir), &all).await.0, 0);
    assert_eq!((count("change_log"), count("audit")), (0, 1));
    let server = TestServer::start_in(dir).await;
    let mut stream = server.stream(&format!("?after={epoch}.6")).await;
    assert_eq!(stream.next().await.unwrap().name, "reset");
    let mut stream = server.stream("").await;
    server.press(&format!("{PRODUCTION}/flags/f/off")).await.is(200);
    assert_eq!(stream.next().await.unwrap().data["revision"], 8);
    let dir = server.stop().await;
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));

    // Cut by anything else, it is found.
    database
        .execute_batch(
            "INSERT INTO audit_anchor SELECT id, hash FROM audit
        ORDER BY id DESC LIMIT 1; DELETE FROM deed; DELETE FROM audit",
        )
        .unwrap();
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    let message = report["findings"][0]["message"].as_str().unwrap();
    assert!(code == 1 && message.contains("are gone, the last time"), "{report}");
}

#[tokio::test]
async fn scheduled_changes_that_have_ended_are_removed_and_open_ones_stay() {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let schedule = format!("{PRODUCTION}/schedule");
    let mut ids = Vec::new();
    for _ in 0..4 {
        let change = json!({"action": "flag_state.on", "key": "f"});
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let soon = i64::try_from(now.as_millis()).unwrap() + 3_600_000;
        let at = flags_core::Timestamp::from_millis(soon).to_string();
        let created = server.post(&schedule, json!({"at": at, "change": change})).await.is(201);
        ids.push(created["id"].as_str().unwrap().to_owned());
    }
    let dir = server.stop().await;
    let database = Connection::open(dir.path().join("flags.db")).unwrap();
    // One of each state; all but the last one ended in 1970, at its second 1, 2 and 3.
    for (second, (id, state)) in ids.iter().zip(["done", "failed", "cancelled"]).enumerate() {
        let sql = "UPDATE scheduled_change SET state = ?1, ended_at = ?2 WHERE id = ?3";
        database.execute(sql, (state, 1_000 * (second as i64 + 1), id)).unwrap();
    }
    let left = || -> Vec<String> {
        let mut ids = database.prepare("SELECT id FROM scheduled_change ORDER BY id").unwrap();
        ids.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let cut = ["prune", "--schedule-before", "1970-01-01T00:00:03Z"];
    let (code, report, errors) = run(binary(&dir), &cut).await;
    assert_eq!((code, &report["scheduled"]), (0, &json!(2)), "{errors}");
    assert_eq!(left().len(), 4, "nothing was said of yes");
    let (code, report, _) = run(binary(&dir), &[&cut[..], &["--yes"]].concat()).await;
    assert_eq!((code, &report["scheduled"]), (0, &json!(2)));
    assert_eq!(left(), ids[2..]);
    let (code, ..) = run(binary(&dir), &["prune", "--schedule-before", LATER, "--yes"]).await;
    assert_eq!((code, left()), (0, ids[3..].to_vec()));
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
    let server = TestServer::start_in(dir).await;
    let open = server.get(&schedule).await.is(200);
    assert_eq!(open["items"][0]["id"], ids[3]);
    let audit = server.get("/api/v1/audit?action=prune").await.is(200);
    assert_eq!(audit["items"].as_array().unwrap().len(), 2);
}

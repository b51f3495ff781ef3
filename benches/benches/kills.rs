//! Kills the server again and again while it writes, and looks whether anything is lost.
//!
//! The server is a process of its own and gets SIGKILL at a random moment: while several writers
//! write and it makes one backup after the other, while it starts again after the last kill, while it
//! creates its database, and while it migrates one of the first version. Then it starts, and everything must be there: each
//! acknowledged write, revisions without gaps, the fold of the change log as what SDKs get, and a
//! real SDK that has lived through all of it answers by it. What is called a backup has to be whole, too.
//!
//! `-- quick` kills ten times, otherwise five hundred. It does not show what a power cut does:
//! the system keeps what a killed process has written. `powercuts` does.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot set itself up has nothing to measure"
)]

mod load;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flags_client::{Client, Entity};
use flags_core::{Document, Ruleset, Timestamp};
use load::PATIENCE;
use load::history::{Ack, check};
use load::process::{SDK, Server, command, was_the_server};
use load::writers::{Writers, development_token, same, snapshot};
use rusqlite::Connection;

/// Kills of one database; then another one begins, so that checking all of it stays quick.
const KILLS_PER_DATABASE: usize = 50;

/// Keys of the segment that the migration of a database of the first version moves.
const MEMBERS: usize = 20_000;

#[allow(unreachable_pub, reason = "the code is generated")]
mod migrations {
    refinery::embed_migrations!("../flags-server/src/store/sqlite/migrations");
}

#[derive(Default, Debug)]
struct Count {
    kills: usize,
    acknowledged: usize,
    while_writing: usize,
    /// Of these.
    in_a_backup: usize,
    backups: usize,
    while_starting: usize,
    while_creating: usize,
    while_migrating: usize,
}

fn main() {
    if was_the_server() {
        return;
    }
    let quick = std::env::args().any(|argument| argument == "quick");
    let (total, begin) = (if quick { 10 } else { 500 }, Instant::now());
    let mut count = Count::default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    while count.kills < total {
        creating(&mut count);
        migrating(&mut count);
        let kills = KILLS_PER_DATABASE.min(total.saturating_sub(count.kills));
        runtime.block_on(writing(kills, &mut count));
        println!("{count:?}, {} s", begin.elapsed().as_secs());
    }
    println!(
        "{} kills, {} acknowledged writes, all of them there; {} kills in a backup, {} backups, all \
         of them whole",
        count.kills, count.acknowledged, count.in_a_backup, count.backups
    );
}

fn random(from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_micros(fastrand::u64(from_ms * 1_000..to_ms * 1_000))
}

/// Starts the server and kills it before it says that it listens.
fn killed_early(database: &Path, after: Duration) {
    let mut child = command(database, "127.0.0.1:0")
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the process starts");
    std::thread::sleep(after);
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
}

/// Kills while there is not yet a database, then while there is half of one.
fn creating(count: &mut Count) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("flags.db");
    for _ in 0..3 {
        killed_early(&database, random(0, 80));
        count.kills += 1;
        count.while_creating += 1;
    }
    // The tokens are those that were asked for, whichever start it was that wrote them.
    let server = Server::start(&database);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(snapshot(server.address, SDK));
    drop(server);
    let documents = check(&database, &[]).expect("a whole database");
    let keys: Vec<_> = documents.keys().collect();
    assert_eq!(keys, ["development", "production"]);
}

/// Kills while a database of the first version is migrated.
fn migrating(count: &mut Count) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("flags.db");
    first_version(&database);
    for _ in 0..3 {
        killed_early(&database, random(5, 150));
        count.kills += 1;
        count.while_migrating += 1;
    }
    drop(Server::start(&database));
    check(&database, &[]).expect("a whole database");
    let connection = Connection::open(&database).expect("a database");
    let members = "SELECT count(*) FROM member JOIN member_list ON member_list.id = list_id WHERE segment = 'beta'";
    let members: usize = connection.query_row(members, (), |row| row.get(0)).expect("a number");
    assert_eq!(members, MEMBERS);
}

/// A database as the first version of the schema had it, with one large segment.
fn first_version(path: &Path) {
    let mut connection = Connection::open(path).expect("a database");
    let first = migrations::migrations::runner().set_target(refinery::Target::Version(1));
    first.run(&mut connection).expect("the first migration");
    let keys: Vec<String> = (0..MEMBERS).map(|key| format!("tenant-{key}")).collect();
    let definition = serde_json::json!({"kind": "tenant", "included": keys, "excluded": []});
    let change = serde_json::json!({
        "epoch": "e", "revision": 1, "previous": 0,
        "objects": [{"upsert": {"kind": "segment", "key": "beta", "version": 1,
                                "definition": definition}}],
    });
    connection
        .execute_batch(
            "PRAGMA application_id = 0x666c6167;
             INSERT INTO meta VALUES (1, 'e', 0);
             INSERT INTO project VALUES (1, 'default', 'default', 'Default', 0);
             INSERT INTO environment (id, project_id, key, folded, name, revision,
                 definition_bytes, created_at) VALUES (1, 1, 'production', 'production', 'P', 1, 99, 0);
             INSERT INTO audit (at, actor, request_id, action, object_kind, object_key, revisions)
                 VALUES (0, 't', 'r', 'segment.create', 'segment', 'beta', '{\"production\":1}');",
        )
        .expect("rows");
    let parameters = (change.to_string(),);
    connection.execute("INSERT INTO change_log VALUES (1, 1, ?, 0)", parameters).expect("a row");
    let parameters = (MEMBERS, definition.to_string());
    connection
        .execute(
            "INSERT INTO object VALUES (1, 'segment', 'beta', 'beta', 1, ?, 99, ?)",
            parameters,
        )
        .expect("a row");
}

/// Kills while several writers write.
async fn writing(kills: usize, count: &mut Count) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("flags.db");
    let backups = folder.path().join("backups");
    let start = |listen: &str| {
        Server::spawn(command(&database, listen).arg(&backups)).expect("the server listens")
    };
    let mut server = start("127.0.0.1:0");
    // The same address each time: SDKs come back to it.
    let address = server.address;
    let development = development_token(address).await;
    let client = Client::builder(format!("http://{address}"), SDK).connect().await;
    let client = client.expect("a client");
    let acks: Arc<Mutex<Vec<Ack>>> = Arc::default();
    for kill in 1..=kills {
        let writers = Writers::start(address, kill, Arc::clone(&acks)).await;
        tokio::time::sleep(random(5, 400)).await;
        server.kill();
        writers.join().await;
        (count.kills, count.while_writing) = (count.kills + 1, count.while_writing + 1);
        whole_backups(&backups, count);
        if kill.is_multiple_of(3) {
            killed_early(&database, random(0, 60));
            (count.kills, count.while_starting) = (count.kills + 1, count.while_starting + 1);
        }
        server = start(&address.to_string());
        let acks = acks.lock().expect("no writer panicked").clone();
        let folded = check(&database, &acks).expect("a whole database");
        for (environment, token) in [("production", SDK), ("development", &*development)] {
            let served = snapshot(address, token).await;
            assert!(same(&folded, environment, &served), "state is the fold of the change log");
        }
        if kill.is_multiple_of(10) || kill == kills {
            follows(&client, &folded).await;
        }
    }
    count.acknowledged += acks.lock().expect("no writer panicked").len();
}

/// Checks what is called a backup, and counts what was on its way to becoming one.
fn whole_backups(folder: &Path, count: &mut Count) {
    for entry in folder.read_dir().into_iter().flatten() {
        let path = entry.expect("an entry").path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("db") => {
                check(&path, &[]).expect("a whole backup");
                count.backups += 1;
            }
            Some("part") => count.in_a_backup += 1,
            // Its journal.
            _ => {}
        }
    }
}

/// Waits for the SDK to be where the server is; then all its answers are those of the log.
async fn follows(client: &Client, folded: &BTreeMap<String, Document>) {
    let document = folded.get("production").expect("an environment");
    client.wait_for(document.revision, PATIENCE).await.expect("the SDK comes back");
    let (ruleset, _) = Ruleset::compile(document);
    let (snapshot, tenant) = (client.snapshot(), Entity::tenant("acme"));
    let mut flags = 0;
    for (key, expected) in ruleset.evaluate_all(&tenant, || Timestamp::from_millis(0)) {
        let found = snapshot.evaluate(key, &tenant);
        assert_eq!((found.value, found.version), (expected.value, expected.version), "{key}");
        flags += 1;
    }
    assert!(flags > 0, "there are flags by now");
}

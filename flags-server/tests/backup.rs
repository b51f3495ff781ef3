//! Backup and restore, rehearsed with a real server process that is being written to.

#![cfg(test)]

mod binary;
mod server;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use binary::{binary, run};
use reqwest::{Client, Method};
use rusqlite::Connection;
use serde_json::{Value, json};
use server::{ADMIN, DEADLINE, FLAGS, PRODUCTION, SDK, TestServer, answer};
use server::{Answer, Events};
use tempfile::TempDir;

/// The binary as a server, at an address.
struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(mut command: Command) -> Self {
        command.args(["--log-level", "error"]).env("FLAGS_BOOTSTRAP_ADMIN_TOKEN", ADMIN);
        command.env("FLAGS_BOOTSTRAP_SDK_TOKEN", SDK).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("it says where it listens").unwrap();
        Self { child, base: line.strip_prefix("listening on ").unwrap().to_owned() }
    }

    fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = Client::new().request(method, format!("{}{path}", self.base));
        let request = request.bearer_auth(ADMIN);
        answer(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    async fn press(&self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    async fn snapshot(&self) -> Value {
        let request = Client::new().get(format!("{}/sdk/v1/snapshot", self.base));
        answer(request.bearer_auth(SDK)).await.is(200)
    }

    async fn stream(&self, after: &str) -> Events {
        let url = format!("{}/sdk/v1/stream?after={after}", self.base);
        Events::of(Client::new().get(url).bearer_auth(SDK)).await
    }

    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

fn serve(dir: &TempDir, address: &str) -> Process {
    let mut command = binary(dir);
    command.args(["serve", "--listen", address]);
    Process::start(command)
}

#[tokio::test]
async fn a_backup_made_under_load_is_restored_and_clients_follow() {
    let dir = TempDir::new().unwrap();
    let server = Arc::new(serve(&dir, "127.0.0.1:0"));
    let flag = json!({"key": "f", "type": "boolean"});
    server.send(Method::POST, FLAGS, Some(flag)).await.is(201);
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
        async move {
            let mut last = 0;
            while !stop.load(Ordering::Relaxed) {
                let verb = if last % 2 == 0 { "on" } else { "off" };
                let path = format!("{PRODUCTION}/flags/f/{verb}");
                last = server.press(&path).await.is(200)["revision"].as_u64().unwrap();
            }
            last
        }
    });
    let before = server.snapshot().await["revision"].as_u64().unwrap();
    let (code, made, errors) = run(binary(&dir), &["backup", "b.db"]).await;
    assert_eq!(code, 0, "{errors}");
    assert!(made["bytes"].as_u64().unwrap() > 0);
    let (code, _, errors) = run(binary(&dir), &["backup", "b.db"]).await;
    assert!(code == 1 && errors.contains("b.db is there already"), "{errors}");
    let (code, report, _) = run(binary(&dir), &["check", "--database", "b.db"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));

    // Not while a server has the file.
    let (code, _, errors) = run(binary(&dir), &["restore", "b.db"]).await;
    assert!(code == 1 && errors.contains("another process has it open"), "{errors}");
    stop.store(true, Ordering::Relaxed);
    let last = writing.await.unwrap();
    let known = server.snapshot().await;
    let mut stream = server.stream(&format!("{}.{last}", known["epoch"].as_str().unwrap())).await;
    stream.block().await.unwrap();
    let address = server.address().to_owned();
    Arc::into_inner(server).unwrap().stop();
    assert_eq!(stream.next().await, None);

    let (code, restored, errors) =
        run(binary(&dir), &["restore", "b.db", "--reason", "rehearsal"]).await;
    assert_eq!(code, 0, "{errors}");
    let server = serve(&dir, &address);
    let present = server.snapshot().await;
    assert_ne!(present["epoch"], known["epoch"]);
    assert_eq!(present["epoch"], restored["epoch"]);
    let revision = present["revision"].as_u64().unwrap();
    assert!((before..=last).contains(&revision), "{before} {revision} {last}");

    // Who was connected is told to begin anew, whatever its position; and then hears of changes.
    let position = format!("{}.{}", known["epoch"].as_str().unwrap(), revision.min(last));
    assert_eq!(server.stream(&position).await.next().await.unwrap().name, "reset");
    let epoch = present["epoch"].as_str().unwrap();
    let mut stream = server.stream(&format!("{epoch}.{revision}")).await;
    for verb in ["off", "on"] {
        server.press(&format!("{PRODUCTION}/flags/f/{verb}")).await.is(200);
    }
    let change = stream.next().await.unwrap();
    assert_eq!((change.name.as_str(), &change.data["epoch"]), ("change", &present["epoch"]));
    // What was before the restore is no history of the new epoch.
    let mut stream = server.stream(&format!("{epoch}.0")).await;
    assert_eq!(stream.next().await.unwrap().name, "reset");
    server.stop();
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));

    // What was there is kept, and whole; nothing else is left.
    let kept = restored["kept"].as_str().unwrap();
    let (code, report, _) = run(binary(&dir), &["check", "--database", kept]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
    let old = Connection::open(kept).unwrap();
    let sql = "SELECT revision FROM environment WHERE key = 'production'";
    assert_eq!(old.query_row(sql, (), |row| row.get::<_, u64>(0)).unwrap(), last);
    drop(old);
    let mut names: Vec<String> = dir
        .path()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains("before-"))
        .collect();
    names.sort();
    assert_eq!(names, ["b.db", "flags.db", "flags.db.lock"]);
    let audit = Connection::open(dir.path().join("flags.db")).unwrap();
    let sql = "SELECT reason FROM audit WHERE action = 'restore'";
    assert_eq!(audit.query_row(sql, (), |row| row.get::<_, String>(0)).unwrap(), "rehearsal");
}

#[tokio::test]
async fn one_environment_goes_back_to_a_revision_by_a_new_one() {
    let server = TestServer::start().await;
    for key in ["a", "b"] {
        server.create_flag(key).await;
    }
    server.press(&format!("{PRODUCTION}/flags/a/on")).await.is(200);
    let segments = format!("{PRODUCTION}/segments");
    for (key, included) in [("kept", json!(["x", "y"])), ("deleted", json!(["z"]))] {
        let segment = json!({"key": key, "kind": "tenant", "included": included});
        server.post(&segments, segment).await.is(201);
    }
    let rules =
        json!({"rules": [{"id": "r", "when": {"segment": "deleted"}, "serve": {"variant": "on"}}]});
    server.patch(&format!("{PRODUCTION}/flags/b"), 2, rules).await.is(200);
    let then = server.revision().await;
    let past = server.snapshot().await;

    server.press(&format!("{PRODUCTION}/flags/a/off")).await.is(200);
    server.patch(&format!("{PRODUCTION}/flags/b"), then, json!({"rules": []})).await.is(200);
    server.delete(&format!("{segments}/deleted"), 5).await;
    let members = json!({"included": {"remove": ["x"], "add": ["w"]}});
    server.post(&format!("{segments}/kept/members"), members).await.is(200);
    server.post(&segments, json!({"key": "new", "kind": "user"})).await.is(201);
    server.create_flag("late").await;
    server.press(&format!("{PRODUCTION}/flags/late/on")).await.is(200);
    let elsewhere = format!("{}/flags/a", PRODUCTION.replace("production", "development"));
    server.press(&format!("{elsewhere}/on")).await.is(200);
    let last = server.revision().await;
    let dir = server.stop().await;
    std::fs::copy(dir.path().join("flags.db"), dir.path().join("b.db")).unwrap();

    let to = |revision: &str| {
        let place = ["--project", "default", "--environment", "production"];
        let mut arguments = vec!["restore".to_owned(), "b.db".into(), "--to-revision".into()];
        arguments.push(revision.to_owned());
        arguments.extend(place.map(str::to_owned));
        arguments
    };
    let arguments = to(&then.to_string());
    let arguments: Vec<&str> = arguments.iter().map(|argument| &**argument).collect();
    let (code, restored, errors) = run(binary(&dir), &arguments).await;
    assert_eq!((code, &restored["revision"]), (0, &json!(last + 1)), "{errors}");
    let server = TestServer::start_in(dir).await;
    let snapshot = server.snapshot().await;
    assert_eq!(snapshot["revision"], last + 1);
    let definitions = |snapshot: &Value| -> Vec<(String, Value)> {
        let objects = snapshot["objects"].as_array().unwrap();
        let of = |o: &Value| (o["key"].as_str().unwrap().to_owned(), o["definition"].clone());
        objects.iter().filter(|object| object["key"] != "late").map(of).collect()
    };
    assert_eq!(definitions(&snapshot), definitions(&past));
    let late = server.get(&format!("{PRODUCTION}/flags/late")).await.is(200);
    assert_eq!(late["on"], true, "it came later, and stays as it is");
    assert_eq!(
        server.get(&elsewhere).await.is(200)["on"],
        true,
        "another environment is as it was"
    );
    let dir = server.stop().await;
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));

    let before = std::fs::read(dir.path().join("flags.db")).unwrap();
    let arguments = to("99");
    let arguments: Vec<&str> = arguments.iter().map(|argument| &**argument).collect();
    let (code, _, errors) = run(binary(&dir), &arguments).await;
    assert!(code == 1 && errors.contains("not 99"), "{errors}");
    let (code, ..) = run(binary(&dir), &["restore", "b.db", "--to-revision", "3"]).await;
    assert_eq!(code, 2, "of which environment?");
    assert_eq!(std::fs::read(dir.path().join("flags.db")).unwrap(), before);
}

#[tokio::test]
async fn what_is_damaged_replaces_nothing() {
    let dir = TestServer::start().await.stop().await;
    let whole = std::fs::read(dir.path().join("flags.db")).unwrap();
    std::fs::write(dir.path().join("text.db"), "no database".repeat(1_000)).unwrap();
    std::fs::write(dir.path().join("cut.db"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(dir.path().join("edited.db"), &whole).unwrap();
    let edited = Connection::open(dir.path().join("edited.db")).unwrap();
    edited.execute("UPDATE environment SET revision = 7", ()).unwrap();
    drop(edited);
    for (file, sentence) in [
        ("none.db", "cannot read none.db"),
        ("text.db", "cannot read text.db"),
        ("cut.db", "cut.db"),
        ("edited.db", "edited.db is damaged: environment default/"),
    ] {
        let (code, _, errors) = run(binary(&dir), &["restore", file]).await;
        assert!(code == 1 && errors.contains(sentence), "{file}: {errors}");
        assert_eq!(std::fs::read(dir.path().join("flags.db")).unwrap(), whole);
    }
    assert!(!dir.path().join("flags.db.restoring").exists());
    // A database that is damaged itself gives way, and is kept as it is.
    std::fs::write(dir.path().join("b.db"), &whole).unwrap();
    std::fs::write(dir.path().join("flags.db"), "no database".repeat(1_000)).unwrap();
    let (code, restored, errors) = run(binary(&dir), &["restore", "b.db"]).await;
    assert_eq!(code, 0, "{errors}");
    let kept = std::fs::read(restored["kept"].as_str().unwrap()).unwrap();
    assert!(kept.starts_with(b"no database"));
    // And where there is none, there is one afterwards.
    let (code, restored, errors) =
        run(binary(&dir), &["restore", "b.db", "--database", "new.db"]).await;
    assert_eq!((code, &restored["kept"]), (0, &Value::Null), "{errors}");
    let (code, ..) = run(binary(&dir), &["check", "--database", "new.db"]).await;
    assert_eq!(code, 0);
}

#[tokio::test]
async fn a_server_makes_backups_by_itself() {
    let dir = TempDir::new().unwrap();
    let file = "backup_dir = 'backups'\nbackup_every = 1\nbackup_keep = 2\n";
    std::fs::write(dir.path().join("flags.toml"), file).unwrap();
    let mut command = binary(&dir);
    command.args(["--config", "flags.toml"]).env("FLAGS_LISTEN", "127.0.0.1:0");
    let server = Process::start(command);
    let backups = dir.path().join("backups");
    let mut seen = std::collections::BTreeSet::new();
    let deadline = Instant::now() + DEADLINE;
    while seen.len() < 4 {
        assert!(Instant::now() < deadline, "{seen:?}");
        for entry in backups.read_dir().into_iter().flatten() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".db") {
                seen.insert(name);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop();
    let last = seen.last().unwrap();
    let path = backups.join(last);
    let (code, report, _) =
        run(binary(&dir), &["check", "--database", path.to_str().unwrap()]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
    let kept = backups.read_dir().unwrap().count();
    assert!((1..=3).contains(&kept), "{kept}");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_reads_a_new_database_and_a_restored_one_stays_whose_it_was() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name).metadata().unwrap();
    let mode = |name: &str| file(name).mode() & 0o777;
    let server = serve(&dir, "127.0.0.1:0");
    server.send(Method::POST, FLAGS, Some(json!({"key": "f", "type": "boolean"}))).await.is(201);
    assert_eq!(["flags.db", "flags.db-wal", "flags.db-shm"].map(mode), [0o600; 3]);
    server.stop();
    run(binary(&dir), &["backup", "b.db"]).await;

    // As an operator may have set it. Only some may give files away.
    let path = dir.path().join("flags.db");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let given_away = chown(&path, Some(4_321), Some(4_321)).is_ok();
    let before = file("flags.db");
    let (code, restored, errors) = run(binary(&dir), &["restore", "b.db"]).await;
    assert_eq!((code, &restored["advice"]), (0, &Value::Null), "{errors}");
    let after = file("flags.db");
    assert_ne!(after.ino(), before.ino());
    assert_eq!(
        (after.mode(), after.uid(), after.gid()),
        (before.mode(), before.uid(), before.gid())
    );

    // Where there was none, it belongs to whoever restores it, who is told if that may be wrong.
    std::fs::create_dir(dir.path().join("new")).unwrap();
    if given_away {
        chown(dir.path().join("new"), Some(4_321), Some(4_321)).unwrap();
    }
    let restore = ["restore", "b.db", "--database", "new/flags.db"];
    let (code, restored, errors) = run(binary(&dir), &restore).await;
    assert_eq!((code, mode("new/flags.db")), (0, 0o600), "{errors}");
    let advice = restored["advice"].as_str().unwrap_or_default();
    assert_eq!(advice.contains("chown 4321:4321"), given_away, "{restored}");
}

/// The value of a series, once the server has one that is as it is waited for.
async fn measured(server: &Process, series: &str, is_right: impl Fn(f64) -> bool) -> f64 {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let metrics = Client::new().get(format!("{}/metrics", server.base)).bearer_auth(ADMIN);
        let page = metrics.send().await.unwrap().text().await.unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value: f64 = value.unwrap_or_else(|| panic!("no {series} in {page}")).parse().unwrap();
        if is_right(value) {
            return value;
        }
        assert!(Instant::now() < deadline, "{series} is {value}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn how_its_backups_are_doing_is_measured() {
    const LAST: &str = "flags_backup_last_success_timestamp_seconds";
    const FAILURES: &str = "flags_backup_failures_total";
    let dir = TempDir::new().unwrap();
    let start = |backups: &str, every: &str| {
        let mut command = binary(&dir);
        command.args(["--listen", "127.0.0.1:0", "--backup-dir", backups, "--backup-every", every]);
        Process::start(command)
    };
    let server = start("backups", "6h");
    let last = measured(&server, LAST, |at| at > 0.0).await;
    let file = dir.path().join("backups").read_dir().unwrap().next().unwrap().unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(last, modified as f64);
    assert_eq!(measured(&server, "flags_backup_interval_seconds", |_| true).await, 21_600.0);
    assert_eq!(measured(&server, FAILURES, |_| true).await, 0.0);
    server.stop();

    // One of long ago is known after a restart, and the next one replaces it.
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let made = std::fs::File::options().write(true).open(file.path()).unwrap();
    made.set_modified(long_ago).unwrap();
    let server = start("backups", "3650d");
    measured(&server, LAST, |at| at == 1_700_000_000.0).await;
    server.stop();
    let server = start("backups", "6h");
    measured(&server, LAST, |at| at >= modified as f64).await;
    server.stop();

    // None can be made where a file is in the way, and none is there.
    std::fs::write(dir.path().join("file"), "").unwrap();
    let server = start("file", "1");
    measured(&server, FAILURES, |count| count >= 2.0).await;
    assert_eq!(measured(&server, LAST, |_| true).await, 0.0);
    server.stop();

    // Who makes none says nothing, and alarms nobody.
    let server = serve(&dir, "127.0.0.1:0");
    let metrics = Client::new().get(format!("{}/metrics", server.base)).bearer_auth(ADMIN);
    let page = metrics.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("flags_uptime_seconds") && !page.contains("flags_backup"), "{page}");
    server.stop();
}

//! A disk that is full: a real server on a small file system of its own.

#![cfg(target_os = "linux")]
#![cfg(test)]

mod binary;
mod server;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use binary::{binary, run};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use server::{ADMIN, Answer, DEADLINE, Events, FLAGS, PRODUCTION, SDK, answer};
use tempfile::TempDir;

/// A server whose database is on a file system of 1 MiB, which only it sees; it ends with this value.
struct Confined {
    child: Child,
    base: String,
    disk: PathBuf,
}

impl Drop for Confined {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Confined {
    /// `None` where the machine does not let us mount anything.
    fn start(dir: &TempDir) -> Option<Self> {
        let disk = dir.path().join("disk");
        std::fs::create_dir(&disk).unwrap();
        let program = binary(dir).get_program().to_owned();
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
            .arg("mount -t tmpfs -o size=1m none disk && exec \"$0\" --database disk/flags.db")
            .arg(program)
            .current_dir(dir)
            .env("FLAGS_LISTEN", "127.0.0.1:0")
            .env("FLAGS_LOG_LEVEL", "error")
            .env("FLAGS_BOOTSTRAP_ADMIN_TOKEN", ADMIN)
            .env("FLAGS_BOOTSTRAP_SDK_TOKEN", SDK)
            .stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(Ok(line)) = lines.next() else {
            let _ = child.wait();
            return None;
        };
        let base = line.strip_prefix("listening on ").unwrap().to_owned();
        let root = PathBuf::from(format!("/proc/{}/root", child.id()));
        let disk = root.join(disk.strip_prefix("/").unwrap());
        Some(Self { child, base, disk })
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

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }
}

#[tokio::test]
async fn a_full_disk_stops_writes_and_nothing_else_until_there_is_room() {
    let dir = TempDir::new().unwrap();
    let Some(server) = Confined::start(&dir) else {
        eprintln!("not tested: this machine lets nobody mount a file system");
        return;
    };
    let flag = json!({"key": "f", "type": "boolean"});
    server.send(Method::POST, FLAGS, Some(flag)).await.is(201);
    let url = format!("{}/sdk/v1/stream", server.base);
    let mut stream = Events::of(Client::new().get(url).bearer_auth(SDK)).await;
    stream.block().await.unwrap();

    let filler = server.disk.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    let mut revision = 1;
    let refused = loop {
        let verb = if revision % 2 == 1 { "on" } else { "off" };
        let path = format!("{PRODUCTION}/flags/f/{verb}");
        let answered = server.send(Method::POST, &path, None).await;
        if answered.status != 200 {
            break answered;
        }
        // What there was room for is there.
        revision += 1;
        assert_eq!(answered.is(200)["revision"], revision);
        assert_eq!(stream.next().await.unwrap().data["revision"], revision);
    };
    let problem = refused.problem(503, "storage_failed");
    assert_eq!(problem["detail"], "the disk is full, and nothing was written; try again");
    let ready = server.get("/readyz").await.problem(503, "not_ready");
    let said = ready["detail"].as_str().unwrap();
    assert!(said.starts_with("writes fail: the disk is full, since 20"), "{said}");
    // Reads go on, of what was committed.
    server.get("/livez").await.is(200);
    assert_eq!(server.get(PRODUCTION).await.is(200)["revision"], revision);
    let question = json!({"context": {}, "flag": "f"});
    let path = format!("{PRODUCTION}/evaluate");
    server.send(Method::POST, &path, Some(question)).await.is(200);
    let snapshot = Client::new().get(format!("{}/sdk/v1/snapshot", server.base));
    assert_eq!(
        answer(snapshot.bearer_auth(SDK)).await.is(200)["revision"].as_u64(),
        Some(revision)
    );

    std::fs::remove_file(filler).unwrap();
    let deadline = Instant::now() + DEADLINE;
    while server.get("/readyz").await.status != 200 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let verb = if revision % 2 == 1 { "on" } else { "off" };
    let path = format!("{PRODUCTION}/flags/f/{verb}");
    assert_eq!(server.send(Method::POST, &path, None).await.is(200)["revision"], revision + 1);
    assert_eq!(stream.next().await.unwrap().data["revision"], revision + 1);
    // Nobody writes now: what lies there is a whole database.
    for file in ["flags.db", "flags.db-wal"] {
        std::fs::copy(server.disk.join(file), dir.path().join(file)).unwrap();
    }
    let (code, report, errors) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])), "{errors}");
}

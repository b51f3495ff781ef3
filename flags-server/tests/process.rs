//! The binary: its command line, its output, its signals.

#![cfg(test)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SECRET: &str = "a-secret-that-nobody-may-read-0123456789";

fn command(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flags-server"));
    command
        .env_clear()
        .env("FLAGS_LISTEN", "127.0.0.1:0")
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs until it says where it listens; gives what it said until then, and the address.
fn start(command: &mut Command) -> (Child, Vec<String>, String) {
    let mut child = command.spawn().unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(address) = line.strip_prefix("listening on ") {
            return (child, lines, address.to_owned());
        }
        lines.push(line);
    }
    panic!("it does not listen: {:?}", child.wait_with_output());
}

fn stop(child: Child, signal: &str) -> Output {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    child.wait_with_output().unwrap()
}

fn sdk_token(line: &str) -> &str {
    let token = line.strip_prefix("export FLAGS_SDK_TOKEN=").unwrap();
    token.strip_suffix("  # for default/production").unwrap()
}

async fn get(url: &str, token: &str) -> reqwest::Response {
    reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap()
}

#[tokio::test]
async fn it_creates_a_database_tells_the_tokens_once_and_stops_in_order() {
    let dir = TempDir::new().unwrap();
    let (child, said, address) = start(command(&dir).arg("serve"));
    let [admin, sdk] = &*said else { panic!("{said:?}") };
    let admin = admin.strip_prefix("export FLAGS_ADMIN_TOKEN=").unwrap();
    let sdk = sdk_token(sdk);
    assert_eq!(get(&format!("{address}/api/v1/projects"), admin).await.status(), 200);
    let stream = get(&format!("{address}/sdk/v1/stream"), sdk).await;
    assert_eq!(stream.status(), 200);
    let output = stop(child, "-TERM");
    assert!(output.status.success(), "{output:?}");
    assert!(stream.bytes().await.unwrap().starts_with(b"retry: "));

    // The tokens work on, and are not told again.
    let (child, said, address) = start(&mut command(&dir));
    assert_eq!(said, [""; 0]);
    assert_eq!(get(&format!("{address}/api/v1/projects"), admin).await.status(), 200);
    assert!(stop(child, "-INT").status.success());
}

#[tokio::test]
async fn no_log_has_a_token_and_every_line_is_json_with_the_request_id() {
    let dir = TempDir::new().unwrap();
    let mut command = command(&dir);
    command.args(["--log-level", "trace"]).env("FLAGS_BOOTSTRAP_ADMIN_TOKEN", SECRET);
    let (mut child, said, address) = start(&mut command);
    // Read along: a full pipe would stop the server.
    let mut errors = child.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).map(|_| text)
    });
    let [sdk] = &*said else { panic!("only the token that was not named is told: {said:?}") };
    let sdk = sdk_token(sdk);
    let client = reqwest::Client::new();
    let url = format!("{address}/api/v1/tokens");
    let traced = |url: &str, token: &str, id: &str| {
        let request = client.get(url).bearer_auth(token).header("x-request-id", id);
        request.header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
    };
    let request = client.post(&url).bearer_auth(SECRET).header("x-request-id", "the-request");
    let request = request.header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let created = request.body(r#"{"name": "x", "kind": "admin"}"#).send().await.unwrap();
    assert_eq!(created.status(), 201);
    let created: serde_json::Value = created.json().await.unwrap();
    let secret = created["token"].as_str().unwrap();
    assert_eq!(get(&url, secret).await.status(), 200);
    assert_eq!(get(&format!("{url}?cursor=%21"), secret).await.status(), 400);
    assert_eq!(get(&url, "a-wrong-token-is-a-secret-elsewhere").await.status(), 401);
    assert_eq!(get(&format!("{address}/sdk/v1/snapshot"), sdk).await.status(), 200);
    let forged = client.get(&url).bearer_auth("wrong").header("x-request-id", "forged");
    let forged = forged.header("traceparent", format!("00-{TRACE}-0000000000000000-01"));
    assert_eq!(forged.send().await.unwrap().status(), 401);
    let stream = format!("{address}/sdk/v1/stream");
    let stream = traced(&stream, sdk, "the-stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(stop(child, "-TERM").status.success());

    let log = log.join().unwrap().unwrap();
    for secret in [SECRET, sdk, secret, "a-wrong-token"] {
        assert!(!log.contains(secret), "{log}");
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |id: &str, message: &str| {
        let mut found =
            lines.iter().filter(|line| line["request_id"] == id && line["message"] == message);
        let line = found.next().unwrap_or_else(|| panic!("no {message} of {id} in {log}"));
        assert!(found.next().is_none(), "{message} of {id} twice in {log}");
        line
    };
    let request = line("the-request", "request");
    let expected = serde_json::json!({
        "method": "POST", "route": "/api/v1/tokens", "status": 201, "trace_id": TRACE,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&request[name], value, "{request}");
    }
    assert!(request["duration_ms"].is_number() && request["bytes"].as_u64() > Some(0), "{request}");
    let forged = line("forged", "request");
    assert_eq!((&forged["trace_id"], &forged["actor"]), (&Value::Null, &Value::Null), "{forged}");
    let (begin, end) = (line("the-stream", "stream begins"), line("the-stream", "stream ends"));
    assert_eq!(begin["environment"], "production");
    assert_eq!(end["reason"], "server");
    assert!(end["bytes"].as_u64() > Some(0) && end["duration_ms"].is_number(), "{end}");
    for line in [begin, end, line("the-stream", "request")] {
        assert_eq!(line["trace_id"], TRACE);
        assert!(line["actor"].is_string(), "{line}");
        assert_ne!(line["actor"], request["actor"], "another token");
    }
}

#[test]
fn it_does_not_start_when_something_is_wrong() {
    let dir = TempDir::new().unwrap();
    let refuse = |command: &mut Command, sentence: &str| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(sentence), "{errors}");
    };
    let mut short = command(&dir);
    short.env("FLAGS_BOOTSTRAP_SDK_TOKEN", "too-short");
    refuse(&mut short, "FLAGS_BOOTSTRAP_SDK_TOKEN is too short");
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    let mut same = command(&dir);
    same.env("FLAGS_BOOTSTRAP_SDK_TOKEN", SECRET).env("FLAGS_BOOTSTRAP_ADMIN_TOKEN", SECRET);
    refuse(&mut same, "are the same");

    let (child, _, address) = start(command(&dir).env("FLAGS_DATABASE", "flags.db"));
    refuse(&mut command(&dir), "cannot open flags.db: another process has it open");
    // By another name it is the same file.
    std::os::unix::fs::symlink("flags.db", dir.path().join("link.db")).unwrap();
    let mut link = command(&dir);
    refuse(link.args(["--database", "link.db"]), "another process has it open");
    // Also where the link was there before the file.
    std::os::unix::fs::symlink("late.db", dir.path().join("early.db")).unwrap();
    let (early, ..) = start(command(&dir).args(["--database", "early.db"]));
    let mut late = command(&dir);
    refuse(late.args(["--database", "late.db"]), "another process has it open");
    assert!(stop(early, "-TERM").status.success());
    let mut taken = command(&dir);
    taken.args(["--database", "other.db"]);
    let mut taken = Command::new(taken.get_program());
    taken.current_dir(&dir).args(["--database", "other.db", "--listen"]);
    refuse(taken.arg(address.trim_start_matches("http://")), "cannot listen on");
    assert!(!dir.path().join("other.db").exists());
    assert!(stop(child, "-TERM").status.success());

    // The variables are read only when the database is created.
    let mut later = command(&dir);
    let (child, ..) = start(later.env("FLAGS_BOOTSTRAP_ADMIN_TOKEN", "short"));
    assert!(stop(child, "-TERM").status.success());

    std::fs::write(dir.path().join("text.db"), "this is no database".repeat(100)).unwrap();
    let mut text = command(&dir);
    refuse(text.args(["--database", "text.db"]), "cannot open text.db: file is not a database");
    let other = rusqlite::Connection::open(dir.path().join("books.db")).unwrap();
    other.execute("CREATE TABLE book (title TEXT)", []).unwrap();
    let mut books = command(&dir);
    refuse(books.args(["--database", "books.db"]), "it is a database of another program");
    let tables = "SELECT count(*) FROM sqlite_schema";
    assert_eq!(other.query_row(tables, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[test]
fn a_port_zero_listener_says_its_port() {
    let dir = TempDir::new().unwrap();
    let (child, _, address) = start(&mut command(&dir));
    assert!(!address.ends_with(":0"), "{address}");
    stop(child, "-TERM");
}

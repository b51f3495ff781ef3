//! The binary: its command line, its output, its signals.

#![cfg(test)]

use std::collections::BTreeSet;
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

/// Whatever is done with tokens, right or wrong: none of them is kept or told anywhere but once.
#[tokio::test]
async fn no_log_problem_or_file_has_a_token_and_every_line_is_json_with_the_request_id() {
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
    let mut rest_of_output = child.stdout.take().unwrap();
    let [sdk] = &*said else { panic!("only the token that was not named is told: {said:?}") };
    let mut secrets = vec![SECRET.to_owned(), sdk_token(sdk).to_owned()];
    let client = reqwest::Client::new();
    let tokens = format!("{address}/api/v1/tokens");
    let post = async |url: &str, secret: &str, body: &str| {
        let request = client.post(url).bearer_auth(secret).header("x-request-id", "the-request");
        let response = request.body(body.to_owned()).send().await.unwrap();
        let status = response.status().as_u16();
        let body: serde_json::Value = response.json().await.unwrap();
        (status, body)
    };
    let mut ids = Vec::new();
    for body in [
        r#"{"name": "a", "kind": "service", "role": "admin"}"#,
        r#"{"name": "b", "kind": "personal", "role": "viewer", "scope": [{"project": "default"}]}"#,
        r#"{"name": "c", "kind": "sdk", "environment": "production", "tenants": "none"}"#,
    ] {
        let (status, created) = post(&tokens, SECRET, body).await;
        assert_eq!(status, 201, "{created}");
        let id = created["id"].as_str().unwrap().to_owned();
        secrets.push(created["token"].as_str().unwrap().to_owned());
        let rotate = format!("{tokens}/{id}/rotate");
        for overlap in [3_600, 0] {
            let overlap = format!("{{\"overlap_seconds\": {overlap}}}");
            let (status, rotated) = post(&rotate, SECRET, &overlap).await;
            assert_eq!(status, 200, "{rotated}");
            secrets.push(rotated["token"].as_str().unwrap().to_owned());
        }
        ids.push(id);
    }
    let wrong = "a-wrong-token-is-a-secret-elsewhere";
    secrets.push(wrong.to_owned());

    // Each of them at every kind of route, where it is right and where it is not.
    let (mut problems, mut statuses) = (String::new(), BTreeSet::new());
    for secret in &secrets {
        let urls = [
            format!("{tokens}?cursor=%21"),
            format!("{tokens}/{secret}"),
            format!("{address}/api/v1/projects"),
            format!("{address}/api/v1/projects/none"),
            format!("{address}/api/v1/projects?access_token={secret}"),
            format!("{address}/sdk/v1/snapshot"),
            format!("{address}/sdk/v1/stream?after={secret}"),
            format!("{address}/{secret}"),
        ];
        for url in &urls {
            let response = get(url, secret).await;
            let status = response.status().as_u16();
            statuses.insert(status);
            if status >= 400 {
                problems.push_str(&response.text().await.unwrap());
            }
        }
        let (_, problem) = post(&tokens, secret, &format!("{{\"name\": \"{secret}")).await;
        problems.push_str(&problem.to_string());
        let url = format!("{tokens}/{secret}/rotate");
        let (_, problem) = post(&url, secret, r#"{"overlap_seconds": 1}"#).await;
        problems.push_str(&problem.to_string());
    }
    for status in [200, 400, 401, 403, 404] {
        assert!(statuses.contains(&status), "{statuses:?}");
    }
    let list: String = get(&tokens, SECRET).await.text().await.unwrap();
    for id in &ids {
        assert!(list.contains(id));
        let revoke = client.delete(format!("{tokens}/{id}")).bearer_auth(SECRET);
        assert_eq!(revoke.send().await.unwrap().status(), 200);
    }

    let files = || -> Vec<u8> {
        let names = ["flags.db", "flags.db-wal", "flags.db.lock"];
        let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap_or_default();
        names.into_iter().flat_map(read).collect()
    };
    let mut kept = files();
    assert!(stop(child, "-TERM").status.success());
    kept.extend(files());
    let kept = String::from_utf8_lossy(&kept);
    assert!(kept.contains("token.rotate"), "the audit log is among what is searched");
    let log = log.join().unwrap().unwrap();
    let mut output = String::new();
    rest_of_output.read_to_string(&mut output).unwrap();
    assert_eq!(secrets.len(), 2 + 3 * 3 + 1);
    for secret in &secrets {
        for (text, what) in [
            (&*log, "log"),
            (&*problems, "problems"),
            (&*list, "list"),
            (&*output, "output"),
            (&*kept, "files"),
        ] {
            assert!(!text.contains(&**secret), "{secret} is in the {what}: {text}");
        }
    }
    let mut found = false;
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line["request_id"] == "the-request" && line["message"] == "request" && !found {
            found = true;
            assert_eq!(
                (&line["method"], &line["route"]),
                (&"POST".into(), &"/api/v1/tokens".into())
            );
            assert_eq!(line["status"], 201);
            assert!(line["duration_ms"].is_number());
        }
    }
}

/// The lines of a request and of a stream say whose they are, and of which trace.
#[tokio::test]
async fn requests_and_streams_are_found_in_the_log() {
    let dir = TempDir::new().unwrap();
    let mut command = command(&dir);
    command.env("FLAGS_BOOTSTRAP_ADMIN_TOKEN", SECRET);
    let (mut child, said, address) = start(&mut command);
    let mut errors = child.stderr.take().unwrap();
    let sdk = sdk_token(&said[0]);
    let client = reqwest::Client::new();
    let url = format!("{address}/api/v1/tokens");
    let traced = |request: reqwest::RequestBuilder, token: &str, id: &str| {
        let request = request.bearer_auth(token).header("x-request-id", id);
        request.header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
    };
    let request = traced(client.post(&url), SECRET, "the-request");
    let body = r#"{"name": "x", "kind": "service", "role": "viewer"}"#;
    assert_eq!(request.body(body).send().await.unwrap().status(), 201);
    let forged = client.get(&url).bearer_auth("wrong").header("x-request-id", "forged");
    let forged = forged.header("traceparent", format!("00-{TRACE}-0000000000000000-01"));
    assert_eq!(forged.send().await.unwrap().status(), 401);
    let stream = client.get(format!("{address}/sdk/v1/stream"));
    let stream = traced(stream, sdk, "the-stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(stop(child, "-TERM").status.success());
    let mut log = String::new();
    errors.read_to_string(&mut log).unwrap();

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

/// The settings of quotas are the process's, by flags and variables, and bad ones are told.
#[tokio::test]
async fn quotas_are_configured() {
    let dir = TempDir::new().unwrap();
    let mut command = command(&dir);
    command
        .args(["--streams-per-token", "3"])
        .env("FLAGS_BOOTSTRAP_ADMIN_TOKEN", SECRET)
        .env("FLAGS_SDK_REQUESTS_PER_MINUTE", "77");
    let (child, _, address) = start(&mut command);
    let url = format!("{address}/api/v1/projects/default/environments/production");
    let shown: serde_json::Value = get(&url, SECRET).await.json().await.unwrap();
    let limits = &shown["limits"];
    assert_eq!(
        (&limits["streams_per_token"], &limits["sdk_requests_per_minute"]),
        (&3.into(), &77.into())
    );
    assert!(stop(child, "-TERM").status.success());
    let output = self::command(&dir).args(["--admin-requests-per-minute", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("--admin-requests-per-minute"), "{errors}");
}

/// Failures are counted for the client that the proxy names, if it is one to be believed.
#[tokio::test]
async fn a_trusted_proxy_says_for_whom_it_asks() {
    for (trusted, last) in [("127.0.0.1,10.0.0.0/8", 401), ("10.0.0.0/8", 429)] {
        let dir = TempDir::new().unwrap();
        let arguments = ["--trusted-proxies", trusted, "--failed-authentications-per-minute", "1"];
        let (child, _, address) = start(command(&dir).args(arguments));
        let fail = async |client: &str| {
            let request = reqwest::Client::new().get(format!("{address}/api/v1/projects"));
            let request = request.header("x-forwarded-for", client);
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(fail("192.0.2.1").await, 401);
        assert_eq!(fail("192.0.2.1").await, 429);
        assert_eq!(fail("192.0.2.2, 10.0.0.1").await, last, "{trusted}");
        stop(child, "-TERM");
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
    std::fs::hard_link(dir.path().join("flags.db"), dir.path().join("hard.db")).unwrap();
    let mut hard = command(&dir);
    refuse(hard.args(["--database", "hard.db"]), "another process has it open");
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
fn an_older_server_leaves_a_newer_database_alone() {
    let dir = TempDir::new().unwrap();
    let (child, ..) = start(&mut command(&dir));
    assert!(stop(child, "-TERM").status.success());
    let database = rusqlite::Connection::open(dir.path().join("flags.db")).unwrap();
    let later = "INSERT INTO refinery_schema_history SELECT 999, 'later', applied_on, checksum
        FROM refinery_schema_history WHERE version = 1";
    database.execute(later, []).unwrap();
    drop(database);
    let before = std::fs::read(dir.path().join("flags.db")).unwrap();
    for arguments in [&["serve"][..], &["migrate"], &["check"], &["token", "list"]] {
        let output = command(&dir).args(arguments).env_remove("FLAGS_LISTEN").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        let sentence = "it was written by a later flags-server (its schema has version 999";
        assert!(errors.contains(sentence), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().filter(|line| line.contains("flags-server:")).count(), 1);
    }
    assert_eq!(std::fs::read(dir.path().join("flags.db")).unwrap(), before);
}

#[test]
fn what_was_mistyped_is_not_ignored() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("flags.toml"), "listen = '127.0.0.1:0'\nlog_levle = 'info'\n")
        .unwrap();
    let complains = |command: &mut Command, parts: &[&str]| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        for part in parts {
            assert!(errors.contains(part), "{errors}");
        }
    };
    let mut file = command(&dir);
    complains(file.args(["--config", "flags.toml"]), &["flags.toml", "line 2", "log_levle"]);
    let mut file = command(&dir);
    complains(file.args(["check", "--config", "flags.toml"]), &["flags.toml", "line 2"]);
    let mut variable = command(&dir);
    complains(variable.env("FLAGS_LISEN", "x"), &["FLAGS_LISEN"]);
    assert!(!dir.path().join("flags.db").exists());

    // The file says where the database is, a variable is above it, a flag above both.
    std::fs::write(dir.path().join("flags.toml"), "database = 'file.db'\n").unwrap();
    let mut named = command(&dir);
    let (child, ..) = start(named.args(["--config", "flags.toml"]));
    assert!(stop(child, "-TERM").status.success());
    let mut named = command(&dir);
    named.env("FLAGS_CONFIG", "flags.toml").env("FLAGS_DATABASE", "variable.db");
    let (child, ..) = start(&mut named);
    assert!(stop(child, "-TERM").status.success());
    let (child, ..) = start(named.args(["--database", "flag.db"]));
    assert!(stop(child, "-TERM").status.success());
    for file in ["file.db", "variable.db", "flag.db"] {
        assert!(dir.path().join(file).exists(), "{file}");
    }
}

#[test]
fn a_port_zero_listener_says_its_port() {
    let dir = TempDir::new().unwrap();
    let (child, _, address) = start(&mut command(&dir));
    assert!(!address.ends_with(":0"), "{address}");
    stop(child, "-TERM");
}

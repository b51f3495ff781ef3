//! The binary: its command line, its output, its signals.

#![cfg(test)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

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
    assert!(found, "{log}");
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

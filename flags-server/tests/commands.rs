//! What holds for every command: what goes where, exit codes, and what is shown meanwhile.

#![cfg(test)]

mod binary;
mod server;

use std::fs::File;
use std::io::Read;
use std::process::Output;

use binary::{binary, run};
use serde_json::{Value, json};
use server::{PRODUCTION, TestServer};
use tempfile::TempDir;

const PLACE: [&str; 4] = ["--project", "default", "--environment", "production"];
const EARLY: &str = "2000-01-01T00:00:00Z";

/// A database with a flag, and a document to import; with the id of a token that may be revoked.
async fn filled() -> (TestServer, String) {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let target = json!({"targets": [{"kind": "user", "keys": ["ada"], "variant": "on"}]});
    server.patch(&format!("{PRODUCTION}/flags/f"), 1, target).await.is(200);
    std::fs::write(server.dir.path().join("d.json"), "{}").unwrap();
    let token = json!({"name": "t", "kind": "service", "role": "viewer"});
    let token = server.post("/api/v1/tokens", token).await.is(201);
    (server, token["id"].as_str().unwrap().to_owned())
}

/// Every command, as it can be called twice: `#` is another name each time.
fn commands(token: &str) -> Vec<Vec<&str>> {
    let mut all = vec![
        vec!["migrate"],
        vec!["check"],
        vec!["backup", "#.db"],
        vec!["prune", "--history-before", EARLY],
        vec!["prune", "--audit-before", EARLY, "--schedule-before", EARLY, "--yes"],
        vec!["token", "list"],
        vec!["token", "create", "--name", "#", "--kind", "service", "--role", "viewer"],
        vec!["token", "rotate", token, "--overlap-seconds", "0"],
        vec!["token", "revoke", token],
        vec!["erase", "--user", "ada", "--dry-run"],
        vec!["erase", "--user", "ada"],
    ];
    for more in [
        &["export", "#.json"][..],
        &["import", "d.json", "--dry-run"],
        &["import", "d.json", "--reason", "#"],
    ] {
        all.push([more, &PLACE].concat());
    }
    all.push(vec!["restore", "backup.db"]);
    all
}

fn output(dir: &TempDir, arguments: &[&str]) -> Output {
    binary(dir).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn results_go_to_standard_output_for_people_or_as_one_document() {
    let (server, token) = filled().await;
    let dir = server.stop().await;
    assert!(output(&dir, &["backup", "backup.db"]).status.success());
    for command in commands(&token) {
        for (name, format) in [("people", "text"), ("programs", "json")] {
            // Where both make something, they make two things.
            let command: Vec<_> = command.iter().map(|word| word.replace('#', name)).collect();
            let mut arguments: Vec<_> = command.iter().map(String::as_str).collect();
            arguments.extend(["--output", format]);
            let done = output(&dir, &arguments);
            let (out, errors) = (text(&done.stdout), text(&done.stderr));
            assert_eq!((done.status.code(), errors), (Some(0), ""), "{arguments:?}");
            let value = serde_json::from_str::<Value>(out);
            match format {
                "json" => {
                    assert!(value.is_ok() && out.lines().count() == 1, "{arguments:?}: {out}");
                }
                _ => assert!(value.is_err() && !out.trim().is_empty(), "{arguments:?}: {out}"),
            }
        }
    }
}

#[tokio::test]
async fn what_fails_says_so_in_a_sentence_and_what_is_not_understood_ends_otherwise() {
    let (server, token) = filled().await;
    let dir = server.stop().await;
    for command in commands(&token) {
        let missing = match command[0] {
            // Its database need not be there.
            "restore" => vec!["restore", "none.db"],
            _ => [&command[..], &["--database", "none.db"]].concat(),
        };
        for format in ["text", "json"] {
            let failed = output(&dir, &[&missing[..], &["--output", format]].concat());
            let (out, errors) = (text(&failed.stdout), text(&failed.stderr));
            assert_eq!((failed.status.code(), out), (Some(1), ""), "{missing:?}: {errors}");
            assert!(errors.starts_with("flags-server: ") && errors.contains("none.db"), "{errors}");
            assert_eq!(errors.lines().count(), 1, "{missing:?}: {errors}");
        }
        let unknown = output(&dir, &[&command[..], &["--surprise"]].concat());
        assert_eq!((unknown.status.code(), text(&unknown.stdout)), (Some(2), ""), "{command:?}");
        assert!(text(&unknown.stderr).contains("--surprise"), "{command:?}");
    }
    assert!(!dir.path().join("none.db").exists());
}

#[tokio::test]
async fn what_only_tells_runs_beside_a_live_server() {
    let (server, token) = filled().await;
    for command in commands(&token) {
        let only_tells = command.contains(&"--dry-run")
            || matches!(command[0], "check" | "backup" | "export")
            || (command[0] == "prune" && !command.contains(&"--yes"))
            || command.starts_with(&["token", "list"]);
        let (code, _, errors) = run(binary(&server.dir), &command).await;
        match only_tells {
            true => assert_eq!((code, &*errors), (0, ""), "{command:?}"),
            false => {
                let refused = errors.contains("another process has it open")
                    || errors.contains("cannot read backup.db");
                assert!(code == 1 && refused, "{command:?}: {errors}");
            }
        }
    }
    let state = server.get(&format!("{PRODUCTION}/flags/f")).await.is(200);
    assert_eq!(state["targets"][0]["keys"], json!(["ada"]));
}

/// What a command shows on a terminal while it works.
#[cfg(target_os = "linux")]
fn shown(dir: &TempDir, arguments: &[&str]) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let inside = File::options().read(true).write(true).open(name).unwrap();
    let mut command = binary(dir);
    command.args(arguments).stderr(inside);
    let done = command.output().unwrap();
    drop(command);
    let (mut outside, mut shown, mut part) = (File::from(terminal), Vec::new(), [0; 4096]);
    // A terminal that nobody has open any more ends with an error.
    while let Ok(count @ 1..) = outside.read(&mut part) {
        shown.extend_from_slice(&part[..count]);
    }
    let shown = String::from_utf8(shown).unwrap();
    assert!(done.status.success(), "{arguments:?}: {shown:?}");
    shown
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn long_work_is_shown_on_a_terminal_and_wiped_away() {
    let (server, _) = filled().await;
    let dir = server.stop().await;
    for (arguments, words) in [
        (&["migrate"][..], &["migrating", "verifying"][..]),
        (&["check"], &["the file", "environment default/production", "the audit log"]),
        (&["backup", "backup.db"], &["checking the copy"]),
        (&["restore", "backup.db"], &["environment default/production"]),
        (&["prune", "--history-before", EARLY], &["default/production", "default/development"]),
        (&["erase", "--user", "x"], &["default/production: revision 0 of", "the audit log, after"]),
    ] {
        let shown = shown(&dir, arguments);
        for word in words {
            assert!(shown.contains(word), "{arguments:?}: {shown:?}");
        }
        assert!(shown.ends_with("\r\u{1b}[K"), "{arguments:?}: {shown:?}");
    }
    let import = [&["import", "d.json"][..], &PLACE].concat();
    assert!(shown(&dir, &import).contains("importing"));
}

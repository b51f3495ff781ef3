//! `flags-server export` and `import`: an environment out of one database and into another one.

#![cfg(test)]

mod binary;
mod server;

use std::fs::File;
use std::process::Command;

use binary::{binary, run};
use serde_json::{Value, json};
use server::{ADMIN, PRODUCTION, TestServer};

const PLACE: [&str; 4] = ["--project", "default", "--environment", "production"];

/// One flag with a target, a segment and a stored tenant.
async fn filled() -> TestServer {
    let server = TestServer::start().await;
    server.create_flag("f").await;
    let state =
        json!({"on": true, "targets": [{"kind": "user", "keys": ["ada"], "variant": "on"}]});
    server.patch(&format!("{PRODUCTION}/flags/f"), 1, state).await.is(200);
    let segment = json!({"key": "beta", "kind": "tenant", "included": ["acme"]});
    server.post(&format!("{PRODUCTION}/segments"), segment).await.is(201);
    let tenants = json!({"tenants": [{"key": "acme", "attributes": {"country": "DE"}}]});
    server.post(&format!("{PRODUCTION}/tenants"), tenants).await.is(200);
    server
}

fn through_api(server: &TestServer) -> Command {
    let mut command = binary(&server.dir);
    command.env("FLAGS_ADMIN_TOKEN", ADMIN).env("FLAGS_URL", &server.base);
    command
}

fn with<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &PLACE].concat()
}

async fn import_route(server: &TestServer, query: &str, document: &Value) -> Value {
    server.post(&format!("{PRODUCTION}/import{query}"), document.clone()).await.is(200)
}

#[tokio::test]
async fn an_environment_goes_out_of_the_file_of_a_live_server() {
    let server = filled().await;
    let route = server.get(&format!("{PRODUCTION}/export")).await.is(200);
    let (code, printed, errors) = run(binary(&server.dir), &with(&["export"])).await;
    assert_eq!((code, &*errors), (0, ""));
    assert_eq!(printed, route);

    let file = server.dir.path().join("production.json");
    let export = with(&["export", "production.json"]);
    let (code, report, errors) = run(binary(&server.dir), &export).await;
    assert_eq!((code, &*errors), (0, ""));
    let written = std::fs::read(&file).unwrap();
    assert_eq!(report, json!({"file": "production.json", "bytes": written.len()}));
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), route);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (code, _, errors) = run(binary(&server.dir), &export).await;
    assert!(code == 1 && errors.contains("production.json is there already"), "{errors}");
    let (code, _, errors) =
        run(binary(&server.dir), &["export", "--project", "default", "--environment", "x"]).await;
    assert!(code == 1 && errors.contains("`default` has no environment `x`"), "{errors}");
    let (code, _, errors) = run(binary(&server.dir), &["export", "--project", "default"]).await;
    assert!(code == 2 && errors.contains("--environment"), "{errors}");
    let elsewhere = with(&["export", "none/production.json"]);
    let (code, _, errors) = run(binary(&server.dir), &elsewhere).await;
    assert!(code == 1 && errors.contains("cannot write none/production.json.part"), "{errors}");

    // Nothing half-done is left where there is nothing to export.
    let lost = ["export", "lost.json", "--project", "lost", "--environment", "production"];
    let (code, _, _) = run(binary(&server.dir), &lost).await;
    let names = server.dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains("lost")).collect();
    assert!(code == 1 && left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_document_goes_in_through_the_api_or_on_the_file_and_is_told_the_same() {
    let from = filled().await;
    let document = from.get(&format!("{PRODUCTION}/export")).await.is(200);
    let to = TestServer::start().await;
    std::fs::write(to.dir.path().join("d.json"), document.to_string()).unwrap();

    // What it would do, in three ways, and nothing is done.
    let told = import_route(&to, "?dry_run=true", &document).await;
    assert_eq!(told["objects_count"], 3);
    let dry = with(&["import", "d.json", "--dry-run"]);
    for command in [through_api(&to), binary(&to.dir)] {
        let (code, report, errors) = run(command, &dry).await;
        assert_eq!((code, &*errors), (0, ""));
        assert_eq!(report, told);
    }
    assert_eq!(to.revision().await, 0);

    // The file is the server's.
    let import = with(&["import", "d.json", "--reason", "moved"]);
    let (code, _, errors) = run(binary(&to.dir), &import).await;
    assert!(code == 1 && errors.contains("another process has it open"), "{errors}");
    let (code, report, errors) = run(through_api(&to), &import).await;
    assert_eq!((code, &*errors), (0, ""));
    assert_eq!(report["revisions"]["production"], 1);
    let moved = to.get(&format!("{PRODUCTION}/export")).await.is(200);
    for part in ["flags", "segments", "tenants"] {
        assert_eq!(moved[part], document[part]);
    }
    let audit = to.get("/api/v1/audit?action=environment.import").await.is(200);
    assert_eq!(audit["items"][0]["reason"], "moved");

    // On the file, once nobody has it; from standard input.
    to.press(&format!("{PRODUCTION}/flags/f/off")).await.is(200);
    let told = import_route(&to, "?dry_run=true", &document).await;
    let dir = to.stop().await;
    let mut command = binary(&dir);
    command.stdin(File::open(dir.path().join("d.json")).unwrap());
    let (code, report, errors) =
        run(command, &with(&["import", "-", "--if-revision", "2", "--reason", "back"])).await;
    assert_eq!((code, &*errors), (0, ""));
    assert_eq!((&report["objects"], &report["revision"]), (&told["objects"], &json!(3)));
    let (code, report, _) = run(binary(&dir), &["check"]).await;
    assert_eq!((code, &report["findings"]), (0, &json!([])));
    let (code, report, _) = run(binary(&dir), &import).await;
    assert_eq!((code, &report["objects_count"], &report["revision"]), (0, &json!(0), &json!(3)));

    let to = TestServer::start_in(dir).await;
    let audit = to.get("/api/v1/audit?action=environment.import").await.is(200);
    let latest = &audit["items"][0];
    assert_eq!((&latest["reason"], &latest["actor"]["id"]), (&json!("back"), &json!("operator")));
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place_and_nothing_is_imported() {
    let server = filled().await;
    let write = |name: &str, text: &str| {
        std::fs::write(server.dir.path().join(name), text).unwrap();
    };
    let flag = json!({"key": "f", "type": "string", "state": {}, "colour": 1,
        "variants": [{"name": "a", "value": "a"}]});
    write("wrong.json", &json!({"flags": [flag], "segments": [{"kind": "user"}]}).to_string());
    let wrong = with(&["import", "wrong.json", "--dry-run"]);
    for command in [through_api(&server), binary(&server.dir)] {
        let (code, report, errors) = run(command, &wrong).await;
        assert_eq!((code, report), (1, Value::Null));
        for place in ["/flags/0/colour: ", "/flags/0/state", "/segments/0: "] {
            assert!(errors.contains(&format!("\n  {place}")), "{errors}");
        }
    }
    write("broken.json", "{\"flags\": [\n  oh]}");
    let broken = with(&["import", "broken.json"]);
    let (code, _, errors) = run(through_api(&server), &broken).await;
    let place = "broken.json is not JSON that can be read";
    assert!(code == 1 && errors.contains(place) && errors.contains("line 2 column 3"), "{errors}");
    write("twice.json", r#"{"flags": [], "flags": []}"#);
    let (code, _, errors) = run(through_api(&server), &with(&["import", "twice.json"])).await;
    assert!(code == 1 && errors.contains("twice.json is not JSON"), "{errors}");
    write("long.json", &" ".repeat(16 * 1024 * 1024 + 1));
    let (code, _, errors) = run(through_api(&server), &with(&["import", "long.json"])).await;
    assert!(code == 1 && errors.contains("at most 16777216 bytes"), "{errors}");
    let (code, _, errors) = run(through_api(&server), &with(&["import", "none.json"])).await;
    assert!(code == 1 && errors.contains("cannot read none.json"), "{errors}");
    write("empty.json", "{}");
    for dry_run in [&["--dry-run"][..], &[]] {
        let stale = [&with(&["import", "empty.json", "--if-revision", "1"])[..], dry_run].concat();
        let (code, _, errors) = run(through_api(&server), &stale).await;
        assert!(code == 1 && errors.contains("the current version is 4"), "{errors}");
    }
    let stale = with(&["import", "empty.json", "--if-revision", "1", "--dry-run"]);
    let (code, _, errors) = run(binary(&server.dir), &stale).await;
    assert!(code == 1 && errors.contains("the current version is 4"), "{errors}");
    let lost = ["import", "empty.json", "--project", "default", "--environment", "lost"];
    let (code, _, errors) = run(through_api(&server), &lost).await;
    assert!(code == 1 && errors.contains("no environment `lost`"), "{errors}");
    assert_eq!(server.revision().await, 4);
}

#[tokio::test]
async fn people_see_what_changes_place_by_place() {
    let server = filled().await;
    let mut document = server.get(&format!("{PRODUCTION}/export")).await.is(200);
    document["flags"][0]["state"]["on"] = json!(false);
    document["flags"][0]["owner"] = json!("design");
    std::fs::write(server.dir.path().join("d.json"), document.to_string()).unwrap();
    let mut command = binary(&server.dir);
    command.args(with(&["import", "d.json", "--dry-run"]));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let expected = "flag_state f: switched off\n  ~ /on: true → false\nflag f keeps its shared \
                    definition\nthis is what would change after revision 4\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

//! The cache file, seen from outside: what a client starts from while its server is away.

#![cfg(test)]

mod support;

use std::path::Path;

use flags_client::{Builder, Client, Entity, Flag, ProblemKind, Source, State, Status};
use support::{Canned, Reserved, SOON, Server, TOKEN, reach, until};

const A: Flag<bool> = Flag::new("a", false);

fn is_on(client: &Client, flag: &Flag<bool>) -> bool {
    client.is_on(flag, &Entity::user("u-17"))
}

fn cached(builder: Builder, folder: &Path) -> Builder {
    builder.cache_file(folder.join("flags.cache")).first_snapshot_timeout(SOON)
}

/// A client of a server that has just gone away.
async fn without_server(url: &str, token: &str, folder: &Path) -> Client {
    let started = std::time::Instant::now();
    let builder = cached(Client::builder(url, token).hurried(), folder);
    let client = builder.first_snapshot_timeout(SOON * 100).connect().await.unwrap();
    assert!(started.elapsed() < SOON, "it waited although the disk had a ruleset");
    client
}

/// Runs a client until the file holds what the server has, and ends it.
async fn fill(server: &Server, folder: &Path, change: bool) {
    let client = cached(server.builder(), folder).connect().await.unwrap();
    if change {
        let revision = server.set("a", true);
        client.wait_for(revision, SOON).await.unwrap();
    }
    let expected = server.position().to_string();
    until("the cache file", || holds(folder, &expected)).await;
    drop(client);
}

/// Whether the file is the state at a position, by a client that has nothing else.
fn holds(folder: &Path, position: &str) -> bool {
    let bytes = std::fs::read(folder.join("flags.cache")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let (epoch, revision) = position.split_once('.').unwrap();
    let epoch = format!("\"epoch\":\"{epoch}\",\"revision\":{revision},");
    text.rfind("\"epoch\":").is_some_and(|last| text[last..].starts_with(&epoch))
}

#[tokio::test]
async fn the_last_known_good_state_is_served_at_once_while_the_server_is_away() {
    for change in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        fill(&server, folder.path(), change).await;
        server.always(Some(Canned::status(502)));

        let client = without_server(&server.url(), TOKEN, folder.path()).await;
        let status = client.status();
        assert_eq!((status.state, status.source), (State::Stale, Source::Disk));
        assert_eq!(status.position, Some(server.position()));
        assert!(status.last_error.is_some() && status.cache_error.is_none());
        assert_eq!(is_on(&client, &A), change);

        server.always(None);
        server.set("a", !change);
        client.wait_for(server.position().revision, SOON).await.unwrap();
        assert_eq!(is_on(&client, &A), !change);
        let status = reach(&client, |s| s.state == State::Live).await;
        assert_eq!(status.source, Source::Server);
        assert_eq!(server.count("snapshot"), 1, "the stream resumes where the file ends");
    }
}

#[tokio::test]
async fn a_refused_connection_does_not_hold_up_a_start_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    // The runtime of the server ends, and its listener with it.
    let path = folder.path().to_owned();
    let filling = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start().await;
            fill(&server, &path, true).await;
            server.addr
        })
    });
    let addr = tokio::task::spawn_blocking(|| filling.join().unwrap()).await.unwrap();
    let _nobody_listens_there = Reserved::at(addr);

    let client = without_server(&format!("http://{addr}"), TOKEN, folder.path()).await;
    assert!(is_on(&client, &A));
    assert_eq!(client.status().source, Source::Disk);
    assert_eq!(client.status().last_error.unwrap().kind, ProblemKind::Unreachable);
}

#[tokio::test]
async fn changes_of_several_runs_are_kept_and_a_new_history_replaces_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    for _ in 0..3 {
        fill(&server, folder.path(), true).await;
    }
    assert_eq!(server.count("snapshot"), 1);
    server.restore("e2");
    fill(&server, folder.path(), false).await;
    fill(&server, folder.path(), true).await;
    assert_eq!(server.count("snapshot"), 2);
}

#[tokio::test]
async fn the_file_of_another_environment_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    fill(&server, folder.path(), true).await;
    server.always(Some(Canned::status(401)));

    let url = server.url();
    for (url, token, message) in [
        (url.clone(), "another-token", "it was written with another token"),
        (format!("{url}/moved"), TOKEN, "it is of another server"),
    ] {
        let client = without_server(&url, token, folder.path()).await;
        let status = client.status();
        assert_eq!((status.state, status.source), (State::Starting, Source::Nothing));
        assert!(!is_on(&client, &A));
        let error = status.cache_error.unwrap();
        assert_eq!(error.kind, ProblemKind::Cache);
        assert!(error.message.ends_with(message), "{}", error.message);
        assert_eq!(status.counters.cache_errors, 1);
    }
}

#[tokio::test]
async fn a_damaged_file_is_ignored_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    fill(&server, folder.path(), true).await;
    let path = folder.path().join("flags.cache");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[150] ^= 1;
    std::fs::write(&path, bytes).unwrap();

    let client = cached(server.builder(), folder.path()).connect().await.unwrap();
    let status = client.status();
    assert_eq!((status.state, status.source), (State::Live, Source::Server));
    assert_eq!(&*status.cache_error.unwrap().message, "the cache file is ignored: it is damaged");
    until("a whole file", || holds(folder.path(), "e1.2")).await;
}

#[tokio::test]
async fn a_file_that_cannot_be_written_harms_nobody() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let client = cached(server.builder(), &missing).connect().await.unwrap();
    let status = reach(&client, |s| s.counters.cache_errors > 0).await;
    let error = status.cache_error.unwrap().message;
    assert!(error.starts_with("cannot replace the cache file: "), "{error}");
    let revision = server.set("a", true);
    client.wait_for(revision, SOON).await.unwrap();
    assert!(is_on(&client, &A));
    assert_eq!(client.status().state, State::Live);
    assert!(client.status().last_error.is_none());

    // As soon as it can be, it is.
    std::fs::create_dir(&missing).unwrap();
    until("the cache file", || holds(&missing, "e1.2")).await;
}

#[tokio::test]
async fn no_file_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start().await;
    let client = cached(server.builder(), folder.path()).connect().await.unwrap();
    reach(&client, Status::is_ready).await;
    assert!(client.status().cache_error.is_none());
}

//! Commands that go through the API: over TLS, and over plain HTTP only where nobody can listen.

#![cfg(test)]

mod binary;
mod server;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use binary::{binary, run};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use server::{ADMIN, TestServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A proxy in front of a server, as operators have one; its certificate is written to `certificate`.
async fn tls_in_front_of(server: &TestServer, certificate: &Path) -> String {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(certificate, cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let backend = server.base.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, backend) = (acceptor.clone(), backend.clone());
            tokio::spawn(async move {
                // A client that does not trust it goes away.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(backend).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

fn command(server: &TestServer, url: &str) -> Command {
    let mut command = binary(&server.dir);
    command.env("FLAGS_ADMIN_TOKEN", ADMIN).env("FLAGS_URL", url);
    command
}

#[tokio::test]
async fn a_server_behind_tls_is_reached_if_its_certificate_is_trusted() {
    let server = TestServer::start().await;
    let certificate = server.dir.path().join("certificate.pem");
    let url = tls_in_front_of(&server, &certificate).await;
    let mut trusting = command(&server, &url);
    trusting.env("SSL_CERT_FILE", &certificate);
    let (code, listed, errors) = run(trusting, &["token", "list"]).await;
    assert_eq!((code, &*errors), (0, ""));
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let mut other = command(&server, &url.replace("localhost", "127.0.0.1"));
    other.env("SSL_CERT_FILE", &certificate);
    let (code, _, errors) = run(other, &["token", "list"]).await;
    assert!(code == 1 && errors.contains("not valid for name"), "{errors}");

    // A certificate of somebody else.
    let stranger = server.dir.path().join("stranger.pem");
    tls_in_front_of(&server, &stranger).await;
    let mut doubting = command(&server, &url);
    doubting.env("SSL_CERT_FILE", &stranger);
    let (code, _, errors) = run(doubting, &["token", "list"]).await;
    assert!(code == 1 && errors.contains("invalid peer certificate"), "{errors}");
}

#[tokio::test]
async fn a_token_does_not_go_to_another_machine_over_plain_http() {
    let server = TestServer::start().await;
    let commands: [&[&str]; 3] = [
        &["token", "list"],
        &["erase", "--user", "u", "--dry-run"],
        &["import", "--project", "default", "--environment", "production", "document.json"],
    ];
    std::fs::write(server.dir.path().join("document.json"), "{}").unwrap();
    for arguments in commands {
        for url in ["http://192.0.2.1:9", "http://flags.example.com", "http://[2001:db8::1]"] {
            let (code, _, errors) = run(command(&server, url), arguments).await;
            assert!(code == 1 && errors.contains("over plain HTTP"), "{errors}");
            assert!(errors.contains("say --insecure-http"), "{errors}");
        }
    }
    let port = server.base.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let near = command(&server, &format!("http://{host}:{port}/"));
        let (code, _, errors) = run(near, &["token", "list"]).await;
        assert_eq!((code, &*errors), (0, ""));
    }
    // Where it is said, it is tried: here there is nobody.
    let insecure = ["token", "list", "--insecure-http"];
    let (code, _, errors) = run(command(&server, "http://0.0.0.0:1"), &insecure).await;
    assert!(code == 1 && errors.contains("cannot reach http://0.0.0.0:1: "), "{errors}");
    let mut proxied = command(&server, &server.base);
    proxied.env("http_proxy", "http://127.0.0.1:1").env("HTTP_PROXY", "http://127.0.0.1:1");
    let (code, _, errors) = run(proxied, &["token", "list"]).await;
    assert_eq!((code, &*errors), (0, ""));
}

#[tokio::test]
async fn what_is_no_flags_server_is_told_and_nobody_is_followed() {
    let server = TestServer::start().await;
    for (url, why) in [
        ("flags.example.com", "is no address"),
        ("ftp://localhost", "neither http nor https"),
        ("http://u:p@localhost", "a user or a password"),
    ] {
        let (code, _, errors) = run(command(&server, url), &["token", "list"]).await;
        assert!(code == 1 && errors.contains(why), "{errors}");
    }
    for (answer, why) in [
        ("301 Moved\r\nlocation: https://elsewhere.example/", "redirects to https://elsewhere.ex"),
        ("200 OK", "not that of a flags-server"),
        ("502 Bad Gateway", "(502): it is not a flags-server"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let other = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 2\r\n\r\nhi");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let (code, _, errors) = run(command(&server, &url), &["token", "list"]).await;
        assert!(code == 1 && errors.contains(why), "{errors}");
        other.await.unwrap();
    }
}

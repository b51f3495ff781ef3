//! What the system is told of connections, beside what HTTP says.

use std::future::{Ready, ready};
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use axum_server::accept::Accept;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::limits::{MAX_WAITING_CONNECTIONS, UNREAD_TIMEOUT};

/// Lets so many connections wait to be accepted that all SDKs may come back at once.
pub(crate) fn widen(listener: &TcpListener) -> io::Result<()> {
    // It listens already, with what the standard library chose; the system takes the new number.
    SockRef::from(listener).listen(MAX_WAITING_CONNECTIONS)
}

/// Prepares each connection that is accepted.
#[derive(Clone, Copy)]
pub(crate) struct Acceptor;

impl<S> Accept<TcpStream, S> for Acceptor {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(prepare(&stream, UNREAD_TIMEOUT).and(Ok((stream, service))))
    }
}

fn prepare(stream: &TcpStream, unread: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // Nothing above would notice a peer that has stopped reading: there is nothing to send to it
    // as long as it has not taken what was sent.
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_user_timeout(Some(unread))?;
    #[cfg(not(target_os = "linux"))]
    let _ = unread;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn a_connection_that_nobody_reads_is_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _reads_nothing = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        prepare(&stream, Duration::from_millis(200)).unwrap();
        let write = async {
            loop {
                if let Err(error) = stream.write_all(&[0; 65_536]).await {
                    return error;
                }
            }
        };
        let error = tokio::time::timeout(Duration::from_secs(60), write).await.unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}

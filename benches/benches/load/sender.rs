//! The floor: a process that does nothing but write the same bytes to as many sockets.
//!
//! One thread, one `write` for each socket, no HTTP beyond the head of the answer. It answers the
//! request for a change before it writes, as the server's commit comes before its streams.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// The first argument of a process that is the sender.
pub const SENDER: &str = "sender";

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    transfer-encoding: chunked\r\n\r\n13\r\nretry: 1000\n:\n\n\r\n";

/// Begins `main` besides [`was_the_server`](super::process::was_the_server).
pub fn was_the_sender() -> bool {
    if std::env::args().nth(1).as_deref() != Some(SENDER) {
        return false;
    }
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("listening on http://{}", listener.local_addr().expect("an address"));
    // The first connection says what to send to the others, and how many there will be.
    let (mut control, _) = listener.accept().expect("a connection");
    let mut length = [0; 4];
    control.read_exact(&mut length).expect("a number");
    let streams: Vec<TcpStream> =
        (0..u32::from_le_bytes(length)).map(|_| open(&listener)).collect();
    let mut frame = Vec::new();
    while control.read_exact(&mut length).is_ok() {
        frame.resize(u32::from_le_bytes(length) as usize, 0);
        control.read_exact(&mut frame).expect("a frame");
        control.write_all(&[1]).expect("the answer is sent");
        for mut stream in &streams {
            let written = stream.write(&frame).expect("the reader keeps up");
            assert_eq!(written, frame.len(), "the reader keeps up");
        }
    }
    true
}

fn open(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.set_nodelay(true).expect("an option");
    let mut request = [0; 1024];
    let _ = stream.read(&mut request).expect("a request");
    stream.write_all(HEAD).expect("the answer is sent");
    stream.set_nonblocking(true).expect("an option");
    stream
}

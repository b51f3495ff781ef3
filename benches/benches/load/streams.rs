//! Many streams read by one thread, cheaply: it shares the machine with the server.
//!
//! One epoll, one buffer for all, no allocation for an event that arrives whole.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use super::process::SDK;

const BUFFER_BYTES: usize = 256 * 1024;

/// Streams from as many addresses of this machine: each has some 28,000 ports.
const ADDRESSES: usize = 8;

/// What one stream has heard so far.
#[derive(Default)]
pub struct Stream {
    socket: Option<TcpStream>,
    /// Whether the answer began, and how the server asked to be left alone when it ends.
    pub served: Option<Instant>,
    pub retry: Duration,
    /// The next revision; 0 while any will do.
    pub next: u64,
    /// Changes that came twice, and changes that did not come at all.
    pub repeated: u64,
    pub lost: u64,
    /// `reset` events.
    pub resets: u64,
    /// The rest of the request.
    unsent: Vec<u8>,
    /// The beginning of an event whose rest has not arrived.
    partial: Vec<u8>,
}

/// Streams that one thread reads.
pub struct Streams {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    pub streams: Vec<Stream>,
    /// Streams that ended since somebody last asked.
    pub ended: Vec<usize>,
}

impl Streams {
    pub fn new() -> Self {
        Self {
            poll: Poll::new().expect("epoll"),
            events: Events::with_capacity(1024),
            buffer: vec![0; BUFFER_BYTES],
            streams: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Asks for one more stream; it is served when its answer has begun.
    pub fn open(&mut self, server: SocketAddr, after: Option<&str>) {
        let index = self.streams.len();
        self.streams.push(Stream::default());
        self.connect(index, server, after);
    }

    /// Asks for a stream (again), without waiting for anything.
    pub fn connect(&mut self, index: usize, server: SocketAddr, after: Option<&str>) {
        let socket = socket(index);
        socket.set_nonblocking(true).expect("an option");
        // Whether it succeeds is told by epoll, as it is where it takes its time.
        let _ = socket.connect(&server.into());
        self.watch(index, socket, request(server, after).into_bytes());
    }

    /// Goes on reading a stream that was asked for elsewhere.
    pub fn adopt(&mut self, socket: Socket) {
        let index = self.streams.len();
        self.streams.push(Stream::default());
        socket.set_nonblocking(true).expect("an option");
        self.watch(index, socket, Vec::new());
    }

    fn watch(&mut self, index: usize, socket: Socket, unsent: Vec<u8>) {
        let mut socket = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(index), interest).expect("epoll");
        let stream = self.streams.get_mut(index).expect("a stream of ours");
        (stream.served, stream.socket) = (None, Some(socket));
        stream.unsent = unsent;
        stream.partial.clear();
    }

    pub fn served(&self) -> usize {
        self.streams.iter().filter(|stream| stream.served.is_some()).count()
    }

    /// Reads what arrives within `time`; tells each change to `arrived`, with its stream.
    pub fn read(&mut self, time: Duration, mut arrived: impl FnMut(usize, u64, Instant)) {
        match self.poll.poll(&mut self.events, Some(time)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            result => result.expect("epoll works"),
        }
        for event in &self.events {
            let Token(index) = event.token();
            let stream = self.streams.get_mut(index).expect("a stream of ours");
            if !stream.unsent.is_empty() && event.is_writable() {
                stream.send();
            }
            if !stream.read(&mut self.buffer, |revision, at| arrived(index, revision, at)) {
                stream.socket = None;
                self.ended.push(index);
            }
        }
    }

    /// Reads until `enough` says so; whether it did in time.
    pub fn read_until(&mut self, time: Duration, enough: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + time;
        while !enough(self) {
            if Instant::now() > end {
                return false;
            }
            self.read(Duration::from_millis(20), |_, _, _| {});
        }
        true
    }
}

/// A socket with an address of its own.
pub fn socket(index: usize) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    let own = Ipv4Addr::new(127, 0, 0, u8::try_from(1 + index % ADDRESSES).expect("small"));
    socket.bind(&SocketAddr::from((own, 0)).into()).expect("a port");
    socket
}

/// What asks for a stream.
pub fn request(server: SocketAddr, after: Option<&str>) -> String {
    let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
    format!(
        "GET /sdk/v1/stream{query} HTTP/1.1\r\nhost: {server}\r\nauthorization: Bearer {SDK}\r\n\
         accept: text/event-stream\r\n\r\n"
    )
}

impl Stream {
    fn send(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        // One that is refused is read to its end next.
        if let Ok(length) = socket.write(&self.unsent) {
            self.unsent.drain(..length);
        }
    }

    /// Reads what is there; whether the stream goes on.
    fn read(&mut self, buffer: &mut [u8], mut arrived: impl FnMut(u64, Instant)) -> bool {
        loop {
            let Some(socket) = &mut self.socket else { return true };
            match socket.read(buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    let at = Instant::now();
                    let is_all = length < buffer.len();
                    self.take(buffer.get(..length).expect("read into it"), at, &mut arrived);
                    if is_all {
                        // What comes later is another event of epoll.
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    fn take(&mut self, bytes: &[u8], at: Instant, arrived: &mut impl FnMut(u64, Instant)) {
        if self.partial.is_empty() {
            let whole = self.blocks(bytes, at, arrived);
            self.partial.extend_from_slice(bytes.get(whole..).unwrap_or_default());
        } else {
            let mut partial = std::mem::take(&mut self.partial);
            partial.extend_from_slice(bytes);
            let whole = self.blocks(&partial, at, arrived);
            partial.drain(..whole);
            self.partial = partial;
        }
    }

    /// Takes the blocks that are whole, and says how many bytes they had.
    fn blocks(
        &mut self,
        bytes: &[u8],
        at: Instant,
        arrived: &mut impl FnMut(u64, Instant),
    ) -> usize {
        let mut begin = 0;
        // The lengths of chunks stand between blocks and cannot be mistaken for a field.
        for end in memchr::memmem::find_iter(bytes, b"\n\n") {
            self.block(bytes.get(begin..end).unwrap_or_default(), at, arrived);
            begin = end + 2;
        }
        // The line break after a chunk.
        begin + bytes.get(begin..).unwrap_or_default().starts_with(b"\r\n") as usize * 2
    }

    fn block(&mut self, block: &[u8], at: Instant, arrived: &mut impl FnMut(u64, Instant)) {
        if self.served.is_none() {
            let text = String::from_utf8_lossy(block);
            assert!(text.starts_with("HTTP/1.1 200"), "the server refuses a stream: {text}");
            let retry = text.lines().find_map(|line| line.strip_prefix("retry: "));
            let retry = retry.and_then(|ms| ms.parse().ok()).expect("a retry");
            (self.retry, self.served) = (Duration::from_millis(retry), Some(at));
        }
        if let Some(id) = memchr::memmem::find(block, b"\nid: ") {
            let id = block.get(id..).unwrap_or_default().split(|byte| *byte == b'\n').nth(1);
            let digits = id.unwrap_or_default().rsplit(|byte| *byte == b'.').next();
            let revision = digits.unwrap_or_default().iter();
            let revision = revision.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
            match self.next {
                0 => {}
                next if revision < next => {
                    self.repeated += 1;
                    return;
                }
                next => self.lost += revision - next,
            }
            self.next = revision + 1;
            arrived(revision, at);
        } else if memchr::memmem::find(block, b"event: reset").is_some() {
            self.resets += 1;
        }
    }
}

//! A server on loopback for SDKs that can only be fed by HTTP, and the assurance that they ask it
//! and nobody else.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::thread;

/// Where HTTP clients look for a proxy.
const PROXIES: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Answers every request with `body`, for as long as the program runs; gives its address.
pub(crate) fn serve(body: Vec<u8>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let address = listener.local_addr().expect("a listener has an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // A client that goes away early is no reason to stop.
            let _ = answer(connection, &body);
        }
    });
    format!("http://{address}")
}

fn answer(connection: TcpStream, body: &[u8]) -> std::io::Result<()> {
    let mut request = BufReader::new(connection);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let length = body.len();
    let mut connection = request.into_inner();
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    )?;
    connection.write_all(body)
}

/// Runs this program again without proxies, if there are any: an SDK would ask a proxy even for
/// loopback. `None` when there are none.
pub(crate) fn run_without_proxies() -> Option<ExitCode> {
    PROXIES.iter().find(|name| std::env::var_os(name).is_some())?;
    let program = std::env::current_exe().expect("this program has a path");
    let mut again = Command::new(program);
    again.args(std::env::args_os().skip(1));
    for name in PROXIES {
        again.env_remove(name);
    }
    let status = again.status().expect("this program can be started again");
    Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

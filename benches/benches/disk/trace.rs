//! Reads what `strace` wrote down.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::Event;
use crate::load::history::Ack;

/// All threads, paths beside file descriptors, and everything that is written in full, as hex.
pub const STRACE: [&str; 8] = [
    "-f",
    "--seccomp-bpf",
    "-y",
    "-xx",
    "-s",
    "100000000",
    "-e",
    "trace=openat,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,fdatasync,fsync,\
     sync_file_range,ftruncate,fallocate,unlink,unlinkat,rename,renameat,renameat2",
];

/// The events of the files in `folder` whose name says that SQLite needs them after a crash.
///
/// # Panics
/// At a call that this does not know the meaning of: nothing is passed over in silence.
pub fn record(log: &Path, folder: &Path) -> Vec<Event> {
    let file = std::fs::File::open(log).expect("the record is there");
    let folder = folder.canonicalize().expect("the folder is there");
    let mut reader = Reader { folder: folder.to_str().expect("UTF-8"), begun: BTreeMap::new() };
    let mut events = Vec::new();
    for line in BufReader::new(file).lines() {
        events.extend(reader.line(&line.expect("text")));
    }
    events
}

struct Reader<'f> {
    folder: &'f str,
    /// Calls that had not ended when another thread did something, by thread.
    begun: BTreeMap<String, String>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Vec<Event> {
        let (thread, call) = line.split_once(' ').expect("a thread and a call");
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            self.begun.insert(thread.to_owned(), begun.to_owned());
            return self.begins(begun).into_iter().collect();
        }
        if let Some(rest) = call.strip_prefix("<... ") {
            let begun = self.begun.remove(thread).expect("it began");
            let (_, rest) = rest.split_once(" resumed>").expect("it ends");
            return self.ends(&format!("{begun}{rest}")).into_iter().collect();
        }
        // Signals, and the end of a thread.
        if call.starts_with("---") || call.starts_with("+++") {
            return Vec::new();
        }
        self.begins(call).into_iter().chain(self.ends(call)).collect()
    }

    /// What a call does as soon as it begins: it may end at any time after that, or never.
    fn begins(&self, call: &str) -> Option<Event> {
        let (what, arguments) = call.split_once('(').expect("arguments");
        match what {
            "fdatasync" | "fsync" => {
                Some(Event::SyncBegins { name: self.name(&path_of_descriptor(arguments)?)? })
            }
            "pwrite64" | "write" => {
                let path = path_of_descriptor(arguments)?;
                let Some(name) = self.name(&path) else { return answer(&path, arguments) };
                assert_eq!(what, "pwrite64", "SQLite says where it writes: {name}");
                let offset = arguments.rsplit_once("\", ").expect("a length and an offset").1;
                let offset = offset.split(&[',', ')']).nth(1).expect("an offset");
                let offset = offset.trim().parse().expect("a number");
                Some(Event::Write { name, offset, bytes: strings(arguments) })
            }
            "ftruncate" => {
                let name = self.name(&path_of_descriptor(arguments)?)?;
                let length = arguments.split(&[',', ')']).nth(1).expect("a length");
                Some(Event::Truncate { name, length: length.trim().parse().expect("a number") })
            }
            "unlink" | "unlinkat" => {
                Some(Event::Delete { name: self.name(&text(&strings(arguments)))? })
            }
            "openat" if arguments.contains("O_CREAT") => {
                // The first text in quotation marks; a folder's descriptor has none.
                Some(Event::Create { name: self.name(&text(&strings(arguments)))? })
            }
            "openat" => None,
            "writev" | "sendto" | "sendmsg" => {
                let path = path_of_descriptor(arguments)?;
                assert!(self.name(&path).is_none(), "not how SQLite writes: {what}");
                answer(&path, arguments)
            }
            _ => {
                let is_ours = arguments.contains(&hex(self.folder));
                assert!(!is_ours, "what does this do: {what}");
                None
            }
        }
    }

    /// What has come about once a call ended.
    fn ends(&self, call: &str) -> Option<Event> {
        let (what, arguments) = call.split_once('(').expect("arguments");
        if !matches!(what, "fdatasync" | "fsync") || !call.ends_with(" = 0") {
            return None;
        }
        let path = path_of_descriptor(arguments)?;
        if path == self.folder {
            return Some(Event::FolderSynced);
        }
        Some(Event::SyncEnds { name: self.name(&path)? })
    }

    /// The name of a file of the database; the shared memory beside it is made anew, and the lock
    /// is of no use, after a crash.
    fn name(&self, path: &str) -> Option<String> {
        let name = path.strip_prefix(self.folder)?.strip_prefix('/')?;
        matches!(name, "flags.db" | "flags.db-wal" | "flags.db-journal").then(|| name.to_owned())
    }
}

/// What an answer to a write acknowledges.
fn answer(path: &str, arguments: &str) -> Option<Event> {
    if !path.starts_with("socket:") && !path.starts_with("TCP:") {
        return None;
    }
    let answer = text(&strings(arguments));
    let (head, body) = answer.split_once("\r\n\r\n")?;
    if !head.starts_with("HTTP/1.1 20") {
        return None;
    }
    let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: "))?;
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    // Reads are not asked with an id that is ours.
    id.starts_with('k').then(|| Event::Answer(Ack::of(id.to_owned(), &body)))
}

/// What stands in angle brackets after the descriptor.
fn path_of_descriptor(arguments: &str) -> Option<String> {
    let (_, rest) = arguments.split_once('<')?;
    let (path, _) = rest.split_once('>')?;
    Some(if path.starts_with("\\x") { text(&unescaped(path)) } else { path.to_owned() })
}

/// All that stands in quotation marks.
fn strings(arguments: &str) -> Vec<u8> {
    arguments.split('"').skip(1).step_by(2).flat_map(unescaped).collect()
}

fn unescaped(hex: &str) -> Vec<u8> {
    let bytes = hex.split("\\x").skip(1);
    bytes.map(|byte| u8::from_str_radix(byte, 16).expect("two digits")).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! Cuts the power again and again, and looks whether an acknowledged write is lost.
//!
//! A server under `strace` writes; every write to its files, every sync and every answer is on
//! record, in order. At a random point of that record the power goes: of each file stays what was
//! synced until then, and of what was not, a random part, sector by sector, in any order; files
//! created or deleted are so only once their folder was synced, or by chance. On such files the
//! server starts again, and whatever it had answered before that point must be there.
//!
//! The test proves itself: with the syncs of all files forgotten, which is what `synchronous=OFF` is, it must
//! find losses.
//!
//! `-- quick` cuts ten times, otherwise two hundred; it needs `strace` (Linux). It does not show
//! what a disk does that acknowledges a sync before it is one, or that damages what it is not
//! writing.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot set itself up has nothing to measure"
)]

mod disk;
mod load;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use disk::{Disk, Event, Syncs, record};
use load::history::{Ack, check};
use load::process::{SDK, Server, command, was_the_server};
use load::writers::{Writers, same, snapshot};

/// Power cuts of one record.
const CUTS_PER_RECORD: usize = 10;

/// Records that follow one another: each begins where the last cut of the one before it ended.
const RECORDS_PER_DATABASE: usize = 5;

fn main() {
    if was_the_server() {
        return;
    }
    let quick = std::env::args().any(|argument| argument == "quick");
    let (total, begin) = (if quick { 10 } else { 200 }, Instant::now());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut cuts, mut found, mut acknowledged) = (0usize, 0, 0);
    while cuts < total {
        // What is durable when a record begins, and was acknowledged by then.
        let (mut disk, mut acks) = (Disk::default(), Vec::new());
        for number in 0..RECORDS_PER_DATABASE.min((total - cuts).div_ceil(CUTS_PER_RECORD)) {
            let events = runtime.block_on(written(&disk, number));
            let mut last = None;
            for _ in 0..CUTS_PER_RECORD {
                let until = fastrand::usize(..=events.len());
                let events = events.get(..until).unwrap_or_default();
                let (left, promised) = (disk.after(events, Syncs::Kept), promised(&acks, events));
                let outcome = runtime.block_on(survives(&left, &promised));
                outcome.unwrap_or_else(|loss| panic!("lost by a power cut: {loss}"));
                // The proof that a loss would be found.
                let forgotten = disk.after(events, Syncs::Forgotten);
                found += usize::from(runtime.block_on(survives(&forgotten, &promised)).is_err());
                cuts += 1;
                last = Some((left, promised));
            }
            if let Some((left, promised)) = last {
                acknowledged += promised.len() - acks.len();
                (disk, acks) = (left, promised);
            }
            println!(
                "{cuts} power cuts, {acknowledged} acknowledged writes that later records build on; \
                 without syncs {found} of as many are found out; {} s",
                begin.elapsed().as_secs()
            );
        }
    }
    println!("nothing that was acknowledged is lost");
    assert!(found > 0, "a test that finds no loss without syncs proves nothing");
}

/// Everything that was answered to writers by then.
fn promised(before: &[Ack], events: &[Event]) -> Vec<Ack> {
    let answered = events.iter().filter_map(|event| match event {
        Event::Answer(ack) => Some(ack.clone()),
        _ => None,
    });
    before.iter().cloned().chain(answered).collect()
}

/// Lets a server on such a disk be written to for a while, and gives the record of it.
async fn written(disk: &Disk, number: usize) -> Vec<Event> {
    let folder = tempfile::tempdir().expect("a folder");
    disk.write_to(folder.path());
    let (database, log) = (folder.path().join("flags.db"), folder.path().join("strace"));
    let server = command(&database, "127.0.0.1:0");
    let mut traced = Command::new("strace");
    traced.args(disk::STRACE).arg("-o").arg(&log).arg(server.get_program()).args(server.get_args());
    let strace = Server::spawn(&mut traced).expect("strace is there, and the server listens");
    let acks: Arc<Mutex<Vec<Ack>>> = Arc::default();
    let writers = Writers::start(strace.address, number, Arc::clone(&acks)).await;
    tokio::time::sleep(Duration::from_millis(fastrand::u64(500..2_500))).await;
    strace.kill_traced();
    writers.join().await;
    let events = record(&log, folder.path());
    let answers = events.iter().filter(|event| matches!(event, Event::Answer(_))).count();
    let received = acks.lock().expect("no writer panicked").len();
    assert!(answers >= received && received > 0, "every answer is on record");
    events
}

/// Whether a server starts on what is left, with everything that was promised.
async fn survives(left: &Disk, promised: &[Ack]) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    left.write_to(folder.path());
    let database = folder.path().join("flags.db");
    let server = start(&database)?;
    let folded = check(&database, promised)?;
    let served = snapshot(server.address, SDK).await;
    if !same(&folded, "production", &served) {
        return Err("state is not the fold of the change log".into());
    }
    Ok(())
}

fn start(database: &Path) -> Result<Server, String> {
    let mut command = command(database, "127.0.0.1:0");
    // Without syncs it says a lot.
    command.stderr(std::process::Stdio::null());
    Server::spawn(&mut command).ok_or_else(|| "the server does not start".into())
}

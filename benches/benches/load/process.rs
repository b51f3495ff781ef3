//! The server in a process of its own, and what it costs there.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flags_server::{Bootstrap, Config, LogLevel, Quotas};

pub const SDK: &str = "sdk-token-of-the-bench-0123456789abcdef";
pub const ADMIN: &str = "admin-token-of-the-bench-0123456789abcdef";

/// The first argument of a process that is the server.
const SERVER: &str = "server";

/// Where backups are made at all: so often that there is always one under way, or nearly.
const BACKUP_EVERY: Duration = Duration::from_millis(20);
const BACKUP_KEEP: usize = 2;

/// What the kernel counts a process's time in, wherever Linux runs.
const TICK: Duration = Duration::from_millis(10);

/// Begins every `main`: this executable, started anew, is the server.
///
/// Returns whether it was.
pub fn was_the_server() -> bool {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(SERVER) {
        return false;
    }
    let (database, listen) = (arguments.next(), arguments.next());
    let backup_dir = arguments.next().map(PathBuf::from);
    flags_server::run(Config {
        database: database.expect("the path of the database").into(),
        listen: listen.expect("an address"),
        log_level: LogLevel::Error,
        // A bench writes as fast as it can.
        quotas: Quotas { admin_requests_per_minute: NonZeroU32::MAX, ..Quotas::default() },
        bootstrap: Bootstrap { admin_token: Some(ADMIN.into()), sdk_token: Some(SDK.into()) },
        backup_dir,
        backup_every: BACKUP_EVERY,
        backup_keep: BACKUP_KEEP,
        ..Config::default()
    })
    .expect("the server runs");
    true
}

/// The server in a process of its own, which ends with this value.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

/// What a process used since it started, and holds now.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub cpu: Duration,
    pub resident_kib: u64,
}

impl Server {
    pub fn start(database: &Path) -> Self {
        Self::start_at(database, "127.0.0.1:0")
    }

    pub fn start_at(database: &Path, listen: &str) -> Self {
        Self::spawn(&mut command(database, listen)).expect("the server listens")
    }

    /// Waits until it says where it listens; `None` where it ends before that.
    pub fn spawn(command: &mut Command) -> Option<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the process starts");
        let stdout = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            line.strip_prefix("listening on http://").and_then(|a| a.parse().ok())
        });
        match address {
            Some(address) => Some(Self { child, address }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                None
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn usage(&self) -> Usage {
        usage(self.pid())
    }

    /// Kills the server where it was started by another program, which ends by that.
    pub fn kill_traced(mut self) {
        self.kill_children();
        self.child.wait().expect("it ends");
    }

    fn kill_children(&self) {
        let pid = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Some(child) = child.parse().ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
            }
        }
    }

    /// Kills it, as a crash would end it.
    pub fn kill(self) {}
}

/// The command that starts the server; with the name of a folder behind it, it makes backups there.
pub fn command(database: &Path, listen: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this executable"));
    command.arg(SERVER).arg(database).arg(listen);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_children();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process used, by `/proc`.
pub fn usage(pid: u32) -> Usage {
    let read = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs");
    let stat = read("stat");
    // After the name, which is in brackets and may hold anything.
    let (_, stat) = stat.rsplit_once(") ").expect("a name");
    let ticks = stat.split(' ').skip(11).take(2).map(|field| field.parse::<u32>());
    let ticks: u32 = ticks.map(|ticks| ticks.expect("a number")).sum();
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|line| line.trim().strip_suffix(" kB"));
    let resident_kib = resident.and_then(|kib| kib.parse().ok()).expect("a number of kB");
    Usage { cpu: TICK * ticks, resident_kib }
}

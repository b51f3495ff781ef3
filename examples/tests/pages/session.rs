//! One shell, in which one command comes after the other.

use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::PATIENCE;

pub(crate) struct Session {
    shell: Child,
    commands: ChildStdin,
    statuses: Lines<BufReader<ChildStdout>>,
    out: PathBuf,
    errors: PathBuf,
}

/// What became of commands.
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Session {
    /// A shell in a folder, with nothing of the settings of whoever runs this.
    pub(crate) async fn start(folder: &Path) -> Self {
        let curl = Command::new("curl").arg("--version").output().await;
        assert!(curl.is_ok_and(|done| done.status.success()), "this test needs curl");
        let mut shell = Command::new("sh")
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let commands = shell.stdin.take().unwrap();
        let statuses = BufReader::new(shell.stdout.take().unwrap()).lines();
        let (out, errors) = (folder.join("out"), folder.join("errors"));
        Self { shell, commands, statuses, out, errors }
    }

    pub(crate) async fn run(&mut self, script: &str) -> Done {
        // In the shell itself, so that what is set stays set.
        let commands = format!("{{\n{script}}} </dev/null >out 2>errors\necho $?\n");
        self.commands.write_all(commands.as_bytes()).await.unwrap();
        let status = timeout(PATIENCE, self.statuses.next_line()).await;
        let status = status.unwrap_or_else(|_| panic!("no end of\n{script}")).unwrap();
        let read = |path| std::fs::read_to_string(path).unwrap();
        let (out, errors) = (read(&self.out), read(&self.errors));
        let status = status.unwrap_or_else(|| panic!("the shell ended in\n{script}{errors}"));
        Done { status: status.parse().unwrap(), out, errors }
    }

    pub(crate) async fn end(mut self) {
        drop(self.commands);
        assert!(self.shell.wait().await.unwrap().success(), "the shell ends well");
    }
}

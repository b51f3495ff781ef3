//! A part of the story in a process of its own: this executable with another role.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a part may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running child, its address, and what it printed before it said it was listening.
pub(crate) struct Process {
    child: Child,
    pub(crate) url: String,
    pub(crate) greeting: Vec<String>,
}

impl Process {
    /// Starts a role and waits until it listens; its log goes to `log`.
    pub(crate) async fn start(
        role: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
        log: &Path,
    ) -> Result<Self> {
        let executable = std::env::current_exe().context("finding this executable")?;
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = Command::new(executable)
            .arg(role)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting the {role}"))?;
        let stdout = child.stdout.take().context("a child's output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut greeting = Vec::new();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return Ok(url.to_owned());
                }
                greeting.push(line);
            }
            bail!("the {role} ended before it was listening")
        };
        let url = timeout(PATIENCE, listening)
            .await
            .with_context(|| format!("the {role} did not start in time"))??;
        // Whatever else it prints is read and dropped, so that it never blocks on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, url, greeting })
    }

    /// Asks it to stop, as an operator would, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = self.child.id().context("the child runs")?;
        let pid = Pid::from_raw(id.cast_signed()).context("a process id is positive")?;
        kill_process(pid, Signal::TERM)?;
        timeout(PATIENCE, self.child.wait()).await.context("a child did not stop in time")??;
        Ok(())
    }
}

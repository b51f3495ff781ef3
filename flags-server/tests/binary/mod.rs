//! The commands of the binary, for tests.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use serde_json::Value;
use tempfile::TempDir;

/// The binary, with nothing of this process's environment.
pub fn binary(dir: &TempDir) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flags-server"));
    command.env_clear().current_dir(dir).stdin(std::process::Stdio::null());
    command
}

/// Runs a command of the binary with `--output json`: its exit code, what it printed, and what it
/// complained of.
pub async fn run(mut command: std::process::Command, arguments: &[&str]) -> (i32, Value, String) {
    command.args(arguments).args(["--output", "json"]);
    // Away from the thread that the server of the test runs on.
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, errors) = (text(output.stdout), text(output.stderr));
    let value = match &*out {
        "" => Value::Null,
        out => serde_json::from_str(out).unwrap_or_else(|_| panic!("{out}{errors}")),
    };
    (output.status.code().unwrap(), value, errors)
}

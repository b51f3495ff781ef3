//! The command line of the server.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use flags_server::{Config, run};

/// The server of flags: where feature flags are changed, and where services get them from
///
/// When it creates the database, it prints an admin token and an SDK token, unless
/// FLAGS_BOOTSTRAP_ADMIN_TOKEN and FLAGS_BOOTSTRAP_SDK_TOKEN name them.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: Config,
}

#[derive(Subcommand)]
enum Command {
    /// Serves a database; this is what happens without a command, too
    Serve(Config),
}

fn main() -> ExitCode {
    let Arguments { command, config } = Arguments::parse();
    let config = match command {
        Some(Command::Serve(config)) => config,
        None => config,
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flags-server: {error}");
            ExitCode::FAILURE
        }
    }
}

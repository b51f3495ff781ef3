//! The commands of the binary.
//!
//! What only reads looks at the file beside a live server. What writes goes through the API of a
//! server, or takes the file, when no server has it.

mod api;
mod check;
mod erase;
mod local;
mod output;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::output::Failure;
use crate::{Config, run};

/// The server of flags: where feature flags are changed, and where services get them from
///
/// When it creates the database, it prints an admin token and an SDK token, unless
/// FLAGS_BOOTSTRAP_ADMIN_TOKEN and FLAGS_BOOTSTRAP_SDK_TOKEN name them.
///
/// Exit codes: 0 done, 1 failed or (check) damaged, 2 not understood.
#[derive(Parser)]
#[command(name = "flags-server", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: Config,
}

#[derive(Subcommand)]
enum Command {
    /// Serves a database; this is what happens without a command, too
    Serve(Config),
    /// Tells whether a database is whole; also beside a live server
    Check(check::Check),
    /// Removes a user's or a tenant's key from definitions, history and audit log
    Erase(erase::Erase),
}

/// The file that a command is about.
#[derive(Args)]
struct DatabaseFile {
    /// The database file
    #[arg(long, env = "FLAGS_DATABASE", default_value = "flags.db", value_name = "FILE")]
    database: PathBuf,
}

/// Does what the command line says, and tells of a failure on standard error.
///
/// ```no_run
/// use clap::Parser;
///
/// fn main() -> std::process::ExitCode {
///     flags_server::execute(flags_server::Arguments::parse())
/// }
/// ```
#[must_use]
pub fn execute(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        None => run(arguments.config).map_err(Failure::from),
        Some(Command::Serve(config)) => run(config).map_err(Failure::from),
        Some(Command::Check(check)) => check.execute(),
        Some(Command::Erase(erase)) => erase.execute(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Failure::Error(error) = failure {
                eprintln!("flags-server: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

//! The commands of the binary.
//!
//! What only reads, or only tells what would be done, looks at the file beside a live server. What
//! writes goes through the API of a
//! server, or takes the file, when no server has it.

mod api;
mod backup;
mod check;
mod erase;
mod export;
mod import;
mod local;
mod migrate;
mod new_file;
mod output;
mod prune;
mod restore;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::output::{Failure, end_progress, escaped};
use crate::settings::check_variables;
use crate::{Error, Settings, run};

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
    settings: Settings,
}

#[derive(Subcommand)]
enum Command {
    /// Serves a database; this is what happens without a command, too
    Serve(Settings),
    /// Brings a database to the version of this program
    Migrate(migrate::Migrate),
    /// Copies a database; also beside a live server
    Backup(backup::Backup),
    /// Puts a backup in the place of a database, which no server may have open
    Restore(restore::Restore),
    /// Tells whether a database is whole; also beside a live server
    Check(check::Check),
    /// Writes all definitions of an environment as one document; also beside a live server
    Export(export::Export),
    /// Makes an environment what an exported document says, as one revision
    Import(import::Import),
    /// Removes a user's or a tenant's key from definitions, history and audit log
    Erase(erase::Erase),
    /// Cuts off the beginnings of the change logs and of the audit log, and scheduled changes that have
    /// ended, on a file that no server has
    Prune(prune::Prune),
    /// Creates, lists and revokes tokens
    Token(token::Tokens),
}

/// The file that a command is about.
#[derive(Args)]
struct DatabaseFile {
    /// The database file [default: flags.db]
    #[arg(long, env = "FLAGS_DATABASE", value_name = "FILE", global = true)]
    database: Option<PathBuf>,
    /// A TOML file that names it, where nothing else does
    #[arg(long, env = "FLAGS_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl DatabaseFile {
    fn path(&self) -> Result<PathBuf, Error> {
        let settings = Settings::of_database(self.config.clone(), self.database.clone());
        Ok(settings.config()?.database)
    }
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
    let variables = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    match check_variables(variables).map_err(Failure::from).and_then(|()| perform(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            end_progress();
            if let Failure::Error(error) = failure {
                eprintln!("flags-server: {}", escaped(&error.to_string()));
            }
            ExitCode::FAILURE
        }
    }
}

fn perform(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        None => Ok(run(arguments.settings.config()?)?),
        Some(Command::Serve(settings)) => Ok(run(settings.config()?)?),
        Some(Command::Migrate(migrate)) => migrate.execute(),
        Some(Command::Backup(backup)) => backup.execute(),
        Some(Command::Restore(restore)) => restore.execute(),
        Some(Command::Prune(prune)) => prune.execute(),
        Some(Command::Token(tokens)) => tokens.execute(),
        Some(Command::Export(export)) => export.execute(),
        Some(Command::Import(import)) => import.execute(),
        Some(Command::Check(check)) => check.execute(),
        Some(Command::Erase(erase)) => erase.execute(),
    }
}

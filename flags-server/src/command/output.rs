use std::io::{IsTerminal, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::Error;
use crate::service::text::breaks_out;

/// Why a command ends with a code that is not 0.
pub(super) enum Failure {
    /// To be told.
    Error(Error),
    /// What is wrong stands in the command's own output.
    Told,
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// How a command tells what it did.
#[derive(Args)]
pub(super) struct Output {
    /// Whether the output is for people or for programs
    #[arg(long, value_enum, default_value_t, global = true)]
    output: OutputFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum OutputFormat {
    #[default]
    Text,
    Json,
}

impl Output {
    /// Prints a result: as JSON on one line, or as the lines of `text`.
    pub(super) fn print<T: Serialize>(
        &self,
        result: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Error> {
        let text = match self.output {
            OutputFormat::Text => escaped(&text(result)),
            OutputFormat::Json => {
                serde_json::to_string(result).map_err(|error| Error::new(error.to_string()))?
            }
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }
}

/// A text for people without what would do something else to their terminal than begin a line.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => safe.push(char),
            char if breaks_out(char) => safe.extend(char.escape_default()),
            char => safe.push(char),
        }
    }
    safe
}

/// What somebody called something, as a part of a line.
pub(super) fn on_one_line(name: &str) -> String {
    escaped(name).replace('\n', "\\n")
}

/// Tells what is being done, where somebody looks on.
pub(super) fn progress(what: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{what} …");
    }
}

/// Ends what [`progress`] wrote.
pub(super) fn end_progress() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

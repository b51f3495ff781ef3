use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::DatabaseFile;
use super::new_file::NewFile;
use super::output::{Failure, Output, end_progress, progress};
use crate::Error;
use crate::database::attach;
use crate::service::{Fault, export, project};
use crate::store::Store;

/// How much is written before progress is told again.
const BYTES_PER_WORD: u64 = 1024 * 1024;

/// The arguments of `flags-server export`.
#[derive(Args)]
pub(super) struct Export {
    /// The file to write, which is not there yet; standard output without it
    #[arg(value_name = "FILE")]
    target: Option<PathBuf>,
    /// The project
    #[arg(long, value_name = "KEY")]
    project: String,
    /// The environment
    #[arg(long, value_name = "KEY")]
    environment: String,
    #[command(flatten)]
    file: DatabaseFile,
    #[command(flatten)]
    output: Output,
}

impl Export {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let Some(target) = &self.target else {
            let mut out = BufWriter::new(io::stdout().lock());
            self.write(&mut out)?;
            return Ok(out.flush()?);
        };
        let mut file = NewFile::create(target)?;
        self.write(&mut file)?;
        let bytes = file.finish().map_err(|error| no_export(&error))?;
        let written = json!({"file": target.display().to_string(), "bytes": bytes});
        Ok(self.output.print(&written, |_| format!("{} ({bytes} bytes)", target.display()))?)
    }

    fn write(&self, out: &mut dyn Write) -> Result<(), Error> {
        let store = attach(&self.file.path()?)?;
        let view = store.view()?;
        let (project, environment) =
            project::find_environment(&*view, &self.project, &self.environment)?;
        let mut out = Told { out, bytes: 0 };
        let written = export::write(&*view, &project, &environment, &mut out);
        end_progress();
        written.map_err(|fault| match fault {
            Fault::Store(error) => no_export(error.cause()),
            fault => fault.into(),
        })
    }
}

fn no_export(error: &dyn std::fmt::Display) -> Error {
    Error::new(format!("there is no whole export: {error}"))
}

/// Tells how much is written.
struct Told<'o> {
    out: &'o mut dyn Write,
    bytes: u64,
}

impl Write for Told<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        let before = self.bytes / BYTES_PER_WORD;
        self.bytes += written as u64;
        let now = self.bytes / BYTES_PER_WORD;
        if now > before {
            progress(&format!("{now} MiB"));
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

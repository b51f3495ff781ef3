use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::DatabaseFile;
use super::output::{Failure, Output, end_progress, progress};
use crate::Error;
use crate::store::sqlite::back_up;

/// The arguments of `flags-server backup`.
#[derive(Args)]
pub(super) struct Backup {
    /// The file to write, which is not there yet
    #[arg(value_name = "FILE")]
    target: PathBuf,
    #[command(flatten)]
    file: DatabaseFile,
    #[command(flatten)]
    output: Output,
}

impl Backup {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let target = &self.target;
        let made = back_up(&self.file.path()?, target, &mut progress);
        end_progress();
        made.map_err(|error| Error::new(format!("there is no backup: {}", error.cause())))?;
        let bytes = target.metadata()?.len();
        let made = json!({"file": target.display().to_string(), "bytes": bytes});
        Ok(self.output.print(&made, |_| format!("{} ({bytes} bytes)", target.display()))?)
    }
}

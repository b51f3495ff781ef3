use clap::Args;
use serde_json::json;

use super::DatabaseFile;
use super::output::{Failure, Output, end_progress, progress};
use crate::database::open_existing;

/// The arguments of `flags-server migrate`.
#[derive(Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    file: DatabaseFile,
    #[command(flatten)]
    output: Output,
}

impl Migrate {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        progress("migrating");
        let store = open_existing(&self.file.path()?)?;
        end_progress();
        let (from, to) = store.versions();
        Ok(self.output.print(&json!({"from": from, "to": to}), |_| match from == to {
            true => format!("the schema has version {to} already"),
            false => format!("the schema had version {from} and has version {to}"),
        })?)
    }
}

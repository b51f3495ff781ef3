use clap::Args;
use serde::Serialize;

use super::DatabaseFile;
use super::output::{Failure, Output, end_progress, progress};
use crate::database::{damage_after_upgrade, open_existing};
use crate::service::check::Finding;

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
        progress("verifying");
        let damage = damage_after_upgrade(&store)?;
        end_progress();
        let (from, to) = store.versions();
        let report = Report { from, to, findings: damage.into_iter().map(Finding::from).collect() };
        self.output.print(&report, text)?;
        if report.findings.is_empty() { Ok(()) } else { Err(Failure::Told) }
    }
}

#[derive(Serialize)]
struct Report {
    from: i32,
    to: i32,
    findings: Vec<Finding>,
}

fn text(Report { from, to, findings }: &Report) -> String {
    let mut text = String::new();
    for Finding { place, message } in findings {
        text.push_str(&format!("{place}: {message}\n"));
    }
    text.push_str(&match from == to {
        true => format!("the schema has version {to} already"),
        false => format!("the schema had version {from} and has version {to}"),
    });
    if !findings.is_empty() {
        text.push_str(
            "; the database is damaged: restore the backup, and do not go on with this file",
        );
    }
    text
}
